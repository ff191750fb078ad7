"""Random pages: what stands on them and where. The plain ones are made here, from the top down.

Knows: kinds of elements, lines, rows of tables. Does not know: columns (page), pixels, PDF, files. The same domain and
seed make the same sheet, whatever other domains there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from doctags.tree import Box, Cell, Element
from smoldocling.training import words
from smoldocling.training.faces import Face, Family, family
from smoldocling.training.page import HALF, PAGE, PageComposer, Paper
from smoldocling.training.sheet import Area, Bar, Run, Sheet, grid_box

LEADING = 1.2
HEADING = 1.25
# Share of a folded page's quarters that something stands on.
FILLED = 0.5
BULLETS = "•–"


@dataclass(frozen=True, slots=True)
class Domain:
    """What pages may look like. Sizes in points; ranges are (least, most).

    kinds     what may stand on a page, and how often
    blocks    how many of them
    families  a page is set in one of these
    lines     of a paragraph
    items     of a list
    rows, columns   of a table
    scale     pixels a point of its images
    disturbed share of its images that look scanned
    folded    in quarters, each of which is set for itself and keeps clear of the folds; `blocks` are those of a quarter
    """

    name: str
    width: tuple[int, int]
    height: tuple[int, int]
    size: tuple[int, int]
    kinds: dict[str, int]
    blocks: tuple[int, int]
    families: tuple[str, ...] = ("sans", "serif")
    lines: tuple[int, int] = (1, 3)
    items: tuple[int, int] = (2, 3)
    rows: tuple[int, int] = (2, 3)
    columns: tuple[int, int] = (2, 3)
    margin: tuple[int, int] = (16, 40)
    scale: float = 1.0
    disturbed: float = 0.0
    folded: bool = False


def compose(domain: Domain | Paper, seed: int, *, tilt: float = 0.0, fonts: tuple[Family, ...] = ()) -> Sheet:
    """The page of that seed, to lie `tilt` degrees askew, set in one of `fonts` (none: those of the domain)."""
    random = Random(f"{domain.name} {seed}")
    if isinstance(domain, Paper):
        return PageComposer(domain, random, tilt, fonts).sheet()
    return _Composer(domain, random, tilt, fonts).sheet()


@dataclass
class _Composer:
    """One page on its way. The pen goes down; what does not fit is left out."""

    domain: Domain
    random: Random
    tilt: float
    fonts: tuple[Family, ...]
    runs: list[Run] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        domain, random = self.domain, self.random
        self.width, self.height = float(random.randint(*domain.width)), float(random.randint(*domain.height))
        self.size = float(random.randint(*domain.size))
        chosen = random.choice(self.fonts) if self.fonts else family(random.choice(domain.families))
        self.plain, self.bold = chosen.plain, chosen.bold
        self._frame((0, 0, self.width, self.height))

    def _frame(self, area: Area) -> None:
        """Set what comes now within this area."""
        left, top, right, bottom = area
        margin, random = self.domain.margin, self.random
        self.left = left + float(random.randint(*margin))
        self.right = right - random.randint(*margin)
        self.bottom = bottom - margin[0] / 2
        self.y = top + random.randint(*margin) * 0.75

    def sheet(self) -> Sheet:
        if self.domain.folded:
            wide, high = self.width / 2, self.height / 2
            quarters = [number for number in range(4) if self.random.random() < FILLED]
            for number in quarters or [0]:
                x, y = number % 2 * wide, number // 2 * high
                self._frame((x, y, x + wide, y + high))
                self._blocks()
        else:
            self._blocks()
        if not self.elements:  # a table that was too wide
            self._section_header()
        return Sheet(self.width, self.height, tuple(self.runs), tuple(self.bars), tuple(self.elements), tilt=self.tilt)

    def _blocks(self) -> None:
        kinds, weights = list(self.domain.kinds), list(self.domain.kinds.values())
        for _ in range(self.random.randint(*self.domain.blocks)):
            getattr(self, f"_{self.random.choices(kinds, weights)[0]}")()
            self.y += self.size * self.random.uniform(0.5, 1.5)

    # What may stand on a page. Each leaves the pen below what it has set, or where it was.

    def _section_header(self) -> None:
        size = round(self.size * HEADING)
        self._block("section_header", words.phrase(self.random, 1, 3), self.bold, size, level=1)

    def _title(self) -> None:
        size = round(self.size * self.random.uniform(1.3, 1.5))
        self._block("title", words.phrase(self.random, 1, 3), self.bold, size)

    def _text(self) -> None:
        lines = self.random.randint(*self.domain.lines)
        text = words.sentence(self.random)
        while len(self._wrapped(text, self.plain, self.size, self.left)) < lines:
            text += " " + words.sentence(self.random)
        kept = self._wrapped(text, self.plain, self.size, self.left)[:lines]
        self._block("text", " ".join(kept), self.plain, self.size)

    def _list(self) -> None:
        ordered = self.random.random() < 0.5
        indent = self.size * self.random.uniform(1.2, 1.6)
        bullet = self.random.choice(BULLETS)
        items = []
        for number in range(1, self.random.randint(*self.domain.items) + 1):
            marker = f"{number}." if ordered else bullet
            text = words.phrase(self.random, 1, 4)
            lines = self._wrapped(text, self.plain, self.size, self.left + indent)
            if not self._fits(len(lines), self.size):
                break
            first = Run(marker, self.left, self.y + self.size, self.plain, self.size)
            runs = [first, *self._lines(lines, self.plain, self.size, self.left + indent)]
            self.runs += runs
            items.append(Element("list_item", f"{marker} {text}" if ordered else text, (self._around(runs),)))
        if items:
            self.elements.append(Element("ordered_list" if ordered else "unordered_list", children=tuple(items)))

    def _table(self) -> None:
        random = self.random
        rows, columns = random.randint(*self.domain.rows), random.randint(*self.domain.columns)
        grid = [[self._cell(row, column) for column in range(columns)] for row in range(rows)]
        pad, high = self.size * 0.5, self.size * random.uniform(1.35, 1.7)
        faces = [self.bold if row == 0 else self.plain for row in range(rows)]
        widths = [
            max(face.width(line[column]) * self.size for face, line in zip(faces, grid, strict=True)) + 2 * pad
            for column in range(columns)
        ]
        if self.left + sum(widths) > self.right or self.y + rows * high > self.bottom:
            return
        stretch = random.uniform(1.0, min(1.5, (self.right - self.left) / sum(widths)))
        edges = [self.left]
        for width in widths:
            edges.append(edges[-1] + width * stretch)
        top = self.y
        for row, line in enumerate(grid):
            base = top + row * high + high / 2 + self.size * 0.3
            for column, text in enumerate(line):
                if text:
                    self.runs.append(Run(text, edges[column] + pad, base, faces[row], self.size))
        area = (edges[0], top, edges[-1], top + rows * high)
        self._rules(area, edges, [top + row * high for row in range(rows + 1)])
        cells = tuple(
            Cell(row, column, text, kind="column_header" if row == 0 else "data")
            for row, line in enumerate(grid)
            for column, text in enumerate(line)
        )
        self.elements.append(Element("otsl", boxes=(self._box([area]),), cells=cells))
        self.y = area[3]

    # Parts of the above.

    def _cell(self, row: int, column: int) -> str:
        if row == 0:
            return words.name(self.random)
        if column == 0:
            return words.name(self.random) if self.random.random() < 0.7 else words.word(self.random)
        chance = self.random.random()
        return "" if chance < 0.05 else words.number(self.random) if chance < 0.8 else words.word(self.random)

    def _rules(self, area: Area, across: list[float], down: list[float]) -> None:
        left, top, right, bottom = area
        style = self.random.randrange(3)
        heights = {0: down, 1: [down[0], down[1], down[-1]], 2: down}[style]
        self.bars += [Bar((left, y - 0.6, right, y + 0.6), 60) for y in heights]
        if style == 0:
            self.bars += [Bar((x - 0.6, top, x + 0.6, bottom), 60) for x in across]

    def _block(self, kind: str, text: str, face: Face, size: float, level: int | None = None) -> None:
        lines = self._wrapped(text, face, size, self.left)
        if not self._fits(len(lines), size):
            return
        runs = self._lines(lines, face, size, self.left)
        self.runs += runs
        self.elements.append(Element(kind, " ".join(lines), (self._around(runs),), level=level))

    def _fits(self, lines: int, size: float) -> bool:
        return self.y + (lines * LEADING + 0.1) * size <= self.bottom

    def _lines(self, lines: list[str], face: Face, size: float, left: float) -> list[Run]:
        runs = []
        for text in lines:
            runs.append(Run(text, left, self.y + size, face, size))
            self.y += size * LEADING
        return runs

    def _wrapped(self, text: str, face: Face, size: float, left: float) -> list[str]:
        """Lines as they fit between `left` and the right margin; a word that is too long has a line of its own."""
        lines: list[str] = []
        room, used, space = (self.right - left) / size, 0.0, face.advance(" ")
        for word in text.split(" "):
            width = face.width(word)
            if lines and used + space + width <= room:
                lines[-1] += " " + word
                used += space + width
            else:
                lines.append(word)
                used = width
        return lines

    def _around(self, runs: list[Run]) -> Box:
        return self._box([run.area for run in runs])

    def _box(self, areas: list[Area]) -> Box:
        return grid_box(areas, self.width, self.height, self.tilt)


# The first is what a network learns to see with: a line or two in one tile. The second is what it shall read.
LINE = Domain("line", (256, 256), (256, 256), (24, 32), {"text": 1}, (1, 2), lines=(1, 1))
SMALL = Domain(
    "small",
    (496, 512),
    (496, 512),
    (26, 26),
    {"section_header": 3, "text": 5, "list": 3, "table": 3},
    (1, 2),
    ("sans",),
    columns=(2, 2),
    margin=(8, 20),
    folded=True,
)
DOMAINS: dict[str, Domain | Paper] = {domain.name: domain for domain in (LINE, SMALL, HALF, PAGE)}
