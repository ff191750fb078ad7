"""The decoder's step and the parts of the tower through fused kernels: `Plain` and `Parts` with fewer, larger pieces.

Knows: weights as they lie, sizes of blocks. Does not know: recording, whose rows these are, which device this is.
Law: what kernels.py promises; and nobody has to trust it: `agrees` compares with plain torch on the device itself.
"""

# Triton is not always there, and has no types where it is.
# mypy: disable-error-code="import-not-found,import-untyped,no-untyped-call,unused-ignore"
from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.cuda import kernels
from smoldocling.model.cuda.plain import Plain
from smoldocling.model.cuda.steps import PIECE, QUERY_ROWS
from smoldocling.model.decoder import Text
from smoldocling.model.linear import Plain as Matrix
from smoldocling.model.parts import Parts

# Rows that are multiplied together, by how many there are: 32 halves how often weights are read from the second cache.
# 64 would be another instruction, so other bits.
FEW_ROWS, FEW_BLOCK, MANY_BLOCK = 16, 16, 32
# Columns of one program. Narrow, because one row has 576 columns and a GPU has 132 processors.
OUT_COLUMNS, GATE_COLUMNS, HEAD_COLUMNS = 16, 16, 64
# Steps along a dot product, the first that divides the sides of this network.
INNER_STEPS = (64, 32, 16)
# Positions that are multiplied with the queries at a time.
KEY_COLUMNS = 64
# Below 16 tensor cores do not multiply; kernels.look keeps a head's vector whole.
HEAD_DIMS = (32, 64, 128)
# Share of its length by which a row may differ from plain torch's after all layers. bfloat16 has 2^-8, in each of some
# hundred roundings that do not all add up.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}


