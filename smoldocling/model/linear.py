"""x W^T + b, in every way in which it is computed here.

Knows: tensors, what this build of torch can multiply. Does not know: what the numbers mean.
Law: `Plain` is the definition; every other way agrees with it to the rounding of its precision.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch.nn import functional

Activation = Literal["none", "gelu"]


class Linear(Protocol):
    """(..., inputs) -> (..., outputs)"""

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor: ...


# Vectors that cross a cache line are read twice. Memory-mapped tensors lie anywhere; torch's own begin at a line.
LINE_BYTES = 64


class Plain:
    """On any device, in any dtype."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.weight = weight.clone() if weight.data_ptr() % LINE_BYTES else weight  # (outputs, inputs)
        self.bias = bias

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        y = functional.linear(x, self.weight, self.bias)
        return functional.gelu(y, approximate="tanh") if activation == "gelu" else y


class Packed:
    """oneDNN on weights in its own order, the activation inside: what torch.compile with freezing would call.

    Twice as fast as MKL in float32 on AMD; in bfloat16 on AMX, where unpacked weights are reordered at every call.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, rows: int) -> None:
        """rows  of x, which decide about the order"""
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        self._bias = bias

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        name, algorithm = ("gelu", "tanh") if activation == "gelu" else ("none", "")
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, name, [], algorithm)
        return y


def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `Packed` can be used there."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return dtype == torch.float32


def pack(weight: torch.Tensor, bias: torch.Tensor | None, rows: int) -> Linear:
    """The fastest way for a weight that is used with about so many rows at a time."""
    return Packed(weight, bias, rows) if packs(weight.device, weight.dtype) else Plain(weight, bias)


class Eights:
    """Weights as int8 with one scale a row: half the bytes of bfloat16 to read at every step."""

    def __init__(self, weight: torch.Tensor) -> None:
        """weight  (outputs, inputs), floating point"""
        wide = weight.float()
        self.scale = wide.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127  # (outputs)
        self.weight = (wide / self.scale[:, None]).round_().to(torch.int8)

    def __call__(self, x: torch.Tensor, activation: Activation = "none") -> torch.Tensor:
        # int8 is exact in bfloat16, so the product loses nothing that x has not lost already.
        y = functional.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return functional.gelu(y, approximate="tanh") if activation == "gelu" else y
