"""Formulas and code: how many of their characters are right.

Knows: blocks. Does not know: pages, files. One that is missing, and one that is none, counts as all wrong.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from smoldocling.evaluate.content import Block, Kind
from smoldocling.evaluate.matching import best_pairs


@dataclass(frozen=True, slots=True)
class Snippets:
    """`total` of the similarities of `count` formulas or listings, true, said or both."""

    total: float
    count: int


def compare(said: Sequence[Block], true: Sequence[Block], kind: Kind) -> Snippets:
    """Pairs of like ones; similarity is 1 - edit distance / longer length.

    A true one without text was seen and not read: whatever was said of it is neither right nor wrong.
    """
    ours, theirs = (
        [text for block in blocks if block.kind == kind and (text := _FOLDS[kind](block.text))]
        for blocks in (said, true)
    )
    likeness = cdist(ours, theirs, scorer=Levenshtein.normalized_similarity, dtype=np.float64)
    likeness = likeness.reshape(len(ours), len(theirs))
    pairs = best_pairs(likeness, least=0.0)
    unknown = sum(block.kind == kind for block in true) - len(theirs)
    invented = max(0, len(ours) - len(pairs) - unknown)
    return Snippets(float(sum(likeness[i, j] for i, j in pairs)), len(theirs) + invented)


def bare_formula(text: str) -> str:
    """LaTeX without blanks, which mean nothing where no letter follows a command, and without the signs around it."""
    text = unicodedata.normalize("NFC", text).strip().strip("$").strip()
    text = re.sub(r"(\\[a-zA-Z]+)\s+(?=[a-zA-Z])", "\\1\0", text)
    return re.sub(r"\s+", "", text).replace("\0", " ")


def bare_code(text: str) -> str:
    """Code as it stands, without blanks at the ends of its lines and without empty lines around it."""
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).expandtabs(4).splitlines()]
    return "\n".join(lines).strip("\n")


_FOLDS: dict[Kind, Callable[[str], str]] = {"formula": bare_formula, "code": bare_code}
