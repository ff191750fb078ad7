"""What a list item carries as its own marker: "1.", "(a)", a bullet glyph, a tick box.

Knows: the first characters of an item's text. Does not know: lists, formats. A new marker is a new row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MarkerKind = Literal["bullet", "number", "label", "box"]


@dataclass(frozen=True, slots=True)
class Marker:
    """A list item's own marker.

    kind     bullet: a glyph without meaning; number: "1." or "1)"; label: any other, "(a)", "[7]"; box: a tick box
    text     as it is written, "" for a bullet
    number   the value of a number
    checked  the state of a tick box
    """

    kind: MarkerKind
    text: str = ""
    number: int | None = None
    checked: bool | None = None


BULLET = Marker("bullet")

# Private-use letters are the bullets of symbol fonts (Wingdings and Symbol map to F000..F0FF).
_ROWS: tuple[tuple[str, MarkerKind], ...] = (
    (r"[☐□◻]\s*|\[ ?\]\s+", "box"),
    (r"[☑☒✅⊠🗹]\s*|\[[xX]\]\s+", "box"),
    (r"[•‣⁃◦●○▪▫■◆◇❖❏❑➢➤►▶∙⦁\uf000-\uf0ff]\s*", "bullet"),
    (r"[-–—−*+·](?:\s+|$)", "bullet"),
    (r"[0-9]{1,3}[.)](?:\s+|$)", "number"),
    (r"(?:\([0-9]{1,3}\)|\[[0-9]{1,3}\])(?:\s+|$)|[①-⑳]\s*", "label"),
    (r"\((?:[A-Za-z]|[ivxIVX]{1,5})\)(?:\s+|$)", "label"),
    (r"(?:[A-Za-z]|[ivxIVX]{1,5})[.)](?:\s+|$)", "label"),
)
_PATTERNS = tuple((re.compile(pattern), kind) for pattern, kind in _ROWS)
_LETTERS = re.compile(r"(?:[A-Za-z]|[ivxIVX]{1,5})[.)]")
_TICKED = re.compile(r"[☑☒✅⊠🗹]|\[[xX]\]")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")


def split_marker(text: str) -> tuple[Marker | None, str]:
    """The marker at the start of `text` and the text behind it; a bullet before another marker is dropped.

    >>> split_marker("• 2) apples")
    (Marker(kind='number', text='2)', number=2, checked=None), 'apples')
    """
    marker, rest = _first_marker(text)
    if marker == BULLET:
        inner, inner_rest = _first_marker(rest)
        if inner not in {None, BULLET}:
            return inner, inner_rest
    return marker, rest


def _first_marker(text: str) -> tuple[Marker | None, str]:
    for pattern, kind in _PATTERNS:
        found = pattern.match(text)
        if found is None:
            continue
        rest, written = text[found.end() :], found.group().strip()
        if kind == "bullet":
            return BULLET, rest
        if kind == "number":
            return Marker("number", written, number=int(written[:-1])), rest
        if kind == "box":
            return Marker("box", written, checked=_TICKED.match(written) is not None), rest
        return Marker("label", written), rest
    return None, text


def _ordinals(marker: Marker) -> frozenset[int]:
    """The places a letter can stand for: "i." is the ninth letter and the first Roman number."""
    letters = marker.text[:-1].lower()
    alphabetic = {ord(letters) - ord("a") + 1} if len(letters) == 1 else set()
    return frozenset(alphabetic | ({_ROMAN.index(letters) + 1} if letters in _ROMAN else set()))


def believable(markers: Sequence[Marker | None]) -> tuple[bool, ...]:
    """For each marker of a list, whether it is one. "A. Smith" is a name unless a "B." stands below it."""

    def follows(index: int, step: int) -> bool:
        other = index + step
        here, there = markers[index], markers[other] if 0 <= other < len(markers) else None
        if here is None or there is None or not _LETTERS.fullmatch(there.text):
            return False
        return any(place + step in _ordinals(there) for place in _ordinals(here))

    return tuple(
        marker is not None and (not _LETTERS.fullmatch(marker.text) or follows(index, 1) or follows(index, -1))
        for index, marker in enumerate(markers)
    )
