"""Two texts: how many characters and words are right, and how much of their wording is the same.

Knows: strings, rapidfuzz, sacrebleu. Does not know: blocks, pages. Laws: every score is from 0 to 1; a text against
itself has 1, nothing against something has 0, nothing against nothing has 1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

_IDEOGRAPH = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# A number with its separators; a letter of a script without spaces; a run of letters and digits; any other sign.
_WORD = re.compile(rf"\d+(?:[.,]\d+)*|[{_IDEOGRAPH}]|[^\W{_IDEOGRAPH}]+|[^\w\s]")
_HAS_IDEOGRAPHS = re.compile(f"[{_IDEOGRAPH}]")


@dataclass(frozen=True, slots=True)
class Overlap:
    """Of the words of two texts, as multisets: a word that is said twice has to be found twice."""

    precision: float
    recall: float
    f1: float


def words(text: str) -> list[str]:
    """Numbers, words and signs, each by itself; case is kept."""
    return _WORD.findall(text)


def similarity(said: Sequence[Hashable], true: Sequence[Hashable]) -> float:
    """1 - Levenshtein distance / length of the longer."""
    return Levenshtein.normalized_similarity(said, true)


def overlap(said: Sequence[Hashable], true: Sequence[Hashable]) -> Overlap:
    """How many of the words said are true, how many of the true ones were said, and the harmonic mean of both."""
    if not said or not true:
        both = float(not said and not true)
        return Overlap(both, both, both)
    hits = (Counter(said) & Counter(true)).total()
    return Overlap(hits / len(said), hits / len(true), 2 * hits / (len(said) + len(true)))


def bleu(said: str, true: str) -> float:
    """BLEU of one text, by sacrebleu, with its exponential smoothing and no longer n-grams than the text has."""
    if not said.strip() or not true.strip():
        return float(not said.strip() and not true.strip())
    tokens = "zh" if _HAS_IDEOGRAPHS.search(true) else "13a"
    # rounding inside sacrebleu goes a hair above 100
    return min(1.0, _bleu(tokens).sentence_score(said, [true]).score / 100)


@cache
def _bleu(tokens: str) -> BLEU:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokens, effective_order=True)
