"""Pages of noise for engines: letter format at five tiles along the long side, no two tiles alike.

What is on a page makes no difference to the time, except that equal tiles would be encoded once.
Knows: requests. Does not know: engines.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smoldocling.engine.sequence import Request
from smoldocling.vocab import Vocab

ROWS, COLUMNS = 5, 4
# Answers are drawn from these lengths, both included.
LENGTHS = (300, 2000)


class Endless:
    """Nothing ends an answer, so that it gets the length that was asked for."""

    def __init__(self, pad_id: int = 0) -> None:
        self.stop_ids: frozenset[int] = frozenset()
        self.closer_ids: tuple[int, ...] = ()
        self.pad_id = pad_id

    def closes(self, ids: Sequence[int]) -> bool:
        return False


def letter(vocab: Vocab, random: np.random.Generator, key: int, tokens: int) -> Request:
    """A letter page that asks for so many tokens."""
    return page(vocab, random, key, tokens, ROWS, COLUMNS)


def page(vocab: Vocab, random: np.random.Generator, key: int, tokens: int, rows: int, columns: int) -> Request:
    """A page of rows x columns tiles and the whole page as one more."""
    side = vocab.checkpoint.tile_px
    tiles = random.integers(0, 256, (rows * columns + 1, side, side, 3), np.uint8)
    return Request(key, tiles, vocab.prompt_ids(rows, columns), tokens)
