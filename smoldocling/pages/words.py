"""The words of a page by their place: which of them stand under a box, in reading order, and as running text.

Knows: lines, boxes on the 0..500 grid, where pictures cover the page. Does not know: elements, models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from doctags.tree import GRID, Box
from smoldocling.pages import lists, prose
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.lines import Line

# Letters that were turned into outlines: so many curves stand where otherwise a word would.
OUTLINES = 4


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word and its rectangle x0 y0 x1 y1, origin top left, on the page as it is displayed.

    rect    points
    x, y    its middle on the 0..500 grid, and `height` there
    line    which of the page's lines it is in, and `place` which of that line's words it is
    """

    text: str
    rect: Rect
    x: float
    y: float
    height: float
    line: int
    place: int

    def inside(self, box: Box, margin: float = 0.0) -> bool:
        """Whether its middle lies in a box, or not farther from it than the margin."""
        return box.x0 - margin <= self.x <= box.x1 + margin and box.y0 - margin <= self.y <= box.y1 + margin


class Words:
    """All visible words of one page, in the order of its text layer."""

    def __init__(self, ink: Ink, known: frozenset[str] = frozenset()) -> None:
        """known  words of the document, lower case: they decide about hyphens at line ends"""
        self._lines = ink.lines
        self._known = known
        self._size = ink.size
        self._images = tuple(_gridded(ink.displayed(rect), ink.size) for rect in ink.images)
        hidden = sum(len(word.text) for line in ink.lines if line.hidden for word in line.words)
        self.hidden: float = hidden / max(1, ink.characters)
        """Share of the characters that are not painted: what text recognition put under a picture of the page."""
        self._shapes = tuple(_gridded(ink.displayed(rect), ink.size) for rect in ink.shapes)
        self.all: tuple[PlacedWord, ...] = tuple(
            _placed(word.text, ink.displayed(word.rect), ink.size, number, place)
            for number, line in enumerate(ink.lines)
            for place, word in enumerate(line.words)
        )

    def in_order(self, words: Sequence[PlacedWord]) -> list[str]:
        """The texts of some words row by row; what the file cut into pieces is one again."""
        rows = self._rows(words)
        return [word.text for row in rows for word in row.words]

    def running(self, words: Sequence[PlacedWord]) -> str:
        """Words of one paragraph as its text: hyphens at line ends joined."""
        rows = self._rows(words)
        return prose.paragraph(rows, (), self._known).text if rows else ""

    def item(self, words: Sequence[PlacedWord]) -> tuple[str, str]:
        """Words of a list item as its marker, a number or letter ("" for none), and its text without any bullet."""
        rows = self._rows(words)
        if not rows:
            return "", ""
        marker, ordered, rest = lists.split_marker(rows)
        return marker if ordered else "", prose.paragraph(rest, (), self._known).text if rest[0].words else ""

    def listing(self, words: Sequence[PlacedWord]) -> str:
        """Words of a listing with its line breaks and indentation."""
        rows = self._rows(words)
        return prose.listing(rows) if rows else ""

    def is_drawn(self, box: Box) -> bool:
        """Whether something is to be seen in a box that may be text to the eye, but is none in the file."""
        area = max(1.0, (box.x1 - box.x0) * (box.y1 - box.y0))
        if any(_overlap(rect, box) > 0.5 * area for rect in self._images):
            return True
        return sum(_middle_in(rect, box) for rect in self._shapes) >= OUTLINES

    def _rows(self, words: Sequence[PlacedWord]) -> list[Line]:
        """Rows, top to bottom, with these words only."""
        places: dict[int, list[int]] = {}
        for word in words:
            places.setdefault(word.line, []).append(word.place)
        return prose.rows([self._cut(number, sorted(places[number])) for number in sorted(places)])

    def _cut(self, number: int, places: Sequence[int]) -> Line:
        line = self._lines[number]
        if len(places) == len(line.words):
            return line
        words = tuple(line.words[place] for place in places)
        return replace(
            line,
            words=words,
            x0=min(word.x0 for word in words),
            y0=min(word.y0 for word in words),
            x1=max(word.x1 for word in words),
            y1=max(word.y1 for word in words),
            open=line.open or places[-1] < len(line.words) - 1,
        )


def _placed(text: str, rect: Rect, size: tuple[float, float], line: int, place: int) -> PlacedWord:
    x0, y0, x1, y1 = _gridded(rect, size)
    return PlacedWord(text, rect, (x0 + x1) / 2, (y0 + y1) / 2, y1 - y0, line, place)


def _gridded(rect: Rect, size: tuple[float, float]) -> Rect:
    across, down = GRID / max(size[0], 1e-6), GRID / max(size[1], 1e-6)
    return (rect[0] * across, rect[1] * down, rect[2] * across, rect[3] * down)


def _middle_in(rect: Rect, box: Box) -> bool:
    return box.x0 <= (rect[0] + rect[2]) / 2 <= box.x1 and box.y0 <= (rect[1] + rect[3]) / 2 <= box.y1


def _overlap(rect: Rect, box: Box) -> float:
    width = min(rect[2], box.x1) - max(rect[0], box.x0)
    height = min(rect[3], box.y1) - max(rect[1], box.y0)
    return max(0.0, width) * max(0.0, height)
