"""The regions that a page's tags name, as far as the page bears them out; all other lines are left to the rules.

Knows: lines, tags, regions. Does not know: the layout model, reading order.
Tags are often wrong: a whole column is one paragraph, or each row is one. So a tag counts for the rows that hang
together and look like what it says, and a page whose paragraphs are rows counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from doctags.tree import CellKind
from smoldocling.pages import prose, regions, signs
from smoldocling.pages.cells import Grid, Slot
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.layout import Group
from smoldocling.pages.lines import Line, Word
from smoldocling.pages.regions import Region
from smoldocling.pages.tags import Tag

# Font sizes of white between two rows of one part; a listing has empty rows.
_GAP, _CODE_GAP = 1.6, 6.0
# Share of the page height in which running heads stand.
_MARGIN = 0.085
# A heading has no more rows and characters.
_MOST_ROWS, _LONGEST = 4, 200
# So many paragraphs of one full row each are the rows of larger ones.
_FEWEST_ROWS = 3

Place = tuple[Rect, int, int]
"""A rectangle of the page, which tag it belongs to, and which of the cells of that."""


class Filled(NamedTuple):
    """A cell of a table with its lines."""

    rect: Rect
    heading: bool
    lines: list[Line]


def regions_of(lines: Sequence[Line], tags: Sequence[Tag]) -> tuple[list[Region], list[Line]]:
    """What the tags say that can be believed, in their order, and the lines of which they say nothing."""
    if not tags or _are_rows(tags):
        return [], list(lines)
    places = [place for number, tag in enumerate(tags) for place in _places(tag, number)]
    owned: dict[int, dict[int, list[Line]]] = {}
    rest: list[Line] = []
    for line in lines:
        for piece, number, cell in _pieces(line, places):
            if number < 0:
                rest.append(piece)
            else:
                owned.setdefault(number, {}).setdefault(cell, []).append(piece)
    listed = any(tag.kind == "code" for tag in tags)
    found: list[Region] = []
    for number, cells in sorted(owned.items()):
        item = _region(tags[number], cells, listed)
        if item is None:
            rest += [line for piece in cells.values() for line in piece]
        else:
            found.append(item)
    return _without_continued(found), rest


def covers(ink: Ink) -> bool:
    """Whether the tags say of all text between the margins what it is."""
    rest = regions_of(ink.lines, ink.tags)[1]
    return bool(ink.tags) and all(_is_marginal(line, ink) for line in rest)


def _is_marginal(line: Line, ink: Ink) -> bool:
    return line.y1 < _MARGIN * ink.height or line.y0 > (1 - _MARGIN) * ink.height


def _are_rows(tags: Sequence[Tag]) -> bool:
    """Whether the tagged paragraphs are the rows of paragraphs: full, and close to one another."""
    texts = [tag for tag in tags if tag.kind == "text"]
    right = max((rect[2] for tag in texts for rect in tag.rows), default=0.0)
    close = 0
    for upper, lower in pairwise(texts):
        (x0, y0, x1, y1), below = regions.bounds(upper.rows), regions.bounds(lower.rows)
        full = x1 > right - 0.15 * (right - x0)
        close += full and len(upper.rows) == 1 and abs(below[1] - y1) < 0.3 * (y1 - y0)
    return close >= _FEWEST_ROWS and close > 0.25 * len(texts)


def _places(tag: Tag, number: int) -> list[Place]:
    if tag.table:
        cells = [cell for row in tag.table for cell in row]
        return [(rect, number, place) for place, cell in enumerate(cells) for rect in cell.rows]
    return [(rect, number, 0) for rect in _together(tag)]


def _together(tag: Tag) -> list[Rect]:
    """The rectangles of a part up to the first that goes back up or stands far below: there something else begins."""
    kept: list[Rect] = []
    top, bottom = 0.0, 0.0
    for x0, y0, x1, y1 in tag.rows:
        height = y1 - y0
        gap = (_CODE_GAP if tag.kind == "code" else _GAP) * height
        if kept and (y1 < top + 0.2 * height or y0 > bottom + gap):
            break
        # the top of the last row: rows are never read upwards, but pieces of one row differ in height
        top = max(top, y0) if kept else y0
        bottom = max(bottom, y1)
        kept.append((x0, y0, x1, y1))
    return kept


def _pieces(line: Line, places: Sequence[Place]) -> list[tuple[Line, int, int]]:
    """A line cut where its words belong to different parts; -1 stands for none."""
    if not line.upright or line.hidden:
        return [(line, -1, 0)]
    y = (line.y0 + line.y1) / 2
    level = [place for place in places if place[0][1] <= y <= place[0][3]]
    owners = [_owner(word, level) for word in line.words]
    # a bullet that is drawn has no tag; nor has what a font has no box for
    known = [owner for owner in owners if owner[0] >= 0]
    if not known:
        return [(line, -1, 0)]
    for index in range(len(owners) - 2, -1, -1):
        if owners[index][0] < 0:
            owners[index] = owners[index + 1]
    for index in range(1, len(owners)):
        if owners[index][0] < 0:
            owners[index] = owners[index - 1]
    if len(set(owners)) == 1:
        return [(line, *owners[0])]
    runs: list[tuple[list[Word], tuple[int, int]]] = []
    for word, owner in zip(line.words, owners, strict=True):
        if runs and runs[-1][1] == owner:
            runs[-1][0].append(word)
        else:
            runs.append(([word], owner))
    return [(_cut(line, words), *owner) for words, owner in runs]


def _owner(word: Word, level: Sequence[Place]) -> tuple[int, int]:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    over = [place for place in level if place[0][0] - 1 <= x <= place[0][2] + 1]
    if not over:
        return -1, 0
    best = min(over, key=lambda place: abs((place[0][1] + place[0][3]) / 2 - y))
    return best[1], best[2]


def _cut(line: Line, words: Sequence[Word]) -> Line:
    x0, y0, x1, y1 = regions.bounds(word.rect for word in words)
    return replace(line, words=tuple(words), x0=x0, y0=y0, x1=x1, y1=y1, open=True)


def _region(tag: Tag, cells: dict[int, list[Line]], listed: bool) -> Region | None:
    """A part as a region; None if it does not look like what it is called."""
    if tag.kind == "table":
        return _table(tag, cells)
    lines = cells[0]
    mono = regions.is_mono(lines)
    if tag.kind == "code":
        return replace(regions.region("code", regions.listing_rows(lines)), tag=tag.kind) if mono else None
    if mono and tag.kind == "text" and not listed:
        return None
    rows = prose.rows(lines)
    text = " ".join(row.text for row in rows)
    if tag.kind == "section-header" and (len(rows) > _MOST_ROWS or len(text) > _LONGEST):
        return None
    return replace(regions.region(tag.kind, rows), tag=tag.kind, depth=tag.level)


def _without_continued(found: list[Region]) -> list[Region]:
    """On the first item of a page that has no marker, as others have, goes on what the page before has begun."""
    items = [item for item in found if item.kind == "list-item"]
    if not items or items[0] is not found[0] or _is_marked(items[0]) or not any(map(_is_marked, items[1:])):
        return found
    return [replace(found[0], kind="text", tag="text", depth=0), *found[1:]]


def _is_marked(item: Region) -> bool:
    return signs.bullet(item.lines[0]) is not None or signs.ordinal(item.lines[0]) is not None


def _table(tag: Tag, cells: dict[int, list[Line]]) -> Region:
    """A table whose columns the cells of its fullest rows show; else its place, to be looked at."""
    lines = [line for piece in cells.values() for line in piece]
    rect = regions.bounds(line.rect for line in lines)
    plain = Region("table", rect, tuple(lines), Group("table", rect))
    grid = _grid(rect, _filled(tag, cells))
    return plain if grid is None else replace(plain, grid=grid, tag=tag.kind)


def _filled(tag: Tag, cells: dict[int, list[Line]]) -> list[list[Filled]]:
    """The rows of a table's cells that have text."""
    rows: list[list[Filled]] = []
    number = 0
    for row in tag.table:
        found = [
            Filled(regions.bounds(line.rect for line in own), cell.heading, own)
            for place, cell in enumerate(row, number)
            if (own := cells.get(place))
        ]
        number += len(row)
        if found:
            rows.append(found)
    return rows


