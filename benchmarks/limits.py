"""What this machine does at best, and how much work the network is: what a time is a share of.

Knows: plain matrix products, plain reads and copies, the arithmetic of the network's shapes. Does not know: engines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from smoldocling.model.config import Config
from smoldocling.model.linear import pack

# Rows, inputs and outputs of the products in the tower of the 256M network, two tiles at a time.
SHAPES = ((2048, 768, 2304), (2048, 768, 768), (2048, 768, 3072), (2048, 3072, 768))
# About the weights that a step of the decoder reads: far more than any cache of two cores.
READ_BYTES = 256 << 20
# The best of so many: what disturbs them only ever makes them slower. A read takes a hundredth of a second.
TRIES, READ_TRIES = 5, 15
INT8 = "int8"


@dataclass(frozen=True, slots=True)
class Limits:
    """flops  operations a second in products, by dtype: a multiplication and an addition are two
    read, copied  bytes a second that are read, and that are read and written by a copy
    """

    flops: Mapping[str, float]
    read: float
    copied: float

    def best(self, other: Limits) -> Limits:
        """The faster of two measurements, one by one."""
        flops = {dtype: max(rate, other.flops[dtype]) for dtype, rate in self.flops.items()}
        return Limits(flops, max(self.read, other.read), max(self.copied, other.copied))

    def figures(self) -> dict[str, float]:
        """In GFLOP/s and GB/s."""
        rates = {f"{dtype} GFLOP/s": rate for dtype, rate in self.flops.items()}
        rates |= {"read GB/s": self.read, "copy GB/s": self.copied}
        return {name: round(rate / 1e9, 1) for name, rate in rates.items()}


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done: operations in products by dtype, and bytes read from memory."""

    flops: Mapping[str, float] = field(default_factory=dict)
    read: float = 0

    def __add__(self, other: Work) -> Work:
        kinds = {**self.flops, **other.flops}
        flops = {dtype: self.flops.get(dtype, 0) + other.flops.get(dtype, 0) for dtype in kinds}
        return Work(flops, self.read + other.read)

    def seconds(self, limits: Limits) -> float:
        """The least time for it, if neither waits for the other."""
        products = sum(count / limits.flops[dtype] for dtype, count in self.flops.items())
        return max(products, self.read / limits.read)


def measure(dtypes: tuple[str, ...] = ("bfloat16", "float32", INT8)) -> Limits:
    """What the machine does now. Takes a few seconds."""
    flops = {dtype: max(_product_rate(dtype, *shape) for shape in SHAPES) for dtype in dtypes}
    source = torch.ones(READ_BYTES // 8, dtype=torch.int64)
    target = torch.empty_like(source)
    # Which of these is fastest depends on the processor; all do no more than look at every number once.
    readers = (source.amax, source.sum, source.view(torch.int16).amax, source.view(torch.float32).sum)
    read = source.nbytes / min(_seconds(reader, READ_TRIES) for reader in readers)
    return Limits(flops, read, 2 * source.nbytes / _seconds(lambda: target.copy_(source), READ_TRIES))


def _product_rate(dtype: str, rows: int, inputs: int, outputs: int) -> float:
    """Operations a second, the weights as they are or in the order that oneDNN likes best."""
    ways: tuple[Callable[[], object], ...]
    if dtype == INT8:
        a, b = (torch.randint(-127, 128, (count, inputs), dtype=torch.int8) for count in (rows, outputs))
        ways = (lambda: torch._int_mm(a, b.T),)
    else:
        kind = getattr(torch, dtype)
        x, weight = torch.randn(rows, inputs).to(kind), torch.randn(outputs, inputs).to(kind)
        packed = pack(weight, None, rows)
        ways = (lambda: torch.nn.functional.linear(x, weight), lambda: packed(x))
    return 2 * rows * inputs * outputs / min(_seconds(way, TRIES) for way in ways)


def _seconds(function: Callable[[], object], tries: int) -> float:
    function()
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def tower(config: Config, tiles: int, dtype: str, products: str) -> Work:
    """Tower and connector; `products` is the precision of the blocks' weights, `dtype` that of all else."""
    patches, width = config.patches**2, config.vision_width
    blocks = 2 * patches * config.vision_layers * (4 * width * width + 2 * width * config.vision_inner)
    attention = 4 * patches * patches * width * config.vision_layers
    ends = 2 * patches * 3 * config.patch_px**2 * width + 2 * patches * width * config.width
    flops = {dtype: float(tiles * (attention + ends))}
    flops[products] = flops.get(products, 0) + tiles * blocks
    return Work(flops)


def prompt(config: Config, rows: int, dtype: str) -> Work:
    """All rows of one prompt, and the logits behind the last. int8 weights are multiplied in `dtype` here."""
    products = 2 * (rows * _block_numbers(config) + _head_numbers(config))
    attention = 2 * rows * rows * config.heads * config.head_dim * config.layers  # half of the square is masked
    return Work({dtype: float(products + attention)})


def step(config: Config, sequences: int, context: float, dtype: torch.dtype, weight_bytes: int) -> Work:
    """One id more for each of so many sequences of `context` positions: all weights are read, and all of the cache."""
    weights = (_block_numbers(config) + _head_numbers(config)) * weight_bytes
    return Work(read=weights + sequences * context * config.kv_numbers * dtype.itemsize)


def _block_numbers(config: Config) -> int:
    """Weights in all blocks of the decoder."""
    attention = config.width * config.head_dim * (2 * config.heads + 2 * config.kv_heads)
    return config.layers * (attention + 3 * config.width * config.inner)


def _head_numbers(config: Config) -> int:
    return config.vocab_size * config.width
