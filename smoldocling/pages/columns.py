"""Where the columns of a table end.

Knows: words, vertical rulings, the layout model's proposals. Does not know: rows, cells, headings.
The best witness counts: a ruled lattice, then the layout model, then white space. Whatever they say, texts of which no
two ever stand side by side are one column: a heading on its left and numbers on its right are no two.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from smoldocling.pages.borders import SNAP, baselines, chunks_of, positions, split
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line


def columns(
    rect: Rect, chunks: Sequence[Line], vertical: Sequence[Rect], shades: Sequence[Rect], model: Sequence[float]
) -> list[float]:
    """Borders of the columns from left to right, outer ones included: by lines, edges of shaded areas, white space."""
    drawn, vertical = vertical, [*vertical, *shades]
    left, right = min(rect[0], *(c.x0 for c in chunks)), max(rect[2], *(c.x1 for c in chunks))
    top, bottom = rect[1], rect[3]
    ruled = [x for x in positions(vertical, 0, 2, 0.3 * (bottom - top)) if left + 4 < x < right - 4]
    gaps = _gutters(chunks)
    size = median(chunk.style.size for chunk in chunks)
    inner = list(ruled)
    walled = all(any(abs(v[0] - x) < 12 for v in vertical) for x in (left, right))
    through = [x for x in positions(drawn, 0, 2, 0.7 * (bottom - top)) if left + 4 < x < right - 4]
    if len(through) == len(ruled) > 1 or (walled and len(ruled) >= 0.6 * len(gaps)):
        # a lattice: white space parts one of its columns only if it does so in most rows
        rows = baselines(chunks)
        edges = [left - 1, *ruled, right + 1]
        for a, b in gaps:
            if any(a - 1 <= x <= b + 1 for x in ruled):
                continue
            low, high = max(x for x in edges if x <= a + 1), min(x for x in edges if x >= b - 1)
            inside = [row for row in rows if any(low < (c.x0 + c.x1) / 2 < high for c in row)]
            parted = sum(
                any(low < c.x1 <= a + 1 for c in row) and any(b - 1 <= c.x0 < high for c in row) for row in inside
            )
            if parted > 0.6 * len(inside):
                inner.append((a + b) / 2)
    elif len(ruled) < 2 or len(ruled) < len(gaps):
        inner += [x for x in (_into_gap(x, gaps) for x in model) if _far(x, inner, size)]
        for a, b in gaps:
            free = not any(a - 1 <= x <= b + 1 for x in inner)
            if free and (not model or b - a > size) and _far((a + b) / 2, inner, size):
                inner.append((a + b) / 2)
    inner = [x for x in sorted(set(inner)) if left + 2 < x < right - 2]
    return _side_by_side([left - 1, *inner, right + 1], chunks, vertical)


def _far(x: float, others: Sequence[float], size: float) -> bool:
    return all(abs(x - other) > 0.8 * size for other in others)


def _into_gap(x: float, gaps: Sequence[tuple[float, float]]) -> float:
    """A border moved into the white strip that it touches or nearly touches."""
    near = [(max(a - x, x - b, 0.0), (a + b) / 2) for a, b in gaps]
    distance, middle = min(near, default=(99.0, x))
    return middle if 0 < distance < 6 else x


def _gutters(chunks: Sequence[Line]) -> list[tuple[float, float]]:
    """Vertical strips with words on both sides in clearly more rows than the rows whose words run across them."""
    rows = baselines(chunks)
    islands = _islands(chunks)
    size = median(chunk.style.size for chunk in chunks)
    events = sorted([(chunk.x0, 1) for chunk in chunks] + [(chunk.x1, -1) for chunk in chunks])
    found: list[tuple[float, float]] = []
    for tolerated in range(1 + (0 if len(rows) < 4 else round(0.34 * len(rows)))):
        for low, high in _strips(events, tolerated):
            if any(low < b and a < high for a, b in found):
                continue
            crossing = sum(any(c.x0 < low and c.x1 > high for c in row) for row in rows)
            # where cells stand in the middle of wrapped rows, no two of them are on one line
            parted = _parted(rows, low, high) or _parted(islands, low, high)
            # the more rows run across a strip, the wider it must be: words can stand apart by chance
            least = 2.0 if crossing <= max(1, 0.12 * len(rows)) else 1.5 * size
            if parted > 1.5 * crossing and high - low > least:
                found.append((low, high))
    return sorted(found)


def _parted(rows: Sequence[Sequence[Line]], low: float, high: float) -> int:
    """In how many rows texts stand on both sides of a strip."""
    return sum(any(c.x1 <= low + 1 for c in row) and any(c.x0 >= high - 1 for c in row) for row in rows)


def _islands(chunks: Sequence[Line]) -> list[list[Line]]:
    """Texts gathered where they stand beside each other, the lines of cells in the middle of their row, too."""
    islands: list[list[Line]] = []
    end = 0.0
    for chunk in sorted(chunks, key=lambda chunk: chunk.y0):
        if islands and chunk.y0 < end - 0.2 * chunk.height:
            islands[-1].append(chunk)
        else:
            islands.append([chunk])
        end = max(end, chunk.y1)
    return islands


def is_tabular(lines: Sequence[Line]) -> bool:
    """Whether lines taken for a paragraph are short texts in columns that most of their rows share."""
    chunks = [chunk for line in lines for chunk in chunks_of(line)]
    rows = baselines(chunks)
    if len(rows) < 3 or sum(len(chunk.text) for chunk in chunks) > 30 * len(chunks):
        return False
    return _share_columns(chunks, rows, 1.5)


def is_named_table(lines: Sequence[Line]) -> bool:
    """The same for lines that a caption calls a table: there texts may be long, and stand in the middle of rows."""
    chunks = [chunk for line in lines for chunk in chunks_of(line)]
    rows = _islands(chunks)
    return len(rows) > 1 and _share_columns(chunks, rows, 0.8)


def _share_columns(chunks: Sequence[Line], rows: Sequence[Sequence[Line]], white: float) -> bool:
    """Whether a strip of white, in font sizes, has texts on both sides in most rows."""
    size = median(chunk.style.size for chunk in chunks)
    wide = [(low, high) for low, high in _gutters(chunks) if high - low > white * size]
    return bool(wide) and _parted(rows, *wide[0]) >= 0.75 * len(rows)


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


def _side_by_side(edges: Sequence[float], chunks: Sequence[Line], vertical: Sequence[Rect]) -> list[float]:
    """The fewest columns in each of which no two texts stand beside each other; of equal counts the closest texts."""
    edges = _with_texts(edges, chunks, vertical)
    count = len(edges) - 1
    placed = _placed(edges, chunks, vertical)
    nearest = _nearest_beside(placed, count)
    sides = [[piece for piece, first, last in placed if first == last == column] for column in range(count)]
    white = [min(b.x0 for b in right) - max(a.x1 for a in left) for left, right in pairwise(sides)]
    best: list[tuple[int, float, int]] = [(0, 0.0, 0)]  # columns, white inside them, where the last of them begins
    for end in range(1, count + 1):
        options = []
        for start in reversed(range(end)):
            if nearest[start] < end or (start < end - 1 and _is_ruled(edges[start + 1], vertical)):
                break
            columns, inside, _ = best[start]
            options.append((columns + 1, inside + sum(white[start : end - 1]), start))
        best.append(min(options))
    kept, end = [edges[-1]], count
    while end:
        end = best[end][2]
        kept.append(edges[end])
    return kept[::-1]


def _placed(edges: Sequence[float], chunks: Sequence[Line], vertical: Sequence[Rect]) -> list[tuple[Line, int, int]]:
    """Texts with the first and the last column that they stand in, from top to bottom."""
    pieces = [piece for chunk in chunks for piece in split(chunk, edges, vertical)]
    pieces.sort(key=lambda piece: piece.y0)
    return [(piece, column_of(piece.x0 + 1, edges), column_of(piece.x1 - 1, edges)) for piece in pieces]


def _nearest_beside(placed: Sequence[tuple[Line, int, int]], count: int) -> list[int]:
    """For each column the next one on its right in which a text stands beside one of its own, `count` without one."""
    nearest = [count] * count
    above: list[tuple[Line, int, int]] = []
    for item in placed:
        line, first, last = item
        above = [other for other in above if other[0].y1 > line.y0]
        for other, low, high in above:
            if min(line.y1, other.y1) - line.y0 > 0.2 * min(line.height, other.height):
                if high < first:
                    nearest[high] = min(nearest[high], first)
                elif last < low:
                    nearest[last] = min(nearest[last], low)
        above.append(item)
    return nearest


def _with_texts(edges: Sequence[float], chunks: Sequence[Line], vertical: Sequence[Rect]) -> list[float]:
    """The borders without columns that have no text of their own.

    Of its two borders the one goes that a text lower down runs across: what spans columns stands above them. Texts
    alone in their row, as names of groups of rows, say nothing.
    """
    left = list(edges)
    beside = [chunk for row in baselines(chunks) if len(row) > 1 for chunk in row]
    while len(left) > 2:
        own = {first for _, first, last in _placed(left, chunks, vertical) if first == last}
        empty = next((column for column in range(len(left) - 1) if column not in own), None)
        if empty is None:
            break
        sides = [i for i in (empty, empty + 1) if 0 < i < len(left) - 1]
        del left[min(sides, key=lambda i: (_is_ruled(left[i], vertical), -_lowest_across(left[i], beside)))]
    return left


def _is_ruled(x: float, vertical: Sequence[Rect]) -> bool:
    return any(abs(v[0] - x) < SNAP for v in vertical)


def _lowest_across(x: float, chunks: Sequence[Line]) -> float:
    """How far down texts run across a border."""
    return max((chunk.y1 for chunk in chunks if chunk.x0 + 1 < x < chunk.x1 - 1), default=0.0)


def column_of(x: float, edges: Sequence[float]) -> int:
    """Which interval between borders a place is in, the outer ones without end."""
    return next((i for i, right in enumerate(edges[1:-1]) if x < right), len(edges) - 2)
