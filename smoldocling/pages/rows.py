"""Where the rows of a table end.

Knows: words, rulings, columns, the layout model's proposals. Does not know: cells, headings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from smoldocling.pages.borders import SNAP, baselines, positions
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line


def rows(
    rect: Rect,
    chunks: Sequence[Line],
    horizontal: Sequence[Rect],
    vertical: Sequence[Rect],
    model: Sequence[float],
    xs: Sequence[float],
) -> list[float]:
    top, bottom = min(rect[1], *(c.y0 for c in chunks)) - 1, max(rect[3], *(c.y1 for c in chunks)) + 1
    width = xs[-1] - xs[0]
    ruled = [y for y in positions(horizontal, 1, 3, 0.3 * width) if top + 4 < y < bottom - 4]
    rows = baselines(chunks)
    borders: list[float] = []
    edges = [top, *ruled, bottom]
    for low, high in pairwise(edges):
        inside = [row for row in rows if low < _middle(row) <= high]
        borders += _band_borders(low, high, inside, vertical, model, xs)
    borders = sorted({*ruled, *borders})
    kept: list[float] = []
    last = top
    middles = [(chunk.y0 + chunk.y1) / 2 for chunk in chunks]
    for y in borders:
        if any(last < m <= y for m in middles):
            kept.append(y)
            last = y
    if kept and not any(m > kept[-1] for m in middles):
        kept.pop()
    return [top, *kept, bottom]


def _middle(row: Sequence[Line]) -> float:
    return sum((chunk.y0 + chunk.y1) / 2 for chunk in row) / len(row)


def _band_borders(
    low: float,
    high: float,
    rows: Sequence[Sequence[Line]],
    vertical: Sequence[Rect],
    model: Sequence[float],
    xs: Sequence[float],
) -> list[float]:
    """Borders between the text rows of one band between two rulings."""
    if len(rows) < 2:
        return []
    walls = {round(v[0]) for v in vertical if v[1] <= low + SNAP + 2 and v[3] >= high - SNAP - 2}
    if len(walls) > 1 and not _full_rows(rows, xs):
        # a ruled cell: its rows are the lines of its text
        return []
    if model:
        found = [y for y in (_between(y, rows) for y in model) if low + 2 < y < high - 2]
        return found + _missed(rows, found, xs)
    return _row_gaps(rows, xs)


def _missed(rows: Sequence[Sequence[Line]], found: Sequence[float], xs: Sequence[float]) -> list[float]:
    """Borders between text rows with numbers in the same columns, where the model saw none."""
    counted = [(row, {_column(c, xs) for c in row if c.text[:1].isdigit()}) for row in rows]
    least = max(3, 0.5 * (len(xs) - 1))
    dense = [(row, places) for row, places in counted if len(places) >= least]
    missed: list[float] = []
    for (upper, above), (lower, below) in pairwise(dense):
        seen = any(_middle(upper) < y < _middle(lower) for y in found)
        if not seen and len(above & below) >= least:
            missed.append((max(c.y1 for c in upper) + min(c.y0 for c in lower)) / 2)
    return missed


def _full_rows(rows: Sequence[Sequence[Line]], xs: Sequence[float]) -> bool:
    """Whether nearly every text row fills nearly every column, so that each is a row of the table."""
    columns = len(xs) - 1
    full = sum(len({_column(chunk, xs) for chunk in row}) >= max(2, 0.75 * columns) for row in rows)
    return full >= 0.8 * len(rows)


def _between(y: float, rows: Sequence[Sequence[Line]]) -> float:
    """A border moved out of the text row that it cuts near its edge."""
    for row in rows:
        top, bottom = min(c.y0 for c in row), max(c.y1 for c in row)
        if top < y < bottom:
            if y - top < 0.3 * (bottom - top):
                return top
            if bottom - y < 0.3 * (bottom - top):
                return bottom
    return y


def _row_gaps(rows: Sequence[Sequence[Line]], xs: Sequence[float]) -> list[float]:
    """Borders between text rows that are not the wrapped lines of one row."""
    borders: list[float] = []
    for upper, lower in pairwise(rows):
        bottom, top = max(c.y1 for c in upper), min(c.y0 for c in lower)
        filled_above = {_column(chunk, xs) for chunk in upper}
        filled = {_column(chunk, xs) for chunk in lower}
        size = median(chunk.style.size for chunk in lower)
        wrapped = (
            0 not in filled
            and filled <= filled_above | {0}
            and len(filled) < max(2, len(filled_above))
            and top - bottom < 0.5 * size
        )
        if not wrapped:
            borders.append((bottom + top) / 2)
    return borders


def _column(chunk: Line, xs: Sequence[float]) -> int:
    middle = (chunk.x0 + chunk.x1) / 2
    return next((i for i, (a, b) in enumerate(pairwise(xs)) if a <= middle < b), len(xs) - 2)
