"""What a document consists of once every choice that formats share is made.

Knows: doctags.tree. Does not know: how a block is spelt in Markdown, HTML, text or JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from converters.markers import Marker
from converters.pictures import Picture
from doctags.tree import Box, CellKind, Element

RunKind = Literal["text", "code", "formula"]
Role = Literal["text", "caption", "footnote", "page_header", "page_footer", "reference", "handwritten_text"]


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one paragraph: prose (perhaps a link), inline code or an inline formula. Never empty."""

    text: str
    kind: RunKind = "text"
    href: str | None = None
    label: str | None = None


Runs: TypeAlias = tuple[Run, ...]


def plain(runs: Runs) -> str:
    """The characters of the runs, without their markup."""
    return "".join(run.text for run in runs)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a block comes from: an element of a page, and the part of the block's text that stands there."""

    page: int
    element: Element
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Heading:
    """A title (level 1) or a section header (level 2 to 6)."""

    runs: Runs
    level: int
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Prose; `role` says what it is on the page."""

    runs: Runs
    role: Role = "text"
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A list item: its marker, its first paragraph, and what else it holds."""

    marker: Marker
    runs: Runs
    blocks: tuple[Block, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list. Items decide for themselves how they are marked; `counted` says that no number is the source's own."""

    items: tuple[Item, ...]
    counted: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Slot:
    """A cell of a grid: each place of the grid is covered by exactly one slot."""

    row: int
    column: int
    row_span: int
    column_span: int
    kind: CellKind
    runs: Runs = ()
    blocks: tuple[Block, ...] = ()
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangular grid, row-major. `header_rows` counts the rows at its top that name its columns."""

    slots: tuple[Slot, ...]
    rows: int
    columns: int
    header_rows: int

    @property
    def is_plain(self) -> bool:
        """Whether no slot is merged and none holds more than a line of text."""
        return all(slot.row_span == slot.column_span == 1 and not slot.blocks for slot in self.slots)


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its captions; `is_index` marks a table of contents."""

    grid: Grid
    captions: tuple[Paragraph, ...] = ()
    caption_first: bool = True
    is_index: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture or chart: its file where there is one, its class, its data, the molecules drawn, and what it holds."""

    picture: Picture | None
    label: str | None
    captions: tuple[Paragraph, ...] = ()
    caption_first: bool = False
    grid: Grid | None = None
    smiles: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """A code block; `language` is the DocTags name, None where unknown."""

    text: str
    language: str | None = None
    captions: tuple[Paragraph, ...] = ()
    caption_first: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Formula:
    """A displayed formula; `latex` is "" where the formula was seen but not read."""

    latex: str
    captions: tuple[Paragraph, ...] = ()
    caption_first: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a form and the values that belong to it, either may be missing; `places` are those of their parts."""

    key: Runs
    values: tuple[Runs, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A key or a value (the element's kind), where it stands and what it says."""

    element: Element
    runs: Runs


@dataclass(frozen=True, slots=True)
class Fields:
    """A key-value region: its fields for readers; its parts, and the links between them by position, for programs."""

    fields: tuple[Field, ...]
    parts: tuple[Part, ...]
    links: tuple[tuple[int, int], ...]
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class PageBreak:
    """Here page `number` begins."""

    number: int


Block: TypeAlias = Heading | Paragraph | Listing | Table | Figure | Code | Formula | Fields | PageBreak
