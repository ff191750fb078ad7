"""Tiles to features: the SigLIP tower, pixel shuffle and the projection into the text's space.

Knows: the network's shape and weights. Does not know: where tiles come from, what follows.
Law: a tile's features are a function of that tile alone, so equal tiles have equal features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from smoldocling.model.attention import attend
from smoldocling.model.config import Config
from smoldocling.model.linear import Linear, pack
from smoldocling.model.weights import Weights

# Pixels are shifted to -128..127, where bfloat16 and float16 hold every one exactly; shift and normalisation are in the
# weights of the patch embedding.
CENTRE = 128


@dataclass(frozen=True, slots=True)
class Norm:
    """(..., width) -> (..., width), mean 0 and variance 1 before weight and bias."""

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


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
    """Loads the tower. Tiles are taken a few at a time: attention and memory grow with each."""

    def __init__(self, config: Config, weights: Weights, pixels: Pixels, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._dtype = weights.dtype
        self._patch = _patch_embedding(config, weights, pixels, device)
        self._positions = _positions(config, weights).to(device)
        self._layers = [_layer(config, weights, number, device) for number in range(config.vision_layers)]
        self._last = _norm(config, weights, "model.vision_model.post_layernorm", device)
        joined = config.joined**2 * config.vision_width
        projection = weights.take("model.connector.modality_projection.proj.weight", config.width, joined)
        self._projection = pack(projection.to(device), None, config.tile_positions)

    def __call__(self, tiles: torch.Tensor) -> torch.Tensor:
        """uint8 (tiles, T, T, 3) -> (tiles, positions, width)."""
        config = self._config
        count = len(tiles)
        x = self._patch(_patches(tiles, config).to(self._dtype))  # (tiles * patches, vision_width)
        x = (x.view(count, -1, config.vision_width) + self._positions).view(-1, config.vision_width)
        for layer in self._layers:
            qkv = layer.qkv(layer.before_attention(x))  # (tiles * patches, 3 * vision_width)
            x = layer.out(attend(qkv, count, config.vision_heads)).add_(x)
            x = layer.down(layer.up(layer.before_inner(x), "gelu")).add_(x)
        return self._projection(_join(self._last(x), count, config)).view(count, -1, config.width)


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


def _layer(config: Config, weights: Weights, number: int, device: torch.device) -> Layer:
    width, inner = config.vision_width, config.vision_inner
    name = f"model.vision_model.encoder.layers.{number}"
    heads = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
    rows = config.patches**2

    def linear(part: str, outputs: int, inputs: int) -> Linear:
        weight = weights.take(f"{name}.{part}.weight", outputs, inputs)
        return pack(weight.to(device), weights.take(f"{name}.{part}.bias", outputs).to(device), rows)

    return Layer(
        before_attention=_norm(config, weights, f"{name}.layer_norm1", device),
        qkv=pack(
            weights.join(tuple(f"{head}.weight" for head in heads), (width,) * 3, width).to(device),
            weights.join(tuple(f"{head}.bias" for head in heads), (width,) * 3).to(device),
            rows,
        ),
        out=linear("self_attn.out_proj", width, width),
        before_inner=_norm(config, weights, f"{name}.layer_norm2", device),
        up=linear("mlp.fc1", inner, width),
        down=linear("mlp.fc2", width, inner),
    )


def _norm(config: Config, weights: Weights, name: str, device: torch.device) -> Norm:
    width = config.vision_width
    weight, bias = (weights.take(f"{name}.{part}", width).to(device).clone() for part in ("weight", "bias"))
    return Norm(weight, bias, config.vision_eps)
