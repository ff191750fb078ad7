"""Real checkpoints of the model family, small enough for a test: random weights, a tokenizer trained on the spot.

`make_checkpoint` writes the same files as the hub's repositories, so everything that loads them can be tested for real.
With `script` the network is wired to write one given text whatever it sees.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, Idefics3Config, Idefics3ForConditionalGeneration
from transformers.utils import logging

Style = Literal["smoldocling", "granite"]

PAIRED = [
    "doctag",
    "otsl",
    "chart",
    "ordered_list",
    "unordered_list",
    "inline",
    "caption",
    "footnote",
    "formula",
    "list_item",
    "page_footer",
    "page_header",
    "picture",
    "text",
    "title",
    "document_index",
    "code",
    "form",
    "key_value_region",
    "paragraph",
    "reference",
    "section_header_level_1",
    "section_header_level_2",
    "section_header_level_3",
    "section_header_level_4",
    "section_header_level_5",
    "section_header_level_6",
]
SINGLE = [
    "fcel",
    "ecel",
    "lcel",
    "ucel",
    "xcel",
    "nl",
    "ched",
    "rhed",
    "srow",
    "page_break",
    "checkbox_selected",
    "checkbox_unselected",
    "_Python_",
]
TAGS = [f"<{name}>" for name in PAIRED] + [f"</{name}>" for name in PAIRED] + [f"<{name}>" for name in SINGLE]
GRID = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]

# Enough English, DocTags, digits and letters beyond ASCII for merges that cross all of them.
TRAINING_TEXT = (
    "Convert this page to docling. User: Assistant: user assistant",
    "<doctag><text><loc_12><loc_345><loc_488><loc_500>The quick brown fox jumps over the lazy dog.</text></doctag>",
    "<section_header_level_1><loc_50><loc_60><loc_450><loc_90>1. Hello world</section_header_level_1>\n",
    "<otsl><ched>Year<ched>Total<nl><fcel>2024<fcel>1,234.50 €<nl></otsl>\n\n",
    "\n\n<code><_Python_>def f(x):\n    return x ** 2</code><formula>E = m c ^ { 2 }</formula>",
    "naïve café Straße 東京 日本語 Москва العربية 한국어 😀",
)

SMOL_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
GRANITE_TEMPLATE = (
    "{%- for message in messages -%}\n{{- '<|start_of_role|>' + message['role'] + '<|end_of_role|>' -}}\n"
    "{%- if message['content'] is string -%}\n{{- message['content'] -}}\n{%- else -%}\n"
    "{%- for part in message['content'] -%}\n{%- if part['type'] == 'text' -%}\n{{- part['text'] -}}\n"
    "{%- elif part['type'] == 'image' -%}\n{{- '<image>' -}}\n{%- endif -%}\n{%- endfor -%}\n{%- endif -%}\n"
    "{{- '<|end_of_text|>\n' -}}\n{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n{{- '<|start_of_role|>assistant' -}}\n{{- '<|end_of_role|>' -}}\n{%- endif -%}\n"
)

# What differs between the two families beside the weights: names, splitting of digits, template, tied head.
STYLES: dict[Style, dict[str, Any]] = {
    "smoldocling": {
        "first": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        "last": ["<end_of_utterance>"],
        "bos": "<|im_start|>",
        "eos": "<end_of_utterance>",
        "pad": "<|im_end|>",
        "template": SMOL_TEMPLATE,
        "tied": False,
    },
    "granite": {
        "first": [],
        "last": ["<|pad|>", "<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|unk|>"],
        "bos": "<|end_of_text|>",
        "eos": "<|end_of_text|>",
        "pad": "<|pad|>",
        "template": GRANITE_TEMPLATE,
        "tied": True,
    },
}


def make_checkpoint(
    folder: Path,
    *,
    style: Style = "smoldocling",
    tile_px: int = 64,
    patch_px: int = 16,
    splits: int = 4,
    script: str | None = None,
    loop: str = "",
    single_locs: bool = False,
    tags: bool = True,
    heads: int = 6,
    seed: int = 0,
) -> Path:
    """Write a loadable Idefics3 checkpoint into `folder` and return it.

    patch_px     16, and 4 x 4 patches become one position, as in the small models; 14, and 3 x 3, as in the 2B
    splits       the checkpoint's own number of tiles along the long side
    script       the network writes this text, then stops; each of its tokens may occur only once (see single_locs)
    loop         the end of the script that is written again and again instead of stopping
    single_locs  <loc_0>..<loc_500> are one id each; otherwise several, as in the real tokenizers
    tags         DocTags tags are one id each; otherwise they are spelt from ordinary pieces
    heads        of the decoder, three to a key: 6 of 8 numbers, or 3 of 16, which compiled kernels can take
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(style, single_locs=single_locs, tags=tags)
    tied = STYLES[style]["tied"] and script is None
    model = _model(style, tokenizer, tile_px=tile_px, patch_px=patch_px, tied=tied, heads=heads, seed=seed)
    if script is not None:
        _wire(model, tokenizer, style, script, loop)
    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, content in _side_files(style, tokenizer, model.config, tile_px=tile_px, splits=splits).items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return folder


