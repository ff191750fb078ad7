"""Tokens to a tree, whatever the tokens are. The policy of repair lives here and nowhere else.

Knows: the nesting law (grammar), tables (table). Does not know: where the text comes from, how trees are shown.
Laws: never raises; every character that is not a tag or layout is in the tree; chunks do not matter; the work grows
linearly; no tree is deeper than MAX_DEPTH.

Layout is white space (blank, tab, CR, LF) between tags. It is text, and kept, in two places: where it stands next to
other text inside an element that owns text, and where it is the whole of what stands between such an element's tags
(or between a cell's token and the next). At the edges of text that an element like a page or a list does not own,
and which therefore is put into a new element, it is layout again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from doctags import grammar
from doctags.lexer import Feeder, Token
from doctags.problems import Lines
from doctags.table import Slot, grid
from doctags.tokens import CLASSES, KINDS, LAYOUT, PREFIX, Kind, Tag
from doctags.tree import GRID, Box, Document, Element, Page, Problem


class Place:
    """An element, a cell or a page that is still open."""

    __slots__ = ("boxes", "children", "kind", "label", "name", "number", "row", "rows", "rule", "start", "tail", "text")

    def __init__(self, kind: str, name: str, number: int | None, start: int) -> None:
        self.rule: Kind = KINDS[kind]
        self.kind = kind
        self.name = name  # as in its tags; of a cell, the cell token
        self.number = number
        self.start = start
        self.text = ""
        self.label: str | None = None
        self.boxes: list[Box] = []
        self.children: list[Element] = []
        self.tail = False  # the last child is text that stood here without tags
        self.rows: list[list[Slot]] = []
        self.row: list[Slot] = []

    @property
    def untouched(self) -> bool:
        """Nothing but boxes so far: a label may still come."""
        return not (self.text or self.children or self.label or self.rows or self.row)


class Parser:
    """Takes a DocTags text in pieces.

    `feed` returns the page-level elements that its piece closed, `close` the whole document.
    """

    def __init__(self) -> None:
        self._feeder = Feeder()
        self._lines = Lines()
        self._problems: list[Problem] = []
        self._pages: list[Page] = []
        self._page = Place("page", "page", None, 0)
        self._open = [self._page]
        self._run: list[str] = []  # text since the last tag that mattered
        self._run_start = 0
        self._numbers: list[int] = []  # of a box that is not complete
        self._box = (0, 0)  # its span
        self._held: Token | None = None  # a tag in code that may be text
        self._resume = ""  # the kind of the last list that was closed before its time
        self._begun = False
        self._ended = False
        self._trailing = False
        self._end = 0
        self._do: dict[str, Callable[[Tag, Token], None]] = {
            "open": self._on_open,
            "close": self._on_close,
            "cell": self._on_cell,
            "row": self._on_row,
            "loc": self._on_loc,
            "class": self._on_class,
            "language": self._on_language,
            "link": self._on_link,
            "page": self._on_page,
            "root": self._on_root,
            "unroot": self._on_unroot,
            "frame": self._on_frame,
        }

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong so far."""
        return tuple(self._problems)

    def feed(self, chunk: str) -> tuple[Element, ...]:
        """Read on. Returns the elements of the page that were closed by this chunk, in order."""
        pages, known = len(self._pages), len(self._page.children)
        self._lines.add(chunk)
        self._read(self._feeder.feed(chunk))
        fresh = [element for page in self._pages[pages:] for element in page.elements]
        return (*fresh, *self._page.children)[known:]

    def close(self) -> Document:
        """No more comes: close what is open."""
        self._read(self._feeder.close())
        self._release()
        self._settle()
        self._drop_numbers()
        if self._begun and not self._ended:
            self._report("no_end", self._end, self._end)
        self._close_down_to(1, self._end)
        self._turn_page()
        return Document(tuple(self._pages), tuple(self._problems))

    def _read(self, tokens: Iterable[Token]) -> None:
        for token in tokens:
            self._end = token.end
            if self._held is not None:
                self._decide_held(token)
            if token.tag is None:
                self._say(token)
            else:
                self._do[token.tag.role](token.tag, token)

    # --- text ---

    def _say(self, token: Token) -> None:
        if not self._run:
            self._run_start = token.start
        self._run.append(token.text)

    def _settle(self, *, closing: bool = False) -> None:
        """Give the text since the last tag to whom it belongs. `closing`: its element's own closing tag comes next."""
        if not self._run:
            return
        text = "".join(self._run)
        self._run.clear()
        place = self._open[-1]
        mode = place.rule.text
        if not text.strip(LAYOUT):
            if closing and mode == "own" and not place.text and not place.children:
                place.text = text
        elif mode == "own" and not place.children:
            place.text += text
        elif mode in ("own", "child"):
            self._add_tail(place, text)
        else:
            self._adopt(place, text, mode)

    def _add_tail(self, place: Place, text: str) -> None:
        span = (self._run_start, self._run_start + len(text))
        if place.tail:
            last = place.children.pop()
            text, span = last.text + text, (last.span[0] if last.span else span[0], span[1])
        place.children.append(Element("text", text, span=span))
        place.tail = True

    def _adopt(self, place: Place, text: str, kind: str) -> None:
        start = self._run_start + len(text) - len(text.lstrip(LAYOUT))
        text = text.strip(LAYOUT)
        end = start + len(text)
        self._report("stray_text", start, end, place.kind, kind)
        place.children.append(Element(kind, text, span=(start, end)))

    # --- boxes, labels ---

    def _on_loc(self, tag: Tag, token: Token) -> None:
        place = self._open[-1]
        if self._run and not "".join(self._run).strip(LAYOUT):
            self._run.clear()
        if self._run:
            self._drop_numbers()
            self._settle()
        if place.kind == "page":
            self._report("misplaced", token.start, token.end, token.text, "left out")
            return
        number = tag.number or 0
        if number > GRID:
            self._report("out_of_range", token.start, token.end, number, GRID)
            number = GRID
        self._box = (self._box[0] if self._numbers else token.start, token.end)
        self._numbers.append(number)
        if len(self._numbers) == 4:
            place.boxes.append(Box(*self._numbers))
            self._numbers.clear()
            if not place.untouched and not place.label:
                self._report("late_box", *self._box, place.name)

    def _drop_numbers(self) -> None:
        if self._numbers:
            self._report("incomplete_box", *self._box, len(self._numbers))
            self._numbers.clear()

    def _on_class(self, tag: Tag, token: Token) -> None:
        """A picture's class. Elsewhere the same spelling is text: <map> and <line> are HTML and SVG, too."""
        if not self._takes_label("class"):
            self._say(token)
            return
        self._before_tag()
        self._open[-1].label = tag.kind

    def _on_language(self, tag: Tag, token: Token) -> None:
        if not self._takes_label("language"):
            self._say(token)
            return
        self._before_tag()
        self._open[-1].label = tag.kind

    def _takes_label(self, label: str) -> bool:
        place = self._open[-1]
        return place.rule.label == label and place.untouched and not "".join(self._run).strip(LAYOUT)

    def _before_tag(self, *, closing: bool = False) -> None:
        self._drop_numbers()
        self._settle(closing=closing)

    # --- elements ---

    def _on_open(self, tag: Tag, token: Token) -> None:
        place = self._open[-1]
        if place.rule.label == "class" and token.text[1:-1] in CLASSES and self._takes_label("class"):
            self._before_tag()
            place.label = token.text[1:-1]
        elif place.kind == "code" and tag.kind != "caption":
            self._held = token
        else:
            self._before_tag()
            self._make_room(tag.kind, token)
            self._push(tag.kind, token.text[1:-1], tag.number, token.start)

    def _decide_held(self, token: Token) -> None:
        """HTML listings hold <table>, <title>, <form>: in code, an opening tag is text unless a location follows it."""
        held, self._held = self._held, None
        assert held is not None, "asked only when there is one"
        assert held.tag is not None, "only tags are held"
        if token.tag is None or token.tag.role != "loc":
            self._say(held)
            return
        self._before_tag()
        self._make_room(held.tag.kind, held)
        self._push(held.tag.kind, held.text[1:-1], held.tag.number, held.start)

    def _release(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._say(held)

    def _make_room(self, kind: str, token: Token) -> None:
        """Close what must be closed, and open what must be open, so that an element of that kind may open here."""
        home = grammar.HOMES.get(kind)
        depth = self._host(kind)
        if depth is None:
            assert home is not None, "a page holds every kind that has no home"
            depth = self._host(home, levels=2)
            assert depth is not None, "a page holds every home"
            resumed = self._resume if kind == "list_item" else ""
            self._close_for(depth, token)
            if not resumed:
                self._report("orphan", token.start, token.end, token.text, home)
            self._push(resumed or home, resumed or home, None, token.start)
            return
        self._close_for(depth, token)

    def _host(self, kind: str, levels: int = 1) -> int | None:
        """How many of the open places stay open for an element of that kind; None where none of them takes it."""
        for depth in range(min(len(self._open), grammar.MAX_DEPTH - levels), 0, -1):
            if kind in grammar.CHILDREN[self._open[depth - 1].kind]:
                return depth
        return None

    def _close_for(self, depth: int, token: Token) -> None:
        if depth < len(self._open) and len(self._open) >= grammar.MAX_DEPTH - 2:
            self._report("too_deep", token.start, token.end, grammar.MAX_DEPTH, self._open[-1].name)
        self._close_down_to(depth, token.start)

    def _push(self, kind: str, name: str, number: int | None, start: int) -> None:
        if self._ended and not self._trailing:
            self._report("trailing", start, start)
            self._trailing = True
        if not self._begun:
            self._report("no_root", start, start)
            self._begun = True
        self._open.append(Place(kind, name, number, start))

    def _on_close(self, tag: Tag, token: Token) -> None:
        depth = self._matching(tag.kind, tag.number)
        if depth is None:
            if self._open[-1].kind == "code":
                self._say(token)
            else:
                self._report("stray_close", token.start, token.end, token.text)
            return
        self._before_tag(closing=depth == len(self._open) - 1)
        place = self._open[depth]
        if (place.kind, place.number) != (tag.kind, tag.number):
            self._report("mismatched_close", token.start, token.end, token.text, f"</{place.name}>")
        self._close_down_to(depth + 1, token.start)
        self._close_top(token.end)

    def _matching(self, kind: str, number: int | None) -> int | None:
        """Index of the open place that such a closing tag closes: the innermost of its name, else of its family."""
        relative = None
        family = KINDS[kind].family if kind in KINDS else ""
        for index in range(len(self._open) - 1, 0, -1):
            place = self._open[index]
            if place.kind == kind and place.number == number:
                return index
            if relative is None and (place.kind == kind or (family and place.rule.family == family)):
                relative = index
        return relative

    def _close_down_to(self, depth: int, at: int) -> None:
        while len(self._open) > depth:
            place = self._open[-1]
            if place.kind != "cell":
                self._report("unclosed", place.start, at, f"<{place.name}>")
            if place.kind in ("ordered_list", "unordered_list"):
                self._resume = place.kind
            self._close_top(at)

    def _close_top(self, end: int) -> None:
        place = self._open[-1]
        if place.kind == "cell":
            self._close_cell(end)
            return
        if place.row:
            self._report("unfinished_row", place.row[0].start, end)
            self._end_row(place)
        self._open.pop()
        host = self._open[-1]
        host.children.append(self._element(place, end))
        host.tail = False

    def _element(self, place: Place, end: int) -> Element:
        level = place.number if place.kind == "section_header" else None
        ref = place.number if place.kind in ("key", "value") else None
        cells = grid(place.rows, self._report) if place.rows else ()
        return Element(
            place.kind,
            place.text,
            tuple(place.boxes),
            level,
            place.label,
            ref,
            cells,
            tuple(place.children),
            span=(place.start, end),
        )

    def _on_link(self, tag: Tag, token: Token) -> None:
        if "link" not in grammar.CHILDREN[self._open[-1].kind]:
            self._report("misplaced", token.start, token.end, token.text, "left out")
            return
        self._before_tag()
        place = self._open[-1]
        place.children.append(Element("link", ref=tag.number, span=(token.start, token.end)))
        place.tail = False

    # --- tables ---

    def _on_cell(self, tag: Tag, token: Token) -> None:
        depth = self._table()
        if depth is None:
            if self._open[-1].rule.text == "own":
                self._report("misplaced", token.start, token.end, token.text, "taken as text")
                self._say(token)
                return
            self._before_tag()
            room = self._host("otsl", levels=2)
            assert room is not None, "a page holds tables"
            self._close_for(room, token)
            self._report("orphan", token.start, token.end, token.text, "otsl")
            self._push("otsl", "otsl", None, token.start)
            depth = len(self._open)
        self._before_tag(closing=self._open[-1].kind == "cell")
        self._close_down_to(depth, token.start)
        self._open.append(Place("cell", tag.kind, None, token.start))

    def _table(self) -> int | None:
        """How many of the open places stay open when a cell begins in the innermost table; None without a table."""
        for depth in range(len(self._open), 1, -1):
            if self._open[depth - 1].rule.cells:
                return depth
        return None

    def _close_cell(self, end: int) -> None:
        cell = self._open.pop()
        table = self._open[-1]
        token = cell.name
        if token not in ("fcel", "ched", "rhed", "srow") and (cell.text or cell.children or cell.boxes):
            self._report("text_in_blank", cell.start, end, token)
            token = "fcel"
        box = cell.boxes[0] if cell.boxes else None
        table.row.append(Slot(token, cell.text, box, tuple(cell.children), cell.start, end))

    def _on_row(self, _: Tag, token: Token) -> None:
        depth = self._table()
        if depth is None:
            if self._open[-1].rule.text == "own":
                self._say(token)
            self._report("misplaced", token.start, token.end, token.text, "left out of the structure")
            return
        self._before_tag(closing=self._open[-1].kind == "cell")
        self._close_down_to(depth, token.start)
        table = self._open[-1]
        if not table.row:
            self._report("empty_row", token.start, token.end)
        self._end_row(table)

    @staticmethod
    def _end_row(table: Place) -> None:
        if table.row:
            table.rows.append(table.row)
            table.row = []

    # --- pages and what is around them ---

    def _on_page(self, _: Tag, token: Token) -> None:
        self._before_tag()
        if len(self._open) > 1:
            self._report("broken_page", token.start, token.end, f"<{self._open[1].name}>")
            while len(self._open) > 1:
                if self._open[-1].kind in ("ordered_list", "unordered_list"):
                    self._resume = self._open[-1].kind
                self._close_top(token.start)
        self._turn_page()

    def _turn_page(self) -> None:
        self._pages.append(Page(tuple(self._page.children), len(self._pages) + 1))
        self._page = Place("page", "page", None, self._end)
        self._open = [self._page]

    def _on_root(self, _: Tag, token: Token) -> None:
        if self._ended:
            self._report("second_root", token.start, token.end)
            self._settle()
            self._turn_page()
            self._ended = self._trailing = False
        elif self._begun:
            self._report("misplaced", token.start, token.end, token.text, "left out")
        else:
            self._cut_prefix()
            self._settle()
        self._begun = True

    def _cut_prefix(self) -> None:
        lead = "".join(self._run)
        rest = lead.lstrip(LAYOUT)
        if rest.startswith(PREFIX):
            cut = len(lead) - len(rest) + len(PREFIX)
            self._run_start += cut
            self._run = [lead[cut:]]

    def _on_unroot(self, _: Tag, token: Token) -> None:
        self._before_tag()
        self._close_down_to(1, token.start)
        self._ended = True

    def _on_frame(self, _: Tag, token: Token) -> None:
        """The chat template's tokens end whatever is open, and are not part of the document."""
        self._before_tag()
        self._close_down_to(1, token.start)

    def _report(self, kind: str, start: int, end: int, *facts: object) -> None:
        self._problems.append(self._lines.problem(kind, start, end, *facts))


def parse(text: str) -> Document:
    """The tree of a DocTags text. Never raises: what is wrong with the text stands in `problems`."""
    parser = Parser()
    parser.feed(text)
    return parser.close()
