"""What of a document is scored: its blocks in reading order, and where things stand on its pages.

Knows: plain records. Does not know: file formats, scores.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from converters.markers import split_marker
from doctags.tree import Box, Cell

Kind = Literal["heading", "text", "item", "code", "formula", "table"]
SPOT_NAMES = {
    "otsl": "table",
    "document_index": "table",
    "chart": "picture",
    "paragraph": "text",
    "reference": "text",
    "handwritten_text": "text",
}
"""Classes of boxes that are one: which name a model takes is no matter of layout."""
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading, list item, table...

    text   its characters without markup; of a table its cells, a line for each row; "" of a formula that was not read
    level  headings only: 0 for a title, 1 and more below it; what counts is which heading is below which
    cells  tables only: each slot of the grid is covered by exactly one cell
    """

    kind: Kind
    text: str
    level: int = 0
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """Something that stands in a place of a page; `kind` is the DocTags name, "table" for "otsl"."""

    kind: str
    box: Box


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page, or a whole document of a format without pages (number 0).

    spots  None where the format says nothing of places
    """

    number: int
    blocks: tuple[Block, ...] = ()
    spots: tuple[Spot, ...] | None = None

    @property
    def text(self) -> str:
        """All that the page says, one block after the other."""
        return joined(self.blocks)


@dataclass(frozen=True, slots=True)
class Content:
    """One document.

    sheets  its pages in order; a single one numbered 0 where the format has no pages
    valid   DocTags only: whether nothing is wrong with them
    whole   the blocks of the document where those of its pages, one after the other, are not: a paragraph may go on
            behind a page break
    """

    sheets: tuple[Sheet, ...]
    valid: bool | None = None
    whole: tuple[Block, ...] | None = None

    @property
    def is_paged(self) -> bool:
        """Whether it is known what stands on which page."""
        return all(sheet.number > 0 for sheet in self.sheets)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of all pages."""
        if self.whole is not None:
            return self.whole
        return tuple(block for sheet in self.sheets for block in sheet.blocks)


def joined(blocks: Iterable[Block]) -> str:
    """The text of blocks, a line break between two."""
    return "\n".join(block.text for block in blocks if block.text)


def tidy(text: str) -> str:
    """NFC, and one blank for any white space: what no metric looks at."""
    return _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def item(text: str) -> Block:
    """A list item without the sign that only says that it is one: a bullet, a tick box, a number.

    Formats differ in whether it is text: Markdown has its own for them, and a PDF's bullet may be any glyph.
    """
    marker, rest = split_marker(text.strip())
    return Block("item", rest if marker is not None and marker.kind != "label" else text.strip())


def table(cells: Iterable[Cell]) -> Block:
    """A table of these cells; places that none covers are no cells."""
    placed = tuple(sorted(cells, key=lambda cell: (cell.row, cell.column)))
    rows: dict[int, list[str]] = {}
    for cell in placed:
        rows.setdefault(cell.row, []).append(cell.text)
    return Block("table", "\n".join(" ".join(filter(None, row)) for row in rows.values()), cells=placed)
