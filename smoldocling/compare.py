"""Two texts word by word: which words of the one are in the other, and which differ in single characters.

Knows: characters, spellings, LaTeX. Does not know: pages, elements, where a text comes from.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smoldocling.diff import gaps
from smoldocling.pages import glyphs

# A number with its separators; a letter of a script without spaces; a run of letters and digits; any other sign.
_PIECE = re.compile(r"\d+(?:[.,]\d+)*|[\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]|\w+|[^\w\s]")
_SIGNS = str.maketrans(
    {
        # which of the quotes it is, single or double, is a matter of style
        **dict.fromkeys('\u2018\u2019\u201a\u201b\u2032\u00b4`\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"', "'"),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys("•◦▪▫●○■□◆◇►▶▸‣⁃∙⦁➢", "·"),
        **dict.fromkeys("∼˜", "~"),
        **dict.fromkeys("∗⁎", "*"),
        "\u2044": "/",
        "\u00ad": "",
    }
)
# What two spellings of the same may differ in: hyphens at line ends, signs of raising and lowering.
_LOOSE = re.compile(r"[-^_{}$\\\s]")
# Letters of words that are in every text.
SHORT = 3
# How raised and grouped letters are written by those who have no other way; the page shows nothing of it.
_MARKUP = frozenset("^{}")
_COMMAND = re.compile(r"\\([a-zA-Z]+)|\\(.)")
_GREEK = {
    unicodedata.name(chr(code)).rsplit(" ", 1)[-1].lower(): chr(code) for code in range(0x3B1, 0x3CA) if code != 0x3C2
}
_NAMED = {
    **_GREEK,
    **{name.capitalize(): char.upper() for name, char in _GREEK.items()},
    **{
        "varepsilon": "ε",
        "epsilon": "ε",
        "vartheta": "θ",
        "varphi": "φ",
        "varrho": "ρ",
        "varsigma": "σ",
        "lambda": "λ",
    },
    **{"times": "×", "cdot": "·", "pm": "±", "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠"},
    **{"approx": "≈", "sim": "~", "infty": "∞", "partial": "∂", "nabla": "∇", "sum": "∑", "prod": "∏", "int": "∫"},
    **{"rightarrow": "→", "to": "→", "leftarrow": "←", "Rightarrow": "⇒", "in": "∈", "forall": "∀", "exists": "∃"},
    **{"cup": "∪", "cap": "∩", "subset": "⊂", "equiv": "≡", "propto": "∝", "degree": "°", "circ": "°", "prime": "'"},
    **{
        name: name
        for name in "sin cos tan log ln exp max min lim arg det dim ker sup inf mod gcd tanh sinh cosh".split()
    },
}
"""LaTeX command -> the sign that stands on the page; all other commands are layout and stand for nothing."""
_LAYOUT = (
    "frac dfrac tfrac sqrt mathrm mathbf mathcal mathbb mathit mathsf boldsymbol text textbf textit textrm "
    "operatorname left right quad qquad hat bar tilde vec dot overline underline begin end big Big limits "
    "ldots cdots dots"
).split()
# Names are asked for, since paths have backslashes too.
_LATEX = re.compile(
    rf"\\(?:{'|'.join(sorted({*_NAMED, *_LAYOUT}, key=len, reverse=True))})(?![a-zA-Z])"
    r"|\\[%&#$_{}]|\$[^$\n]*[\\^_=][^$\n]*\$|[\^_]\s?\{"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, a number or a sign of a text: `text[start:end]`; `folded` without differences that do not matter."""

    text: str
    folded: str
    start: int
    end: int

    @property
    def is_short(self) -> bool:
        """Whether it says little by itself: a sign, a word of up to three letters. Digits say more."""
        return len(self.folded) <= SHORT and not any(map(str.isdigit, self.folded)) and self.folded.isascii()

    @property
    def is_word(self) -> bool:
        """Whether it holds a letter or a digit."""
        return any(map(str.isalnum, self.folded))


@dataclass(frozen=True, slots=True)
class Alignment:
    """Written pieces against those of a page.

    credit  for each of the written ones how much of it is there, 0 to 1
    twins   place of a written piece -> place of the page's that it was meant to be; they differ in single characters
    """

    credit: tuple[float, ...]
    twins: dict[int, int]


def pieces(text: str) -> list[Piece]:
    """A text taken apart."""
    found = (Piece(match.group(), folded(match.group()), match.start(), match.end()) for match in _PIECE.finditer(text))
    return [piece for piece in found if piece.folded and piece.folded not in _MARKUP]


def folded(text: str) -> str:
    """Without differences of typography: ligatures, quotes, dashes, bullets, width, raising, control characters."""
    if text.isascii() and text.isprintable():
        return text.translate(_SIGNS)
    plain = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    return "".join(char for char in plain if unicodedata.category(char) not in ("Cc", "Cf"))


def bare(text: str) -> str:
    """Only its letters and digits, without regard to case."""
    return "".join(filter(str.isalnum, folded(text))).casefold()


def has_latex(text: str) -> bool:
    """Whether a text holds LaTeX."""
    return _LATEX.search(text) is not None


