"""Pages as people print them: columns, headings, lists, tables, figures, formulas, code, notes, running heads.

Knows: how the blocks of a page follow each other and where. Does not know: how a block is set (pieces), pixels, PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from doctags.tree import Box, Element
from smoldocling.training import speech
from smoldocling.training.block import Block, Mark
from smoldocling.training.exhibits import Exhibits
from smoldocling.training.faces import Family, family
from smoldocling.training.lists import listed
from smoldocling.training.pieces import Pieces
from smoldocling.training.prose import Type
from smoldocling.training.sheet import Area, Bar, Plate, Run, Sheet, Stroke, grid_box
from smoldocling.training.style import Style, half_points, style

BLANK_PAGES = 0.004
# So often a block that does not fit is given up for another before the column counts as full.
TRIES = 6
# Sizes of type that a running head needs above the columns, a foot below them.
HEAD, FOOT = 3.4, 3.2

Maker = Callable[[float, float], Block | None]
"""(width to fill, height left) -> a block that fits, if one could be made."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What pages may look like. Sizes in points; ranges are (least, most).

    formats    width and height of the paper
    size       of the body's type
    columns    how many, and how often
    kinds      what may stand in a column, and how often
    families   of the body's type, and how often
    margin     in widths of the page
    scale      pixels a point of its images
    disturbed  share of its images that look scanned
    """

    name: str
    formats: tuple[tuple[float, float], ...]
    size: tuple[float, float]
    columns: dict[int, int]
    kinds: dict[str, int]
    families: tuple[str, ...]
    margin: tuple[float, float]
    scale: float
    disturbed: float


@dataclass
class PageComposer:
    """One page on its way."""

    paper: Paper
    random: Random
    tilt: float = 0.0
    families: tuple[Family, ...] = ()
    marks: list[Mark] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        random, paper = self.random, self.paper
        self.width, self.height = random.choice(paper.formats)
        families = self.families or tuple(map(family, paper.families))
        self.style: Style = style(random, families, paper.size)
        self.pieces, self.exhibits = Pieces(random, self.style), Exhibits(random, self.style)
        self.makers: dict[str, Maker] = {
            "text": self.pieces.text,
            "section_header": self.pieces.section_header,
            "list": lambda measure, room: listed(random, self.style, measure, room),
            "table": self.exhibits.table,
            "figure": self.exhibits.figure,
            "formula": self.exhibits.formula,
            "code": self.exhibits.code,
        }
        self.left = random.uniform(*paper.margin) * self.width
        self.right = self.width - random.uniform(*paper.margin) * self.width
        # running heads and feet stand in the margins
        self.top = max(random.uniform(*paper.margin) * self.width, HEAD * self.style.size)
        self.bottom = self.height - max(random.uniform(*paper.margin) * self.width, FOOT * self.style.size)
        self.notes = random.random() < 0.2

    def sheet(self) -> Sheet:
        """The page."""
        if self.random.random() >= BLANK_PAGES:
            self._fill()
        groups: dict[type, list[Mark]] = {Run: [], Bar: [], Stroke: [], Plate: []}
        for mark in self.marks:
            groups[type(mark)].append(mark)
        return Sheet(
            self.width,
            self.height,
            tuple(mark for mark in groups[Run] if isinstance(mark, Run)),
            tuple(mark for mark in groups[Bar] if isinstance(mark, Bar)),
            tuple(self.elements),
            tuple(mark for mark in groups[Stroke] if isinstance(mark, Stroke)),
            tuple(mark for mark in groups[Plate] if isinstance(mark, Plate)),
            self.tilt,
        )

    def _fill(self) -> None:
        random = self.random
        number = str(random.randrange(1, 400))
        head = self._running(number, "page_header", 0.75)
        foot = self._running(number, "page_footer", 0.0 if any(text == number for text, _ in head) else 0.75)
        self._rows(head, "page_header", self.top - 2.2 * self.style.size)
        y = self._opening(self.top) if random.random() < 0.25 else self.top
        bottom = self.bottom
        columns = random.choices(list(self.paper.columns), list(self.paper.columns.values()))[0]
        below = None
        if columns > 1 and random.random() < 0.3:
            y = self._wide(y, bottom - 0.4 * self.height)
        if columns > 1 and random.random() < 0.12:
            below = self._float(self.right - self.left, 0.35 * (bottom - y))
            bottom -= below.height + 1.5 * self.style.size if below else 0.0
        self._columns(columns, y, bottom, noted=below is None)
        if below:
            self._place(below, self.left, self.bottom - below.height)
        self._rows(foot, "page_footer", self.bottom + 1.4 * self.style.size)

    # What is on every page of a document.

    def _running(self, number: str, kind: str, often: float) -> list[tuple[str, str]]:
        """Texts of a running head or foot, each with its place: left, center or right."""
        random = self.random
        if random.random() >= often:
            return []
        count = random.choice(
            (number, number, f"Page {number}", f"– {number} –", f"Page {number} of {int(number) + 12}")
        )
        text = random.choice((speech.heading, speech.address, speech.date))(random)
        if kind == "page_footer":
            choices = [[(count, "center")], [(count, "right")], [(text, "left"), (count, "right")], [(text, "center")]]
        else:
            choices = [[(text, "left")], [(text, "center")], [(text, "left"), (number, "right")], [(text, "right")]]
        return random.choice(choices)

    def _rows(self, texts: list[tuple[str, str]], kind: str, y: float) -> None:
        size = half_points(self.style.size * self.random.choice((0.8, 0.9, 1.0)))
        face = self.random.choice((self.style.body.plain, self.style.body.plain, self.style.body.italic))
        measure = self.right - self.left
        for text, place in texts:
            type_ = Type(face, size, gray=self.random.choice((0, 0, 80)))
            block = self.pieces.line(text, type_, kind, place, measure * (0.7 if len(texts) > 1 else 1.0), measure)
            if block:
                self._place(block, self.left, y)
        if texts and self.random.random() < 0.4:
            edge = y - 0.4 * size if kind == "page_footer" else y + 1.3 * size
            self.marks.append(Bar((self.left, edge, self.right, edge + 0.5), self.random.choice((0, 120))))

    # What goes over all columns.

    def _opening(self, y: float) -> float:
        for block, after in self.pieces.opening(self.right - self.left):
            if y + block.height > self.top + 0.45 * (self.bottom - self.top):
                break
            self._place(block, self.left, y)
            y += block.height + after
        return y + self.style.size

    def _wide(self, y: float, bottom: float) -> float:
        block = self._float(self.right - self.left, bottom - y)
        if block is None:
            return y
        self._place(block, self.left, y)
        return y + block.height + 1.5 * self.style.size

    def _float(self, measure: float, room: float) -> Block | None:
        block = self.makers[self.random.choice(("table", "figure"))](measure, room)
        return block if block and block.height <= room else None

    # Columns.

    def _columns(self, count: int, top: float, bottom: float, *, noted: bool) -> None:
        random = self.random
        gutter = random.uniform(1.6, 3.0) * self.style.size
        measure = (self.right - self.left - gutter * (count - 1)) / count
        # the last page of a text is not full
        ends = bottom - (random.uniform(0.2, 0.9) * (bottom - top) if random.random() < 0.15 else 0.0)
        for number in range(count):
            x = self.left + number * (measure + gutter)
            self._column(x, top, ends if number == count - 1 else bottom, measure, noted=noted and self.notes)
        if count > 1 and random.random() < 0.08:
            lines = [self.left + number * (measure + gutter) - gutter / 2 for number in range(1, count)]
            self.marks += [Bar((x - 0.25, top, x + 0.25, bottom), 120) for x in lines]

    def _column(self, x: float, top: float, bottom: float, measure: float, *, noted: bool) -> None:
        note = self.pieces.notes(measure) if noted and self.random.random() < 0.6 else None
        if note and note.height < 0.3 * (bottom - top):
            bottom -= note.height + self.style.size
        else:
            note = None
        y, before = top, ""
        misses = 0
        while misses < TRIES:
            kind = self._kind(before)
            block = self.makers[kind](measure, bottom - y)
            if block is None or y + block.height > bottom:
                misses += 1
                continue
            self._place(block, x, y)
            after = "section_header" if block.parts[-1].kind == "section_header" else kind
            y += block.height + self.pieces.space(kind) + (self._gap() if after != "section_header" else 0.0)
            before, misses = after, 0
        if note:
            self._place(note, x, bottom + self.style.size)

    def _kind(self, before: str) -> str:
        kinds: dict[str, float] = {**self.paper.kinds}
        if before == "section_header":
            kinds = {"text": 8, "list": 1, "section_header": 0.6}
        elif before == "list":
            del kinds["list"]  # where one list ends and the next begins could not be seen
        elif before in ("table", "figure", "formula", "code"):
            kinds["text"] *= 3
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def _gap(self) -> float:
        """Now and then a stretch of white."""
        return self.random.uniform(2, 8) * self.style.size if self.random.random() < 0.03 else 0.0

    def _place(self, block: Block, x: float, y: float) -> None:
        self.marks += block.placed(x, y)
        self.elements += [part.element(x, y, self._box) for part in block.parts]

    def _box(self, areas: Iterable[Area]) -> Box:
        return grid_box(areas, self.width, self.height, self.tilt)


KINDS = {"section_header": 3, "text": 10, "list": 3, "table": 2, "figure": 1, "formula": 1, "code": 1}
# Letter, A4, A5 and a wide slide; type as reports have it. This is what real models see.
PAGE = Paper(
    "page",
    ((612.0, 792.0), (595.0, 842.0), (612.0, 792.0), (595.0, 842.0), (420.0, 595.0), (792.0, 612.0)),
    (8.0, 12.0),
    {1: 5, 2: 4, 3: 1},
    KINDS,
    ("sans", "serif", "serif"),
    (0.07, 0.13),
    2.0,
    0.5,
)
# The same kinds in large type on a small page: a step between the small domain and whole pages.
HALF = Paper(
    "half",
    ((512.0, 640.0), (512.0, 704.0), (560.0, 560.0)),
    (14.0, 19.0),
    {1: 9, 2: 1},
    KINDS,
    ("sans", "serif"),
    (0.05, 0.08),
    1.0,
    0.0,
)
