"""Figures cut out of their page, and the page itself, as image files.

Knows: which elements are pictures, and how the open page gives pixels. Does not know: where the pictures go.
"""

from __future__ import annotations

import io

from PIL import Image

import converters
import doctags
from doctags.tree import GRID
from smoldocling.errors import UnreadablePage
from smoldocling.pages.sources import POINTS_PER_INCH, SourcePage
from smoldocling.result import Crop

# Twice the resolution of an ordinary screen: sharp on a dense one, and still small.
DPI = 144.0
# A whole page is shown beside its text, so it is read at about half the width of a screen.
PAGE_DPI = 120.0
PAGE_LONGEST_PX = 1600


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
        found[n] = _encoded(Image.fromarray(pixels), "PNG", DPI)
    return found


def whole(page: SourcePage) -> Crop | None:
    """The page for people to look at, WebP; None where it cannot be drawn."""
    try:
        image = Image.fromarray(page.crop((0.0, 0.0, 1.0, 1.0), PAGE_DPI))
    except UnreadablePage:
        return None
    image.thumbnail((PAGE_LONGEST_PX, PAGE_LONGEST_PX))
    return _encoded(image, "WEBP", image.width / page.size[0] * POINTS_PER_INCH, quality=80, method=2)


def _encoded(image: Image.Image, kind: str, dpi: float, **options: int) -> Crop:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return Crop(data.getvalue(), f"image/{kind.lower()}", image.width, image.height, dpi)
