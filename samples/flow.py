"""A column of blocks: each is set below the last one and leaves its true element behind.

Knows: the look of every kind of block. Does not know: what any document says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from press import BLUE, FACES, INK, Color, Sheet, Style, measure, plain
from truth import Area, Mark

GREY: Color = (0.42, 0.44, 0.48)
PALE: Color = (0.955, 0.962, 0.972)
TINT: Color = (0.88, 0.915, 0.95)
HAIRLINE: Color = (0.72, 0.75, 0.79)

BODY = Style("serif", 10.6, 14.7, align="justify")
CAPTION = Style("sans", 8.4, 11.4, GREY)
HEADINGS = {  # level: style, space above, space below
    0: (Style("bold", 22, 27, BLUE), 0.0, 12.0),
    1: (Style("bold", 14.5, 18, BLUE), 15.0, 9.0),
    2: (Style("bold", 11.6, 14.5, INK), 12.0, 7.5),
    3: (Style("bold", 10, 13, GREY), 10.0, 7.0),
}

Item = str | tuple[str, "Sequence[Item]"]
"""A list item: its text, or its text and a bulleted list within it."""


def hull(areas: Sequence[Area]) -> Area:
    """The smallest area around all."""
    return Area(min(a.x0 for a in areas), min(a.y0 for a in areas), max(a.x1 for a in areas), max(a.y1 for a in areas))


def item_gap(style: Style) -> float:
    """From the descender of one list item to the ascender of the next: a little more than between lines."""
    _, ascender, descender, _ = FACES[style.face]
    return style.leading - (ascender + descender) * style.size + 1.5


@dataclass(slots=True)
class Column:
    """Where the next block goes: `y` is the lowest descender so far."""

    sheet: Sheet
    x: float
    y: float
    width: float
    marks: list[Mark] = field(default_factory=list)

    def skip(self, points: float) -> None:
        """Leave room."""
        self.y += points

    def block(self, tag: str, text: str, style: Style, after: float = 0.0) -> None:
        """One element of plain text."""
        areas = self.sheet.set(self.x, self.y, self.width, text, style)
        self.y = areas[-1].y1 + after
        self.marks.append(Mark(tag, areas, plain(text).replace("\n", " ")))

    def heading(self, level: int, text: str) -> None:
        """A section heading; level 0 is the title."""
        style, above, below = HEADINGS[level]
        self.y += above if self.marks else 0
        self.block(f"section_header_level_{level}" if level else "title", text, style, below)

    def text(self, text: str, style: Style = BODY, after: float = 9.0) -> None:
        """A paragraph."""
        self.block("text", text, style, after)

    def items(self, items: Sequence[Item], ordered: bool = False, style: Style = BODY, after: float = 9.0) -> None:
        """A list, with the lists inside it."""
        self.marks.append(self._list(items, ordered, style, self.x + 4, "•"))
        self.y += after - item_gap(style)

    def _list(self, items: Sequence[Item], ordered: bool, style: Style, x: float, bullet: str) -> Mark:
        children: list[Mark] = []
        indent = style.size * (1.5 if ordered else 1.1)
        for number, item in enumerate(items, 1):
            text, inner = (item, ()) if isinstance(item, str) else item
            marker = f"{number}." if ordered else bullet
            baseline = self.y + FACES[style.face][1] * style.size
            areas = (
                self.sheet.write(x, baseline, marker + " ", style.face, style.size, style.color),
                *self.sheet.set(x + indent, self.y, self.x + self.width - x - indent, text, style),
            )
            self.y = areas[-1].y1 + item_gap(style)
            nested = (self._list(inner, False, style, x + indent, "–"),) if inner else ()
            children.append(Mark("list_item", areas, plain(text), nested))
        return Mark("ordered_list" if ordered else "unordered_list", (), "", tuple(children))

    def code(self, language: str, source: str, size: float = 8.0, after: float = 9.0) -> None:
        """A listing on a pale ground."""
        leading, pad = size * 1.38, 7.0
        lines = source.split("\n")
        ground = Area(self.x, self.y, self.x + self.width, self.y + 2 * pad + leading * (len(lines) - 1) + size * 0.8)
        self.sheet.shade(ground, PALE)
        self.sheet.shade(Area(ground.x0, ground.y0, ground.x0 + 2, ground.y1), BLUE)
        baseline = self.y + pad + FACES["mono"][1] * size
        areas = [
            self.sheet.write(self.x + pad + 3, baseline + leading * number, line, "mono", size)
            for number, line in enumerate(lines)
            if line
        ]
        self.y = ground.y1 + after
        self.marks.append(Mark("code", (hull(areas),), f"<_{language}_>{source}"))

    def caption(self, text: str, after: float) -> Mark:
        """A caption; its table or figure takes it as a child."""
        areas = self.sheet.set(self.x, self.y, self.width, text, CAPTION)
        self.y = areas[-1].y1 + after
        return Mark("caption", areas, plain(text))

    def footnote(self, text: str) -> None:
        """A note under a short rule, where the column stands."""
        self.sheet.stroke([(self.x, self.y), (self.x + 110, self.y)], 0.5, GREY)
        self.y += 6
        self.block("footnote", text, Style("serif", 8.8, 11.4, align="justify"))


def running(sheet: Sheet, tag: str, x: float, baseline: float, width: float, text: str, align: str = "left") -> Mark:
    """A running head or foot on one line."""
    size = 8.0
    at = x if align == "left" else x + width - measure(text, "sans", size)
    return Mark(tag, (sheet.write(at, baseline, text, "sans", size, GREY),), text)
