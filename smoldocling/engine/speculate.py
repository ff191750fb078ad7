"""What a sequence will probably write next, and how much of that is worth checking.

Knows: ids, counts, chances. Does not know: what ids mean, tensors, other modules of the engine.
Laws:
- Guesses decide how many steps an answer takes, never what it is: whoever takes them checks each (scheduler).
- A chance is learnt from every id that is written, guessed aloud or not; so a source that is always wrong is not asked
  for long, and one that becomes right is noticed.

There are two texts to guess from. The draft is what somebody believes the whole answer to be; a cursor runs along it,
and finds its place again after a disagreement. The answer itself is the other: tables repeat themselves. And where a
law leaves no choice, what it forces is no guess at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from operator import mul

# Ids in a row by which a place is found again: so many are tried first, then fewer.
GRAMS = (6, 3)
# After the fewer, only a place near the one that was lost is believed.
NEAR = 96
# Ids of the answer's own that must have occurred before, in that order, for what came next to be expected again.
ECHO = 4
# A cursor's record: how many ids in a row it has foretold, in steps within which the chance hardly changes.
RUNS = (0, 1, 2, 4, 8, 16, 32)
# Beyond this a chance rests on so many cases that older ones are forgotten.
MEMORY = 512.0
# What is assumed before anything is known: half, resting on two cases.
PRIOR = (1.0, 2.0)


class Chances:
    """How often a source was right, by the number of ids that it had foretold in a row. Shared by all sequences."""

    def __init__(self) -> None:
        self._right = [PRIOR[0]] * len(RUNS)
        self._cases = [PRIOR[1]] * len(RUNS)

    def learn(self, run: int, right: bool) -> None:
        step = _step(run)
        if self._cases[step] >= MEMORY:
            self._right[step] /= 2
            self._cases[step] /= 2
        self._right[step] += right
        self._cases[step] += 1

    def of(self, run: int) -> float:
        step = _step(run)
        return self._right[step] / self._cases[step]


def _step(run: int) -> int:
    step = len(RUNS) - 1
    while RUNS[step] > run:
        step -= 1
    return step


class Index:
    """Where each stretch of ids occurs in a text that may grow."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._ends: dict[tuple[int, ...], list[int]] = {}

    def put(self, text: Sequence[int], end: int) -> None:
        """The stretch that ends before `end` is known from now on."""
        if end >= self._length:
            self._ends.setdefault(tuple(text[end - self._length : end]), []).append(end)

    def find(self, text: Sequence[int]) -> list[int]:
        """Behind which places the text's last stretch occurs, in order."""
        return self._ends.get(tuple(text[-self._length :]), []) if len(text) >= self._length else []


class Cursor:
    """A cursor on a text that the answer is believed to follow."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = ids
        self.place = 0
        self.run = 0
        self._indexes: list[Index] = []

    def ahead(self, most: int) -> Sequence[int]:
        """At most so many ids that are expected next."""
        return self.ids[self.place : self.place + most]

    def see(self, written: Sequence[int]) -> None:
        """One more id has been written, the last of these."""
        if self.place < len(self.ids) and self.ids[self.place] == written[-1]:
            self.run += 1
            self.place += 1
            return
        self.run = 0
        # Without a better sign, one id stands where another was expected.
        self.place = self._again(written) or min(self.place + 1, len(self.ids))

    def _again(self, written: Sequence[int]) -> int | None:
        """The place behind the answer's last ids, if they occur: the nearest one."""
        if not self._indexes:
            self._indexes = [_indexed(self.ids, length) for length in GRAMS]
        for index, reach in zip(self._indexes, (2 * len(self.ids), NEAR), strict=True):
            best = min(((self._far(place), place) for place in index.find(written)), default=None)
            if best and best[0] <= reach:
                return best[1]
        return None

    def _far(self, place: int) -> int:
        """How far away a place is. Going on is likelier than going back: what is written is rarely written again."""
        return place - self.place if place >= self.place else 2 * (self.place - place)


class Echo:
    """The answer's own past as a text to follow."""

    def __init__(self) -> None:
        self.run = 0
        self._place: int | None = None
        self._written: Sequence[int] = ()
        self._index = Index(ECHO)

    def ahead(self, most: int) -> Sequence[int]:
        """At most so many ids that are expected next."""
        return () if self._place is None else self._written[self._place : self._place + most]

    def see(self, written: Sequence[int]) -> None:
        """One more id has been written, the last of these."""
        self._written = written
        if self._place is not None and written[self._place] == written[-1]:
            self.run += 1
            self._place += 1
        else:
            self.run = 0
            places = self._index.find(written)
            self._place = places[-1] if places else None
        self._index.put(written, len(written))


