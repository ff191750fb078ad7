"""The shapes that tokenizers of this family have: tags as one id or several, locations as one or several.

One more has ids that no tokenizer has, for the worst that the masks are made for: half tags, two tags and text in one.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tiny import Style, make_checkpoint
from tokenizers import AddedToken, Tokenizer

from smoldocling import checkpoint
from smoldocling.vocab import Vocab


class Shape(NamedTuple):
    """A tokenizer of that family; whether its locations and its other tags are one id each; whether it is that odd."""

    style: Style
    locations: bool
    tags: bool
    odd: bool = False

    def __str__(self) -> str:
        halves = ("whole" if self.locations else "spelt", "whole" if self.tags else "spelt")
        return "-".join((self.style, *halves, *(("odd",) if self.odd else ())))


SHAPES = (
    Shape("smoldocling", False, True),
    Shape("granite", False, True),
    Shape("granite", False, False),
    Shape("smoldocling", True, True),
    Shape("smoldocling", True, False),
    Shape("granite", False, True, odd=True),
)
PUBLISHED = SHAPES[:2]
"""As SmolDocling-256M-preview and granite-docling-258M have them."""

ODD = (
    "<text>a",
    "\n<",
    " </",
    "</text></",
    "t><",
    "> <loc_",
    "><loc_5",
    "_5><",
    "x</text>",
    "a</",
    "</doctag>\n",
    "code><_Pyt",
    "<nl><fcel>",
    "<fcel><fcel>0<nl>",
    "<loc_1><loc_2><loc_3><loc_4>",
    "<loc_9><loc_8><loc_7><loc_6>",
    "</caption></picture>",
    "list_item></ordered_list>",
    "\n\n<text>",
    "<<",
    ">>",
    "<link_1></key_1>",
    "<key_1",
    "><table>",
)


@cache
def vocab_of(shape: Shape) -> Vocab:
    """A vocabulary of that shape, made once a session."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_checkpoint(Path(folder), style=shape.style, single_locs=shape.locations, tags=shape.tags)
        if shape.odd:
            _make_odd(made)
        return Vocab(checkpoint.read(made, name="tiny"))


def _make_odd(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ODD])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = tokenizer.get_vocab_size() + 3  # the network may have rows to spare
    (folder / "config.json").write_text(json.dumps(config))
