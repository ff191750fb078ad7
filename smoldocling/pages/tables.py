"""From words and rulings inside a rectangle to a grid of cells with spans and header kinds.

Knows: words, lines on paper, the layout model's proposals for borders. Does not know: where tables are, DocTags text.
Borders come from the best witness there is: a ruled lattice, then the layout model, then white space. Spans come from
words that cross borders, from missing pieces of a lattice, and from headings that stand over several columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from doctags.tree import CellKind
from smoldocling.pages.glyphs import BULLETS
from smoldocling.pages.ink import Line, Rect, Word

SNAP = 3.0
"""Points within which two ends of rulings meet."""

_GAP = 0.75
"""Font sizes of white between the words of two cells; inside a cell it is less."""


@dataclass(slots=True)
class Slot:
    """A cell while the table is being read: grid place, lines of words, kind."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    lines: list[Line] = field(default_factory=list)
    kind: CellKind = "data"


@dataclass(frozen=True, slots=True)
class Grid:
    """Borders of a table (points, outer ones included) and its cells in row-major order."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    slots: tuple[Slot, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.ys) - 1

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.xs) - 1

    @property
    def is_list(self) -> bool:
        """Whether the first of two columns holds nothing but bullets."""
        first = ["".join(line.text for line in slot.lines) for slot in self.slots if slot.column == 0]
        signs = [text for text in first if text and all(char in BULLETS for char in text)]
        return self.columns == 2 and len(signs) >= max(1, 0.8 * len([text for text in first if text]))


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
    chunks = [chunk for line in lines for chunk in _chunks(line)]
    if not chunks:
        return None
    horizontal, vertical = rulings(strokes, rect)
    # shaded rows and columns stand for rulings where there are none; beside rulings they are only decoration
    if len(_positions(horizontal, 1, 3, 20)) < 4:
        horizontal = horizontal + _edges(fills, rect, 0)
    if len(_positions(vertical, 0, 2, 10)) < 3:
        vertical = vertical + _edges(fills, rect, 1)
    xs = _column_borders(rect, chunks, vertical, columns)
    ys = _row_borders(rect, chunks, horizontal, vertical, rows, xs)
    if len(xs) < 3 or len(ys) < 3:
        return None
    slots = _filled(xs, ys, chunks, vertical)
    slots = _joined_by_rulings(slots, xs, ys, horizontal, vertical)
    grid = _compacted(Grid(tuple(xs), tuple(ys), tuple(slots)))
    if grid.rows < 2 or grid.columns < 2:
        return None
    return _heads(grid, horizontal, fills)


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
    return horizontal, vertical


def _edges(fills: Sequence[Rect], rect: Rect, axis: int) -> list[Rect]:
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


def _chunks(line: Line) -> list[Line]:
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


def _positions(segments: Sequence[Rect], low: int, high: int, least: float) -> list[float]:
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


def _column_borders(
    rect: Rect, chunks: Sequence[Line], vertical: Sequence[Rect], model: Sequence[float]
) -> list[float]:
    left, right = min(rect[0], *(c.x0 for c in chunks)), max(rect[2], *(c.x1 for c in chunks))
    top, bottom = rect[1], rect[3]
    ruled = [x for x in _positions(vertical, 0, 2, 0.3 * (bottom - top)) if left + 4 < x < right - 4]
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
    chunks = [chunk for line in lines for chunk in _chunks(line)]
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


def _row_borders(
    rect: Rect,
    chunks: Sequence[Line],
    horizontal: Sequence[Rect],
    vertical: Sequence[Rect],
    model: Sequence[float],
    xs: Sequence[float],
) -> list[float]:
    top, bottom = min(rect[1], *(c.y0 for c in chunks)) - 1, max(rect[3], *(c.y1 for c in chunks)) + 1
    width = xs[-1] - xs[0]
    ruled = [y for y in _positions(horizontal, 1, 3, 0.3 * width) if top + 4 < y < bottom - 4]
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
        return [y for y in (_between(y, rows) for y in model) if low + 2 < y < high - 2]
    return _row_gaps(rows, xs)


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


def _filled(xs: Sequence[float], ys: Sequence[float], chunks: Sequence[Line], vertical: Sequence[Rect]) -> list[Slot]:
    """One slot for each grid place, larger ones where a chunk crosses borders."""
    rows, columns = len(ys) - 1, len(xs) - 1
    owner: dict[tuple[int, int], Slot] = {}
    pieces = [piece for chunk in chunks for piece in _split_at(chunk, xs, vertical)]
    for chunk in sorted(pieces, key=lambda c: ((c.y0 + c.y1) / 2, c.x0)):
        r0, r1 = _covered(chunk.y0, chunk.y1, ys, 0.3 * chunk.height)
        c0, c1 = _covered(chunk.x0, chunk.x1, xs, max(2.0, 0.3 * chunk.style.size))
        slot = Slot(r0, c0, r1 - r0 + 1, c1 - c0 + 1, [chunk])
        _claim(owner, slot)
    for row in range(rows):
        for column in range(columns):
            if (row, column) not in owner:
                owner[row, column] = Slot(row, column)
    return _row_major(owner)


def _row_major(owner: dict[tuple[int, int], Slot]) -> list[Slot]:
    unique = {id(slot): slot for slot in owner.values()}
    return sorted(unique.values(), key=lambda slot: (slot.row, slot.column))


def _claim(owner: dict[tuple[int, int], Slot], slot: Slot) -> None:
    """Gives a slot its places; slots that it meets become part of it."""
    members = [slot]
    while True:
        row, column = min(s.row for s in members), min(s.column for s in members)
        whole = Slot(
            row=row,
            column=column,
            row_span=max(s.row + s.row_span for s in members) - row,
            column_span=max(s.column + s.column_span for s in members) - column,
        )
        met = {id(other): other for place in _places(whole) if (other := owner.get(place)) is not None}
        if len(met.keys() - {id(s) for s in members}) == 0:
            break
        members = [*met.values()] if id(slot) in met else [*met.values(), slot]
    whole.lines = [line for s in members for line in s.lines]
    for place in _places(whole):
        owner[place] = whole


def _places(slot: Slot) -> list[tuple[int, int]]:
    return [
        (row, column)
        for row in range(slot.row, slot.row + slot.row_span)
        for column in range(slot.column, slot.column + slot.column_span)
    ]


def _covered(low: float, high: float, borders: Sequence[float], slack: float) -> tuple[int, int]:
    """First and last interval that a stretch covers by more than `slack`; at least the one around its middle."""
    hits = [i for i, (a, b) in enumerate(pairwise(borders)) if min(b, high) - max(a, low) > slack]
    if hits:
        return hits[0], hits[-1]
    middle = (low + high) / 2
    place = next((i for i, b in enumerate(borders[1:]) if middle < b), len(borders) - 2)
    return place, place


def _split_at(chunk: Line, xs: Sequence[float], vertical: Sequence[Rect]) -> list[Line]:
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
        wide = (
            after.x0 - before.x1 > max(1.4 * usual, 0.45 * before.style.size)
            or len(gaps) == 1
            and gaps[0] > 0.4 * before.style.size
        )
        if border is not None and (ruled or wide):
            pieces.append([after])
        else:
            pieces[-1].append(after)
    return [_part(chunk, piece) for piece in pieces] if len(pieces) > 1 else [chunk]


def _joined_by_rulings(
    slots: list[Slot], xs: Sequence[float], ys: Sequence[float], horizontal: Sequence[Rect], vertical: Sequence[Rect]
) -> list[Slot]:
    """In a ruled lattice, neighbours without a ruling between them are one cell."""
    ruled_xs = [any(abs((v[0] + v[2]) / 2 - x) < SNAP for v in vertical) for x in xs]
    ruled_ys = [any(abs((h[1] + h[3]) / 2 - y) < SNAP for h in horizontal) for y in ys]
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
            return any(abs((h[1] + h[3]) / 2 - y) < SNAP and h[0] - 1 <= x <= h[2] + 1 for h in horizontal)
        x, y = xs[column + 1], (ys[row] + ys[row + 1]) / 2
        return any(abs((v[0] + v[2]) / 2 - x) < SNAP and v[1] - 1 <= y <= v[3] + 1 for v in vertical)

    for row in range(rows):
        for column in range(columns):
            if column + 1 < columns and not walled(row, column, below=False):
                parent[root((row, column + 1))] = root((row, column))
            if row + 1 < rows and not walled(row, column, below=True):
                parent[root((row + 1, column))] = root((row, column))
    owner = {place: slot for slot in slots for place in _places(slot)}
    rooms: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place in parent:
        rooms.setdefault(root(place), []).append(place)
    for room in rooms.values():
        if len(room) > 1:
            top, left = min(r for r, _ in room), min(c for _, c in room)
            _claim(owner, Slot(top, left, max(r for r, _ in room) - top + 1, max(c for _, c in room) - left + 1))
    return _row_major(owner)


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


def _heads(grid: Grid, horizontal: Sequence[Rect], fills: Sequence[Rect]) -> Grid:
    """The grid with its header rows marked and its spanning headings widened."""
    count = _header_rows(grid, horizontal, fills)
    slots = _grouped(grid, count)
    if count > 1:
        slots = _widened(grid, slots, count, horizontal)
    for slot in slots:
        if slot.row < count:
            slot.kind = "column_header"
        elif slot.column == 0 and slot.lines and _bold(slot) and _mostly_plain(slots, count):
            slot.kind = "row_header"
    for row in range(count, grid.rows):
        full = [slot for slot in slots if slot.row == row and slot.lines]
        if len(full) == 1 and full[0].column == 0 and full[0].column_span == grid.columns > 1:
            full[0].kind = "section"
    return replace(grid, slots=tuple(slots))


def _grouped(grid: Grid, count: int) -> list[Slot]:
    """Cells of the first column that stand in the middle of several rows made to span them."""
    slots = list(grid.slots)
    owner = {place: slot for slot in slots for place in _places(slot)}
    for slot in [s for s in slots if s.column == 0 and s.lines and s.row >= count and s.column_span == 1]:
        above, below = slot.row, slot.row + slot.row_span
        while above > count and not owner[above - 1, 0].lines and owner[above - 1, 0].column_span == 1:
            above -= 1
        while below < grid.rows and not owner[below, 0].lines and owner[below, 0].column_span == 1:
            below += 1
        reach = min(slot.row - above, below - slot.row - slot.row_span)
        if reach and reach == slot.row - above:
            _claim(owner, Slot(slot.row - reach, 0, slot.row_span + 2 * reach, 1))
    return _row_major(owner)


def _bold(slot: Slot) -> bool:
    return bool(slot.lines) and all(line.bold for line in slot.lines)


def _mostly_plain(slots: Sequence[Slot], count: int) -> bool:
    """Whether the cells right of the first column are mostly not bold."""
    others = [slot for slot in slots if slot.row >= count and slot.column > 0 and slot.lines]
    return sum(map(_bold, others)) < 0.3 * len(others)


def _header_rows(grid: Grid, horizontal: Sequence[Rect], fills: Sequence[Rect]) -> int:
    """How many leading rows are headings: by bold type, a rule or shading under them, or because they hold no numbers.

    A table of two columns without any of these is a list of names and values; it has none.
    """
    limit = min(4, grid.rows - 1)
    rows = [[s for s in grid.slots if s.row == row and s.lines] for row in range(grid.rows)]
    by_bold = 0
    while by_bold < limit and rows[by_bold] and all(map(_bold, rows[by_bold])):
        by_bold += 1
    if by_bold and not all(map(_bold, (s for s in grid.slots if s.lines))):
        return by_bold
    width = grid.xs[-1] - grid.xs[0]
    ruled = [
        row
        for row in range(1, grid.rows)
        if sum(h[2] - h[0] for h in horizontal if abs((h[1] + h[3]) / 2 - grid.ys[row]) < SNAP + 2) > 0.85 * width
    ]
    if ruled and ruled[0] <= limit and len(ruled) < max(2, 0.5 * (grid.rows - 1)):
        return ruled[0]
    top, low = grid.ys[0], grid.ys[1]
    if any(f[1] < (top + low) / 2 < f[3] and f[3] < low + 6 and f[2] - f[0] > 0.5 * width for f in fills):
        return 1
    if grid.columns == 2 and not ruled:
        return 0
    return 1


def _widened(grid: Grid, slots: list[Slot], count: int, horizontal: Sequence[Rect]) -> list[Slot]:
    """Headings that stand over several columns made to span them; the others made to span all header rows."""
    owner = {place: slot for slot in slots for place in _places(slot)}
    for slot in [s for s in slots if s.row < count - 1 and s.lines]:
        left, right = slot.column, slot.column + slot.column_span
        rule = _rule_below(grid, slot, horizontal)
        low, high = left, right
        if rule is not None:
            while low > 0 and grid.xs[low] > rule[0] + SNAP + 3 and not owner[slot.row, low - 1].lines:
                low -= 1
            while high < grid.columns and grid.xs[high] < rule[1] - SNAP - 3 and not owner[slot.row, high].lines:
                high += 1
        else:
            low, high = _centred(grid, slot, owner)
        if (low, high) != (left, right):
            _claim(owner, Slot(slot.row, low, slot.row_span, high - low))
    # a heading without others above or below it owns the column's whole header
    for column in range(grid.columns):
        stack = {id(owner[row, column]): owner[row, column] for row in range(count)}
        if len(stack) > 1 and all(s.column == column and s.column_span == 1 for s in stack.values()):
            spanned = any(s.column_span > 1 for s in owner.values() if s.row < count)
            if spanned or sum(bool(s.lines) for s in stack.values()) == 1:
                _claim(owner, Slot(0, column, count, 1))
    return _row_major(owner)


def _rule_below(grid: Grid, slot: Slot, horizontal: Sequence[Rect]) -> tuple[float, float] | None:
    """The ends of a partial ruling right under a heading."""
    y = grid.ys[slot.row + slot.row_span]
    middle = (min(line.x0 for line in slot.lines) + max(line.x1 for line in slot.lines)) / 2
    width = grid.xs[-1] - grid.xs[0]
    for h in horizontal:
        if abs((h[1] + h[3]) / 2 - y) < SNAP + 2 and h[0] <= middle <= h[2] and h[2] - h[0] < 0.85 * width:
            return h[0], h[2]
    return None


def _centred(grid: Grid, slot: Slot, owner: dict[tuple[int, int], Slot]) -> tuple[int, int]:
    """The columns over which a heading is centred, if the places beside it are empty and the row below is not."""
    low, high = slot.column, slot.column + slot.column_span
    middle = (min(line.x0 for line in slot.lines) + max(line.x1 for line in slot.lines)) / 2
    left, right = low, high
    below = slot.row + slot.row_span
    while (
        left > 0
        and not owner[slot.row, left - 1].lines
        and owner[below, left - 1].lines
        and owner[below, left - 1].row == below
    ):
        left -= 1
    while (
        right < grid.columns
        and not owner[slot.row, right].lines
        and owner[below, right].lines
        and owner[below, right].row == below
    ):
        right += 1
    best, miss = (low, high), 0.1 * (grid.xs[high] - grid.xs[low])
    for a in range(left, low + 1):
        for b in range(high, right + 1):
            off = abs((grid.xs[a] + grid.xs[b]) / 2 - middle)
            if b - a > best[1] - best[0] and off < max(miss, 0.12 * (grid.xs[b] - grid.xs[a])):
                best = (a, b)
    return best
