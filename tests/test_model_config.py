"""What config.json says is read as transformers reads it, and a network that is not computed here is never loaded."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from shapes import FAMILY, SMOLDOCLING
from transformers import Idefics3Config, LlamaConfig, PreTrainedConfig, SmolVLMConfig
from transformers.models.idefics3.configuration_idefics3 import Idefics3VisionConfig
from transformers.utils import logging

from smoldocling.errors import UnknownNetwork
from smoldocling.model.config import Config, read

CLASSES = {"idefics3": Idefics3Config, "smolvlm": SmolVLMConfig}

# Fields of transformers' classes that change nothing in what is computed at inference: training, ids of the tokenizer,
# and names of things.
INDIFFERENT = {
    "attention_dropout",
    "initializer_range",
    "use_cache",
    "pretraining_tp",
    "pad_token_id",
    "bos_token_id",
    "eos_token_id",
    "text_config.tie_word_embeddings",  # only the outer one is asked
}


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    """transformers warns of ids of special tokens that are not in the vocabulary; there is no tokenizer here."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(before)


def theirs(config: dict[str, Any], tile_px: int) -> Config:
    """The same facts from transformers' own configuration objects."""
    found = CLASSES[config["model_type"]].from_dict(copy.deepcopy(config))
    vision, text = found.vision_config, found.text_config
    return Config(
        vision_width=vision.hidden_size,
        vision_inner=vision.intermediate_size,
        vision_layers=vision.num_hidden_layers,
        vision_heads=vision.num_attention_heads,
        vision_eps=vision.layer_norm_eps,
        tile_px=tile_px,
        patch_px=vision.patch_size,
        positions=vision.image_size // vision.patch_size,
        joined=found.scale_factor,
        width=text.hidden_size,
        inner=text.intermediate_size,
        layers=text.num_hidden_layers,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        head_dim=text.head_dim,
        vocab_size=text.vocab_size,
        context_length=text.max_position_embeddings,
        rope_theta=text.rope_parameters["rope_theta"],
        eps=text.rms_norm_eps,
        image_token_id=found.image_token_id,
        tied_head=found.tie_word_embeddings,
    )


