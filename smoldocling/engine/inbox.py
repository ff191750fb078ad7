"""Where an engine's requests come from. It takes one whenever it has room, and need not wait while pages are in flight.

Knows: requests and seconds. Does not know: threads, queues, who makes requests.
Laws: a request is taken once, in the order of arrival; `take(0)` returns at once; when a `take` without limit has given
None, nothing more comes in this run. An engine with pages in flight does not wait without limit, and if it does it gets
None in the end: somebody may wait for just these pages before more can come.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smoldocling.engine.sequence import Request


class Inbox(ABC):
    """Requests for one run of an engine. An engine with pages in flight works like this:

        inbox = Inbox.of(requests)
        while not inbox.abandoned:
            while room and (request := inbox.take(0 if in_flight else math.inf)) is not None:
                admit(request)
            drop(those in flight that are not inbox.wanted)
            if not in_flight:
                return
            step()

    It is an iterable too, for engines that have nothing else to do while they wait.
    """

    @staticmethod
    def of(requests: Iterable[Request]) -> Inbox:
        """What was given to `run`, whatever it is: an Inbox as it is, any other iterable behind the same face.

        A plain iterable that waits makes the engine wait: give it one that does not, or an Inbox.
        """
        return requests if isinstance(requests, Inbox) else _Plain(requests)

    @abstractmethod
    def take(self, seconds: float = math.inf) -> Request | None:
        """The next request. None where there is none within so many seconds, and at once where none will come.

        After None from a wait without limit: finish what is in flight and end the run.
        """

    @property
    @abstractmethod
    def abandoned(self) -> bool:
        """Nobody wants the answers any more: end the run without them. Worth a look at every step."""

    def wanted(self, key: int) -> bool:
        """Whether anybody still wants the answer to a request that has been taken. Worth a look at every step."""
        return True

    def __iter__(self) -> Iterator[Request]:
        return iter(self.take, None)


class _Plain(Inbox):
    """A list, a generator: what it has is at hand."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)

    def take(self, seconds: float = math.inf) -> Request | None:
        return next(self._requests, None)

    @property
    def abandoned(self) -> bool:
        return False
