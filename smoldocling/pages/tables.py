"""From words and rulings inside a rectangle to a grid of cells with spans and header kinds.

Knows: words, borders, rulings. Does not know: where tables are, DocTags text.
Spans come from words that cross borders and from missing pieces of a lattice.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from smoldocling.pages import borders
from smoldocling.pages import columns as column_borders
from smoldocling.pages import rows as row_borders
from smoldocling.pages.cells import Grid, Slot, claim, places, row_major
from smoldocling.pages.frame import Rect
from smoldocling.pages.headers import with_headings
from smoldocling.pages.lines import Line

_APART = 1.5
"""Font sizes of white between texts that are not one, even where no line is drawn between them."""


def read_grid(
    rect: Rect,
    lines: Sequence[Line],
    strokes: Sequence[Rect],
    fills: Sequence[Rect] = (),
    columns: Sequence[float] = (),
    rows: Sequence[float] = (),
) -> Grid | None:
    """The cells in a rectangle, None if it holds fewer than two rows or columns.

    `columns` and `rows` are the layout model's inner borders, empty where it gave none.
    """
    chunks = borders.seamed([chunk for line in lines for chunk in borders.chunks_of(line)])
    if not chunks:
        return None
    horizontal, vertical = borders.rulings(strokes, rect)
    # shaded rows and columns stand for rulings where there are none; beside rulings they are only decoration
    rows_shaded = borders.shaded_edges(fills, rect, 0) if len(borders.positions(horizontal, 1, 3, 20)) < 4 else []
    columns_shaded = borders.shaded_edges(fills, rect, 1) if len(borders.positions(vertical, 0, 2, 10)) < 3 else []
    xs = column_borders.columns(rect, chunks, vertical, columns_shaded, columns)
    ys = row_borders.rows(rect, chunks, horizontal + rows_shaded, vertical, rows, xs)
    if len(xs) < 3 or len(ys) < 3:
        return None
    slots = _filled(xs, ys, chunks, vertical + columns_shaded)
    slots = _joined_by_rulings(slots, xs, ys, horizontal, vertical)
    grid = _compacted(Grid(tuple(xs), tuple(ys), tuple(slots)))
    if grid.rows < 2 or grid.columns < 2:
        return None
    return with_headings(grid, horizontal, fills)


def _filled(xs: Sequence[float], ys: Sequence[float], chunks: Sequence[Line], vertical: Sequence[Rect]) -> list[Slot]:
    """One slot for each grid place, larger ones where a chunk crosses borders."""
    rows, columns = len(ys) - 1, len(xs) - 1
    owner: dict[tuple[int, int], Slot] = {}
    pieces = [piece for chunk in chunks for piece in borders.split(chunk, xs, vertical)]
    for chunk in sorted(pieces, key=lambda c: ((c.y0 + c.y1) / 2, c.x0)):
        r0, r1 = _covered(chunk.y0, chunk.y1, ys, 0.3 * chunk.height)
        c0, c1 = _covered(chunk.x0, chunk.x1, xs, max(2.0, 0.3 * chunk.style.size))
        slot = Slot(r0, c0, r1 - r0 + 1, c1 - c0 + 1, [chunk])
        claim(owner, slot)
    for row in range(rows):
        for column in range(columns):
            if (row, column) not in owner:
                owner[row, column] = Slot(row, column)
    return row_major(owner)


def _covered(low: float, high: float, edges: Sequence[float], slack: float) -> tuple[int, int]:
    """First and last interval that a stretch covers by more than `slack`; at least the one around its middle."""
    near = range(max(0, bisect_right(edges, low) - 1), min(len(edges) - 1, bisect_left(edges, high)))
    hits = [i for i in near if min(edges[i + 1], high) - max(edges[i], low) > slack]
    if hits:
        return hits[0], hits[-1]
    middle = (low + high) / 2
    place = next((i for i, b in enumerate(edges[1:]) if middle < b), len(edges) - 2)
    return place, place


def _joined_by_rulings(
    slots: list[Slot], xs: Sequence[float], ys: Sequence[float], horizontal: Sequence[Rect], vertical: Sequence[Rect]
) -> list[Slot]:
    """In a ruled lattice, neighbours without a ruling between them are one cell."""
    ruled_xs = [any(abs((v[0] + v[2]) / 2 - x) < borders.SNAP for v in vertical) for x in xs]
    ruled_ys = [any(abs((h[1] + h[3]) / 2 - y) < borders.SNAP for h in horizontal) for y in ys]
    if len(xs) < 3 or len(ys) < 3 or not all(ruled_xs[1:-1]) or not all(ruled_ys[1:-1]):
        return slots
    rows, columns = len(ys) - 1, len(xs) - 1
    parent = {(row, column): (row, column) for row in range(rows) for column in range(columns)}

    def root(place: tuple[int, int]) -> tuple[int, int]:
        while parent[place] != place:
            place = parent[place]
        return place

    def walled(row: int, column: int, below: bool) -> bool:
        if below:
            y, x = ys[row + 1], (xs[column] + xs[column + 1]) / 2
            return any(abs((h[1] + h[3]) / 2 - y) < borders.SNAP and h[0] - 1 <= x <= h[2] + 1 for h in horizontal)
        x, y = xs[column + 1], (ys[row] + ys[row + 1]) / 2
        return any(abs((v[0] + v[2]) / 2 - x) < borders.SNAP and v[1] - 1 <= y <= v[3] + 1 for v in vertical)

    for row in range(rows):
        for column in range(columns):
            if column + 1 < columns and not walled(row, column, below=False):
                parent[root((row, column + 1))] = root((row, column))
            if row + 1 < rows and not walled(row, column, below=True):
                parent[root((row + 1, column))] = root((row, column))
    owner = {place: slot for slot in slots for place in places(slot)}
    rooms: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place in parent:
        rooms.setdefault(root(place), []).append(place)
    for room in rooms.values():
        if len(room) > 1 and not _is_loose(room, owner):
            top, left = min(r for r, _ in room), min(c for _, c in room)
            claim(owner, Slot(top, left, max(r for r, _ in room) - top + 1, max(c for _, c in room) - left + 1))
    return row_major(owner)


def _is_loose(room: Sequence[tuple[int, int]], owner: dict[tuple[int, int], Slot]) -> bool:
    """Whether places of one row without walls between them hold texts that stand apart: headings outside the lines."""
    if len({row for row, _ in room}) > 1:
        return False
    slots = row_major({place: owner[place] for place in room if owner[place].lines})
    return any(
        min(line.x0 for line in right.lines) - max(line.x1 for line in left.lines) > _APART * left.lines[0].style.size
        for left, right in pairwise(slots)
    )


def _compacted(grid: Grid) -> Grid:
    """The grid without columns in which nothing stands but what spans them."""
    slots, xs = list(grid.slots), list(grid.xs)
    for column in reversed(range(grid.columns)):
        here = [slot for slot in slots if slot.column <= column < slot.column + slot.column_span]
        if any(slot.lines and slot.column_span == 1 for slot in here):
            continue
        kept = []
        for slot in slots:
            if slot in here and slot.column_span == 1:
                continue
            if slot in here:
                slot.column_span -= 1
            elif slot.column > column:
                slot.column -= 1
            kept.append(slot)
        slots = kept
        del xs[column if column else 1]
    return Grid(tuple(xs), grid.ys, tuple(sorted(slots, key=lambda slot: (slot.row, slot.column))))
