"""Which characters of a source may stand in an output, and how broken words become whole.

Knows: strings. Does not know: elements, formats.
Law: what leaves this module is legal in XML 1.0, HTML5 and UTF-8, so that no writer has to look again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# C0 and C1 controls but tab and newline, noncharacters, and the soft hyphen, which only matters to a typesetter.
_ILLEGAL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\ufdd0-\ufdef\ufffe\uffff"
    + "".join(f"{chr((plane << 16) + 0xFFFE)}{chr((plane << 16) + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")
_LINE_BREAK = re.compile(r" ?\n\s*")
_SPACES = re.compile(r"[^\S\n]+")
# Anchored at the start of a word: pages in some scripts are one word of thousands of letters.
_COMPOUND = re.compile(r"(?<![^\W\d_])[^\W\d_]+(?:-[^\W\d_]+)+")
_LEADING_WORD = re.compile(r"[^\W\d_]+")


def legal(text: str) -> str:
    """The text without characters that XML, HTML or UTF-8 forbid; every line end is a newline."""
    text = _LINE_END.sub("\n", text.replace("\xad\n", ""))
    return _SURROGATE.sub("\ufffd", _ILLEGAL.sub("", text))


def clean(text: str) -> str:
    """Prose: one space between words, single newlines kept, edges kept (they may adjoin another run)."""
    return _LINE_BREAK.sub("\n", _SPACES.sub(" ", legal(text)))


def clean_line(text: str) -> str:
    """Prose that must stay on one line, stripped."""
    return " ".join(legal(text).split())


def clean_code(text: str) -> str:
    """Code: every space counts, only empty lines around it go."""
    lines = [line if line.strip() else "" for line in legal(text).split("\n")]
    return "\n".join(lines).strip("\n")


def compounds(texts: Iterable[str]) -> frozenset[str]:
    """The words that these texts write with a hyphen inside a line, in lower case."""
    return frozenset(match.group().lower() for text in texts for match in _COMPOUND.finditer(text))


def is_broken(text: str) -> bool:
    """Whether the text ends in the middle of a word."""
    return text.endswith("-") and text[-2:-1].isalpha()


def mend(text: str, known: frozenset[str]) -> str:
    """Words and sentences broken at a line end are whole again; a hyphen stays where `known` has the word with it.

    >>> mend("infor-\\nmation of a well-\\nknown\\nkind\\nBy A. Smith", frozenset({"well-known"}))
    'information of a well-known kind\\nBy A. Smith'
    """
    before, *lines = text.split("\n")
    mended = [before]
    for line in lines:
        if is_broken(before) and line[:1].isalpha():
            if not _keeps_hyphen(before, line, known):
                mended[-1] = mended[-1][:-1]
            mended.append(line)
        else:
            mended += [" " if _reads_on(before, line) else "\n", line]
        before = line
    return "".join(mended)


def _keeps_hyphen(before: str, after: str, known: frozenset[str]) -> bool:
    left = before.rpartition(" ")[2][:-1]
    right = _LEADING_WORD.match(after)
    if right is None or not after[0].islower() or "-" in left:
        return True
    start = next((index for index, char in enumerate(left) if char.isalpha()), 0)
    return f"{left[start:]}-{right.group()}".lower() in known


def _reads_on(before: str, after: str) -> bool:
    """A line end inside a sentence is where the page was too narrow; any other is the author's."""
    return after[:1].islower() and (before[-1:].isalnum() or before[-1:] in {",", ";"})
