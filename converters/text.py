"""Blocks as plain text in reading order.

Knows: blocks. Does not know: trees. A table row is a line, its cells are set apart by tabs.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    Runs,
    Slot,
    Table,
)
from converters.latex import bare
from converters.outline import outline
from doctags.tree import Document, Page


def to_text(document: Document | Page, *, furniture: bool = False) -> str:
    """The document's words, ending in a newline unless it has none; `furniture` keeps page headers and footers."""
    text = _stacked(outline(document, furniture=furniture))
    return text + "\n" if text else ""


def _stacked(blocks: Sequence[Block]) -> str:
    return "\n\n".join(text for block in blocks if (text := _block(block)))


def _block(block: Block) -> str:
    match block:
        case Heading() | Paragraph():
            return _line(block.runs)
        case Listing():
            return "\n".join(_item(item) for item in block.items)
        case Table():
            return _captioned(block, _grid(block.grid))
        case Figure():
            grid = _grid(block.grid) if block.grid else ""
            return _captioned(block, *block.smiles, grid, _stacked(block.blocks))
        case Code():
            return _captioned(block, block.text)
        case Formula():
            return _captioned(block, bare(block.latex))
        case Fields():
            return "\n".join(_field(field.key, field.values) for field in block.fields)
        case PageBreak():
            return ""


def _line(runs: Runs) -> str:
    """Words as they are; a link's address follows its text unless it is its text."""
    return "".join(run.text if run.href in {None, run.text} else f"{run.text} <{run.href}>" for run in runs)


def _item(item: Item) -> str:
    if item.marker.kind == "box":
        lead = "[x] " if item.marker.checked else "[ ] "
    else:
        lead = f"{item.marker.text} " if item.marker.text else "- "
    rest = _stacked(item.blocks)
    text = "\n".join(part for part in (_line(item.runs), rest) if part)
    first, *others = text.split("\n")
    return "\n".join([(lead + first).rstrip(), *(" " * len(lead) + line if line else "" for line in others)])


def _captioned(block: Table | Figure | Code | Formula, *parts: str) -> str:
    captions = [_line(caption.runs) for caption in block.captions]
    body = [part for part in parts if part]
    return "\n\n".join([*captions, *body] if block.caption_first else [*body, *captions])


def _grid(grid: Grid) -> str:
    """Tab-separated fields; the places that a spanning cell covers are empty, so that columns stay columns."""
    rows = [[""] * grid.columns for _ in range(grid.rows)]
    for slot in grid.slots:
        rows[slot.row][slot.column] = slot_text(slot)
    return "\n".join("\t".join(cells).rstrip("\t") for cells in rows)


def slot_text(slot: Slot) -> str:
    """What a cell says, on one line."""
    return " ".join(" ".join([_line(slot.runs), _stacked(slot.blocks)]).split())


def _field(key: Runs, values: Sequence[Runs]) -> str:
    return " ".join(part for part in (_line(key), ", ".join(map(_line, values))) if part)
