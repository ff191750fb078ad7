"""The shapes that tokenizers of this family have: tags as one id or several, locations as one or several."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tiny import Style, make_checkpoint

from smoldocling import checkpoint
from smoldocling.vocab import Vocab


class Shape(NamedTuple):
    """A tokenizer of that family; whether its locations and its other tags are one id each."""

    style: Style
    locations: bool
    tags: bool

    def __str__(self) -> str:
        return f"{self.style}-{'whole' if self.locations else 'spelt'}-{'whole' if self.tags else 'spelt'}"


SHAPES = (
    Shape("smoldocling", False, True),
    Shape("granite", False, True),
    Shape("granite", False, False),
    Shape("smoldocling", True, True),
    Shape("smoldocling", True, False),
)


@cache
def vocab_of(shape: Shape) -> Vocab:
    """A vocabulary of that shape, made once a session."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_checkpoint(Path(folder), style=shape.style, single_locs=shape.locations, tags=shape.tags)
        return Vocab(checkpoint.read(made, name="tiny"))
