"""Who may work, who may wait, and who is told to come again.

Knows: counts, threads, seconds. Does not know: what is worked on, HTTP.
Laws: at most `at_once` work and at most `queue` more have a place; whoever has got in is served, in the order of
coming; a place is given back once, when its work is over or its owner leaves without any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

# What is said to who comes too early: not less than a second, and not so much that nobody waits for it.
LEAST_PAUSE, MOST_PAUSE = 1, 60
# How much of the expectation the latest work is worth.
LATEST = 0.2


class Full(Exception):
    """There is no place. `seconds`: when one is to be expected."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many are waiting; come again in {seconds} s")
        self.seconds = seconds


class Line:
    """A queue before a few threads."""

    def __init__(self, at_once: int, queue: int) -> None:
        self._at_once = at_once
        self._most = at_once + queue
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="smoldocling-served")
        self._lock = threading.Lock()
        self._inside = self._working = 0
        self._expected = 1.0

    def enter(self) -> Place:
        """A place. Raises Full."""
        with self._lock:
            if self._inside >= self._most:
                wait = self._expected * max(1, self._inside - self._at_once) / self._at_once
                raise Full(int(min(max(wait, LEAST_PAUSE), MOST_PAUSE)))
            self._inside += 1
        return Place(self)

    @property
    def inside(self) -> int:
        """How many have a place."""
        return self._inside

    @property
    def working(self) -> int:
        """How many of them are being worked for."""
        return self._working

    def close(self) -> None:
        """Nothing more will be worked on."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, work: Callable[[], None]) -> None:
        started = time.monotonic()
        with self._lock:
            self._working += 1
        try:
            work()
        finally:
            with self._lock:
                self._working -= 1
                self._expected += LATEST * (time.monotonic() - started - self._expected)

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1


class Place:
    """One in the line. Use it for `work` once, or `leave` it."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._used = False

    def work(self, work: Callable[[], None]) -> Future[None]:
        """Have it done in its turn; then the place is given back. A future that is cancelled in time is never begun."""
        assert not self._used, "a place is for one"
        future = self._line._pool.submit(self._line._work, work)
        self._used = True
        future.add_done_callback(lambda _: self._line._leave())
        return future

    def leave(self) -> None:
        """Give it back, if nothing is being done for it."""
        if not self._used:
            self._used = True
            self._line._leave()
