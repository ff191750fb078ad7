"""METEOR (Banerjee and Lavie 2005, with the constants of Lavie and Agarwal 2007): words, stems and synonyms in order.

Knows: words, NLTK's Porter stemmer, WordNet. Does not know: where the words come from. NLTK's `meteor_score` differs in
one thing: it looks for synonyms of stems, "larg" for "large", and so finds few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import pairwise

from smoldocling.evaluate.wordnet import WordNet

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5


def missing() -> str | None:
    """What has to be there and is not, None where METEOR can be computed."""
    from smoldocling.evaluate.wordnet import folder

    if find_spec("nltk") is None:
        return "the package nltk"
    return None if folder() else "WordNet (Debian's package wordnet-base; or set WNSEARCHDIR)"


def meteor(said: Sequence[str], true: Sequence[str], net: WordNet) -> float:
    """From 0 to nearly 1: even the same words have the penalty of being in one piece."""
    ours = [word.lower() for word in said]
    theirs = [word.lower() for word in true]
    if not ours or not theirs:
        return float(not ours and not theirs)
    pairs = _pairs(ours, theirs, net)
    if not pairs:
        return 0.0
    precision, recall = len(pairs) / len(ours), len(pairs) / len(theirs)
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    pieces = 1 + sum(b != (a[0] + 1, a[1] + 1) for a, b in pairwise(pairs))
    return float(mean * (1 - GAMMA * (pieces / len(pairs)) ** BETA))


def _pairs(ours: Sequence[str], theirs: Sequence[str], net: WordNet) -> list[tuple[int, int]]:
    """Words that belong together: equal ones, then those of equal stem, then synonyms; the last of each first."""
    pairs: list[tuple[int, int]] = []
    left, right = list(enumerate(ours)), list(enumerate(theirs))
    stages: tuple[tuple[Callable[[str], str], Callable[[str], Iterable[str]]], ...] = (
        (str, lambda word: (word,)),
        (_stem, lambda word: (_stem(word),)),
        (str, lambda word: (*net.synonyms(word), word)),
    )
    for key, keys in stages:
        waiting: dict[str, list[int]] = defaultdict(list)
        for place, word in right:
            waiting[key(word)].append(place)
        found = {}
        for place, word in reversed(left):
            wanted = [name for name in keys(word) if waiting.get(name)]
            if wanted:
                found[place] = waiting[max(wanted, key=lambda name: waiting[name][-1])].pop()
        pairs += found.items()
        taken = set(found.values())
        left = [(place, word) for place, word in left if place not in found]
        right = [(place, word) for place, word in right if place not in taken]
    return sorted(pairs)


@cache
def _stem(word: str) -> str:
    return _stemmer()(word)


@cache
def _stemmer() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

    stem: Callable[[str], str] = PorterStemmer().stem
    return stem
