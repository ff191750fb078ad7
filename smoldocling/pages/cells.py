"""The grid of a table while it is being read: slots that cover one or more of its places.

Knows: places. Does not know: words, lines on paper. Law: each place of a grid is covered by exactly one slot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from doctags.tree import CellKind
from smoldocling.pages.glyphs import BULLETS
from smoldocling.pages.lines import Line

_COUNT = re.compile(r"\(?(?:\d{1,2}|[a-z])[.)]$")
"""How items of lists are counted; rows of tables are numbered without a stop or bracket."""


@dataclass(slots=True)
class Slot:
    """A cell while the table is being read: grid place, lines of words, kind."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    lines: list[Line] = field(default_factory=list)
    kind: CellKind = "data"


@dataclass(frozen=True, slots=True)
class Grid:
    """Borders of a table (points, outer ones included) and its cells in row-major order."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    slots: tuple[Slot, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.ys) - 1

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.xs) - 1

    @property
    def is_list(self) -> bool:
        """Whether the first of two columns holds nothing but bullets, or counts."""
        first = ["".join(line.text for line in slot.lines) for slot in self.slots if slot.column == 0]
        filled = [text for text in first if text]
        bullets = sum(all(char in BULLETS for char in text) for text in filled)
        counted = bool(filled) and all(_COUNT.match(text) for text in filled)
        return self.columns == 2 and (bullets >= max(1, 0.8 * len(filled)) or counted)


def row_major(owner: dict[tuple[int, int], Slot]) -> list[Slot]:
    unique = {id(slot): slot for slot in owner.values()}
    return sorted(unique.values(), key=lambda slot: (slot.row, slot.column))


def claim(owner: dict[tuple[int, int], Slot], slot: Slot) -> None:
    """Gives a slot its places; slots that it meets become part of it."""
    members = [slot]
    while True:
        row, column = min(s.row for s in members), min(s.column for s in members)
        whole = Slot(
            row=row,
            column=column,
            row_span=max(s.row + s.row_span for s in members) - row,
            column_span=max(s.column + s.column_span for s in members) - column,
        )
        met = {id(other): other for place in places(whole) if (other := owner.get(place)) is not None}
        if len(met.keys() - {id(s) for s in members}) == 0:
            break
        members = [*met.values()] if id(slot) in met else [*met.values(), slot]
    whole.lines = [line for s in members for line in s.lines]
    for place in places(whole):
        owner[place] = whole


def places(slot: Slot) -> list[tuple[int, int]]:
    return [
        (row, column)
        for row in range(slot.row, slot.row + slot.row_span)
        for column in range(slot.column, slot.column + slot.column_span)
    ]
