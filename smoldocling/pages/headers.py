"""Which rows and columns of a table are headings, and over how many of them a heading stands.

Knows: grids, rulings, bold type, shading. Does not know: where a grid comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smoldocling.pages.borders import SNAP
from smoldocling.pages.cells import Grid, Slot, claim, places, row_major
from smoldocling.pages.frame import Rect


def with_headings(grid: Grid, horizontal: Sequence[Rect], fills: Sequence[Rect]) -> Grid:
    """The grid with its header rows marked and its spanning headings widened."""
    count = _with_parts(grid, _header_rows(grid, horizontal, fills))
    slots = _labels(_grouped(grid, count), count, grid.columns)
    if count > 1:
        slots = _widened(grid, slots, count, horizontal)
    for slot in slots:
        if slot.row < count:
            slot.kind = "column_header"
        elif slot.column == 0 and slot.lines and _bold(slot) and _mostly_plain(slots, count):
            slot.kind = "row_header"
    for row in range(count, grid.rows):
        full = [slot for slot in slots if slot.row == row and slot.lines]
        if len(full) == 1 and full[0].column == 0 and full[0].column_span == grid.columns > 1:
            full[0].kind = "section"
    return replace(grid, slots=tuple(slots))


def _with_parts(grid: Grid, count: int) -> int:
    """Header rows with those in which the parts of a heading over several columns stand: they name no row."""
    over = {s.row + s.row_span for s in grid.slots if s.lines and s.column and 1 < s.column_span < grid.columns}
    named = {slot.row for slot in grid.slots if slot.column == 0 and slot.lines}
    while 0 < count < min(4, grid.rows - 1) and count in over and count not in named:
        count += 1
    return count


def _labels(slots: Sequence[Slot], count: int, columns: int) -> list[Slot]:
    """Below the header, a text that runs beyond its column goes on as far as nothing else stands in its row."""
    owner = {place: slot for slot in slots for place in places(slot)}
    for slot in [s for s in slots if s.row >= count and s.lines and s.column_span > 1 and s.row_span == 1]:
        end = slot.column + slot.column_span
        while end < columns and not owner[slot.row, end].lines and owner[slot.row, end].row_span == 1:
            end += 1
        claim(owner, Slot(slot.row, slot.column, 1, end - slot.column))
    return row_major(owner)


def _grouped(grid: Grid, count: int) -> list[Slot]:
    """Cells of the first column that stand in the middle of several rows made to span them."""
    slots = list(grid.slots)
    owner = {place: slot for slot in slots for place in places(slot)}
    for slot in [s for s in slots if s.column == 0 and s.lines and s.row >= count and s.column_span == 1]:
        above, below = slot.row, slot.row + slot.row_span
        while above > count and not owner[above - 1, 0].lines and owner[above - 1, 0].column_span == 1:
            above -= 1
        while below < grid.rows and not owner[below, 0].lines and owner[below, 0].column_span == 1:
            below += 1
        reach = min(slot.row - above, below - slot.row - slot.row_span)
        if reach and reach == slot.row - above:
            claim(owner, Slot(slot.row - reach, 0, slot.row_span + 2 * reach, 1))
    return row_major(owner)


def _bold(slot: Slot) -> bool:
    return bool(slot.lines) and all(line.bold for line in slot.lines)


def _mostly_plain(slots: Sequence[Slot], count: int) -> bool:
    """Whether the cells right of the first column are mostly not bold."""
    others = [slot for slot in slots if slot.row >= count and slot.column > 0 and slot.lines]
    return sum(map(_bold, others)) < 0.3 * len(others)


def _header_rows(grid: Grid, horizontal: Sequence[Rect], fills: Sequence[Rect]) -> int:
    """How many leading rows are headings: by bold type, a rule or shading under them, or because they hold no numbers.

    A table of two columns without any of these is a list of names and values; it has none.
    """
    limit = min(4, grid.rows - 1)
    rows = [[s for s in grid.slots if s.row == row and s.lines] for row in range(grid.rows)]
    by_bold = 0
    while by_bold < limit and rows[by_bold] and all(map(_bold, rows[by_bold])):
        by_bold += 1
    if by_bold and not all(map(_bold, (s for s in grid.slots if s.lines))):
        return by_bold
    width = grid.xs[-1] - grid.xs[0]
    ruled = [
        row
        for row in range(1, grid.rows)
        if sum(h[2] - h[0] for h in horizontal if abs((h[1] + h[3]) / 2 - grid.ys[row]) < SNAP + 2) > 0.85 * width
    ]
    if ruled and ruled[0] <= limit and (len(ruled) < max(2, 0.5 * (grid.rows - 1)) or _worded(rows, ruled[0])):
        return ruled[0]
    top, low = grid.ys[0], grid.ys[1]
    if any(f[1] < (top + low) / 2 < f[3] and f[3] < low + 6 and f[2] - f[0] > 0.5 * width for f in fills):
        return 1
    if grid.columns == 2 and not ruled:
        return 0
    return 1


def _worded(rows: Sequence[Sequence[Slot]], count: int) -> bool:
    """Whether the rows down to a rule hold words and those below it numbers."""

    def numbers(part: Sequence[Sequence[Slot]]) -> float:
        cells = [slot for row in part for slot in row]
        return sum(slot.lines[0].text[:1].isdigit() for slot in cells) / max(1, len(cells))

    return numbers(rows[:count]) < 0.1 and numbers(rows[count:]) > 0.4


def _widened(grid: Grid, slots: list[Slot], count: int, horizontal: Sequence[Rect]) -> list[Slot]:
    """Headings that stand over several columns made to span them, those between the rows made to span all rows."""
    owner = {place: slot for slot in slots for place in places(slot)}
    for slot in [s for s in slots if s.row < count - 1 and s.lines]:
        left, right = slot.column, slot.column + slot.column_span
        rule = _rule_below(grid, slot, horizontal)
        low, high = left, right
        if rule is not None:
            while low > 0 and grid.xs[low] > rule[0] + SNAP + 3 and not owner[slot.row, low - 1].lines:
                low -= 1
            while high < grid.columns and grid.xs[high] < rule[1] - SNAP - 3 and not owner[slot.row, high].lines:
                high += 1
        else:
            low, high = _centred(grid, slot, owner)
        if (low, high) != (left, right):
            claim(owner, Slot(slot.row, low, slot.row_span, high - low))
    for stack in _between_rows(grid.columns, owner, count):
        claim(owner, Slot(0, stack[0].column, count, 1))
    return row_major(owner)


def _between_rows(columns: int, owner: dict[tuple[int, int], Slot], count: int) -> list[list[Slot]]:
    """The header's columns whose text stands in the middle of its rows, on no line with the headings of any of them."""
    stacks = [row_major({(row, 0): owner[row, column] for row in range(count)}) for column in range(columns)]
    lines = [line for slot in row_major(owner) if slot.row < count for line in slot.lines]
    if not lines:
        return []
    centre = (min(line.y0 for line in lines) + max(line.y1 for line in lines)) / 2
    found = []
    for stack in stacks:
        own = [line for slot in stack for line in slot.lines]
        if len(stack) > 1 and own and all(slot.column_span == 1 for slot in stack):
            middle = (min(line.y0 for line in own) + max(line.y1 for line in own)) / 2
            if abs(middle - centre) < 0.4 * own[0].style.size:
                found.append(stack)
    inside = {id(line) for stack in found for slot in stack for line in slot.lines}
    others = [line.y1 for line in lines if id(line) not in inside]
    return [
        stack
        for stack in found
        if not any(abs(line.y1 - y) < 0.2 * line.style.size for slot in stack for line in slot.lines for y in others)
    ]


