"""A file to what is scored of it, whatever its format.

Knows: suffixes, DocTags, DoclingDocument. Does not know: which file belongs to which, scores. Page headers and footers
are left out of the text: they stand nowhere in the reading order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import doctags
from converters.blocks import (
    Block as Shown,
)
from converters.blocks import (
    Code,
    Fields,
    Figure,
    Formula,
    Grid,
    Heading,
    Item,
    Listing,
    Paragraph,
    Run,
    Runs,
    Slot,
    Table,
    plain,
)
from converters.outline import outline
from doctags.tree import GRID, Box, Cell, Element
from smoldocling.errors import UnusableInput
from smoldocling.evaluate.content import Block, Content, Kind, Sheet, Spot, table
from smoldocling.evaluate.content import item as listed
from smoldocling.evaluate.markup import html_blocks, markdown_blocks

if TYPE_CHECKING:
    from docling_core.types.doc.document import DocItem, DoclingDocument, NodeItem

# What has no place of its own but holds what has.
_HOLDERS = frozenset({"ordered_list", "unordered_list", "inline", "key_value_region"})
_SPOT_NAMES = {
    "otsl": "table",
    "document_index": "table",
    "chart": "picture",
    "paragraph": "text",
    "reference": "text",
    "handwritten_text": "text",
}


def read(path: Path) -> Content:
    """Raises UnusableInput where a file cannot be read at all; what a model wrote is read, whatever it is."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise UnusableInput(f"{path}: not a text file: byte {error.start} is no UTF-8") from error
    return READERS[suffix(path)](text, path)


def suffix(path: Path) -> str:
    """The suffix that says what a file is."""
    return path.suffix.lower()


def doctags_content(text: str, _: Path | None = None) -> Content:
    """What DocTags say, page by page."""
    tree = doctags.parse(text)
    sheets = tuple(
        Sheet(number, tuple(_shown(outline(page))), tuple(_spots(page.elements)))
        for number, page in enumerate(tree.pages, 1)
    )
    valid = bool(text.strip()) and not any(problem.severity == "error" for problem in doctags.validate(text))
    return Content(sheets, valid, tuple(_shown(outline(tree))))


def _markdown(text: str, _: Path) -> Content:
    return Content((Sheet(0, markdown_blocks(text)),))


def _html(text: str, _: Path) -> Content:
    return Content((Sheet(0, tuple(html_blocks(text))),))


def _json(text: str, path: Path) -> Content:
    from docling_core.types.doc.document import DoclingDocument

    try:
        document = DoclingDocument.model_validate_json(text)
    except ValueError as error:
        what = str(error).split("\n", 1)[0]
        raise UnusableInput(f"{path}: no DoclingDocument: {what}; JSON is taken as docling exports it") from error
    return _docling(document)


READERS: dict[str, Callable[[str, Path], Content]] = {
    ".dt": doctags_content,
    ".doctags": doctags_content,
    ".json": _json,
    ".html": _html,
    ".htm": _html,
    ".md": _markdown,
    ".markdown": _markdown,
}
"""Suffix -> how it is read; those that say more come first."""
PAGED = frozenset({".dt", ".doctags", ".json"})
"""Suffixes of formats that know what stands on which page."""


def _shown(blocks: Iterable[Shown]) -> Iterator[Block]:
    """What a reader of Markdown or HTML is shown, without the markup."""
    for block in blocks:
        match block:
            case Heading():
                yield from _block("heading", block.runs, block.level - 1)
            case Paragraph():
                yield from _block("text", block.runs)
            case Listing():
                for item in block.items:
                    yield from _item(item)
            case Table() | Figure() | Code() | Formula():
                yield from _captioned(block)
            case Fields():
                for field in block.fields:
                    text = f"{plain(field.key)} {', '.join(map(plain, field.values))}".strip()
                    yield from _block("item", (Run(text),) if text else ())


def _block(kind: Kind, runs: Runs, level: int = 0) -> list[Block]:
    text = plain(runs).strip()
    return [Block(kind, text, level)] if text else []


def _item(item: Item) -> Iterator[Block]:
    label = (Run(item.marker.text + " "),) if item.marker.kind == "label" else ()
    yield from _block("item", (*label, *item.runs))
    yield from _shown(item.blocks)


