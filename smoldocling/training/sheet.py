"""A page as it will be printed: where each line of text and each mark goes, and what it all says.

Knows: places in points, faces, DocTags trees. Does not know: how it was laid out (compose), pixels (paint), PDF (press).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from doctags.tree import GRID, Box, Element
from smoldocling.training.faces import Face

# How far letters reach above and below the baseline, in font sizes: the same as what is read from PDFs' text layers.
ASCENT, DESCENT = 0.78, 0.22

Area = tuple[float, float, float, float]
"""Left, top, right, bottom in points."""


@dataclass(frozen=True, slots=True)
class Run:
    """Text in one face. `x`, `y`: the pen's start on the baseline; `size` in points; `gray` 0 is black."""

    text: str
    x: float
    y: float
    face: Face
    size: float
    gray: int = 0

    @property
    def area(self) -> Area:
        """What it covers."""
        right = self.x + self.face.width(self.text) * self.size
        return self.x, self.y - ASCENT * self.size, right, self.y + DESCENT * self.size


@dataclass(frozen=True, slots=True)
class Bar:
    """A filled rectangle: a rule, a frame's edge, a bar of a chart, a shade."""

    area: Area
    gray: int = 0


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its size in points, its ink (bars lie under runs), and its elements in reading order."""

    width: float
    height: float
    runs: tuple[Run, ...]
    bars: tuple[Bar, ...]
    elements: tuple[Element, ...]

    def box(self, areas: Iterable[Area]) -> Box:
        """The 0..500 box around some areas."""
        return grid_box(areas, self.width, self.height)


def grid_box(areas: Iterable[Area], width: float, height: float) -> Box:
    """The box around areas on a page of that size."""
    left, top, right, bottom = zip(*areas, strict=True)
    ends = (min(left) / width, min(top) / height, max(right) / width, max(bottom) / height)
    return Box(*(min(max(round(end * GRID), 0), GRID) for end in ends))
