"""What may follow what: the law that parser, writer, constrained decoder and documentation read.

Knows: kinds, nesting, the order of boxes, labels, cells, content; the shape of OTSL rows. Does not know: text, trees,
how broken input is mended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from doctags.lexer import Token, tokens
from doctags.table import BLANKS, HEADS
from doctags.tokens import CLASSES, KINDS, LAYOUT, Tag, lookup, spell
from doctags.tree import GRID

MAX_DEPTH = 64
"""Places open at once. Real documents nest five deep; whoever walks a tree may recurse."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPANS = _names("text code formula checkbox_selected checkbox_unselected handwritten_text reference picture")
_FLOW = _SPANS | _names("paragraph inline ordered_list unordered_list otsl chart")
_BODY = _FLOW | _names("section_header footnote caption document_index key_value_region form group references")
_PROSE = _names("inline caption")
_ENTRY = _names("link inline checkbox_selected checkbox_unselected")
_FIGURE = _names("smiles otsl caption")
_ITEMS = _names("list_item ordered_list unordered_list")

# fmt: off
CHILDREN: dict[str, frozenset[str]] = {
    "page":                _BODY | {"title", "page_header", "page_footer"},
    "title":               _PROSE,
    "section_header":      _PROSE,
    "text":                _PROSE,
    "paragraph":           _PROSE,
    "reference":           _PROSE,
    "handwritten_text":    _PROSE,
    "footnote":            _PROSE,
    "caption":             _names("inline"),
    "page_header":         _PROSE,
    "page_footer":         _PROSE,
    "checkbox_selected":   _PROSE,
    "checkbox_unselected": _PROSE,
    "formula":             _PROSE,
    "code":                _names("caption"),
    "smiles":              frozenset(),
    "ordered_list":        _ITEMS,
    "unordered_list":      _ITEMS,
    "list_item":           _FLOW,
    "inline":              _SPANS,
    "otsl":                _names("caption"),
    "document_index":      _names("caption"),
    "picture":             _FIGURE,
    "chart":               _FIGURE,
    "key_value_region":    _names("key value text caption"),
    "key":                 _ENTRY,
    "value":               _ENTRY,
    "form":                _BODY,
    "group":               _BODY,
    "references":          _BODY,
    "cell":                _FLOW,
    "link":                frozenset(),
}
# fmt: on

HOMES = {"list_item": "unordered_list", "key": "key_value_region", "value": "key_value_region", "smiles": "picture"}
"""What is put around an element that may not stand where it stands."""

TEXT = "TEXT"
SPACE = "SPACE"
LOC = "<loc_N>"
CLASS = "<class>"
LANGUAGE = "<_language_>"
"""Terminals that stand for many spellings; all other terminals are spellings. <key_N>, <value_N>, <link_N> are three
more. TEXT is any characters, SPACE is layout between elements."""

Phase = Literal["head", "body", "blank"]
"""head: boxes and a label may come; body: they may not; blank: a cell that holds nothing."""


@dataclass(frozen=True, slots=True)
class Spot:
    """An open place, and how far it has come.

    box    the numbers of a box that is not complete
    above  cell tokens of the table's row above; None in the first row
    row    cell tokens of this row so far
    """

    kind: str
    number: int | None = None
    phase: Phase = "head"
    box: tuple[int, ...] = ()
    above: tuple[str, ...] | None = None
    row: tuple[str, ...] = ()

    @property
    def closer(self) -> str:
        """Its closing tag."""
        return f"</{spell(self.kind, self.number)}>"

    def cells(self) -> frozenset[str]:
        """Cell tokens, and <nl>, that may come next here without breaking the rectangle or a span."""
        column = len(self.row)
        full = self.above is not None and column == len(self.above)
        end = frozenset(("<nl>",)) if self.row and (full or self.above is None) else frozenset()
        return end if full else end | {f"<{name}>" for name in self._next_cells(column)}

    def _next_cells(self, column: int) -> frozenset[str]:
        left = self.row[-1] if self.row else ""
        above = self.above[column] if self.above else ""
        if left in ("ucel", "xcel") and above in ("lcel", "xcel"):
            return frozenset(("xcel",))
        more = {"lcel"} if left in HEADS or left == "lcel" else set()
        return frozenset(HEADS) | more | ({"ucel"} if above in HEADS or above == "ucel" else set())


