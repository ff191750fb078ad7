"""Reads an answer along, id by id, for the rules that stop a runaway; and cuts a stopped answer back to what is good.

Knows: which ids spell tags, what is inside which element, what real pages repeat. Does not know: when to stop
(smoldocling.engine.stop).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import doctags
from doctags.lexer import CANDIDATE, tokens
from doctags.tokens import KINDS, LAYOUT, Tag, lookup, spell
from smoldocling.engine.stop import COPIES, MIN_IDS, Closed

# Where the same may be repeated for longer: copies, and ids in all.
TABLE = (64, MIN_IDS)
"""Rows of a table and cells of a row: an empty form has dozens of them, all alike."""
LEADER = (COPIES, 160)
"""Dots to the page number of a table of contents, lines to write on."""
NOTATION = (COPIES, 128)
"""Rows of zeros in formulas and code."""

LEADERS = frozenset(".·•…‥․⋅_-–—―─=*~#|:,' \t\r\n\u00a0")

FEW = 24
"""So many elements in a row may say nothing at all: pictures, empty fields."""

LONGEST_TAG = 34
"""Characters between brackets, and these, that may be a tag (lexer.CANDIDATE)."""

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(slots=True)
class _Open:
    """An element that is open: where its ids begin, what it has said so far, its box."""

    tag: Tag
    start: int
    said: list[str] = field(default_factory=list)
    place: list[int] = field(default_factory=list)


class Spelling(Protocol):
    """What ids spell, by their numbers. `pieces.Pieces` of a tokenizer is one."""

    @property
    def texts(self) -> Sequence[str]: ...


class Reading:
    """One sequence, read along."""

    def __init__(self, pieces: Spelling) -> None:
        self._pieces = pieces
        self._seen = 0
        self._begun = ""
        """Text from the last `<` on that may become a tag."""
        self._begun_at = 0
        self._open: list[_Open] = []
        self._endings: list[int] = []

    def read(self, token: int) -> Iterable[Closed]:
        """One more id; the elements that it closed."""
        self._seen += 1
        text = self._pieces.texts[token] if 0 <= token < len(self._pieces.texts) else ""
        if not self._begun and "<" not in text:
            if self._open:
                self._open[-1].said.append(text)
            return ()
        return list(self._spell(text))

    def patience(self, unit: Sequence[int]) -> tuple[int, int]:
        """How many copies of these ids, and how many ids in all, may be meant here."""
        text = "".join(self._pieces.texts[token] for token in unit)
        if any(KINDS[place.tag.kind].cells for place in self._open) and "<" in text:
            return TABLE
        if LEADERS.issuperset(text):
            return LEADER
        if self._open and self._open[-1].tag.kind in ("code", "formula"):
            return NOTATION
        return COPIES, MIN_IDS

    def ending(self, index: int) -> int | None:
        """The first index from this one on before which an element or a row has just been completed."""
        at = bisect_left(self._endings, index)
        return self._endings[at] if at < len(self._endings) else None

    def _spell(self, text: str) -> Iterator[Closed]:
        """Text with a bracket in it or before it."""
        begun_at = self._begun_at if self._begun else self._seen - 1
        source, self._begun = self._begun + text, ""
        tail = source.rfind("<")
        if tail > source.rfind(">") and len(source) - tail <= LONGEST_TAG:
            self._begun = source[tail:]
            self._begun_at = begun_at if tail == 0 else self._seen - 1
            source = source[:tail]
        done = 0
        for match in CANDIDATE.finditer(source):
            tag = lookup(match.group())
            if tag is None:
                continue
            self._say(source[done : match.start()])
            done = match.end()
            yield from self._take(tag, begun_at if match.start() == 0 else self._seen - 1)
        self._say(source[done:])

    def _say(self, text: str) -> None:
        if text and self._open:
            self._open[-1].said.append(text)

    def _take(self, tag: Tag, at: int) -> Iterator[Closed]:
        if tag.role in ("close", "row"):
            self._endings.append(self._seen)
        code = bool(self._open) and self._open[-1].tag.kind == "code"
        if tag.role == "open" and not (code and tag.kind != "caption"):
            self._open.append(_Open(tag, at))
        elif tag.role == "close":
            yield from self._close(tag)
        elif tag.role == "loc" and self._open:
            self._open[-1].place.append(tag.number or 0)
        elif tag.role in ("root", "unroot", "page"):
            self._open.clear()
        elif self._open:
            self._open[-1].said.append(tag.spelling)

    def _close(self, tag: Tag) -> Iterator[Closed]:
        depth = _innermost(tag.kind, [place.tag.kind for place in self._open])
        if depth is None:
            return
        place = self._open[depth]
        del self._open[depth:]
        if any(KINDS[outer.tag.kind].cells for outer in self._open):
            self._open[-1].said += place.said
            return
        text = "".join(place.said).strip(LAYOUT)
        numbers = tuple(map(int, _NUMBER.findall(text)))
        look = (place.tag.kind, place.tag.number, _NUMBER.sub("0", text))
        words = any(part.strip(LAYOUT) and lookup(part) is None for part in place.said)
        yield Closed(place.start, self._seen, look, numbers, tuple(place.place), 0 if words else FEW)


def keep(text: str) -> str:
    """The good part of an answer of which only this much is good: everything up to the last element that is closed.

    Open lists and tables keep the items and rows that are finished, and are closed; what else is open is left out. What
    is kept stands as it stood, whatever the parser will have to mend in it.
    """
    problems = doctags.parse(text).problems
    cut = min((it.start for it in problems if it.kind == "unclosed" and it.end == len(text)), default=len(text))
    stack: list[_Frame] = []
    end, closers = 0, ""
    for token in tokens(text):
        tag = token.tag
        if tag is None or not (_follow(tag, stack) if token.start >= cut else tag.role in ENDS):
            continue
        if all(frame.may_end for frame in stack):
            end = token.end
            closers = "".join(f"</{spell(frame.tag.kind, frame.tag.number)}>" for frame in reversed(stack))
    good = text[:end] + closers
    return good if "<doctag>" not in good or "</doctag>" in good else f"{good}</doctag>"


ENDS = ("close", "root", "unroot", "page")
"""Roles of tags behind which something is complete."""


@dataclass(slots=True)
class _Frame:
    """An element that is open in the text to be cut.

    row  a row of it has been begun
    """

    tag: Tag
    row: bool = False

    @property
    def may_end(self) -> bool:
        """Nothing is lost if it ends here, behind something that it holds."""
        return not self.row and (KINDS[self.tag.kind].text != "own" or self.tag.kind == "list_item")


def _follow(tag: Tag, stack: list[_Frame]) -> bool:
    """Follow a tag: `stack` is what is open behind it. Whether something ends with it."""
    match tag.role:
        case "open" if not (stack and stack[-1].tag.kind == "code" and tag.kind != "caption"):
            stack.append(_Frame(tag))
        case "close":
            depth = _innermost(tag.kind, [frame.tag.kind for frame in stack])
            if depth is not None:
                del stack[depth:]
            return depth is not None
        case "cell" | "row":
            depth = next((at for at in range(len(stack) - 1, -1, -1) if KINDS[stack[at].tag.kind].cells), None)
            if depth is not None:
                del stack[depth + 1 :]
                stack[depth].row = tag.role == "cell"
            return tag.role == "row"
        case "root" | "unroot" | "page":
            stack.clear()
            return True
    return False


def _innermost(kind: str, kinds: Sequence[str]) -> int | None:
    return next((at for at in range(len(kinds) - 1, -1, -1) if kinds[at] == kind), None)
