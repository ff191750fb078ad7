"""A new checkpoint of the family, small and with random weights: the folder that training from scratch begins with.

Knows: Idefics3's files and shapes, DocTags' spelling. Does not know: pages, how it is trained.

A network that begins with transformers' own random weights stays blind for hours: a page is mostly white, white is the
largest number a pixel can be, and so every patch looks alike and drowns its small position. Here white maps to zero and
positions are drawn as large as patches.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from doctags.tokens import CELLS, CLASSES, KINDS, LANGUAGES, PLACES
from doctags.tree import GRID

BOS, PAD, END = "<|im_start|>", "<|im_end|>", "<end_of_utterance>"
IMAGE = "<image>"
TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
# As large as what a patch of text becomes; with transformers' 0.02 places are learnt after everything else.
POSITION_DEVIATION = 0.4
# Locations this far apart begin alike (standard deviation).
ALIKE = 6.0


@dataclass(frozen=True, slots=True)
class Size:
    """Shapes of a network.

    tile_px, patch_px  sides of tiles and of the patches they are cut into
    scale_factor       so many patches, squared, become one position
    splits             tiles along a page's long side
    vision_*, text_*   width, layers and heads of tower and decoder; `text_inner` is the width between
    """

    tile_px: int = 256
    patch_px: int = 16
    scale_factor: int = 2
    splits: int = 2
    vision_width: int = 192
    vision_layers: int = 6
    vision_heads: int = 3
    text_width: int = 256
    text_layers: int = 6
    text_heads: int = 4
    text_kv_heads: int = 2
    text_inner: int = 704
    context: int = 4096


# 8 million weights: 16 MB in bfloat16.
TINY = Size()


def make(folder: Path, size: Size = TINY, *, seed: int = 0) -> Path:
    """Write a checkpoint of that size into `folder` and return it."""
    from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    numbers = {name: words.token_to_id(token) for name, token in (("bos", BOS), ("eos", END), ("pad", PAD))}
    ids = {f"{name}_token_id": number for name, number in numbers.items()}
    config = Idefics3Config(
        vision_config={
            "hidden_size": size.vision_width,
            "intermediate_size": 4 * size.vision_width,
            "num_hidden_layers": size.vision_layers,
            "num_attention_heads": size.vision_heads,
            "image_size": size.tile_px,
            "patch_size": size.patch_px,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": size.text_width,
            "intermediate_size": size.text_inner,
            "num_hidden_layers": size.text_layers,
            "num_attention_heads": size.text_heads,
            "num_key_value_heads": size.text_kv_heads,
            "vocab_size": words.get_vocab_size(),
            "max_position_embeddings": size.context,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0,
            "tie_word_embeddings": True,
            **ids,
        },
        scale_factor=size.scale_factor,
        image_token_id=words.token_to_id(IMAGE),
        pad_token_id=numbers["pad"],
        tie_word_embeddings=True,
    )
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config)
    _open_eyes(model)
    _count(model, words.encode("".join(f"<loc_{number}>" for number in range(GRID + 1))).ids)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    for name, content in _side_files(words, size).items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
    return folder


def tokenizer() -> Tokenizer:
    """Bytes, and one token for each tag and each location: letters are learnt from few pages, longer pieces are not."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE(vocab={char: number for number, char in enumerate(alphabet)}, merges=[]))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words.decoder = decoders.ByteLevel()
    words.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _added()])
    return words


def _added() -> list[str]:
    grid = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    names = ["doctag"]
    for kind in KINDS:
        if kind == "section_header":
            names += [f"{kind}_level_{level}" for level in range(1, 7)]
        elif kind not in (*PLACES, "key", "value", "link"):
            names.append(kind)
    tags = [f"<{mark}{name}>" for name in names for mark in ("", "/")]
    single = [*CELLS, "nl", "page_break", *CLASSES, *(f"_{name}_" for name in LANGUAGES)]
    locations = [f"<loc_{number}>" for number in range(GRID + 1)]
    around = ["<fake_token_around_image>", IMAGE, "<global-img>"]
    return list(dict.fromkeys([BOS, PAD, END, *around, *grid, *tags, *(f"<{name}>" for name in single), *locations]))


def _open_eyes(model: Any) -> None:
    embeddings = model.model.vision_model.embeddings
    with torch.no_grad():
        embeddings.position_embedding.weight.normal_(0, POSITION_DEVIATION)
        # A white pixel is 1.0 in every channel; the bias takes away what a white patch would become.
        embeddings.patch_embedding.bias.copy_(-embeddings.patch_embedding.weight.sum((1, 2, 3)))


def _count(model: Any, locations: Sequence[int]) -> None:
    """Neighbouring locations begin alike, as large as before: what is learnt of one holds for those around it."""
    table = model.get_input_embeddings().weight
    places = torch.arange(len(locations), dtype=torch.float32)
    near = torch.exp(-((places[:, None] - places) ** 2) / (2 * ALIKE**2))
    with torch.no_grad():
        drawn = table[locations]
        smooth = near @ drawn
        table[locations] = smooth * (drawn.std() / smooth.std())


def _side_files(words: Tokenizer, size: Size) -> dict[str, Any]:
    """Everything beside weights and tokenizer.json, named and nested as in the published checkpoints."""
    added = {
        str(number): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for number, token in words.get_added_tokens_decoder().items()
    }
    positions = (size.tile_px // size.patch_px // size.scale_factor) ** 2
    return {
        "tokenizer_config.json": {
            "added_tokens_decoder": added,
            "bos_token": BOS,
            "eos_token": END,
            "pad_token": PAD,
            "clean_up_tokenization_spaces": False,
            "model_max_length": size.context,
            "processor_class": "Idefics3Processor",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
        "preprocessor_config.json": {
            "do_convert_rgb": True,
            "do_image_splitting": True,
            "do_normalize": True,
            "do_pad": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "Idefics3ImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "max_image_size": {"longest_edge": size.tile_px},
            "processor_class": "Idefics3Processor",
            "resample": 1,
            "rescale_factor": 1 / 255,
            "size": {"longest_edge": size.splits * size.tile_px},
        },
        "processor_config.json": {"image_seq_len": positions, "processor_class": "Idefics3Processor"},
        "chat_template.json": {"chat_template": TEMPLATE},
    }
