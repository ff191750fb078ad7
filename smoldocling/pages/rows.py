"""Where the rows of a table end.

Knows: words, rulings, columns, the layout model's proposals. Does not know: cells, headings.
Between two rulings, lines of text are one row where they can be the lines of wrapped cells: nothing in the lower line
could have stood in the upper one, and they stand closer than rows do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from smoldocling.pages.borders import SNAP, baselines, positions
from smoldocling.pages.columns import column_of
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line

_NUMBER = re.compile(r"[-+–−<>≤≥~∼$€£(]*\d[\d.,:%()’' \u2009+–−±*-]*$")
_TIGHT = 0.9
"""Share of the distance between rows below which two lines are of one row."""
_EVEN = 1.05
"""Ratio up to which distances between lines count as equal."""
_MOST_WRAPPED = 3
"""Lines of text in a ruled cell up to which the rulings are believed, whatever the lines look like."""

Texts = Mapping[int, Sequence[Line]]
"""A line of text across the table: what stands in each column alone."""


def rows(
    rect: Rect,
    chunks: Sequence[Line],
    horizontal: Sequence[Rect],
    vertical: Sequence[Rect],
    model: Sequence[float],
    xs: Sequence[float],
) -> list[float]:
    """Borders of the rows from top to bottom, outer ones included. `vertical` are lines that are drawn."""
    top, bottom = min(rect[1], *(c.y0 for c in chunks)) - 1, max(rect[3], *(c.y1 for c in chunks)) + 1
    width = xs[-1] - xs[0]
    ruled = [y for y in positions(horizontal, 1, 3, 0.3 * width) if top + 4 < y < bottom - 4]
    lines = baselines(chunks)
    bands = [
        (low, high, [line for line in lines if low < _middle(line) <= high])
        for low, high in pairwise([top, *ruled, bottom])
    ]
    reading = _Reading(xs, [band for _, _, band in bands], model)
    borders: list[float] = []
    for number, (low, high, band) in enumerate(bands):
        if not _is_cell(low, high, band, vertical, xs, len(bands)):
            borders += reading.borders(band, head=number == 0 and len(bands) > 1)
    return _without_empty(top, sorted({*ruled, *borders}), bottom, chunks)


def _without_empty(top: float, inner: Sequence[float], bottom: float, chunks: Sequence[Line]) -> list[float]:
    kept: list[float] = []
    last = top
    middles = [(chunk.y0 + chunk.y1) / 2 for chunk in chunks]
    for y in inner:
        if any(last < m <= y for m in middles):
            kept.append(y)
            last = y
    if kept and not any(m > kept[-1] for m in middles):
        kept.pop()
    return [top, *kept, bottom]


def _middle(line: Sequence[Line]) -> float:
    return sum((chunk.y0 + chunk.y1) / 2 for chunk in line) / len(line)


def _is_cell(
    low: float, high: float, band: Sequence[Sequence[Line]], vertical: Sequence[Rect], xs: Sequence[float], bands: int
) -> bool:
    """Whether a band is ruled into cells, so that its lines of text are those of one row.

    Walls alone do not say so: columns are ruled over many rows, too. Then each line fills nearly all of them.
    """
    walls = {round(v[0]) for v in vertical if v[1] <= low + SNAP + 2 and v[3] >= high - SNAP - 2}
    if len(band) < 2 or len(walls) < 2:
        return len(band) < 2
    if bands > 2 and len(band) <= _MOST_WRAPPED and len(walls) > 0.6 * len(xs):
        return True
    return not _full_rows(band, xs)


def _full_rows(lines: Sequence[Sequence[Line]], xs: Sequence[float]) -> bool:
    """Whether nearly every text row fills nearly every column, so that each is a row of the table."""
    columns = len(xs) - 1
    full = sum(len({_column(chunk, xs) for chunk in line}) >= max(2, 0.75 * columns) for line in lines)
    return full >= 0.8 * len(lines)


def _column(chunk: Line, xs: Sequence[float]) -> int:
    return column_of((chunk.x0 + chunk.x1) / 2, xs)


class _Reading:
    """What the lines of a table tell about each other: how wide its columns are, how close the lines of one cell."""

    def __init__(self, xs: Sequence[float], bands: Sequence[Sequence[Sequence[Line]]], model: Sequence[float]) -> None:
        self._xs = xs
        self._model = model
        self._texts = {id(line): self._by_column(line) for band in bands for line in band}
        self._room = [0.0] * (len(xs) - 1)
        for texts in self._texts.values():
            for column, pieces in texts.items():
                self._room[column] = max(self._room[column], pieces[-1].x1 - pieces[0].x0)
        self._leading = self._widest_leading(bands)

    def _by_column(self, line: Sequence[Line]) -> Texts:
        found: dict[int, list[Line]] = {}
        for chunk in sorted(line, key=lambda chunk: chunk.x0):
            first, last = self._span(chunk)
            if first == last:
                found.setdefault(first, []).append(chunk)
        return found

    def _span(self, chunk: Line) -> tuple[int, int]:
        return column_of(chunk.x0 + 1, self._xs), column_of(chunk.x1 - 1, self._xs)

    def _filled(self, line: Sequence[Line]) -> set[int]:
        return {column for first, last in map(self._span, line) for column in range(first, last + 1)}

    def _widest_leading(self, bands: Sequence[Sequence[Sequence[Line]]]) -> float:
        """Distance of two lines in a column below which they are of one cell; 0 where distances do not tell."""
        distances: list[float] = []
        certain: list[float] = []
        ruled: list[float] = []
        last: dict[int, Sequence[Line]] = {}
        for band in bands:
            seen: set[int] = set()
            for line in band:
                for column, pieces in self._texts[id(line)].items():
                    if column in last:
                        distance = pieces[0].y1 - last[column][0].y1
                        distances.append(distance)
                        if column not in seen:
                            ruled.append(distance)
                        elif self._no_wrap(column, last[column], pieces):
                            certain.append(distance)
                    last[column] = pieces
                    seen.add(column)
        if not distances:
            return 0.0
        distances.sort()
        leading = distances[0]
        for distance in distances:
            if distance > _EVEN * leading:
                break
            leading = distance
        apart = sorted(certain or (ruled if len(bands) > 3 else ()))
        wider = [distance for distance in distances if distance > leading / _TIGHT]
        if apart:
            between = apart[len(apart) // 5]
        elif len(wider) >= max(2, 0.2 * len(distances)):
            between = wider[0]
        else:
            return 0.0
        return _EVEN * leading if leading < _TIGHT * between else 0.0

    def _whole(self, band: Sequence[Sequence[Line]]) -> list[Sequence[Line]]:
        """The lines of a band without those that stand between two rows: cells in the middle of several rows."""
        kept: list[Sequence[Line]] = []
        for place, line in enumerate(band):
            if kept and place < len(band) - 1 and self._is_between(kept[-1], line, band[place + 1]):
                continue
            kept.append(line)
        return kept

    def _is_between(self, above: Sequence[Line], line: Sequence[Line], below: Sequence[Line]) -> bool:
        size = line[0].style.size
        if _middle(below) - _middle(above) > 2.5 * size:
            return False
        if abs(2 * _middle(line) - _middle(above) - _middle(below)) > 0.5 * size:
            return False
        if self._filled(line) & (self._filled(above) | self._filled(below)):
            return False
        return self._are_rows(self._texts[id(above)], above, below)

    def _are_rows(self, upper: Texts, above: Sequence[Line], line: Sequence[Line]) -> bool:
        """Whether a line begins a row: a number under a number, words that had room above, parts of a heading."""
        lower = self._texts[id(line)]
        for first, last in map(self._span, above):
            if len([column for column in range(first, last + 1) if column in lower]) > 1:
                return True
        return any(self._no_wrap(column, upper[column], lower[column]) for column in upper.keys() & lower.keys())

    def _no_wrap(self, column: int, upper: Sequence[Line], lower: Sequence[Line]) -> bool:
        over, under = upper[-1], lower[0]
        if over.bold != under.bold:
            return True
        if _NUMBER.match(over.text) and _NUMBER.match(under.text) and over.text[-1] not in "-–−,±":
            return True
        word = under.words[0]
        taken = over.x1 - upper[0].x0 + 0.3 * over.style.size + word.x1 - word.x0
        return taken < self._room[column] - 1

    def borders(self, band: Sequence[Sequence[Line]], *, head: bool) -> list[float]:
        """Borders between the rows of one band between two rulings."""
        found: list[float] = []
        group: list[Sequence[Line]] = []
        upper: dict[int, Sequence[Line]] = {}
        for line in self._whole(band):
            if group and not self._goes_on(group, upper, line, head=head):
                top = min(piece.y0 for piece in line)
                above = [piece.y1 for one in group for piece in one if piece.y0 + piece.y1 < 2 * top]
                found.append((max(above, default=top) + top) / 2)
                group, upper = [], {}
            group.append(line)
            upper |= self._texts[id(line)]
        return found

    def _goes_on(self, group: Sequence[Sequence[Line]], upper: Texts, line: Sequence[Line], *, head: bool) -> bool:
        """Whether a line is wrapped text of the row above it."""
        size = line[0].style.size
        lower = self._texts[id(line)]
        shared = upper.keys() & lower.keys()
        distance = min((lower[column][0].y1 - upper[column][0].y1 for column in shared), default=0.0)
        if not shared:
            distance = _middle(line) - _middle(group[-1])
        tight = distance < min(self._leading, 1.6 * size)
        if not shared and distance < 0.95 * size:
            return True
        if self._are_rows(upper, group[-1], line) and not (head and tight and shared):
            return False
        if tight:
            return True
        if self._leading and distance > self._leading / _TIGHT * 1.1:
            return False
        if distance > 1.7 * size:
            return False
        if self._model:
            return not any(_middle(group[-1]) < y < _middle(line) for y in self._model)
        filled, above = self._filled(line), set().union(*map(self._filled, group))
        return 0 not in filled and filled <= above and len(filled) < max(2, len(above))
