"""Pixels to PNG, quickly.

Knows: the PNG format (W3C, third edition). Does not know: pages, files. White paper compresses as well without a filter
for each row, and half of Pillow's time goes into choosing one.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from smoldocling.training.faces import Pixels

# Higher levels take twice the time for a tenth of the size.
LEVEL = 1
INCH = 0.0254
GRAY, RGB = 0, 2


def encode(pixels: Pixels, dpi: float) -> bytes:
    """uint8, gray (height, width) or RGB (height, width, 3), as a PNG that knows its resolution."""
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    rows = np.zeros((height, flat.shape[1] + 1), dtype=np.uint8)  # the first byte of a row says that it is not filtered
    rows[:, 1:] = flat
    dots = round(dpi / INCH)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, GRAY if pixels.ndim == 2 else RGB, 0, 0, 0)),
            _chunk(b"pHYs", struct.pack(">IIB", dots, dots, 1)),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
