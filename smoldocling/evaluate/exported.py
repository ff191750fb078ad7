"""DoclingDocument JSON to what is scored of it.

Knows: docling-core. Does not know: other formats, scores.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docling_core.types.doc.document import (
    CodeItem,
    ContentLayer,
    DocItem,
    DoclingDocument,
    FloatingItem,
    FormItem,
    FormulaItem,
    InlineGroup,
    KeyValueItem,
    ListItem,
    NodeItem,
    ProvenanceItem,
    SectionHeaderItem,
    TableItem,
    TextItem,
    TitleItem,
)

from doctags.tree import GRID, Box, Cell
from smoldocling.errors import UnusableInput
from smoldocling.evaluate.content import SPOT_NAMES, Block, Content, Sheet, Spot, item, table

_LAYERS = {ContentLayer.BODY, ContentLayer.FURNITURE}


def docling_content(text: str, path: Path) -> Content:
    """What a DoclingDocument says, page by page; without pages, as one. Raises UnusableInput where it is none."""
    try:
        document = DoclingDocument.model_validate_json(text)
    except ValueError as error:
        what = " ".join(str(error).split())[:120]
        raise UnusableInput(f"{path}: no DoclingDocument: {what}; JSON is taken as docling exports it") from error
    reader = _Reader(document)
    reader.go_through()
    return reader.content()


class _Reader:
    """One document on its way to blocks: the page it has come to, and the inline group that is open."""

    def __init__(self, document: DoclingDocument) -> None:
        self._document = document
        numbers = sorted({int(number) for number in document.pages})
        self._said: dict[int, list[Block]] = {number: [] for number in numbers or [0]}
        self._spots: dict[int, list[Spot]] = {number: [] for number in numbers}
        self._page = next(iter(self._said))
        self._inline: tuple[int, list[str]] | None = None
        # captions are said with what they belong to
        self._owned: set[str] = set()

    def content(self) -> Content:
        """What was found."""
        return Content(
            tuple(
                Sheet(number, tuple(blocks), tuple(self._spots[number]) if number in self._spots else None)
                for number, blocks in self._said.items()
            )
        )

    def go_through(self) -> None:
        """Everything in reading order; page headers and footers have places, but say nothing."""
        for node, level in self._document.iterate_items(with_groups=True, included_content_layers=_LAYERS):
            if self._inline is not None and level <= self._inline[0]:
                self._close()
            if isinstance(node, InlineGroup):
                self._inline = (level, [])
            if not isinstance(node, DocItem):
                continue
            self._place(node)
            if node.content_layer == ContentLayer.BODY and node.self_ref not in self._owned:
                self._say(node)
        self._close()

    def _place(self, node: DocItem) -> None:
        pages = [place.page_no for place in node.prov if place.page_no in self._spots]
        for place in node.prov:
            if place.page_no in self._spots:
                self._spots[place.page_no].append(self._spot(node, place))
        if pages:
            self._page = pages[0]

    def _say(self, node: DocItem) -> None:
        captions = self._captions(node) if isinstance(node, FloatingItem) else []
        blocks = [block for block in _blocks(node) if block.text or block.cells or block.kind == "formula"]
        said = [Block("text", caption.text) for caption in captions if caption.text]
        both = [*said, *blocks] if _above(captions, node) else [*blocks, *said]
        if self._inline is not None:
            self._inline[1].extend(block.text for block in both)
        else:
            self._said[self._page] += both

    def _captions(self, node: FloatingItem) -> list[TextItem]:
        self._owned.update(ref.cref for ref in node.captions)
        found = [ref.resolve(self._document) for ref in node.captions]
        return [caption for caption in found if isinstance(caption, TextItem)]

    def _close(self) -> None:
        """An inline group is one paragraph."""
        if self._inline is not None and self._inline[1]:
            self._said[self._page].append(Block("text", " ".join(self._inline[1])))
        self._inline = None

    def _spot(self, node: DocItem, place: ProvenanceItem) -> Spot:
        """On the 500 grid, from whatever origin."""
        size = self._document.pages[place.page_no].size
        box = place.bbox.to_top_left_origin(page_height=size.height)
        across, down = GRID / max(size.width, 1e-9), GRID / max(size.height, 1e-9)
        name = str(node.label.value)
        grid = Box(round(box.l * across), round(box.t * down), round(box.r * across), round(box.b * down))
        return Spot(SPOT_NAMES.get(name, name), grid)


def _above(captions: list[TextItem], node: DocItem) -> bool:
    """Whether captions stand above what they belong to; of tables they do where nobody knows."""
    if not captions or not captions[0].prov or not node.prov:
        return isinstance(node, TableItem)
    caption, owner = captions[0].prov[0].bbox, node.prov[0].bbox
    return caption.t < owner.t if str(caption.coord_origin.value) == "TOPLEFT" else caption.t > owner.t


def _blocks(node: NodeItem) -> list[Block]:
    """An item, whatever it is. More than one class fits some: the narrower come first."""
    match node:
        case TitleItem():
            return [Block("heading", node.text)]
        case SectionHeaderItem():
            return [Block("heading", node.text, node.level)]
        case ListItem():
            return [item(f"{node.marker or ''} {node.text}")]
        case CodeItem():
            return [Block("code", node.text)]
        case FormulaItem():
            return [Block("formula", node.text)]
        case TextItem():
            return [Block("text", node.text)]
        case TableItem():
            return [table(_cells(node))]
        case KeyValueItem() | FormItem():
            # a cell that refers to an item of the document is said there
            return [Block("text", cell.text) for cell in node.graph.cells if cell.item_ref is None]
    return []


def _cells(node: TableItem) -> Iterator[Cell]:
    for cell in node.data.table_cells:
        yield Cell(cell.start_row_offset_idx, cell.start_col_offset_idx, cell.text, cell.row_span, cell.col_span)
