"""x W^T + b, in every way in which it is computed here.

Knows: tensors, what this build of torch can multiply. Does not know: what the numbers mean.
Law: functional.linear is the definition; every way agrees with it to the rounding of its precision.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch.nn import functional

from smoldocling.model.parts import Activation, Parts


class Linear(Protocol):
    """(..., inputs) -> (..., outputs)"""

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor: ...


# Vectors that cross a cache line are read twice. Memory-mapped tensors lie anywhere; torch's own begin at a line.
LINE_BYTES = 64


def onednn(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether torch can call oneDNN by itself there. In float32 on AMD that is twice as fast as MKL."""
    if device.type != "cpu" or not torch._C._has_mkldnn:
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None, activation: Activation = "none"
) -> torch.Tensor:
    """x weight^T + bias, the fastest way for weights as they lie; `weight` may be packed."""
    if onednn(x.device, x.dtype):
        name, algorithm = ("gelu", "tanh") if activation == "gelu" else ("none", "")
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, name, [], algorithm)
        return y
    y = functional.linear(x, weight, bias)
    return functional.gelu(y, approximate="tanh") if activation == "gelu" else y


class Plain:
    """Weights as they are."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight = weight.clone() if weight.data_ptr() % LINE_BYTES else weight  # (outputs, inputs)
        self.bias = bias

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        return product(x, self.weight, self.bias, activation)


class Packed:
    """Weights in oneDNN's own order: what torch.compile with freezing would make of them.

    Without it, AMX reorders them at every call.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, rows: int) -> None:
        """rows  of x, which decide about the order"""
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        self._bias = bias

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        return product(x, self._weight, self._bias, activation)


class Int8Weights:
    """Weights as int8 with one scale a row: half the bytes of bfloat16 to read at every step of the decoder."""

    def __init__(self, weight: torch.Tensor) -> None:
        """weight  (outputs, inputs), floating point"""
        self.weight, self.scale = _quantise(weight)

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        # int8 is exact in bfloat16, so the product loses nothing that x has not lost already.
        y = product(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return functional.gelu(y, approximate="tanh") if activation == "gelu" else y


class Int8:
    """Weights and activations as int8, with a scale for every row of both: half the time of bfloat16 in the tower."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, parts: Parts) -> None:
        self._weight, self._scale = _quantise(weight)
        self._bias = None if bias is None else bias.float()
        self._parts = parts

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        rows, row_scale = self._parts.quantised(x)
        sums = torch._int_mm(rows, self._weight.T)  # int32 (rows, outputs)
        return self._parts.rescaled(sums, row_scale, self._scale, self._bias, activation, x.dtype)


def pack(weight: torch.Tensor, bias: torch.Tensor | None, rows: int) -> Linear:
    """The fastest way for a weight that is used with about so many rows at a time."""
    return Packed(weight, bias, rows) if onednn(weight.device, weight.dtype) else Plain(weight, bias)


def _quantise(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """int8 (outputs, inputs) and float32 (outputs): weight = int8 * scale, the largest of a row at 127."""
    wide = weight.float()
    scale = wide.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (wide / scale[:, None]).round_().to(torch.int8), scale