def _captioned(block: Table | Figure | Code | Formula) -> Iterator[Block]:
    captions = [found for caption in block.captions for found in _block("text", caption.runs)]
    if block.caption_first:
        yield from captions
    match block:
        case Table():
            yield _grid(block.grid)
        case Figure():
            yield from ([_grid(block.grid)] if block.grid and block.grid.slots else [])
            yield from _shown(block.blocks)
        case Code():
            yield Block("code", block.text)
        case Formula():
            yield from _block("formula", (Run(block.latex),) if block.latex else ())
    if not block.caption_first:
        yield from captions


def _grid(grid: Grid) -> Block:
    return table(
        Cell(slot.row, slot.column, _slot(slot), slot.row_span, slot.column_span, slot.kind) for slot in grid.slots
    )


def _slot(slot: Slot) -> str:
    return " ".join(filter(None, (plain(slot.runs).strip(), *(block.text for block in _shown(slot.blocks)))))


def _spots(elements: Iterable[Element]) -> Iterator[Spot]:
    waiting = [*elements][::-1]
    while waiting:
        element = waiting.pop()
        waiting.extend(reversed(element.children))
        if element.kind not in _HOLDERS:
            yield from (Spot(_SPOT_NAMES.get(element.kind, element.kind), box) for box in element.boxes)


def _docling(document: DoclingDocument) -> Content:
    """What a DoclingDocument says, on the pages that it says it on; without pages, as one."""
    from docling_core.types.doc.document import ContentLayer, DocItem, InlineGroup

    numbers = sorted({int(number) for number in document.pages})
    said: dict[int, list[Block]] = {number: [] for number in numbers or [0]}
    spots: dict[int, list[Spot]] = {number: [] for number in numbers}
    page = next(iter(said))
    layers = {ContentLayer.BODY, ContentLayer.FURNITURE}
    inline: tuple[int, list[Block]] | None = None
    for item, level in document.iterate_items(with_groups=True, included_content_layers=layers):
        if inline is not None and level <= inline[0]:
            said[page] += _one(inline[1])
            inline = None
        if not isinstance(item, DocItem):
            if isinstance(item, InlineGroup):
                inline = (level, [])
            continue
        for place in item.prov:
            if place.page_no in spots:
                spots[place.page_no].append(_spot(item, place, document))
        if item.prov and item.prov[0].page_no in said:
            page = item.prov[0].page_no
        if item.content_layer == ContentLayer.BODY:
            blocks = _docling_blocks(item)
            (said[page] if inline is None else inline[1]).extend(blocks)
    if inline is not None:
        said[page] += _one(inline[1])
    return Content(
        tuple(
            Sheet(number, tuple(blocks), tuple(spots[number]) if number in spots else None)
            for number, blocks in said.items()
        )
    )


def _one(blocks: list[Block]) -> list[Block]:
    """An inline group is one paragraph."""
    return [Block("text", " ".join(block.text for block in blocks))] if blocks else []


def _docling_blocks(item: NodeItem) -> list[Block]:
    from docling_core.types.doc.document import (
        CodeItem,
        FormItem,
        FormulaItem,
        KeyValueItem,
        ListItem,
        SectionHeaderItem,
        TableItem,
        TextItem,
        TitleItem,
    )

    match item:
        case TitleItem():
            return [Block("heading", item.text)]
        case SectionHeaderItem():
            return [Block("heading", item.text, item.level)]
        case ListItem():
            return [listed(item.text)]
        case CodeItem():
            return [Block("code", item.text)]
        case FormulaItem():
            return [Block("formula", item.text)] if item.text else []
        case TextItem():
            return [Block("text", item.text)] if item.text else []
        case TableItem():
            return [
                table(
                    Cell(cell.start_row_offset_idx, cell.start_col_offset_idx, cell.text, cell.row_span, cell.col_span)
                    for cell in item.data.table_cells
                )
            ]
        case KeyValueItem() | FormItem():
            return [Block("text", cell.text) for cell in item.graph.cells if cell.text]
    return []


def _spot(item: DocItem, place: object, document: DoclingDocument) -> Spot:
    """On the 500 grid, from whatever origin."""
    page = document.pages[place.page_no]  # type: ignore[attr-defined]
    box = place.bbox.to_top_left_origin(page_height=page.size.height)  # type: ignore[attr-defined]
    across, down = GRID / max(page.size.width, 1e-9), GRID / max(page.size.height, 1e-9)
    name = str(getattr(item.label, "value", item.label))
    return Spot(
        _SPOT_NAMES.get(name, name),
        Box(round(box.l * across), round(box.t * down), round(box.r * across), round(box.b * down)),
    )