class Fused:
    """The step. Makes what it returns and what lies between; writes into the cache."""

    def __init__(self, config: Config, text: Text, *, wide: bool = False, span: int = PIECE) -> None:
        """
        wide  products in float32 whatever the weights are: Triton's interpreter cannot multiply in bfloat16
        span  positions of one piece of attention
        """
        self._config = config
        self._text = text
        self.span = span
        self._step = _inner_step(config)
        kind = text.embedding.dtype
        self._dot = tl.float32 if wide or kind == torch.float32 else _KINDS[kind]
        self._none = torch.empty(0, dtype=torch.float32, device=text.embedding.device)

    def __call__(
        self, tokens: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, each: int, cache: Cache
    ) -> torch.Tensor:
        """The likeliest id after each row; see plain.Plain."""
        return self.best(self.hidden(tokens, slots, positions, each, cache))

    def hidden(
        self, tokens: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, each: int, cache: Cache
    ) -> torch.Tensor:
        """(rows, width), before the last norm."""
        config, text, dot, inner_step = self._config, self._text, self._dot, self._step
        x = text.embedding[tokens]
        rows, block = len(x), _block(len(x))
        blocks = triton.cdiv(rows, block)
        pieces = triton.cdiv(cache.length, self.span)
        group, head_dim = config.heads // config.kv_heads, config.head_dim
        q = x.new_empty(rows, config.heads, head_dim)
        found = x.new_empty(rows, config.heads * head_dim)
        inner = x.new_empty(rows, config.inner)
        parts = x.new_empty(rows, config.heads, pieces, head_dim, dtype=torch.float32)
        sums = x.new_empty(rows, config.heads, pieces, 2, dtype=torch.float32)
        queries = next(size for size in (*QUERY_ROWS, 128, 256) if size >= each * group)
        narrow = cache.scales is not None
        for number, layer in enumerate(text.layers):
            keys, values = cache.keys[number], cache.values[number]
            scales = (cache.scales[0][number], cache.scales[1][number]) if cache.scales else (self._none, self._none)
            kernels.qkv[(blocks, config.heads + 2 * config.kv_heads)](
                *(x, layer.attention_norm, _weight(layer.qkv), text.cosines, text.sines, slots, positions),
                *(q, keys, values, *scales, rows, cache.length, config.eps, head_dim**-0.5),
                *(config.width, config.heads, config.kv_heads, head_dim // 2, narrow, block, inner_step, dot),
            )
            kernels.look[(rows // each, config.kv_heads, pieces)](
                *(q, keys, values, *scales, slots, positions, parts, sums, cache.length, pieces),
                *(each, group, config.kv_heads, head_dim, narrow, queries, self.span),
                *(min(KEY_COLUMNS, self.span), dot),
            )
            kernels.join[(rows, config.heads)](parts, sums, positions, found, pieces, config.heads, head_dim, self.span)
            kernels.add_product[(blocks, config.width // OUT_COLUMNS)](
                *(found, _weight(layer.out), x, rows, config.heads * head_dim, config.width),
                *(block, OUT_COLUMNS, inner_step, dot),
            )
            kernels.gate[(blocks, config.inner // GATE_COLUMNS)](
                *(x, layer.inner_norm, _weight(layer.gate_up), inner, rows, config.eps, config.width, config.inner),
                *(block, GATE_COLUMNS, inner_step, dot),
            )
            kernels.add_product[(blocks, config.width // OUT_COLUMNS)](
                *(inner, _weight(layer.down), x, rows, config.inner, config.width),
                *(block, OUT_COLUMNS, inner_step, dot),
            )
        return x

    def best(self, x: torch.Tensor) -> torch.Tensor:
        """int64 (rows)."""
        config, text, block = self._config, self._text, _block(len(x))
        columns = triton.cdiv(config.vocab_size, HEAD_COLUMNS)
        best = x.new_empty(len(x), columns, dtype=torch.float32)
        which = x.new_empty(len(x), columns, dtype=torch.int32)
        kernels.head[(triton.cdiv(len(x), block), columns)](
            *(x, text.norm, _weight(text.head), best, which, len(x), columns, config.eps),
            *(config.width, config.vocab_size, block, HEAD_COLUMNS, self._step, self._dot),
        )
        out = x.new_empty(len(x), dtype=torch.int64)
        kernels.likeliest[(len(x),)](best, which, out, columns, config.vocab_size, triton.next_power_of_2(columns))
        return out


class FusedParts(Parts):
    """Norms and gates in one pass each."""

    def normed(
        self,
        x: torch.Tensor,
        delta: torch.Tensor | None,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        eps: float,
    ) -> torch.Tensor:
        rows, width = x.shape
        assert x.is_contiguous() and (delta is None or delta.is_contiguous()), "rows lie behind each other"  # noqa: PT018
        out = torch.empty_like(x)
        kernels.add_norm[(rows,)](
            *(x, x if delta is None else delta, weight, weight if bias is None else bias, out, eps, width),
            *(delta is not None, bias is not None, triton.next_power_of_2(width)),
        )
        return out

    def gated(self, x: torch.Tensor) -> torch.Tensor:
        rows, inner = len(x), x.shape[1] // 2
        out = x.new_empty(rows, inner)
        block = min(1024, triton.next_power_of_2(inner))
        kernels.gated[(rows, triton.cdiv(inner, block))](x.contiguous(), out, inner, block)
        return out


def fits(config: Config, text: Text) -> bool:
    """Whether the kernels compute such a network: weights as they are, sides that blocks divide."""
    matrices = [
        text.head,
        *(part for layer in text.layers for part in (layer.qkv, layer.out, layer.gate_up, layer.down)),
    ]
    return (
        all(isinstance(matrix, Matrix) and matrix.bias is None for matrix in matrices)
        and config.head_dim in HEAD_DIMS
        and not any(side % INNER_STEPS[-1] for side in (config.width, config.inner))
        and config.heads // config.kv_heads <= QUERY_ROWS[0]
    )


def agrees(config: Config, text: Text, parts: Parts, fused: Fused) -> str | None:
    """What differs from plain torch on this device, None if nothing does: three sequences over two pieces, one of them
    with rows to check, in slots full of noise."""
    plain, device, kind = Plain(config, text, parts), text.embedding.device, text.embedding.dtype
    length = min(config.context_length, 2 * fused.span)
    ends = torch.tensor([3, length // 2, length - 4], device=device)
    for each in (1, 3):
        tokens = torch.arange(3 * each, device=device) * 7 % config.vocab_size
        slots = torch.arange(3, device=device).repeat_interleave(each)
        positions = (ends[:, None] + torch.arange(each, device=device)).flatten()
        found = []
        for body in (plain, fused):
            cache = Cache(config, 3, length, kind, device)
            noise = torch.Generator(device).manual_seed(0)
            for part in (cache.keys, cache.values):
                part.copy_(torch.randn(part.shape, generator=noise, device=device, dtype=torch.float32))
            found.append(body.hidden(tokens, slots, positions, each, cache).float())
        error = float(((found[1] - found[0]).norm(dim=-1) / found[0].norm(dim=-1)).max())
        if not error <= TOLERANCE[kind]:
            return f"rows differ by {error:.1e} of their length"
        x = found[0].to(kind)
        logits = plain.logits(x).float()
        chosen = logits.gather(1, fused.best(x)[:, None])[:, 0]
        if not bool((chosen >= logits.amax(-1) - TOLERANCE[kind] * logits.abs().amax(-1)).all()):
            return "another id is the likeliest"
    return None


_KINDS: dict[torch.dtype, Any] = {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}


def _weight(matrix: object) -> torch.Tensor:
    assert isinstance(matrix, Matrix), "fits() has looked"
    return matrix.weight


def _block(rows: int) -> int:
    return FEW_BLOCK if rows <= FEW_ROWS else MANY_BLOCK


def _inner_step(config: Config) -> int:
    sides = (config.width, config.inner, config.heads * config.head_dim)
    return next(step for step in INNER_STEPS if not any(side % step for side in sides))