def _rule_below(grid: Grid, slot: Slot, horizontal: Sequence[Rect]) -> tuple[float, float] | None:
    """The ends of a partial ruling right under a heading."""
    y = grid.ys[slot.row + slot.row_span]
    middle = (min(line.x0 for line in slot.lines) + max(line.x1 for line in slot.lines)) / 2
    width = grid.xs[-1] - grid.xs[0]
    for h in horizontal:
        if abs((h[1] + h[3]) / 2 - y) < SNAP + 2 and h[0] <= middle <= h[2] and h[2] - h[0] < 0.85 * width:
            return h[0], h[2]
    return None


def _centred(grid: Grid, slot: Slot, owner: dict[tuple[int, int], Slot]) -> tuple[int, int]:
    """The columns over which a heading is centred, if the places beside it are empty and the row below is not."""
    low, high = slot.column, slot.column + slot.column_span
    middle = (min(line.x0 for line in slot.lines) + max(line.x1 for line in slot.lines)) / 2
    left, right = low, high
    below = slot.row + slot.row_span
    while (
        left > 0
        and not owner[slot.row, left - 1].lines
        and owner[below, left - 1].lines
        and owner[below, left - 1].row == below
    ):
        left -= 1
    while (
        right < grid.columns
        and not owner[slot.row, right].lines
        and owner[below, right].lines
        and owner[below, right].row == below
    ):
        right += 1
    best, miss = (low, high), 0.1 * (grid.xs[high] - grid.xs[low])
    for a in range(left, low + 1):
        for b in range(high, right + 1):
            off = abs((grid.xs[a] + grid.xs[b]) / 2 - middle)
            if b - a > best[1] - best[0] and off < max(miss, 0.12 * (grid.xs[b] - grid.xs[a])):
                best = (a, b)
    return best
