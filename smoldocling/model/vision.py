"""Tiles to features: the SigLIP tower, pixel shuffle and the projection into the text's space.

Knows: the network's shape and weights. Does not know: where tiles come from, what follows.
Law: a tile's features are a function of that tile alone, so equal tiles have equal features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from smoldocling.model.attention import attend
from smoldocling.model.config import Config
from smoldocling.model.linear import Int8, Linear, pack
from smoldocling.model.parts import Parts
from smoldocling.model.weights import Weights

Maker = Callable[[torch.Tensor, torch.Tensor], Linear]

# Pixels are shifted to -128..127, where bfloat16 and float16 hold every one exactly; shift and normalisation are in the
# weights of the patch embedding.
CENTRE = 128


@dataclass(frozen=True, slots=True)
class Norm:
    """Of mean and variance; both are float32."""

    weight: torch.Tensor
    bias: torch.Tensor


@dataclass(frozen=True, slots=True)
class Layer:
    before_attention: Norm
    qkv: Linear
    out: Linear
    before_inner: Norm
    up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class Pixels:
    """A byte becomes (byte * rescale - mean) / std, channel by channel."""

    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Vision:
    """Loads the tower. Tiles are taken a few at a time: memory grows with each."""

    def __init__(
        self,
        config: Config,
        weights: Weights,
        pixels: Pixels,
        device: torch.device,
        parts: Parts,
        *,
        int8: bool,
    ) -> None:
        """int8  the layers' products in int8"""
        self._config = config
        self._dtype = weights.dtype
        self._parts = parts
        self._patch = _patch_embedding(config, weights, pixels, device)
        self._positions = _positions(config, weights).to(device)

        def make(weight: torch.Tensor, bias: torch.Tensor) -> Linear:
            return Int8(weight, bias, parts) if int8 else pack(weight, bias, config.patches**2)

        self._layers = [_layer(config, weights, number, device, make) for number in range(config.vision_layers)]
        self._last = _norm(config, weights, "model.vision_model.post_layernorm", device)
        joined = config.joined**2 * config.vision_width
        projection = weights.take("model.connector.modality_projection.proj.weight", config.width, joined)
        self._projection = pack(projection.to(device), None, config.tile_positions)

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """uint8 (tiles, T, T, 3) -> (tiles, positions, width)."""
        config, count = self._config, len(tiles)
        x = self._patch(_patches(tiles, config).to(self._dtype))  # (tiles * patches, vision_width)
        x = (x.view(count, -1, config.vision_width) + self._positions).view(-1, config.vision_width)
        delta = None
        for layer in self._layers:
            qkv = layer.qkv(self._normed(x, delta, layer.before_attention))  # (tiles * patches, 3 * vision_width)
            delta = layer.out(attend(qkv, count, config.vision_heads, self._parts))
            delta = layer.down(layer.up(self._normed(x, delta, layer.before_inner), "gelu"))
        x = self._normed(x, delta, self._last)
        return self._projection(_join(x, count, config)).view(count, -1, config.width)

    def _normed(self, x: torch.Tensor, delta: torch.Tensor | None, norm: Norm) -> torch.Tensor:
        return self._parts.normed(x, delta, norm.weight, norm.bias, self._config.vision_eps)


def _patches(tiles: torch.Tensor, config: Config) -> torch.Tensor:
    """uint8 (tiles, T, T, 3) -> int8 (tiles * patches, patch_px * patch_px * 3), pixels without normalisation.

    A tile that is no multiple of the patch loses its last pixels, as in a convolution without padding.
    """
    count, side, used = len(tiles), config.patches, config.patches * config.patch_px
    cut = tiles[:, :used, :used].reshape(count, side, config.patch_px, side, config.patch_px, 3)
    rows = cut.permute(0, 1, 3, 2, 4, 5).reshape(count * side * side, -1)
    return rows.bitwise_xor(CENTRE).view(torch.int8)  # flipping the top bit subtracts 128


def _join(x: torch.Tensor, count: int, config: Config) -> torch.Tensor:
    """Pixel shuffle: (tiles * patches, width) -> (tiles * positions, joined * joined * width)."""
    side, joined = config.patches // config.joined, config.joined
    x = x.view(count, side, joined, side, joined, config.vision_width)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(count * side * side, -1)


def _patch_embedding(config: Config, weights: Weights, pixels: Pixels, device: torch.device) -> Linear:
    """The convolution as one product, with shift and normalisation folded in."""
    name = "model.vision_model.embeddings.patch_embedding"
    size = config.patch_px
    weight = weights.take(f"{name}.weight", config.vision_width, 3, size, size).double()
    bias = weights.take(f"{name}.bias", config.vision_width).double()
    scale = torch.tensor([pixels.rescale / std for std in pixels.std], dtype=torch.float64)
    shift = torch.tensor(
        [(CENTRE * pixels.rescale - mean) / std for mean, std in zip(pixels.mean, pixels.std, strict=True)],
        dtype=torch.float64,
    )
    folded = weight * scale[:, None, None]
    bias = bias + (weight.sum((2, 3)) @ shift)
    rows = folded.permute(0, 2, 3, 1).reshape(config.vision_width, -1)  # (vision_width, row, column, channel)
    return pack(rows.to(device, weights.dtype), bias.to(device, weights.dtype), config.patches**2)


def _positions(config: Config, weights: Weights) -> torch.Tensor:
    """(patches, vision_width): each patch's row of the table, found by its place as a fraction of the tile.

    In float32 as transformers does it, because the rounding decides for sides that are no power of two.
    """
    side = config.positions
    table = weights.take("model.vision_model.embeddings.position_embedding.weight", side * side, config.vision_width)
    boundaries = torch.arange(1 / side, 1.0, 1 / side)
    places = torch.arange(config.patches, dtype=torch.float32) * (1.0 / torch.tensor(config.patches))
    buckets = torch.bucketize(places.clamp(max=1.0 - 1e-6), boundaries, right=True)
    return table[(buckets[:, None] * side + buckets).flatten()]


def _layer(config: Config, weights: Weights, number: int, device: torch.device, make: Maker) -> Layer:
    width, inner = config.vision_width, config.vision_inner
    name = f"model.vision_model.encoder.layers.{number}"
    heads = [f"{name}.self_attn.{part}_proj" for part in "qkv"]

    def linear(part: str, outputs: int, inputs: int) -> Linear:
        weight = weights.take(f"{name}.{part}.weight", outputs, inputs)
        return make(weight.to(device), weights.take(f"{name}.{part}.bias", outputs).to(device))

    qkv = make(
        weights.join(tuple(f"{head}.weight" for head in heads), (width,) * 3, width).to(device),
        weights.join(tuple(f"{head}.bias" for head in heads), (width,) * 3).to(device),
    )
    return Layer(
        before_attention=_norm(config, weights, f"{name}.layer_norm1", device),
        qkv=qkv,
        out=linear("self_attn.out_proj", width, width),
        before_inner=_norm(config, weights, f"{name}.layer_norm2", device),
        up=linear("mlp.fc1", inner, width),
        down=linear("mlp.fc2", width, inner),
    )


def _norm(config: Config, weights: Weights, name: str, device: torch.device) -> Norm:
    width = config.vision_width
    weight, bias = (weights.take(f"{name}.{part}", width).to(device).float() for part in ("weight", "bias"))
    return Norm(weight, bias)
