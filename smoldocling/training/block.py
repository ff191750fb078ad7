"""A piece of a page that is finished but for its place: ink and what it says, measured from its own top left corner.

Knows: sheets' ink, DocTags elements. Does not know: what is in it, pages, columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from doctags.tree import Box, Cell, Element
from smoldocling.training.prose import Type, Word, areas, set_lines, text_of
from smoldocling.training.sheet import Area, Bar, Plate, Run, Stroke

Mark = Run | Bar | Stroke | Plate
Boxed = Callable[[Iterable[Area]], Box]
"""Areas on the page to the box around them."""


@dataclass(frozen=True, slots=True)
class Part:
    """An element whose box is still an area; `area` None: it has no box of its own, as lists."""

    kind: str
    text: str = ""
    area: tuple[Area, ...] = ()
    level: int | None = None
    label: str | None = None
    cells: tuple[Cell, ...] = ()
    children: tuple[Part, ...] = ()

    def element(self, x: float, y: float, boxed: Boxed) -> Element:
        """The element, with its block's corner at a place on the page."""
        boxes = (boxed([shifted(area, x, y) for area in self.area]),) if self.area else ()
        children = tuple(child.element(x, y, boxed) for child in self.children)
        return Element(self.kind, self.text, boxes, self.level, self.label, None, self.cells, children)


@dataclass(frozen=True, slots=True)
class Block:
    """Ink and parts; `height` in points."""

    height: float
    marks: tuple[Mark, ...]
    parts: tuple[Part, ...]

    def placed(self, x: float, y: float) -> list[Mark]:
        """Its ink with its corner at a place on the page."""
        return [moved(mark, x, y) for mark in self.marks]


def set_block(
    kind: str, lines: Sequence[Sequence[Word]], type_: Type, measure: float, level: int | None = None
) -> Block:
    """Lines as an element of some kind."""
    runs = set_lines(lines, type_, measure)
    return Block(type_.height(len(lines)), tuple(runs), (Part(kind, text_of(lines), areas(runs), level),))


def stacked(blocks: Iterable[tuple[float, float, Block]], parts: Iterable[Part] | None = None) -> Block:
    """Blocks at places (x, y) as one, whose parts are theirs in order, or `parts`."""
    placed = list(blocks)
    marks = [mark for x, y, block in placed for mark in block.placed(x, y)]
    inner = [part_moved(part, x, y) for x, y, block in placed for part in block.parts]
    return Block(max((y + block.height for _, y, block in placed), default=0.0), tuple(marks), tuple(parts or inner))


def part_moved(part: Part, x: float, y: float) -> Part:
    """The part as seen from another corner."""
    children = tuple(part_moved(child, x, y) for child in part.children)
    return replace(part, area=tuple(shifted(area, x, y) for area in part.area), children=children)


def shifted(area: Area, x: float, y: float) -> Area:
    """An area further right and down."""
    return area[0] + x, area[1] + y, area[2] + x, area[3] + y


def moved(mark: Mark, x: float, y: float) -> Mark:
    """A mark further right and down."""
    match mark:
        case Run():
            return replace(mark, x=mark.x + x, y=mark.y + y)
        case Stroke():
            return replace(mark, points=tuple((px + x, py + y) for px, py in mark.points))
        case Bar() | Plate():
            return replace(mark, area=shifted(mark.area, x, y))


def extent(marks: Iterable[Mark]) -> Area:
    """What some ink covers in all."""
    lefts, tops, rights, bottoms = zip(*map(_area, marks), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _area(mark: Mark) -> Area:
    if isinstance(mark, Stroke):
        xs, ys = zip(*mark.points, strict=True)
        edge = mark.width / 2
        return min(xs) - edge, min(ys) - edge, max(xs) + edge, max(ys) + edge
    return mark.area
