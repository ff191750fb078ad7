"""The books of the pool, and its wire: no order is lost or done twice, whatever workers do."""

from __future__ import annotations

import math
import socket
import threading
from pathlib import PurePath
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from smoldocling.pages.sources import Source
from smoldocling.workers.board import HELP, Board, Order
from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Count, Paper
from smoldocling.workers.wire import PIECE, Closed, Wire

PAPERS = [Paper(f"paper {n}", Source(f"{n}.pdf", PurePath(str(n)), b"x")) for n in range(4)]


class Books(RuleBasedStateMachine):
    """Orders come, workers come and go, are done, are lost, and somebody withdraws what is his."""

    @initialize()
    def start(self) -> None:
        self.board = Board()
        self.waiting: list[Order] = []
        self.taken: dict[int, Order] = {}
        self.holds: dict[int, list[str]] = {}
        self.over: list[Order] = []
        self.numbers = 0

    @rule(paper=st.sampled_from(PAPERS), lane=st.integers(0, 2), urgent=st.booleans())
    def put(self, paper: Paper, lane: int, urgent: bool) -> None:
        order = Order(paper, Count(), Limits(), lane, urgent)
        self.board.put(order)
        self.waiting.append(order)

    @rule()
    def enter(self) -> None:
        self.numbers += 1
        self.board.enter(self.numbers)
        self.holds[self.numbers] = []

    @rule(data=st.data(), late=st.booleans())
    def take(self, data: st.DataObject, late: bool) -> None:
        idle = [worker for worker in self.holds if worker not in self.taken]
        if not idle:
            return
        worker = data.draw(st.sampled_from(idle))
        order = self.board.take(worker, math.inf if late else -math.inf)
        if order is None:
            assert not (late and self.waiting), "what has waited too long is anybody's"
            return
        assert order in self.waiting, "an order is with one worker, once"
        mine, others = self.holds[worker], [key for w, held in self.holds.items() if w != worker for key in held]
        others += [taken.paper.key for taken in self.taken.values()]
        if not order.urgent:
            assert not any(other.urgent and other.paper.key in mine for other in self.waiting), "urgent ones come first"
            if order.paper.key not in mine:
                assert not any(other.paper.key in mine for other in self.waiting), "an open document first"
                if order.paper.key in others and not late:
                    queued = [other for other in self.waiting if other.paper.key == order.paper.key]
                    assert len(queued) >= HELP, "nobody opens a document for the last of its pages"
        self.waiting.remove(order)
        self.taken[worker] = order

    @rule(data=st.data(), lost=st.booleans())
    def close(self, data: st.DataObject, lost: bool) -> None:
        if not self.taken:
            return
        worker = data.draw(st.sampled_from(sorted(self.taken)))
        order = self.taken.pop(worker)
        self.holds[worker] = [] if lost else [*self.holds[worker], order.paper.key][-2:]
        assert self.board.close(worker, self.holds[worker]) is order
        assert order not in self.over, "an order is closed once"
        self.over.append(order)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        idle = [worker for worker in self.holds if worker not in self.taken]
        if idle:
            worker = data.draw(st.sampled_from(idle))
            del self.holds[worker]
            self.board.leave(worker)

    @rule(lane=st.integers(0, 2))
    def withdraw(self, lane: int) -> None:
        self.board.withdraw(lane)
        self.waiting = [order for order in self.waiting if order.lane != lane]
        assert all(order.withdrawn for order in self.taken.values() if order.lane == lane)

    @invariant()
    def counts_agree(self) -> None:
        assert self.board.waiting == len(self.waiting)
        assert self.board.workers == len(self.holds)
        assert self.board.idle == len(self.holds) - len(self.taken)

    def teardown(self) -> None:
        """Workers that come back for more get everything done."""
        for worker in list(self.taken):
            self.close_now(worker)
        if not self.holds:
            self.enter()
        for _ in range(2 * len(self.waiting) + len(self.holds) + 1):
            for worker in self.holds:
                order = self.board.take(worker)
                if order is not None:
                    self.waiting.remove(order)
                    self.taken[worker] = order
                    self.close_now(worker)
        assert self.waiting == []
        assert self.board.waiting == 0

    def close_now(self, worker: int) -> None:
        order = self.taken.pop(worker)
        self.holds[worker] = [*self.holds[worker], order.paper.key][-2:]
        self.board.close(worker, self.holds[worker])


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.fixture
def ends() -> Any:
    ours, theirs = socket.socketpair()
    pair = Wire(ours, 0.02), Wire(theirs, 0.02)
    yield pair
    for wire in pair:
        wire.close()


def test_large_arrays_and_small_words_cross_as_they_are(ends: tuple[Wire, Wire]) -> None:
    """A page of 21 tiles is larger than any socket's buffer."""
    pixels = np.random.default_rng(8).integers(0, 256, (3 * PIECE + 7,), np.uint8)
    messages = [("page", pixels, {"n": 1}), None, b"", np.zeros((0, 3), np.uint8), "x" * (PIECE + 1)]
    thread = threading.Thread(target=lambda: [ends[0].send(message) for message in messages])
    thread.start()
    name, got, rest = ends[1].receive()
    assert (name, rest) == ("page", {"n": 1})
    assert np.array_equal(got, pixels)
    assert got.flags.writeable, "tiles become tensors"
    assert [ends[1].receive() for _ in range(2)] == [None, b""]
    assert ends[1].receive().shape == (0, 3)
    assert ends[1].receive() == messages[4]
    thread.join()


def test_who_waits_is_asked_from_time_to_time_and_may_give_up(ends: tuple[Wire, Wire]) -> None:
    """Also where the other side listens no more, and in the middle of a message."""

    def give_up() -> None:
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        ends[0].receive(give_up)
    with pytest.raises(TimeoutError, match="enough"):
        ends[0].send(np.zeros(50 * PIECE, np.uint8), give_up)


def test_an_end_that_is_gone_is_told_from_one_that_is_slow(ends: tuple[Wire, Wire]) -> None:
    """In the middle of a message, too."""
    ends[1]._end.sendall(b"\x01\x00")
    ends[1].close()
    with pytest.raises(Closed):
        ends[0].receive()
    with pytest.raises(Closed):
        ends[0].send(np.zeros(50 * PIECE, np.uint8))
