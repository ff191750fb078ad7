"""A sheet as a picture.

Knows: pixels, glyphs. Does not know: what the page says. One pixel is 1 / `scale` points.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from smoldocling.training.faces import PHASES, Pixels, glyph
from smoldocling.training.sheet import Run, Sheet

WHITE = 255


def paint(sheet: Sheet, scale: float = 1.0) -> Pixels:
    """The page in shades of gray, uint8, (height, width)."""
    page = np.full((round(sheet.height * scale), round(sheet.width * scale)), WHITE, dtype=np.uint8)
    for bar in sheet.bars:
        left, top, right, bottom = (round(end * scale) for end in bar.area)
        page[top : max(bottom, top + 1), left : max(right, left + 1)] = bar.gray
    for run in sheet.runs:
        _print(page, run, scale)
    return page


def pens(run: Run) -> Iterator[tuple[str, float, float]]:
    """Each character of a run with where its pen starts and ends, in points."""
    x = run.x
    for char in run.text:
        end = x + run.face.advance(char) * run.size
        yield char, x, end
        x = end


def _print(page: Pixels, run: Run, scale: float) -> None:
    height, width = page.shape
    baseline, size = round(run.y * scale), run.size * scale
    for char, start, _ in pens(run):
        pixel, phase = divmod(round(start * scale * PHASES), PHASES)
        shape = glyph(run.face, char, size, phase)
        if shape is None:
            continue
        top, left = baseline + shape.top, pixel + shape.left
        high, wide = shape.ink.shape
        if top < 0 or left < 0 or top + high > height or left + wide > width:
            continue  # beyond the edge, as on a page that was printed askew
        under = page[top : top + high, left : left + wide]
        if run.gray == 0:
            np.minimum(under, WHITE - shape.ink, out=under)
        else:
            under -= ((shape.ink.astype(np.int32) * (under.astype(np.int32) - run.gray)) // WHITE).astype(np.uint8)
