"""What stands on a page, as its maker knows it, spelt as DocTags.

Knows: areas in points, the 0..500 grid, tags. Does not know: how the page was drawn. It spells DocTags by itself,
without the project's own writer, so that the samples can judge that writer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

GRID = 500


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle on the page in points, origin at the top left corner."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Mark:
    """One true element.

    areas     the rectangles it covers, one for each line; a list has none, its items have
    content   what follows the box: text, cells, a class
    """

    tag: str
    areas: tuple[Area, ...] = ()
    content: str = ""
    children: tuple[Mark, ...] = ()


Placement = Callable[[float, float], tuple[float, float]]
"""Where a point of the made page lies on the finished page, in points."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The elements of one page in reading order; `placement` follows the page through a skewed scan."""

    marks: tuple[Mark, ...]
    width: float
    height: float
    placement: Placement = lambda x, y: (x, y)

    def spell(self) -> str:
        """The page's blocks, one a line."""
        return "".join(self._block(mark) + "\n" for mark in self.marks)

    def _block(self, mark: Mark) -> str:
        inner = "".join(self._block(child) + ("\n" if mark.tag.endswith("_list") else "") for child in mark.children)
        return f"<{mark.tag}>{self._box(mark.areas)}{mark.content}{inner}</{mark.tag}>"

    def _box(self, areas: tuple[Area, ...]) -> str:
        if not areas:
            return ""
        corners = [self.placement(x, y) for area in areas for x in (area.x0, area.x1) for y in (area.y0, area.y1)]
        xs, ys = zip(*corners, strict=True)
        spots = [(min(xs), self.width), (min(ys), self.height), (max(xs), self.width), (max(ys), self.height)]
        return "".join(f"<loc_{min(max(round(GRID * at / size), 0), GRID)}>" for at, size in spots)


def rotation(degrees: float, width: float, height: float) -> Placement:
    """Turn counter-clockwise about the middle of the page, as `PIL.Image.rotate` does."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def place(x: float, y: float) -> tuple[float, float]:
        dx, dy = x - width / 2, y - height / 2
        return width / 2 + dx * cos + dy * sin, height / 2 - dx * sin + dy * cos

    return place


def doctags(pages: Iterable[Truth]) -> str:
    """A whole document."""
    return "<doctag>" + "<page_break>\n".join(page.spell() for page in pages) + "</doctag>"
