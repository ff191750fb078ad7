"""Tokens to a tree, whatever the tokens are. The policy of repair lives here and nowhere else.

Knows: what to do with each tag in each place. Does not know: where the text comes from, how trees are shown.
Laws: never raises; every character that is not a tag or layout is in the tree; chunks do not matter; the work grows
linearly; no tree is deeper than MAX_DEPTH.

Layout is white space (blank, tab, CR, LF) between tags. It is text, and kept, in two places: next to other text inside
an element that owns text, and where it is all that stands between such an element's opening and closing tag (or between
a cell's token and the next). At the edges of text that a place like a page or a list does not own, and which therefore
is put into a new element, it is layout again.
"""

from __future__ import annotations

from collections.abc import Callable

from doctags.grammar import CHILDREN, HOMES, MAX_DEPTH
from doctags.lexer import Feeder, Token, tokens
from doctags.phrases import CELL_RUN, NAME, PHRASE, take_cells, take_element
from doctags.place import LISTS, Growth, Place
from doctags.tokens import CLASSES, KINDS, LAYOUT, PREFIX, Role, Tag, lookup
from doctags.tree import GRID, Box, Document, Element, Problem


class Parser:
    """Takes a DocTags text in pieces.

    `feed` returns the page-level elements that its piece closed, `close` the whole document.
    """

    def __init__(self) -> None:
        self._feeder = Feeder()
        self._growth = Growth()
        self._offset = 0
        self._held: Token | None = None  # a tag in code that may be text
        self._begun = False  # <doctag> or an element was there
        self._ended = False  # </doctag> was there
        self._trailing = False  # and something after it
        self._broken_list = False  # the last page ended within a list

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong so far, in the order in which it was noticed."""
        return tuple(self._growth.problems)

    def feed(self, chunk: str) -> tuple[Element, ...]:
        """Read on. Returns the elements of the page that were closed by this chunk, in order."""
        growth = self._growth
        page, pages = growth.open[0], len(growth.pages)
        known = len(page.children)
        growth.lines.add(chunk)
        self._read(self._feeder.feed(chunk))
        if page is growth.open[0]:
            return tuple(page.children[known:])
        closed = [element for page in growth.pages[pages:] for element in page.elements]
        return (*closed[known:], *growth.open[0].children)

    def close(self) -> Document:
        """No more comes: close what is open."""
        growth = self._growth
        self._read(self._feeder.close())
        if self._held is not None:
            growth.say(self._held.text, self._held.start)
        growth.settle()
        if self._begun and not self._ended:
            growth.report("no_end", self._offset, self._offset)
        growth.close_down_to(1, self._offset)
        growth.turn_page(self._offset)
        return Document(tuple(growth.pages), tuple(sorted(growth.problems, key=lambda problem: problem.start)))

    def _read(self, source: str) -> None:
        """Phrase by phrase; token by token where a phrase stands in no ordinary place."""
        growth, offset, done = self._growth, self._offset, 0
        for match in PHRASE.finditer(source):
            start, end = match.span()
            if start > done:
                text = source[done:start]
                if text != "\n" or growth.open[-1].rule.text == "own" or growth.run:  # else it is layout
                    self._take_text(text, offset + done)
            done = end
            if self._held is None and not self._ended and self._begun:
                if match[NAME]:
                    if take_element(growth, match, offset + start):
                        continue
                elif match[CELL_RUN]:
                    if take_cells(growth, match, offset + start):
                        continue
                elif (tag := lookup(match[0])) is not None:
                    ON[tag.role](self, tag, Token(tag, match[0], offset + start, offset + end))
                    continue
            for token in tokens(match[0], offset + start):
                self._take(token)
        if done < len(source):
            self._take_text(source[done:], offset + done)
        self._offset += len(source)

    def _take(self, token: Token) -> None:
        if token.tag is None:
            self._take_text(token.text, token.start)
            return
        if self._held is not None:
            self._decide_held(token.tag)
        ON[token.tag.role](self, token.tag, token)

    def _take_text(self, text: str, start: int) -> None:
        if self._held is not None:
            self._decide_held(None)
        self._growth.say(text, start)

    # --- boxes, labels ---

    def _on_loc(self, tag: Tag, token: Token) -> None:
        growth = self._growth
        place = growth.open[-1]
        if growth.blank():
            growth.run.clear()
        else:
            growth.settle()
        if place.kind == "page":
            growth.report("misplaced", token.start, token.end, token.text, "left out")
            return
        number = tag.number or 0
        if number > GRID:
            growth.report("out_of_range", token.start, token.end, number, GRID)
            number = GRID
        growth.box = (growth.box[0] if growth.numbers else token.start, token.end)
        growth.numbers.append(number)
        if len(growth.numbers) == 4:
            place.boxes.append(self._upright(*growth.numbers))
            growth.numbers.clear()
            if not place.untouched and not place.label:
                growth.report("late_box", *growth.box, place.name)

    def _upright(self, x0: int, y0: int, x1: int, y1: int) -> Box:
        if x1 < x0 or y1 < y0:
            self._growth.report("inverted_box", *self._growth.box, f"{x0} {y0} {x1} {y1}")
        return Box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

    def _on_label(self, tag: Tag, token: Token) -> None:
        """A class or a language. Elsewhere the same spelling is text: <map> and <line> are HTML and SVG, too."""
        if not self._takes_label(tag.role):
            self._growth.say(token.text, token.start)
            return
        self._growth.settle()
        self._growth.open[-1].label = tag.kind

    def _takes_label(self, role: Role) -> bool:
        place = self._growth.open[-1]
        return place.rule.label == role and place.untouched and self._growth.blank()

    # --- elements ---

    def _on_open(self, tag: Tag, token: Token) -> None:
        growth = self._growth
        place = growth.open[-1]
        if token.text[1:-1] in CLASSES and self._takes_label("class"):
            growth.settle()
            place.label = token.text[1:-1]
        elif place.kind == "code" and tag.kind != "caption":
            self._held = token
        else:
            self._open(tag, token)

    def _decide_held(self, tag: Tag | None) -> None:
        """HTML listings hold <table>, <title>, <form>: in code, an opening tag is text unless a location follows it."""
        held, self._held = self._held, None
        assert held is not None, "asked only when there is one"
        assert held.tag is not None, "only tags are held"
        if tag is not None and tag.role == "loc":
            self._open(held.tag, held)
        else:
            self._growth.say(held.text, held.start)

    def _open(self, tag: Tag, token: Token) -> None:
        self._growth.settle()
        self._make_room(tag.kind, token)
        self._push(tag.kind, token.text[1:-1], tag.number, token.start)

    def _make_room(self, kind: str, token: Token) -> None:
        """Close what must be closed, and open what must be open, so that an element of that kind may open here."""
        depth = self._host(kind)
        if depth is not None:
            self._close_for(kind, depth, token)
            return
        home = HOMES[kind]
        depth = self._host(home, levels=2)
        assert depth is not None, "a page holds every kind that may hold others"
        self._close_for(home, depth, token)
        if kind == "list_item":
            home = self._growth.last_list or home
        if kind != "list_item" or not self._broken_list or self._growth.open[0].children:
            self._growth.report("orphan", token.start, token.end, token.text, home)
        self._push(home, home, None, token.start, implied=True)

    def _host(self, kind: str, levels: int = 1) -> int | None:
        """How many of the open places stay open for an element of that kind; None where none of them takes it."""
        places = self._growth.open
        for depth in range(min(len(places), MAX_DEPTH - levels), 0, -1):
            if kind in CHILDREN[places[depth - 1].kind]:
                return depth
        return None

    def _close_for(self, kind: str, depth: int, token: Token) -> None:
        growth = self._growth
        if any(kind in CHILDREN[place.kind] for place in growth.open[depth:]):
            growth.report("too_deep", token.start, token.end, MAX_DEPTH, f"<{growth.open[-1].name}>")
        growth.close_down_to(depth, token.start)

    def _push(self, kind: str, name: str, number: int | None, start: int, *, implied: bool = False) -> None:
        growth = self._growth
        if self._ended and not self._trailing:
            growth.report("trailing", start, start)
            self._trailing = True
        if not self._begun:
            growth.report("no_root", start, start)
            self._begun = True
        growth.open.append(Place(kind, name, number, start, implied=implied))

    def _on_close(self, tag: Tag, token: Token) -> None:
        growth = self._growth
        depth = self._matching(tag.kind, tag.number)
        if depth is None:
            if growth.open[-1].kind == "code":
                growth.say(token.text, token.start)
            else:
                growth.report("stray_close", token.start, token.end, token.text)
            return
        growth.settle(closing=depth == len(growth.open) - 1)
        place = growth.open[depth]
        if (place.kind, place.number) != (tag.kind, tag.number):
            growth.report("mismatched_close", token.start, token.end, token.text, f"</{place.name}>")
        growth.close_down_to(depth + 1, token.start)
        growth.close_top(token.end)

    def _matching(self, kind: str, number: int | None) -> int | None:
        """Index of the open place that such a closing tag closes: the innermost of its name, else of its family."""
        relative = None
        family = KINDS[kind].family if kind in KINDS else ""
        for index in range(len(self._growth.open) - 1, 0, -1):
            place = self._growth.open[index]
            if place.kind == kind and place.number == number:
                return index
            if relative is None and (place.kind == kind or (family and place.rule.family == family)):
                relative = index
        return relative

    def _on_link(self, tag: Tag, token: Token) -> None:
        place = self._growth.open[-1]
        if "link" not in CHILDREN[place.kind]:
            self._growth.report("misplaced", token.start, token.end, token.text, "left out")
            return
        self._growth.settle()
        place.add(Element("link", ref=tag.number, span=(token.start, token.end)))

    # --- tables ---

    def _on_cell(self, tag: Tag, token: Token) -> None:
        growth = self._growth
        depth = self._table()
        if depth is None and growth.open[-1].rule.text == "own":
            growth.report("misplaced", token.start, token.end, token.text, "taken as text")
            growth.say(token.text, token.start)
            return
        growth.settle(closing=growth.open[-1].kind == "cell")
        if depth is None:
            depth = self._open_table(token)
        growth.close_down_to(depth, token.start)
        growth.open.append(Place("cell", tag.kind, None, token.start, implied=True))

    def _open_table(self, token: Token) -> int:
        room = self._host("otsl", levels=2)
        assert room is not None, "a page holds tables"
        self._close_for("otsl", room, token)
        self._growth.report("orphan", token.start, token.end, token.text, "otsl")
        self._push("otsl", "otsl", None, token.start, implied=True)
        return len(self._growth.open)

    def _table(self) -> int | None:
        """How many of the open places stay open when a cell begins in the innermost table; None without a table."""
        places = self._growth.open
        for depth in range(len(places), 1, -1):
            if places[depth - 1].rule.cells:
                return depth
        return None

    def _on_row(self, _: Tag, token: Token) -> None:
        growth = self._growth
        depth = self._table()
        if depth is None:
            if growth.open[-1].rule.text == "own":
                growth.report("misplaced", token.start, token.end, token.text, "taken as text")
                growth.say(token.text, token.start)
            else:
                growth.report("misplaced", token.start, token.end, token.text, "left out")
            return
        growth.settle(closing=growth.open[-1].kind == "cell")
        growth.close_down_to(depth, token.start)
        if not growth.open[-1].row:
            growth.report("empty_row", token.start, token.end)
        growth.end_row(growth.open[-1])

    # --- pages and what is around them ---

    def _on_page(self, _: Tag, token: Token) -> None:
        growth = self._growth
        growth.settle()
        self._broken_list = any(place.kind in LISTS for place in growth.open)
        if len(growth.open) > 1:
            growth.report("broken_page", token.start, token.end, f"<{growth.open[1].name}>")
            while len(growth.open) > 1:
                growth.close_early(token.start)
        growth.turn_page(token.end)

    def _on_root(self, _: Tag, token: Token) -> None:
        growth = self._growth
        if self._ended:
            growth.report("second_root", token.start, token.end)
            growth.settle()
            growth.close_down_to(1, token.start)
            growth.turn_page(token.end)
            self._ended = self._trailing = False
        elif self._begun:
            growth.report("misplaced", token.start, token.end, token.text, "left out")
        else:
            self._cut_prefix()
            growth.settle()
        self._begun = True

    def _cut_prefix(self) -> None:
        growth = self._growth
        lead = "".join(growth.run)
        if lead.lstrip(LAYOUT).startswith(PREFIX):
            cut = lead.index(PREFIX) + len(PREFIX)
            growth.run_start += cut
            growth.run = [lead[cut:]]

    def _on_unroot(self, _: Tag, token: Token) -> None:
        self._growth.settle()
        self._growth.close_down_to(1, token.start)
        self._ended = True

    def _on_frame(self, _: Tag, token: Token) -> None:
        """The chat template's tokens end whatever is open, and are not part of the document."""
        self._growth.settle()
        self._growth.close_down_to(1, token.start)


ON: dict[Role, Callable[[Parser, Tag, Token], None]] = {
    "open": Parser._on_open,
    "close": Parser._on_close,
    "cell": Parser._on_cell,
    "row": Parser._on_row,
    "loc": Parser._on_loc,
    "class": Parser._on_label,
    "language": Parser._on_label,
    "link": Parser._on_link,
    "page": Parser._on_page,
    "root": Parser._on_root,
    "unroot": Parser._on_unroot,
    "frame": Parser._on_frame,
}


def parse(text: str) -> Document:
    """The tree of a DocTags text. Never raises: what is wrong with the text stands in `problems`."""
    parser = Parser()
    parser.feed(text)
    return parser.close()
