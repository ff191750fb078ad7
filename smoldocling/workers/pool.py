"""Workers and who gives them orders: a few processes for the whole program, started as they are needed.

Knows: processes, their threads, the board. Does not know: what the orders are about, where answers go.
Laws: beside those of the board, an order is answered exactly once, unless its lane is withdrawn before; one over which
a worker is lost is tried once more, by a fresh worker, and then answered with the reason. A worker that is killed while
it starts costs no order. There are never more workers than `most`. A worker that has served long, or has grown, is
replaced between two orders; one that has nothing to do for a while ends; and none outlives the program, however that
ends.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from smoldocling.errors import SmolDoclingError, UnreadablePage
from smoldocling.layer import reason
from smoldocling.workers.board import Answer, Board, Order
from smoldocling.workers.child import SLICE_SECONDS, Broken, Child, Lost
from smoldocling.workers.limits import GIB, MEMORY, Limits
from smoldocling.workers.orders import Bench, Paper, Work

# A worker that nobody wants anything of for so long goes, and its memory with it.
IDLE_SECONDS = 20.0
# An order that has waited so long, with all workers busy, is worth another worker, which takes a second to start.
BUSY_SECONDS = 0.5
# MuPDF and its neighbours leak a little; a start costs as much as a dozen pages.
TASKS = 1000
GROWN, GROWN_TASKS = GIB, 50
# A worker that does not start is started again, so often in a row and after so many seconds, doubled each time: whoever
# kills processes when memory is short does not mean this page.
STARTS, PAUSE_SECONDS = 5, 0.25
# A document that has cost so many orders in a row may have others that can be done, but they get less: one worker each,
# and of their time a share that becomes smaller, so that a document of nothing but pages that hang ends, too. A good
# page takes a tenth of the least time. When so many have been lost in a row, the others are not tried any more.
WARY, LEAST_SECONDS, HOPELESS = 8, 1.0, 64

Reply = Callable[[Answer], None]


class Here:
    """In place of a pool: orders are carried out at once, in this process, by the thread that gives them."""

    def __init__(self) -> None:
        self._bench = Bench()

    def put(self, order: Order, reply: Reply) -> None:
        """Do it and reply."""
        try:
            answer = Answer(self._bench.do(order.paper.key, order.paper, order.work))
        except (SmolDoclingError, MemoryError) as error:
            answer = Answer(error=error)
        reply(answer)

    def forget(self, paper: Paper) -> None:
        """Nothing more is wanted of this document."""
        self._bench.forget(paper.key)

    def withdraw(self, lane: object) -> None:
        """There is nothing to withdraw: all is done as soon as it is ordered."""


class Pool:
    """Worker processes, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._board = Board()
        self._replies: dict[Order, Reply] = {}
        self._wanted: set[str] = set()
        self._lost: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._children: dict[int, Child] = {}
        self._numbers = 0
        self._unstarted = 0
        self._over = False

    def put(self, order: Order, reply: Reply) -> None:
        """Have it done. `reply` is called in another thread, and must neither wait nor raise."""
        with self._changed:
            if self._over:
                return
            order.since = time.monotonic()
            self._wanted.add(order.paper.key)
            self._replies[order] = reply
            self._board.put(order)
            self._staff()
            self._changed.notify_all()

    def forget(self, paper: Paper) -> None:
        """Nothing more is wanted of this document."""
        with self._changed:
            self._wanted.discard(paper.key)
            self._lost.pop(paper.key, None)
            self._why.pop(paper.key, None)

    def withdraw(self, lane: object) -> None:
        """Nothing is wanted any more by this lane, and nothing will be replied."""
        with self._changed:
            self._board.withdraw(lane)
            for order in [order for order in self._replies if order.lane is lane]:
                del self._replies[order]
            self._changed.notify_all()

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        with self._changed:
            self._over = True
            children = list(self._children.values())
            self._changed.notify_all()
        for child in children:
            child.end()

    @property
    def pids(self) -> list[int]:
        """The processes that there are now."""
        with self._changed:
            return [child.pid for child in self._children.values()]

    def _staff(self) -> None:
        """One more worker, if there is work for it."""
        board = self._board
        oldest = board.oldest
        if oldest is None or board.workers >= self._most or board.idle:
            return
        if board.workers and time.monotonic() - oldest < BUSY_SECONDS:
            return
        self._numbers += 1
        board.enter(self._numbers)
        threading.Thread(target=self._attend, args=(self._numbers,), name="worker of smoldocling", daemon=True).start()

    def _attend(self, worker: int) -> None:
        """The thread of one worker, for all of its processes."""
        # a program's signals go to its main thread; what this one starts must not hear the Ctrl-C that is meant for us
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while (order := self._next(worker)) is not None:
                answer = self._tried(worker, order)
                self._reply(worker, order, answer)
        finally:
            self._end(worker)
            with self._changed:
                self._board.leave(worker)
                self._staff()
                self._changed.notify_all()

    def _next(self, worker: int) -> Order | None:
        limit = time.monotonic() + IDLE_SECONDS
        with self._changed:
            while not self._over:
                order = self._board.take(worker, time.monotonic() - BUSY_SECONDS)
                self._staff()
                if order is not None:
                    return order
                left = limit - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(min(left, BUSY_SECONDS) if self._board.waiting else left)
            return None

    def _tried(self, worker: int, order: Order) -> Answer:
        """What comes of it, with a second worker where the first is lost over it."""
        first: str | None = None
        key = order.paper.key
        while True:
            lost = self._lost[key]
            if lost >= HOPELESS:
                return Answer(error=UnreadablePage(f"not tried, as {HOPELESS} before it have failed: {self._why[key]}"))
            try:
                work = order.work if first is None else order.work.again()
                answer = Answer(self._asked(worker, order, work, _share(order.limits, lost)), lost=first)
            except SmolDoclingError as error:
                answer = Answer(error=error, lost=first)
            except Broken as error:
                return Answer(error=UnreadablePage(f"{error}; workers=0 reads in this process"))
            except Lost as loss:
                self._end(worker)
                if order.withdrawn:
                    return Answer(error=UnreadablePage(str(loss)))
                if first is not None or order.tries == 1 or lost >= WARY:
                    with self._changed:
                        self._lost[key] += 1
                        self._why[key] = str(loss)
                    return Answer(error=UnreadablePage(str(loss)), lost=first)
                first = str(loss)
                continue
            except Exception as error:  # whatever it is, somebody waits for an answer
                self._end(worker)
                return Answer(error=UnreadablePage(reason(error)))
            with self._changed:
                self._lost.pop(key, None)
            return answer

    def _asked(self, worker: int, order: Order, work: Work, allowed: Limits) -> Any:
        child = self._children.get(worker)
        if child is None:
            child = self._started(order)
            with self._changed:
                self._children[worker] = child
                over = self._over
            if over:
                child.end()
        return child.ask(order.paper, work, allowed, lambda: self._looks_up(order), self._wanted)

    def _started(self, order: Order) -> Child:
        """A new process. Raises Broken where there is none to be had, Lost where nobody waits for it any more."""
        pause = PAUSE_SECONDS
        while True:
            try:
                child = _child()
            except Broken as error:
                with self._changed:
                    self._unstarted += 1
                    hopeless = self._unstarted >= STARTS
                if hopeless or not error.passing:
                    raise
            else:
                with self._changed:
                    self._unstarted = 0
                return child
            limit = time.monotonic() + pause
            pause *= 2
            while time.monotonic() < limit:
                if self._looks_up(order):
                    raise Lost("nobody wants it any more")
                time.sleep(SLICE_SECONDS)

    def _looks_up(self, order: Order) -> bool:
        """Now and then while a worker is busy: whether its order is given up; and whether others wait too long."""
        with self._changed:
            self._staff()
            return order.withdrawn or self._over

    def _reply(self, worker: int, order: Order, answer: Answer) -> None:
        child = self._children.get(worker)
        if child is not None and (child.tasks >= TASKS or (child.used > GROWN and child.tasks >= GROWN_TASKS)):
            self._end(worker)
            child = None
        with self._changed:
            self._board.close(worker, child.holds if child is not None else ())
            reply = self._replies.pop(order, None)
        if reply is not None:
            reply(answer)

    def _end(self, worker: int) -> None:
        with self._changed:
            child = self._children.pop(worker, None)
        if child is not None:
            child.end()


def _child() -> Child:
    try:
        return Child(MEMORY)
    except OSError as error:  # files are short, too
        raise Broken(f"no worker process can be started: {error}", passing=True) from None


def _share(allowed: Limits, lost: int) -> Limits:
    """What an order may take when so many of its document have been lost in a row."""
    if lost < WARY:
        return allowed
    return replace(allowed, seconds=min(allowed.seconds, max(LEAST_SECONDS, allowed.seconds * WARY / (lost + 1))))


_pools: dict[int, Pool] = {}
_choosing = threading.Lock()


def shared(most: int) -> Pool:
    """The program's pool with so many workers at most."""
    with _choosing:
        return _pools.setdefault(most, Pool(most))


def possible() -> bool:
    """Whether this system and this Python can have workers."""
    import sys

    return os.name == "posix" and bool(sys.executable) and not getattr(sys, "frozen", False)


def cores() -> int:
    """How many this process may use."""
    with contextlib.suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave() -> None:
    for pool in _pools.values():
        pool.close()


def _forget_parents() -> None:
    """A fork has none of its parent's threads, and its workers are not its own."""
    global _choosing  # noqa: PLW0603 - it may be held by a thread that is not here
    _choosing = threading.Lock()
    _pools.clear()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents)
