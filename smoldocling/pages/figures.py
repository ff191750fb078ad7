"""Where the pictures of a page are: images and drawings, gathered.

Knows: rectangles of images, shapes and fills, the layout model's picture boxes. Does not know: captions, DocTags.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smoldocling.pages import signs
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.lines import Line

MIN_SIDE = 20.0
"""Points; smaller marks are bullets, icons and rules."""

_NEAR = 6.0
"""Points between parts of one picture."""

_TICK = re.compile(r"[-+−–]?\d[\d.,]*(?:[eE][-−]?\d+)? ?%?(?:[ ×x·]*10[⁻⁰¹²³⁴-⁹]*)?$|10 ?[⁻−-]?[⁰¹²³⁴-⁹\d]+$")
_FEWEST_TICKS = 3
# Words of an axis' name.
_LONGEST_NAME = 6

_FEWEST_STROKES = 60

_MAX_PARTS = 600
"""Gathering is quadratic; a page with more parts than this is one drawing anyway."""


def pictures(
    ink: Ink, proposed: Sequence[Rect], body: float, captions: Sequence[Rect] = (), tables: Sequence[Rect] = ()
) -> list[Rect]:
    """Rectangles of the page's pictures, none inside another.

    `proposed` are the layout model's; `body` is the document's body size in points: labels are not larger than that.
    `captions` are the places of captions that speak of a figure, `tables` those of tables.
    """
    page = ink.width * ink.height
    images = [rect for rect in ink.images if not _is_ground(rect, ink, page)]
    found = [rect for rect in _gathered(images) if _is_large(rect)]
    shapes = [rect for rect in ink.shapes if _area(rect) < 0.5 * page]
    if shapes:
        parts = shapes + [rect for rect in ink.fills if _area(rect) < 0.3 * page]
        for rect in _gathered(parts):
            inside = sum(_within(shape, rect) for shape in shapes)
            if (
                _is_large(rect, 40)
                and inside >= 3
                and _prose_share(rect, ink.lines) < 0.25
                and not _titled(rect, ink, body)
            ):
                found.append(rect)
    for rect in _gathered([rect for rect in ink.fills if _area(rect) < 0.1 * page]):
        parts_inside = sum(_within(fill, rect) for fill in ink.fills)
        bare = not any(_within(line.rect, rect) for line in ink.lines)
        if bare and parts_inside > 1 and _is_large(rect) and _is_compact(rect):
            found.append(rect)
    found += _charts(ink, captions)
    marks = ink.images + ink.shapes + ink.fills
    found += [
        rect
        for rect in proposed
        if (any(_within(mark, rect) for mark in marks) or _is_plotted(rect, ink))
        and _prose_share(rect, ink.lines) < 0.5
        and _is_large(rect)
        and not _titled(rect, ink, body)
    ]
    free = [line for line in ink.lines if not any(_within(line.rect, other) for other in (*captions, *tables))]
    return _outermost([_with_scales(rect, free, body) for rect in _outermost(found)])


def _is_plotted(rect: Rect, ink: Ink) -> bool:
    """Whether a rectangle holds curves that are drawn as many short lines: more of them than a table has rules."""
    return sum(_within(stroke, rect) for stroke in ink.strokes) >= _FEWEST_STROKES


def _with_scales(rect: Rect, lines: Sequence[Line], body: float) -> Rect:
    """A picture with the numbers along its sides, which count the axes of a chart, and with what they are called."""
    near = (rect[0] - 4 * body, rect[1] - 4 * body, rect[2] + 4 * body, rect[3] + 4 * body)
    labels = [line for line in lines if line.style.size <= body + 0.5 and _within(line.rect, near)]
    labels = [line for line in labels if not _within(line.rect, rect)]
    marks = [line for line in labels if _TICK.match(line.text)]
    whole = rect
    for side in range(4):
        scale = [mark for mark in marks if _beside(mark.rect, rect, side) < 1.6 * body]
        if len(scale) < _FEWEST_TICKS or not _in_line(scale, side):
            continue
        edge = _union([rect, *(mark.rect for mark in scale)])
        names = [
            line
            for line in labels
            if len(line.words) <= _LONGEST_NAME and _beside(line.rect, edge, side) < 1.6 * body and not line.bold
        ]
        whole = _union([whole, edge, *(line.rect for line in names)])
    return whole


def _beside(rect: Rect, outer: Rect, side: int) -> float:
    """White between a picture's side (0 left, 1 top, 2 right, 3 bottom) and what stands along it, else infinite."""
    across = side % 2 == 0
    middle = (rect[1] + rect[3]) / 2 if across else (rect[0] + rect[2]) / 2
    low, high = (outer[1], outer[3]) if across else (outer[0], outer[2])
    if not low - 5 <= middle <= high + 5:
        return float("inf")
    white = (outer[0] - rect[2], outer[1] - rect[3], rect[0] - outer[2], rect[1] - outer[3])[side]
    return white if white > -(rect[2] - rect[0] if across else rect[3] - rect[1]) else float("inf")


