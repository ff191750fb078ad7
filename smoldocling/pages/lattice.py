"""Tables that are ruled on all sides, found by their lines alone, and what that changes in the layout model's boxes.

Knows: strokes, words, the model's boxes. Does not know: cells' text, DocTags.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace

from smoldocling.pages import beside, captions, signs
from smoldocling.pages.columns import is_named_table
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.layout import Group

_TOUCH = 3.0
"""Points within which two lines meet."""

_MAX_STROKES = 3000
"""Pages with more lines are drawings: plans, maps, charts."""


def lattices(strokes: Sequence[Rect]) -> list[Rect]:
    """Bounds of connected lines that enclose at least two rows and two columns."""
    lines = [s for s in strokes if max(s[2] - s[0], s[3] - s[1]) > 6]
    if not 5 <= len(lines) <= _MAX_STROKES:
        return []
    found: list[Rect] = []
    for group in _connected(lines):
        across = [s for s in group if s[2] - s[0] > s[3] - s[1]]
        down = [s for s in group if s[2] - s[0] <= s[3] - s[1]]
        if _distinct([s[1] for s in across]) >= 3 and _distinct([s[0] for s in down]) >= 3:
            found.append(_bounds(group))
    return [rect for rect in found if not any(rect is not o and _share(rect, o) > 0.9 for o in found)]


def _connected(lines: Sequence[Rect]) -> list[list[Rect]]:
    parent = list(range(len(lines)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    order = sorted(range(len(lines)), key=lambda i: lines[i][1])
    active: list[int] = []
    for i in order:
        x0, y0, x1, _ = lines[i]
        active = [j for j in active if lines[j][3] >= y0 - _TOUCH]
        for j in active:
            if lines[j][0] <= x1 + _TOUCH and x0 <= lines[j][2] + _TOUCH:
                parent[root(i)] = root(j)
        active.append(i)
    groups: dict[int, list[Rect]] = {}
    for i, line in enumerate(lines):
        groups.setdefault(root(i), []).append(line)
    return list(groups.values())


def _apart(values: Sequence[float]) -> list[float]:
    """Values that lie apart from each other, ascending: the first of each heap."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value - kept[-1] > 2 * _TOUCH:
            kept.append(value)
    return kept


def _distinct(values: Sequence[float]) -> int:
    return len(_apart(values))


def _bounds(rects: Sequence[Rect]) -> Rect:
    x0, y0, x1, y1 = zip(*rects, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))


def _share(a: Rect, b: Rect) -> float:
    """Share of `a` that lies in `b`."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height) / max(1e-6, (a[2] - a[0]) * (a[3] - a[1]))


def with_ruled_tables(groups: Sequence[Group], ink: Ink) -> tuple[Group, ...]:
    """The model's boxes, with table boxes fitted to the lattices on the page and missed lattices added."""
    named = [group.rect for group in groups if _is_named(group, groups, ink)]
    groups = [_as_named(group, named, ink) for group in groups] if named else groups
    drawn = [group.rect for group in groups if group.kind == "picture"]
    found = [
        rect
        for rect in lattices(ink.strokes)
        if _holds_words(rect, ink)
        and (not any(_share(rect, o) > 0.6 or _share(o, rect) > 0.6 for o in drawn) or _is_full(rect, ink))
    ]
    result: list[Group] = []
    used: set[Rect] = set()
    for group in groups:
        inner = [rect for rect in found if _share(rect, group.rect) > 0.7 or _share(group.rect, rect) > 0.7]
        if group.kind != "table":
            # inside a ruled table the model sees paragraphs and headings
            if not any(_share(group.rect, rect) > 0.8 for rect in found):
                result.append(group)
            continue
        alike = [rect for rect in inner if _share(rect, group.rect) > 0.7 and _share(group.rect, rect) > 0.7]
        if alike:
            result.append(replace(group, rect=alike[0]))
            used.add(alike[0])
        elif len(inner) > 1 or (inner and _share(group.rect, inner[0]) > 0.7):
            continue  # several tables in one box, or a piece of a table: the lattices come below
        else:
            result.append(group)
            used.update(inner)
    result = [piece for group in result for piece in (beside.apart(group, ink) if group.kind == "table" else [group])]
    fresh = dict.fromkeys(rect for rect in found if rect not in used)
    return (*result, *(Group("table", rect) for rect in fresh))


def _is_named(caption: Group, groups: Sequence[Group], ink: Ink) -> bool:
    """Whether a box holds the caption of a table and has no table beside it."""
    first = next((line.text for line in ink.lines if _inside(line.rect, caption.rect)), "")
    if not captions.is_for_table(first) or not signs.names_caption(first):
        return False
    tables = (group.rect for group in groups if group.kind == "table")
    return not any(captions.distance(rect, caption.rect) < captions.REACH for rect in tables)


def _as_named(group: Group, named: Sequence[Rect], ink: Ink) -> Group:
    """A paragraph's box beside the caption of a table that has no other, as the table that it is called."""
    beside_one = any(0 < captions.distance(group.rect, rect) < captions.REACH for rect in named)
    if group.kind not in ("text", "list-item") or not beside_one:
        return group
    lines = [line for line in ink.lines if line.upright and _inside(line.rect, group.rect)]
    return replace(group, kind="table") if lines and is_named_table(lines) else group


def _is_full(rect: Rect, ink: Ink) -> bool:
    """Whether words stand in most places of a lattice: in the grid of a chart, or the boxes of a plan, they do not."""
    lines = [s for s in ink.strokes if _inside(s, rect)]
    xs = _apart([s[0] for s in lines if s[3] - s[1] > s[2] - s[0]])
    ys = _apart([s[1] for s in lines if s[2] - s[0] > s[3] - s[1]])
    held = {
        (bisect(xs, (word.x0 + word.x1) / 2), bisect(ys, (word.y0 + word.y1) / 2))
        for line in ink.lines
        for word in line.words
        if line.upright and _inside(word.rect, rect)
    }
    return len(held) > 0.5 * (len(xs) - 1) * (len(ys) - 1)


def _inside(a: Rect, b: Rect) -> bool:
    """Whether the middle of `a` lies in `b`."""
    return b[0] - 1 <= (a[0] + a[2]) / 2 <= b[2] + 1 and b[1] - 1 <= (a[1] + a[3]) / 2 <= b[3] + 1


def _holds_words(rect: Rect, ink: Ink) -> bool:
    """Whether a lattice holds words in several of its rows and columns, as a table does and a chart's grid does not."""
    if (rect[2] - rect[0]) * (rect[3] - rect[1]) < 1500:
        return False
    inside = [
        line
        for line in ink.lines
        if line.upright
        and rect[0] <= (line.x0 + line.x1) / 2 <= rect[2]
        and rect[1] <= (line.y0 + line.y1) / 2 <= rect[3]
    ]
    return (
        len(inside) >= 4 and _distinct([line.y0 for line in inside]) > 1 and _distinct([line.x0 for line in inside]) > 1
    )
