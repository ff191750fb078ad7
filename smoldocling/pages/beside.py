"""Tables that stand side by side or above each other and were taken for one.

Knows: the layout model's boxes, words, strokes, shaded areas. Does not know: cells.
Two tables share no lines. Side by side, the white between the rows of one is not that of the other, or their type has
another size; above each other, there is more white between them than between any rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from smoldocling.pages.borders import baselines, chunks_of
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.layout import Group
from smoldocling.pages.lines import Line

_GUTTER = 1.2
"""Font sizes of white between two tables, at least."""

_BETWEEN = 3.0
"""Points between the lines of two tables, at least."""

_PAUSE = 3.0
"""Font sizes of white between two tables above each other, at least; less where their type has another size."""

_OTHER_SIZE = 0.8
"""Points by which the type of two tables differs, if it does."""

_SHARED = 0.5
"""Share of the white between the rows of one table that goes through both, from which on they are one table."""


def apart(group: Group, ink: Ink) -> list[Group]:
    """The tables in a table's box: itself, or two and more from left to right."""
    lines = [line for line in ink.lines if line.upright and _holds(group.rect, line)]
    chunks = [chunk for line in lines for chunk in chunks_of(line)]
    if len(chunks) < 8:
        return [group]
    marks = [mark for mark in (*ink.strokes, *ink.fills) if _meets(mark, group.rect)]
    x0, y0, x1, y1 = group.rect
    x = _gutter(group.rect, chunks, marks)
    if x is not None:
        parts = [(x0, y0, x, y1), (x, y0, x1, y1)]
    else:
        y = _pause(chunks, marks)
        if y is None:
            return [group]
        parts = [(x0, y0, x1, y), (x0, y, x1, y1)]
    return [table for part in parts for table in apart(_cut(group, part, chunks), ink)]


def _cut(group: Group, part: Rect, chunks: Sequence[Line]) -> Group:
    """One part of a box, no larger than its texts."""
    inside = [chunk for chunk in chunks if _holds(part, chunk)]
    top, bottom = min(chunk.y0 for chunk in inside), max(chunk.y1 for chunk in inside)
    rect = (part[0], max(part[1], top - 3), part[2], min(part[3], bottom + 3))
    # what the model takes for rows of two tables side by side is neither's, and so with columns above each other
    beside = part[2] - part[0] < group.rect[2] - group.rect[0]
    columns = tuple(x for x in group.columns if beside and rect[0] < x < rect[2])
    rows = tuple(y for y in group.rows if not beside and rect[1] < y < rect[3])
    return replace(group, rect=rect, columns=columns, rows=rows)


def _pause(chunks: Sequence[Line], marks: Sequence[Rect]) -> float | None:
    """The middle of the white between two tables above each other."""
    rows = baselines(chunks)
    size = median(chunk.style.size for chunk in chunks)
    end = max(chunk.y1 for row in rows[:2] for chunk in row) if rows else 0.0
    for place in range(2, len(rows) - 1):
        start = min(chunk.y0 for chunk in rows[place])
        if start - end > size:
            above, below = [c for row in rows[:place] for c in row], [c for row in rows[place:] for c in row]
            y = (start + end) / 2
            far = start - end > _PAUSE * size or _differ(above, below)
            if far and not any(mark[1] < y < mark[3] for mark in marks) and _is_tabular(above) and _is_tabular(below):
                return y
        end = max(end, *(chunk.y1 for chunk in rows[place]))
    return None


def _differ(a: Sequence[Line], b: Sequence[Line]) -> bool:
    """Whether two groups of texts are each set in one size, and not in the same."""
    sizes = [median(chunk.style.size for chunk in side) for side in (a, b)]
    even = all(
        sum(abs(chunk.style.size - size) < 0.3 for chunk in side) > 0.9 * len(side)
        for side, size in zip((a, b), sizes, strict=True)
    )
    return even and abs(sizes[0] - sizes[1]) > _OTHER_SIZE


def _gutter(rect: Rect, chunks: Sequence[Line], marks: Sequence[Rect]) -> float | None:
    """The middle of the widest white from top to bottom between two tables."""
    size = median(chunk.style.size for chunk in chunks)
    edge, strips = rect[0], []
    for chunk in sorted(chunks, key=lambda chunk: chunk.x0):
        if chunk.x0 - edge > _GUTTER * size and edge > rect[0]:
            strips.append((edge, chunk.x0))
        edge = max(edge, chunk.x1)
    for low, high in sorted(strips, key=lambda strip: strip[0] - strip[1]):
        x = _free(low, high, marks)
        if x is None:
            continue
        left, right = [c for c in chunks if c.x1 <= low + 1], [c for c in chunks if c.x0 >= high - 1]
        if _is_tabular(left) and _is_tabular(right) and _are_strangers(left, right):
            return x
    return None


def _free(low: float, high: float, marks: Sequence[Rect]) -> float | None:
    """A place between two texts that no line and no shaded area runs across: the middle of the widest such stretch."""
    edge, best = low, (0.0, low)
    for left, right in [
        *sorted((mark[0], mark[2]) for mark in marks if mark[2] > low and mark[0] < high),
        (high, high),
    ]:
        best = max(best, (left - edge, (left + edge) / 2))
        edge = max(edge, right)
    return best[1] if best[0] > _BETWEEN else None


def _are_strangers(left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Whether little of the white between the rows of one side goes through both, where both have rows."""
    if _differ(left, right):
        return True
    top = max(min(chunk.y0 for chunk in side) for side in (left, right))
    bottom = min(max(chunk.y1 for chunk in side) for side in (left, right))
    sides = [[chunk for chunk in side if top - 1 < chunk.y1 and chunk.y0 < bottom + 1] for side in (left, right)]
    least = min(map(_pauses, sides))
    return least > 0 and _pauses([*sides[0], *sides[1]]) < _SHARED * least


def _is_tabular(chunks: Sequence[Line]) -> bool:
    """Whether texts stand beside each other in most rows."""
    rows = baselines(chunks)
    return len(rows) > 2 and sum(len(row) > 1 for row in rows) >= max(2, 0.4 * len(rows))


def _pauses(chunks: Sequence[Line]) -> float:
    """How much white there is between texts and the next ones below, points."""
    white, end = 0.0, float("inf")
    for top, bottom in sorted((chunk.y0, chunk.y1) for chunk in chunks):
        white += max(0.0, top - end)
        end = bottom if end == float("inf") else max(end, bottom)
    return white


def _meets(a: Rect, b: Rect) -> bool:
    return a[0] < b[2] and a[2] > b[0] and a[1] < b[3] and a[3] > b[1]


def _holds(rect: Rect, line: Line) -> bool:
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    return rect[0] - 1 <= x <= rect[2] + 1 and rect[1] - 1 <= y <= rect[3] + 1
