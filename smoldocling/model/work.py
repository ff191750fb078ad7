"""Memory that work on a GPU takes beside weights and cache, by the shape of the network.

Knows: which tensors lie beside each other at the widest place of each kind of work. Does not know: devices.
Estimates from above: torch's allocator gives memory back to work of the same queue only, and rounds up.
"""

from __future__ import annotations

import math

import torch

from smoldocling.model.config import Config

FLOAT_BYTES = 4
# What a queue keeps of memory that has become free in other sizes than are wanted next.
ROUNDING = 1.25


def tower(config: Config, tiles: int, dtype: torch.dtype) -> int:
    """So many tiles at once: between up and down a patch has its row, the sum that is added to it, and the inner
    numbers before and behind their activation; the pixels wait beside it."""
    patch = (2 * config.vision_width + 2 * config.vision_inner) * dtype.itemsize
    attention = 6 * config.vision_width * dtype.itemsize
    pixels = tiles * config.tile_px**2 * 3
    return int(ROUNDING * (tiles * config.patches**2 * max(patch, attention) + 2 * pixels))


def prompt(config: Config, rows: int, dtype: torch.dtype) -> int:
    """A chunk of so many rows, and the features that it is made of."""
    row = (3 * config.width + 3 * config.inner) * dtype.itemsize
    return int(ROUNDING * rows * (row + config.width * dtype.itemsize))


def step(config: Config, rows: int, length: int, piece: int, dtype: torch.dtype) -> int:
    """So many rows over slots of so many positions: attention's pieces in float32, and, in plain torch, logits."""
    pieces = math.ceil(length / piece)
    attention = config.heads * pieces * (config.head_dim + 2) * FLOAT_BYTES
    rest = (3 * config.width + 3 * config.inner + config.vocab_size) * dtype.itemsize
    return int(ROUNDING * rows * (attention + rest))
