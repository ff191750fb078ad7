"""In which order the regions of a page are read.

Knows: rectangles. Does not know: what is in them.
Method: recursive XY cut (Nagy and Seth 1984) that prefers columns: bands between full-width elements are joined as long
as they share a gutter, so that a gap between two paragraphs never tears columns apart.
"""

from __future__ import annotations

Rect = tuple[float, float, float, float]

MIN_GUTTER = 5.0
"""Points of white between two columns."""

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
    bands = _bands(items, rects)
    if len(bands) == 1:
        columns = _columns(items, rects)
        if len(columns) == 1:
            return _stacked(items, rects, rtl)
        if rtl:
            columns.reverse()
        return [item for column in columns for item in _ordered(column, rects, rtl)]
    sections = _sections(bands, rects)
    if len(sections) == 1:
        columns = _columns(items, rects)
        if len(columns) > 1:
            if rtl:
                columns.reverse()
            return [item for column in columns for item in _ordered(column, rects, rtl)]
        return [item for band in bands for item in _ordered(band, rects, rtl)]
    return [item for section in sections for item in _ordered(section, rects, rtl)]


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


def _columns(items: list[int], rects: list[Rect]) -> list[list[int]]:
    return _runs(items, rects, 0, 2, MIN_GUTTER)


def _sections(bands: list[list[int]], rects: list[Rect]) -> list[list[int]]:
    """Bands joined from top to bottom as long as one gutter runs through all of them."""
    sections: list[list[int]] = []
    gutters: list[tuple[float, float]] = []
    for band in bands:
        if sections:
            both = _gutters(sections[-1] + band, rects)
            own = _gutters(band, rects)
            if both and (gutters or own or len(_columns(sections[-1] + band, rects)) > 1):
                sections[-1] += band
                gutters = both
                continue
        sections.append(list(band))
        gutters = _gutters(band, rects)
    return sections


def _gutters(items: list[int], rects: list[Rect]) -> list[tuple[float, float]]:
    """Vertical white strips between the columns of some items."""
    columns = _columns(items, rects)
    return [
        (max(rects[i][2] for i in left), min(rects[i][0] for i in right))
        for left, right in zip(columns, columns[1:], strict=False)
    ]


def _stacked(items: list[int], rects: list[Rect], rtl: bool) -> list[int]:
    """Items that no cut separates: by their middle, then by their side."""
    return sorted(items, key=lambda i: (round(rects[i][1] + rects[i][3]), -rects[i][2] if rtl else rects[i][0]))
