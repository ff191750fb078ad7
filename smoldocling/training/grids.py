"""Tables that nobody measured: cells with spans, and how they are set.

Knows: grids, words, faces, rules. Does not know: pages, columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from doctags.tree import Cell, CellKind
from smoldocling.training import speech, words
from smoldocling.training.block import Block, Mark, Part
from smoldocling.training.faces import Family
from smoldocling.training.prose import Align, Type, Word, broken, set_lines, text_of
from smoldocling.training.sheet import Bar

RULES = {"grid": 3, "bars": 4, "lines": 2, "none": 2, "stripes": 1, "band": 1}
"""How tables are ruled, and how often.

grid   every line, around every cell      bars     above, below and under the header
lines  under every row                    stripes  every second row on a shade
band   white letters on a dark header     none     nothing but white between columns
"""
GRAY, DARK = 225, 70
# A column of words may be broken down to this many ems; a figure is never broken.
NARROWEST = 5.0


class Slot(NamedTuple):
    """What stands in a cell before it is set."""

    row: int
    column: int
    text: str
    kind: CellKind = "data"
    rows: int = 1
    columns: int = 1


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells that cover `rows` times `columns`, each slot once. `head` rows are the header."""

    rows: int
    columns: int
    head: int
    slots: tuple[Slot, ...]


def grid(random: Random, rows: int, columns: int) -> Grid:
    """A table's content, `rows` below its header, with spans now and then."""
    head = random.choices((0, 1, 2), (1, 14, 5 if columns > 2 else 0))[0]
    slots = [*_header(random, head, columns), *_body(random, head, rows, columns)]
    return Grid(head + rows, columns, head, tuple(sorted(slots)))


def _header(random: Random, head: int, columns: int) -> list[Slot]:
    corner = "" if random.random() < 0.15 else words.phrase(random, 1, 2)
    if head == 0:
        return []
    if head == 1:
        names = [corner, *(_name(random) for _ in range(columns - 1))]
        return [Slot(0, column, name, "column_header") for column, name in enumerate(names)]
    slots = [Slot(0, 0, corner, "column_header", rows=2)]
    column = 1
    while column < columns:
        wide = min(random.choice((1, 2, 2, 3)), columns - column)
        if wide == 1:
            slots.append(Slot(0, column, _name(random), "column_header", rows=2))
        else:
            slots.append(Slot(0, column, words.phrase(random, 1, 3), "column_header", columns=wide))
            slots += [Slot(1, column + at, _name(random), "column_header") for at in range(wide)]
        column += wide
    return slots


def _name(random: Random) -> str:
    return words.phrase(random, 1, 2) + random.choice(("", "", "", f" ({random.choice(words.UNITS)})"))


def _body(random: Random, head: int, rows: int, columns: int) -> list[Slot]:
    named = random.random() < 0.35
    makers = [_entry(random) for _ in range(columns)]
    sections = rows > 4 and random.random() < 0.2
    grouped = not sections and columns > 2 and rows > 3 and random.random() < 0.25
    slots: list[Slot] = []
    row, group = head, 0
    while row < head + rows:
        if sections and random.random() < 0.2 and row < head + rows - 1 and not _is_section(slots):
            slots.append(Slot(row, 0, words.phrase(random, 1, 4), "section", columns=columns))
            row += 1
            continue
        if grouped and group <= row:
            tall = min(random.choice((1, 2, 2, 3)), head + rows - row)
            slots.append(Slot(row, 0, words.phrase(random, 1, 2), "row_header" if named else "data", rows=tall))
            group = row + tall
        elif not grouped:
            slots.append(Slot(row, 0, words.phrase(random, 1, 3), "row_header" if named else "data"))
        slots += _values(random, row, columns, makers)
        row += 1
    return slots


def _is_section(slots: list[Slot]) -> bool:
    return bool(slots) and slots[-1].kind == "section"


def _values(random: Random, row: int, columns: int, makers: list[Callable[[], str]]) -> list[Slot]:
    slots = []
    column = 1
    while column < columns:
        wide = 2 if column + 1 < columns and random.random() < 0.03 else 1
        text = "" if random.random() < 0.05 else random.choice("–—-") if random.random() < 0.03 else makers[column]()
        if wide > 1:
            text = text or words.name(random)
        slots.append(Slot(row, column, text, columns=wide))
        column += wide
    return slots


