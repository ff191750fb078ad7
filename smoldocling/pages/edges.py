"""What stands in a table's box and is no part of it: the end of its caption, notes, a paragraph, a formula.

Knows: rows of words, rulings. Does not know: columns, cells.
Only what is outside of the table's rules can be something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from smoldocling.pages import prose, signs
from smoldocling.pages.borders import positions, rulings
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line
from smoldocling.pages.regions import Region

_FAR = 3.0
"""Font sizes of white that part a table from what stands above or below it; no two rows are so far apart."""

_OTHER_SIZE = 0.8
"""Points by which type differs from the table's where it is something else."""


def peeled(item: Region, strokes: Sequence[Rect]) -> tuple[list[Line], Region, list[Line]]:
    """Rows at the top and at the bottom of a table's box that are no part of the table, apart from it."""
    rows = prose.rows(item.lines)
    cells = [row for row in rows if not _is_run(row)]
    if len(cells) < 2 or len(rows) < 3:
        return [], item, []
    edges = _Edges(item, rows, strokes, median(row.style.size for row in cells))
    first, last = edges.first(), edges.last()
    if (first == 0 and last == len(rows)) or last - first < 2:
        return [], item, []
    top = rows[first - 1].y1 if first else item.rect[1]
    bottom = rows[last].y0 if last < len(rows) else item.rect[3]
    kept = tuple(line for line in item.lines if top <= (line.y0 + line.y1) / 2 <= bottom)
    rect = (item.rect[0], top, item.rect[2], bottom)
    return rows[:first], replace(item, rect=rect, lines=kept), rows[last:]


class _Edges:
    def __init__(self, item: Region, rows: Sequence[Line], strokes: Sequence[Rect], size: float) -> None:
        self._rows = rows
        self._size = size
        x0, _, x1, _ = item.rect
        horizontal, _ = rulings(strokes, item.rect)
        self._lines = positions(horizontal, 1, 3, 0.5 * (x1 - x0))
        self._wide = positions(horizontal, 1, 3, 0.8 * (x1 - x0))

    def first(self) -> int:
        """How many rows at the top are no part of the table."""
        rows, count = self._rows, 0
        while count < len(rows) and not self._ruled_above(count) and self._is_prose(count, count):
            count += 1
        runs = True
        for place in range(count, len(rows) // 2):
            runs = runs and _is_run(rows[place]) and not _overlap(rows[place], rows[place + 1])
            far = rows[place + 1].y0 - rows[place].y1 > _FAR * self._size
            if not self._ruled_above(place) and (far or (runs and self._opens_below(place))):
                count = place + 1
        return count

    def last(self) -> int:
        """Up to which row the table goes."""
        rows, count = self._rows, len(self._rows)
        while count > 1 and not self._ruled_below(count - 1) and self._is_prose(count - 1, count):
            count -= 1
        notes = [row for row in rows[:count] if self._wide and row.y0 > self._wide[-1] - 2]
        closed = len(self._wide) > 2 and len(notes) < 0.5 * (count - len(notes))
        if closed and all(row.style.size < self._size - _OTHER_SIZE for row in notes):
            return count - len(notes)
        while count > 2 and not self._ruled_below(count - 1) and self._is_larger(rows[count - 1]):
            count -= 1
        return count

    def _ruled_above(self, place: int) -> bool:
        return any(y < self._rows[place].y0 for y in self._lines)

    def _ruled_below(self, place: int) -> bool:
        return any(y > self._rows[place].y1 - 2 for y in self._lines)

    def _opens_below(self, place: int) -> bool:
        """Whether the rule that opens the table is the next thing below a row."""
        below = [y for y in self._wide if y > self._rows[place].y1 - 2]
        return len(below) > 1 and below[0] < self._rows[place + 1].y0 + 2

    def _is_larger(self, row: Line) -> bool:
        return _is_run(row) and row.style.size > self._size + _OTHER_SIZE

    def _is_prose(self, place: int, end: int) -> bool:
        """Whether a row is one run of words, long or a caption's, beside nothing; `end` > `place` at the bottom."""
        row = self._rows[place]
        if not _is_run(row) or any(_overlap(row, other) for other in self._rows[max(0, place - 2) : place + 3]):
            return False
        if end == place and place and row.x0 - self._rows[place - 1].x0 < 3 and len(row.words) > 3:
            return True  # the caption goes on
        return len(row.text) > 70 or signs.names_caption(row.text) or signs.is_source(row.text)


def _overlap(a: Line, b: Line) -> bool:
    """Whether two rows stand beside each other, as cells in the middle of their row do."""
    return a is not b and min(a.y1, b.y1) - max(a.y0, b.y0) > 0.2 * min(a.height, b.height)


def _is_run(row: Line) -> bool:
    """Whether a row has no white between its words that is wide enough to part cells."""
    return all(b.x0 - a.x1 <= 1.2 * row.style.size for a, b in pairwise(row.words))
