"""Attention of the vision tower: every patch sees every patch of its own tile.

Knows: queries, keys, values. Does not know: layers, weights. The decoder's attention reads slots and lives in decoder.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def attend(qkv: torch.Tensor, tiles: int, heads: int) -> torch.Tensor:
    """(tiles * patches, 3 * width) -> (tiles * patches, width)."""
    rows, width = len(qkv), qkv.shape[1] // 3
    # (3, tiles, heads, patches, head_dim)
    q, k, v = qkv.view(tiles, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    if qkv.device.type == "cpu" and qkv.dtype == torch.bfloat16:
        return _by_heads(q, k, v).view(rows, width)
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(rows, width)


def _by_heads(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One head after the other, its scores as a whole: they fit into the cache, and both products run at full speed.

    More than twice as fast as torch's own kernel for CPUs, whose blocks are too small for bfloat16.
    """
    tiles, heads, patches, head_dim = q.shape
    q, k, v = (q * head_dim**-0.5).contiguous(), k.contiguous(), v.contiguous()
    out = torch.empty(tiles, patches, heads, head_dim, dtype=q.dtype)
    for tile in range(tiles):
        for head in range(heads):
            scores = torch.matmul(q[tile, head], k[tile, head].T)  # (patches, patches)
            out[tile, :, head] = torch.matmul(torch.softmax(scores, -1), v[tile, head])
    return out
