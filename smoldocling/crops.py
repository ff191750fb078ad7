"""Figures cut out of their page.

Knows: which elements are pictures, and how the open page gives pixels. Does not know: where the pictures go.
"""

from __future__ import annotations

import io

from PIL import Image

import converters
import doctags
from doctags.tree import GRID
from smoldocling.errors import UnreadablePage
from smoldocling.pages.sources import SourcePage
from smoldocling.result import Crop

# Twice the resolution of an ordinary screen: sharp on a dense one, and still small.
DPI = 144.0


def cut(tree: doctags.Page, page: SourcePage) -> dict[int, Crop]:
    """The figures of a page by their place among its pictures. One without a usable box, or that fails, is left out."""
    found = {}
    for n, element in enumerate(converters.picture_elements(tree)):
        box = element.box
        if box is None or box.x0 >= box.x1 or box.y0 >= box.y1:
            continue
        try:
            pixels = page.crop((box.x0 / GRID, box.y0 / GRID, box.x1 / GRID, box.y1 / GRID), DPI)
        except UnreadablePage:
            continue
        image = Image.fromarray(pixels)
        data = io.BytesIO()
        image.save(data, "PNG", optimize=False)
        found[n] = Crop(data.getvalue(), image.width, image.height, DPI)
    return found