def with_value(config: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """A copy with one value more or another, by its dotted name."""
    changed = copy.deepcopy(config)
    *outer, last = name.split(".")
    place = changed
    for key in outer:
        place = place.setdefault(key, {})
    place[last] = value
    return changed


def outcome(config: dict[str, Any], tile_px: int = SMOLDOCLING.tile_px) -> Config | str:
    """The shape, or the message for a config that is not taken: one line that says what to do."""
    try:
        return read(config, tile_px)
    except UnknownNetwork as error:
        message = str(error)
    assert "\n" not in message
    assert "--engine transformers" in message
    return message


NUMBERS = st.sampled_from([1e-6, 1e-5, 1e-12])
THETAS = st.sampled_from([10000.0, 100000, 273768, 500000.0])
SWITCH = st.booleans()


@st.composite
def sparse_configs(draw: st.DrawFn) -> dict[str, Any]:
    """config.json files with any of their values left out."""

    def some(**values: st.SearchStrategy[Any]) -> dict[str, Any]:
        return {name: draw(value) for name, value in values.items() if draw(SWITCH)}

    vision = some(
        model_type=st.sampled_from(["idefics3", "idefics3_vision", "smolvlm_vision"]),
        hidden_size=st.integers(1, 30).map(lambda number: 48 * number),
        intermediate_size=st.integers(1, 5000),
        num_hidden_layers=st.integers(1, 40),
        num_attention_heads=st.sampled_from([1, 2, 4, 8, 12, 16]),
        image_size=st.sampled_from([224, 384, 512]),
        patch_size=st.sampled_from([14, 16, 32]),
        layer_norm_eps=NUMBERS,
        hidden_act=st.just("gelu_pytorch_tanh"),
        max_image_size=st.just({"longest_edge": 512}),
        tie_word_embeddings=SWITCH,
    )
    heads = draw(st.sampled_from([1, 2, 4, 8, 16, 32]))
    text = some(
        model_type=st.just("llama"),
        hidden_size=st.integers(1, 40).map(lambda number: 64 * number),
        intermediate_size=st.integers(1, 9000),
        num_hidden_layers=st.integers(1, 40),
        head_dim=st.sampled_from([None, 16, 64]),
        vocab_size=st.integers(1, 200000),
        max_position_embeddings=st.integers(1, 100000),
        rms_norm_eps=NUMBERS,
        rope_theta=THETAS,
        rope_scaling=st.none(),
        hidden_act=st.just("silu"),
        attention_bias=st.just(False),
        tie_word_embeddings=SWITCH,
        pixel_shuffle_factor=st.just(4),
    )
    if draw(SWITCH):
        text["num_attention_heads"] = heads
    heads = text.get("num_attention_heads", 32)
    if draw(SWITCH):
        text["num_key_value_heads"] = draw(st.sampled_from([None, *(n for n in (1, 2, 4, 16) if heads % n == 0)]))
    if draw(SWITCH):
        kind = draw(st.sampled_from([{"rope_type": "default"}, {"type": "default"}, {}]))
        name = draw(st.sampled_from(["rope_parameters", "rope_scaling"]))
        text[name] = some(rope_theta=THETAS) | kind
    outer = some(
        scale_factor=st.integers(1, 6),
        image_token_id=st.integers(1, 200000),
        tie_word_embeddings=SWITCH,
        vision_config=st.just(vision),
        text_config=st.just(text),
    )
    return {"model_type": draw(st.sampled_from(sorted(CLASSES))), **outer}


@given(sparse_configs())
def test_what_a_file_leaves_out_is_what_transformers_takes(config: dict[str, Any]) -> None:
    """Files of older writers hold only what differs from the classes' defaults, and a silent difference would compute
    another network."""
    vision = CLASSES[config["model_type"]].from_dict(copy.deepcopy(config)).vision_config
    tile_px = 2 * vision.patch_size * config.get("scale_factor", 2) + 5
    assert read(config, tile_px) == theirs(config, tile_px)


@pytest.mark.parametrize("shape", FAMILY, ids=str)
@pytest.mark.parametrize("kind", CLASSES.values())
def test_what_transformers_writes_is_read_back(shape: Any, kind: type[PreTrainedConfig]) -> None:
    """Files that `save_pretrained` of this version writes, with rope_parameters in the place of rope_theta."""
    config = shape.config() | {"model_type": kind.model_type}
    written = kind.from_dict(copy.deepcopy(config)).to_diff_dict()
    assert "rope_theta" not in written["text_config"]
    assert read(written, shape.tile_px) == read(config, shape.tile_px) == theirs(config, shape.tile_px)


def test_every_setting_of_transformers_is_known() -> None:
    """Each field of its classes is read, or refused where it asks for something else, or changes nothing. A field that
    a later version adds must be put into one of the three."""
    # Heads that can be doubled, each for itself.
    config = dataclasses.replace(SMOLDOCLING, width=512, heads=8, kv_heads=2, head_dim=64).config()
    own = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    kinds = {"": Idefics3Config, "vision_config.": Idefics3VisionConfig, "text_config.": LlamaConfig}
    for prefix, kind in kinds.items():
        here = config[prefix[:-1]] if prefix else config
        for field in dataclasses.fields(kind):
            name = prefix + field.name
            if field.name in own | {"vision_config", "text_config"} or {field.name, name} & INDIFFERENT:
                continue
            value = here.get(field.name, field.default)
            other = not value if isinstance(value, bool) else {"rope_theta": 7.0} if value is None else value * 2
            found = outcome(with_value(config, name, other))
            assert found != read(config, SMOLDOCLING.tile_px), f"{name} is not read"
            assert isinstance(found, Config) or name in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model_type", "llava"),
        ("text_config.model_type", "mistral"),
        ("text_config.hidden_act", "gelu"),
        ("text_config.attention_bias", True),
        ("text_config.mlp_bias", True),
        ("text_config.rope_scaling", {"type": "linear", "factor": 2.0}),
        ("text_config.rope_scaling", {"rope_type": "llama3", "factor": 8.0}),
        ("text_config.rope_parameters", {"rope_type": "yarn", "factor": 8.0}),
        ("text_config.rope_parameters", {"type": "dynamic", "factor": 8.0}),
        ("vision_config.hidden_act", "gelu"),
        ("vision_config.num_channels", 1),
        ("quantization_config", {"quant_method": "bitsandbytes", "load_in_4bit": True}),
        ("text_config.quantization_config", {"quant_method": "awq"}),
    ],
)
def test_another_network_is_refused_by_name(name: str, value: object) -> None:
    """What would be computed is not what the file means, and transformers may be able to run it."""
    message = outcome(with_value(SMOLDOCLING.config(), name, value))
    assert isinstance(message, str)
    assert name in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vision_config.num_attention_heads", 7),
        ("text_config.num_key_value_heads", 2),
        ("text_config.head_dim", 63),
        ("scale_factor", 5),
        ("vision_config.patch_size", 1024),
        ("vision_config.image_size", 8),
    ],
)
def test_shapes_that_cannot_be_are_refused(name: str, value: int) -> None:
    """Each is a whole number for itself; together they describe no network."""
    assert isinstance(outcome(with_value(SMOLDOCLING.config(), name, value)), str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    *SMOLDOCLING.config(),
    *(f"vision_config.{name}" for name in (*SMOLDOCLING.config()["vision_config"], "layer_norm_eps", "hidden_act")),
    *(f"text_config.{name}" for name in (*SMOLDOCLING.config()["text_config"], "rope_scaling", "rope_parameters")),
    "text_config.rope_parameters.rope_theta",
    "text_config.rope_parameters.rope_type",
    "quantization_config",
]


@given(st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=3))
def test_nonsense_is_refused_and_nothing_else_happens(changes: dict[str, object]) -> None:
    """Values of any kind, in any place: a shape whose numbers are numbers, or the one error that says what to do."""
    config = SMOLDOCLING.config()
    for name, value in changes.items():
        outer = name.split(".")[0]
        assume(outer == name or isinstance(config[outer], dict))
        assume(name.count(".") < 2 or isinstance(config[outer].get("rope_parameters", {}), dict))
        config = with_value(config, name, value)
    shape = outcome(config)
    if isinstance(shape, Config):
        for field in dataclasses.fields(shape):
            value = getattr(shape, field.name)
            assert type(value).__name__ == field.type
            assert field.type == "bool" or value > 0
