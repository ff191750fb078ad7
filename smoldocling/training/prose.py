"""Words set in lines: where they break, how they are aligned, which of them are bold.

Knows: faces, measures in points. Does not know: what is said, elements, pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from smoldocling.training.faces import Face
from smoldocling.training.sheet import ASCENT, Area, Run

Align = Literal["left", "justified", "center", "right"]

# A space in a justified line grows to no more than so many times its width; beyond that the line stays ragged.
WIDEST_GAP = 3.0
# Bold letters are up to a tenth wider than plain ones.
SLENDER = 0.9


class Word(NamedTuple):
    """Characters without a space, in one face."""

    text: str
    face: Face


@dataclass(frozen=True, slots=True)
class Type:
    """How text is set. `size` in points, `leading` in sizes, `first` is the indent of the first line in points."""

    face: Face
    size: float
    leading: float = 1.2
    align: Align = "left"
    first: float = 0.0
    gray: int = 0

    def words(self, text: str) -> list[Word]:
        """Those of a text, in this face."""
        return [Word(word, self.face) for word in text.split(" ")]

    def height(self, lines: int) -> float:
        """Of so many lines, in points."""
        return ((lines - 1) * self.leading + 1.0) * self.size if lines else 0.0


def narrow(words: Sequence[Word], type_: Type, measure: float) -> list[Word]:
    """The words that fit into the measure, with some room for bold letters; a dash where none does."""
    room = SLENDER * measure / type_.size
    return [word for word in words if word.face.width(word.text) < room] or [Word("–", type_.face)]


def broken(words: Sequence[Word], type_: Type, measure: float) -> list[list[Word]]:
    """Lines no wider than `measure`; a word that is wider has a line of its own."""
    lines: list[list[Word]] = []
    room, used, space = measure / type_.size, type_.first / type_.size, type_.face.advance(" ")
    for word in words:
        width = word.face.width(word.text)
        if lines and used + space + width <= room:
            lines[-1].append(word)
            used += space + width
        else:
            if lines:
                used = 0.0
            lines.append([word])
            used += width
    return lines


def text_of(lines: Sequence[Sequence[Word]]) -> str:
    """What lines say."""
    return " ".join(word.text for line in lines for word in line)


def set_lines(
    lines: Sequence[Sequence[Word]], type_: Type, measure: float, x: float = 0.0, y: float = 0.0
) -> list[Run]:
    """Runs of lines whose first starts at the height `y`."""
    runs: list[Run] = []
    for number, line in enumerate(lines):
        baseline = y + (number * type_.leading + ASCENT) * type_.size
        indent = type_.first if number == 0 else 0.0
        runs += _line(line, type_, x + indent, baseline, measure - indent, last=number == len(lines) - 1)
    return runs


def _line(line: Sequence[Word], type_: Type, x: float, baseline: float, measure: float, *, last: bool) -> list[Run]:
    pieces = _pieces(line)
    natural = sum(face.width(text) for text, face in pieces) * type_.size
    spare, spaces = measure - natural, len(line) - 1
    gap = 0.0
    if type_.align == "justified" and spaces and not last:
        gap = spare / spaces
        if not 0 <= gap <= WIDEST_GAP * type_.face.advance(" ") * type_.size:
            gap = 0.0
    elif type_.align in ("center", "right"):
        x += max(spare, 0.0) * (0.5 if type_.align == "center" else 1.0)
    runs = []
    for text, face in pieces:
        run = Run(text, x, baseline, face, type_.size, type_.gray, gap)
        runs.append(run)
        x = run.area[2]
    return runs


def _pieces(line: Sequence[Word]) -> list[tuple[str, Face]]:
    """The words in as few runs as their faces allow; a space belongs to the word before it."""
    pieces: list[tuple[str, Face]] = []
    for place, (text, face) in enumerate(line):
        tail = text if place == len(line) - 1 else text + " "
        if pieces and pieces[-1][1] is face:
            pieces[-1] = (pieces[-1][0] + tail, face)
        else:
            pieces.append((tail, face))
    return pieces


def areas(runs: Sequence[Run]) -> tuple[Area, ...]:
    """What runs cover, spaces at their ends left out."""
    return tuple(run.area if not run.text.endswith(" ") else _trimmed(run) for run in runs)


def _trimmed(run: Run) -> Area:
    text = run.text.rstrip(" ")
    return Run(text, run.x, run.y, run.face, run.size, run.gray, run.gap).area


def lines_in(room: float, type_: Type) -> int:
    """How many lines fit into a height."""
    return int((room / type_.size - 1.0) / type_.leading) + 1 if room >= type_.size else 0