def _grid(rect: Rect, rows: Sequence[Sequence[Filled]]) -> Grid | None:
    """A grid, None where some cells have no place in it: one above the other, or over parts of columns."""
    sides = [regions.bounds(cell.rect for cell in row) for row in rows]
    columns = _columns(rows)
    if len(rows) < 2 or len(columns) < 2 or any(b[1] < a[3] - 0.5 * (b[3] - b[1]) for a, b in pairwise(sides)):
        return None
    slots: list[Slot] = []
    for index, row in enumerate(rows):
        free = 0
        for cell in row:
            met = [place for place, (left, right) in enumerate(columns) if left < cell.rect[2] and cell.rect[0] < right]
            if not met or met[0] < free:
                return None
            slots += [Slot(index, place) for place in range(free, met[0])]
            free = met[-1] + 1
            slots.append(Slot(index, met[0], 1, free - met[0], cell.lines, _kind(cell, index, met[0])))
        slots += [Slot(index, place) for place in range(free, len(columns))]
    xs = (rect[0], *((a[1] + b[0]) / 2 for a, b in pairwise(columns)), rect[2])
    ys = (rect[1], *((a[3] + b[1]) / 2 for a, b in pairwise(sides)), rect[3])
    return Grid(xs, ys, tuple(slots))


def _columns(rows: Sequence[Sequence[Filled]]) -> list[tuple[float, float]]:
    """Left and right edges of the columns as the fullest rows show them, none if they overlap."""
    most = max(map(len, rows), default=0)
    full = [[cell.rect for cell in row] for row in rows if len(row) == most]
    columns = [(min(rect[0] for rect in rects), max(rect[2] for rect in rects)) for rects in zip(*full, strict=True)]
    return columns if all(a[1] < b[0] for a, b in pairwise(columns)) else []


def _kind(cell: Filled, row: int, column: int) -> CellKind:
    if not cell.heading:
        return "data"
    return "row_header" if row and not column else "column_header"