@dataclass(slots=True)
class Odds:
    """What is known of each source."""

    draft: Chances = field(default_factory=Chances)
    echo: Chances = field(default_factory=Chances)


@dataclass(frozen=True, slots=True)
class Guess:
    """Ids that may come next, and for each the chance that it and all before it are right."""

    ids: tuple[int, ...] = ()
    chances: tuple[float, ...] = ()


class Guesser:
    """One sequence's sources. Tell it every id that is written."""

    def __init__(self, draft: Sequence[int], odds: Odds) -> None:
        self._sources: list[tuple[Cursor | Echo, Chances]] = [(Echo(), odds.echo)]
        if draft:
            self._sources.insert(0, (Cursor(draft), odds.draft))

    def see(self, written: Sequence[int]) -> None:
        """One more id has been written, the last of these."""
        for source, chances in self._sources:
            for expected in source.ahead(1):
                chances.learn(source.run, expected == written[-1])
            source.see(written)

    def guess(self, most: int, forced: Sequence[int] = ()) -> Guess:
        """At most so many ids: those that are certain, and what the likeliest source expects behind them.

        forced  come next whatever anybody expects
        """
        certain = tuple(forced[:most])
        ready = [
            (chances.of(source.run), ids, source.run, chances)
            for source, chances in self._sources
            if len(ids := tuple(source.ahead(most))) > len(certain) and ids[: len(certain)] == certain
        ]
        if not ready or most < 1:
            return Guess(certain, (1.0,) * len(certain))
        _, ids, run, chances = max(ready, key=lambda item: item[0])
        each = (1.0 if spot < len(certain) else chances.of(run + spot) for spot in range(len(ids)))
        return Guess(ids, tuple(accumulate(each, mul)))


@dataclass(slots=True)
class Price:
    """What a step costs: so much, and so much more for every row. Learnt from the steps that were taken.

    Least squares over the last steps (`MEMORY` of them count), in any unit of time.
    """

    fixed: float = 1.0
    row: float = 0.1
    _count: float = 0.0
    _rows: float = 0.0
    _time: float = 0.0
    _rows_rows: float = 0.0
    _rows_time: float = 0.0

    def learn(self, rows: int, time: float) -> None:
        """A step of so many rows took so long."""
        keep = 1 - 1 / MEMORY
        self._count = self._count * keep + 1
        self._rows = self._rows * keep + rows
        self._time = self._time * keep + time
        self._rows_rows = self._rows_rows * keep + rows * rows
        self._rows_time = self._rows_time * keep + rows * time
        spread = self._count * self._rows_rows - self._rows**2
        mean_time, mean_rows = self._time / self._count, self._rows / self._count
        if spread > 0.5 * self._count:  # else all steps had the same rows, and the ratio stays as it was
            slope = (self._count * self._rows_time - self._rows * self._time) / spread
            self.row = max(slope, 0.01 * mean_time)
            self.fixed = max(mean_time - self.row * mean_rows, 0.01 * mean_time)
        else:
            scale = mean_time / (self.fixed + self.row * mean_rows)
            self.fixed, self.row = self.fixed * scale, self.row * scale


def worth(guesses: Sequence[Guess], price: Price, most: int) -> list[int]:
    """How many ids of each guess to check, so that a step finds the most ids in its time.

    One more row pays if the ids that it brings, for its own price, are more than the step so far brings for its price.
    The rows with the best chances come first, and `most` is all that a step takes.
    """
    taken = [0] * len(guesses)
    found, rows = float(len(guesses)), len(guesses)
    cost = price.fixed + price.row * rows
    offers = sorted(_offers(guesses), key=lambda offer: (-offer[0], offer[1]))
    for chance, who in offers:
        if rows >= most or chance * cost <= found * price.row:
            break
        taken[who] += 1
        found += chance
        cost += price.row
        rows += 1
    return taken


def agreed(guessed: Sequence[int], found: Iterable[int]) -> list[int]:
    """What has been found, up to the first that is not as it was guessed: what comes after that followed a wrong id.

    found  what comes after the row before each guess, and after the last guess
    """
    ids: list[int] = []
    for row, token in enumerate(found):
        ids.append(token)
        if row >= len(guessed) or token != guessed[row]:
            break
    return ids


def _offers(guesses: Sequence[Guess]) -> Iterable[tuple[float, int]]:
    """Chances never grow along a guess, so that the best rows of each are its first."""
    return ((chance, who) for who, guess in enumerate(guesses) for chance in guess.chances)


def _indexed(ids: Sequence[int], length: int) -> Index:
    index = Index(length)
    for end in range(length, len(ids) + 1):
        index.put(ids, end)
    return index
