"""Whether the characters of a text layer mean what is to be seen: broken encodings, ciphers, stray recognition.

Knows: letters and how often languages use them. Does not know: elements, models.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from smoldocling.pages import glyphs

if TYPE_CHECKING:
    from smoldocling.pages.words import Words

# Share of characters without a known meaning; beyond it the rest is not to be trusted either.
MOST_BROKEN = 0.1
# Letters below which nothing can be said of their shares.
FEWEST_LETTERS = 80
# In text of any language in Latin letters, a third to a half of them are vowels; codes that were moved along the
# alphabet lose them, and names of chemicals, hexadecimal numbers and base64 do not go that far.
VOWELS = frozenset("aeiouyàáâãäåæèéêëìíîïòóôõöøœùúûüýÿāēīōūąęěůıőű")
FEWEST_VOWELS, MOST_VOWELS = 0.2, 0.65
# How often languages that are written with the plain Latin letters use them, in percent: English, which the other ones
# of Europe resemble; of those at hand none is below 0.77, and no alphabet that was moved is above 0.71.
USAGE = {
    entry[0]: float(entry[1:])
    for entry in (
        "e13.5 t7.4 a9.4 o6.6 i7.3 n7.5 s6.9 r6.6 l4.6 d4.1 h3 c3.2 u3.8 m2.7 p2.4 g1.6 "
        "f1.4 b1.3 v1.4 y0.8 w0.9 k0.6 z0.5 j0.3 x0.3 q0.5"
    ).split()
}
UNUSUAL = 0.72
# Letters, and the share of plain ones among them, from which on their usage tells.
ENOUGH_LETTERS, PLAIN = 200, 0.9
# Languages in one alphabet use its letters alike (cosine above 0.8), a cipher of one of them does not.
ALIKE = 0.75


def doubt(words: Words) -> str | None:
    """Why a text layer is not to be believed, from its own characters; None where nothing speaks against it."""
    text = "".join(word.text for word in words.all)
    broken = sum(map(glyphs.is_broken, text))
    if broken > MOST_BROKEN * len(text):
        return f"{round(100 * broken / len(text))}% of its characters have no known meaning"
    letters = _latin(text)
    total = letters.total()
    if total < FEWEST_LETTERS or total < 0.5 * sum(map(str.isalpha, text)):
        return None
    share = sum(count for letter, count in letters.items() if letter in VOWELS) / total
    if not FEWEST_VOWELS <= share <= MOST_VOWELS:
        return f"its letters spell no words ({round(100 * share)}% vowels)"
    plain = sum(count for letter, count in letters.items() if letter in USAGE)
    if total >= ENOUGH_LETTERS and plain >= PLAIN * total and _cosine(letters, USAGE) < UNUSUAL:
        return "its letters are used as in no language: they seem to be a cipher"
    return None


def contradiction(words: Words, written: Iterable[str], agreement: float) -> str | None:
    """Why a text layer is not to be believed, now that a model has read the page and they share next to nothing."""
    if words.hidden > 0.5 and agreement < 0.5:
        return "it is invisible text under the page's picture, and little of it is what the model reads"
    if agreement > 0.2:
        return None
    ours, theirs = _latin("".join(word.text for word in words.all)), _latin("".join(written))
    if min(ours.total(), theirs.total()) >= FEWEST_LETTERS and _cosine(ours, theirs) < ALIKE:
        return "its letters are not used as in what the model reads: they seem to be a cipher"
    return None


def _latin(text: str) -> Counter[str]:
    """The Latin letters of a text without regard to case."""
    return Counter(char for char in text.lower() if char.isalpha() and unicodedata.name(char, "").startswith("LATIN"))


def _cosine(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    norm = math.sqrt(sum(count * count for count in a.values()) * sum(count * count for count in b.values()))
    return sum(count * b.get(letter, 0) for letter, count in a.items()) / norm if norm else 0.0
