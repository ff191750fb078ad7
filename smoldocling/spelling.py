"""How text becomes tags, character by character: what has been spelt so far, and how it may go on.

Knows: tags begun and not finished, numbers in tags. Does not know: ids.

A tag that has been begun (`pending`) is kept only as long as it may still become one that is no text where it stands.
Numbers in tags have no leading zeros, and nothing stands between the numbers of a box: DocTags allows for both, nobody
writes them, and so much more is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from doctags.grammar import LOC
from doctags.tokens import MAX_NUMBER_DIGITS, TAGS
from doctags.tree import GRID
from smoldocling.course import ENTRIES, Point, Rules

NUMBERS = {"<loc_N>": "<loc_", "<key_N>": "<key_", "<value_N>": "<value_", "<link_N>": "<link_"}
"""Terminals that are spelt with any number, and what stands before it."""

_COUNTED = re.compile(rf"<(?:loc|link|/?key|/?value)_[0-9]{{0,{MAX_NUMBER_DIGITS}}}")
_NAMES = tuple(spelling for spelling, tag in TAGS.items() if tag.role != "loc")
_EXAMPLES = ("<loc_0>", "<link_0>", "<key_0>", "</key_0>", "<value_0>", "</value_0>")
_DIGITS = ("0", "5", "12", "345", "0>", "7>", "12>", "99>", "123>", "345>", "499>", "500>")
_LOCS = tuple(f"<loc_{number}>" for number in range(GRID + 1))


@dataclass(frozen=True)
class Where:
    """All that decides what may come next.

    point    behind the last whole tag or text
    pending  the tag that has been begun since, "" if none
    """

    point: Point
    pending: str = ""

    @cached_property
    def idle(self) -> bool:
        """Text without brackets changes nothing."""
        return self.steady and not self.pending

    @property
    def steady(self) -> bool:
        """Text, whatever it is, leads to this same point."""
        rules = self.point.rules
        return rules.text and not rules.fresh and self.point.state.spots[-1].phase == "body"

    @property
    def complete(self) -> bool:
        return self.point.complete


def read(where: Where, text: str) -> Where | None:
    """Where we are behind some more text; None if it may not come."""
    point: Point | None = where.point
    source = where.pending + text
    while source:
        assert point is not None, "what may not come has been found out"
        start = source.find("<")
        if start:
            point = point.said(source if start < 0 else source[:start])
            if point is None or start < 0:
                return None if point is None else Where(point)
            source = source[start:]
        end, again = source.find(">") + 1, source.find("<", 1)
        if not end or 0 < again < end:
            if again < 0:
                return _begun(point, source)
            point = point.said(source[:again])
            source = source[again:]
        else:
            point = _take(point, source[:end])
            source = source[end:]
        if point is None:
            return None
    return None if point is None else Where(point)


def _take(point: Point, spelling: str) -> Point | None:
    """Something between brackets: a tag, or text."""
    if point.rules.legal(spelling):
        return point.after(spelling)
    return point.said(spelling) if point.rules.quotes(spelling) else None


def _begun(point: Point, source: str) -> Where | None:
    """What begins with `<` and has not met its `>`."""
    rules = point.rules
    if rules.text:
        if watched(rules, source):
            return Where(point, source)
        said = point.said(source)
        return None if said is None else Where(said)
    return Where(point, source) if any(True for _ in endings(rules, source)) else None


def watched(rules: Rules, begun: str) -> bool:
    """Whether this beginning, where text may come, may still become something that is no text."""
    if begun in _beginnings(_Quoting(rules.allowed, rules.open, rules.fresh)):
        return True
    match = _COUNTED.fullmatch(begun)
    return match is not None and not rules.quotes(f"{begun.rstrip('0123456789')}0>")


@dataclass(frozen=True)
class _Quoting:
    """What of the rules decides which tags are text."""

    allowed: frozenset[str]
    open: frozenset[str] | None
    fresh: bool


@lru_cache(maxsize=256)
def _beginnings(quoting: _Quoting) -> frozenset[str]:
    rules = Rules(quoting.allowed, open=quoting.open, fresh=quoting.fresh)
    tags = [tag for tag in (*_NAMES, *_EXAMPLES) if not rules.quotes(tag)]
    return frozenset(tag[:end] for tag in tags for end in range(1, len(tag)))


@lru_cache(maxsize=1024)
def names(rules: Rules) -> tuple[str, ...]:
    """The legal tags, but those of NUMBERS."""
    closers = [terminal for terminal in rules.allowed if terminal.startswith(("</key_", "</value_"))]
    return (*(tag for tag in _NAMES if rules.legal(tag)), *closers)


def endings(rules: Rules, begun: str) -> Iterator[str]:
    """What makes legal tags of this beginning: at least one if there is any, for each name of a tag."""
    yield from (tag[len(begun) :] for tag in names(rules) if tag.startswith(begun))
    for terminal, stem in NUMBERS.items():
        if terminal in rules.allowed:
            yield from _numbered(rules, stem, begun)


def _numbered(rules: Rules, stem: str, begun: str) -> Iterator[str]:
    if stem.startswith(begun):
        yield f"{stem[len(begun) :]}{_free(rules, stem)}>"
    elif begun.startswith(stem) and begun[len(stem) :].isdecimal():
        room = MAX_NUMBER_DIGITS - len(begun) + len(stem)
        if stem == NUMBERS[LOC]:
            yield from _located(rules.least, rules.most, begun)
            return
        for tail in ("", *map(str, range(10)), *map(str, range(10, 10 + len(rules.numbers)))):
            if len(tail) <= room and rules.legal(f"{begun}{tail}>"):
                yield f"{tail}>"
                return


@lru_cache(maxsize=8192)
def _located(least: int, most: int, begun: str) -> tuple[str, ...]:
    fitting = [tag for tag in locations(least, most) if tag.startswith(begun)]
    return tuple(tag[len(begun) :] for tag in fitting[:1])


def _free(rules: Rules, stem: str) -> int:
    """A number that is legal there."""
    if stem == NUMBERS[LOC]:
        return rules.least
    used = rules.numbers if f"{stem}N>" in ENTRIES else ()
    return next(number for number in range(len(used) + 1) if number not in used)


@lru_cache(maxsize=1024)
def locations(least: int, most: int) -> tuple[str, ...]:
    """The tags from one to the other."""
    return _LOCS[least : most + 1]


@lru_cache(maxsize=65_536)
def _stem(rules: Rules, begun: str) -> str:
    """What all legal tags with this beginning have in common behind it."""
    ways = [tag for tag in names(rules) if tag.startswith(begun)]
    for terminal, stem in NUMBERS.items():
        if terminal == LOC and terminal in rules.allowed:
            ways += [tag for tag in locations(rules.least, rules.most) if tag.startswith(begun)]
        elif terminal in rules.allowed:
            ways += [f"{stem}{digit}" for digit in range(2) if stem.startswith(begun)]
            ways += [f"{begun}{digit}" for digit in range(2) if begun.startswith(stem)]
    first, last = min(ways), max(ways)
    alike = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[len(begun) : alike]


def certain(where: Where) -> str:
    """The text that must come next, whatever comes then."""
    point, begun, found = where.point, where.pending, ""
    while not point.complete and not point.rules.text and (begun or not point.rules.layout):
        stem = _stem(point.rules, begun)
        found += stem
        begun += stem
        if not begun.endswith(">"):
            break
        point, begun = point.after(begun), ""
    return found


def samples(where: Where) -> tuple[str, ...]:
    """What text may go on with, a few of each kind: enough to see where a tokenizer splits it in any case."""
    rules, begun = where.point.rules, where.pending
    if begun == NUMBERS[LOC]:
        return _DIGITS
    letters = [letter for letter in "0159<>/_acl \n" if where.complete or read(where, letter)]
    return (*letters, *([*endings(rules, begun)][:8] if begun else ()))
