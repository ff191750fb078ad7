"""A flat-bed scanner: a clean page becomes a grey image, a little turned, blurred and noisy.

Knows: pixels. Does not know: what stands on the page; its truth is turned along with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pymupdf
from PIL import Image, ImageFilter
from truth import Truth, rotation

DPI = 150
TURN_DEGREES = 0.7
SEED = 1987
OVERSAMPLE = 3
BLUR_PX = 0.7
GREYS = 16  # what a cheap scanner tells apart; it also keeps the file small
LID, PAPER, INK = 209, 243, 38
GRAIN = 5.5


def scan(pdf: Any, truth: Truth) -> tuple[Image.Image, Truth]:
    """Scan the first page of a PDF; the truth that comes back is that of the image."""
    pixmap = pdf[0].get_pixmap(dpi=DPI * OVERSAMPLE, colorspace=pymupdf.csGRAY)
    page = Image.frombytes("L", (pixmap.width, pixmap.height), pixmap.samples)
    page = page.filter(ImageFilter.MinFilter(3))  # ink spreads into paper
    page = page.point([round(INK + (PAPER - INK) * level / 255) for level in range(256)])  # ink is never quite black
    page = page.rotate(TURN_DEGREES, Image.Resampling.BICUBIC, fillcolor=LID)
    page = page.resize((page.width // OVERSAMPLE, page.height // OVERSAMPLE), Image.Resampling.BOX)
    page = page.filter(ImageFilter.GaussianBlur(BLUR_PX))
    turned = replace(truth, placement=rotation(TURN_DEGREES, truth.width, truth.height))
    return grain(page), turned


def grain(page: Image.Image) -> Image.Image:
    """Noise of the sensor, a shadow towards the spine, dust; then the scanner's own few greys."""
    random = np.random.default_rng(SEED)
    levels = np.asarray(page, dtype=np.float64)  # (rows, columns)
    rows, columns = levels.shape
    levels = levels - 14.0 * np.exp(-np.arange(columns) / 60.0)
    levels += random.normal(0.0, GRAIN, levels.shape)
    for row, column in zip(random.integers(4, rows - 4, 60), random.integers(4, columns - 4, 60), strict=True):
        levels[row : row + random.integers(1, 3), column : column + random.integers(1, 3)] -= 70.0
    step = 255.0 / (GREYS - 1)
    return Image.fromarray(np.clip(np.round(np.round(levels / step) * step), 0, 255).astype(np.uint8))
