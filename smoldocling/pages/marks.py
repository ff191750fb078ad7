"""What is drawn on a page besides text: lines, painted areas, other shapes, and the links laid over it.

Knows: PyMuPDF's drawings. Does not know: tables, pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pymupdf

from smoldocling.pages.frame import Frame, Rect
from smoldocling.pages.glyphs import CHECKED, UNCHECKED

_MAX_DRAWINGS = 20_000  # maps and CAD plans have more paths than a table ever needs
_THIN = 3.0  # points; a narrower rectangle is a line
_OFF = (None, "", "Off", False)  # what a box says that is not ticked
_DOT = (1.2, 8.0)  # points; the sides of a bullet that is drawn and not written
_PAPER = 0.97  # from here on a painted area is no shade of a table's
_WHITE = 0.995  # from here on it is as white as paper


@dataclass(slots=True)
class Marks:
    """Painted areas that are not white; horizontal and vertical lines; everything else that is drawn.

    grounds  the faintest painted areas too: what a listing stands on
    dots     small squares and rounds, which may be bullets, each with the character for it
    paints   painted areas of any colour, 0xRRGGBB, in the order in which they are painted
    """

    fills: list[Rect]
    strokes: list[Rect]
    shapes: list[Rect]
    grounds: list[Rect]
    dots: list[tuple[Rect, str]]
    paints: list[tuple[Rect, int]]


def drawings(page: pymupdf.Page, frame: Frame) -> Marks:
    """What is drawn on the page, sorted into painted areas, axis-parallel lines and everything else."""
    marks = Marks([], [], [], [], [], [])
    for path in page.get_cdrawings()[:_MAX_DRAWINGS]:
        rect = frame.turned(path["rect"])
        if not frame.shows(rect):
            continue
        width, height = rect[2] - rect[0], rect[3] - rect[1]
        fill = path.get("fill")
        if _is_dot(width, height):
            marks.dots.append((rect, _bullet(path["items"][0][0], fill is not None)))
        if min(width, height) <= _THIN:
            if max(width, height) > _THIN:
                marks.strokes.append(rect)
            continue
        if fill is not None and (path.get("fill_opacity") or 1) > 0:
            marks.paints.append((rect, _colour(fill)))
            if min(fill) < _WHITE:
                marks.grounds.append(rect)
            if min(fill) < _PAPER:
                marks.fills.append(rect)
        stroked = path.get("color") is not None and "s" in path["type"]
        for item in path["items"]:
            if item[0] == "re" and (stroked or fill is not None):
                x0, y0, x1, y1 = frame.turned(item[1])
                if min(x1 - x0, y1 - y0) <= _THIN:
                    marks.strokes.append((x0, y0, x1, y1))
                elif stroked:
                    marks.strokes += [(x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)]
            elif item[0] == "l":
                (ax, ay), (bx, by) = item[1], item[2]
                line = frame.turned((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)))
                if min(line[2] - line[0], line[3] - line[1]) > 1:
                    marks.shapes.append(rect)
                    break
                if stroked:
                    marks.strokes.append(line)
            elif item[0] == "c":
                marks.shapes.append(rect)
                break
    return marks


def _colour(rgb: Sequence[float]) -> int:
    red, green, blue = (round(255 * channel) for channel in rgb)
    return red << 16 | green << 8 | blue


def _is_dot(width: float, height: float) -> bool:
    least, most = min(width, height), max(width, height)
    return _DOT[0] <= least and most <= _DOT[1] and most < 1.3 * least


def _bullet(item: str, filled: bool) -> str:
    if item == "re":
        return "▪"
    return "•" if filled else "◦"


def links(page: pymupdf.Page, frame: Frame) -> list[tuple[Rect, str]]:
    """Rectangles of the page's links to the web, with their addresses."""
    return [
        (frame.turned(link["from"]), str(link["uri"]))
        for link in page.get_links()
        if str(link.get("uri", "")).split(":")[0].lower() in ("http", "https", "mailto")
    ]


def shades(log: Sequence[tuple[str, Rect]], frame: Frame) -> list[Rect]:
    """Areas painted with a colour gradient or through a mask; `log` is what MuPDF paints, in order."""
    return [frame.turned(rect) for kind, rect in log if kind in ("fill-shade", "fill-imgmask")]


def tick_boxes(page: pymupdf.Page, frame: Frame) -> list[tuple[Rect, str]]:
    """The boxes of a form that can be ticked, each with the character for what it shows."""
    if page.first_widget is None:
        return []
    kinds = (pymupdf.PDF_WIDGET_TYPE_CHECKBOX, pymupdf.PDF_WIDGET_TYPE_RADIOBUTTON)
    return [
        (frame.turned(widget.rect), CHECKED if widget.field_value not in _OFF else UNCHECKED)
        for widget in page.widgets(types=kinds)
    ]
