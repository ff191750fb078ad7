"""From regions to DocTags elements: the last decisions about kind, then order, lists, captions, text.

Knows: everything in this folder, doctags.tree. Does not know: PyMuPDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doctags.tree import Cell, Element, Page
from smoldocling.pages import figures, glyphs, headings, lattice, lists, order, pairs, prose, regions, tables
from smoldocling.pages.headings import Manner
from smoldocling.pages.ink import Ink, Rect
from smoldocling.pages.layout import Group
from smoldocling.pages.regions import Region

_EDGE = 0.085
"""Share of the page height at top and bottom in which a single line can be a page header or footer."""

_CAPTION_REACH = 40.0
"""Points between a caption and what it belongs to."""


def pictures_only(ink: Ink, number: int) -> Page:
    """A page without text: its pictures."""
    found = [Element("picture", boxes=(ink.place(rect),)) for rect in figures.pictures(ink, (), 10.0)]
    return Page(tuple(found), number, ink.size)


def assemble(ink: Ink, groups: tuple[Group, ...] | None, manner: Manner, number: int) -> Page:
    """The elements of a page in reading order."""
    return _Assembly(ink, manner, number).page(groups)


class _Assembly:
    def __init__(self, ink: Ink, manner: Manner, number: int) -> None:
        self._ink = ink
        self._manner = manner
        self._number = number
        self._known = manner.words | headings.whole_words([line.text for line in ink.lines])

    def page(self, groups: tuple[Group, ...] | None) -> Page:
        ink = self._ink
        found = regions.gather(ink, lattice.with_ruled_tables(groups or (), ink), self._manner.body)
        found = self._tables(found)
        found = self._pictures(found)
        found = self._counted(found)
        found = [self._kind(item, found) for item in found]
        found = self._one_title(found)
        top = [item for item in found if item.kind == "page_header"]
        bottom = [item for item in found if item.kind == "page_footer"]
        body = [item for item in found if item.kind not in ("page_header", "page_footer")]
        rtl = prose.is_rtl(ink.lines)
        in_order: list[Region] = []
        for part in (top, body, bottom):
            in_order += [part[i] for i in order.reading_order([item.rect for item in part], rtl)]
        return Page(tuple(self._elements(in_order)), self._number, ink.size)

    # tables and pictures

    def _tables(self, found: list[Region]) -> list[Region]:
        """Table regions with their grids read; what is no table becomes text again."""
        result: list[Region] = []
        for item in found:
            if item.kind != "table":
                result.append(item)
                continue
            above, table, below = regions.peeled(item, self._ink.strokes)
            grid = self._grid(table)
            if grid is not None and grid.is_list:
                result += regions.as_list(item, self._manner.body)
            elif grid is not None:
                result.append(replace(table, grid=grid))
                result += [regions.region("text", lines) for lines in (above, below) if lines]
            elif item.lines:
                result += [regions.region("text", prose.rows(lines)) for lines in regions.clusters(item.lines)]
        return result

    def _grid(self, item: Region) -> tables.Grid | None:
        if not item.lines:
            return None
        group = item.group
        return tables.read_grid(
            item.rect,
            item.lines,
            self._ink.strokes,
            self._ink.fills,
            group.columns if group else (),
            group.rows if group else (),
        )

    def _pictures(self, found: list[Region]) -> list[Region]:
        """Picture regions that are pictures; the text in them, if it is short, belongs to them."""
        proposed = [item.rect for item in found if item.kind == "picture"]
        tabular = [item.rect for item in found if item.kind == "table"]
        rects = [
            rect
            for rect in figures.pictures(self._ink, proposed, self._manner.body)
            if not any(_overlap(rect, table) > 0.5 for table in tabular)
        ]
        result: list[Region] = [Region("picture", rect) for rect in rects]
        for item in found:
            if item.kind == "picture":
                loose = [line for line in item.lines if not any(_inside(line.rect, rect) for rect in rects)]
                result += [regions.region("text", prose.rows(lines)) for lines in regions.clusters(loose)]
            elif item.kind == "table" or not any(_inside(item.rect, rect) for rect in rects):
                result.append(item)
            elif len(item.text) > 200 or regions.names_caption(item.text):
                result.append(item)
        return result

    # kinds

    def _counted(self, found: list[Region]) -> list[Region]:
        """Paragraphs whose number is one above or below that of another one beside them are list items."""
        places: dict[int, list[float]] = {}
        for item in found:
            if (mark := self._count(item)) is not None:
                places.setdefault(mark, []).append(item.rect[0])

        def counts(item: Region) -> bool:
            mark = self._count(item)
            if mark is None:
                return False
            near = places.get(mark - 1, []) + places.get(mark + 1, [])
            return any(abs(left - item.rect[0]) < 8 for left in near)

        return [replace(item, kind="list-item") if counts(item) else item for item in found]

    def _count(self, item: Region) -> int | None:
        """The number that a list item or a paragraph starts with, None for headings."""
        mark = regions.ordinal(item.lines[0]) if item.lines else None
        digits = (mark or "").strip("().[]")
        heading = len(item.text) < 60 and (item.size > self._manner.body + 0.7 or all(row.bold for row in item.lines))
        if not digits.isdecimal() or item.kind not in ("list-item", "text", "section-header") or heading:
            return None
        return int(digits)

    def _kind(self, item: Region, found: Sequence[Region]) -> Region:
        if item.kind in ("table", "picture"):
            return item
        kind = self._judged(item, found)
        return replace(item, kind=kind)

    def _judged(self, item: Region, found: Sequence[Region]) -> str:
        text = item.text
        if self._is_furniture(item):
            return "page_header" if item.rect[1] < self._ink.height / 2 else "page_footer"
        if item.kind == "rotated":
            edge = item.rect[2] < 0.09 * self._ink.width or item.rect[0] > 0.91 * self._ink.width
            return "page_header" if edge else "text"
        if item.kind == "code":
            return "code"
        if regions.names_caption(text) or (
            (item.kind == "caption" or item.size < self._manner.body - 0.4) and regions.names_caption(text, loose=True)
        ):
            return "caption"
        if _tick(item) is not None:
            return "checkbox"
        if self._is_formula(item):
            return "formula"
        if self._is_footnote(item, found):
            return "footnote"
        if item.kind == "list-item":
            return "list-item"
        if self._is_heading(item):
            return "section-header"
        if item.kind == "caption" and any(
            other.kind in ("table", "picture") and _distance(item.rect, other.rect) < _CAPTION_REACH for other in found
        ):
            return "caption"
        return "text"

    def _is_furniture(self, item: Region) -> bool:
        """Whether a region is a running head or a page number."""
        y0, y1 = item.rect[1] / self._ink.height, item.rect[3] / self._ink.height
        if len(item.lines) > 3:
            return False
        if (y1 < 0.13 or y0 > 0.87) and all(self._manner.is_running(line.text) for line in item.lines):
            return True
        if (y1 < 0.15 or y0 > 0.85) and regions.is_page_number(item.text):
            return True
        # a footnote near the foot of the page looks like a footer to the model
        noted = 0.5 < y0 < 1 - _EDGE and regions.has_note_mark(item.lines[0]) and len(item.lines[0].words) > 3
        named = item.kind in ("page-header", "page-footer") and not noted
        return named and (y1 < _EDGE or y0 > 1 - _EDGE or (self._manner.pages == 1 and (y1 < 0.13 or y0 > 0.87)))

    def _is_formula(self, item: Region) -> bool:
        words = [word for line in item.lines for word in line.words]
        length = sum(len(word.text) for word in words)
        maths = sum(len(word.text) for word in words if word.style.math)
        signs = glyphs.math_signs(item.text)
        if item.kind == "formula":
            return signs > 0 or maths > 0.2 * length
        prose_words = sum(len(word.text) > 3 and word.text.isalpha() and not word.style.math for word in words)
        return (
            length < 160
            and signs > 0
            and prose_words <= 1
            and (maths > 0.15 * length or signs > 0.12 * length)
            and len(item.lines) <= 4
        )

    def _is_footnote(self, item: Region, found: Sequence[Region]) -> bool:
        """Whether a region is small print with a mark at the foot of its column."""
        body = self._manner.body
        marked = regions.has_note_mark(item.lines[0])
        low = item.rect[1] > 0.5 * self._ink.height
        small = item.size < body - 0.7
        if item.kind == "footnote" and low and (small or marked):
            return True
        if not (marked and small and low):
            return False
        below = [
            other
            for other in found
            if other is not item
            and other.rect[1] > item.rect[1] + 2
            and min(other.rect[2], item.rect[2]) - max(other.rect[0], item.rect[0]) > 0
            and other.kind in regions.TEXT_KINDS
            and other.lines
        ]
        return all(other.size < body - 0.7 or self._is_furniture(other) for other in below)

    def _is_heading(self, item: Region) -> bool:
        text = item.text
        if len(item.lines) > 4 or len(text) > 200 or not any(char.isalpha() for char in text):
            return False
        size, body = item.size, self._manner.body
        bold = all(line.bold for line in item.lines)
        larger = size > body + 0.7
        named = item.kind in ("section-header", "title")
        sentence = text.rstrip().endswith((".", ",", ";")) and not regions.is_numbered(text)
        if named:
            return larger or bold or (not sentence and (regions.is_numbered(text) or self._stands_out(item)))
        return (
            not sentence
            and len(item.lines) <= 3
            and (larger or (bold and size > body - 0.6))
            and len(text) < 120
            and item.kind == "text"
        )

    def _stands_out(self, item: Region) -> bool:
        """Whether a heading of body size is set in another way than the body: capitals, italics, another font."""
        style = item.lines[0].style
        return item.text.isupper() or style.italic or item.size > self._manner.body + 0.4

    def _one_title(self, found: list[Region]) -> list[Region]:
        """On the first page, the largest heading in the upper half is the title."""
        heads = [item for item in found if item.kind == "section-header"]
        if self._number != 1 or not heads:
            return found
        best = max(heads, key=lambda item: (item.size, -item.rect[1]))
        equal = [item for item in heads if abs(item.size - best.size) < 0.3]
        alone = len(equal) == 1 or best.size > 1.3 * self._manner.body
        if (
            not alone
            or best.size < self._manner.body + 1.5
            or best.rect[1] > 0.5 * self._ink.height
            or regions.is_numbered(best.text)
            or best is not min(equal, key=lambda item: item.rect[1])
        ):
            return found
        return [self._beside_title(item, best) for item in found]

    def _beside_title(self, item: Region, title: Region) -> Region:
        """The title as such; names, dates and places set in large type right under it are no headings."""
        if item is title:
            return replace(item, kind="title")
        below = item.rect[1] - title.rect[3]
        credit = (
            item.kind == "section-header"
            and 0 <= below < 9 * self._manner.body
            and not all(line.bold for line in item.lines)
            and not regions.is_numbered(item.text)
            and not self._manner.is_matter(item.text)
        )
        return replace(item, kind="text") if credit else item

    # elements

    def _elements(self, found: Sequence[Region]) -> list[Element]:
        owners = _caption_owners(found)
        owned = {id(caption) for captions in owners.values() for caption in captions}
        result: list[Element] = []
        items: list[lists.Item] = []
        for item in found:
            if item.kind == "list-item":
                marker, ordered, lines = lists.split_marker(item.lines)
                element = self._text("list_item", replace(item, lines=tuple(lines)))
                items.append(lists.item(item, element, marker, ordered))
                continue
            result += lists.nested(items)
            items = []
            if id(item) not in owned:
                result.append(self._element(item, owners.get(id(item), ())))
        return result + lists.nested(items)

    def _element(self, item: Region, captions: Sequence[Region]) -> Element:
        children = tuple(self._text("caption", caption) for caption in captions)
        box = (self._ink.place(item.rect),)
        if item.grid is not None and pairs.is_form(item.grid):
            return pairs.region(item.grid, self._ink, self._known, box)
        if item.grid is not None:
            return Element("otsl", boxes=box, cells=self._cells(item.grid), children=children)
        match item.kind:
            case "picture":
                return Element("picture", boxes=box, children=children)
            case "code":
                code = prose.listing(item.lines)
                return Element("code", code, boxes=box, label=prose.language(code), children=children)
            case "section-header":
                element = self._text("section_header", item)
                bold = all(line.bold for line in item.lines)
                return replace(element, level=self._manner.level(element.text, item.size, bold))
            case "checkbox":
                ticked = _tick(item)
                first = item.lines[0]
                word = first.words[0]
                words = (replace(word, text=word.text[1:]), *first.words[1:]) if len(word.text) > 1 else first.words[1:]
                lines = (replace(first, words=words), *item.lines[1:])
                return self._text("checkbox_selected" if ticked else "checkbox_unselected", replace(item, lines=lines))
        return self._text(item.kind, item)

    def _text(self, kind: str, item: Region) -> Element:
        found = prose.paragraph(item.lines, self._ink.links, self._known)
        return Element(kind, found.text, (self._ink.place(item.rect),), links=found.links)

    def _cells(self, grid: tables.Grid) -> tuple[Cell, ...]:
        cells = []
        for slot in grid.slots:
            text = prose.paragraph(prose.rows(slot.lines), (), self._known).text if slot.lines else ""
            box = self._ink.place(regions.bounds(line.rect for line in slot.lines)) if slot.lines else None
            cells.append(Cell(slot.row, slot.column, text, slot.row_span, slot.column_span, slot.kind, box))
        return tuple(cells)


def _tick(item: Region) -> bool | None:
    """Whether the box before a text is ticked; None without a box."""
    if not item.lines:
        return None
    first = item.lines[0].words[0].text
    if len(first) == 1 and len(item.lines[0].words) == 1:
        return None
    return glyphs.checkbox(first[0])


def _caption_owners(found: Sequence[Region]) -> dict[int, list[Region]]:
    """For tables, pictures and listings, by identity, the captions that belong to them: the nearest on the page."""
    owners: dict[int, list[Region]] = {}
    for caption in (item for item in found if item.kind == "caption"):
        wanted = ("table",) if _is_table_caption(caption.text) else ("picture", "code", "table")
        near = [
            (_distance(caption.rect, item.rect), place)
            for place, item in enumerate(found)
            if item.kind in wanted and id(item) not in owners
        ]
        distance, place = min(near, default=(float("inf"), -1))
        if distance < _CAPTION_REACH:
            owners.setdefault(id(found[place]), []).append(caption)
    return owners


def _is_table_caption(text: str) -> bool:
    return text.lstrip("[<(").lower().startswith(("tab", "표", "表"))


def _distance(a: Rect, b: Rect) -> float:
    """Vertical white between two rectangles, large if they do not stand above each other."""
    if min(a[2], b[2]) - max(a[0], b[0]) < 0.2 * min(a[2] - a[0], b[2] - b[0]):
        return float("inf")
    return max(0.0, max(a[1], b[1]) - min(a[3], b[3]))


def _overlap(a: Rect, b: Rect) -> float:
    """Share of `a` that lies in `b`."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height) / max(1e-6, (a[2] - a[0]) * (a[3] - a[1]))


def _inside(rect: Rect, outer: Rect) -> bool:
    x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
