"""What scanners, copiers and fax machines do to a page.

Knows: gray pixels, random numbers. Does not know: what the page says. The tilt is drawn here first, because the boxes
of the page's elements have to follow it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from smoldocling.training.faces import Pixels

WHITE = 255
MAX_TILT = 1.5


@dataclass(frozen=True, slots=True)
class Harm:
    """What is done to a page, in this order; None and 0: nothing.

    tilt     degrees clockwise, paper white where nothing was
    ink      gray of what was black          paper    gray of what was white
    shade    so much darker towards one edge  blur    radius in pixels
    grain    deviation of noise in grays      specks  share of pixels that are black or white
    quality  of the JPEG that it once was
    """

    tilt: float = 0.0
    ink: int = 0
    paper: int = WHITE
    shade: float = 0.0
    blur: float = 0.0
    grain: float = 0.0
    specks: float = 0.0
    quality: int | None = None
    seed: int = 0


def harm(random: Random, scale: float) -> Harm:
    """Some of it, stronger where a point is more pixels."""

    def some(often: float, draw: Callable[[], float]) -> float:
        value = draw()
        return value if random.random() < often else 0.0

    return Harm(
        tilt=some(0.5, lambda: random.uniform(-MAX_TILT, MAX_TILT)),
        ink=round(some(0.4, lambda: random.uniform(10, 90))),
        paper=WHITE - round(some(0.6, lambda: random.uniform(3, 50))),
        shade=some(0.3, lambda: random.uniform(5, 40)),
        blur=some(0.5, lambda: random.uniform(0.2, 0.55) * scale),
        grain=some(0.6, lambda: random.uniform(2, 14)),
        specks=some(0.25, lambda: 10 ** random.uniform(-5, -3)),
        quality=round(some(0.5, lambda: random.uniform(25, 85))) or None,
        seed=random.getrandbits(32),
    )


def disturb(page: Pixels, done: Harm) -> Pixels:
    """The page after that, uint8 of the same shape."""
    noise = np.random.default_rng(done.seed)
    image = Image.fromarray(page)
    if done.tilt:
        image = image.rotate(-done.tilt, Image.Resampling.BICUBIC, fillcolor=WHITE)
    if done.blur:
        image = image.filter(ImageFilter.GaussianBlur(done.blur))
    levels = np.asarray(image, dtype=np.float32)
    levels = done.ink + levels * ((done.paper - done.ink) / WHITE)
    if done.shade:
        levels = levels - done.shade * _slope(levels.shape, noise)
    if done.grain:
        levels = levels + noise.normal(0.0, done.grain, levels.shape).astype(np.float32)
    if done.specks:
        spots = noise.random(levels.shape, dtype=np.float32)
        levels = np.where(spots < done.specks / 2, 0, np.where(spots > 1 - done.specks / 2, WHITE, levels))
    pixels = np.clip(levels, 0, WHITE).astype(np.uint8)
    return _pressed(pixels, done.quality) if done.quality else pixels


def _slope(shape: tuple[int, ...], noise: np.random.Generator) -> npt.NDArray[np.float32]:
    """0 at one edge or corner, 1 at the opposite one."""
    down, across = np.linspace(0, 1, shape[0], dtype=np.float32), np.linspace(0, 1, shape[1], dtype=np.float32)
    share = np.float32(noise.random())
    if noise.random() < 0.5:
        down = down[::-1]
    if noise.random() < 0.5:
        across = across[::-1]
    return share * down[:, None] + (1 - share) * across[None, :]


def _pressed(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))
