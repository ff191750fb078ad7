"""Blocks as one HTML5 page, built element by element.

Knows: blocks, lxml. Does not know: trees.
Law: nothing that a document says becomes markup, a script or an address other than http, https and mailto.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from lxml import etree

from converters.blocks import (
    Block,
    Code,
    Fields,
    Figure,
    Formula,
    Grid,
    Heading,
    Item,
    Listing,
    PageBreak,
    Paragraph,
    Part,
    Run,
    Runs,
    Slot,
    Source,
    Table,
    plain,
)
from converters.characters import clean_line
from converters.languages import fence_name
from converters.latex import dollar_safe
from converters.mathml import mathml
from converters.outline import outline
from converters.pictures import Picture, alt_text
from converters.stylesheet import STYLESHEET
from doctags.tree import Document, Element, Page

Mark = Callable[[etree._Element, Sequence[Element]], None]
"""Is told which node shows which elements of the page."""

CSS_PX_PER_INCH = 96

_CLASSES = {
    "footnote": "footnote",
    "page_header": "page-header",
    "page_footer": "page-footer",
    "reference": "reference",
    "handwritten_text": "handwritten",
    "caption": "caption",
}
# Nothing on the page needs a script, so none may run, whatever else went wrong.
_POLICY = "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'"


def to_html(
    document: Document | Page,
    *,
    title: str | None = None,
    pictures: Mapping[tuple[int, int], Picture] | None = None,
    furniture: bool = False,
) -> str:
    """The document as one HTML5 page.

    title      the page's title; by default the document's first heading
    pictures   (page number, n-th picture of the page) -> its file; others become a labelled box
    furniture  keep page headers and footers
    """
    blocks = outline(document, pictures=pictures, furniture=furniture)
    headings = (plain(block.runs) for block in blocks if isinstance(block, Heading))
    page = etree.Element("html")
    head = etree.SubElement(page, "head")
    etree.SubElement(head, "meta", charset="utf-8")
    etree.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY})
    etree.SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    etree.SubElement(head, "title").text = clean_line(title or "") or clean_line(next(headings, "")) or "Document"
    etree.SubElement(head, "style").text = STYLESHEET
    main = etree.SubElement(etree.SubElement(page, "body"), "main")
    _Writer().blocks(main, blocks)
    for block in main:
        block.tail = "\n"
    main.text = "\n"
    return _printed(page, doctype="<!DOCTYPE html>") + "\n"


def append_blocks(parent: etree._Element, blocks: Sequence[Block], mark: Mark) -> None:
    """Append blocks to an element of another page.

    `mark` is called with each node that stands for elements of the tree, inner nodes before those around them: a
    heading, a list and each of its items, a table and its caption, a pair of a form. Text that a column had torn
    apart is one node of several elements.
    """
    _Writer(mark=mark).blocks(parent, blocks)


def table_markup(grid: Grid) -> str:
    """A table for a place that knows no MathML and ends at an empty line: Markdown."""
    holder = etree.Element("div")
    _Writer(dollars=True).grid(holder, grid)
    table = holder[0]
    lines = ["<table>"]
    for row in table.iterfind("*/tr"):
        for header in row.iterfind("th"):
            del header.attrib["scope"]
        lines.append(_printed(row).replace("\n", "&#10;"))
    return "\n".join([*lines, "</table>"])


def _printed(element: etree._Element, doctype: str | None = None) -> str:
    return etree.tostring(element, encoding="unicode", method="html", doctype=doctype)


class _Writer:
    """Appends blocks to elements. With `dollars`, formulas stay LaTeX between dollar signs."""

    def __init__(self, *, dollars: bool = False, mark: Mark | None = None) -> None:
        self._dollars = dollars
        self._mark = mark

    def blocks(self, parent: etree._Element, blocks: Sequence[Block]) -> None:
        for block in blocks:
            before = len(parent) if self._mark else 0
            self._block(parent, block)
            if self._mark and not isinstance(block, PageBreak):
                for node in parent[before:]:
                    self._tell(node, block.sources)

    def _tell(self, node: etree._Element, sources: Sequence[Source | Part]) -> None:
        if self._mark and sources:
            self._mark(node, [source.element for source in sources])

    def _block(self, parent: etree._Element, block: Block) -> None:
        match block:
            case Heading():
                self._runs(etree.SubElement(parent, f"h{block.level}"), block.runs)
            case Paragraph():
                self._runs(_classed(parent, "p", _CLASSES.get(block.role)), block.runs)
            case Listing():
                self._listing(parent, block)
            case Table():
                self._table(parent, block)
            case Figure():
                self._figure(parent, block)
            case Code():
                self._captioned(parent, block)
            case Formula():
                self._captioned(parent, block)
            case Fields():
                self._fields(parent, block)
            case PageBreak():
                pass

    def _runs(self, parent: etree._Element, runs: Runs) -> None:
        direction = _direction(plain(runs))
        if direction:
            parent.set("dir", direction)
        for run in runs:
            if run.kind == "code":
                etree.SubElement(parent, "code").text = run.text
            elif run.kind == "formula":
                self._math(parent, run)
            elif run.href is not None:
                _say(etree.SubElement(parent, "a", href=run.href), run.text)
            else:
                _say(parent, run.text)

    def _math(self, parent: etree._Element, run: Run) -> None:
        if self._dollars:
            _say(parent, f"${dollar_safe(run.text)}$")
            return
        math = mathml(run.text, display=False)
        if math is None:
            etree.SubElement(parent, "code", {"class": "latex"}).text = run.text
        else:
            parent.append(math)

    def _listing(self, parent: etree._Element, listing: Listing) -> None:
        for style, group in groupby(listing.items, key=_style):
            items = list(group)
            if style == "numbered":
                self._numbered(parent, items)
                continue
            element = _classed(parent, "ul", None if style == "plain" else style)
            for item in items:
                self._item(etree.SubElement(element, "li"), item)

    def _numbered(self, parent: etree._Element, items: Sequence[Item]) -> None:
        element = etree.SubElement(parent, "ol")
        expected = items[0].marker.number or 0
        if expected != 1:
            element.set("start", str(expected))
        for item in items:
            entry = etree.SubElement(element, "li")
            if item.marker.number != expected:
                entry.set("value", str(item.marker.number))
            expected = (item.marker.number or 0) + 1
            self._item(entry, item)

    def _item(self, entry: etree._Element, item: Item) -> None:
        style = _style(item)
        if style == "boxes":
            label = etree.SubElement(entry, "label")
            box = etree.SubElement(label, "input", type="checkbox", disabled="disabled")
            if item.marker.checked:
                box.set("checked", "checked")
            self._runs(label, item.runs)
        else:
            if style == "labelled":
                marker = etree.SubElement(entry, "span", {"class": "marker"})
                marker.text, marker.tail = item.marker.text, " "
            self._runs(entry, item.runs)
        self.blocks(entry, item.blocks)
        self._tell(entry, item.sources)

    def _table(self, parent: etree._Element, block: Table) -> None:
        if not block.grid.slots:
            self.blocks(parent, block.captions)
            return
        table = self.grid(_classed(parent, "div", "table"), block.grid)
        if block.captions:
            caption = etree.Element("caption", {} if block.caption_first else {"class": "below"})
            self._caption(caption, block.captions)
            table.insert(0, caption)

    def _caption(self, parent: etree._Element, captions: Sequence[Paragraph]) -> None:
        for number, caption in enumerate(captions):
            if number:
                etree.SubElement(parent, "br")
            self._runs(parent, caption.runs)
        self._tell(parent, [source for caption in captions for source in caption.sources])

    def grid(self, parent: etree._Element, grid: Grid) -> etree._Element:
        table = etree.SubElement(parent, "table")
        head = etree.SubElement(table, "thead") if grid.header_rows else table
        body = etree.SubElement(table, "tbody") if grid.rows > grid.header_rows else table
        rows = [etree.SubElement(head if n < grid.header_rows else body, "tr") for n in range(grid.rows)]
        for slot in grid.slots:
            self._slot(rows[slot.row], slot, in_head=slot.row < grid.header_rows)
        return table

    def _slot(self, row: etree._Element, slot: Slot, *, in_head: bool) -> None:
        is_empty = not slot.runs and not slot.blocks
        scope = None if is_empty else _scope(slot, in_head=in_head)
        cell = etree.SubElement(row, "th" if scope else "td")
        if scope:
            cell.set("scope", scope)
        if slot.kind == "section":
            cell.set("class", "section")
        for name, span in (("colspan", slot.column_span), ("rowspan", slot.row_span)):
            if span > 1:
                cell.set(name, str(span))
        self._runs(cell, slot.runs)
        self.blocks(cell, slot.blocks)

    def _figure(self, parent: etree._Element, block: Figure) -> None:
        figure = etree.SubElement(parent, "figure")
        text = alt_text(block.label, [plain(caption.runs) for caption in block.captions])
        if block.picture is None:
            _classed(figure, "div", "picture").text = text if block.label else "Picture"
        else:
            scale = CSS_PX_PER_INCH / block.picture.dpi if block.picture.dpi > 0 else 1.0
            size = {"width": block.picture.width_px, "height": block.picture.height_px}
            image = etree.SubElement(figure, "img", src=block.picture.address, alt=text)
            for name, pixels in size.items():
                image.set(name, str(max(round(pixels * scale), 1)))
        for smiles in block.smiles:
            line = etree.SubElement(figure, "p")
            line.text = "SMILES: "
            etree.SubElement(line, "code").text = smiles
        if block.grid is not None and block.grid.slots:
            self.grid(_classed(figure, "div", "table"), block.grid)
        self.blocks(figure, block.blocks)
        self._figcaption(figure, block)

    def _figcaption(self, figure: etree._Element, block: Figure | Code | Formula) -> None:
        if block.captions:
            caption = etree.Element("figcaption")
            self._caption(caption, block.captions)
            figure.insert(0 if block.caption_first else len(figure), caption)

    def _captioned(self, parent: etree._Element, block: Code | Formula) -> None:
        holder = etree.SubElement(parent, "figure") if block.captions else parent
        if isinstance(block, Code):
            self._code(holder, block)
        else:
            self._formula(holder, block)
        if block.captions:
            self._figcaption(holder, block)

    def _code(self, parent: etree._Element, block: Code) -> None:
        name = fence_name(block.language)
        code = _classed(etree.SubElement(parent, "pre"), "code", f"language-{name}" if name else None)
        code.text = block.text

    def _formula(self, parent: etree._Element, block: Formula) -> None:
        holder = _classed(parent, "div", "formula")
        if self._dollars:
            holder.text = f"$${dollar_safe(block.latex)}$$"
            return
        math = mathml(block.latex, display=True)
        if math is not None:
            holder.append(math)
        elif block.latex:
            etree.SubElement(holder, "code", {"class": "latex"}).text = block.latex
        else:
            _classed(holder, "span", "picture").text = "Formula"

    def _fields(self, parent: etree._Element, block: Fields) -> None:
        for has_key, group in groupby(block.fields, key=lambda field: bool(field.key)):
            holder = etree.SubElement(parent, "dl") if has_key else parent
            for field in group:
                parts = [block.parts[place] for place in field.places]
                if not has_key:
                    for value, part in zip(field.values, parts, strict=True):
                        line = etree.SubElement(holder, "p")
                        self._runs(line, value)
                        self._tell(line, [part])
                    continue
                pair = etree.SubElement(holder, "div")
                self._tell(pair, parts)
                self._runs(etree.SubElement(pair, "dt"), field.key)
                for value in field.values or ((),):
                    self._runs(etree.SubElement(pair, "dd"), value)


def _classed(parent: etree._Element, tag: str, name: str | None) -> etree._Element:
    return etree.SubElement(parent, tag, {"class": name} if name else {})


def _say(parent: etree._Element, text: str) -> None:
    """Append text after whatever the element holds; a line end is a line break."""
    for number, line in enumerate(text.split("\n")):
        if number:
            etree.SubElement(parent, "br")
        if len(parent):
            parent[-1].tail = (parent[-1].tail or "") + line
        else:
            parent.text = (parent.text or "") + line


def _direction(text: str) -> str | None:
    """ "rtl" where the first letter with a direction is written from right to left."""
    for char in text:
        direction = unicodedata.bidirectional(char)
        if direction in {"R", "AL"}:
            return "rtl"
        if direction == "L":
            return None
    return None


def _style(item: Item) -> str:
    """How a list shows its markers: "plain", "numbered" (1. 2. 3.), "labelled" (as written) or "boxes"."""
    match item.marker.kind:
        case "number":
            return "numbered" if item.marker.text.endswith(".") else "labelled"
        case "label":
            return "labelled"
        case "box":
            return "boxes"
        case _:
            return "plain"


def _scope(slot: Slot, *, in_head: bool) -> str | None:
    """What a header cell is the header of."""
    if in_head or slot.kind == "column_header":
        return "colgroup" if slot.column_span > 1 else "col"
    if slot.kind == "row_header":
        return "rowgroup" if slot.row_span > 1 else "row"
    return "rowgroup" if slot.kind == "section" else None
