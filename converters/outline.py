"""The choices that all formats share: heading depth, list nesting and markers, caption owners, what is one paragraph.

Knows: doctags.tree. Does not know: how a block is spelt in Markdown, HTML, text or JSON.
Law: no character of the tree's prose is lost, whatever its shape; running heads go only if nobody asked for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

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
    Run,
    Runs,
    Source,
    Table,
    plain,
)
from converters.characters import clean, clean_code, clean_line, compounds, mend
from converters.fields import PARTS, fields_of
from converters.flow import flow
from converters.grid import grid_of
from converters.markers import BULLET, Marker, believable, split_marker
from converters.pictures import PICTURE_KINDS, Picture, picture_elements
from doctags.tree import Cell, Document, Element, Page

LINK_SCHEMES = frozenset({"http", "https", "mailto"})
# Readers of HTML give up at 255 nested elements, Python at 1000 frames; no page is a tenth as deep.
MAX_DEPTH = 20

_FURNITURE = frozenset({"page_header", "page_footer"})
_LISTS = frozenset({"ordered_list", "unordered_list"})
_TABLES = frozenset({"otsl", "table", "document_index"})
_BOXES = {"checkbox_selected": True, "checkbox_unselected": False}
_INLINE = frozenset({"inline", "text", "code", "formula"})
# What may own a caption, and how the captions of its kind begin.
_OWNERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(_TABLES, frozenset({"tab"})),
    **dict.fromkeys(PICTURE_KINDS, frozenset({"fig", "cha", "pla", "abb", "sch"})),
    "code": frozenset({"lis", "alg", "cod"}),
}
# "Table 2: ..." is a caption whatever the model called it; "Table 2 shows" is not.
_NUMBERED_CAPTION = re.compile(r"\s*(?:Tab(?:le|\.)|Fig(?:ure|\.)|Listing|Chart)\s*[0-9]+\s*[.:]\s", re.IGNORECASE)
_ROLES: dict[str, Role] = {
    "caption": "caption",
    "footnote": "footnote",
    "page_header": "page_header",
    "page_footer": "page_footer",
    "reference": "reference",
    "handwritten_text": "handwritten_text",
}
# Closing punctuation needs no space before it, opening punctuation none after it, and a space no other.
_CLOSING, _OPENING = frozenset(" \n,.;:!?)]}»”’%"), frozenset(" \n([{«“‘")


def outline(
    document: Document | Page,
    *,
    pictures: Mapping[tuple[int, int], Picture] | None = None,
    furniture: bool = False,
) -> tuple[Block, ...]:
    """The blocks of a document in reading order; a PageBreak stands between two pages."""
    pages = document.pages if isinstance(document, Document) else (document,)
    known = compounds(element.text for page in pages for element in _descendants(page.elements))
    blocks: list[Block] = []
    for index, page in enumerate(pages):
        if index:
            blocks.append(PageBreak(page.number))
        shown = page.elements if furniture else tuple(e for e in page.elements if e.kind not in _FURNITURE)
        blocks.extend(_Reader(page, pictures or {}, known).blocks(shown))
    return flow(blocks, known)


def _descendants(elements: Sequence[Element]) -> Iterator[Element]:
    waiting = list(reversed(elements))
    while waiting:
        element = waiting.pop()
        yield element
        inner = [child for cell in element.cells for child in cell.children]
        waiting.extend(reversed([*inner, *element.children]))


def safe_href(uri: str) -> str | None:
    """The address if it is one that a reader may be sent to, else None."""
    address = clean_line(uri).replace(" ", "%20")
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in LINK_SCHEMES or not (parts.netloc or (parts.scheme == "mailto" and parts.path)):
        return None
    return address


def tidy(runs: Iterable[Run]) -> Runs:
    """Runs of one paragraph: clean, joined where they are alike, without space at the edges or twice in a row."""
    tidied: list[Run] = []
    for run in runs:
        text = clean(run.text) if run.kind == "text" else run.text
        if run.kind == "text" and (not tidied or tidied[-1].text[-1] in " \n"):
            text = text.lstrip(" \n")
        if not text:
            continue
        if tidied and run.kind == "text" == tidied[-1].kind and run.href == tidied[-1].href:
            tidied[-1] = replace(run, text=tidied[-1].text + text)
        else:
            tidied.append(replace(run, text=text))
    while tidied and tidied[-1].kind == "text" and not (text := tidied[-1].text.rstrip(" \n")):
        tidied.pop()
    if tidied and tidied[-1].kind == "text":
        tidied[-1] = replace(tidied[-1], text=tidied[-1].text.rstrip(" \n"))
    return tuple(tidied)


def _one_line(runs: Runs) -> Runs:
    return tuple(replace(run, text=run.text.replace("\n", " ")) for run in runs)


def _glued(left: list[Run], right: list[Run]) -> list[Run]:
    """Two neighbours of an inline group, with the space that the tags between them swallowed."""
    if not left or not right:
        return left + right
    before = left[-1].text[-1:] if left[-1].kind == "text" else ""
    after = right[0].text[:1] if right[0].kind == "text" else ""
    if before in _OPENING or after in _CLOSING:
        return left + right
    return [*left, Run(" "), *right]


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
            runs = tidy(self._flat(elements))
            return [Paragraph(runs, "text", ())] if runs else []
        found: list[Block] = []
        for element, lent in _with_captions(elements):
            found.extend(self._block(element, (*element.captions, *lent), depth))
        return found

    def _block(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        kind = element.kind
        if kind in _LISTS:
            return self._listing(element, depth)
        if kind in _TABLES and element.cells:
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
        runs = _one_line(runs)
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
        return [Listing(_marked([item], ordered=False))]

    def _listing(self, element: Element, depth: int) -> list[Block]:
        items: list[Item] = []
        stray: list[Element] = []
        if element.text.strip():
            stray.append(Element("list_item", element.text, links=element.links))
        for child in [*stray, *element.children]:
            items.extend(self._item(child, depth + 1, items))
        ordered = element.kind == "ordered_list"
        return [Listing(_marked(items, ordered), ordered, self._sources(element, ""))] if items else []

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
            _caption_first(element, captions, default=True),
            element.kind == "document_index",
            self._sources(element, ""),
        )
        return [*first, table, *rest]

    def _cell(self, cell: Cell, depth: int) -> tuple[Runs, tuple[Block, ...]]:
        runs, blocks = self._content(Element("text", cell.text, children=cell.children), depth)
        return _one_line(runs), tuple(blocks)

    def _figure(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        others = tuple(child for child in _but_captions(element) if child.kind != "smiles")
        smiles = tuple(clean_line(child.text) for child in element.children if child.kind == "smiles")
        runs, rest = self._content(replace(element, children=others), depth)
        inside = [Paragraph(runs, "text", self._sources(element, plain(runs)))] if runs else []
        figure = Figure(
            self._files.get(id(element)),
            clean_line(element.label or "") or None,
            self._captions(captions),
            _caption_first(element, captions, default=False),
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
        return [Code(text, language, shown, _caption_first(element, captions, default=False), sources), *rest]

    def _formula(self, element: Element, captions: tuple[Element, ...], depth: int) -> list[Block]:
        latex = clean_code(element.text).strip()
        rest = self.blocks(_but_captions(element), depth + 1)
        sources = self._sources(element, latex)
        first = _caption_first(element, captions, default=False)
        return [Formula(latex, self._captions(captions), first, sources), *rest]

    def _fields(self, element: Element, depth: int) -> list[Block]:
        region = fields_of(element, lambda part: _one_line(tidy(self._flat([part]))))
        pairs: list[Block] = [replace(region, sources=self._sources(element, ""))] if region.fields else []
        runs = tidy(self._own(element))
        own = [Paragraph(runs, "text", self._sources(element, plain(runs)))] if runs else []
        kinds = [child.kind for child in element.children]
        start = next((index for index, kind in enumerate(kinds) if kind in PARTS), 0)
        others = [child for child in element.children[start:] if child.kind not in PARTS]
        before = self.blocks(element.children[:start], depth + 1)
        return [*own, *before, *pairs, *self.blocks(others, depth + 1)]

    def _captions(self, elements: tuple[Element, ...]) -> tuple[Paragraph, ...]:
        captions: list[Paragraph] = []
        for caption in elements:
            runs = self._mended(tidy(self._flat([caption])))
            if runs:
                captions.append(Paragraph(runs, "caption", self._sources(caption, plain(runs))))
        return tuple(captions)

    def _content(self, element: Element, depth: int) -> tuple[Runs, list[Block]]:
        """An element's first paragraph, and the blocks that follow it."""
        runs = list(self._own(element))
        rest = list(element.children)
        while rest and _is_inline(rest[0]) and depth <= MAX_DEPTH:
            runs = _glued(runs, self._inline(rest.pop(0), depth + 1))
        return self._mended(tidy(runs)), self.blocks(rest, depth + 1)

    def _inline(self, element: Element, depth: int) -> list[Run]:
        if element.kind == "formula":
            latex = clean_line(element.text)
            return [Run(latex, "formula")] if latex else []
        if element.kind == "code":
            code = clean_line(element.text)
            return [Run(code, "code", label=element.label)] if code else []
        runs = list(self._own(element))
        if depth > MAX_DEPTH:
            return _glued(runs, list(self._flat(element.children)))
        for child in element.children:
            runs = _glued(runs, self._inline(child, depth + 1))
        return runs

    def _own(self, element: Element) -> Iterator[Run]:
        """The element's own characters, cut where links begin and end."""
        text, done = element.text, 0
        for link in sorted(element.links, key=lambda link: (link.start, link.end)):
            start, end = max(link.start, done), min(link.end, len(text))
            href = safe_href(link.uri)
            if href is None or start >= end or not text[start:end].strip():
                continue
            yield Run(text[done:start])
            yield Run(text[start:end], href=href)
            done = end
        yield Run(text[done:])

    def _flat(self, elements: Sequence[Element]) -> Iterator[Run]:
        """All that elements say, at any depth, as one paragraph."""
        for element in _descendants(elements):
            if element.kind in {"formula", "code"}:
                yield from self._inline(replace(element, children=()), 0)
            else:
                yield from self._own(element)
            yield from (Run(f" {cell.text}") for cell in element.cells)
            yield Run(" ")

    def _mended(self, runs: Runs) -> Runs:
        return tuple(replace(run, text=mend(run.text, self._known)) if run.kind == "text" else run for run in runs)

    def _sources(self, element: Element, text: str) -> tuple[Source, ...]:
        return (Source(self._page.number, element, 0, len(text)),)


