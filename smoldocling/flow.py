"""One stream through the engine: a thread makes requests ahead of it, the caller takes what is done.

Knows: threads and their end. Does not know: pages, documents, tensors.
Laws: everything that is made comes out exactly once, in the caller's thread, and then what making raised. However the
caller leaves, both threads have ended when it has left.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import threading
import time
import weakref
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from smoldocling.desk import HEARING_SECONDS, Desk, Lane

if TYPE_CHECKING:
    from smoldocling.desk import Outcome
    from smoldocling.engine.sequence import Request

S = TypeVar("S")
T = TypeVar("T")
# A thread that is in torch while Python shuts down aborts the process, so it is waited for; but not for ever.
EXIT_SECONDS = 10.0


class Flow(Generic[T]):
    """One stream. Iterate `results`, once."""

    def __init__(
        self,
        desk: Desk[Any],
        make: Callable[[Flow[T]], Generator[tuple[T, Request | None]]],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`make` gives what is to come out, with a request where the engine is to be asked. It has its own thread.

        wake  has `make` end where it waits for something else than the flow
        """
        self._desk = desk
        self._make = make
        self._wake = wake
        self._lane: Lane[T | _Question[Any]] = Lane(desk)
        self._thread = threading.Thread(target=self._work, name="smoldocling-pages", daemon=True)
        self._broken: BaseException | None = None
        self._question: _Question[Any] | None = None

    def results(self) -> Generator[tuple[T, Outcome]]:
        """What was made, as it is done. Raises what `make` raised, or what ended the engine's thread."""
        _flowing.add(self)
        try:
            self._desk.enter(self._lane)
            self._thread.start()
            while (result := self._lane.fetch()) is not None:
                thing, outcome = result
                if isinstance(thing, _Question):
                    thing.answer()
                else:
                    yield thing, outcome
            if self._broken is not None:
                raise self._broken
        finally:
            self.leave()

    def leave(self, seconds: float = math.inf) -> None:
        """Stop everything and wait for the threads, at most so long."""
        limit = time.monotonic() + seconds
        self.stop()
        self._wait_for_maker(limit)
        self._desk.rest(limit - time.monotonic())

    def stop(self) -> None:
        """Nothing is wanted any more: `results` ends soon. From any thread, before it has begun, too."""
        self._desk.leave(self._lane)
        self._wake()
        if self._question is not None:
            self._question.cancel()

    def _wait_for_maker(self, limit: float) -> None:
        if self._thread is threading.current_thread():  # a garbage collector closes streams wherever it happens to run
            return
        with self._desk.changed:
            while self._thread.is_alive() and not self._lane.ended:
                left = limit - time.monotonic()
                if left <= 0:
                    return
                self._desk.changed.wait(min(left, HEARING_SECONDS))
        if self._lane.ended:
            self._thread.join()

    def ask(self, question: Callable[[], S]) -> S:
        """For `make`: have a function called in the caller's thread, which has the terminal and hears Ctrl-C.

        Raises what the function raises, and CancelledError if the caller leaves.
        """
        asked = _Question(question)
        self._question = asked
        if not self._lane.put(asked, None):
            asked.cancel()
        return asked.result()

    def _work(self) -> None:
        """The thread that makes."""
        try:
            with contextlib.closing(self._make(self)) as made:
                while self._lane.room() and (one := next(made, None)) is not None:
                    self._lane.put(*one)
        except BaseException as error:
            self._broken = error
        self._lane.end()


class _Question(Future[S]):
    """A function to be called by another thread."""

    def __init__(self, question: Callable[[], S]) -> None:
        super().__init__()
        self._ask = question

    def answer(self) -> None:
        try:
            self.set_result(self._ask())
        except Exception as error:
            self.set_exception(error)


_flowing: weakref.WeakSet[Flow[Any]] = weakref.WeakSet()


@atexit.register
def _leave_all() -> None:
    """A stream that nobody closed: somebody holds it half way, and the program is at its end."""
    limit = time.monotonic() + EXIT_SECONDS
    for flow in list(_flowing):
        flow.leave(max(0.0, limit - time.monotonic()))
