"""OTSL rows to a grid of spanning cells and back.

Knows: rows of cell tokens, spans, raggedness. Does not know: how tokens are spelt, where offsets come from.
Law: in what `grid` makes, every slot of the grid is covered by exactly one cell, and `rows` gives the same grid again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median_low
from typing import NamedTuple

from doctags.tree import Box, Cell, CellKind, Element

HEADS: dict[str, CellKind] = {
    "fcel": "data",
    "ecel": "data",
    "ched": "column_header",
    "rhed": "row_header",
    "srow": "section",
}
"""Cell tokens that begin a cell, and the kind of cell."""

SPANS = ("lcel", "ucel", "xcel")
"""Cell tokens that continue a cell."""

BLANKS = ("ecel", *SPANS)
"""Cell tokens that nothing follows but the next token."""

TOKENS: dict[CellKind, str] = {"data": "fcel", "column_header": "ched", "row_header": "rhed", "section": "srow"}

MAX_FILL = 16
"""Filling ragged rows may make a grid so many times larger than what was written; beyond that, long rows are folded."""

SMALL_GRID = 4_096
"""Slots that any table may have, however ragged."""


class Slot(NamedTuple):
    """One cell token and what stood between it and the next: `start:end` in the source."""

    token: str
    text: str = ""
    box: Box | None = None
    children: tuple[Element, ...] = ()
    start: int = 0
    end: int = 0

    @property
    def blank(self) -> bool:
        """Nothing in it."""
        return not (self.text or self.children or self.box)


Report = Callable[..., None]
"""report(kind, start, end, *facts): where problems go."""


def grid(rows: Sequence[Sequence[Slot]], report: Report) -> tuple[Cell, ...]:
    """Cells in row-major order. Ragged rows are filled up, and spans without a cell to continue become empty cells."""
    square = _squared(rows, report)
    if {slot.token for row in square for slot in row}.isdisjoint(SPANS):
        numbered = [(r, c, slot) for r, row in enumerate(square) for c, slot in enumerate(row)]
        return tuple([Cell(r, c, it.text, 1, 1, HEADS[it.token], it.box, it.children) for r, c, it in numbered])
    taken: set[tuple[int, int]] = set()
    cells: list[Cell] = []
    for r, row in enumerate(square):
        for c, slot in enumerate(row):
            token = slot.token
            if token not in HEADS:
                if (r, c) in taken:
                    continue
                report("orphan_span", slot.start, slot.end, token)
            height, width = _extent(square, taken, r, c)
            if height > 1 or width > 1:
                taken.update((down, right) for down in range(r, r + height) for right in range(c, c + width))
            cells.append(Cell(r, c, slot.text, height, width, HEADS.get(token, "data"), slot.box, slot.children))
    return tuple(cells)


def _extent(square: Sequence[Sequence[Slot]], taken: set[tuple[int, int]], r: int, c: int) -> tuple[int, int]:
    """Rows and columns that the cell at (r, c) covers: <lcel> to its right, <ucel> and <xcel> below all of them."""
    row = square[r]
    width, height = 1, 1
    while c + width < len(row) and row[c + width].token == "lcel" and (r, c + width) not in taken:
        width += 1
    while r + height < len(square) and square[r + height][c].token == "ucel":
        below = range(c, c + width)
        if any(square[r + height][at].token not in SPANS or (r + height, at) in taken for at in below):
            break
        height += 1
    return height, width


def _squared(rows: Sequence[Sequence[Slot]], report: Report) -> list[list[Slot]]:
    width = max(map(len, rows), default=0)
    written = sum(map(len, rows))
    if width * len(rows) > max(MAX_FILL * written, SMALL_GRID):
        width = median_low(map(len, rows))
        rows = list(_folded(rows, width, report))
    square = []
    for row in rows:
        square.append([*row])
        if len(row) < width:
            report("ragged_row", row[0].start, row[-1].end, len(row), width)
            filler = Slot("ecel", start=row[-1].end, end=row[-1].end)
            square[-1] += [filler] * (width - len(row))
    return square


def _folded(rows: Sequence[Sequence[Slot]], width: int, report: Report) -> Iterable[Sequence[Slot]]:
    for row in rows:
        if len(row) > width:
            report("folded_row", row[0].start, row[-1].end, len(row), width)
        for at in range(0, len(row), width):
            yield row[at : at + width]


def rows(cells: Sequence[Cell]) -> list[list[Slot]]:
    """The rows of cell tokens that spell these cells.

    Holes become empty cells. A span ends before a cell that came earlier; what begins inside one adds its text to it.
    """
    height = max((max(cell.row, 0) + max(cell.row_span, 1) for cell in cells), default=0)
    width = max((max(cell.column, 0) + max(cell.column_span, 1) for cell in cells), default=0)
    square: list[list[Slot | None]] = [[None] * width for _ in range(height)]
    heads: dict[tuple[int, int], tuple[int, int]] = {}
    for cell in cells:
        _place(square, heads, cell)
    return [[slot or Slot("ecel") for slot in row] for row in square]


def _place(square: list[list[Slot | None]], heads: dict[tuple[int, int], tuple[int, int]], cell: Cell) -> None:
    here = (max(cell.row, 0), max(cell.column, 0))
    if here in heads:
        row, column = heads[here]
        old = square[row][column]
        assert old is not None, "a covered slot has a head"
        text = " ".join(filter(None, (old.text, cell.text)))
        token = "fcel" if old.token == "ecel" and text else old.token
        square[row][column] = Slot(token, text, old.box, (*old.children, *cell.children))
        return
    token = TOKENS[cell.kind]
    head = Slot(token, cell.text, cell.box, cell.children)
    square[here[0]][here[1]] = Slot("ecel") if token == "fcel" and head.blank else head
    heads[here] = here
    first = [(here[0], here[1] + right) for right in range(max(cell.column_span, 1))]
    width = next((at for at, slot in enumerate(first) if at and slot in heads), len(first))
    for down in range(max(cell.row_span, 1)):
        line = [(here[0] + down, here[1] + right) for right in range(width)]
        if down and any(slot in heads for slot in line):
            break
        for slot in line:
            if slot != here:
                heads[slot] = here
                square[slot[0]][slot[1]] = Slot("lcel" if not down else "ucel" if slot[1] == here[1] else "xcel")
