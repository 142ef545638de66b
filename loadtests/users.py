"""The simulated clients, under Locust.

    Plan → a protocol for each user → weighted choice → request → check of the content → Outcome

A user sends its next request as soon as it has the last answer (a closed loop); one that was shed
waits as long as it was told. Importing this module patches the process (gevent), so only Locust's
own process does.
"""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING, ClassVar

from locust import LoadTestShape, User, constant, task

from loadtests.access import Access, Target
from loadtests.checks import WrongAnswer
from loadtests.doors import GrpcDoor, HttpDoor, Reply
from loadtests.examples import name_of
from loadtests.outcomes import Outcome, Outcomes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadtests.outcomes import Span
    from loadtests.pilot import Pilot
    from loadtests.plan import Plan

MAX_PAUSE_S = 2.0
MAX_REASON = 200


class Recorder:
    """Outcomes with the time of day at which each ended, until they are taken."""

    def __init__(self) -> None:
        """Empty."""
        self._rows: list[Outcome] = []
        self.users_of: dict[str, int] = {}

    def add(self, path: str, ms: float, reply: Reply) -> None:
        """Record one request that has just ended."""
        self._rows.append(Outcome(path, time.time(), ms, reply.result, reply.reason[:MAX_REASON]))

    def extend(self, rows: Iterable[Outcome], worker: str, users: int) -> None:
        """Record what another process recorded, which has so many users now."""
        self._rows.extend(rows)
        self.users_of[worker] = users

    def take(self) -> list[Outcome]:
        """Give away all rows."""
        taken, self._rows = self._rows, []
        return taken

    def outcomes(self, begun: float, spans: tuple[Span, ...], stopped: str) -> Outcomes:
        """The run that began at ``begun``, until its last phase's end or answer."""
        rows = tuple(row._replace(at_s=row.at_s - begun) for row in self._rows)
        last = max([0.0, *(span.to_s for span in spans), *(row.at_s for row in rows)])
        return Outcomes(last, rows, spans, max(1, len(self.users_of)), stopped)


class Caller(User):
    """One client with one connection, and so with one request at a time."""

    wait_time = constant(0)
    plan: ClassVar[Plan]
    recorder: ClassVar[Recorder]
    born = itertools.count()

    def on_start(self) -> None:
        """Take the next protocol in turn."""
        plan = self.plan
        protocol = list(plan.tasks)[next(self.born) % len(plan.tasks)]
        weights = plan.tasks[protocol]
        self._names = [name_of(protocol, operation) for operation in weights]
        self._weights = list(itertools.accumulate(weights.values()))
        self._examples = {name: plan.examples.of(name) for name in self._names}
        target = Target(plan.host, plan.grpc, Access.from_environment())
        self._door = GrpcDoor(target) if protocol.endswith("grpc") else HttpDoor(target)

    def on_stop(self) -> None:
        """Close the connection."""
        self._door.close()

    @task
    def ask(self) -> None:
        """Send one request, look at the answer."""
        # A choice of load, no secret.
        (name,) = random.choices(self._names, cum_weights=self._weights)  # noqa: S311 - no secret
        example = random.choice(self._examples[name])  # noqa: S311 - no secret
        begun = time.perf_counter()
        reply = self._door.send(example)
        ms = 1000 * (time.perf_counter() - begun)
        if reply.result == "ok":
            try:
                self.plan.examples.check(example, reply.body)
            except WrongAnswer as error:
                reply = Reply("failed", reason=str(error))
        self.recorder.add(name, ms, reply)
        self.environment.events.request.fire(
            request_type=name.partition(" ")[0],
            name=name,
            response_time=ms,
            response_length=len(reply.body),
            exception=WrongAnswer(reply.reason) if reply.result == "failed" else None,
            context={},
        )
        if reply.wait_s:
            # gevent has patched sleep: only this user waits.
            time.sleep(min(reply.wait_s, MAX_PAUSE_S))


class PlannedShape(LoadTestShape):
    """The number of users that the pilot wants."""

    pilot: ClassVar[Pilot]

    def tick(self) -> tuple[int, float] | None:
        """Asked by Locust once a second."""
        # A master hears that users are gone before it hears what they did last: workers' own
        # reports tell both at once.
        known = Caller.recorder.users_of
        here = 0 if self.runner is None else self.runner.user_count
        present = sum(known.values()) if known else here
        users = self.pilot.tick(time.time(), present, self.so_far)
        # All at once, up or down: a phase has its users from its beginning.
        most = max(phase.users for phase in Caller.plan.phases)
        return None if users is None else (users, float(most))

    @classmethod
    def so_far(cls) -> Outcomes:
        """The run until now."""
        pilot = cls.pilot
        return Caller.recorder.outcomes(pilot.begun_s, pilot.spans(time.time()), pilot.stopped)
