"""The simulated client of a shop's backend, under Locust.

    Examples → weighted choice → request → check of the content → Outcome

Shop mix: shift 50 %, encode 20 %, decode 15 %, sample 15 %. A user sends its next request as
soon as it has the last answer (a closed loop); one that was shed waits as long as it was told.
Importing this module patches the process (gevent), so only Locust's own process does.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, ClassVar

from locust import FastHttpUser, constant, task

from loadtests.checks import WrongAnswer, check
from loadtests.outcomes import SHED_STATUSES, Outcome, Outcomes, Result

if TYPE_CHECKING:
    from loadtests.examples import Example, Examples

OK = 200
MAX_PAUSE_S = 2.0
MAX_REASON = 200


class Recorder:
    """Every outcome of the run, in the one process that makes it."""

    def __init__(self) -> None:
        """Start the clock."""
        self._begun = time.perf_counter()
        self._rows: list[Outcome] = []

    def add(self, path: str, ms: float, result: Result, reason: str = "") -> None:
        """Record one request that has just ended."""
        at_s = time.perf_counter() - self._begun
        self._rows.append(Outcome(path, at_s, ms, result, reason[:MAX_REASON]))

    def outcomes(self) -> Outcomes:
        """The run until now."""
        return Outcomes(time.perf_counter() - self._begun, tuple(self._rows))


class ShopUser(FastHttpUser):
    """One client with one connection at a time."""

    wait_time = constant(0)
    network_timeout = 60.0
    connection_timeout = 10.0
    plan: ClassVar[Examples]
    recorder: ClassVar[Recorder]

    @task(50)
    def shift(self) -> None:
        """Change an attribute of a photo."""
        self._send("/v1/shift")

    @task(20)
    def encode(self) -> None:
        """Get the latent of a photo."""
        self._send("/v1/encode")

    @task(15)
    def decode(self) -> None:
        """Get the picture of a latent."""
        self._send("/v1/decode")

    @task(15)
    def sample(self) -> None:
        """Get a new picture for a seed."""
        self._send("/v1/sample")

    def _send(self, path: str) -> None:
        example = random.choice(self.plan.of(path))  # noqa: S311  (a choice of load, no secret)
        begun = time.perf_counter()
        with self.client.post(
            path,
            data=example.body,  # type: ignore[arg-type]  # Locust's annotation forgets bytes
            headers=dict(example.headers),
            catch_response=True,
        ) as response:
            body = response.content or b""
            ms = 1000 * (time.perf_counter() - begun)
            result, reason = self._judge(example, response.status_code, body)
            if not response.status_code and response.error is not None:
                reason = f"no answer: {response.error}"
            self.recorder.add(path, ms, result, reason)
            if result == "failed":
                response.failure(reason)
            else:
                response.success()
            told = (response.headers or {}).get("Retry-After", "0")
        if result == "shed":
            # gevent has patched sleep: only this user waits.
            time.sleep(min(float(told) if told.isdigit() else 0.0, MAX_PAUSE_S))

    def _judge(self, example: Example, status: int, body: bytes) -> tuple[Result, str]:
        if status in SHED_STATUSES:
            return "shed", f"status {status}"
        if status != OK:
            return "failed", f"status {status}: {body[:MAX_REASON].decode(errors='replace')}"
        try:
            check(example.kind, body, example.alone, self.plan.model)
        except WrongAnswer as error:
            return "failed", str(error)
        return "ok", ""
