"""Which ids are written down after a step: what was found, as far as guesses were right and a law allows it.

Knows: ids, states of a law. Does not know: what a law says, tensors, whose ids they are.
Law: ids are those that one id a step would give. Logits are asked for only where the likeliest id is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import numpy.typing as npt

from smoldocling.engine.constrain import Law

Logits = Callable[[int], npt.NDArray[np.float32]]
"""The logits after the n-th row of a step."""


# As many ids as nobody can write: what is forbidden then is so whatever the limit.
PLENTY = 10**9


def choose(
    guessed: Sequence[int], found: Sequence[int], logits: Logits, law: Law[Hashable], state: Hashable, left: int
) -> tuple[list[int], bool]:
    """The ids to write, at least one, and whether the limit had a say: with more room it would have gone on.

    found  the likeliest ids after the row before each guess, and after the last guess
    state  of the law, before these ids; `left` ids may still be written
    """
    ids: list[int] = []
    cut = False
    for row, token in enumerate(found):
        if not legal(token, law.mask(state, left - row)):
            cut |= legal(token, law.mask(state, PLENTY))
            token = allowed(logits(row), law.mask(state, left - row))  # noqa: PLW2901 - the one to write
        ids.append(token)
        if row >= len(guessed) or token != guessed[row]:
            break
        state = law.advance(state, token)
    return ids, cut


def legal(token: int, mask: npt.NDArray[np.bool_]) -> bool:
    """A network may have more ids than its tokenizer knows; none of these is legal."""
    return token < len(mask) and bool(mask[token])


def allowed(logits: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> int:
    """The likeliest id that the mask allows."""
    return int(np.where(mask, logits[: len(mask)], -np.inf).argmax())
