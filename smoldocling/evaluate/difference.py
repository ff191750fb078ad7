"""Two texts word by word: what is the same, what is missing, what should not be there.

Knows: words and the blanks between them. Does not know: HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from smoldocling.diff import gaps
from smoldocling.evaluate.strings import words

Kind = Literal["same", "missing", "extra"]
_BLANKS = re.compile(r"\s+")
# Of a long stretch that is right its beginning and its end are shown.
LONG = 60
AROUND = 20
# So many words in a row that are missing here and extra there have been moved.
RUN = 4


@dataclass(frozen=True, slots=True)
class Stretch:
    """Words in one condition. `left_out` counts those that are not shown, in the middle of a long stretch.

    moved  what is missing here is extra elsewhere, or the other way round
    """

    kind: Kind
    text: str
    left_out: int = 0
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    blank: str


def difference(said: str, true: str) -> list[Stretch]:
    """The true text, with what was said in other words: what is missing before what stands in its place."""
    ours, theirs = _split(said), _split(true)
    same, between = gaps([word.text for word in ours], [word.text for word in theirs])
    events: list[tuple[int, int, Kind, int, int]] = [(i, j, "same", i, i + 1) for i, j in same]
    for i, k, j, m in between:
        events += [(i, j, "missing", j, m)] if m > j else []
        events += [(i, j, "extra", i, k)] if k > i else []
    # a stretch that differs begins where the same words go on
    events.sort(key=lambda event: (event[0], event[1], ("missing", "extra", "same").index(event[2])))
    stretches: list[tuple[Kind, list[_Word]]] = []
    for _, _, kind, start, end in events:
        some = (theirs if kind == "missing" else ours)[start:end]
        if stretches and stretches[-1][0] == kind:
            stretches[-1][1].extend(some)
        else:
            stretches.append((kind, list(some)))
    runs = {kind: _runs(some for other, some in stretches if other == kind) for kind in ("missing", "extra")}
    shared = runs["missing"] & runs["extra"]
    return [part for kind, some in stretches for part in _shown(kind, some, shared)]


def _runs(stretches: Iterable[list[_Word]]) -> set[tuple[str, ...]]:
    return {run for some in stretches for run in _windows(some)}


def _windows(some: list[_Word]) -> Iterator[tuple[str, ...]]:
    return (tuple(word.text for word in some[at : at + RUN]) for at in range(len(some) - RUN + 1))


def _shown(kind: Kind, some: list[_Word], shared: set[tuple[str, ...]]) -> Iterator[Stretch]:
    if kind != "same":
        moved = [False] * len(some)
        for at, run in enumerate(_windows(some)):
            if run in shared:
                moved[at : at + RUN] = [True] * RUN
        for is_moved, part in groupby(zip(moved, some, strict=True), key=lambda pair: pair[0]):
            yield Stretch(kind, _joined([word for _, word in part]), moved=is_moved)
        return
    if len(some) > LONG:
        yield Stretch(kind, _joined(some[:AROUND]), len(some) - 2 * AROUND)
        yield Stretch(kind, _joined(some[-AROUND:]))
    else:
        yield Stretch(kind, _joined(some))


def _joined(some: list[_Word]) -> str:
    return "".join(word.text + word.blank for word in some)


def _split(text: str) -> list[_Word]:
    """Words with the blanks behind them: a line break, or one space."""
    found: list[_Word] = []
    for part, blank in _parts(text):
        inner = words(part)
        found += [_Word(word, "") for word in inner[:-1]]
        if inner:
            found.append(_Word(inner[-1], blank))
    return found


def _parts(text: str) -> Iterator[tuple[str, str]]:
    start = 0
    for found in _BLANKS.finditer(text):
        yield text[start : found.start()], "\n" if "\n" in found.group() else " "
        start = found.end()
    yield text[start:], "\n"
