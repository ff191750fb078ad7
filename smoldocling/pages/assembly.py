"""From regions to DocTags elements: the last decisions about kind, then order, lists, captions, text.

Knows: everything in this folder, doctags.tree. Does not know: PyMuPDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doctags.tree import Cell, Element, Page
from smoldocling.pages import (
    captions,
    edges,
    figures,
    kinds,
    lattice,
    lists,
    maths,
    order,
    pairs,
    prose,
    regions,
    signs,
    tables,
    tagged,
)
from smoldocling.pages.cells import Grid
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.layout import Group
from smoldocling.pages.manner import Manner, whole_words
from smoldocling.pages.regions import Region


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
        self._known = manner.words | whole_words([line.text for line in ink.lines])

    def page(self, groups: tuple[Group, ...] | None) -> Page:
        ink = self._ink
        named, rest = tagged.regions_of(ink.lines, ink.tags)
        left = replace(ink, lines=tuple(rest))
        found = regions.gather(left, lattice.with_ruled_tables(groups or (), left), self._manner.body)
        found = captions.whole(self._tables(found + named))
        found = self._pictures(found)
        loose = [item for item in found if not item.tag]
        found = regions.hanging(regions.whole_listings(loose)) + [item for item in found if item.tag]
        found = kinds.judged(found, ink, self._manner, self._number)
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
            if item.kind != "table" or item.grid is not None:
                result.append(item)
                continue
            if item.lines and (regions.is_listing(item) or regions.is_ticked(item)):
                result += regions.as_text(item, self._manner.body)
                continue
            above, table, below = edges.peeled(item, self._ink.strokes)
            grid = self._grid(table)
            if grid is not None and grid.is_list:
                result += regions.as_list(item, self._manner.body)
            elif grid is not None:
                result.append(replace(table, grid=grid))
                result += [regions.region("text", lines) for lines in (above, below) if lines]
            elif item.lines:
                result += regions.as_text(item, self._manner.body)
        return result

    def _grid(self, item: Region) -> Grid | None:
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
        named = [
            item.rect
            for item in found
            if item.lines and signs.names_caption(item.text) and not captions.is_for_table(item.text)
        ]
        rects = [
            rect
            for rect in figures.pictures(self._ink, proposed, self._manner.body, named, tabular)
            if not any(_overlap(rect, table) > 0.5 for table in tabular)
        ]
        result: list[Region] = [Region("picture", rect) for rect in rects]
        for item in found:
            if item.kind == "picture":
                loose = tuple(line for line in item.lines if not any(_inside(line.rect, rect) for rect in rects))
                result += regions.as_text(replace(item, lines=loose), self._manner.body)
            elif (
                item.kind == "table"
                or not any(_inside(item.rect, rect) for rect in rects)
                or len(item.text) > 200
                or item.tag
                or signs.names_caption(item.text)
            ):
                result.append(item)
        return result

    # elements

    def _elements(self, found: Sequence[Region]) -> list[Element]:
        owners = captions.owners(found)
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
        if item.grid is not None and not captions and pairs.is_form(item.grid):
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
                if item.depth and self._manner.top and not self._manner.levels.counts(element.text):
                    return replace(element, level=max(1, item.depth - self._manner.top + 1))
                bold = all(line.bold for line in item.lines)
                return replace(element, level=self._manner.levels.of(element.text, item.size, bold))
            case "formula":
                return self._formula(item)
            case "checkbox":
                ticked = signs.tick(item.lines)
                first = item.lines[0]
                word = first.words[0]
                words = (replace(word, text=word.text[1:]), *first.words[1:]) if len(word.text) > 1 else first.words[1:]
                lines = (replace(first, words=words), *item.lines[1:])
                return self._text("checkbox_selected" if ticked else "checkbox_unselected", replace(item, lines=lines))
        return self._text(item.kind, item)

    def _formula(self, item: Region) -> Element:
        element = self._text("formula", item)
        tex = maths.latex(item.lines, self._ink.strokes, self._ink.shapes) if self._ink.quarters == 0 else None
        return replace(element, text=tex, links=()) if tex else element

    def _text(self, kind: str, item: Region) -> Element:
        found = prose.paragraph(item.lines, self._ink.links, self._known)
        return Element(kind, found.text, (self._ink.place(item.rect),), links=found.links)

    def _cells(self, grid: Grid) -> tuple[Cell, ...]:
        cells = []
        for slot in grid.slots:
            text = prose.paragraph(prose.rows(slot.lines), (), self._known).text if slot.lines else ""
            box = self._ink.place(regions.bounds(line.rect for line in slot.lines)) if slot.lines else None
            cells.append(Cell(slot.row, slot.column, text, slot.row_span, slot.column_span, slot.kind, box))
        return tuple(cells)


def _overlap(a: Rect, b: Rect) -> float:
    """Share of `a` that lies in `b`."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height) / max(1e-6, (a[2] - a[0]) * (a[3] - a[1]))


def _inside(rect: Rect, outer: Rect) -> bool:
    x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
