"""The text network: Llama-shaped, over rows of many sequences at once, in plain torch.

Knows: weights, slots of the cache, positions. Does not know: whose turn it is, what ids mean.
Rows of all sequences lie below each other without padding: products see one matrix, attention sees spans.
Law: what a row becomes depends on its own sequence alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from smoldocling.model.attention import look_back
from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.linear import Int8Weights, Plain
from smoldocling.model.parts import Parts
from smoldocling.model.weights import Weights

Matrix = Plain | Int8Weights


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
    """All weights of the text network. Norms are float32, `cosines` and `sines` too: (context_length, head_dim / 2)."""

    embedding: torch.Tensor
    layers: tuple[Layer, ...]
    norm: torch.Tensor
    head: Matrix
    cosines: torch.Tensor
    sines: torch.Tensor


def load(config: Config, weights: Weights, device: torch.device, *, eights: bool) -> Text:
    """Take the text network's tensors, the large ones as int8 if `eights`."""
    kind = Int8Weights if eights else Plain
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
        norm=weights.take("model.text_model.norm.weight", config.width).to(device).float(),
        head=kind(head),
        cosines=cosines.to(device),
        sines=sines.to(device),
    )


def _layer(
    config: Config, weights: Weights, number: int, device: torch.device, kind: type[Plain] | type[Int8Weights]
) -> Layer:
    name = f"model.text_model.layers.{number}"
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv = tuple(f"{name}.self_attn.{part}_proj.weight" for part in "qkv")
    gate_up = (f"{name}.mlp.gate_proj.weight", f"{name}.mlp.up_proj.weight")
    return Layer(
        attention_norm=weights.take(f"{name}.input_layernorm.weight", config.width).to(device).float(),
        qkv=kind(weights.join(qkv, (queries, keys, keys), config.width).to(device)),
        out=kind(weights.take(f"{name}.self_attn.o_proj.weight", config.width, queries).to(device)),
        inner_norm=weights.take(f"{name}.post_attention_layernorm.weight", config.width).to(device).float(),
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

    def __init__(self, config: Config, text: Text, parts: Parts) -> None:
        self._config = config
        self._text = text
        self._parts = parts

    def __call__(self, x: torch.Tensor, spans: Sequence[Span], cache: Cache) -> torch.Tensor:
        """(rows, width) -> (rows, width) before the last norm; rows lie in the order of the spans."""
        parts, eps = self._parts, self._config.eps
        x, delta = x.clone(), None
        for number, layer in enumerate(self._text.layers):
            qkv = layer.qkv(parts.normed(x, delta, layer.attention_norm, None, eps))
            delta = layer.out(self._attend(number, qkv, spans, cache))
            inner = parts.gated(layer.gate_up(parts.normed(x, delta, layer.inner_norm, None, eps)))
            delta = layer.down(inner)
        return x if delta is None else x.add_(delta)

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        """(rows, width) -> (rows, vocab_size)."""
        return self._text.head(self._parts.normed(x, None, self._text.norm, None, self._config.eps))

    def _attend(self, number: int, qkv: torch.Tensor, spans: Sequence[Span], cache: Cache) -> torch.Tensor:
        """(rows, (heads + 2 * kv_heads) * head_dim) -> (rows, heads * head_dim)."""
        config, text = self._config, self._text
        heads = qkv.view(len(qkv), -1, config.head_dim)
        out, first = [], 0
        for span in spans:
            rows, end = heads[first : first + span.count], span.start + span.count
            if cache.scales:
                keys, values = rows.new_empty(2, config.kv_heads, end, config.head_dim)
            else:
                keys, values = cache.keys[number, span.slot], cache.values[number, span.slot]
            q = self._parts.turned(rows, config.heads, span.start, text.cosines, text.sines, keys, values)
            if cache.scales:  # what is looked at is what is kept
                cache.squeeze(number, span.slot, span.start, keys[:, span.start :], values[:, span.start :])
                keys, values = cache.opened(number, span.slot, end, rows.dtype)
            out.append(look_back(q, keys[:, :end], values[:, :end], span.start, self._parts))
            first += span.count
        return torch.cat(out) if len(out) > 1 else out[0]
