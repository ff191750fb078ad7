"""Whether blocks come in the right order, whatever they say exactly.

Knows: blocks. Does not know: pages, files.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Indel, Levenshtein
from rapidfuzz.process import cdist

from smoldocling.evaluate.content import Block, tidy
from smoldocling.evaluate.matching import best_pairs

# Less like a true block than that, a block is another one.
LEAST_LIKENESS = 0.5
# Longer blocks are recognised by how they begin.
LONGEST = 1000


@dataclass(frozen=True, slots=True)
class OrderScore:
    """Of the true blocks that were found again.

    found   share of the true blocks that were
    edits   1 - edit distance of the order in which they come / their number
    tau     Kendall: share of pairs of blocks that come in the right order; 1: all, 0: none (the usual tau from -1 to 1
            is 2 * this - 1)
    """

    found: float
    edits: float
    tau: float


def compare(said: Sequence[Block], true: Sequence[Block]) -> OrderScore | None:
    """None where there are fewer than two true blocks, and so no order. Where no two are found again, there is none."""
    ours, theirs = ([text for block in blocks if (text := tidy(block.text)[:LONGEST])] for blocks in (said, true))
    if len(theirs) < 2:
        return None
    likeness = cdist(ours, theirs, scorer=Indel.normalized_similarity, dtype=np.float64)
    pairs = best_pairs(likeness.reshape(len(ours), len(theirs)), LEAST_LIKENESS)
    found = len(pairs) / len(theirs)
    if len(pairs) < 2:
        return OrderScore(found, 0.0, 0.0)
    places = [column for _, column in pairs]
    return OrderScore(found, Levenshtein.normalized_similarity(places, sorted(places)), concordance(places))


def concordance(places: Sequence[int]) -> float:
    """Share of the pairs that ascend; `places` are different from each other, at least two."""
    seen: list[int] = []
    ascending = 0
    for place in places:
        ascending += bisect_left(seen, place)
        insort(seen, place)
    return ascending / (len(places) * (len(places) - 1) / 2)
