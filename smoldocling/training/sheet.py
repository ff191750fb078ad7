"""A page as it will be printed: where each line of text and each mark goes, and what it all says.

Knows: places in points, faces, DocTags trees. Does not know: how it was laid out, pixels (paint), PDF (press).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, radians, sin

from doctags.tree import GRID, Box, Element
from smoldocling.training.faces import Face

# How far letters reach above and below the baseline, in font sizes: the same as what is read from PDFs' text layers.
ASCENT, DESCENT = 0.78, 0.22

Area = tuple[float, float, float, float]
"""Left, top, right, bottom in points."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one face. `x`, `y`: the pen's start on the baseline; `size` in points; `gray` 0 is black.

    `gap` points are added to every space: a justified line.
    """

    text: str
    x: float
    y: float
    face: Face
    size: float
    gray: int = 0
    gap: float = 0.0

    @property
    def area(self) -> Area:
        """What it covers."""
        right = self.x + self.face.width(self.text) * self.size
        if self.gap:
            right += self.text.count(" ") * self.gap
        return self.x, self.y - ASCENT * self.size, right, self.y + DESCENT * self.size


@dataclass(frozen=True, slots=True)
class Bar:
    """A filled rectangle: a rule, a frame's edge, a bar of a chart, a shade."""

    area: Area
    gray: int = 0


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, `width` points wide; with a `fill` it is closed and filled with that gray first."""

    points: tuple[Point, ...]
    width: float
    gray: int = 0
    fill: int | None = None


@dataclass(frozen=True, slots=True)
class Plate:
    """A picture of shades of gray stretched over an area: `rows` times `columns` bytes, row by row."""

    area: Area
    rows: int
    columns: int
    grays: bytes


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its size in points, its ink and its elements in reading order.

    Ink from the ground up: plates, bars, strokes, runs. The page is to lie `tilt` degrees askew, clockwise: elements'
    boxes are those of the tilted page, all ink is where it was before.
    """

    width: float
    height: float
    runs: tuple[Run, ...]
    bars: tuple[Bar, ...]
    elements: tuple[Element, ...]
    strokes: tuple[Stroke, ...] = ()
    plates: tuple[Plate, ...] = ()
    tilt: float = 0.0

    def box(self, areas: Iterable[Area]) -> Box:
        """The 0..500 box around some areas."""
        return grid_box(areas, self.width, self.height, self.tilt)


def grid_box(areas: Iterable[Area], width: float, height: float, tilt: float = 0.0) -> Box:
    """The box around areas on a page of that size, turned around its middle by `tilt` degrees clockwise."""
    if tilt:
        areas = [tilted(area, width, height, tilt) for area in areas]
    left, top, right, bottom = zip(*areas, strict=True)
    ends = (min(left) / width, min(top) / height, max(right) / width, max(bottom) / height)
    return Box(*(min(max(round(end * GRID), 0), GRID) for end in ends))


def tilted(area: Area, width: float, height: float, tilt: float) -> Area:
    """What an area covers when the page is turned around its middle by `tilt` degrees clockwise."""
    left, top, right, bottom = area
    along, across = cos(radians(tilt)), sin(radians(tilt))
    corners = [(x - width / 2, y - height / 2) for x in (left, right) for y in (top, bottom)]
    xs = [width / 2 + x * along - y * across for x, y in corners]
    ys = [height / 2 + x * across + y * along for x, y in corners]
    return min(xs), min(ys), max(xs), max(ys)
