"""The micro-batcher: many callers' rows, one graph, no idle waiting.

    submit(rows [n, …]) → queue → while a slot is free: batch [≤ max_batch_size, …] → graph
    outputs, each [size, …], part by part → queue → submit's answer, row i for row i

The asyncio driver of `inference.queue`, which holds the rules. Knows no model, no thread and no
transport: a graph is anything that can be awaited with a batch.

1. While a slot is free, what is queued leaves in the same turn of the event loop; submits of one
   turn ride together. While all slots are busy, the queue grows into the next batch.
2. Every submit ends: with its outputs, with an error, or by its caller's cancellation.
3. A deadline is answered when it passes, even if all slots are busy.
4. The graph is given what is live: cancelled and expired rows enter no batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from inference.errors import ShuttingDown
from inference.queue import TicketQueue
from inference.ticket import BatchLimits

if TYPE_CHECKING:
    from collections.abc import Callable

    from inference.call import Call
    from inference.ride import Finish, Landing, LazyRows
    from inference.ticket import Batch, Outputs, Part, Rows, Ticket

__all__ = ["BatchLimits", "BatchRecord", "Graph", "MicroBatcher"]

_logger = logging.getLogger(__name__)
_SHORTEST_TIMER_S = 0.001
"""Event loops round to milliseconds: a shorter timer would fire early, again and again."""


class Graph(Protocol):
    """A model's graph as the batcher sees it."""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""

    async def __call__(self, batch: Batch) -> list[Landing]:
        """What becomes of a batch on one of the graph's threads (`inference.ride`)."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One finished micro-batch, for metrics and traces.

    Attributes:
        graph: The graph's name.
        size: Items in it.
        queue_s: Seconds that its oldest ticket waited.
        compute_s: Seconds from leaving the queue to its outputs.
        ok: Whether it gave outputs.
        formed: When it left the queue, on the batcher's clock (`time.monotonic`).
        parts: Whose rows rode in it; to be read at once and not kept, since they hold the rows.
    """

    graph: str
    size: int
    queue_s: float
    compute_s: float
    ok: bool
    formed: float
    parts: tuple[Part, ...]


def _ignore(_: BatchRecord) -> None:
    """Nobody watches."""