def _tokenizer(style: Style, *, single_locs: bool, tags: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    if style == "smoldocling":  # every digit alone, as SmolLM2
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    else:  # up to three digits together, as cl100k
        pieces = Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+"
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(pieces, behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=640,
        min_frequency=1,
        show_progress=False,
        special_tokens=STYLES[style]["first"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TRAINING_TEXT, trainer)
    added = ["<global-img>", *GRID, "<fake_token_around_image>", "<image>", *STYLES[style]["last"]]
    added += TAGS if tags else []
    added += [f"<loc_{number}>" for number in range(501)] if single_locs else []
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    return tokenizer


def _model(
    style: Style, tokenizer: Tokenizer, *, tile_px: int, patch_px: int, tied: bool, heads: int, seed: int
) -> Idefics3ForConditionalGeneration:
    names = STYLES[style]
    config = Idefics3Config(
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": tile_px,
            "patch_size": patch_px,
            # Large enough that what is on the tiles decides what is written.
            "initializer_range": 0.3,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": heads,
            "num_key_value_heads": heads // 3,
            "vocab_size": tokenizer.get_vocab_size(),
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
            "initializer_range": 0.3,
            "tie_word_embeddings": tied,
            "bos_token_id": tokenizer.token_to_id(names["bos"]),
            "eos_token_id": tokenizer.token_to_id(names["eos"]),
            "pad_token_id": tokenizer.token_to_id(names["pad"]),
        },
        scale_factor={16: 4, 14: 3}[patch_px],
        image_token_id=tokenizer.token_to_id("<image>"),
        tie_word_embeddings=tied,
        initializer_range=0.3,
    )
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        bos_token_id=config.text_config.bos_token_id,
        eos_token_id=config.text_config.eos_token_id,
        pad_token_id=config.text_config.pad_token_id,
    )
    return model


def _wire(model: Idefics3ForConditionalGeneration, tokenizer: Tokenizer, style: Style, script: str, loop: str) -> None:
    """Make each token's successor the next one of the script: layers add nothing, the head reads the last token."""
    last_of_prompt = "Assistant:" if style == "smoldocling" else "<|end_of_role|>"
    chain = [tokenizer.encode(last_of_prompt).ids[-1], *tokenizer.encode(script).ids]
    twice = {tokenizer.id_to_token(token) for token in chain if chain.count(token) > 1}
    assert not twice, f"each token of a script may occur once only; these do not: {sorted(twice)}"
    again = tokenizer.encode(loop).ids if loop else [tokenizer.token_to_id(STYLES[style]["eos"])]
    assert not loop or chain[-len(again) :] == again, "a loop is the end of its script"
    with torch.no_grad():
        for layer in model.model.text_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        directions = torch.nn.functional.normalize(model.model.text_model.embed_tokens.weight, dim=-1)
        model.lm_head.weight.zero_()
        for before, after in zip(chain, [*chain[1:], again[0]], strict=True):
            model.lm_head.weight[after] += directions[before]


def _side_files(
    style: Style, tokenizer: Tokenizer, config: Idefics3Config, *, tile_px: int, splits: int
) -> dict[str, Any]:
    """Everything beside weights and tokenizer, named and nested as on the hub."""
    names = STYLES[style]
    added = {
        str(number): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": True,
        }
        for number, token in tokenizer.get_added_tokens_decoder().items()
    }
    patches = tile_px // config.vision_config.patch_size
    files: dict[str, Any] = {
        "tokenizer_config.json": {
            "added_tokens_decoder": added,
            "bos_token": names["bos"],
            "eos_token": names["eos"],
            "pad_token": names["pad"],
            "clean_up_tokenization_spaces": False,
            "model_max_length": 8192,
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
            "max_image_size": {"longest_edge": tile_px},
            "processor_class": "Idefics3Processor",
            "resample": 1,
            "rescale_factor": 0.00392156862745098,
            "size": {"longest_edge": splits * tile_px},
        },
        "processor_config.json": {
            "image_seq_len": (patches // config.scale_factor) ** 2,
            "processor_class": "Idefics3Processor",
        },
    }
    if style == "smoldocling":
        files["chat_template.json"] = {"chat_template": names["template"]}
    else:
        files["chat_template.jinja"] = names["template"]
    return files
