"""What a DocTags text says, as plain frozen records.

Knows: pages, elements, cells, boxes, problems. Does not know: how they are spelt (lexer, writer) or shown (converters).
Law: `parse(write(tree)) == tree` for every tree the parser makes. Positions in the source (`span`), problems, and facts
that DocTags cannot spell (`number`, `size`, `links`) take no part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

GRID = 500
"""Boxes are whole numbers from 0 to GRID on both axes, whatever the page's shape (SmolDocling paper, section 3)."""

CellKind = Literal["data", "column_header", "row_header", "section"]
Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the 0..500 grid, origin at the page's top left corner."""

    x0: int
    y0: int
    x1: int
    y1: int


@dataclass(frozen=True, slots=True)
class Link:
    """`text[start:end]` of an element points to `uri`. DocTags cannot spell it; readers of PDFs know it."""

    start: int
    end: int
    uri: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the source that is not as it should be. `start:end` are offsets; `line`, `column` count from 1."""

    kind: str
    severity: Severity
    message: str
    line: int
    column: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table grid; it covers `row_span` rows and `column_span` columns from (`row`, `column`) on.

    `children` holds the elements of a rich cell (a list or a table in a cell); `text` is then what stands before them.
    """

    row: int
    column: int
    text: str = ""
    row_span: int = 1
    column_span: int = 1
    kind: CellKind = "data"
    box: Box | None = None
    children: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a page.

    kind      the tag's name: "text", "title", "section_header", "list_item", "ordered_list", "otsl", "picture"...
    text      its own characters, as they stand in the source; what follows a child is a child of kind "text"
    boxes     one box for each place on the page; most elements have exactly one
    level     1..6, section headers only
    label     code language ("Python"), picture or chart class ("bar_chart"), as in the tag
    ref       the N of <key_N>, <value_N> and <link_N>
    cells     the grid of a table or chart, row-major; each slot is covered by exactly one cell
    children  nested elements in order: list items, nested lists, captions, inline groups, keys and values
    """

    kind: str
    text: str = ""
    boxes: tuple[Box, ...] = ()
    level: int | None = None
    label: str | None = None
    ref: int | None = None
    cells: tuple[Cell, ...] = ()
    children: tuple[Element, ...] = ()
    links: tuple[Link, ...] = field(default=(), compare=False)
    span: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def box(self) -> Box | None:
        """The first box, or None."""
        return self.boxes[0] if self.boxes else None

    @property
    def rows(self) -> int:
        """Number of grid rows."""
        return max((cell.row + cell.row_span for cell in self.cells), default=0)

    @property
    def columns(self) -> int:
        """Number of grid columns."""
        return max((cell.column + cell.column_span for cell in self.cells), default=0)

    @property
    def captions(self) -> tuple[Element, ...]:
        """The captions among the children."""
        return tuple(child for child in self.children if child.kind == "caption")


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its elements in reading order, its number in the document (from 1) and its size in points."""

    elements: tuple[Element, ...] = ()
    number: int = field(default=1, compare=False)
    size: tuple[float, float] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Document:
    """Pages in order, and everything that was wrong with the source."""

    pages: tuple[Page, ...] = ()
    problems: tuple[Problem, ...] = field(default=(), compare=False)
