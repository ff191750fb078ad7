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
from smoldocling.pages.documents import POINTS_PER_INCH, SourcePage
from smoldocling.result import Crop

# Twice the resolution of an ordinary screen: sharp on a dense one, and still small.
DPI = 144.0
# A whole page is shown beside its text, so it is read at about half the width of a screen.
PAGE_DPI = 120.0
PAGE_LONGEST_PX = 1600
# No page shows more than itself, but boxes of honest pages overlap a little.
MAX_PAGES = 4
MAX_BOXES = 256


def cut(tree: doctags.Page, page: SourcePage) -> tuple[dict[int, Crop], tuple[doctags.Problem, ...]]:
    """The figures of a page by their place among its pictures. One without a usable box, or that fails, is left out.

    A model may write boxes without end: equal boxes share one crop, and when all crops together are MAX_PAGES times as
    large as the page, the rest are left out with a problem that says so.
    """
    made: dict[doctags.Box, Crop | None] = {}
    found: dict[int, Crop] = {}
    area = left_out = 0
    for n, element in enumerate(converters.picture_elements(tree)):
        box = element.box
        if box is None or box.x0 >= box.x1 or box.y0 >= box.y1:
            continue
        if box not in made:
            area += (box.x1 - box.x0) * (box.y1 - box.y0)
            if area > MAX_PAGES * GRID * GRID or len(made) >= MAX_BOXES:
                left_out += 1
                continue
            made[box] = _crop(page, box)
        crop = made[box]
        if crop is not None:
            found[n] = crop
    if not left_out:
        return found, ()
    message = f"{left_out} pictures are not cut out: more than {MAX_BOXES}, or more than {MAX_PAGES} times the page"
    return found, (doctags.Problem("too_many_pictures", "warning", message, 1, 1, 0, 0),)


def _crop(page: SourcePage, box: doctags.Box) -> Crop | None:
    try:
        pixels = page.crop((box.x0 / GRID, box.y0 / GRID, box.x1 / GRID, box.y1 / GRID), DPI)
    except UnreadablePage:
        return None
    return _encoded(Image.fromarray(pixels), "PNG", DPI)


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
