"""Whether an answer has run away: it repeats itself, or it is far longer than its page can be.

Knows: ids, and numbers that somebody who can read gives for elements. Does not know: what ids spell, what a table is.

Three rules, looked at id by id in the order in which they were written, so that it does not matter how many come at
once:

- tail: the end of the answer is one stretch of up to MAX_PERIOD ids, COPIES times or more and MIN_IDS ids in all; what
  may repeat itself for longer (a `Reader` says what) is given longer;
- elements: one after the other, or block after block of up to MAX_BLOCK, say the same but for one number that goes up
  or down by the same step, and stand in the same place or move by the same step;
- length: more ids than the caller thinks possible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

MAX_PERIOD = 128
COPIES = 3
MIN_IDS = 48

# The tail is looked at so often, in ids. More often would only be sooner, by less than it takes to see a copy.
EVERY = 16

MAX_BLOCK = 8

# Ids behind the third copy of an element that moves. Three lines of a form may well say the same; a loop goes on.
GRACE = 128
# ... and no loop goes on for longer than so many, even if its elements are so long that GRACE ends within one.
MOST_GRACE = 190

# Rounding to the grid makes regular steps irregular by one.
JITTER = 1


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an answer should end.

    kind    "repeated" or "long"
    reason  in words
    start   the index from which the ids are repetition: what lies before holds one copy
    """

    kind: Literal["repeated", "long"]
    reason: str
    start: int


@dataclass(frozen=True, slots=True)
class Closed:
    """An element that has been closed.

    start, end  its ids
    look        what it is and says, but for the numbers in it
    numbers     these
    place       its box
    few         it says so little that it may stand side by side with its like: so many of these in a row are no loop
    """

    start: int
    end: int
    look: Hashable
    numbers: tuple[int, ...]
    place: tuple[int, ...]
    few: int = 0


class Reader(Protocol):
    """Someone who reads one sequence along."""

    def read(self, token: int) -> Iterable[Closed]:
        """One more id; the elements that it closed."""
        ...

    def patience(self, unit: Sequence[int]) -> tuple[int, int]:
        """How many copies of these ids, and how many ids in all, may be meant, here where they are repeated."""
        ...

    def ending(self, index: int) -> int | None:
        """The first index from this one on before which something has just been completed; None if there is none."""
        ...


class _Blocks:
    """Elements in the order in which they were closed, compared with those a block before."""

    def __init__(self) -> None:
        self._last: deque[_Seen] = deque(maxlen=MAX_BLOCK)
        self._runs = [_Run() for _ in range(MAX_BLOCK)]

    def add(self, closed: Closed) -> Stop | None:
        seen = _Seen(closed)
        found = None
        for block, run in enumerate(self._runs, 1):
            before = self._last[-block] if block <= len(self._last) else None
            step = _step(before.closed, closed) if before else None
            seen.steps.append(step)
            if before is None or step is None:
                run.elements = 0
                continue
            old = before.steps[block - 1]
            if run.elements >= block and not (old and _alike(old, step)):
                run.elements = 0
            run.note(closed, before.closed, block)
            found = found or run.judge(closed, block, step)
        self._last.append(seen)
        return found


@dataclass(frozen=True, slots=True)
class _Seen:
    """An element, and the steps from those that closed 1, 2, ... elements before; None where it is no copy."""

    closed: Closed
    steps: list[tuple[tuple[int, ...], tuple[int, ...]] | None] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    """How far blocks of one length have been repeated.

    elements  that repeat one of the block before
    begin     where the second copy began
    third     where the third copy ended
    still     all of them stand where their like stood
    """

    elements: int = 0
    begin: int = 0
    third: int = 0
    still: bool = True

    def note(self, closed: Closed, before: Closed, block: int) -> None:
        """One more."""
        if not self.elements:
            self.begin, self.still = closed.start, True
        self.elements += 1
        self.still &= bool(closed.place) and (closed.numbers, closed.place) == (before.numbers, before.place)
        if self.elements == (COPIES - 1) * block:
            self.third = closed.end

    def judge(self, closed: Closed, block: int, step: object) -> Stop | None:
        copies = self.elements // block + 1
        if copies < COPIES or self.elements % block:
            return None
        if not self.still:
            gone, unit = closed.end - self.third, (closed.end - self.begin) // (copies - 1)
            if copies <= closed.few or (gone < GRACE and gone + unit <= MOST_GRACE):
                return None
        what = "element" if block == 1 else f"{block} elements"
        where = "in the same place" if self.still else "moving on regularly"
        return Stop("repeated", f"the same {what} {copies} times, {where}", self.begin)


def _step(before: Closed, closed: Closed) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """By what its numbers and its place differ from those of one before; None if it is something else."""
    if (before.look, len(before.numbers), len(before.place)) != (closed.look, len(closed.numbers), len(closed.place)):
        return None
    numbers = _minus(closed.numbers, before.numbers)
    return (numbers, _minus(closed.place, before.place)) if len(numbers) - numbers.count(0) <= 1 else None


def _minus(ones: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(one - other for one, other in zip(ones, others, strict=True))


def _alike(ones: tuple[tuple[int, ...], tuple[int, ...]], others: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """The same step, but for rounding."""
    return ones[0] == others[0] and all(abs(number) <= JITTER for number in _minus(ones[1], others[1]))


@dataclass(slots=True)
class Watch:
    """Follows one sequence.

    most  ids that its page can have, None if nobody knows
    """

    reader: Reader
    most: int | None = None
    _ids: list[int] = field(default_factory=list)
    _blocks: _Blocks = field(default_factory=_Blocks)

    def see(self, ids: Iterable[int]) -> Stop | None:
        """The next ids. What comes behind the id that stops the sequence is not looked at."""
        for token in ids:
            self._ids.append(token)
            stop = self._look(token)
            if stop:
                return stop
        return None

    @property
    def seen(self) -> int:
        """Ids looked at so far."""
        return len(self._ids)

    def _look(self, token: int) -> Stop | None:
        for closed in self.reader.read(token):
            if stop := self._blocks.add(closed):
                return stop
        if len(self._ids) % EVERY == 0 and (stop := self._tail()):
            return stop
        if self.most is not None and len(self._ids) > self.most:
            return Stop("long", f"more than {self.most} ids, which is far more than the page has text for", self.most)
        return None

    def _tail(self) -> Stop | None:
        ids, end = self._ids, len(self._ids)
        last = ids[-1]
        for period in range(1, min(MAX_PERIOD, end // COPIES) + 1):
            if ids[end - 1 - period] != last:
                continue
            length = max(COPIES * period, MIN_IDS)
            if length <= end and ids[end - length + period :] == ids[end - length : end - period]:
                return self._judge(period, length)
        return None

    def _judge(self, period: int, length: int) -> Stop | None:
        """The smallest period that the tail has, and at least so many ids of it."""
        ids = self._ids
        copies, least = self.reader.patience(ids[-period:])
        start = len(ids) - length
        while start and ids[start - 1] == ids[start - 1 + period]:
            start -= 1
        length = len(ids) - start
        if length < max(copies * period, least):
            return None
        # The stretch may begin within what comes before the first copy; that copy is complete a little later then.
        second = start + period
        ending = self.reader.ending(second)
        kept = ending if ending is not None and ending < second + period else second
        return Stop("repeated", f"the same {period} ids {length // period} times", kept)


Watcher = Callable[[int | None], Watch]
"""Makes the watch of one sequence, given how many ids its page can have."""
