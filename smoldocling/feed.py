"""The caller's own iterator, read in a thread of its own, one thing at a time, whenever one is asked for.

Knows: an iterator that may be slow, endless or hang, and its thread. Does not know: what it gives.
Laws: what is taken is told exactly once and in order, and then what the iterator raised, or that it is over; nothing is
taken that was not asked for; nobody waits for the thread while it is in the caller's code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
# An iterator that gives at once is given the time to do so.
HANGING_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Fed(Generic[T]):
    """One thing."""

    thing: T


@dataclass(frozen=True, slots=True)
class Over:
    """There is nothing more, or what the iterator raised."""

    error: BaseException | None


class Feed(Generic[T]):
    """Takes from `things` what `more` asks for. Stop it when nothing more is wanted."""

    def __init__(self, things: Iterable[T], tell: Callable[[Fed[T] | Over], None]) -> None:
        """`tell` is called in the feed's thread."""
        self._things = things
        self._tell = tell
        self._asked = threading.Semaphore(0)
        self._stopped = False
        self._thread: threading.Thread | None = None

    def more(self) -> None:
        """Take one thing more."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="smoldocling-inputs", daemon=True)
            self._thread.start()
        self._asked.release()

    def stop(self) -> None:
        """Take nothing more. The thread has ended then, if it is not in the caller's code."""
        self._stopped = True
        self._asked.release()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(HANGING_SECONDS)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            things = iter(self._things)
            while self._asked.acquire() and not self._stopped:
                thing = next(things)
                if not self._stopped:
                    self._tell(Fed(thing))
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
        if not self._stopped:
            self._tell(Over(error))
