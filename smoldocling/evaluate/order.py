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
    """Of the true blocks. One that was not found again has no right place: who finds little has little in order.

    found   share of the true blocks that were found again
    edits   1 - edit distance of their order from the true one / number of true blocks
    tau     share of pairs of true blocks that were found in the right order; where all blocks are found, Kendall's tau
            (from -1 to 1) is 2 * this - 1
    """

    found: float
    edits: float
    tau: float


def compare(said: Sequence[Block], true: Sequence[Block]) -> OrderScore | None:
    """None where there are fewer than two true blocks, and so no order."""
    ours, theirs = ([text for block in blocks if (text := tidy(block.text)[:LONGEST])] for blocks in (said, true))
    if len(theirs) < 2:
        return None
    likeness = cdist(ours, theirs, scorer=Indel.normalized_similarity, dtype=np.float64)
    pairs = best_pairs(likeness.reshape(len(ours), len(theirs)), LEAST_LIKENESS)
    places, count = [column for _, column in pairs], len(theirs)
    edits = Levenshtein.normalized_similarity(places, range(count))
    return OrderScore(len(pairs) / count, edits, ascending(places) / (count * (count - 1) / 2))


def ascending(places: Sequence[int]) -> int:
    """How many pairs of places, all different, ascend."""
    seen: list[int] = []
    found = 0
    for place in places:
        found += bisect_left(seen, place)
        insort(seen, place)
    return found
