"""The 256M network with weights drawn at random on the device, and pages for it, without files and tokenizer.

Knows: shapes and names of transformers' own network, requests. Does not know: what is measured. What is written is
noise and never ends by itself, so an answer has the length that was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.fullsize import IMAGE_ID, PAD_ID, TEXT, TILE_PX, VISION
from smoldocling.engine.sequence import Request
from smoldocling.pages import tiles

# A dry run's: heads of three, and nothing larger than it must be.
SMALL_VISION = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
SMALL_TEXT = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 3}
SMALL_TEXT |= {"num_key_value_heads": 1, "head_dim": 16, "vocab_size": 512, "max_position_embeddings": 512}
SMALL_IDS = {"image": 500, "tile_px": 64}


@dataclass(frozen=True, slots=True)
class Drawn:
    """Takes the place of a checkpoint. `model` is transformers', in bfloat16 on the device."""

    model: Any
    config: Mapping[str, Any]
    tile_px: int
    image_token_id: int
    image_seq_len: int
    context_length: int
    vocab_size: int
    rescale: float = 1 / 255
    mean: tuple[float, ...] = (0.5,) * 3
    std: tuple[float, ...] = (0.5,) * 3

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}

    def request(self, key: int, tokens: int, pixels: npt.NDArray[np.uint8]) -> Request:
        """A page of tiles that asks for so many tokens."""
        random = np.random.default_rng(key)
        places = len(pixels) * self.image_seq_len
        # a real prompt has a name before each tile and a newline behind each row of them, and 15 words
        words = random.integers(10, self.image_token_id, 3 * len(pixels)).tolist()
        return Request(key, pixels, (*words, *[self.image_token_id] * places, *words[:15]), tokens)


def draw(device: torch.device, *, small: bool) -> Drawn:
    """The network. One seed, the same weights on one kind of device."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration

    tile_px = SMALL_IDS["tile_px"] if small else TILE_PX
    vision = VISION | ({**SMALL_VISION, "image_size": tile_px} if small else {})
    text = TEXT | (SMALL_TEXT if small else {})
    text |= {"eos_token_id": min(text["eos_token_id"], text["vocab_size"] - 1)}
    image_id = SMALL_IDS["image"] if small else IMAGE_ID
    config = Idefics3Config(
        vision_config=vision, text_config=text, scale_factor=4, image_token_id=image_id, pad_token_id=PAD_ID
    )
    config.tie_word_embeddings = False
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = Idefics3ForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.eval().requires_grad_(False)
    return Drawn(
        model=model.to(torch.bfloat16),
        config=config.to_dict(),
        tile_px=tile_px,
        image_token_id=image_id,
        image_seq_len=(tile_px // vision["patch_size"] // 4) ** 2,
        context_length=text["max_position_embeddings"],
        vocab_size=text["vocab_size"],
    )


def page(key: int, tile_px: int, splits: int) -> npt.NDArray[np.uint8]:
    """Noise in letter format, cut into tiles as every page is; no two tiles alike."""
    long = splits * tile_px
    short = long * 1978 // 2560
    pixels = np.random.default_rng(key).integers(0, 256, (long, short + short % 2, 3), np.uint8)
    return tiles.split(pixels, splits=splits, tile_px=tile_px).pixels
