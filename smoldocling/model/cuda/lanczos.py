"""A page to tiles on the device that will look at them, byte for byte as Pillow makes them.

Knows: pixels, Pillow's arithmetic. Does not know: documents, prompts, networks.
Law: `resized` equals Image.resize(size, LANCZOS) to the last bit, on every device; `cut` what smoldocling/pages/tiles
makes of the same page.

A pixel is a sum of bytes times whole numbers: the filter's weights times 2^22, rounded half away from zero (Resample.c,
precompute_coeffs and normalize_coeffs_8bpc). So no device can have an opinion: the sums are int32, and weights of
alternating sign stay below 2^31 (255 * 2^22 * 1.6). The weights are doubles, made on the host by the C library's sine.
There are two passes with bytes in between, so their order matters: along rows first, and since Pillow 13 along columns
first where the height loses more than twice as many pixels as the width (python-pillow pull request 9549; the rule was
found by trying). Pillow itself is asked whether it does that.
"""

from __future__ import annotations

import functools
import math

import torch

# Resample.c: 32 bits less 8 of the pixel and 2 for sums of weights beyond one.
PRECISION = 22
LOBES = 3.0


def resized(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """uint8 (height, width, channels) of any size to another; a pass that changes nothing is left out."""
    before_height, before_width = image.shape[:2]
    if before_height - height > max(0, 2 * (before_width - width)) and _may_begin_with_columns():
        return _rows(_columns(image, height), width)
    return _columns(_rows(image, width), height)


def cut(page: torch.Tensor, tile_px: int) -> torch.Tensor:
    """A page after its first resize, uint8 (height, width, 3) -> (tiles, tile_px, tile_px, 3), the whole page last."""
    rows, columns = grid(page.shape[0], page.shape[1], tile_px)
    page = resized(page, columns * tile_px, rows * tile_px)
    if rows == columns == 1:
        return page.contiguous()[None]
    tiles = page.reshape(rows, tile_px, columns, tile_px, 3).transpose(1, 2).reshape(-1, tile_px, tile_px, 3)
    return torch.cat([tiles, resized(page, tile_px, tile_px)[None]])


def grid(height: int, width: int, tile_px: int) -> tuple[int, int]:
    """Rows and columns of tiles: both sides are stretched to multiples of the tile."""
    return -(-height // tile_px), -(-width // tile_px)


def _columns(image: torch.Tensor, height: int) -> torch.Tensor:
    return _rows(image.transpose(0, 1), height).transpose(0, 1)


def _rows(image: torch.Tensor, width: int) -> torch.Tensor:
    """One pass along dimension 1: (rows, before, channels) -> (rows, width, channels)."""
    if image.shape[1] == width:
        return image
    places, weights = _taps(image.shape[1], width)
    places, weights = places.to(image.device, non_blocking=True), weights.to(image.device, non_blocking=True)
    total = torch.full((image.shape[0], width, image.shape[2]), 1 << (PRECISION - 1), dtype=torch.int32)
    total = total.to(image.device)
    for place, weight in zip(places, weights, strict=True):  # (width)
        total += image.index_select(1, place).to(torch.int32) * weight[:, None]
    return (total >> PRECISION).clamp_(0, 255).to(torch.uint8)


@functools.cache
def _may_begin_with_columns() -> bool:
    """Whether the Pillow that is installed takes columns first where they shrink more."""
    from PIL import Image

    pixels = torch.arange(4 * 24 * 3, dtype=torch.int64).mul_(97).remainder_(256).to(torch.uint8).view(24, 4, 3)
    found = Image.frombytes("RGB", (4, 24), bytes(pixels.flatten().tolist())).resize((3, 2), Image.Resampling.LANCZOS)
    first, second = _columns(_rows(pixels, 3), 2), _rows(_columns(pixels, 2), 3)
    assert not torch.equal(first, second), "the probe tells the two orders apart"
    return found.tobytes() == bytes(second.contiguous().flatten().tolist())


@functools.lru_cache(maxsize=64)
def _taps(before: int, after: int) -> tuple[torch.Tensor, torch.Tensor]:
    """int64 and int32 (taps, after): which pixels each new one is made of, and how much of each, times 2^22.

    Where a pixel has fewer taps than others, the last ones have weight 0.
    """
    scale = before / after
    stretch = max(scale, 1.0)
    support = LOBES * stretch
    most = math.ceil(support) * 2 + 1
    places = torch.zeros(after, most, dtype=torch.int64)
    weights = torch.zeros(after, most, dtype=torch.int32)
    for number in range(after):
        centre = (number + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        count = min(int(centre + support + 0.5), before) - first
        inverse = 1.0 / stretch
        values = [_filter((tap + first - centre + 0.5) * inverse) for tap in range(count)]
        total = 0.0
        for value in values:
            total += value
        whole = [value / total if total else value for value in values]
        places[number, :count] = torch.arange(first, first + count)
        weights[number, :count] = torch.tensor([_fixed(value) for value in whole], dtype=torch.int32)
    used = int(weights.ne(0).any(0).nonzero().max()) + 1
    return places.T[:used].contiguous(), weights.T[:used].contiguous()


def _fixed(value: float) -> int:
    return int(value * (1 << PRECISION) + (0.5 if value >= 0 else -0.5))


def _filter(x: float) -> float:
    return _sinc(x) * _sinc(x / LOBES) if -LOBES <= x < LOBES else 0.0


def _sinc(x: float) -> float:
    if x == 0.0:
        return 1.0
    x *= math.pi
    return math.sin(x) / x
