"""A sheet as a picture.

Knows: pixels, glyphs. Does not know: what the page says, its tilt. One pixel is 1 / `scale` points.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from smoldocling.training.faces import PHASES, Pixels, glyph
from smoldocling.training.sheet import Plate, Run, Sheet, Stroke

WHITE = 255
# Strokes are drawn so many times larger and then averaged: smooth edges.
FINER = 4


def paint(sheet: Sheet, scale: float = 1.0) -> Pixels:
    """The page in shades of gray, uint8, (height, width)."""
    page = np.full((round(sheet.height * scale), round(sheet.width * scale)), WHITE, dtype=np.uint8)
    for plate in sheet.plates:
        _stretch(page, plate, scale)
    for bar in sheet.bars:
        left, top, right, bottom = (round(end * scale) for end in bar.area)
        page[top : max(bottom, top + 1), left : max(right, left + 1)] = bar.gray
    for stroke in sheet.strokes:
        _draw(page, stroke, scale)
    for run in sheet.runs:
        _print(page, run, scale)
    return page


def pens(run: Run) -> Iterator[tuple[str, float, float]]:
    """Each character of a run with where its pen starts and ends, in points."""
    x = run.x
    for char in run.text:
        end = x + run.face.advance(char) * run.size
        if char == " ":
            end += run.gap
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


def _stretch(page: Pixels, plate: Plate, scale: float) -> None:
    left, top, right, bottom = (round(end * scale) for end in plate.area)
    grays = Image.frombytes("L", (plate.columns, plate.rows), plate.grays)
    page[top:bottom, left:right] = np.asarray(grays.resize((right - left, bottom - top), Image.Resampling.NEAREST))


def _draw(page: Pixels, stroke: Stroke, scale: float) -> None:
    xs, ys = zip(*stroke.points, strict=True)
    edge = stroke.width / 2
    left, top = max(int((min(xs) - edge) * scale) - 1, 0), max(int((min(ys) - edge) * scale) - 1, 0)
    right, bottom = int((max(xs) + edge) * scale) + 2, int((max(ys) + edge) * scale) + 2
    under = page[top:bottom, left:right]
    high, wide = under.shape
    fine = scale * FINER
    points = [(x * fine - left * FINER, y * fine - top * FINER) for x, y in stroke.points]
    for gray, filled in ((stroke.fill, True), (stroke.gray, False)):
        if gray is None:
            continue
        mask = Image.new("L", (wide * FINER, high * FINER))
        pen = ImageDraw.Draw(mask)
        if filled:
            pen.polygon(points, fill=WHITE)
        else:
            closed = [*points, points[0]] if stroke.fill is not None else points
            pen.line(closed, fill=WHITE, width=max(round(stroke.width * fine), 1), joint="curve")
        share = np.asarray(mask.reduce(FINER), dtype=np.int32)
        under[...] = under - share * (under.astype(np.int32) - gray) // WHITE