@dataclass(frozen=True, slots=True)
class State:
    """Where in a document we are. Begin with START; every step gives a new state."""

    spots: tuple[Spot, ...] = ()
    complete: bool = False

    @property
    def depth(self) -> int:
        """Places that are open."""
        return len(self.spots)

    @property
    def locations(self) -> range:
        """The N that the next <loc_N> may have if the box is to have its corners the right way round and an area."""
        box = self.spots[-1].box if self.spots else ()
        return range(GRID) if len(box) < 2 else range(min(box[len(box) - 2] + 1, GRID), GRID + 1)

    def allowed(self) -> frozenset[str]:
        """The terminals that may come next."""
        if not self.spots:
            return frozenset() if self.complete else frozenset(("<doctag>", SPACE))
        spot = self.spots[-1]
        if spot.box:
            return frozenset((LOC,))
        if spot.kind == "cell":
            return self._content(spot) | self.spots[-2].cells()
        return self._content(spot) | self._ends(spot)

    def _content(self, spot: Spot) -> frozenset[str]:
        if spot.phase == "blank":
            return frozenset()
        rule = KINDS[spot.kind]
        found = {TEXT if rule.text == "own" else SPACE}
        if spot.phase == "head":
            found.add(LOC)
            found |= {CLASS if rule.label == "class" else LANGUAGE} if rule.label else set()
        if self.depth < MAX_DEPTH:
            found |= OPENERS[spot.kind]
        return frozenset(found | spot.cells() if rule.cells else found)

    @staticmethod
    def _ends(spot: Spot) -> frozenset[str]:
        return frozenset(("<page_break>", "</doctag>")) if spot.kind == "page" else frozenset((spot.closer,))

    def advance(self, symbol: str) -> State:
        """The state behind a terminal or a tag's spelling. ValueError where it may not come."""
        allowed = self.allowed()
        tag = CLASS_TAGS.get(symbol) if CLASS in allowed else lookup(symbol)
        if tag is None:
            tag = lookup(symbol)
        if terminal_of(tag, symbol) not in allowed:
            raise ValueError(f"{symbol} may not come here; allowed: {' '.join(sorted(allowed))}")
        if tag is None:
            return self._behind(symbol)
        return self._by_tag(tag)

    def _behind(self, symbol: str) -> State:
        if symbol == SPACE:
            return self
        if symbol == TEXT:
            return self._top(phase="body")
        raise ValueError(f"{symbol} stands for many tags; give one of them")

    def _by_tag(self, tag: Tag) -> State:
        match tag.role:
            case "root":
                return State((Spot("page", phase="body"),))
            case "unroot":
                return State(complete=True)
            case "page":
                return self
            case "loc":
                box = (*self.spots[-1].box, tag.number or 0)
                if len(box) < 4:
                    return self._top(box=box)
                return self._top(box=(), phase="body" if self.spots[-1].kind == "cell" else "head")
            case "open":
                return State((*self._top(phase="body").spots, Spot(tag.kind, tag.number)))
            case "close":
                return State(self.spots[:-1])
            case "cell":
                return self._cell(tag.kind)
            case "row":
                table = self._table()
                return State((*table.spots[:-1], replace(table.spots[-1], above=table.spots[-1].row, row=())))
            case _:  # class, language, link
                return self._top(phase="body")

    def _cell(self, name: str) -> State:
        table = self._table()._top(phase="body", row=(*self._table().spots[-1].row, name))
        blank = name in BLANKS
        return State((*table.spots, Spot("cell", phase="blank" if blank else "head")))

    def _table(self) -> State:
        return State(self.spots[:-1]) if self.spots[-1].kind == "cell" else self

    def _top(self, **changes: object) -> State:
        return State((*self.spots[:-1], replace(self.spots[-1], **changes)))  # type: ignore[arg-type]

    def closers(self) -> tuple[str, ...]:
        """The fewest tags that complete the document from here."""
        state, tags = self, []
        while not state.complete:
            tag = state._closer()
            tags.append(tag)
            state = state.advance(tag)
        return tuple(tags)

    def _closer(self) -> str:
        if not self.spots:
            return "<doctag>"
        spot = self.spots[-1]
        if spot.box:
            return f"<loc_{self.locations[-1]}>"
        table = self._table().spots[-1]
        if table.row:
            cells = table.cells()
            return next(tag for tag in ("<nl>", "<xcel>", "<ecel>") if tag in cells)
        return "</doctag>" if spot.kind == "page" else spot.closer

    def follow(self, text: str) -> State:
        """The state behind a whole text. ValueError at the first thing that may not stand where it stands."""
        state = self
        for token in tokens(text):
            state = state.advance(state._symbol(token))
        return state

    def _symbol(self, token: Token) -> str:
        allowed = self.allowed()
        if token.tag is None:
            return SPACE if SPACE in allowed and not token.text.strip(LAYOUT) else TEXT
        if token.tag.role in ("class", "language") and terminal_of(token.tag, "") not in allowed:
            return TEXT
        return token.text


START = State()


def terminal_of(tag: Tag | None, symbol: str) -> str:
    """The terminal that a tag belongs to; `symbol` itself where it is no tag."""
    if tag is None:
        return symbol
    match tag.role:
        case "loc":
            return LOC
        case "class":
            return CLASS
        case "language":
            return LANGUAGE
        case "link":
            return "<link_N>"
        case "cell":
            return f"<{tag.kind}>"
        case "open" if tag.kind in ("key", "value"):
            return f"<{tag.kind}_N>"
        case "open":
            return f"<{spell(tag.kind, tag.number)}>"
        case "close":
            return f"</{spell(tag.kind, tag.number)}>"
    return symbol


def _openers(kinds: frozenset[str]) -> frozenset[str]:
    return frozenset(opener for kind in kinds for opener in _spelt(kind))


def _spelt(kind: str) -> tuple[str, ...]:
    if kind == "section_header":
        return tuple(f"<{spell(kind, level)}>" for level in range(1, 7))
    return (f"<{kind}_N>",) if kind in ("key", "value", "link") else (f"<{kind}>",)


CLASS_TAGS = {f"<{name}>": Tag(f"<{name}>", "class", name) for name in CLASSES}
"""<table> and <chart> are elements, too, but not where a class may stand."""

OPENERS: dict[str, frozenset[str]] = {kind: _openers(children) for kind, children in CHILDREN.items()}
"""The terminals that open an element in each kind of place."""
