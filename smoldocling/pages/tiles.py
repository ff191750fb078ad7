"""An image to the square tiles that the vision tower sees, byte for byte as transformers' Idefics3 processor cuts them.

Knows: pixels. Does not know: documents, prompts, tensors. uint8 throughout: floats belong to the engine's device.

The rule (Idefics3ImageProcessorPil; LANCZOS each time, rounded to bytes between the steps):
1. the long side becomes splits * tile_px, the short side follows and is rounded to an even number;
2. both sides are stretched to multiples of tile_px, which does not keep the aspect ratio;
3. that is cut into rows x columns tiles, and shrunk as a whole to one more tile, the last.
An image that fits one tile after step 2 is that tile, and the grid is 0 x 0.

Cost of a letter page at splits=5, tile_px=512, one core: step 1 from 144 dpi 49 ms, none if the page was rendered at
`render_size`; step 2 36 ms; step 3 8 ms for the cut and 39 ms for the whole view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from smoldocling.errors import UnreadablePage
from smoldocling.pages import colour

# The prompt has names for the places of a 6 x 6 grid and no more (`<row_6_col_6>`).
MAX_SPLITS = 6

LANCZOS = Image.Resampling.LANCZOS


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """One page as the model sees it.

    pixels         uint8, (tiles, tile_px, tile_px, 3): row by row, the whole page last
    rows, columns  the grid; 0, 0 if the page is one tile
    """

    pixels: npt.NDArray[np.uint8]
    rows: int
    columns: int


def render_size(width_pt: float, height_pt: float, *, splits: int, tile_px: int) -> tuple[int, int]:
    """Width and height in pixels at which a page needs no first resize: `split` leaves such an image as it is."""
    return _fit(width_pt, height_pt, splits * tile_px)


def split(image: Image.Image | npt.NDArray[np.uint8], *, splits: int, tile_px: int) -> Tiles:
    """Cut an image, or a uint8 array (height, width, 3), into tiles; `splits` of them lie along the long side.

    Images of every PIL mode are taken: transparency is shown on white, 16 bits are scaled to 8.
    Raises UnreadablePage for an image without pixels.
    """
    assert 1 <= splits <= MAX_SPLITS, f"grids go up to {MAX_SPLITS} x {MAX_SPLITS}, not {splits}"
    page = fitted(image, splits=splits, tile_px=tile_px)
    page = page.resize(_stretch(*page.size, tile_px), LANCZOS)
    rows, columns = page.height // tile_px, page.width // tile_px
    if rows == columns == 1:
        return Tiles(np.array(page)[np.newaxis], 0, 0)
    pixels = np.empty((rows * columns + 1, tile_px, tile_px, 3), dtype=np.uint8)
    grid = np.asarray(page).reshape(rows, tile_px, columns, tile_px, 3)
    pixels[:-1].reshape(rows, columns, tile_px, tile_px, 3)[:] = grid.swapaxes(1, 2)
    pixels[-1] = np.asarray(page.resize((tile_px, tile_px), LANCZOS))
    return Tiles(pixels, rows, columns)


def fitted(image: Image.Image | npt.NDArray[np.uint8], *, splits: int, tile_px: int) -> Image.Image:
    """Step 1 alone: an RGB image whose long side is `splits * tile_px`. Takes and raises what `split` does."""
    page = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    if 0 in page.size:
        raise UnreadablePage(f"the image has {page.width} x {page.height} pixels; there is nothing to read")
    page = colour.rgb(page)
    return page.resize(_fit(*page.size, splits * tile_px), LANCZOS)


def _fit(width: float, height: float, longest: int) -> tuple[int, int]:
    """Step 1. The order of the floating point operations decides the last pixel, so it is transformers' order."""
    aspect = width / height
    if width >= height:
        short = int(longest / aspect)
        return longest, max(short + short % 2, 1)
    short = int(longest * aspect)
    return max(short + short % 2, 1), longest


def _stretch(width: int, height: int, tile_px: int) -> tuple[int, int]:
    """Step 2: both sides up to multiples of the tile.

    transformers scales the short side with the long one first, but step 1 has made the long side a multiple already, so
    that this changes the short side by less than one pixel, which no even number and even tile let through.
    """
    return -(-width // tile_px) * tile_px, -(-height // tile_px) * tile_px
