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


def choose(
    guessed: Sequence[int], found: Sequence[int], logits: Logits, law: Law[Hashable], state: Hashable, left: int
) -> list[int]:
    """The ids to write, at least one.

    found  the likeliest ids after the row before each guess, and after the last guess
    state  of the law, before these ids; `left` ids may still be written
    """
    ids: list[int] = []
    for row, likeliest in enumerate(found):
        mask = law.mask(state, left - row)
        token = likeliest if likeliest < len(mask) and mask[likeliest] else allowed(logits(row), mask)
        ids.append(token)
        if row >= len(guessed) or token != guessed[row]:
            break
        state = law.advance(state, token)
    return ids


def allowed(logits: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> int:
    """The likeliest id that the mask allows."""
    return int(np.where(mask, logits[: len(mask)], -np.inf).argmax())
