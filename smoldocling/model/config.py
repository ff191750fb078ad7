"""The shape of one network of the family, read from config.json.

Knows: transformers' names for shapes and the values that its classes take where a file leaves them out. Does not
know: weights, tiles, tokens.
Law: what is not read here is either checked to be what the code computes, or makes no difference.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smoldocling.errors import UnknownNetwork

# Where config.json has no value, the classes of transformers have these (Idefics3VisionConfig, LlamaConfig inside
# Idefics3Config, Idefics3Config). A file written by `save_pretrained` of older versions leaves such values out.
DEFAULTS: dict[str, Any] = {
    "scale_factor": 2,
    "image_token_id": 128257,
    "tie_word_embeddings": False,
    "vision_config.hidden_size": 1152,
    "vision_config.intermediate_size": 3072,
    "vision_config.num_hidden_layers": 12,
    "vision_config.num_attention_heads": 16,
    "vision_config.image_size": 224,
    "vision_config.patch_size": 32,
    "vision_config.layer_norm_eps": 1e-6,
    "text_config.hidden_size": 4096,
    "text_config.intermediate_size": 11008,
    "text_config.num_hidden_layers": 32,
    "text_config.num_attention_heads": 32,
    "text_config.vocab_size": 32000,
    "text_config.max_position_embeddings": 2048,
    "text_config.rope_theta": 10000.0,
}
# LlamaConfig's rms_norm_eps, and Idefics3Config's for a file that says nothing at all about the text network.
EPS, EPS_WITHOUT_TEXT_CONFIG = 1e-6, 1e-5

# No eps or theta is near it; whole numbers in JSON have no limit, and floats have.
LARGEST_NUMBER = 1e30

# What the code computes. A file that asks for anything else holds another architecture.
COMPUTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("idefics3", "smolvlm"),
    "vision_config.hidden_act": ("gelu_pytorch_tanh",),
    "vision_config.num_channels": (3,),
    "text_config.model_type": ("llama",),
    "text_config.hidden_act": ("silu",),
    "text_config.attention_bias": (False,),
    "text_config.mlp_bias": (False,),
    "text_config.rope_parameters.rope_type": ("default",),
    "text_config.rope_parameters.type": ("default",),
    "text_config.rope_scaling.rope_type": ("default",),
    "text_config.rope_scaling.type": ("default",),
    "text_config.rope_parameters.partial_rotary_factor": (1.0, 1),
    "text_config.quantization_config": (),
    "quantization_config": (),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes are counts of numbers, patches or layers; `_px` are pixels.

    vision_width, vision_inner  numbers a patch has between and inside the blocks
    patches     along one side of a tile
    positions   along one side of the tower's table of positions
    joined      patches along one side that become one position of the text
    width, inner  numbers a token has between and inside the blocks
    """

    vision_width: int
    vision_inner: int
    vision_layers: int
    vision_heads: int
    vision_eps: float
    tile_px: int
    patch_px: int
    positions: int
    joined: int
    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    context_length: int
    rope_theta: float
    eps: float
    image_token_id: int
    tied_head: bool

    @property
    def patches(self) -> int:
        return self.tile_px // self.patch_px

    @property
    def tile_positions(self) -> int:
        """Positions of the text that one tile takes."""
        return (self.patches // self.joined) ** 2

    @property
    def vision_head_dim(self) -> int:
        return self.vision_width // self.vision_heads

    @property
    def kv_numbers(self) -> int:
        """Numbers that one position leaves in the cache."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def read(config: Mapping[str, Any], tile_px: int) -> Config:
    """The shape that a config.json describes, for square tiles of `tile_px`.

    Raises UnknownNetwork for an architecture that is not computed here.
    """
    for name, taken in COMPUTED.items():
        value = _get(config, name)
        if value is not None and value not in taken:
            raise _other(f"{name} is {reprlib.repr(value)}")
    width, heads = _whole(config, "text_config.hidden_size"), _whole(config, "text_config.num_attention_heads")
    eps = EPS_WITHOUT_TEXT_CONFIG if _get(config, "text_config") is None else EPS
    shape = Config(
        vision_width=_whole(config, "vision_config.hidden_size"),
        vision_inner=_whole(config, "vision_config.intermediate_size"),
        vision_layers=_whole(config, "vision_config.num_hidden_layers"),
        vision_heads=_whole(config, "vision_config.num_attention_heads"),
        vision_eps=_number(config, "vision_config.layer_norm_eps"),
        tile_px=tile_px,
        patch_px=_whole(config, "vision_config.patch_size"),
        positions=_whole(config, "vision_config.image_size") // _whole(config, "vision_config.patch_size"),
        joined=_whole(config, "scale_factor"),
        width=width,
        inner=_whole(config, "text_config.intermediate_size"),
        layers=_whole(config, "text_config.num_hidden_layers"),
        heads=heads,
        kv_heads=_whole(config, "text_config.num_key_value_heads", heads),
        head_dim=_whole(config, "text_config.head_dim", width // heads),
        vocab_size=_whole(config, "text_config.vocab_size"),
        context_length=_whole(config, "text_config.max_position_embeddings"),
        rope_theta=_rope_theta(config),
        eps=_number(config, "text_config.rms_norm_eps", eps),
        image_token_id=_whole(config, "image_token_id"),
        tied_head=_switch(config, "tie_word_embeddings"),
    )
    if shape.vision_width % shape.vision_heads or shape.heads % shape.kv_heads or shape.head_dim % 2:
        raise _other("its heads do not divide its widths")
    if not shape.positions or not shape.tile_positions or shape.patches % shape.joined:
        raise _other(
            f"a tile of {tile_px} pixels, patches of {shape.patch_px}, {shape.joined} by {shape.joined} joined"
        )
    return shape


def _rope_theta(config: Mapping[str, Any]) -> float:
    """Newer files have it in an object, which has had two names; the older name comes first, as in transformers."""
    outside = _number(config, "text_config.rope_theta")
    place = "rope_scaling" if _get(config, "text_config.rope_scaling") else "rope_parameters"
    return _number(config, f"text_config.{place}.rope_theta", outside)


def _get(config: Mapping[str, Any], name: str) -> Any:
    """A value by its dotted name, None where nothing is written."""
    value: Any = config
    for key in name.split("."):
        if value is not None and not isinstance(value, Mapping):
            raise _other(f"{reprlib.repr(value)} stands where {name} is looked for")
        value = None if value is None else value.get(key)
    return value


def _value(config: Mapping[str, Any], name: str, default: object) -> Any:
    value = _get(config, name)
    return DEFAULTS.get(name, default) if value is None else value


def _whole(config: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = _value(config, name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _other(f"{name} is {reprlib.repr(value)}")
    return value


def _number(config: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = _value(config, name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < LARGEST_NUMBER:
        raise _other(f"{name} is {reprlib.repr(value)}")
    return float(value)


def _switch(config: Mapping[str, Any], name: str) -> bool:
    value = _value(config, name, None)
    if not isinstance(value, bool):
        raise _other(f"{name} is {reprlib.repr(value)}")
    return value


def _other(reason: str) -> UnknownNetwork:
    return UnknownNetwork(
        f"config.json describes a network that the native engine does not compute ({reason}); try --engine transformers"
    )
