"""What parts a table: rulings, shaded areas, white between words, rows of text.

Knows: words, strokes, fills. Does not know: columns, rows, cells.
"""

from __future__ import annotations

from collections import Counter
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

_SEAM = 0.4
"""Font sizes of white between two columns, at least, where words line up on both sides of it."""


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


def seamed(chunks: Sequence[Line]) -> list[Line]:
    """Texts cut where narrow white stands at one place in most rows, with words that end and words that begin there.

    Numbers on the right of their column and texts on the left of the next one may stand closer than usual; but words
    of running text do not line up on both sides of the white between them.
    """
    lined = Counter(
        _place(before, after)
        for chunk in chunks
        for before, after in pairwise(chunk.words)
        if after.x0 - before.x1 > _SEAM * before.style.size
    )
    least = max(3, 0.6 * len(baselines(chunks)))
    seams = {place for place in lined if sum(lined[near] for near in _around(place)) >= least}
    result: list[Line] = []
    for chunk in chunks:
        pieces: list[list[Word]] = [[chunk.words[0]]]
        for before, after in pairwise(chunk.words):
            if seams and not seams.isdisjoint(_around(_place(before, after))):
                pieces.append([after])
            else:
                pieces[-1].append(after)
        result += [_part(chunk, piece) for piece in pieces] if len(pieces) > 1 else [chunk]
    return result


def _place(before: Word, after: Word) -> tuple[int, int]:
    """Where one word ends and the next begins, in whole points."""
    return round(before.x1), round(after.x0)


def _around(place: tuple[int, int]) -> list[tuple[int, int]]:
    """A place and those beside it: what lines up may differ by a point."""
    return [(place[0] + right, place[1] + left) for right in (-1, 0, 1) for left in (-1, 0, 1)]


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


def baselines(chunks: Sequence[Line]) -> list[list[Line]]:
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
