"""Which lines of a page belong together, and what they look like: paragraph, heading, list item, code...

Knows: lines, the layout model's boxes, the document's body size. Does not know: DocTags, reading order.
The model's boxes are the first guess; rules from fonts and positions cut and correct them. Without a model the lines
are gathered by white space alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from smoldocling.pages import glyphs, prose, signs
from smoldocling.pages.cells import Grid
from smoldocling.pages.columns import is_tabular
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.layout import Group
from smoldocling.pages.lines import Line

# Empty rows within one listing.
_MOST_SKIPPED = 2
# Points by which a browser may move a row.
_PIXEL = 0.8

TEXT_KINDS = frozenset(
    [
        "text",
        "title",
        "list-item",
        "page-header",
        "page-footer",
        "section-header",
        "footnote",
        "caption",
        "formula",
        "code",
    ]
)


@dataclass(frozen=True, slots=True)
class Region:
    """Lines that form one element, or the place of a table or picture. `lines` are whole rows, top to bottom.

    tag    what the file's own tags call it, "" where they say nothing
    depth  by its tag: in how many lists an item stands, or the level of a heading; 0 without one
    """

    kind: str
    rect: Rect
    lines: tuple[Line, ...] = ()
    group: Group | None = None
    grid: Grid | None = None
    tag: str = ""
    depth: int = 0

    @property
    def text(self) -> str:
        """Its rows with single spaces."""
        return " ".join(line.text for line in self.lines)

    @property
    def size(self) -> float:
        """Font size of most of its characters, points."""
        return _dominant(self.lines).style.size if self.lines else 0.0


def _dominant(lines: Sequence[Line]) -> Line:
    return max(lines, key=lambda line: len(line.text))


def bounds(rects: Iterable[Rect]) -> Rect:
    """The smallest rectangle around some others."""
    x0, y0, x1, y1 = zip(*rects, strict=True)
    return (min(x0), min(y0), max(x1), max(y1))


def region(kind: str, lines: Sequence[Line], group: Group | None = None) -> Region:
    """A region of rows."""
    return Region(kind, bounds(line.rect for line in lines), tuple(lines), group)


def gather(ink: Ink, groups: tuple[Group, ...], body: float) -> list[Region]:
    """All lines of a page in regions of a provisional kind; `body` is the document's body size in points."""
    listings, upright = _grounded([line for line in ink.lines if line.upright], ink.grounds)
    loose: list[Line] = []
    bins: dict[int, list[Line]] = {}
    boxes = groups
    for line in upright:
        # a marker goes where the text of its item goes
        place = _home(_marked_by(line, upright, boxes) or line, boxes)
        if place is None:
            loose.append(line)
        else:
            bins.setdefault(place, []).append(line)
    found: list[Region] = []
    for place, group in enumerate(boxes):
        lines = bins.get(place, [])
        if group.kind in ("table", "picture"):
            found.append(Region(group.kind, group.rect, tuple(lines), group))
        elif lines and group.kind == "text" and is_tabular(lines):
            found.append(Region("table", bounds(line.rect for line in lines), tuple(lines)))
        elif lines:
            found.append(region(group.kind, prose.rows(lines), group))
    found += [region("text", prose.rows(lines)) for lines in clusters(loose)]
    result = listings
    for item in found:
        result += _cut(item, body) if item.kind in TEXT_KINDS else [item]
    result += [region("rotated", [line]) for line in ink.lines if not line.upright]
    return result


def _grounded(lines: list[Line], grounds: Sequence[Rect]) -> tuple[list[Region], list[Line]]:
    """Listings that stand on a ground of their own, which ends with no word, and the other lines."""
    listings: list[Region] = []
    rest = lines if any(line.style.mono for line in lines) else []
    if not rest:
        return [], lines
    for ground in sorted(grounds, key=lambda rect: -(rect[2] - rect[0]) * (rect[3] - rect[1])):
        inside = [line for line in rest if _middle_in(line, ground)]
        if not inside or not is_mono(inside):
            continue
        size = inside[0].style.size
        rows = listing_rows(inside)
        hugs = ground[2] - max(line.x1 for line in inside) < 2 * size
        if (len(rows) > 1 or not hugs) and all(line.x1 <= ground[2] + size for line in inside):
            listings.append(region("code", rows))
            rest = [line for line in rest if line not in inside]
    return listings, rest


