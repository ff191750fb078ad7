"""What a checkpoint says about itself: a folder to facts and named tensors.

Knows: config files, safetensors. Does not know: the network (hub), how the model computes, tags, pages.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

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

# Any position, id or side of an image is below; what is above was not written by a person who meant it.
LARGEST_WHOLE = 2**31 - 1

RANGES: dict[str, tuple[float, float]] = {
    "rescale_factor": (1e-6, 1.0),
    "image_mean": (-255.0, 255.0),
    "image_std": (1e-6, 255.0),
}
"""Least and most. Pixels stay numbers that a network can take; 255 is for files that do not rescale."""

TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Names in tokenizer_config.json that hold a token; others that end alike hold switches ("add_bos_token")."""

# What code makes of values of the wrong kind that no check has foreseen. A mistake of ours looks the same, so the
# message names the class.
UNFORESEEN = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)


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
    try:
        return _read(folder, name)
    except UNFORESEEN as error:
        raise UnusableCheckpoint(f"{folder} cannot be read: {type(error).__name__}: {_line(error)}") from error


def _read(folder: Path, name: str) -> Checkpoint:
    config = _config(folder)
    image = _image_settings(folder)
    tokenizer, processor = (_settings(folder / f"{part}_config.json") for part in ("tokenizer", "processor"))
    tensor_files = _tensor_files(folder)
    if not (folder / "tokenizer.json").is_file():
        raise UnusableCheckpoint(f"{folder} has no tokenizer.json; save the tokenizer beside the weights")
    tied = bool(config.get("tie_word_embeddings"))
    if "lm_head.weight" not in tensor_files and not tied:
        raise UnusableCheckpoint(f"{folder}: the weights have no lm_head.weight and config.json does not tie the head")
    tile_px = image.whole("max_image_size.longest_edge")
    longest_px = image.whole("size.longest_edge")
    if longest_px % tile_px:
        raise UnusableCheckpoint(
            f"{image.path}: size.longest_edge {longest_px} is not a multiple of the tile, {tile_px}"
        )
    checkpoint = Checkpoint(
        folder=folder,
        name=name,
        revision=None,
        config=config.values,
        tile_px=tile_px,
        patch_px=config.whole("vision_config.patch_size"),
        scale_factor=config.whole("scale_factor"),
        splits=longest_px // tile_px,
        rescale=image.number("rescale_factor", 1 / 255),
        mean=image.channels("image_mean"),
        std=image.channels("image_std"),
        image_token_id=config.whole("image_token_id"),
        vocab_size=config.whole("text_config.vocab_size"),
        context_length=config.whole("text_config.max_position_embeddings"),
        end_ids=_end_ids(_settings(folder / "generation_config.json"), config),
        special_tokens=_special_tokens(tokenizer),
        chat_template=_chat_template(folder, processor, tokenizer),
        tied_head=tied,
        tensor_files=tensor_files,
    )
    _agree(checkpoint, config, image, processor)
    return checkpoint


def _agree(checkpoint: Checkpoint, config: _Settings, image: _Settings, processor: _Settings) -> None:
    """Raises UnusableCheckpoint for facts that are possible each by itself and not together."""
    positions = checkpoint.image_seq_len
    said = processor.get("image_seq_len", positions)
    if said != positions:
        raise UnusableCheckpoint(
            f"{processor.path} gives a tile {reprlib.repr(said)} positions, config.json {positions}"
        )
    if not positions or checkpoint.tile_px // checkpoint.patch_px % checkpoint.scale_factor:
        raise UnusableCheckpoint(
            f"{image.path}: a tile of {checkpoint.tile_px} cannot be cut into patches of {checkpoint.patch_px} that"
            f" are joined {checkpoint.scale_factor} by {checkpoint.scale_factor}, as config.json says"
        )
    if checkpoint.splits * positions > checkpoint.context_length:
        raise UnusableCheckpoint(
            f"{image.path}: size.longest_edge {checkpoint.splits * checkpoint.tile_px} makes {checkpoint.splits} tiles"
            f" of {positions} positions, more than the context of {checkpoint.context_length} in config.json"
        )
    if checkpoint.image_token_id >= checkpoint.vocab_size:
        raise config.unusable("image_token_id", checkpoint.image_token_id, f"an id below {checkpoint.vocab_size}")


def _read_snapshot(snapshot: Path, repository: str) -> Checkpoint:
    return replace(read(snapshot, name=repository), revision=snapshot.name)