def _in_line(marks: Sequence[Line], side: int) -> bool:
    """Whether the numbers of a scale stand in a row, or in a column with one common edge."""
    if side % 2:
        return max(mark.baseline for mark in marks) - min(mark.baseline for mark in marks) < 3
    return any(max(mark.rect[n] for mark in marks) - min(mark.rect[n] for mark in marks) < 3 for n in (0, 2))


def _charts(ink: Ink, captions: Sequence[Rect]) -> list[Rect]:
    """Bars and axes with nothing but labels among them, next to a figure's caption; the labels are part of them."""
    parts = [rect for rect in ink.fills + ink.strokes if _area(rect) < 0.3 * ink.width * ink.height]
    found: list[Rect] = []
    for rect in _gathered(parts) if captions else ():
        reach = (rect[0] - 20, rect[1] - 30, rect[2] + 20, rect[3] + 30)
        labels = [
            line
            for line in ink.lines
            if _within(line.rect, reach)
            and not signs.is_source(line.text)
            and not any(_within(line.rect, caption) for caption in captions)
        ]
        inside = sum(_within(part, rect) for part in parts)
        beside = any(_meet(reach, caption) for caption in captions)
        if beside and inside >= 5 and _is_large(rect, 50) and labels and all(len(label.words) <= 5 for label in labels):
            found.append(_union([rect, *(label.rect for label in labels)]))
    return found


def _is_ground(rect: Rect, ink: Ink, page: float) -> bool:
    """Whether text is printed over an image, so that it is a background and not a picture."""
    over = [line for line in ink.lines if _within(line.rect, rect)]
    if not over:
        return False
    return _area(rect) > 0.5 * page or sum(_area(line.rect) for line in over) > 0.03 * _area(rect)


def _titled(rect: Rect, ink: Ink, body: float) -> bool:
    """Whether type too large for a label stands in a drawing: it is the ground of a heading."""
    return any(line.style.size > 1.3 * body and _within(line.rect, rect) for line in ink.lines if len(line.text) > 2)


def _prose_share(rect: Rect, lines: Sequence[Line]) -> float:
    """Share of a rectangle that lines of three and more words cover."""
    inside = [line for line in lines if _within(line.rect, rect) and len(line.words) > 2 and line.upright]
    return sum(_area(line.rect) for line in inside) / max(_area(rect), 1.0)


def _is_large(rect: Rect, least: float = MIN_SIDE) -> bool:
    return min(rect[2] - rect[0], rect[3] - rect[1]) >= least


def _is_compact(rect: Rect) -> bool:
    """Whether a rectangle is no bar."""
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    return max(width, height) < 4 * min(width, height)


def _area(rect: Rect) -> float:
    return max(0.0, rect[2] - rect[0]) * max(0.0, rect[3] - rect[1])


def _within(rect: Rect, outer: Rect) -> bool:
    """Whether a rectangle's middle lies in another."""
    x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]


def _gathered(rects: Sequence[Rect]) -> list[Rect]:
    """Rectangles that lie near each other joined to their bounds."""
    if len(rects) > _MAX_PARTS:
        rects = sorted(rects, key=_area, reverse=True)[:_MAX_PARTS]
    groups: list[Rect] = []
    for rect in rects:
        current = rect
        while True:
            met = [group for group in groups if _meet(group, current)]
            if not met:
                break
            groups = [group for group in groups if not _meet(group, current)]
            current = _union([current, *met])
        groups.append(current)
    return groups


def _meet(a: Rect, b: Rect) -> bool:
    return a[0] - _NEAR <= b[2] and b[0] - _NEAR <= a[2] and a[1] - _NEAR <= b[3] and b[1] - _NEAR <= a[3]


def _union(rects: Sequence[Rect]) -> Rect:
    x0, y0, x1, y1 = zip(*rects, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))


def _outermost(rects: Sequence[Rect]) -> list[Rect]:
    """Rectangles with those that overlap one another by half joined."""
    kept: list[Rect] = []
    for rect in sorted(rects, key=_area, reverse=True):
        for place, other in enumerate(kept):
            common = (max(rect[0], other[0]), max(rect[1], other[1]), min(rect[2], other[2]), min(rect[3], other[3]))
            if common[0] < common[2] and common[1] < common[3] and _area(common) > 0.5 * _area(rect):
                kept[place] = _union([rect, other])
                break
        else:
            kept.append(rect)
    return kept
