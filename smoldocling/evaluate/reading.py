"""A file to what is scored of it, whatever its format.

Knows: suffixes, DocTags, DoclingDocument. Does not know: which file belongs to which, scores. Page headers and footers
are left out of the text: they stand nowhere in the reading order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

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
from doctags.tree import Cell, Element
from smoldocling.errors import UnusableInput
from smoldocling.evaluate.content import SPOT_NAMES, Block, Content, Kind, Sheet, Spot, table
from smoldocling.evaluate.markup import html_blocks, markdown_blocks

# What has no place of its own but holds what has.
_HOLDERS = frozenset({"ordered_list", "unordered_list", "inline", "key_value_region"})


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
    from smoldocling.evaluate.exported import docling_content

    return docling_content(text, path)


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
            yield Block("formula", block.latex)
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
            yield from (Spot(SPOT_NAMES.get(element.kind, element.kind), box) for box in element.boxes)
