"""The tree while it grows: places that are open, and how text, boxes and cells get into them.

Knows: what an element collects until it closes. Does not know: which tag comes next, what may stand where.
"""

from __future__ import annotations

from doctags.problems import Lines
from doctags.table import BLANKS, Slot, grid
from doctags.tokens import KINDS, LAYOUT, Kind
from doctags.tree import Box, Element, Page, Problem

ENTRIES = ("key", "value")
LISTS = ("ordered_list", "unordered_list")


class Place:
    """An element, a cell or a page that is still open."""

    __slots__ = (
        "boxes",
        "children",
        "implied",
        "kind",
        "label",
        "name",
        "number",
        "row",
        "rows",
        "rule",
        "said",
        "start",
        "tail",
        "tail_start",
    )

    def __init__(self, kind: str, name: str, number: int | None, start: int, *, implied: bool = False) -> None:
        self.rule: Kind = KINDS[kind]
        self.kind = kind
        self.name = name  # as in its tags; of a cell, the cell token
        self.number = number
        self.start = start
        self.implied = implied  # no tag opened it, so none need close it
        self.said: list[str] = []  # its own text
        self.label: str | None = None
        self.boxes: list[Box] = []
        self.children: list[Element] = []
        self.tail: list[str] = []  # text behind the last child, a child to be
        self.tail_start = 0
        self.rows: list[list[Slot]] = []
        self.row: list[Slot] = []

    @property
    def untouched(self) -> bool:
        """Nothing but boxes so far: a label may still come."""
        return not (self.said or self.children or self.tail or self.label or self.rows or self.row)

    def add(self, child: Element) -> None:
        """A child is complete."""
        if self.tail:
            self.end_tail()
        self.children.append(child)

    def end_tail(self) -> None:
        """Make the text behind the last child a child of its own."""
        text = "".join(self.tail)
        self.tail = []
        self.children.append(Element("text", text, span=(self.tail_start, self.tail_start + len(text))))


class Growth:
    """The open places, innermost last, the pages that are done, and what was wrong with them."""

    def __init__(self) -> None:
        self.lines = Lines()
        self.problems: list[Problem] = []
        self.pages: list[Page] = []
        self.open = [Place("page", "page", None, 0, implied=True)]
        self.run: list[str] = []  # text since the last tag that mattered
        self.run_start = 0
        self.numbers: list[int] = []  # of a box that is not complete
        self.box = (0, 0)  # its span
        self.last_list = ""  # the kind of the last list that was closed before its time

    def report(self, kind: str, start: int, end: int, *facts: object) -> None:
        """Note a problem."""
        self.problems.append(self.lines.problem(kind, start, end, *facts))

    # --- text ---

    def say(self, text: str, start: int) -> None:
        """Text that stands in the innermost place."""
        if not self.run:
            if self.open[-1].rule.text != "own" and not text.strip(LAYOUT):
                return
            self.run_start = start
        self.run.append(text)

    def blank(self) -> bool:
        """Since the last tag there was nothing but layout."""
        return not any(piece.strip(LAYOUT) for piece in self.run)

    def settle(self, *, closing: bool = False) -> None:
        """Another tag comes. Give the text before it to whom it belongs, and drop an incomplete box.

        closing: what comes ends the innermost place.
        """
        if self.numbers:
            self.report("incomplete_box", *self.box, len(self.numbers))
            self.numbers.clear()
        if not self.run:
            return
        text = "".join(self.run)
        self.run.clear()
        place = self.open[-1]
        mode = place.rule.text
        if mode != "own":
            if text.strip(LAYOUT):
                self._adopt(place, text, mode)
        elif not text.strip(LAYOUT):
            if closing and not place.said and not place.children:
                place.said.append(text)
        elif not place.children:
            place.said.append(text)
        else:
            if not place.tail:
                place.tail_start = self.run_start
            place.tail.append(text)

    def _adopt(self, place: Place, text: str, kind: str) -> None:
        start = self.run_start + len(text) - len(text.lstrip(LAYOUT))
        text = text.strip(LAYOUT)
        self.report("stray_text", start, start + len(text), place.kind, kind)
        place.add(Element(kind, text, span=(start, start + len(text))))

    # --- places ---

    def close_down_to(self, depth: int, at: int) -> None:
        """Close places that nothing has closed, until so many are open."""
        while len(self.open) > depth:
            place = self.open[-1]
            if not place.implied:
                self.report("unclosed", place.start, at, f"<{place.name}>")
            self.close_early(at)

    def close_early(self, at: int) -> None:
        """Close the innermost place before its time."""
        if self.open[-1].kind in LISTS:
            self.last_list = self.open[-1].kind
        self.close_top(at)

    def close_top(self, end: int) -> None:
        """Close the innermost place and give what it holds to the one around it."""
        place = self.open[-1]
        if place.tail:
            place.end_tail()
        if place.kind == "cell":
            self.open.pop()
            box = place.boxes[0] if place.boxes else None
            slot = Slot(place.name, "".join(place.said), box, tuple(place.children), place.start, end)
            self.add_slot(self.open[-1], slot)
            return
        if place.row:
            self.report("unfinished_row", place.row[0].start, end)
            self.end_row(place)
        element = self._element(place, end)
        self.open.pop()
        self.open[-1].add(element)

    def _element(self, place: Place, end: int) -> Element:
        return Element(
            place.kind,
            "".join(place.said),
            tuple(place.boxes),
            place.number if place.kind == "section_header" else None,
            place.label,
            place.number if place.kind in ENTRIES else None,
            grid(place.rows, self.report) if place.rows else (),
            tuple(place.children),
            span=(place.start, end),
        )

    def add_slot(self, table: Place, slot: Slot) -> None:
        """One more cell token in the row."""
        if slot.token in BLANKS:
            if slot.children or slot.box or slot.text.strip(LAYOUT):
                self.report("text_in_blank", slot.start, slot.end, slot.token)
                slot = slot._replace(token="fcel")
            elif slot.text:
                slot = slot._replace(text="")
        table.row.append(slot)

    @staticmethod
    def end_row(table: Place) -> None:
        """The row is complete."""
        if table.row:
            table.rows.append(table.row)
            table.row = []

    def turn_page(self, at: int) -> None:
        """Only the page is open; begin another."""
        self.pages.append(Page(tuple(self.open[0].children), len(self.pages) + 1))
        self.open = [Place("page", "page", None, at, implied=True)]
