"""Where in a document we are: the grammar's state, and what the validator would still ask for.

Knows: what each kind of problem asks of the place where it arises, what is text in code, how a document is closed. Does
not know: ids, pieces of tags.

A `Point` is behind a whole tag or text. A strict one also heeds what is no error: elements of one page all have a box
or none has, captions stand beside what they belong to, lists have items, links lead somewhere, boxes have an area. It
cannot heed what depends on the very words: UNHEEDED.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from doctags.grammar import (
    CHILDREN,
    CLASS,
    CLASS_TAGS,
    LANGUAGE,
    LOC,
    MAX_DEPTH,
    OPENERS,
    SPACE,
    START,
    TEXT,
    Spot,
    State,
    terminal_of,
)
from doctags.tokens import KINDS, LAYOUT, Tag, lookup
from doctags.tree import GRID
from doctags.validator import BOXLESS, FLOATS

UNHEEDED = ("duplicate", "repeated", "unknown_language")
"""Kinds of problems that a strict course may still meet: the same words twice may be meant."""

LISTS = ("ordered_list", "unordered_list")
HOSTS = tuple(kind for kind, inner in CHILDREN.items() if "caption" in inner and "text" in inner and kind not in FLOATS)
"""Places where a caption looks for a neighbour to belong to; where none of FLOATS can be one, it may not stand."""

ENTRIES = ("<key_N>", "<value_N>")
_FLOAT_OPENERS = frozenset().union(*(OPENERS["page"] & {f"<{kind}>"} for kind in FLOATS))
_LIST_OPENERS = frozenset(f"<{kind}>" for kind in LISTS)
_PAGE_ENDS = frozenset(("<page_break>", "</doctag>"))

PLACEHOLDER = "form"
"""The cheapest element that a caption can belong to: it needs neither box nor content."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What the validator will ask of one open place.

    boxed      it has a box; of a page: its elements have; None where that is open
    near       of a host of captions: "float" if a caption here belongs to what it follows, "owed" if the last caption
               waits for what it belongs to
    bare       a caption waits for this one to have none itself
    captioned  it has a caption
    numbers    of a key-value region: those of its entries
    links      and those that links lead to and no entry has
    fresh      code that has a language and no text yet
    """

    boxed: bool | None = None
    near: str = ""
    bare: bool = False
    captioned: bool = False
    numbers: frozenset[int] = frozenset()
    links: frozenset[int] = frozenset()
    fresh: bool = False


@dataclass(frozen=True)
class Rules:
    """What may follow, the same for all points that are alike.

    allowed  the grammar's terminals
    least, most  the N of <loc_N>, where one may come
    numbers  those that <key_N> and <value_N> may not have
    open     in code: kinds and families of the open places, whose closing tags are no text there; else None
    fresh    in code: nothing that looks like a language may come
    """

    allowed: frozenset[str]
    least: int = 0
    most: int = 0
    numbers: frozenset[int] = frozenset()
    open: frozenset[str] | None = None
    fresh: bool = False

    @cached_property
    def key(self) -> int:
        return hash((self.allowed, self.least, self.most, self.numbers, self.open, self.fresh))

    def __hash__(self) -> int:
        return self.key

    @cached_property
    def text(self) -> bool:
        """Any text may come."""
        return TEXT in self.allowed

    @cached_property
    def layout(self) -> bool:
        """Layout may come, but nothing else."""
        return SPACE in self.allowed

    def legal(self, spelling: str) -> bool:
        """Whether this, taken as a tag, may come."""
        tag = self._tag(spelling)
        if tag is None or terminal_of(tag, spelling) not in self.allowed:
            return False
        if tag.number is None or tag.kind == "section_header":
            return True
        digits = spelling[spelling.index("_") + 1 : -1]
        return len(digits) == len(str(tag.number)) and self._fits(tag, tag.number)

    def _fits(self, tag: Tag, number: int) -> bool:
        if tag.role == "loc":
            return self.least <= number <= self.most
        return tag.role != "open" or number not in self.numbers

    def _tag(self, spelling: str) -> Tag | None:
        labels = CLASS_TAGS if CLASS in self.allowed else {}
        return labels.get(spelling) or lookup(spelling)

    def quotes(self, spelling: str) -> bool:
        """Whether this is text here, although it may be a tag elsewhere."""
        if not self.text:
            return False
        tag = lookup(spelling)
        if tag is None:
            return True
        if tag.role in ("class", "language"):
            return terminal_of(tag, "") not in self.allowed and not self.fresh
        if self.open is None:
            return False
        if tag.role == "open":
            return tag.kind != "caption"
        return tag.role == "close" and self.open.isdisjoint((tag.kind, _family(tag.kind)))


@dataclass(frozen=True)
class Point:
    """One place in a document. Equal points go on alike.

    duties  one for each open place of a strict course; none otherwise
    """

    state: State = START
    duties: tuple[Duty, ...] = ()
    strict: bool = False
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.state, self.duties)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def complete(self) -> bool:
        return self.state.complete

    @cached_property
    def weight(self) -> int:
        """Grows with all that must be written before the document is complete."""
        rows = sum(len(spot.above or ()) for spot in self.state.spots)
        return len(self.state.spots) + rows + sum(len(duty.links) for duty in self.duties)

    @cached_property
    def rules(self) -> Rules:
        """What may follow."""
        allowed = self._strictly(self.state.allowed()) if self.strict else self._loosely(self.state.allowed())
        spots = self.state.spots
        box = spots[-1].box if spots else ()
        code = bool(spots) and spots[-1].kind == "code" and not box
        least, most = self._range(box) if LOC in allowed else (0, 0)
        region = self.duties[-1] if self.duties and not allowed.isdisjoint(ENTRIES) else Duty()
        names = frozenset(name for spot in spots for name in (spot.kind, _family(spot.kind))) if code else None
        return Rules(allowed, least, most, region.numbers, names, bool(self.duties) and self.duties[-1].fresh)

    def _range(self, box: tuple[int, ...]) -> tuple[int, int]:
        """A strict box has an area; any other may be a line."""
        room = 1 if self.strict else 0
        return (0, GRID - room) if len(box) < 2 else (min(box[len(box) - 2] + room, GRID), GRID)

    def _loosely(self, allowed: frozenset[str]) -> frozenset[str]:
        blank = self.state.spots and self.state.spots[-1].phase == "blank"
        return allowed | {SPACE} if blank else allowed

    def _strictly(self, allowed: frozenset[str]) -> frozenset[str]:
        allowed = self._loosely(allowed)
        if not self.duties or self.state.spots[-1].box:
            return allowed
        spot, duty = self.state.spots[-1], self.duties[-1]
        if self._boxable:
            if self.duties[0].boxed is False:
                allowed -= {LOC}
            elif self.duties[0].boxed and not duty.boxed:
                return allowed & {LOC}
        if duty.near == "owed":
            return allowed & (_FLOAT_OPENERS | {SPACE})
        if duty.bare or not (spot.kind in HOSTS or spot.kind in FLOATS):
            allowed -= {"<caption>"}
        if spot.kind in LISTS and spot.phase == "head":
            allowed -= {spot.closer}
        if duty.links:
            allowed -= {spot.closer}
        if self.state.depth >= MAX_DEPTH - 1:
            allowed -= _LIST_OPENERS
        return allowed

    @property
    def _boxable(self) -> bool:
        """It is an element of the page of which the validator wants a box if its neighbours have one."""
        return len(self.duties) == 2 and self.state.spots[1].kind not in BOXLESS

    # --- steps ---

    def after(self, spelling: str) -> Point:
        """The point behind a legal tag."""
        return _after(self, spelling)

    def said(self, text: str) -> Point | None:
        """The point behind some text; None if it may not come."""
        blank = not text.strip(LAYOUT)
        if self.rules.layout:
            return self if blank else None
        if not self.rules.text:
            return None
        spot = self.state.spots[-1]
        if (blank and spot.phase == "head") or (spot.phase == "body" and not self.rules.fresh):
            return self
        duties = (*self.duties[:-1], replace(self.duties[-1], fresh=False)) if self.duties else ()
        return Point(self.state.advance(TEXT), duties, self.strict)

    def _behind(self, spelling: str) -> Point:
        state = self.state.advance(spelling)
        return Point(state, tuple(self._owing(state, lookup(spelling))) if self.strict else (), self.strict)

    def _owing(self, state: State, tag: Tag | None) -> list[Duty]:
        """The duties behind a tag."""
        duties = list(self.duties)
        assert tag is not None, "only tags are followed"
        if len(state.spots) < len(duties):
            self._shut(duties, len(state.spots))
        if tag.role == "page":
            return [Duty()]
        if tag.role == "loc" and not state.spots[-1].box and self._boxable:
            duties = [replace(duty, boxed=True) for duty in duties]
        if tag.role == "link":
            number = tag.number or 0
            if number not in duties[-2].numbers:
                duties[-2] = replace(duties[-2], links=duties[-2].links | {number})
        if LANGUAGE in self.rules.allowed and tag.role == "language":
            duties[-1] = replace(duties[-1], fresh=True)
        while len(duties) < len(state.spots):
            duties.append(self._open(duties, state.spots[len(duties)]))
        return duties

    def _open(self, duties: list[Duty], child: Spot) -> Duty:
        if not duties:
            return Duty()
        host, kind = self.state.spots[len(duties) - 1].kind, child.kind
        duty = duties[-1]
        bare = duty.near == "owed"
        if host in HOSTS:
            duty = replace(duty, near="owed" if kind == "caption" and duty.near != "float" else "")
        if kind in ("key", "value"):
            number = child.number or 0
            duty = replace(duty, numbers=duty.numbers | {number}, links=duty.links - {number})
        duties[-1] = replace(duty, captioned=duty.captioned or (kind == "caption" and host in FLOATS), fresh=False)
        return Duty(bare=bare)

    def _shut(self, duties: list[Duty], depth: int) -> None:
        """Close places until so many are open."""
        while len(duties) > depth:
            duty, spot = duties.pop(), self.state.spots[len(duties)]
            if len(duties) == 1 and spot.kind not in BOXLESS and duties[0].boxed is None:
                duties[0] = replace(duties[0], boxed=bool(duty.boxed))
            if duties and spot.kind in FLOATS and self.state.spots[len(duties) - 1].kind in HOSTS:
                duties[-1] = replace(duties[-1], near="" if duty.captioned else "float")

    # --- the way out ---

    @cached_property
    def closers(self) -> tuple[str, ...]:
        """Tags that complete the document, as few as there can be."""
        if self.complete:
            return ()
        if not self.state.spots:
            return ("<doctag>", "</doctag>")
        return tuple(self._closers())

    def _closers(self) -> Iterator[str]:
        spots = self.state.spots
        box = spots[-1].box
        if self.rules.allowed == {LOC}:
            room = 1 if self.strict else 0
            whole = (*box, *(0, 0, 0, 0)[len(box) :])
            yield from (
                f"<loc_{whole[at] if at < 2 else min(whole[at - 2] + room, GRID)}>" for at in range(len(box), 4)
            )
        for at in range(len(spots) - 1, -1, -1):
            yield from self._closing(spots[at], self.duties[at] if self.duties else Duty())

    def _closing(self, spot: Spot, duty: Duty) -> Iterator[str]:
        if spot.kind == "cell":
            return
        if duty.near == "owed":
            yield from (f"<{PLACEHOLDER}>", f"</{PLACEHOLDER}>")
        if self.strict and spot.kind in LISTS and spot.phase == "head":
            yield from ("<list_item>", "</list_item>")
        for number in sorted(duty.links):
            yield from (f"<key_{number}>", f"</key_{number}>")
        if spot.row:
            yield from _row_end(spot)
        yield "</doctag>" if spot.kind == "page" else spot.closer


def _row_end(spot: Spot) -> Iterator[str]:
    while "<nl>" not in (cells := spot.cells()):
        name = "xcel" if "<xcel>" in cells else "ecel"
        yield f"<{name}>"
        spot = replace(spot, row=(*spot.row, name))
    yield "<nl>"


@lru_cache(maxsize=16_384)
def _after(point: Point, spelling: str) -> Point:
    return point._behind(spelling)


def _family(kind: str) -> str:
    return KINDS[kind].family or kind if kind in KINDS else kind
