"""What the layout model that comes with PyMuPDF sees on a page: classed boxes and the grids of tables.

Knows: pymupdf.layout. Does not know: our lines, our rules. Nothing it raises leaves this file.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import Any

import pymupdf

from smoldocling.pages.frame import Rect

# "rf" judges by fonts and positions alone; "imf+rf" also looks at the rendered page and takes about five times as long.
FEATURES = "rf"
# The model draws the page at one pixel a point: a poster of the largest legal size would take more than a gigabyte.
MAX_SIDE_PT = 4000


@dataclass(frozen=True, slots=True)
class Group:
    """One classed box, in the points that PyMuPDF uses for text.

    kind     text, title, picture, table, list-item, page-header, page-footer, section-header, footnote, caption or
             formula
    members  the boxes of the lines in it
    columns  x of the borders between a table's columns, rows: y of those between its rows
    """

    kind: str
    rect: Rect
    members: tuple[Rect, ...] = ()
    columns: tuple[float, ...] = ()
    rows: tuple[float, ...] = ()


@functools.cache
def _model() -> Any:
    from pymupdf.layout import DocumentLayoutAnalyzer  # loads onnxruntime and the networks

    # They print what they stumble over, and stdout is the user's. Shadowing their `print` touches no other thread's.
    for name, module in sys.modules.items():
        if name.startswith("pymupdf.layout."):
            vars(module)["print"] = _say_nothing
    return DocumentLayoutAnalyzer.get_model(feature_set_name=FEATURES)


def _say_nothing(*_: object, **__: object) -> None:
    pass


def groups(page: pymupdf.Page, quarters: int = 0) -> tuple[Group, ...] | None:
    """The page's boxes, None if it is not installed, fails on this page, or the page is huge.

    `quarters` are the clockwise quarters by which the page, as it lies in the file, is turned before it is looked at:
    the model knows upright text only. Boxes are those of the turned page.
    """
    if max(page.rect.width, page.rect.height) > MAX_SIDE_PT:
        return None
    try:
        if quarters == 0:
            return _groups(page)
        with pymupdf.open() as upright:
            return _groups(_turned_copy(page, quarters, upright))
    except Exception:  # the model is a network behind much Python: no page may be lost to it
        return None


def _groups(page: pymupdf.Page) -> tuple[Group, ...]:
    return tuple(_group(item) for item in _model().predict(page, return_raw=True))


def _turned_copy(page: pymupdf.Page, quarters: int, target: pymupdf.Document) -> pymupdf.Page:
    rotation = page.rotation
    page.set_rotation(0)  # show_pdf_page ignores /Rotate for the content but not for the size
    try:
        width, height = page.rect.width, page.rect.height
        if quarters % 2:
            width, height = height, width
        copy = target.new_page(width=width, height=height)
        copy.show_pdf_page(copy.rect, page.parent, page.number, rotate=-90 * quarters % 360)
    finally:
        page.set_rotation(rotation)
    return copy


def _group(item: dict[str, Any]) -> Group:
    x0, y0, x1, y1 = (float(value) for value in item["group_bbox"][:4])
    grid = item.get("table_grid")
    return Group(
        kind=str(item["class_name"]),
        rect=(x0, y0, x1, y1),
        members=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in item.get("bboxes", ())),
        columns=tuple(x0 + float(x) for x in grid.v_lines) if grid is not None else (),
        rows=tuple(y0 + float(y) for y in grid.h_lines) if grid is not None else (),
    )