def _entry(random: Random) -> Callable[[], str]:
    """What a column is filled with: figures, mostly all of one sort."""
    kind = random.random()
    if kind < 0.2:
        return lambda: words.phrase(random, 1, 3)
    if kind < 0.28:
        return lambda: words.phrase(random, 3, 9)
    if kind < 0.34:
        return lambda: random.choice(("yes", "no", "Yes", "No", "x", "A", "B", "n/a"))
    if kind < 0.6:
        places = random.randrange(4)
        return lambda: f"{random.random() * 10 ** random.choice((1, 2, 2, 3)):.{places}f}"
    return lambda: speech.value(random)


def layout(random: Random, content: Grid, family: Family, size: float, measure: float) -> Block | None:
    """The table set no wider than `measure`; None where it does not fit."""
    return _Setter(random, content, family, size, measure).block()


class _Setter:
    def __init__(self, random: Random, content: Grid, family: Family, size: float, measure: float) -> None:
        self.random, self.grid, self.size, self.measure = random, content, size, measure
        self.rules = random.choices(list(RULES), list(RULES.values()))[0]
        self.pad = size * random.uniform(0.4, 0.8)
        self.air = size * (
            random.uniform(0.15, 0.45) if self.rules in ("grid", "stripes") else random.uniform(0.05, 0.35)
        )
        self.bold_head, self.bold_first = random.random() < 0.75, random.random() < 0.3
        self.aligns = [self._align(column) for column in range(content.columns)]
        # without rules, text at the top of a tall cell would look like a short cell above empty ones
        seen = self.rules in ("grid", "lines") or all(slot.rows == 1 for slot in content.slots)
        self.middle = random.random() < 0.6 or not seen
        self.family = family

    def _align(self, column: int) -> Align:
        if column == 0:
            return "left"
        return self.random.choices(("left", "center", "right"), (3, 4, 3))[0]

    def block(self) -> Block | None:
        widths = self._widths()
        if widths is None:
            return None
        lefts = [sum(widths[:column]) for column in range(len(widths) + 1)]
        set_ = [
            (slot, self._lines(slot, lefts[slot.column + slot.columns] - lefts[slot.column]))
            for slot in self.grid.slots
        ]
        heights = self._heights(set_)
        tops = [sum(heights[:row]) for row in range(len(heights) + 1)]
        marks: list[Mark] = [*self._marks(lefts, tops)]
        cells = []
        for slot, lines in set_:
            type_ = self._type(slot)
            room = tops[slot.row + slot.rows] - tops[slot.row]
            free = room - 2 * self.air - type_.height(len(lines))
            y = tops[slot.row] + self.air + (free / 2 if self.middle or slot.kind == "section" else 0.0)
            x, width = (
                lefts[slot.column] + self.pad,
                lefts[slot.column + slot.columns] - lefts[slot.column] - 2 * self.pad,
            )
            if lines:
                marks += set_lines(lines, type_, width, x, y)
            cells.append(Cell(slot.row, slot.column, text_of(lines), slot.rows, slot.columns, slot.kind))
        area = (0.0, 0.0, lefts[-1], tops[-1])
        return Block(tops[-1], tuple(marks), (Part("otsl", area=(area,), cells=tuple(cells)),))

    def _type(self, slot: Slot) -> Type:
        family = self.family
        headed = slot.row < self.grid.head
        bold = (headed and self.bold_head) or slot.kind == "section" or (slot.kind == "row_header" and self.bold_first)
        wide = slot.columns > 1 and slot.kind != "section"
        align: Align = "center" if wide else self.aligns[slot.column]
        gray = 255 if headed and self.rules == "band" else 0
        return Type(family.bold if bold else family.plain, self.size, 1.15, align, gray=gray)

    def _words(self, slot: Slot) -> list[Word]:
        return self._type(slot).words(slot.text) if slot.text else []

    def _lines(self, slot: Slot, width: float) -> list[list[Word]]:
        return broken(self._words(slot), self._type(slot), width - 2 * self.pad + 0.01)

    def _widths(self) -> list[float] | None:
        """Natural ones where they fit; else columns of words are broken, the widest first."""
        least, natural = [0.0] * self.grid.columns, [0.0] * self.grid.columns
        for slot in self.grid.slots:
            if slot.columns > 1 or not slot.text:
                continue
            type_ = self._type(slot)
            words_ = [type_.face.width(word.text) * self.size for word in self._words(slot)]
            whole = type_.face.width(slot.text) * self.size
            breaks = slot.kind != "data" or any(char.isalpha() for char in slot.text)
            floor = max(*words_, min(NARROWEST * self.size, whole)) if breaks and len(words_) > 1 else whole
            least[slot.column] = max(least[slot.column], floor + 2 * self.pad)
            natural[slot.column] = max(natural[slot.column], whole + 2 * self.pad)
        least = [max(width, 2 * self.pad + self.size) for width in least]
        widths = [max(pair) for pair in zip(least, natural, strict=True)]
        if sum(least) > self.measure:
            return None
        while sum(widths) > self.measure:
            column = max(range(len(widths)), key=lambda at: widths[at] - least[at])
            widths[column] = max(
                least[column], widths[column] - max(self.size, 0.25 * (widths[column] - least[column]))
            )
        for slot in self.grid.slots:
            if slot.columns > 1 and slot.text:
                longest = max(word.face.width(word.text) * self.size for word in self._words(slot))
                widths[slot.column] += max(
                    longest + 2 * self.pad - sum(widths[slot.column : slot.column + slot.columns]), 0.0
                )
        if sum(widths) > self.measure:
            return None
        wanted = self.measure if self.random.random() < 0.4 else sum(widths) * self.random.uniform(1.0, 1.5)
        spare = (min(wanted, self.measure, 2.5 * sum(widths)) - sum(widths)) / len(widths)
        return [width + spare for width in widths]

    def _heights(self, set_: list[tuple[Slot, list[list[Word]]]]) -> list[float]:
        empty = self._row_height(1)
        heights = [empty] * self.grid.rows
        for slot, lines in sorted(set_, key=lambda item: item[0].rows):
            last = slot.row + slot.rows - 1
            missing = self._row_height(len(lines)) - sum(heights[slot.row : last + 1])
            heights[last] += max(missing, 0.0)
        return heights

    def _row_height(self, lines: int) -> float:
        return Type(self.family.plain, self.size, 1.15).height(max(lines, 1)) + 2 * self.air

    def _marks(self, lefts: list[float], tops: list[float]) -> list[Bar]:
        right, head = lefts[-1], self.grid.head
        gray = self.random.choice((0, 0, 60, 120))
        thin, thick = 0.5, self.random.choice((0.5, 0.8, 1.2))
        match self.rules:
            case "grid":
                return [*self._down(lefts, tops, thin, gray), *self._across(lefts, tops, thin, gray)]
            case "bars":
                rows = sorted({0, head, len(tops) - 1})
                bars = [_rule(0.0, right, tops[row], thin if row == head and head else thick, gray) for row in rows]
                return bars + [_rule(*span, thin, gray) for span in self._groups(lefts, tops)]
            case "lines":
                return self._across(lefts, tops, thin, gray)
            case "stripes":
                striped = range(head, self.grid.rows, 2)
                return [Bar((0.0, tops[row], right, tops[row + 1]), GRAY) for row in striped if not self._joined(row)]
            case "band":
                band = [Bar((0.0, 0.0, right, tops[head]), DARK)] if head else []
                return [*band, _rule(0.0, right, tops[-1], thick, gray)]
        return []

    def _joined(self, row: int) -> bool:
        """Whether a cell reaches over the row's edges: no stripe then."""
        return any(slot.rows > 1 and slot.row <= row < slot.row + slot.rows for slot in self.grid.slots)

    def _groups(self, lefts: list[float], tops: list[float]) -> list[tuple[float, float, float]]:
        wide = [slot for slot in self.grid.slots if slot.columns > 1 and slot.row < self.grid.head]
        inset = self.pad / 2
        return [(lefts[s.column] + inset, lefts[s.column + s.columns] - inset, tops[s.row + 1]) for s in wide]

    def _across(self, lefts: list[float], tops: list[float], width: float, gray: int) -> list[Bar]:
        """Rules between rows, not through cells that span them."""
        rules = [_rule(lefts[0], lefts[-1], tops[0], width, gray), _rule(lefts[0], lefts[-1], tops[-1], width, gray)]
        inner = [slot for slot in self.grid.slots if slot.row]
        return rules + [_rule(lefts[s.column], lefts[s.column + s.columns], tops[s.row], width, gray) for s in inner]

    def _down(self, lefts: list[float], tops: list[float], width: float, gray: int) -> list[Bar]:
        half = width / 2
        ends = [(lefts[0], 0, self.grid.rows), (lefts[-1], 0, self.grid.rows)]
        ends += [(lefts[slot.column], slot.row, slot.row + slot.rows) for slot in self.grid.slots if slot.column]
        return [Bar((x - half, tops[top] - half, x + half, tops[bottom] + half), gray) for x, top, bottom in ends]


def _rule(left: float, right: float, y: float, width: float, gray: int) -> Bar:
    return Bar((left, y - width / 2, right, y + width / 2), gray)