def _is_inline(element: Element) -> bool:
    """Whether an element runs on in its parent's paragraph. A place of its own or a line break makes it a block."""
    return all(_runs_on(part) for part in _descendants([element]))


def _runs_on(element: Element) -> bool:
    if element.kind not in _INLINE or element.cells or (element.boxes and element.kind != "inline"):
        return False
    return element.kind not in {"code", "formula"} or not (element.children or "\n" in element.text.strip())


def _but_captions(element: Element) -> tuple[Element, ...]:
    return tuple(child for child in element.children if child.kind != "caption")


def _caption_first(element: Element, captions: tuple[Element, ...], *, default: bool) -> bool:
    """Whether the caption stands above its owner on the page."""
    caption = captions[0].box if captions else None
    if caption is None or element.box is None or caption == element.box:
        return default
    return caption.y0 < element.box.y0


def _is_caption(element: Element) -> bool:
    return element.kind == "caption" or (element.kind == "text" and _NUMBERED_CAPTION.match(element.text) is not None)


def _with_captions(elements: Sequence[Element]) -> list[tuple[Element, tuple[Element, ...]]]:
    """Elements, each with the captions beside it that have no owner."""
    lent: dict[int, list[Element]] = {}
    given: set[int] = set()
    for index, element in enumerate(elements):
        beside = [place for place in (index - 1, index + 1) if 0 <= place < len(elements)]
        takers = [place for place in beside if elements[place].kind in _OWNERS and not elements[place].captions]
        if not takers or not _is_caption(element):
            continue
        word = element.text.strip()[:3].lower()
        owner = next((place for place in takers if word in _OWNERS[elements[place].kind]), takers[0])
        lent.setdefault(owner, []).append(element)
        given.add(index)
    return [(e, tuple(lent.get(index, ()))) for index, e in enumerate(elements) if index not in given]


def _marked(items: Sequence[Item], ordered: bool) -> tuple[Item, ...]:
    """Items with the marker from their own text, or the next number in an ordered list; never both."""
    split = [split_marker(item.runs[0].text) if _is_prose(item) else (None, "") for item in items]
    own = believable([marker for marker, _ in split])
    marked: list[Item] = []
    number = 0
    for item, (marker, rest), is_own in zip(items, split, own, strict=True):
        marked.append(_with_marker(item, marker if is_own else None, rest, number + 1 if ordered else None))
        number = marked[-1].marker.number or number
    return tuple(marked)


def _with_marker(item: Item, own: Marker | None, rest: str, number: int | None) -> Item:
    if own is None:
        counted = number is not None and item.marker.kind == "bullet"
        return replace(item, marker=Marker("number", f"{number}.", number)) if counted else item
    runs = tidy([replace(item.runs[0], text=rest), *item.runs[1:]])
    if item.marker.kind != "box":
        return replace(item, marker=own, runs=runs)
    # A tick box is the marker already: another picture of it goes, a number is text.
    return replace(item, runs=runs) if own.kind in {"box", "bullet"} else item


def _is_prose(item: Item) -> bool:
    return bool(item.runs) and item.runs[0].kind == "text"
