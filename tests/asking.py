"""Pages of noise as requests, for engines under test, and their answers by key."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.sequence import Generation, Request
from smoldocling.pages import tiles
from smoldocling.vocab import Vocab

# Width and height of noise images and their splits: 17, 13, 26, 5 tiles and one tile, so prompts differ in length.
PAGES = [(100, 128, 4), (140, 100, 4), (90, 90, 5), (30, 200, 4), (7, 9, 1)]
NEW_TOKENS = 24


def noise(number: int) -> Image.Image:
    width, height, _ = PAGES[number]
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def request_for(found: Checkpoint, number: int, max_new_tokens: int = NEW_TOKENS) -> Request:
    cut = tiles.split(noise(number), splits=PAGES[number][2], tile_px=found.tile_px)
    return Request(number, cut.pixels, Vocab(found).prompt_ids(cut.rows, cut.columns), max_new_tokens)


def by_key(answers: Iterable[Generation]) -> dict[int, Generation]:
    listed = list(answers)
    keyed = {answer.key: answer for answer in listed}
    assert len(keyed) == len(listed), "every request is answered once"
    return keyed
