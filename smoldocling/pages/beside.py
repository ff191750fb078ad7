"""Tables that stand side by side and were taken for one.

Knows: the layout model's boxes, words, strokes, shaded areas. Does not know: cells.
Two tables share no lines, and the white between the rows of one is not that of the other.
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

_SHARED = 0.5
"""Share of the white between the rows of one table that goes through both, from which on they are one table."""


def apart(group: Group, ink: Ink) -> list[Group]:
    """The tables in a table's box: itself, or two and more from left to right."""
    lines = [line for line in ink.lines if line.upright and _holds(group.rect, line)]
    chunks = [chunk for line in lines for chunk in chunks_of(line)]
    x = _gutter(group.rect, chunks, [*ink.strokes, *ink.fills]) if len(chunks) > 7 else None
    if x is None:
        return [group]
    x0, y0, x1, y1 = group.rect
    result: list[Group] = []
    for left, right in ((x0, x), (x, x1)):
        side = [chunk for chunk in chunks if left <= (chunk.x0 + chunk.x1) / 2 <= right]
        top, bottom = min(chunk.y0 for chunk in side), max(chunk.y1 for chunk in side)
        columns = tuple(border for border in group.columns if left < border < right)
        piece = replace(group, rect=(left, max(y0, top - 3), right, min(y1, bottom + 3)), columns=columns, rows=())
        result += apart(piece, ink)
    return result


def _gutter(rect: Rect, chunks: Sequence[Line], marks: Sequence[Rect]) -> float | None:
    """The middle of the widest white from top to bottom between two tables."""
    size = median(chunk.style.size for chunk in chunks)
    edge, strips = rect[0], []
    for chunk in sorted(chunks, key=lambda chunk: chunk.x0):
        if chunk.x0 - edge > _GUTTER * size and edge > rect[0]:
            strips.append((edge, chunk.x0))
        edge = max(edge, chunk.x1)
    across = [mark for mark in marks if mark[3] > rect[1] and mark[1] < rect[3]]
    for low, high in sorted(strips, key=lambda strip: strip[0] - strip[1]):
        x = (low + high) / 2
        if any(mark[0] < x < mark[2] for mark in across):
            continue
        left, right = [c for c in chunks if c.x1 <= low + 1], [c for c in chunks if c.x0 >= high - 1]
        if _is_tabular(left) and _is_tabular(right) and _are_strangers(left, right):
            return x
    return None


def _are_strangers(left: Sequence[Line], right: Sequence[Line]) -> bool:
    """Whether little of the white between the rows of one side goes through both, where both have rows."""
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


def _holds(rect: Rect, line: Line) -> bool:
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    return rect[0] - 1 <= x <= rect[2] + 1 and rect[1] - 1 <= y <= rect[3] + 1