def without_latex(text: str) -> str:
    """What LaTeX looks like when it is set, in one row: `\\frac { \\alpha } { 2 }` is `α 2`."""

    def shown(match: re.Match[str]) -> str:
        name, sign = match.groups()
        return f" {_NAMED.get(name, '')} " if name else (sign if sign in "%&#$_{}" else " ")

    return re.sub(r"[{}^_$&]", " ", _COMMAND.sub(shown, re.sub(r"\\(?:begin|end)\s*\{[^}]*\}", " ", text)))


def alike(written: str, page: str) -> float:
    """How many of the signs of a formula are among those of a page, 0 to 1, in whatever order."""
    ours, theirs = Counter(_symbols(without_latex(written))), Counter(_symbols(page))
    return (ours & theirs).total() / ours.total() if ours else 0.0


def symbols(written: str) -> int:
    """How many signs a formula has."""
    return sum(1 for _ in _symbols(without_latex(written)))


def _symbols(text: str) -> Iterator[str]:
    return (char for char in folded(text) if char.isalnum() or unicodedata.category(char) in ("Sm", "Po"))


def align(written: Sequence[Piece], page: Sequence[Piece]) -> Alignment:
    """Both in reading order. The page may hold more than was written; that does not count."""
    credit = [0.0] * len(written)
    twins: dict[int, int] = {}
    left: Counter[str] = Counter()
    same, between = gaps([piece.folded for piece in written], [piece.folded for piece in page])
    for at, _ in same:
        credit[at] = 1.0
    for i1, i2, j1, j2 in between:
        left.update(piece.folded for piece in page[j1:j2])
        if i1 < i2 and j1 < j2:
            _replaced(written, page, (i1, i2), (j1, j2), credit, twins)
    for at in twins.values():
        left[page[at].folded] -= 1
    for short in (False, True):
        for at, piece in enumerate(written):
            # the same words in another order: columns read across, cells of several rows
            if not credit[at] and left[piece.folded] > 0 and piece.is_short == short:
                left[piece.folded] -= 1
                credit[at] = 1.0
    return Alignment(_supported(credit, written), twins)


def _supported(credit: Sequence[float], written: Sequence[Piece]) -> tuple[float, ...]:
    """Commas, "of" and "the" stand everywhere: they are the page's where what is beside them is."""
    says_much = [not piece.is_short for piece in written]
    if not any(says_much):
        says_much = [piece.is_word for piece in written]
    if not any(says_much):
        return tuple(credit)
    sure = {place for place, share in enumerate(credit) if share and says_much[place]}
    for start in sorted(sure):
        for step in (1, -1):
            at = start + step
            while 0 <= at < len(written) and credit[at] and not says_much[at]:
                sure.add(at)
                at += step
    return tuple(share if place in sure else 0.0 for place, share in enumerate(credit))


def _replaced(
    written: Sequence[Piece],
    page: Sequence[Piece],
    ours: tuple[int, int],
    theirs: tuple[int, int],
    credit: list[float],
    twins: dict[int, int],
) -> None:
    """Credit for a stretch of words that stands where the page has others."""
    (i1, i2), (j1, j2) = ours, theirs
    said, shown = (_LOOSE.sub("", "".join(p.folded for p in row)) for row in (written[i1:i2], page[j1:j2]))
    if said.casefold() == shown.casefold() and (said == shown or sum(map(str.__ne__, said, shown)) > 1):
        credit[i1:i2] = [1.0] * (i2 - i1)
        return
    # around an element the page goes on: only what is next to it can stand for its first and last words
    if i1 == 0:
        j1 = max(j1, j2 - (i2 - i1))
    elif i2 == len(written):
        j2 = min(j2, j1 + (i2 - i1))
    if i2 - i1 != j2 - j1:
        again = closest(said, shown)
        if again is not None and again <= len(said) // 8:
            credit[i1:i2] = [1 - again / len(said)] * (i2 - i1)
        return
    for at, there in zip(range(i1, i2), range(j1, j2), strict=True):
        a, b = written[at].folded, page[there].folded
        if a == b or (a.casefold() == b.casefold() and sum(map(str.__ne__, a, b)) > 1):
            credit[at] = 1.0
        elif (far := closest(a, b)) is not None:
            credit[at] = max(0.0, 1 - far / max(len(a), len(b)))
            twins[at] = there


def closest(a: str, b: str) -> int | None:
    """How many characters differ (Levenshtein), None where more do than a misread word has: 1, from 8 letters on 2."""
    most = 1 if max(len(a), len(b)) < 8 else 2
    if abs(len(a) - len(b)) > most:
        return None
    row = list(range(len(b) + 1))
    for i, char in enumerate(a, 1):
        # only cells near the diagonal can stay within the limit
        low, high = max(1, i - most), min(len(b), i + most)
        new = [most + 1] * (len(b) + 1)
        if i <= most:
            new[0] = i
        for j in range(low, high + 1):
            new[j] = min(row[j - 1] + (char != b[j - 1]), row[j] + 1, new[j - 1] + 1)
        if min(new) > most:
            return None
        row = new
    return row[-1] if row[-1] <= most else None


def is_suspicious(text: str) -> bool:
    """Whether a word of a text layer may be a wrong one: unknown characters, letters of several alphabets."""
    if any(map(glyphs.is_broken, text)):
        return True
    scripts = {unicodedata.name(char, "").split(" ", 1)[0] for char in text if char.isalpha()}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1
