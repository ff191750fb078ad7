"""The choices that all formats share: heading depth, list nesting and markers, caption owners, what is one paragraph.

Knows: doctags.tree. Does not know: how a block is spelt in Markdown, HTML, text or JSON.
Law: no character of the tree's prose is lost, whatever its shape; running heads go only if nobody asked for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from converters.blocks import (
    Block,
    Code,
    Figure,
    Formula,
    Heading,
    Item,
    Listing,
    PageBreak,
    Paragraph,
    Role,
    Runs,
    Source,
    Table,
    plain,
)
from converters.captions import TABLE_KINDS, caption_first, with_captions
from converters.characters import clean_code, clean_line, compounds, mend
from converters.fields import PARTS, fields_of
from converters.flow import flow
from converters.grid import grid_of
from converters.inline import MAX_DEPTH, descendants, flat_runs, glued, inline_runs, is_inline, one_line, own_runs, tidy
from converters.markers import BULLET, Marker
from converters.numbering import marked
from converters.pictures import PICTURE_KINDS, Picture, picture_elements
from doctags.tree import Cell, Document, Element, Page

_FURNITURE = frozenset({"page_header", "page_footer"})
_LISTS = frozenset({"ordered_list", "unordered_list"})
_BOXES = {"checkbox_selected": True, "checkbox_unselected": False}
_ROLES: dict[str, Role] = {
    "caption": "caption",
    "footnote": "footnote",
    "page_header": "page_header",
    "page_footer": "page_footer",
    "reference": "reference",
    "handwritten_text": "handwritten_text",
}


def outline(
    document: Document | Page,
    *,
    pictures: Mapping[tuple[int, int], Picture] | None = None,
    furniture: bool = False,
) -> tuple[Block, ...]:
    """The blocks of a document in reading order; a PageBreak stands between two pages."""
    pages = document.pages if isinstance(document, Document) else (document,)
    known = compounds(element.text for page in pages for element in descendants(page.elements))
    blocks: list[Block] = []
    for index, page in enumerate(pages):
        if index:
            blocks.append(PageBreak(page.number))
        shown = page.elements if furniture else tuple(e for e in page.elements if e.kind not in _FURNITURE)
        blocks.extend(_Reader(page, pictures or {}, known).blocks(shown))
    return flow(blocks, known)


class _Reader:
    """Turns the elements of one page into blocks."""

    def __init__(self, page: Page, pictures: Mapping[tuple[int, int], Picture], known: frozenset[str]) -> None:
        self._page = page
        self._known = known
        # An element found twice is one picture in two places: the first number is as good as the second.
        numbers = {id(element): n for n, element in reversed(list(enumerate(picture_elements(page))))}
        self._files = {key: pictures.get((page.number, n)) for key, n in numbers.items()}

    def blocks(self, elements: Sequence[Element], depth: int = 0) -> list[Block]:
        """The blocks of neighbouring elements; a caption without an owner goes to the table or picture beside it."""
        if depth > MAX_DEPTH:
            runs = tidy(flat_runs(elements))
            return [Paragraph(runs, "text", ())] if runs else []
        found: list[Block] = []
        for element, lent in with_captions(elements):
            found.extend(self._block(element, (*element.captions, *lent), depth))
        return found

    def _block(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        kind = element.kind
        if kind in _LISTS:
            return self._listing(element, depth)
        if kind in TABLE_KINDS and element.cells:
            return self._table(element, captions, depth)
        if kind in PICTURE_KINDS:
            return self._figure(element, captions, depth)
        if kind == "code":
            return self._code(element, captions, depth)
        if kind == "formula":
            return self._formula(element, captions, depth)
        if kind == "key_value_region":
            return self._fields(element, depth)
        if kind in _BOXES:
            return self._box(element, depth)
        if kind in {"title", "section_header"}:
            return self._heading(element, depth)
        return self._paragraph(element, depth)

    def _heading(self, element: Element, depth: int) -> list[Block]:
        runs, rest = self._content(element, depth)
        level = 1 if element.kind == "title" else min(max(element.level or 1, 1) + 1, 6)
        runs = one_line(runs)
        return [Heading(runs, level, self._sources(element, plain(runs))), *rest] if runs else rest

    def _paragraph(self, element: Element, depth: int) -> list[Block]:
        runs, rest = self._content(element, depth)
        role = _ROLES.get(element.kind, "text")
        cells = self._table(replace(element, text="", children=()), (), depth) if element.cells else []
        first = [Paragraph(runs, role, self._sources(element, plain(runs)))] if runs else []
        return [*first, *cells, *rest]

    def _box(self, element: Element, depth: int) -> list[Block]:
        runs, rest = self._content(element, depth)
        sources = self._sources(element, plain(runs))
        item = Item(Marker("box", checked=_BOXES[element.kind]), runs, tuple(rest), sources)
        return [Listing(marked([item], ordered=False))]

    def _listing(self, element: Element, depth: int) -> list[Block]:
        items: list[Item] = []
        stray: list[Element] = []
        if element.text.strip():
            stray.append(Element("list_item", element.text, links=element.links))
        for child in [*stray, *element.children]:
            items.extend(self._item(child, depth + 1, items))
        ordered = element.kind == "ordered_list"
        if not items:
            return []
        shown = marked(items, ordered)
        counted = ordered and all(item.runs == before.runs for item, before in zip(shown, items, strict=True))
        return [Listing(shown, counted, self._sources(element, ""))]

    def _item(self, child: Element, depth: int, before: list[Item]) -> list[Item]:
        """The item that `child` makes; a list without words of its own belongs to the item before it."""
        if child.kind in {"list_item", "text", "inline"}:
            runs, rest = self._content(child, depth)
        elif child.kind in _BOXES:
            runs, rest = self._content(child, depth)
            sources = self._sources(child, plain(runs))
            return [Item(Marker("box", checked=_BOXES[child.kind]), runs, tuple(rest), sources)]
        else:
            runs, rest = (), self.blocks([child], depth)
        if not runs and before and rest and all(isinstance(block, Listing) for block in rest):
            before[-1] = replace(before[-1], blocks=(*before[-1].blocks, *rest))
            return []
        if not runs and not rest:
            return []
        return [Item(BULLET, runs, tuple(rest), self._sources(child, plain(runs)))]

    def _table(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        runs, rest = self._content(replace(element, children=_but_captions(element)), depth)
        first = [Paragraph(runs, "text", self._sources(element, plain(runs)))] if runs else []
        grid = grid_of(element.cells, lambda cell: self._cell(cell, depth))
        table = Table(
            grid,
            self._captions(captions),
            caption_first(element, captions, default=True),
            element.kind == "document_index",
            self._sources(element, ""),
        )
        return [*first, table, *rest]

    def _cell(self, cell: Cell, depth: int) -> tuple[Runs, tuple[Block, ...]]:
        runs, blocks = self._content(Element("text", cell.text, children=cell.children), depth)
        return one_line(runs), tuple(blocks)

    def _figure(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        others = tuple(child for child in _but_captions(element) if child.kind != "smiles")
        smiles = tuple(clean_line(child.text) for child in element.children if child.kind == "smiles")
        runs, rest = self._content(replace(element, children=others), depth)
        inside = [Paragraph(runs, "text", self._sources(element, plain(runs)))] if runs else []
        figure = Figure(
            self._files.get(id(element)),
            clean_line(element.label or "") or None,
            self._captions(captions),
            caption_first(element, captions, default=False),
            grid_of(element.cells, lambda cell: self._cell(cell, depth)) if element.cells else None,
            tuple(text for text in smiles if text),
            (*inside, *rest),
            self._sources(element, ""),
        )
        return [figure]

    def _code(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        text = clean_code(element.text)
        rest = self.blocks(_but_captions(element), depth + 1)
        shown = self._captions(captions)
        if not text:
            return [*shown, *rest]
        language = None if element.label in {None, "unknown"} else element.label
        sources = self._sources(element, text)
        return [Code(text, language, shown, caption_first(element, captions, default=False), sources), *rest]

    def _formula(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        latex = clean_code(element.text).strip()
        rest = self.blocks(_but_captions(element), depth + 1)
        sources = self._sources(element, latex)
        first = caption_first(element, captions, default=False)
        return [Formula(latex, self._captions(captions), first, sources), *rest]

    def _fields(self, element: Element, depth: int) -> list[Block]:
        region = fields_of(element, lambda part: one_line(tidy(flat_runs([part]))))
        pairs: list[Block] = [replace(region, sources=self._sources(element, ""))] if region.fields else []
        runs = tidy(own_runs(element))
        own = [Paragraph(runs, "text", self._sources(element, plain(runs)))] if runs else []
        kinds = [child.kind for child in element.children]
        start = next((index for index, kind in enumerate(kinds) if kind in PARTS), 0)
        others = [child for child in element.children[start:] if child.kind not in PARTS]
        before = self.blocks(element.children[:start], depth + 1)
        return [*own, *before, *pairs, *self.blocks(others, depth + 1)]

    def _captions(self, elements: tuple[Element, ...]) -> tuple[Paragraph, ...]:
        captions: list[Paragraph] = []
        for caption in elements:
            runs = self._mended(tidy(flat_runs([caption])))
            if runs:
                captions.append(Paragraph(runs, "caption", self._sources(caption, plain(runs))))
        return tuple(captions)

    def _content(self, element: Element, depth: int) -> tuple[Runs, list[Block]]:
        """An element's first paragraph, and the blocks that follow it."""
        runs = list(own_runs(element))
        rest = list(element.children)
        while rest and is_inline(rest[0]) and depth <= MAX_DEPTH:
            runs = glued(runs, inline_runs(rest.pop(0), depth + 1))
        return self._mended(tidy(runs)), self.blocks(rest, depth + 1)

    def _mended(self, runs: Runs) -> Runs:
        return tuple(replace(run, text=mend(run.text, self._known)) if run.kind == "text" else run for run in runs)

    def _sources(self, element: Element, text: str) -> tuple[Source, ...]:
        return (Source(self._page.number, element, 0, len(text)),)


def _but_captions(element: Element) -> tuple[Element, ...]:
    return tuple(child for child in element.children if child.kind != "caption")
