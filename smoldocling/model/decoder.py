"""The text network: Llama-shaped, over rows of many sequences at once, in plain torch.

Knows: weights, slots of the cache, positions. Does not know: whose turn it is, what ids mean.
Rows of all sequences lie below each other without padding: products see one matrix, attention sees spans.
Law: what a row becomes depends on its own sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.linear import Eights, Plain
from smoldocling.model.weights import Weights

Matrix = Plain | Eights


@dataclass(frozen=True, slots=True)
class Span:
    """`count` rows of one sequence: the next ones, at positions start, start + 1..."""

    slot: int
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights of one block; `qkv` and `gate_up` are several under each other."""

    attention_norm: torch.Tensor
    qkv: Matrix
    out: Matrix
    inner_norm: torch.Tensor
    gate_up: Matrix
    down: Matrix


@dataclass(frozen=True, slots=True)
class Text:
    """All weights of the text network. `cosines` and `sines` are float32, (context_length, head_dim / 2)."""

    embedding: torch.Tensor
    layers: tuple[Layer, ...]
    norm: torch.Tensor
    head: Matrix
    cosines: torch.Tensor
    sines: torch.Tensor


def load(config: Config, weights: Weights, device: torch.device, *, eights: bool) -> Text:
    """Take the text network's tensors, the large ones as int8 if `eights`."""
    kind = Eights if eights else Plain
    embedding = weights.take("model.text_model.embed_tokens.weight", config.vocab_size, config.width).to(device)
    if config.tied_head:
        weights.ignore("lm_head.weight")
        head = embedding
    else:
        head = weights.take("lm_head.weight", config.vocab_size, config.width).to(device)
    cosines, sines = _rotations(config)
    return Text(
        embedding=embedding,
        layers=tuple(_layer(config, weights, number, device, kind) for number in range(config.layers)),
        norm=weights.take("model.text_model.norm.weight", config.width).to(device),
        head=kind(head),
        cosines=cosines.to(device),
        sines=sines.to(device),
    )


def _layer(
    config: Config, weights: Weights, number: int, device: torch.device, kind: type[Plain] | type[Eights]
) -> Layer:
    name = f"model.text_model.layers.{number}"
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv = tuple(f"{name}.self_attn.{part}_proj.weight" for part in "qkv")
    gate_up = (f"{name}.mlp.gate_proj.weight", f"{name}.mlp.up_proj.weight")
    return Layer(
        attention_norm=weights.take(f"{name}.input_layernorm.weight", config.width).to(device),
        qkv=kind(weights.join(qkv, (queries, keys, keys), config.width).to(device)),
        out=kind(weights.take(f"{name}.self_attn.o_proj.weight", config.width, queries).to(device)),
        inner_norm=weights.take(f"{name}.post_attention_layernorm.weight", config.width).to(device),
        gate_up=kind(weights.join(gate_up, (config.inner,) * 2, config.width).to(device)),
        down=kind(weights.take(f"{name}.mlp.down_proj.weight", config.width, config.inner).to(device)),
    )


def _rotations(config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotary positions in float32, with transformers' order of operations (its LlamaRotaryEmbedding)."""
    halves = torch.arange(0, config.head_dim, 2, dtype=torch.int64).to(torch.float32)
    frequencies = 1.0 / (config.rope_theta ** (halves / config.head_dim))
    angles = torch.arange(config.context_length, dtype=torch.float32)[:, None] * frequencies
    return angles.cos(), angles.sin()


class Decoder:
    """Runs rows through the network. Writes their keys and values into the cache."""

    def __init__(self, config: Config, text: Text) -> None:
        self._config = config
        self._text = text

    def __call__(self, x: torch.Tensor, spans: Sequence[Span], cache: Cache) -> torch.Tensor:
        """(rows, width) -> (rows, width) before the last norm; rows lie in the order of the spans."""
        positions = torch.cat([torch.arange(span.start, span.start + span.count) for span in spans]).to(x.device)
        cosines, sines = (
            torch.cat([half, half], -1)[:, None].to(x.dtype)  # (rows, 1, head_dim)
            for half in (self._text.cosines[positions], self._text.sines[positions])
        )
        for number, layer in enumerate(self._text.layers):
            x = x + self._attend(layer, number, x, (cosines, sines), spans, cache)
            y = self._norm(x, layer.inner_norm)
            gate, up = layer.gate_up(y).chunk(2, -1)
            x = x + layer.down(functional.silu(gate) * up)
        return x

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (rows, vocab_size)."""
        return self._text.head(self._norm(x, self._text.norm))

    def _norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self._config.eps)
        return weight * wide.to(x.dtype)

    def _attend(
        self,
        layer: Layer,
        number: int,
        x: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        spans: Sequence[Span],
        cache: Cache,
    ) -> torch.Tensor:
        config = self._config
        qkv = layer.qkv(self._norm(x, layer.attention_norm))
        qkv = qkv.view(len(x), -1, config.head_dim)  # (rows, heads + 2 * kv_heads, head_dim)
        q, k, v = qkv.split((config.heads, config.kv_heads, config.kv_heads), 1)
        q, k = _rotate(q, *rotation), _rotate(k, *rotation)
        out = torch.empty_like(q)  # (rows, heads, head_dim)
        first = 0
        for span in spans:
            rows, end = slice(first, first + span.count), span.start + span.count
            keys, values = cache.keys[number, span.slot], cache.values[number, span.slot]
            keys[:, span.start : end] = k[rows].transpose(0, 1)
            values[:, span.start : end] = v[rows].transpose(0, 1)
            out[rows] = _look_back(q[rows].transpose(0, 1), keys[:, :end], values[:, :end]).transpose(0, 1)
            first += span.count
        return layer.out(out.flatten(1))


def _rotate(x: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """(rows, heads, head_dim): each half turned against the other, as in transformers' checkpoints."""
    first, second = x.chunk(2, -1)
    return x * cosines + torch.cat([-second, first], -1) * sines


def _look_back(q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(heads, rows, head_dim) over (kv_heads, positions, head_dim): the last row sees all, each before it one less."""
    rows, positions = q.shape[1], keys.shape[1]
    mask = None
    if rows > 1 and rows != positions:
        mask = torch.ones(rows, positions, dtype=torch.bool, device=q.device).tril(positions - rows)
    out: torch.Tensor = functional.scaled_dot_product_attention(
        q[None], keys[None], values[None], mask, is_causal=rows > 1 and mask is None, enable_gqa=True
    )[0]
    return out
