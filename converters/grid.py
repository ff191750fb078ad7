"""The grid of a table as every format needs it: rectangular, no overlaps, header rows counted.

Knows: cells. Does not know: what stands in them, formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from converters.blocks import Block, Grid, Run, Runs, Slot, plain
from doctags.tree import Cell

Reader = Callable[[Cell], tuple[Runs, tuple[Block, ...]]]

# Docling refuses larger grids, and no page has them: only a span gone wrong does.
MAX_SIDE = 500
_FIGURES = re.compile(r"[-–+±$€£¥(<>~≈]*\s*\d[\d\s.,:/%)*†]*")


def grid_of(cells: Sequence[Cell], read: Reader) -> Grid:
    """Lay cells out: what a cell claims is cut back to what is free, holes are filled with empty cells.

    A cell whose place is taken adds its text to the cell that lies there; nothing is lost.
    """
    owner: dict[tuple[int, int], int] = {}
    slots: list[Slot] = []
    for cell in sorted(cells, key=lambda cell: (cell.row, cell.column)):
        runs, blocks = read(cell)
        row, column = (min(max(place, 0), MAX_SIDE - 1) for place in (cell.row, cell.column))
        if (row, column) in owner:
            index = owner[row, column]
            under = slots[index]
            joined = (*under.runs, Run(" "), *runs) if under.runs and runs else under.runs + runs
            slots[index] = replace(under, runs=joined, blocks=under.blocks + blocks)
            continue
        width, height = _free(owner, row, column, cell.column_span, cell.row_span)
        owner.update({(row + y, column + x): len(slots) for y in range(height) for x in range(width)})
        slots.append(Slot(row, column, height, width, cell.kind, runs, blocks, cell.box))
    return _filled(slots, owner)


def _free(owner: dict[tuple[int, int], int], row: int, column: int, wanted: int, tall: int) -> tuple[int, int]:
    width = 1
    while width < min(wanted, MAX_SIDE - column) and (row, column + width) not in owner:
        width += 1
    height = 1
    while height < min(tall, MAX_SIDE - row) and all((row + height, column + x) not in owner for x in range(width)):
        height += 1
    return width, height


def _filled(slots: list[Slot], owner: dict[tuple[int, int], int]) -> Grid:
    rows = max((row for row, _ in owner), default=-1) + 1
    columns = max((column for _, column in owner), default=-1) + 1
    holes = [
        Slot(row, column, 1, 1, "data")
        for row in range(rows)
        for column in range(columns)
        if (row, column) not in owner
    ]
    complete = tuple(sorted([*slots, *holes], key=lambda slot: (slot.row, slot.column)))
    return Grid(complete, rows, columns, _header_rows(complete, rows))


def _header_rows(slots: Sequence[Slot], rows: int) -> int:
    """Rows at the top whose filled cells are column headers; failing any mark, a first row of words above figures."""
    by_row = [[slot for slot in slots if slot.row == row] for row in range(rows)]
    count = 0
    for row in by_row:
        filled = [slot for slot in row if slot.runs or slot.blocks]
        if not any(slot.kind == "column_header" for slot in row) or any(slot.kind == "data" for slot in filled):
            break
        count += 1
    if count == 0 and not any(slot.kind == "column_header" for slot in slots) and _names_figures(by_row):
        count = 1
    reach = max((slot.row + slot.row_span for row in by_row[:count] for slot in row), default=0)
    return count if reach <= count else 0


def _names_figures(by_row: list[list[Slot]]) -> bool:
    """Whether the first row has words only, and a column below one of them has nothing but figures."""
    if len(by_row) < 2 or any(_FIGURES.fullmatch(plain(slot.runs)) for slot in by_row[0]):
        return False
    for head in by_row[0]:
        below = [plain(slot.runs) for row in by_row[1:] for slot in row if slot.column == head.column and slot.runs]
        if head.runs and below and all(_FIGURES.fullmatch(text) for text in below):
            return True
    return False
