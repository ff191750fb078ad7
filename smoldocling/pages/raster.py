"""PDF page -> RGB pixels at the size that somebody needs.

Knows: PyMuPDF's renderer and boxes in page fractions. Does not know: tiles, models, files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smoldocling.errors import UnreadablePage

if TYPE_CHECKING:
    import numpy.typing as npt
    import pymupdf
    from PIL import Image

# A crop is for people to look at; a page-wide one at 144 dpi is 1200 pixels. Poster pages must not become gigabytes.
MAX_CROP_PX = 4096

Fractions = tuple[float, float, float, float]


def render(page: pymupdf.Page, width_px: int, height_px: int) -> npt.NDArray[np.uint8]:
    """The page as uint8, (height_px, width_px, 3), white where nothing is drawn; both axes scaled to fit exactly."""
    rect = page.rect
    return _pixels(page, width_px / rect.width, height_px / rect.height, (0, 0, width_px, height_px))


def render_clip(page: pymupdf.Page, box: Fractions, dpi: float) -> npt.NDArray[np.uint8]:
    """A piece of the page, uint8 (h, w, 3). `box` is x0 y0 x1 y1 in fractions of the page."""
    rect = page.rect
    x0, y0, x1, y1 = box
    longest = max((x1 - x0) * rect.width, (y1 - y0) * rect.height, 1e-6)
    zoom = min(dpi / 72, MAX_CROP_PX / longest)
    left, top = int(x0 * rect.width * zoom), int(y0 * rect.height * zoom)
    right = max(left + 1, round(x1 * rect.width * zoom))
    bottom = max(top + 1, round(y1 * rect.height * zoom))
    return _pixels(page, zoom, zoom, (left, top, right, bottom))


def cut(image: Image.Image, box: Fractions) -> npt.NDArray[np.uint8]:
    """A piece of an image at its own resolution, uint8 (h, w, 3)."""
    x0, y0, x1, y1 = box
    left, top = int(x0 * image.width), int(y0 * image.height)
    right, bottom = max(left + 1, round(x1 * image.width)), max(top + 1, round(y1 * image.height))
    return np.asarray(image.crop((left, top, right, bottom)).convert("RGB"))


def _pixels(page: pymupdf.Page, x_zoom: float, y_zoom: float, area: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    import pymupdf

    try:
        # A display list drawn into a rectangle of our own gives exactly that size; Page.get_pixmap rounds its own way.
        shown = page.get_displaylist()
        matrix = pymupdf.Matrix(x_zoom, y_zoom)
        pixmap = shown.get_pixmap(matrix=matrix, colorspace=pymupdf.csRGB, alpha=0, clip=_clip(area, x_zoom, y_zoom))
    except Exception as error:
        raise UnreadablePage(f"the page cannot be rendered: {error}") from error
    drawn = np.frombuffer(pixmap.samples_mv, dtype=np.uint8).reshape(pixmap.height, pixmap.width, 3)
    width, height = area[2] - area[0], area[3] - area[1]
    if drawn.shape[:2] == (height, width):
        return drawn.copy()
    # The clip is in floating point, so an edge may fall one pixel further in or out.
    fitted = np.full((height, width, 3), 255, dtype=np.uint8)
    piece = drawn[:height, :width]
    fitted[: piece.shape[0], : piece.shape[1]] = piece
    return fitted


def _clip(area: tuple[int, int, int, int], x_zoom: float, y_zoom: float) -> pymupdf.Rect:
    import pymupdf

    x0, y0, x1, y1 = area
    return pymupdf.Rect(x0 / x_zoom, y0 / y_zoom, x1 / x_zoom, y1 / y_zoom)
