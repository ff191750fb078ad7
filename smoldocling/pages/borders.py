"""Where the rows and columns of a table end.

Knows: words, rulings, shaded areas, the layout model's proposals. Does not know: cells, headings.
The best witness counts: a ruled lattice, then the layout model, then white space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import median

from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line, Word

SNAP = 3.0
"""Points within which two ends of rulings meet."""

_GAP = 0.75
"""Font sizes of white between the words of two cells; inside a cell it is less."""


def rulings(strokes: Sequence[Rect], rect: Rect) -> tuple[list[Rect], list[Rect]]:
    """The horizontal and the vertical lines in a rectangle."""
    x0, y0, x1, y1 = rect
    horizontal, vertical = [], []
    for a, b, c, d in strokes:
        if c < x0 - SNAP or a > x1 + SNAP or d < y0 - SNAP or b > y1 + SNAP:
            continue
        if c - a > d - b and c - a > 4:
            horizontal.append((a, b, c, d))
        elif d - b > 4:
            vertical.append((a, b, c, d))
    return horizontal + _joints(horizontal, vertical, rect), vertical


def _joints(horizontal: Sequence[Rect], vertical: Sequence[Rect], rect: Rect) -> list[Rect]:
    """Row borders without a line: TeX draws the vertical lines of each row by themselves, and all end at one height."""
    ends = sorted({round(segment[3]) for segment in vertical})
    result: list[Rect] = []
    for y in ends:
        across = [s for s in vertical if s[1] < y + SNAP and s[3] > y - SNAP]
        above = {round(s[0]) for s in across if abs(s[3] - y) <= 1.5}
        below = {round(s[0]) for s in across if abs(s[1] - y) <= 1.5}
        places = {round(s[0]) for s in across}
        ruled = any(abs((s[1] + s[3]) / 2 - y) < SNAP for s in horizontal)
        if len(places) > 1 and above == below == places and not ruled:
            result.append((rect[0], y, rect[2], y))
    return result


def shaded_edges(fills: Sequence[Rect], rect: Rect, axis: int) -> list[Rect]:
    """Edges of shaded areas well inside a table, as rulings: horizontal for axis 0, vertical for axis 1."""
    x0, y0, x1, y1 = rect
    result: list[Rect] = []
    for a, b, c, d in fills:
        if (
            a < x0 - 8
            or c > x1 + 8
            or b < y0 - 8
            or d > y1 + 8
            or (d - b > 0.9 * (y1 - y0) and c - a > 0.9 * (x1 - x0))
        ):
            continue
        if axis == 0:
            result += [(a, b, c, b), (a, d, c, d)]
        elif d - b > 6:
            result += [(a, b, a, d), (c, b, c, d)]
    return result


def chunks_of(line: Line) -> list[Line]:
    """A line cut where the white between two words is too wide for one cell."""
    pieces: list[list[Word]] = [[line.words[0]]]
    for before, after in pairwise(line.words):
        gap = max(after.x0 - before.x1, before.x0 - after.x1)
        if gap > _GAP * max(before.style.size, after.style.size):
            pieces.append([after])
        else:
            pieces[-1].append(after)
    if len(pieces) == 1:
        return [line]
    return [_part(line, piece) for piece in pieces]


def _part(line: Line, words: Sequence[Word]) -> Line:
    return replace(
        line,
        words=tuple(words),
        x0=min(word.x0 for word in words),
        y0=min(word.y0 for word in words),
        x1=max(word.x1 for word in words),
        y1=max(word.y1 for word in words),
    )


def positions(segments: Sequence[Rect], low: int, high: int, least: float) -> list[float]:
    """Places of rulings whose pieces at one place are together longer than `least`."""
    places: list[tuple[float, float]] = []  # position, length
    for segment in sorted(segments, key=lambda s: (s[low] + s[high]) / 2):
        position = (segment[low] + segment[high]) / 2
        length = segment[high ^ 1] - segment[low ^ 1]
        if places and position - places[-1][0] < SNAP:
            places[-1] = (places[-1][0], places[-1][1] + length)
        else:
            places.append((position, length))
    return [position for position, length in places if length >= least]


def columns(rect: Rect, chunks: Sequence[Line], vertical: Sequence[Rect], model: Sequence[float]) -> list[float]:
    left, right = min(rect[0], *(c.x0 for c in chunks)), max(rect[2], *(c.x1 for c in chunks))
    top, bottom = rect[1], rect[3]
    ruled = [x for x in positions(vertical, 0, 2, 0.3 * (bottom - top)) if left + 4 < x < right - 4]
    gaps = _gutters(chunks)
    size = median(chunk.style.size for chunk in chunks)
    inner = list(ruled)
    walled = len(ruled) >= 0.6 * len(gaps) and all(any(abs(v[0] - x) < 12 for v in vertical) for x in (left, right))
    if walled:
        # a lattice: white space parts one of its columns only if it does so in most rows
        rows = _baselines(chunks)
        edges = [left - 1, *ruled, right + 1]
        for a, b in gaps:
            if any(a - 1 <= x <= b + 1 for x in ruled):
                continue
            low, high = max(x for x in edges if x <= a + 1), min(x for x in edges if x >= b - 1)
            parted = sum(
                any(low < c.x1 <= a + 1 for c in row) and any(b - 1 <= c.x0 < high for c in row) for row in rows
            )
            if parted > 0.6 * len(rows):
                inner.append((a + b) / 2)
    elif len(ruled) < 2 or len(ruled) < len(gaps):
        inner += [x for x in (_into_gap(x, gaps) for x in model) if _far(x, inner, size)]
        for a, b in gaps:
            free = not any(a - 1 <= x <= b + 1 for x in inner)
            if free and (not model or b - a > size) and _far((a + b) / 2, inner, size):
                inner.append((a + b) / 2)
    inner = [x for x in sorted(set(inner)) if left + 2 < x < right - 2]
    return [left - 1, *_without_empty(inner, chunks, left, right), right + 1]


def _far(x: float, others: Sequence[float], size: float) -> bool:
    return all(abs(x - other) > 0.8 * size for other in others)


def _into_gap(x: float, gaps: Sequence[tuple[float, float]]) -> float:
    """A border moved into the white strip that it touches or nearly touches."""
    near = [(max(a - x, x - b, 0.0), (a + b) / 2) for a, b in gaps]
    distance, middle = min(near, default=(99.0, x))
    return middle if 0 < distance < 6 else x


def _without_empty(inner: Sequence[float], chunks: Sequence[Line], left: float, right: float) -> list[float]:
    """Borders between which at least one chunk has its middle."""
    middles = [(chunk.x0 + chunk.x1) / 2 for chunk in chunks]
    kept: list[float] = []
    last = left - 1
    for x in inner:
        if any(last < m <= x for m in middles):
            kept.append(x)
            last = x
    if kept and not any(m > kept[-1] for m in middles):
        kept.pop()
    return kept


def _gutters(chunks: Sequence[Line]) -> list[tuple[float, float]]:
    """Vertical strips with words on both sides in clearly more rows than the rows whose words run across them."""
    rows = _baselines(chunks)
    size = median(chunk.style.size for chunk in chunks)
    events = sorted([(chunk.x0, 1) for chunk in chunks] + [(chunk.x1, -1) for chunk in chunks])
    found: list[tuple[float, float]] = []
    for tolerated in range(1 + (0 if len(rows) < 4 else round(0.34 * len(rows)))):
        for low, high in _strips(events, tolerated):
            if any(low < b and a < high for a, b in found):
                continue
            crossing = sum(any(c.x0 < low and c.x1 > high for c in row) for row in rows)
            parted = sum(any(c.x1 <= low + 1 for c in row) and any(c.x0 >= high - 1 for c in row) for row in rows)
            # the more rows run across a strip, the wider it must be: words can stand apart by chance
            least = 2.0 if crossing <= max(1, 0.12 * len(rows)) else 1.5 * size
            if parted > 1.5 * crossing and high - low > least:
                found.append((low, high))
    return sorted(found)


def is_tabular(lines: Sequence[Line]) -> bool:
    """Whether lines taken for a paragraph are short texts in columns that most of their rows share."""
    chunks = [chunk for line in lines for chunk in chunks_of(line)]
    rows = _baselines(chunks)
    size = median(chunk.style.size for chunk in chunks)
    if len(rows) < 3 or sum(len(chunk.text) for chunk in chunks) > 30 * len(chunks):
        return False
    wide = [(low, high) for low, high in _gutters(chunks) if high - low > 1.5 * size]
    parted = sum(
        any(c.x1 <= low + 1 for c in row) and any(c.x0 >= high - 1 for c in row)
        for row in rows
        for low, high in wide[:1]
    )
    return bool(wide) and parted >= 0.75 * len(rows)


def _strips(events: Sequence[tuple[float, int]], tolerated: int) -> list[tuple[float, float]]:
    """Stretches wider than two points over which at most so many chunks lie, between stretches with more."""
    strips: list[tuple[float, float]] = []
    depth, start = 0, None
    for x, step in events:
        before, depth = depth, depth + step
        if before > tolerated >= depth:
            start = x
        elif before <= tolerated < depth and start is not None:
            if x - start > 2:
                strips.append((start, x))
            start = None
    return strips


def _baselines(chunks: Sequence[Line]) -> list[list[Line]]:
    """Chunks gathered into text rows, top to bottom."""
    rows: list[list[Line]] = []
    for chunk in sorted(chunks, key=lambda c: (c.y0 + c.y1) / 2):
        middle = (chunk.y0 + chunk.y1) / 2
        if rows:
            first = rows[-1][0]
            if middle < first.y1 - 0.35 * first.height and abs(middle - (first.y0 + first.y1) / 2) < 0.5 * first.height:
                rows[-1].append(chunk)
                continue
        rows.append([chunk])
    return rows


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
    rows = _baselines(chunks)
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


def split(chunk: Line, xs: Sequence[float], vertical: Sequence[Rect]) -> list[Line]:
    """A chunk cut between words at borders that are ruled there, or where the white is wider than elsewhere in it."""
    pieces: list[list[Word]] = [[chunk.words[0]]]
    gaps = [b.x0 - a.x1 for a, b in pairwise(chunk.words)]
    usual = median(gaps) if gaps else 0.0
    middle = (chunk.y0 + chunk.y1) / 2
    for before, after in pairwise(chunk.words):
        border = next((x for x in xs[1:-1] if before.x1 - 1.5 <= x <= after.x0 + 1.5), None)
        ruled = border is not None and any(
            abs(v[0] - border) < SNAP and v[1] - 1 <= middle <= v[3] + 1 for v in vertical
        )
        wide = after.x0 - before.x1 > max(1.4 * usual, 0.45 * before.style.size) or (
            len(gaps) == 1 and gaps[0] > 0.4 * before.style.size
        )
        if border is not None and (ruled or wide):
            pieces.append([after])
        else:
            pieces[-1].append(after)
    return [_part(chunk, piece) for piece in pieces] if len(pieces) > 1 else [chunk]
