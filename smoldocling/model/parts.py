"""What lies between the large products: norms, softmax, rotary positions, gates, int8 activations.

Knows: rows of numbers. Does not know: layers, weights. Law: a row depends on itself alone.
`Parts` is the definition, in plain torch on any device; `Compiled` does each in one pass, in C (kernels/parts.c).
"""

from __future__ import annotations

import ctypes
from typing import Literal

import torch
from torch.nn import functional

from smoldocling.model import kernels
from smoldocling.model.config import Config

Activation = Literal["none", "gelu"]


class Parts:
    """Arithmetic is in float32, results in the dtype of what came."""

    def normed(
        self,
        x: torch.Tensor,
        delta: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        eps: float,
    ) -> torch.Tensor:
        """x += delta, in place; then x (rows, width) normalised: by mean and variance with a bias, else by the root
        mean square. `weight` and `bias` are float32."""
        if delta is not None:
            x += delta
        wide = x.float()
        if bias is not None:
            return functional.layer_norm(wide, weight.shape, weight, bias, eps).to(x.dtype)
        return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * weight).to(x.dtype)

    def softmax(self, scores: torch.Tensor, group: int = 0, first: int = 0) -> torch.Tensor:
        """Each row of scores (rows, columns), in place.

        With `group`, row i sees columns 0 .. first + i // group and the others become 0; with 0 it sees all.
        """
        wide = scores.float()
        if group:
            rows, columns = scores.shape
            seen = first + torch.arange(rows, device=scores.device) // group
            wide = wide.masked_fill(torch.arange(columns, device=scores.device) > seen[:, None], -torch.inf)
        return scores.copy_(torch.softmax(wide, -1))

    def gated(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, gate and up) -> silu(gate) * up, (rows, inner)."""
        gate, up = x.chunk(2, -1)
        return functional.silu(gate) * up

    def turned(
        self,
        x: torch.Tensor,
        heads: int,
        start: int,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
    ) -> torch.Tensor:
        """Rotary positions start, start + 1... for x (rows, heads + 2 * kv_heads, head_dim).

        cosines, sines  float32 (positions, head_dim / 2)
        keys, values    one slot of the cache, (kv_heads, length, head_dim): those of x are written there
        Returns the queries over the root of head_dim, (kv_heads, rows, group, head_dim).
        """
        rows, kv_heads, head_dim = len(x), len(keys), x.shape[-1]
        q, k, v = x.float().tensor_split((heads, heads + kv_heads), 1)
        cosine, sine = (table[start : start + rows, None] for table in (cosines, sines))
        q, k = rotated(q, cosine, sine), rotated(k, cosine, sine)
        keys[:, start : start + rows] = k.transpose(0, 1)
        values[:, start : start + rows] = v.transpose(0, 1)
        q = (q * head_dim**-0.5).to(x.dtype)
        by_heads: torch.Tensor = q.view(rows, kv_heads, heads // kv_heads, head_dim).transpose(0, 1)
        return by_heads.contiguous()

    def quantised(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(rows, width) -> int8 (rows, width) and float32 (rows): x = int8 * scale, the largest of a row at 127."""
        wide = x.float()
        peak = wide.abs().amax(-1)
        factor = torch.where(peak > 0, 127 / peak, 0)
        return (wide * factor[:, None]).round_().to(torch.int8), peak / 127

    def rescaled(
        self,
        sums: torch.Tensor,
        row_scale: torch.Tensor,
        scale: torch.Tensor,
        bias: torch.Tensor | None,
        activation: Activation,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        """activation(sums * row_scale * scale + bias): int32 (rows, width) -> `dtype` (rows, width)."""
        y = sums.float() * row_scale[:, None] * scale
        y = y if bias is None else y + bias
        return (functional.gelu(y, approximate="tanh") if activation == "gelu" else y).to(dtype)


def rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Each pair of a head's two halves turned by its angle; tables are (..., head_dim / 2)."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)


class Compiled(Parts):
    """The same in C. Rows may be as many as they like; widths are multiples of kernels.LANES."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def normed(
        self,
        x: torch.Tensor,
        delta: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        eps: float,
    ) -> torch.Tensor:
        y = torch.empty_like(x)
        self._call("add_norm", x, *x.shape, x, delta, weight, bias, ctypes.c_float(eps), y)
        return y

    def softmax(self, scores: torch.Tensor, group: int = 0, first: int = 0) -> torch.Tensor:
        rows, columns = scores.shape
        if self._call("softmax", scores, rows, columns, scores, group, first):
            return super().softmax(scores, group, first)
        return scores

    def gated(self, x: torch.Tensor) -> torch.Tensor:
        rows, both = x.shape
        y = x.new_empty(rows, both // 2)
        self._call("gate", x, rows, both // 2, x, y)
        return y

    def turned(
        self,
        x: torch.Tensor,
        heads: int,
        start: int,
        cosines: torch.Tensor,
        sines: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
    ) -> torch.Tensor:
        rows, (kv_heads, length, head_dim) = len(x), keys.shape
        q = x.new_empty(kv_heads, rows, heads // kv_heads, head_dim)
        places = (ctypes.c_int64(length), x, ctypes.c_int64(start), cosines, sines, q, keys, values)
        self._call("turn", x, rows, heads, kv_heads, head_dim, *places)
        return q

    def quantised(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, scale = torch.empty_like(x, dtype=torch.int8), x.new_empty(len(x), dtype=torch.float32)
        self._call("quantise", x, *x.shape, x, y, scale)
        return y, scale

    def rescaled(
        self,
        sums: torch.Tensor,
        row_scale: torch.Tensor,
        scale: torch.Tensor,
        bias: torch.Tensor | None,
        activation: Activation,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        y = torch.empty_like(sums, dtype=dtype)
        self._call("rescale", y, *sums.shape, sums, row_scale, scale, bias, int(activation == "gelu"), y)
        return y

    def _call(self, name: str, like: torch.Tensor, rows: int, *values: object) -> int:
        """Tensors become pointers; `like` says which kind of numbers."""
        arguments = [_argument(value) for value in values]
        kind = kernels.KINDS[like.dtype]
        call = getattr(self._library, f"smoldocling_{name}")
        return int(call(torch.get_num_threads(), kind, ctypes.c_int64(rows), *arguments))


def _argument(value: object) -> object:
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, torch.Tensor):
        assert value.is_contiguous(), "parts.c reads rows one behind the other"
        return ctypes.c_void_p(value.data_ptr())
    return value


def choose(config: Config, device: torch.device, dtype: torch.dtype, library: ctypes.CDLL | None) -> Parts:
    """In C where it can be."""
    widths = (config.vision_width, config.vision_inner, config.width, config.inner, config.head_dim // 2)
    fits = device.type == "cpu" and dtype in (torch.float32, torch.bfloat16)
    return Compiled(library) if library and fits and not any(width % kernels.LANES for width in widths) else Parts()
