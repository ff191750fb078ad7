"""Networks that know nothing: rows of logits from dice, some with a bias against all reason.

`walk` writes an answer under a law as an engine does: the best id that the mask allows, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from doctags.tokens import TAGS
from smoldocling.masks import Masks
from smoldocling.pieces import Pieces

Row = npt.NDArray[np.float64]
NUMBERED = (
    "<key_1>",
    "<key_23>",
    "<value_1>",
    "<value_4>",
    "<link_1>",
    "<link_23>",
    "</key_1>",
    "<loc_7>",
    "<loc_499>",
)
SPELLINGS = (
    *(spelling for spelling, tag in TAGS.items() if tag.role not in ("loc", "class", "language")),
    *("<table>", "<line>", "<map>", "<_Python_>", "<_C_>", "</text>", "</code>"),
    *("<key_value_region>", *NUMBERED) * 6,
)


@dataclass
class Fickle:
    """One such network. `row` is what it says next; it may remember what it was about to spell."""

    dice: np.random.Generator
    bias: Row
    spells: bool = False
    target: str = ""

    def row(self, pieces: Pieces, mask: npt.NDArray[np.bool_]) -> Row:
        """Logits, (vocabulary,)."""
        logits = self.dice.gumbel(size=len(self.bias)) + self.bias
        if self.spells:
            if not self.target:
                self.target = SPELLINGS[self.dice.integers(len(SPELLINGS))]
            on = [token for token in pieces.beginnings(self.target) if mask[token]]
            if not on:
                self.target = ""
            else:
                best = max(on, key=lambda token: len(pieces.texts[token]))
                logits[best] += 100
                self.target = self.target[len(pieces.texts[best]) :]
        return logits


@cache
def biases(pieces: Pieces) -> dict[str, Row]:
    """Fair dice, and loves: brackets, closing tags, tags of any kind, numbers, layout."""
    tests: dict[str, Callable[[str], bool]] = {
        "fair": lambda text: False,
        "brackets": lambda text: "<" in text or ">" in text,
        "closers": lambda text: text.startswith("</") or text in (">", "<", "><"),
        "tags": lambda text: any(tag.startswith(text) for tag in TAGS) or text in (">", "><"),
        "numbers": lambda text: text.isdecimal() or "loc" in text or text in ("<", ">", "><", "_"),
        "layout": lambda text: not text.strip(),
    }
    return {
        name: np.array([5.0 * (bool(text) and test(text)) for text in pieces.texts]) for name, test in tests.items()
    }


def networks(pieces: Pieces, seed: int) -> dict[str, Fickle]:
    """One of each kind."""
    made = {name: Fickle(np.random.default_rng(seed), bias) for name, bias in biases(pieces).items()}
    return made | {"speller": Fickle(np.random.default_rng(seed), np.zeros(len(pieces.texts)), spells=True)}


def walk(masks: Masks, network: Fickle, limit: int) -> list[int]:
    """The ids of one answer, at most `limit`."""
    state, ids = masks.start, []
    while len(ids) < limit and not state.complete:
        mask = masks.mask(state, limit - len(ids))
        token = int(np.where(mask, network.row(masks.pieces, mask), -np.inf).argmax())
        if not masks.pieces.texts[token]:
            break
        ids.append(token)
        state = masks.advance(state, token)
    return ids
