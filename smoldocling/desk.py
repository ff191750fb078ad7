"""One engine and everybody who asks it at the same time: whose turn it is, and whose answer that was.

Knows: requests, answers, the engine's thread. Does not know: what is asked about, who makes requests, tensors.
Laws: what is put on a lane comes off it exactly once, as long as the lane is not left; after that, nobody works on what
it has asked for. Of each lane at most AHEAD requests wait for the engine. The engine waits for nobody who does not
fetch: where BEHIND results of a lane lie, it is given no more of that lane. It runs in one thread, which lives while
there is a lane.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from smoldocling.engine.inbox import Inbox
from smoldocling.errors import UnreadablePage

if TYPE_CHECKING:
    from smoldocling.engine.sequence import Generation, Request

    # The engine's answer, or what came in its place, or None where there was nothing to ask.
    Outcome = Generation | Exception | None

T = TypeVar("T")

# A page of 21 tiles is 16.5 MB, and takes a fraction of the time to make that the engine takes to write it down.
AHEAD = 4
# A result is small, but its document stays open until it is fetched.
BEHIND = 8
# An engine that waits to fill its batch keeps those waiting whose pages it has in hand, perhaps the very ones who would
# ask for more; after so long it is told that there is no more.
HOLDING_SECONDS = 1.0
# On Windows, who waits for a lock without limit hears no Ctrl-C.
HEARING_SECONDS = 1.0


class Lane(Generic[T]):
    """One who asks. One thread makes requests and puts them here, another one fetches what became of them."""

    def __init__(self, desk: Desk[T]) -> None:
        self._desk = desk
        self._changed = desk.changed
        self.made: deque[tuple[T, Request]] = deque()
        self.done: deque[tuple[T, Outcome]] = deque()
        self.ended = False
        self.left = False
        self.failure: BaseException | None = None

    def room(self) -> bool:
        """Wait until one more may be made; False where no more is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self.left or (len(self.made) < AHEAD and len(self.done) < BEHIND))
            return not self.left

    def put(self, thing: T, request: Request | None) -> bool:
        """What has been made: something to ask the engine about, or something done. False where nobody wants it."""
        with self._changed:
            if self.left:
                return False
            if request is None:
                self.done.append((thing, None))
            else:
                self.made.append((thing, request))
            self._changed.notify_all()
            return True

    def end(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def fetch(self) -> tuple[T, Outcome] | None:
        """Wait for the next thing that is done; None: that was all. Raises what ended the engine's thread."""
        with self._changed:
            while not self.done:
                if self.failure is not None:
                    raise self.failure
                if self.ended and not self.made and not self._desk.owes(self):
                    return None
                self._changed.wait(HEARING_SECONDS)
            self._changed.notify_all()
            return self.done.popleft()

    @property
    def ready(self) -> bool:
        """Whether the engine may be given a request of this lane."""
        return bool(self.made) and len(self.done) < BEHIND


class Desk(Generic[T]):
    """Lanes of requests on one side, the engine on the other."""

    def __init__(self, run: Callable[[Iterable[Request]], Iterator[Generation]]) -> None:
        """`run` is an engine's; no two runs of it go on at a time."""
        self._run = run
        self.changed = threading.Condition()
        self.keys = itertools.count()
        """For requests: answers are told apart by their keys, whoever asked."""
        self._lanes: list[Lane[T]] = []
        self._taken: dict[int, tuple[Lane[T], T]] = {}
        self._inbox: _Inbox[T] | None = None
        self._thread: threading.Thread | None = None

    def enter(self, lane: Lane[T]) -> None:
        """Serve this lane from now on."""
        with self.changed:
            if self._thread is None:
                thread = threading.Thread(target=self._serve, name="smoldocling-engine", daemon=True)
                thread.start()
                self._thread = thread
            self._lanes.append(lane)
            self.changed.notify_all()

    def leave(self, lane: Lane[T]) -> None:
        """Nothing is wanted any more by this lane. Do it once more, and nothing happens."""
        with self.changed:
            lane.left = True
            lane.made.clear()
            lane.done.clear()
            if lane in self._lanes:
                self._lanes.remove(lane)
            for key in [key for key, (owner, _) in self._taken.items() if owner is lane]:
                del self._taken[key]
            if not self._lanes and self._inbox is not None:
                self._inbox.abandon()
            self.changed.notify_all()

    def rest(self, seconds: float = math.inf) -> None:
        """Wait until the engine's thread has ended, or works for others."""
        limit = time.monotonic() + seconds
        with self.changed:
            thread = self._thread
            if thread is threading.current_thread():  # a garbage collector closes streams wherever it happens to run
                return
            while thread is not None and self._thread is thread and not self._lanes and time.monotonic() < limit:
                self.changed.wait(HEARING_SECONDS)
            if thread is None or self._thread is thread:
                return
        thread.join()

    @property
    def open(self) -> Container[int]:
        """Keys of what the engine has taken and somebody still waits for."""
        return self._taken

    def owes(self, lane: Lane[T]) -> bool:
        """Whether the engine has taken something of this lane that it has not answered."""
        return any(owner is lane for owner, _ in self._taken.values())

    def take(self) -> Request | None:
        """The next request that may be given to the engine, from each lane in turn."""
        with self.changed:
            lane = next((lane for lane in self._lanes if lane.ready), None)
            if lane is None:
                return None
            self._lanes.remove(lane)
            self._lanes.append(lane)
            thing, request = lane.made.popleft()
            self._taken[request.key] = (lane, thing)
            self.changed.notify_all()
            return request

    @property
    def holds(self) -> bool:
        """Whether the engine has taken something that somebody still waits for."""
        return bool(self._taken)

    @property
    def expects(self) -> bool:
        """Whether there may be another request one day."""
        return any(lane.made or not lane.ended for lane in self._lanes)

    def _serve(self) -> None:
        """The engine's thread."""
        try:
            while (inbox := self._opened()) is not None:
                self._work(inbox)
        except BaseException as error:  # an engine that wants to end the program, or a mistake of ours: to who waits
            with self.changed:
                self._thread = self._inbox = None
                self._taken.clear()
                for lane in self._lanes:
                    lane.failure = error
                self.changed.notify_all()

    def _opened(self) -> _Inbox[T] | None:
        """Wait for something to do; None where nobody is left."""
        with self.changed:
            self._inbox = None
            self.changed.wait_for(lambda: not self._lanes or any(lane.ready for lane in self._lanes))
            if self._lanes:
                self._inbox = _Inbox(self)
            else:
                self._thread = None
                self.changed.notify_all()
            return self._inbox

    def _work(self, inbox: _Inbox[T]) -> None:
        """One run of the engine. Whatever it does, every request that it has taken is answered."""
        reason: Exception = UnreadablePage("the engine gave no answer")
        try:
            answers = self._run(inbox)
            try:
                for generation in answers:
                    self._answer(generation.key, generation)
                    if inbox.abandoned:
                        break
            finally:
                close = getattr(answers, "close", None)
                if close is not None:
                    close()
        except Exception as error:
            reason = error.with_traceback(None)  # its frames would keep the tensors of a batch alive
        if not inbox.asked:  # an engine that takes nothing would take nothing again: one fails in its place
            self.take()
        for key in list(self._taken):
            self._answer(key, reason)

    def _answer(self, key: int, outcome: Generation | Exception) -> None:
        with self.changed:
            owner = self._taken.pop(key, None)
            if owner is not None:  # engines may answer twice, or what nobody asked, or who has left
                lane, thing = owner
                lane.done.append((thing, outcome))
                self.changed.notify_all()


class _Inbox(Inbox, Generic[T]):
    """What one run of the engine sees of the desk."""

    def __init__(self, desk: Desk[T]) -> None:
        self._desk = desk
        self._abandoned = False
        self._over = False
        self.asked = False
        """Whether the engine has had a request, or heard that there are none."""

    def abandon(self) -> None:
        self._abandoned = self.asked = True

    @property
    def abandoned(self) -> bool:
        return self._abandoned

    def wanted(self, key: int) -> bool:
        return key in self._desk.open

    def take(self, seconds: float = math.inf) -> Request | None:
        with self._desk.changed:
            patience = HOLDING_SECONDS if seconds == math.inf and self._desk.holds else seconds
            limit = time.monotonic() + patience
            while not (self._abandoned or self._over):
                request = self._desk.take()
                if request is not None:
                    self.asked = True
                    return request
                left = limit - time.monotonic()
                if left <= 0 or not self._desk.expects:
                    if seconds == math.inf:  # even if somebody comes along later: that word is kept
                        self._over = self.asked = True
                    return None
                self._desk.changed.wait(min(left, threading.TIMEOUT_MAX))
            return None
