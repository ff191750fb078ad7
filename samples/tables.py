"""Ruled tables whose rows are written down as their own OTSL.

In a row, `<` stands for a cell that its left neighbour covers and `^` for one that the cell above covers. Knows: spans,
rules, the header's ground. Does not know: what the cells mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flow import HAIRLINE, TINT, Column
from press import BLUE, FACES, Sheet, Style, plain
from truth import Area, Mark

LEFT, ABOVE = "<", "^"
PAD = 6.0
CELL = Style("sans", 8.6, 11)


@dataclass(frozen=True, slots=True)
class Ruled:
    """A table before it is set.

    widths    of the columns in points, their sum is the table's
    aligns    of the columns
    head      rows at the top that are headers
    strong    further rows set in bold, such as totals
    """

    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    aligns: Sequence[Literal["left", "center", "right"]]
    head: int = 1
    strong: frozenset[int] = frozenset()
    style: Style = CELL
    pad: float = 4.2

    def otsl(self) -> str:
        """The cells as OTSL."""
        tags = {LEFT: "<lcel>", ABOVE: "<ucel>"}
        return "".join(
            "".join(tags.get(text, f"<{'ched' if row < self.head else 'fcel'}>{plain(text)}") for text in cells)
            + "<nl>"
            for row, cells in enumerate(self.rows)
        )

    def cells(self) -> Iterator[tuple[int, int, int, int]]:
        """Row, column, row span and column span of each cell, row by row."""
        for row, cells in enumerate(self.rows):
            for column, text in enumerate(cells):
                if text in (LEFT, ABOVE):
                    continue
                across, down = 1, 1
                while column + across < len(cells) and cells[column + across] == LEFT:
                    across += 1
                while row + down < len(self.rows) and self.rows[row + down][column] == ABOVE:
                    down += 1
                yield row, column, down, across

    def face(self, row: int) -> Style:
        """Headers and totals are bold."""
        bold = row < self.head or row in self.strong
        return replace(self.style, face=FACES[self.style.face][3]) if bold else self.style


def place(table: Ruled, column: Column, caption: str | None = None, after: float = 12.0) -> None:
    """Set a table, its caption above it."""
    captions = (column.caption(caption, 6.0),) if caption else ()
    row_height = table.style.leading + 2 * table.pad
    ys = [column.y + row_height * row for row in range(len(table.rows) + 1)]
    xs = [column.x + sum(table.widths[:at]) for at in range(len(table.widths) + 1)]
    column.sheet.shade(Area(xs[0], ys[0], xs[-1], ys[table.head]), TINT)
    for row, at, down, across in table.cells():
        area = Area(xs[at], ys[row], xs[at + across], ys[row + down])
        _fill(column.sheet, table, area, row, at, across)
        if row + down < len(table.rows):
            inset = PAD if row + down < table.head else 0.0
            column.sheet.stroke([(area.x0 + inset, area.y1), (area.x1 - inset, area.y1)], 0.4, HAIRLINE)
    for y, width in ((ys[0], 0.9), (ys[table.head], 0.6), (ys[-1], 0.9)):
        column.sheet.stroke([(xs[0], y), (xs[-1], y)], width, BLUE)
    column.marks.append(Mark("otsl", (Area(xs[0], ys[0], xs[-1], ys[-1]),), table.otsl(), captions))
    column.y = ys[-1] + after


def _fill(sheet: Sheet, table: Ruled, area: Area, row: int, column: int, across: int) -> None:
    text = table.rows[row][column]
    style = replace(table.face(row), align="center" if across > 1 and row < table.head else table.aligns[column])
    _, ascender, descender, _ = FACES[style.face]
    height = (ascender + descender) * style.size + style.leading * text.count("\n")
    top = (area.y0 + area.y1 - height) / 2
    sheet.set(area.x0 + PAD, top, area.x1 - area.x0 - 2 * PAD, text, style)
