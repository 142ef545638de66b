"""Arrivals keep to their times, each is answered once, and the refused come back as told."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benchmarks.connections import LOST
from benchmarks.load import Exchange, WrongAnswer, http_request
from benchmarks.open_loop import Patience, arrive, keep_busy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ASK = http_request("/path", "text/plain", b"body")
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
ENVELOPE = b'{"error":{"slug":"queue_full","retry_after_s":0.05}}'
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: %d\r\n\r\n%s" % (
    len(ENVELOPE),
    ENVELOPE,
)
WANTED = Exchange(ASK, b"good", images=3)


@contextlib.contextmanager
def answering(answer: Callable[[int], bytes]) -> Generator[tuple[str, list[str]]]:
    """A server that gives its n-th request ``answer(n)``; an empty answer ends the connection."""
    peers: list[str] = []
    lock = threading.Lock()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while len(self.rfile.read(len(ASK))) == len(ASK):
                with lock:
                    peers.append(self.client_address[0])
                    reply = answer(len(peers))
                if not reply:
                    return
                self.wfile.write(reply)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", peers
        finally:
            server.shutdown()
            thread.join(10)


def test_every_arrival_is_answered_once_and_none_is_early() -> None:
    arrivals = [0.002 * number for number in range(50)]
    with answering(lambda number: GOOD if number % 2 else BUSY) as (address, peers):
        seen = arrive(address, WANTED, arrivals, connections=4)
    assert sorted(each.due_s for each in seen.first) == arrivals
    assert len(peers) == len(arrivals)
    assert Counter(each.reply.status for each in seen.first) == {200: 25, 429: 25}
    assert all(each.late_s >= 0 < each.reply.seconds for each in seen.first)
    assert {each.reply.fine_s for each in seen.first if each.reply.status == 429} == {0.05}
    assert {each.reply.header_s for each in seen.first if each.reply.status == 429} == {1.0}
    assert {each.reply.fine_s for each in seen.first if each.reply.status == 200} == {0.0}
    assert not seen.fine
    assert not seen.header


def test_arrivals_do_not_wait_for_answers_but_for_connections() -> None:
    def slow(_: int) -> bytes:
        time.sleep(0.02)  # one answer at a time: the server's lock is held
        return GOOD

    with answering(slow) as (address, _):
        enough = arrive(address, WANTED, [0.0] * 5, connections=5)
        one = arrive(address, WANTED, [0.0] * 5, connections=1)
    assert max(each.late_s for each in enough.first) < max(each.late_s for each in one.first)
    assert max(each.late_s for each in one.first) >= 4 * 0.02
    assert max(each.reply.seconds for each in enough.first) >= 5 * 0.02


def test_the_refused_come_back_once_after_what_they_were_told() -> None:
    # All are refused: who came back and was refused again must not come a third time.
    with answering(lambda _: BUSY) as (address, peers):
        seen = arrive(address, WANTED, [0.0] * 8, 8, Patience(calm_s=0.5, window=20.0, every=2))
    came_back = [*seen.header, *seen.fine]
    assert len(seen.first) == 8
    assert len(peers) == len(seen.first) + len(came_back)
    assert len(seen.fine) == 4
    assert len(seen.header) == 2
    refused = min(each.ended_s for each in seen.first)
    assert all(each.due_s >= refused + 0.05 for each in seen.fine)
    assert all(each.due_s >= refused + 1.0 for each in seen.header)
    assert {each.reply.status for each in came_back} == {429}


@pytest.mark.parametrize(
    ("refused_s", "waits"), [(1.0, True), (0.9, True), (0.89, False), (1.01, False)]
)
def test_who_waits_mostly_in_the_calm_comes_back(refused_s: float, *, waits: bool) -> None:
    assert Patience(calm_s=1.0, window=0.25).waits(refused_s, wait_s=0.4) is waits


def test_a_connection_that_ends_is_an_answer_of_its_own() -> None:
    with answering(lambda number: b"" if number == 3 else GOOD) as (address, _):
        seen = arrive(address, WANTED, [0.01 * number for number in range(6)], connections=3)
    assert Counter(each.reply.status for each in seen.first) == {200: 5, LOST: 1}


def test_a_wrong_content_ends_the_run() -> None:
    with (
        answering(lambda _: GOOD.replace(b"good", b"evil")) as (address, _),
        pytest.raises(WrongAnswer, match="evil"),
    ):
        arrive(address, WANTED, [0.0], connections=1)


def test_busy_callers_wait_as_told_and_come_from_elsewhere() -> None:
    with answering(lambda number: GOOD if number % 2 else BUSY) as (address, peers):
        load = keep_busy(address, WANTED, callers=2, seconds=0.3, source="127.0.0.2")
    assert set(peers) == {"127.0.0.2"}
    assert load.images == 3 * len(load.times_s)
    assert len(load.times_s) + load.refused == len(peers)
    # Each refusal costs its caller 0.05 s of 0.3: without the waits there would be hundreds.
    assert 0 < load.refused <= 2 * 20
    assert load.seconds >= 0.3


def test_busy_callers_take_nothing_else_for_an_answer() -> None:
    with (
        answering(lambda _: GOOD.replace(b"200 OK", b"500 Oh")) as (address, _),
        pytest.raises(WrongAnswer, match="500"),
    ):
        keep_busy(address, WANTED, callers=1, seconds=5)
