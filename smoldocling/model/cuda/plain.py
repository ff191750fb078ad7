"""One step of the decoder over rows that lie anywhere, in plain torch: what the fused kernels must agree with.

Knows: weights, slots, positions. Does not know: recording, whose rows these are.
Laws:
- A row depends on its own sequence alone, and only on positions up to its own.
- Nothing here asks the device anything, so that it can be recorded: shapes depend on the counts of rows alone.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.decoder import Text
from smoldocling.model.parts import Parts, rotated


class Plain:
    """Works on every device."""

    def __init__(self, config: Config, text: Text, parts: Parts) -> None:
        self._config = config
        self._text = text
        self._parts = parts

    def __call__(
        self, tokens: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, each: int, cache: Cache
    ) -> torch.Tensor:
        """The likeliest id after each row.

        tokens, slots, positions  int64 (rows); every `each` rows are one sequence's, and none of them lies before the
                                  one above it; a row may be there twice
        """
        x = self.hidden(tokens, slots, positions, each, cache)
        return self.logits(x).argmax(-1)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (rows, vocab_size)."""
        return self._text.head(self._parts.normed(x, None, self._text.norm, None, self._config.eps))

    def hidden(
        self, tokens: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, each: int, cache: Cache
    ) -> torch.Tensor:
        """(rows, width), before the last norm."""
        config, text, parts = self._config, self._text, self._parts
        x, delta = text.embedding[tokens], None
        for number, layer in enumerate(text.layers):
            qkv = layer.qkv(parts.normed(x, delta, layer.attention_norm, None, config.eps))
            q = self._place(number, qkv, slots, positions, cache)
            delta = layer.out(self._look(number, q, slots[::each], positions.view(-1, each), cache))
            inner = parts.gated(layer.gate_up(parts.normed(x, delta, layer.inner_norm, None, config.eps)))
            delta = layer.down(inner)
        return x if delta is None else x.add_(delta)

    def _place(
        self, number: int, qkv: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, cache: Cache
    ) -> torch.Tensor:
        """Keys and values into the cache; the queries (rows, heads, head_dim), over the root of head_dim."""
        config = self._config
        heads = qkv.view(len(qkv), -1, config.head_dim).float()
        q, k, v = heads.tensor_split((config.heads, config.heads + config.kv_heads), 1)
        cosine, sine = self._text.cosines[positions, None], self._text.sines[positions, None]  # (rows, 1, half)
        cache.place(number, slots, positions, rotated(k, cosine, sine), v)
        turned: torch.Tensor = rotated(q, cosine, sine) * config.head_dim**-0.5
        return turned.to(qkv.dtype)

    def _look(
        self, number: int, q: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, cache: Cache
    ) -> torch.Tensor:
        """(rows, heads, head_dim) -> (rows, heads * head_dim), over the slots' whole length.

        slots      (sequences)
        positions  (sequences, each)
        """
        sequences, each = positions.shape
        places = torch.arange(cache.length, device=q.device)
        seen = places <= positions[:, :, None]  # (sequences, each, length)
        # What has never been written may be no number at all, and that times nothing is none either.
        written = seen[:, -1, None, :, None]  # (sequences, 1, length, 1)
        keys, values = (part.masked_fill(~written, 0) for part in cache.at(number, slots, q.dtype))
        heads = q.view(sequences, each, *q.shape[1:]).transpose(1, 2)  # (sequences, heads, each, head_dim)
        found: torch.Tensor = functional.scaled_dot_product_attention(
            heads, keys, values, seen[:, None], scale=1.0, enable_gqa=True
        )
        return found.transpose(1, 2).reshape(len(q), -1)
