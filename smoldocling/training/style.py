"""How one page is set: every choice that holds for the whole of it.

Knows: faces, sizes, habits of typesetters. Does not know: what is said, where it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from smoldocling.training.faces import Family
from smoldocling.training.prose import Align, Type

ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi")
COUNTS = {  # how items are counted: number from 1 -> marker
    "1.": lambda n: f"{n}.",
    "1)": lambda n: f"{n})",
    "(1)": lambda n: f"({n})",
    "a)": lambda n: f"{chr(96 + n)})",
    "(a)": lambda n: f"({chr(96 + n)})",
    "i.": lambda n: f"{ROMAN[n - 1]}.",
}
BULLETS = ("•", "–", "-", "*", "·")
DINGBATS = ("■", "●", "➢", "➤", "◆", "❖", "✓")
NOTE_SIGNS = ("*", "†", "‡", "§")
SEPARATORS = (": ", ". ", " – ", ". ", ": ", " ")
NUMBERINGS = {"none": 5, "1.1": 4, "1.1.": 2, "A.1": 1}


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in points; `spacing` between blocks and `indent` of paragraphs in sizes.

    numbering   how headings are counted       prefixes, separator   "Figure", "Table", ": " of captions
    bullets     by depth of the list            counts                names in COUNTS, by depth
    """

    body: Family
    heads: Family
    size: float
    leading: float
    align: Align
    spacing: float
    indent: float
    head_scale: tuple[float, float, float]
    head_align: Align
    head_gray: int
    numbering: str
    prefixes: tuple[str, str]
    separator: str
    caption_bold: bool
    caption_align: Align
    captions_above: bool
    bullets: tuple[str, ...]
    counts: tuple[str, ...]
    list_indent: float

    @property
    def text(self) -> Type:
        """Of paragraphs."""
        return Type(self.body.plain, self.size, self.leading, self.align, self.indent * self.size)

    @property
    def item(self) -> Type:
        """Of items of a list."""
        return Type(self.body.plain, self.size, self.leading, self.align)

    @property
    def small(self) -> Type:
        """Of captions and notes."""
        return Type(self.body.plain, half_points(self.size * 0.88), 1.15, "left")

    def heading(self, level: int) -> Type:
        """Of headings."""
        face = (self.heads.bold, self.heads.bold, self.heads.bold_italic)[level - 1]
        size = half_points(self.size * self.head_scale[level - 1])
        return Type(face, size, 1.15, self.head_align, gray=self.head_gray)


def half_points(size: float) -> float:
    """Rounded, so that pages share their glyphs."""
    return round(size * 2) / 2


def style(random: Random, families: Sequence[Family], size: tuple[float, float]) -> Style:
    """A page's style, its body in one of the families."""
    body = random.choice(families)
    spaced = random.random() < 0.6
    top = random.uniform(1.25, 1.7)
    sans = random.choice(("Figure", "Figure", "Fig.", "FIGURE", "Chart"))
    return Style(
        body=body,
        heads=body if random.random() < 0.7 else random.choice(families),
        size=half_points(random.uniform(*size)),
        leading=random.uniform(1.1, 1.45),
        align="justified" if random.random() < 0.5 else "left",
        spacing=random.uniform(0.6, 1.2) if spaced else random.uniform(0.15, 0.3),
        indent=0.0 if spaced else random.uniform(1.0, 2.0),
        head_scale=(top, 1 + (top - 1) * 0.5, 1.0 if top < 1.5 else 1.08),
        head_align="center" if random.random() < 0.12 else "left",
        head_gray=random.choice((0, 0, 0, 0, 70, 110)),
        numbering=random.choices(list(NUMBERINGS), list(NUMBERINGS.values()))[0],
        prefixes=(sans, random.choice(("Table", "Table", "TABLE", "Tab."))),
        separator=random.choice(SEPARATORS),
        caption_bold=random.random() < 0.4,
        caption_align="center" if random.random() < 0.5 else "left",
        captions_above=random.random() < 0.7,
        bullets=tuple(random.sample((*BULLETS, *DINGBATS), 3)),
        counts=tuple(random.sample(list(COUNTS), 3)),
        list_indent=random.uniform(1.2, 2.2),
    )
