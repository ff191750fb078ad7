"""How near a written page is to the true one: characters, tags, boxes.

Knows: two DocTags texts. Does not know: who wrote them. Nothing written and nothing legible count as all wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher

from rapidfuzz.distance import Levenshtein

import doctags
from doctags.lexer import tokens


@dataclass(frozen=True, slots=True)
class Score:
    """Of one page.

    errors, letters   characters to change, and how many there are; tags and boxes left out
    exact             every character is right
    tags              so is the order of all tags
    box_error         mean distance of the ends of boxes, of 500; None where no box can be told to be another's
    valid             the parser finds nothing wrong
    """

    errors: int
    letters: int
    exact: bool
    tags: bool
    box_error: float | None
    valid: bool


@dataclass(frozen=True, slots=True)
class Total:
    """Of many pages: rates from 0 to 1, boxes of 500."""

    pages: int
    character_error: float
    exact: float
    tags: float
    box_error: float
    valid: float

    def record(self) -> dict[str, float]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.pages} pages: character error {self.character_error:.2%}, every character right {self.exact:.1%},"
            f" tags right {self.tags:.1%}, boxes off by {self.box_error:.1f} of 500, valid {self.valid:.1%}"
        )


def score(written: str, true: str) -> Score:
    """Compare what a model wrote with what it should have written."""
    said, wanted = _parts(written), _parts(true)
    errors = Levenshtein.distance(said.text, wanted.text)
    return Score(
        errors=errors,
        letters=len(wanted.text),
        exact=errors == 0,
        tags=said.tags == wanted.tags,
        box_error=_box_error(said, wanted),
        valid=not doctags.validate(written),
    )


def total(scores: Sequence[Score]) -> Total:
    """Characters over all pages, everything else page by page. A box that is missing counts in `tags` alone."""
    boxes = [each.box_error for each in scores if each.box_error is not None]
    return Total(
        pages=len(scores),
        character_error=sum(each.errors for each in scores) / max(sum(each.letters for each in scores), 1),
        exact=_mean(each.exact for each in scores),
        tags=_mean(each.tags for each in scores),
        box_error=_mean(boxes) if boxes else 500.0,
        valid=_mean(each.valid for each in scores),
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """text  characters, a blank between elements; tags  without locations; boxes  locations with the tag they follow"""

    text: str
    tags: tuple[str, ...]
    boxes: tuple[tuple[int, tuple[int, ...]], ...]


def _parts(text: str) -> _Parts:
    """What the tags, the locations and the characters are."""
    words: list[str] = []
    tags: list[str] = []
    boxes: dict[int, list[int]] = {}
    for token in tokens(text):
        if token.tag is None:
            words.append(token.text)
        elif token.tag.role == "loc":
            boxes.setdefault(len(tags), []).append(token.tag.number or 0)
        else:
            tags.append(token.text)
            words.append(" ")
    return _Parts(
        " ".join("".join(words).split()),
        tuple(tags),
        tuple((place, tuple(ends)) for place, ends in boxes.items()),
    )


def _box_error(said: _Parts, wanted: _Parts) -> float | None:
    """Boxes belong together whose tags do, in the longest common order of tags."""
    mine, theirs = dict(said.boxes), dict(wanted.boxes)
    matcher = SequenceMatcher(None, said.tags, wanted.tags, autojunk=False)
    distances: list[float] = []
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            one, two = mine.get(block.a + step + 1, ()), theirs.get(block.b + step + 1, ())
            if len(one) == len(two) > 0:
                distances += [abs(a - b) for a, b in zip(one, two, strict=True)]
    return _mean(distances) if distances else None


def _mean(values: Iterable[float]) -> float:
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else 0.0