class MicroBatcher:
    """Batches the rows of all callers for one graph.

    It belongs to the event loop that first uses it; no method may be called from another thread.

    Args:
        graph: Runs one batch; may be awaited ``slots`` times at once.
        limits: Sizes of batch and queue.
        slots: Batches in flight at once.
        express: Whether one more may be, of callers that bring little while others bring much.
        clock: Seconds; the clock of `Call.deadline`.
        observe: Told of every finished batch, on the event loop; must return at once.
    """

    def __init__(
        self,
        graph: Graph,
        *,
        limits: BatchLimits,
        slots: int,
        express: bool = False,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[BatchRecord], None] = _ignore,
    ) -> None:
        """An empty batcher; no event loop needs to run yet.

        Raises:
            ValueError: ``slots`` is below 1.
        """
        if slots < 1:
            raise ValueError(f"slots is {slots}; at least one batch must be able to run")
        self._graph = graph
        self._slots = slots
        self._express = express
        self._express_runs = 0
        self._clock = clock
        self._observe = observe
        self._queue = TicketQueue(limits, self._answer)
        self._answers: dict[int, asyncio.Future[Outputs | Exception]] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._dispatch_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closing = False
        self._drained = asyncio.Event()

    @property
    def queued_items(self) -> int:
        """Items that wait for a batch."""
        return self._queue.queued_items

    @property
    def in_flight_items(self) -> int:
        """Items in batches that the graph has now."""
        return self._queue.in_flight_items

    async def submit(
        self, rows: Rows | LazyRows, call: Call, finish: Finish | None = None
    ) -> Outputs:
        """Run ``rows`` [n, …] through the graph, in as many batches as it takes.

        Args:
            rows: n ≥ 1; must not be changed before the answer.
            finish: Called with the outputs on the graph's thread, unless they came from several
                batches: look at its ``done`` and its ``error``.
            call: Whose request it is; ``queue_s``, ``compute_s`` and ``batch_size`` are added.

        Returns:
            The graph's outputs, each [n, …], row i belongs to row i; they may be views.

        Raises:
            QueueFull: Too many items wait; its ``retry_after_s`` is the queue's measured drain.
            TooManyItems: n is more than the queue ever holds.
            DeadlineExceeded: ``call.deadline`` passed first.
            InferenceFailed: The graph failed on these rows.
            ShuttingDown: `aclose` was called.
            Exception: What making lazy rows raised.
        """
        if self._closing:
            raise ShuttingDown("the server is shutting down; send the request again")
        ticket = self._queue.put(rows, call, self._clock(), finish)
        answer: asyncio.Future[Outputs | Exception]
        answer = asyncio.get_running_loop().create_future()
        self._answers[ticket.number] = answer
        self._soon_dispatch()
        try:
            outcome = await answer
        finally:
            del self._answers[ticket.number]
            # Only a cancelled caller leaves a ticket behind that has not ended.
            self._queue.cancel(ticket, self._clock())
        if isinstance(outcome, Exception):
            try:
                raise outcome
            finally:
                # Its traceback holds this frame, which must not hold it: rows of a request that
                # failed would stay until the next garbage collection.
                del answer, outcome
        return outcome

    def check_room(self, call: Call, items: int = 1) -> None:
        """Refuse what could not be queued now, before anything is done for it.

        Raises:
            QueueFull: As `submit` would.
        """
        self._queue.check_room(items, call.caller, self._clock())

    async def aclose(self) -> None:
        """Refuse what comes from now on, finish what is queued; may be called again."""
        self._closing = True
        self._soon_dispatch()
        await self._drained.wait()

    def _soon_dispatch(self) -> None:
        if not self._dispatch_due:
            self._dispatch_due = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatch_due = False
        queue = self._queue
        queue.expire(self._clock())
        while queue.in_flight_batches - self._express_runs < self._slots:
            batch = queue.take(self._clock(), patient=not self._closing)
            if batch is None:
                break
            self._start(batch)
        else:
            if self._express and not self._express_runs:
                batch = queue.take_express(self._clock())
                if batch is not None:
                    self._express_runs = 1
                    self._start(batch)
        self._set_timer()
        if self._closing and queue.idle:
            self._drained.set()
            if self._timer is not None:
                self._timer.cancel()

    def _start(self, batch: Batch) -> None:
        run = asyncio.get_running_loop().create_task(self._run(batch))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    def _set_timer(self) -> None:
        wake_at = self._queue.next_deadline
        if self._queue.in_flight_batches - self._express_runs < self._slots:
            held_until = self._queue.held_until
            wake_at = min((at for at in (wake_at, held_until) if at is not None), default=None)
        # A timer that is early only looks and is set again: cheaper than moving it every time.
        if wake_at is None or (self._timer is not None and self._timer_at <= wake_at):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(wake_at - self._clock(), _SHORTEST_TIMER_S)
        self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)
        self._timer_at = wake_at

    def _on_timer(self) -> None:
        self._timer = None
        self._dispatch()

    async def _run(self, batch: Batch) -> None:
        failure: BaseException | None = None
        try:
            landings = await self._graph(batch)
        # A graph may fail with anything, and a cancelled one must not leave its callers waiting.
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - said above
            failure = error
        now = self._clock()
        self._express_runs -= batch.express
        if failure is None:
            self._queue.complete(batch, landings, now)
        else:
            self._log_failure(batch, failure)
            self._queue.fail(batch, failure, now)
        # At once: those who were answered have work for the event loop, the thread has none.
        self._dispatch()
        self._observe(
            BatchRecord(
                graph=self._graph.name,
                size=batch.size,
                queue_s=batch.queue_s,
                compute_s=now - batch.formed,
                ok=failure is None,
                formed=batch.formed,
                parts=batch.parts,
            )
        )

    def _answer(self, ticket: Ticket, outcome: Outputs | Exception) -> None:
        answer = self._answers[ticket.number]
        # A caller whose cancellation is under way has a future that is done.
        if not answer.done():
            answer.set_result(outcome)

    def _log_failure(self, batch: Batch, failure: BaseException) -> None:
        requests = ", ".join(part.ticket.call.request_id or "-" for part in batch.parts)
        what_next = "each is tried again alone" if len(batch.parts) > 1 else "it is given up"
        _logger.error(
            "graph %s failed on a batch of %d items; %s; request ids: %s",
            self._graph.name,
            batch.size,
            what_next,
            requests,
            exc_info=failure,
        )
