"""Attention over whole rows: the tower's, where every patch sees its tile, and a prompt's, which looks back.

Knows: queries, keys, values. Does not know: layers, weights, slots. Compiled steps of the decoder have their own.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from smoldocling.model.linear import onednn, product
from smoldocling.model.parts import Parts

# Rows of a prompt that are looked at together: their scores over 1,400 positions fit into the second cache.
BLOCK = 256


def attend(qkv: torch.Tensor, tiles: int, heads: int, parts: Parts) -> torch.Tensor:
    """(tiles * patches, 3 * width) -> (tiles * patches, width).

    On a CPU one head after the other, its scores as a whole: they fit into the cache and both products run at full
    speed. torch's own kernel for CPUs takes 2.3 times as long; its blocks are too small for bfloat16.
    """
    rows, width = len(qkv), qkv.shape[1] // 3
    patches, head_dim = rows // tiles, width // heads
    # (3, tiles, heads, patches, head_dim)
    q, k, v = qkv.view(tiles, patches, 3, heads, head_dim).permute(2, 0, 3, 1, 4)
    if not onednn(qkv.device, qkv.dtype):
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(rows, width)
    q, k, v = (q * head_dim**-0.5).contiguous(), k.contiguous(), v.contiguous()
    out = torch.empty(tiles, patches, heads, head_dim, dtype=q.dtype)
    for tile in range(tiles):
        for head in range(heads):
            shares = parts.softmax(product(q[tile, head], k[tile, head]))  # (patches, patches)
            out[tile, :, head] = product(shares, v[tile, head].T)
    return out.view(rows, width)


def look_back(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, start: int, parts: Parts) -> torch.Tensor:
    """Queries at positions start, start + 1... over all positions up to their own.

    q             (kv_heads, rows, group, head_dim), over the root of head_dim
    keys, values  (kv_heads, start + rows, head_dim)
    Returns (rows, heads * head_dim).
    """
    kv_heads, rows, group, head_dim = q.shape
    if not onednn(q.device, q.dtype):
        return _masked(q, keys, values, start)
    out = torch.empty(rows, kv_heads, group, head_dim, dtype=q.dtype)
    for head in range(kv_heads):
        for first in range(0, rows, BLOCK):
            block = q[head, first : first + BLOCK].flatten(0, 1)  # (rows * group, head_dim)
            end = min(start + first + BLOCK, start + rows)
            shares = parts.softmax(product(block, keys[head, :end]), group, start + first)
            out[first : first + BLOCK, head] = product(shares, values[head, :end].T).view(-1, group, head_dim)
    return out.view(rows, -1)


def _masked(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, start: int) -> torch.Tensor:
    """The same through torch's own attention."""
    kv_heads, rows, group, head_dim = q.shape
    heads = q.transpose(1, 2).reshape(1, kv_heads * group, rows, head_dim)
    seen = torch.ones(rows, start + rows, dtype=torch.bool, device=q.device).tril(start) if rows > 1 and start else None
    out = functional.scaled_dot_product_attention(
        heads, keys[None], values[None], seen, is_causal=rows > 1 and not start, scale=1.0, enable_gqa=True
    )
    return out[0].transpose(0, 1).reshape(rows, -1)