@dataclass(frozen=True, slots=True)
class _Settings:
    """One configuration file. Everything in it may be of any kind; what is asked for is checked, and named if wrong."""

    path: Path
    values: Mapping[str, Any]

    def get(self, name: str, default: Any = None) -> Any:
        """A value by its dotted name; the default only where nothing is written, not even null."""
        value: Any = self.values
        parts = name.split(".")
        for depth, key in enumerate(parts):
            if value is not None and not isinstance(value, Mapping):
                raise self.unusable(".".join(parts[:depth]), value, "an object")
            if value is None or key not in value:
                return default
            value = value[key]
        return value

    def unusable(self, name: str, value: object, needed: str) -> UnusableCheckpoint:
        return UnusableCheckpoint(f"{self.path}: {name} is {reprlib.repr(value)} where {needed} is needed")

    def whole(self, name: str) -> int:
        """A positive whole number, or its default where the file has none or null."""
        value = self.get(name)
        value = CONFIG_DEFAULTS.get(name) if value is None else value
        if not _is_id(value, LARGEST_WHOLE) or value == 0:
            raise self.unusable(name, value, "a positive whole number")
        return value

    def number(self, name: str, default: float) -> float:
        value = self.get(name, default)
        if not _is_within(value, name):
            raise self.unusable(name, value, f"a number from {RANGES[name][0]:g} to {RANGES[name][1]:g}")
        return float(value)

    def channels(self, name: str) -> tuple[float, ...]:
        """One number for each of red, green and blue; files may give one for all."""
        value = self.get(name, 0.5)
        values = tuple(value) if isinstance(value, list) else (value,) * 3
        if len(values) != 3 or not all(_is_within(number, name) for number in values):
            raise UnusableCheckpoint(
                f"{self.path}: {name} is {reprlib.repr(value)} where three numbers from {RANGES[name][0]:g} to"
                f" {RANGES[name][1]:g} are needed"
            )
        return values

    def text(self, name: str) -> str:
        """A text, empty where the file has none or null."""
        value = self.get(name)
        if value is not None and not isinstance(value, str):
            raise self.unusable(name, value, "a text")
        return value or ""


def _is_id(value: object, below: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < below


def _is_within(value: object, name: str) -> bool:
    """Whether it is a number that this setting may have; NaN is none."""
    least, most = RANGES[name]
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _settings(path: Path) -> _Settings:
    """What a JSON file says, nothing if there is no such file. A link to nowhere is a file that is damaged."""
    if not os.path.lexists(path):
        return _Settings(path, {})
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableCheckpoint(f"{path} cannot be read as JSON: {_line(error)}") from error
    return _Settings(path, _object(path, content))


def _object(place: Path | str, content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise UnusableCheckpoint(f"{place} holds {reprlib.repr(content)} where an object is needed")
    return content


def _config(folder: Path) -> _Settings:
    if not (folder / "config.json").is_file():
        raise UnusableCheckpoint(f"{folder} has no config.json, so it is not a checkpoint")
    config = _settings(folder / "config.json")
    if config.get("model_type") not in FAMILY:
        raise UnusableCheckpoint(
            f"{folder} holds a model of type {reprlib.repr(config.get('model_type'))};"
            f" only {' and '.join(FAMILY)} can be run"
        )
    return config


def _image_settings(folder: Path) -> _Settings:
    """preprocessor_config.json, or the part of processor_config.json that newer writers put it into."""
    settings = _settings(folder / "preprocessor_config.json")
    settings = settings if settings.values else _settings(folder / "processor_config.json")
    inner = settings.get("image_processor", settings.values)
    settings = replace(settings, values=_object(f"{settings.path}: image_processor", inner))
    if "max_image_size" not in settings.values:
        raise UnusableCheckpoint(f"{folder} has no preprocessor_config.json with the size of the image tiles")
    return settings


def _end_ids(generation: _Settings, config: _Settings) -> tuple[int, ...]:
    """The first file that names ids that end an answer is right: deeper ones often hold a class's default."""
    places = ((generation, "eos_token_id"), (config, "eos_token_id"), (config, "text_config.eos_token_id"))
    vocab_size = config.whole("text_config.vocab_size")
    for file, name in places:
        ends = file.get(name)
        if ends is not None:
            ids = tuple(ends) if isinstance(ends, list) else (ends,)
            if not all(_is_id(token, vocab_size) for token in ids):
                raise file.unusable(name, ends, f"an id below {vocab_size} or a list of such")
            return ids
    return ()


def _special_tokens(tokenizer: _Settings) -> dict[str, str]:
    """Tokenizer files write a token as its text or as an object that holds it."""
    tokens = {}
    for name, value in tokenizer.values.items():
        spelling = value.get("content") if isinstance(value, Mapping) else value
        if name.endswith("_token") and isinstance(spelling, str) and spelling:
            tokens[name] = spelling
        elif name in TOKENS and spelling != "" and value is not None:
            raise tokenizer.unusable(name, value, "the text of a token")
    return tokens


def _chat_template(folder: Path, processor: _Settings, tokenizer: _Settings) -> str:
    """The template, looked for in the order in which transformers' processors look."""
    template = processor.text("chat_template") or _settings(folder / "chat_template.json").text("chat_template")
    if not template and (folder / "chat_template.jinja").is_file():
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8", errors="replace")
    template = template or tokenizer.text("chat_template")
    if not template:
        raise UnusableCheckpoint(f"{folder} has no chat template; a chat_template.jinja must say how to prompt it")
    return template


def _weights(folder: Path) -> list[Path]:
    """The safetensors files, all of them or none."""
    index = _settings(folder / "model.safetensors.index.json")
    shards = index.get("weight_map", {"": "model.safetensors"})
    if not isinstance(shards, dict):
        raise index.unusable("weight_map", shards, "an object of tensors and files")
    for tensor, name in shards.items():
        if not isinstance(name, str):
            raise index.unusable(f"weight_map[{reprlib.repr(tensor)}]", name, "the name of a file")
    files = [folder / name for name in sorted(set(shards.values()))]
    return files if all(file.is_file() for file in files) else []


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
            raise UnusableCheckpoint(f"{file} is damaged ({_line(error)}); fetch it again") from error
    return held
