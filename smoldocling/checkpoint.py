"""What a checkpoint says about itself: a folder to facts and named tensors.

Knows: config files, safetensors. Does not know: the network (hub), how the model computes, tags, pages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from smoldocling import hub
from smoldocling.errors import UnusableCheckpoint

if TYPE_CHECKING:
    from torch import Tensor

FAMILY = ("idefics3", "smolvlm")
"""`model_type` in config.json: two names of one architecture."""

# What transformers assumes where an older config.json leaves a value out because it is the class's default.
CONFIG_DEFAULTS: dict[str, Any] = {
    "image_token_id": 128257,
    "scale_factor": 2,
    "vision_config.patch_size": 32,
    "text_config.max_position_embeddings": 2048,
    "text_config.vocab_size": 32000,
}


class Tensors(Mapping[str, "Tensor"]):
    """The weights by name. Names come from the files' headers; a tensor is read when it is asked for."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def __getitem__(self, name: str) -> Tensor:
        with safe_open(self._files[name], framework="pt") as weights:
            tensor: Tensor = weights.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A usable checkpoint of the Idefics3 family and the facts that the rest of the program asks for.

    name            as the user knows it: a hub id or a path
    revision        the hub commit, None for a plain folder
    config          config.json as it stands
    tile_px         side of one square tile
    patch_px        side of one vision patch
    scale_factor    patches along one side that become one position of the sequence
    splits          tiles along the long side that the checkpoint was trained with
    mean, std       a pixel becomes (value * rescale - mean) / std, channel by channel
    image_token_id  the placeholder that image features replace
    context_length  prompt and answer together must not be longer, in ids
    end_ids         ids that end an answer, as the configuration files say
    special_tokens  names and spellings as in tokenizer_config.json: "bos_token": "<|im_start|>"
    tied_head       the output layer is the input embedding
    """

    folder: Path
    name: str
    revision: str | None
    config: Mapping[str, Any] = field(repr=False, compare=False)
    tile_px: int
    patch_px: int
    scale_factor: int
    splits: int
    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_token_id: int
    vocab_size: int
    context_length: int
    end_ids: tuple[int, ...]
    special_tokens: Mapping[str, str] = field(repr=False, compare=False)
    chat_template: str = field(repr=False)
    tied_head: bool
    tensor_files: Mapping[str, Path] = field(repr=False, compare=False)

    @property
    def image_seq_len(self) -> int:
        """Positions that one tile takes in the sequence."""
        return (self.tile_px // self.patch_px // self.scale_factor) ** 2

    def tensors(self) -> Tensors:
        """All weights, read lazily."""
        return Tensors(self.tensor_files)


def find(model: str, *, revision: str | None = None, local_only: bool = False) -> Checkpoint:
    """The checkpoint that `model` names: a folder, a short name, or a hub id (the hub's cache first, then a download).

    Raises NoCheckpoint if there is none to be had, UnusableCheckpoint if there is one that cannot be run.
    """
    folder = os.path.expanduser(model)  # pathlib's own raises for some names that are no paths
    if model not in hub.SHORT_NAMES and os.path.isdir(folder):
        return read(Path(folder), name=model)
    repository = hub.repository(model)
    return _read_snapshot(hub.snapshot(repository, revision=revision, local_only=local_only), repository)


def cached() -> list[Checkpoint]:
    """Every usable checkpoint of this family in the hub's cache, sorted by name."""
    found = []
    for repository, snapshot in hub.cached():
        try:
            found.append(_read_snapshot(snapshot, repository))
        except UnusableCheckpoint:
            continue  # another model, or a download that was cut off: neither is a checkpoint that could be run
    return found


def read(folder: Path, *, name: str) -> Checkpoint:
    """The checkpoint in a folder. Raises UnusableCheckpoint naming what is missing, damaged or contradictory."""
    config = _config(folder)
    image = _image_settings(folder)
    names = _json(folder / "tokenizer_config.json")
    tensor_files = _tensor_files(folder)
    if not (folder / "tokenizer.json").is_file():
        raise UnusableCheckpoint(f"{folder} has no tokenizer.json; save the tokenizer beside the weights")
    tied = bool(config.get("tie_word_embeddings"))
    if "lm_head.weight" not in tensor_files and not tied:
        raise UnusableCheckpoint(f"{folder}: the weights have no lm_head.weight and config.json does not tie the head")
    tile_px = _whole(folder, image, "max_image_size.longest_edge")
    longest_px = _whole(folder, image, "size.longest_edge")
    if longest_px % tile_px:
        raise UnusableCheckpoint(f"{folder}: size.longest_edge {longest_px} is not a multiple of the tile, {tile_px}")
    checkpoint = Checkpoint(
        folder=folder,
        name=name,
        revision=None,
        config=config,
        tile_px=tile_px,
        patch_px=_whole(folder, config, "vision_config.patch_size"),
        scale_factor=_whole(folder, config, "scale_factor"),
        splits=longest_px // tile_px,
        rescale=image.get("rescale_factor", 1 / 255),
        mean=_channels(folder, image, "image_mean"),
        std=_channels(folder, image, "image_std"),
        image_token_id=_whole(folder, config, "image_token_id"),
        vocab_size=_whole(folder, config, "text_config.vocab_size"),
        context_length=_whole(folder, config, "text_config.max_position_embeddings"),
        end_ids=_end_ids(_json(folder / "generation_config.json"), config),
        special_tokens={key: _spelling(value) for key, value in names.items() if key.endswith("_token") and value},
        chat_template=_chat_template(folder, names),
        tied_head=tied,
        tensor_files=tensor_files,
    )
    said = _json(folder / "processor_config.json").get("image_seq_len", checkpoint.image_seq_len)
    if said != checkpoint.image_seq_len:
        raise UnusableCheckpoint(
            f"{folder}: processor_config.json gives a tile {said} positions, config.json {checkpoint.image_seq_len}"
        )
    return checkpoint


def _read_snapshot(snapshot: Path, repository: str) -> Checkpoint:
    return replace(read(snapshot, name=repository), revision=snapshot.name)


def _json(path: Path) -> dict[str, Any]:
    """A JSON object, empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnusableCheckpoint(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        raise UnusableCheckpoint(f"{path} holds a JSON {type(content).__name__} where an object is needed")
    return content


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "config.json").is_file():
        raise UnusableCheckpoint(f"{folder} has no config.json, so it is not a checkpoint")
    config = _json(folder / "config.json")
    if config.get("model_type") not in FAMILY:
        raise UnusableCheckpoint(
            f"{folder} holds a model of type {config.get('model_type')!r}; only {' and '.join(FAMILY)} can be run"
        )
    return config


def _image_settings(folder: Path) -> dict[str, Any]:
    """preprocessor_config.json, or the part of processor_config.json that newer writers put it into."""
    settings = _json(folder / "preprocessor_config.json") or _json(folder / "processor_config.json")
    settings = settings.get("image_processor", settings)
    if "max_image_size" not in settings:
        raise UnusableCheckpoint(f"{folder} has no preprocessor_config.json with the size of the image tiles")
    return dict(settings)


def _whole(folder: Path, config: Mapping[str, Any], name: str) -> int:
    """A positive whole number of a nested configuration, or its default."""
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    value = CONFIG_DEFAULTS.get(name) if value is None else value
    if not isinstance(value, int) or value <= 0:
        raise UnusableCheckpoint(f"{folder}: {name} is {value!r} where a positive whole number is needed")
    return value


def _channels(folder: Path, image: Mapping[str, Any], name: str) -> tuple[float, ...]:
    """One number for each of red, green and blue; files may give one for all."""
    value = image.get(name, 0.5)
    values = tuple(value) if isinstance(value, list) else (value,) * 3
    if len(values) != 3 or not all(isinstance(number, int | float) for number in values):
        raise UnusableCheckpoint(f"{folder}: {name} is {value!r} where three numbers are needed")
    return values


def _end_ids(generation: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[int, ...]:
    """The first file that names ids that end an answer is right: deeper ones often hold a class's default."""
    for place in (generation, config, config.get("text_config")):
        ends = place.get("eos_token_id") if isinstance(place, Mapping) else None
        if ends is not None:
            return tuple(ends) if isinstance(ends, list) else (ends,)
    return ()


def _spelling(token: Any) -> str:
    """Tokenizer files write a token as its text or as an object that holds it."""
    return str(token["content"] if isinstance(token, dict) else token)


def _chat_template(folder: Path, tokenizer_config: Mapping[str, Any]) -> str:
    """The template, looked for in the order in which transformers' processors look."""
    template = _json(folder / "processor_config.json").get("chat_template")
    template = template or _json(folder / "chat_template.json").get("chat_template")
    if not template and (folder / "chat_template.jinja").is_file():
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    template = template or tokenizer_config.get("chat_template")
    if not isinstance(template, str):
        raise UnusableCheckpoint(f"{folder} has no chat template; a chat_template.jinja must say how to prompt it")
    return template


def _weights(folder: Path) -> list[Path]:
    """The safetensors files, all of them or none."""
    shards = _json(folder / "model.safetensors.index.json").get("weight_map")
    names = sorted(set(shards.values())) if isinstance(shards, dict) else ["model.safetensors"]
    files = [folder / name for name in names]
    return files if all(file.exists() for file in files) else []


def _tensor_files(folder: Path) -> dict[str, Path]:
    """Which file holds which tensor. Reads headers only, which also finds files that were cut off."""
    files = _weights(folder)
    if not files:
        other = next(iter(sorted(folder.glob("*.bin"))), None)
        hint = f"; {other.name} must be converted to safetensors first" if other else ""
        raise UnusableCheckpoint(f"{folder} has no complete set of model*.safetensors{hint}")
    held: dict[str, Path] = {}
    for file in files:
        try:
            with safe_open(file, framework="np") as weights:
                held |= dict.fromkeys(weights.keys(), file)
        except (SafetensorError, OSError) as error:
            raise UnusableCheckpoint(f"{file} is damaged ({error}); fetch it again") from error
    return held
