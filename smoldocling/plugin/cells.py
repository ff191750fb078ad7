"""Regions as Docling's cells: texts and where they stand, in points from the page's top left corner.

Knows: regions, Docling's cells. Does not know: stages.
A region is one cell, since nobody knows where its lines break; of a table, each of its cells is one, and where those
have no boxes, rows and columns are taken to be of one size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docling_core.types.doc import BoundingBox, CoordOrigin, Size
from docling_core.types.doc.page import BoundingRectangle, TextCell

from converters.blocks import Grid, Slot
from converters.text import slot_text
from doctags.tree import GRID, Box
from smoldocling.plugin.regions import Region, flat


def bounds(box: Box, size: Size) -> BoundingBox:
    """A box of the grid on a page of that size."""
    return BoundingBox(
        l=box.x0 * size.width / GRID,
        t=box.y0 * size.height / GRID,
        r=box.x1 * size.width / GRID,
        b=box.y1 * size.height / GRID,
        coord_origin=CoordOrigin.TOPLEFT,
    )


def cells(found: Iterable[Region], size: Size, *, from_ocr: bool = False) -> list[TextCell]:
    """The texts of these regions and of what lies in them."""
    return [
        TextCell(
            index=index,
            rect=BoundingRectangle.from_bounding_box(box),
            text=text,
            orig=text,
            confidence=score,
            from_ocr=from_ocr,
        )
        for index, (text, box, score) in enumerate(_texts(found, size))
    ]


def slot_bounds(slot: Slot, grid: Grid, table: BoundingBox, size: Size) -> BoundingBox:
    """Where a cell of a table stands, or about where."""
    if slot.box is not None:
        return bounds(slot.box, size)
    width, height = table.width / grid.columns, table.height / grid.rows
    return BoundingBox(
        l=table.l + slot.column * width,
        t=table.t + slot.row * height,
        r=table.l + (slot.column + slot.column_span) * width,
        b=table.t + (slot.row + slot.row_span) * height,
        coord_origin=CoordOrigin.TOPLEFT,
    )


def _texts(found: Iterable[Region], size: Size) -> Iterator[tuple[str, BoundingBox, float]]:
    for region in flat(found):
        box = bounds(region.box, size)
        if region.text:
            yield region.text, box, region.score
        if region.grid is not None:
            for slot in region.grid.slots:
                if text := slot_text(slot):
                    yield text, slot_bounds(slot, region.grid, box, size), region.score
