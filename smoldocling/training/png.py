"""Pixels to PNG.

Knows: Pillow. Does not know: pages, files.
"""

from __future__ import annotations

import io

from PIL import Image

from smoldocling.training.faces import Pixels

# Higher levels take twice the time for a tenth of the size.
LEVEL = 1


def encode(pixels: Pixels, dpi: float) -> bytes:
    """uint8, gray (height, width) or RGB (height, width, 3), as a PNG that knows its resolution."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=LEVEL, dpi=(dpi, dpi))
    return file.getvalue()
