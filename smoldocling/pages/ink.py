"""What a PDF page holds, as words and marks in an upright frame.

Knows: PyMuPDF, rotation, hidden text. Does not know: paragraphs, tables, DocTags.
Frame: points, origin top left, the page turned so that most of its text runs from left to right. `Ink.place` brings a
rectangle of the frame onto the page as it is displayed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pymupdf

from doctags.tree import GRID, Box
from smoldocling.pages import bullets, grounds, marks, tags, unseen
from smoldocling.pages.frame import Frame, Rect, turned_by
from smoldocling.pages.lines import FLAGS, Line, main_direction, visible_lines
from smoldocling.pages.tags import Tag
from smoldocling.pages.unseen import Hidden


@dataclass(frozen=True, slots=True)
class Ink:
    """All marks of one page in the upright frame (points).

    strokes   horizontal and vertical lines, edges of rectangles too      fills   painted areas that are not white
    shapes    everything else that is drawn: curves, slanted lines        links   rectangles with their web addresses
    grounds   painted areas, those nearly as white as paper, too
    tags      what the file itself says about the parts of the page
    turn      clockwise quarters from the displayed page to the frame     size    width and height as displayed
    quarters  clockwise quarters from the page as it lies in the file, before its /Rotate, to the frame
    broken    how many of the `characters` have no known meaning
    hidden    text that nobody can see, which is in none of the lines
    """

    lines: tuple[Line, ...]
    images: tuple[Rect, ...]
    fills: tuple[Rect, ...]
    strokes: tuple[Rect, ...]
    shapes: tuple[Rect, ...]
    grounds: tuple[Rect, ...]
    links: tuple[tuple[Rect, str], ...]
    tags: tuple[Tag, ...]
    width: float
    height: float
    turn: int
    quarters: int
    broken: int
    characters: int
    hidden: tuple[Hidden, ...]
    size: tuple[float, float]

    def displayed(self, rect: Rect) -> Rect:
        """A rectangle of the frame in points of the displayed page."""
        return turned_by(rect, -self.turn, self.width, self.height)

    def place(self, rect: Rect) -> Box:
        """A rectangle of the frame on the 0..500 grid of the displayed page."""
        x0, y0, x1, y1 = self.displayed(rect)
        width, height = self.size
        xs = sorted((_grid(x0, width), _grid(x1, width)))
        ys = sorted((_grid(y0, height), _grid(y1, height)))
        return Box(xs[0], ys[0], xs[1], ys[1])


def _grid(value: float, extent: float) -> int:
    if not math.isfinite(value) or extent <= 0:
        return 0
    return max(0, min(GRID, round(GRID * value / extent)))


def read(page: pymupdf.Page) -> Ink:
    """Words, rulings, images and links of a page.

    Raises whatever PyMuPDF raises for a damaged page.
    """
    rotation = (page.rotation // 90) % 4
    display = (float(page.rect.width), float(page.rect.height))
    plain = display if rotation % 2 == 0 else (display[1], display[0])
    raw = page.get_text("rawdict", flags=FLAGS)
    rows = [line for block in raw["blocks"] for line in block.get("lines", ())]
    direction = main_direction(rows, (-rotation) % 4)
    # text, drawings and links come in the coordinates of the page before its /Rotate
    frame = Frame((-direction) % 4, *plain)
    turn = (frame.quarters - rotation) % 4
    pictures = [(frame.turned(info["bbox"]), info["has-mask"]) for info in page.get_image_info()]
    pictures = [picture for picture in pictures if frame.shows(picture[0])]
    images = [rect for rect, _ in pictures]
    drawn = marks.drawings(page, frame)
    log = page.get_bboxlog()
    seen = visible_lines(rows, direction, frame, lambda: images + drawn.fills + marks.shades(log, frame))
    opaque = unseen.Drawn([rect for rect, masked in pictures if not masked], drawn.paints)
    lines, covered = unseen.apart(page, seen.lines, log, opaque, frame, turn)
    hidden = (*seen.hidden, *covered, *unseen.outside(page, log), *unseen.switched_off(page.parent, page.number))
    lines, dots = bullets.bulleted(bullets.boxed(lines, marks.tick_boxes(page, frame)), drawn.dots)
    # what stands in the ground of a listing besides code is its scroll bar
    taken = dots + grounds.of_code(drawn.grounds, lines)
    return Ink(
        lines=tuple(lines),
        images=tuple(images),
        fills=tuple(bullets.without(drawn.fills, taken)),
        strokes=tuple(bullets.without(drawn.strokes, dots)),
        shapes=tuple(bullets.without(drawn.shapes, taken)),
        grounds=tuple(drawn.grounds),
        links=tuple(marks.links(page, frame)),
        tags=tags.read(page, frame),
        width=frame.width,
        height=frame.height,
        turn=turn,
        quarters=frame.quarters,
        broken=seen.broken,
        characters=seen.characters - sum(len("".join(item.text.split())) for item in covered),
        hidden=hidden,
        size=display,
    )
