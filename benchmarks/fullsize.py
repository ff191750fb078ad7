"""A checkpoint with the shapes and sizes of SmolDocling-256M and random weights, for measuring time and memory.

    python benchmarks/fullsize.py FOLDER

Files, names of tensors, ids of special tokens and dtype are the hub's, so that our engine, transformers 4 and 5 and
what is built on either can load it. What the network writes is noise: it says nothing about quality.
Knows: shapes, the layout of the folder. Does not know: who measures what with it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(ROOT)
sys.path.insert(1, str(ROOT / "tests"))

import torch  # noqa: E402 - only now is the path right
from tiny import make_checkpoint  # noqa: E402
from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration  # noqa: E402
from transformers.utils import logging  # noqa: E402

TILE_PX = 512

# Ids of the hub's tokenizer: SmolLM2's pieces, then <global-img>, 36 places of tiles, the two image tokens, the tags.
FIRST_ADDED_ID = 49152
IMAGE_ID = 49190
END_ID = 49279
IDS = 49280
BOS_ID, PAD_ID = 1, 2
END = "<end_of_utterance>"

VISION: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": TILE_PX,
    "patch_size": 16,
}
TEXT: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": IDS,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100000.0,
    "tie_word_embeddings": False,
    "bos_token_id": BOS_ID,
    "eos_token_id": END_ID,
    "pad_token_id": PAD_ID,
}


def main() -> None:
    """Writes the checkpoint into the folder that was named, and says where it is."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python benchmarks/fullsize.py FOLDER")
    print(write(Path(sys.argv[1])))


def write(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into `folder`, which need not exist, and return it.

    513 MB; one seed, the same weights.
    """
    make_checkpoint(folder, style="smoldocling", tile_px=TILE_PX, seed=seed)
    _spread_ids(folder)
    _replace_network(folder, seed)
    return folder


def _replace_network(folder: Path, seed: int) -> None:
    """Weights as a training begins with them (normal, 0.02), in bfloat16, and the config that belongs to them."""
    config = Idefics3Config(
        vision_config=dict(VISION),
        text_config=dict(TEXT),
        scale_factor=4,
        image_token_id=IMAGE_ID,
        pad_token_id=PAD_ID,
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config).to(torch.bfloat16)
    model.generation_config = GenerationConfig(bos_token_id=BOS_ID, eos_token_id=END_ID, pad_token_id=PAD_ID)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    _spell_for_both(folder / "config.json")


def _spell_for_both(path: Path) -> None:
    """Spell some values the hub's way: transformers 4 does not know 5's names for them and takes its defaults."""
    config = _read(path)
    config["pad_token_id"] = config.pop("_pad_token_id", PAD_ID)
    text = config["text_config"]
    text.pop("rope_parameters", None)
    text["rope_theta"] = TEXT["rope_theta"]
    for part in (config, text, config["vision_config"]):
        part.pop("dtype", None)
    config["torch_dtype"] = "bfloat16"
    _write(path, config)


def _spread_ids(folder: Path) -> None:
    """Give the special tokens of the small tokenizer the hub's ids; pieces that no merge makes fill the gap.

    They can be decoded, so that what a random network writes is a text of ordinary length.
    """
    tokenizer = _read(folder / "tokenizer.json")
    pieces = tokenizer["model"]["vocab"]
    first = [token for token in tokenizer["added_tokens"] if token["id"] in pieces.values()]
    last = [token for token in tokenizer["added_tokens"] if token["id"] not in pieces.values()]
    pieces.update({f"p{number:x}": number for number in range(len(pieces), FIRST_ADDED_ID)})
    [end] = [token for token in last if token["content"] == END]
    last.remove(end)
    spare = [{**end, "content": f"<|reserved_{number}|>"} for number in range(END_ID - FIRST_ADDED_ID - len(last))]
    last = [{**token, "id": FIRST_ADDED_ID + number} for number, token in enumerate([*last, *spare, end])]
    assert last[-1]["id"] == END_ID, "there is a place for each special token before the end of the turn"
    tokenizer["added_tokens"] = [*first, *last]
    _write(folder / "tokenizer.json", tokenizer)

    names = _read(folder / "tokenizer_config.json")
    names["added_tokens_decoder"] = {
        str(token["id"]): {key: value for key, value in token.items() if key != "id"}
        for token in tokenizer["added_tokens"]
    }
    _write(folder / "tokenizer_config.json", names)


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
