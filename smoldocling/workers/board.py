"""Which order is whose: the books of a pool of workers.

Knows: orders, workers by number, which documents each has open. Does not know: processes, threads, time, results.
Laws: an order that is put comes off exactly once: closed by the worker that has it, or withdrawn while it waits. It is
with one worker at a time, and no worker has two. Urgent orders come first. A worker goes on with documents that it has
open before it opens another, takes one that nobody has open before it helps with one that somebody has, and helps only
where HELP orders of it wait, or one has waited too long. As long as one worker comes back for more, no order waits for
ever.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Paper, Work

# To open a document and look through a sample of its pages costs about as much as to read so many.
HELP = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of an order: `value`, or an `error`. `lost` says how a first worker was lost over it."""

    value: Any = None
    error: Exception | None = None
    lost: str | None = None


@dataclass(eq=False, slots=True)
class Order:
    """Work on a document for somebody.

    lane   whose it is: they are withdrawn together
    tries  how many workers it may cost
    """

    paper: Paper
    work: Work
    limits: Limits
    lane: object
    urgent: bool = False
    tries: int = 2
    since: float = field(default=0.0)
    withdrawn: bool = False


class Board:
    """Orders that wait, and orders that workers have."""

    def __init__(self) -> None:
        self._waiting: list[Order] = []
        self._taken: dict[int, Order] = {}
        self._holds: dict[int, Collection[str]] = {}

    def put(self, order: Order) -> None:
        """Somebody wants this."""
        self._waiting.append(order)

    def enter(self, worker: int) -> None:
        """There is one worker more."""
        self._holds[worker] = ()

    def leave(self, worker: int) -> None:
        """That worker is gone. It has no order."""
        assert worker not in self._taken, "a worker closes its order before it leaves"
        del self._holds[worker]

    def take(self, worker: int, late: float = -math.inf) -> Order | None:
        """What that worker is to do next. What has waited since before `late` has waited too long."""
        assert worker not in self._taken, "a worker has one order at a time"
        order = min(self._ranked(worker, late), default=None, key=lambda entry: entry[0])
        if order is None:
            return None
        self._waiting.remove(order[1])
        self._taken[worker] = order[1]
        return order[1]

    def close(self, worker: int, holds: Collection[str]) -> Order:
        """Its order is done with, one way or another; these documents it has open now."""
        self._holds[worker] = tuple(holds)
        return self._taken.pop(worker)

    def withdraw(self, lane: object) -> None:
        """Nothing is wanted any more by this lane. What a worker has in hand is marked."""
        self._waiting = [order for order in self._waiting if order.lane is not lane]
        for order in self._taken.values():
            if order.lane is lane:
                order.withdrawn = True

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self._holds)

    @property
    def idle(self) -> int:
        """How many of them have nothing to do."""
        return len(self._holds) - len(self._taken)

    @property
    def waiting(self) -> int:
        """How many orders nobody has taken."""
        return len(self._waiting)

    @property
    def oldest(self) -> float | None:
        """Since when the oldest order has been waiting."""
        return min((order.since for order in self._waiting), default=None)

    def _ranked(self, worker: int, late: float) -> Iterator[tuple[tuple[bool, int, int], Order]]:
        """What it may take, each with its rank; the least comes first."""
        mine = self._holds[worker]
        elsewhere = {key for other, holds in self._holds.items() if other != worker for key in holds}
        elsewhere |= {order.paper.key for order in self._taken.values()}
        queued = Counter(order.paper.key for order in self._waiting)
        for place, order in enumerate(self._waiting):
            key = order.paper.key
            if key in mine:
                yield (not order.urgent, 0, place), order
            elif key not in elsewhere:
                yield (not order.urgent, 1, place), order
            elif order.urgent or queued[key] >= HELP or order.since < late:
                yield (not order.urgent, 2, place), order
