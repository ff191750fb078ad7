"""In which order the regions of a page are read.

Knows: rectangles. Does not know: what is in them.
Method: recursive XY cut (Nagy and Seth 1984) that prefers columns: bands between full-width elements are joined as long
as they share a gutter, so that a gap between two paragraphs never tears columns apart.
"""

from __future__ import annotations

from itertools import pairwise

from smoldocling.pages.frame import Rect

MIN_GUTTER = 5.0
"""Points of white between two columns."""

MAX_PAUSE = 32.0
"""Points of white across all columns after which the reader starts again on the left."""

# Boxes of neighbouring lines overlap a little because ascenders and descenders are part of them.
_SLACK = 0.2


def reading_order(rects: list[Rect], rtl: bool = False) -> list[int]:
    """Indices of the rectangles as a person reads them; with `rtl` the right column comes first."""
    slim = [_slimmed(rect) for rect in rects]
    return _ordered(list(range(len(rects))), slim, rtl)


def _slimmed(rect: Rect) -> Rect:
    x0, y0, x1, y1 = rect
    slack = min(_SLACK * (y1 - y0), 2.5)
    return (x0, y0 + slack, x1, y1 - slack)


def _ordered(items: list[int], rects: list[Rect], rtl: bool) -> list[int]:
    if len(items) < 2:
        return items
    sections = _sections(_bands(items, rects), rects)
    if len(sections) > 1:
        return [item for bands in sections for item in _ordered([i for band in bands for i in band], rects, rtl)]
    gutter = _gutter(sections[0], rects)
    if gutter is None:
        if len(sections[0]) > 1:
            return [item for band in sections[0] for item in _ordered(band, rects, rtl)]
        return _stacked(items, rects, rtl)
    middle = (gutter[0] + gutter[1]) / 2
    left = [item for item in items if (rects[item][0] + rects[item][2]) / 2 < middle]
    right = [item for item in items if (rects[item][0] + rects[item][2]) / 2 >= middle]
    first, second = (right, left) if rtl else (left, right)
    return _ordered(first, rects, rtl) + _ordered(second, rects, rtl)


def _runs(items: list[int], rects: list[Rect], low: int, high: int, gap: float) -> list[list[int]]:
    """Items grouped where their extents on one axis touch or come closer than `gap`."""
    groups: list[list[int]] = []
    end = float("-inf")
    for item in sorted(items, key=lambda i: rects[i][low]):
        if groups and rects[item][low] < end + gap:
            groups[-1].append(item)
        else:
            groups.append([item])
        end = max(end, rects[item][high])
    return groups


def _bands(items: list[int], rects: list[Rect]) -> list[list[int]]:
    return _runs(items, rects, 1, 3, 0.0)


def _sections(bands: list[list[int]], rects: list[Rect]) -> list[list[list[int]]]:
    """Bands joined from top to bottom as long as one gutter runs through all of them."""
    sections: list[list[list[int]]] = []
    for band in bands:
        near = (
            bool(sections) and min(rects[i][1] for i in band) - max(rects[i][3] for i in sections[-1][-1]) < MAX_PAUSE
        )
        if near and _joins(sections[-1], band, rects):
            sections[-1].append(band)
        else:
            sections.append([band])
    return sections


def _joins(section: list[list[int]], band: list[int], rects: list[Rect]) -> bool:
    """Whether a band leaves a gutter of the bands above it open; if they have none yet, whether one is possible."""
    if _gutter(section, rects) is not None:
        return _gutter([*section, band], rects) is not None
    return bool(_gaps([item for other in [*section, band] for item in other], rects))


def _gutter(bands: list[list[int]], rects: list[Rect]) -> tuple[float, float] | None:
    """The white strip that runs through all bands and parts most of them, None if none parts any."""
    through = _gaps([item for band in bands for item in band], rects)
    own = [_gaps(band, rects) for band in bands]
    scored = [
        (sum(any(a < high and low < b for a, b in gaps) for gaps in own), high - low, (low, high))
        for low, high in through
    ]
    best = max(scored, default=(0, 0.0, (0.0, 0.0)))
    return best[2] if best[0] else None


def _gaps(items: list[int], rects: list[Rect]) -> list[tuple[float, float]]:
    """Vertical white strips between the columns of some items."""
    columns = _runs(items, rects, 0, 2, MIN_GUTTER)
    return [(max(rects[i][2] for i in left), min(rects[i][0] for i in right)) for left, right in pairwise(columns)]


def _stacked(items: list[int], rects: list[Rect], rtl: bool) -> list[int]:
    """Items that no cut separates: by their middle, then by their side."""
    return sorted(items, key=lambda i: (round(rects[i][1] + rects[i][3]), -rects[i][2] if rtl else rects[i][0]))