def _middle_in(line: Line, rect: Rect) -> bool:
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    return rect[0] <= x <= rect[2] and rect[1] <= y <= rect[3]


def whole_listings(found: list[Region]) -> list[Region]:
    """Regions of code of one type with less than two rows of white between them in one piece, stray rows included.

    The model makes boxes of the indented parts of a listing, and of a closing bracket that stands by itself.
    """
    result = list(found)
    pitch = _pitch(found)
    while (pair := _torn(result, pitch)) is not None:
        code, piece = pair
        joined = region("code", listing_rows((*code.lines, *piece.lines)))
        result = [joined if item is code else item for item in result if item is not piece]
    return result


def _torn(found: Sequence[Region], pitch: float) -> tuple[Region, Region] | None:
    """Code and another piece of the same listing. A single row of monospaced type is code only beside other code."""
    codes = [item for item in found if item.kind == "code"]
    loose = [
        item
        for item in found
        if codes and item.kind in ("text", "list-item", "formula") and item.lines and all(map(_is_mono, item.lines))
    ]
    return next(((code, item) for code in codes for item in (*codes, *loose) if _one_listing(code, item, pitch)), None)


def _pitch(found: Sequence[Region]) -> float:
    """Points from baseline to baseline in the listings of a page, 0 where none has two rows."""
    pitches = sorted(b.baseline - a.baseline for item in found if item.kind == "code" for a, b in pairwise(item.lines))
    single = [pitch for pitch in pitches if pitch < 1.2 * pitches[len(pitches) // 4]]
    return sum(single) / len(single) if single else 0.0


def is_mono(lines: Sequence[Line]) -> bool:
    """Whether most of the characters of some lines stand in rows of monospaced type."""
    letters = sum(len(line.text) for line in lines)
    return sum(len(line.text) for line in lines if _is_mono(line)) >= 0.8 * letters


def listing_rows(lines: Sequence[Line]) -> list[Line]:
    """Rows of a listing, which may stand closer than its type is tall: only what has one baseline is one row."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.baseline):
        if rows and line.baseline - rows[-1][0].baseline < 0.3 * line.style.size:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [whole for row in rows for whole in prose.rows(row)]


def _one_listing(a: Region, b: Region, pitch: float) -> bool:
    if a is b or abs(a.size - b.size) > 0.3:
        return False
    white = max(b.rect[1] - a.rect[3], a.rect[1] - b.rect[3])
    beside = min(a.rect[2], b.rect[2]) - max(a.rect[0], b.rect[0]) > 0
    # a row that is indented may end left of a closing bracket's side, but never begins left of the listing
    return beside and (white < 1.1 * a.size or _skips_rows(a, b, pitch))


def _skips_rows(a: Region, b: Region, pitch: float) -> bool:
    """Whether a listing goes on after some empty rows, which have the height of the others."""
    upper, lower = (a, b) if a.rect[1] < b.rect[1] else (b, a)
    if not pitch:
        return False
    white = lower.lines[0].baseline - upper.lines[-1].baseline
    rows = round(white / pitch)
    return rows <= _MOST_SKIPPED + 1 and abs(white - rows * pitch) < max(_PIXEL, 0.04 * white)


def hanging(found: list[Region]) -> list[Region]:
    """Regions with the rows that hang below their first one: entries of bibliographies begin at the margin alone."""
    result: list[Region] = []
    kinds = ("text", "list-item")
    for item in found:
        above = result[-1] if result else None
        if above is not None and item.kind in kinds and above.kind in kinds and _hangs(item, above, found):
            result[-1] = region(above.kind, (*above.lines, *item.lines), above.group)
        else:
            result.append(item)
    return result


def _hangs(item: Region, above: Region, found: Sequence[Region]) -> bool:
    """Whether rows are indented below a row that goes to the end of its column, with less white than entries have."""
    first, last = item.lines[0], above.lines[-1]
    indent, white = item.rect[0] - above.rect[0], first.y0 - last.y1
    if (
        not 4 < indent < 5 * item.size
        or not -1 < white < 1.3 * item.size
        or abs(item.size - above.size) > 0.3
        or any(abs(row.x0 - first.x0) > 2 for row in item.lines)
        or any(row.x0 - above.rect[0] < indent - 2 for row in above.lines[1:])
        or any(signs.bullet(row) is not None or signs.ordinal(row) is not None for row in (first, above.lines[0]))
    ):
        return False
    widest = max(other.rect[2] for other in found if other.rect[0] < above.rect[2] and other.rect[2] > above.rect[0])
    word = first.words[0]
    return last.x1 + 0.25 * item.size + word.x1 - word.x0 > widest - 2


def _marked_by(line: Line, lines: Sequence[Line], groups: Sequence[Group]) -> Line | None:
    """The line whose marker another line is: the nearest one on its right; None if it is no lone marker."""
    if not signs.is_lone_marker(line):
        return None
    size = line.style.size
    level = [other for other in lines if other is not line and _level(line, other) and not signs.is_bullets(other.text)]
    # the number of a formula ends the row that it stands in, whatever begins in the column beside it
    home = _home(line, groups)
    if home is not None and any(other.x1 <= line.x0 and _home(other, groups) == home for other in level):
        return None
    right = [other for other in level if -1 <= other.x0 - line.x1 < 3.5 * size]
    return min(right, key=lambda other: other.x0, default=None)


def _level(a: Line, b: Line) -> bool:
    return min(a.y1, b.y1) - max(a.y0, b.y0) > 0.4 * min(a.height, b.height)


def as_list(item: Region, body: float) -> list[Region]:
    """A table's box that holds a list: markers in the first column."""
    return _cut(region("list-item", prose.rows(item.lines)), body)


def as_text(item: Region, body: float) -> list[Region]:
    """A box that holds neither a table nor a picture: paragraphs, or a listing whose indents look like columns."""
    return [piece for lines in clusters(item.lines) for piece in _cut(region("text", prose.rows(lines)), body)]


def is_listing(item: Region) -> bool:
    """Whether a table's box holds a listing: rows of monospaced type, most of them statements."""
    rows = prose.rows(item.lines)
    if len(rows) < 2 or not all(map(_is_mono, rows)):
        return False
    return sum(signs.is_statement(line.text) for line in rows) > 0.5 * len(rows)


def is_ticked(item: Region) -> bool:
    """Whether a table's box holds nothing but choices: a box to tick at the start of each row."""
    return all(signs.tick([row]) is not None for row in prose.rows(item.lines))


def _home(line: Line, groups: Sequence[Group]) -> int | None:
    """The group in which a line's middle lies, the smallest if there are several."""
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    best, best_area = None, float("inf")
    for place, group in enumerate(groups):
        x0, y0, x1, y1 = group.rect
        if x0 - 1 <= x <= x1 + 1 and y0 - 1 <= y <= y1 + 1:
            area = (x1 - x0) * (y1 - y0)
            if area < best_area:
                best, best_area = place, area
    return best


def clusters(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines gathered into paragraphs by white space and style alone."""
    parent = list(range(len(lines)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    order = sorted(range(len(lines)), key=lambda i: lines[i].y0)
    for position, i in enumerate(order):
        upper = lines[i]
        for j in order[position + 1 :]:
            lower = lines[j]
            if lower.y0 > upper.y1 + upper.height:
                break
            if _same_row(upper, lower) or _next_row(upper, lower):
                parent[root(j)] = root(i)
    groups: dict[int, list[Line]] = {}
    for i in order:
        groups.setdefault(root(i), []).append(lines[i])
    return list(groups.values())


def _same_row(a: Line, b: Line) -> bool:
    overlap = min(a.y1, b.y1) - max(a.y0, b.y0)
    gap = max(a.x0, b.x0) - min(a.x1, b.x1)
    return overlap > 0.5 * min(a.height, b.height) and gap < 1.1 * max(a.style.size, b.style.size)


def _next_row(upper: Line, lower: Line) -> bool:
    size = max(upper.style.size, lower.style.size)
    overlap = min(upper.x1, lower.x1) - max(upper.x0, lower.x0)
    return (
        overlap > 0.3 * min(upper.x1 - upper.x0, lower.x1 - lower.x0)
        and lower.y0 - upper.y1 < 0.55 * size
        and min(upper.style.size, lower.style.size) > 0.8 * size
        and upper.bold == lower.bold
        and upper.style.mono == lower.style.mono
    )


def _cut(item: Region, body: float) -> list[Region]:
    """One region cut where its rows show that several elements were taken for one."""
    code = _code_rows(item)
    pitches = sorted(lower.baseline - upper.baseline for upper, lower in pairwise(item.lines))
    pitch = pitches[len(pitches) // 2] if len(pitches) > 1 else 0.0
    pieces: list[list[Line]] = []
    for place, line in enumerate(item.lines):
        if not pieces or code[place] != code[place - 1]:
            pieces.append([line])
        elif code[place]:
            far = line.y0 - pieces[-1][-1].y1 > 2.5 * line.style.size
            pieces.append([line]) if far else pieces[-1].append(line)
        elif _starts_anew(pieces[-1], line, item, body, pitch):
            pieces.append([line])
        else:
            pieces[-1].append(line)
    coded = {id(line) for place, line in enumerate(item.lines) if code[place]}
    return [
        _judged(region(item.kind, piece, item.group), whole=len(pieces) == 1, code=id(piece[0]) in coded)
        for piece in pieces
    ]


_TYPED = frozenset("-*–—→⇒")
"""What rows of code may begin with, though it could be a bullet."""


def _code_rows(item: Region) -> list[bool]:
    """For each row, whether it is code: monospaced beside another such row, or alone and written like a statement."""
    if item.kind not in ("text", "list-item", "formula", "section-header"):
        return [False] * len(item.lines)
    # no program is written with bullets; names of types in a list are
    mono = [_is_mono(line) and (signs.bullet(line) or "-")[0] in _TYPED for line in item.lines]
    if len(mono) == 1:
        return [mono[0] and signs.is_statement(item.text)]
    return [
        here and ((place > 0 and mono[place - 1]) or (place + 1 < len(mono) and mono[place + 1]))
        for place, here in enumerate(mono)
    ]


def _is_mono(line: Line) -> bool:
    mono = sum(len(word.text) for word in line.words if word.style.mono)
    return mono > 0.8 * sum(len(word.text) for word in line.words)


def _starts_anew(before: list[Line], line: Line, item: Region, body: float, pitch: float) -> bool:
    last = before[-1]
    size = max(last.style.size, line.style.size)
    sign = line.words[0].text
    if (sign in glyphs.ITEM_SIGNS or glyphs.checkbox(sign) is not None) and len(line.words) > 1:
        return True
    if signs.bullet(line) is not None and (
        item.kind == "list-item" or abs(line.x0 - before[0].x0) < 1.5 * size or line.x0 < last.x0
    ):
        return True
    if (
        signs.ordinal(line) is not None
        and (item.kind == "list-item" or signs.ordinal(before[0]) is not None)
        and abs(line.x0 - before[0].x0) < 2
    ):
        return True
    if line.baseline - last.baseline > max(1.5 * pitch, 2.2 * size):
        return True
    if item.kind in ("caption", "footnote", "formula", "list-item"):
        return False
    if min(last.style.size, line.style.size) < 0.9 * size and size > body + 0.7:
        return True
    # a bold heading and the paragraph under it
    heading = last.bold and not line.bold and last.x1 < item.rect[2] - 2 * size
    return heading and len(before) <= 3 and all(row.bold for row in before)


def _judged(item: Region, whole: bool, code: bool) -> Region:
    if code:
        return replace(item, kind="code")
    if signs.bullet(item.lines[0]) is not None and item.kind in ("text", "section-header", "footnote", "list-item"):
        return replace(item, kind="list-item")
    if not whole and item.kind == "list-item" and signs.ordinal(item.lines[0]) is None:
        return replace(item, kind="text")
    return item
