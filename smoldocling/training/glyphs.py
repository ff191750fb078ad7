"""Where each letter of a drawn page lies among the positions of its tiles: what the tower is told to see, and where
the decoder is told to look.

Knows: sheets, the geometry of tiles. Does not know: networks, DocTags.
A network that is only told what to write has to find out by itself that letters are on the page, which takes it a
hundred thousand pages. Told which letters lie in each position, it sees them after a few thousand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from doctags.tokens import lookup
from smoldocling.training.paint import pens
from smoldocling.training.sheet import Sheet

# Printable ASCII and what lists are marked with; any other letter is not taught this way.
LETTERS = "".join(map(chr, range(33, 127))) + "•–"
NUMBERS = {letter: number for number, letter in enumerate(LETTERS, start=1)}
# Most letters of one patch that are taught.
SPOTS = 2
# The middle of small letters above the baseline, in font sizes.
MIDDLE = 0.3


def labels(sheet: Sheet, rows: int, columns: int, side: int, scale: int) -> npt.NDArray[np.int64]:
    """For each tile but the whole view, (tiles, side * side, scale * scale * SPOTS): numbers of letters, or 0.

    rows, columns  the grid of tiles; 1, 1 for a page that is one tile
    side           positions along one side of a tile
    scale          patches along one side of a position; each has SPOTS letters of its own, from left to right
    """
    found: dict[tuple[int, int], list[tuple[float, int]]] = {}
    wide, high = columns * side * scale, rows * side * scale
    across, down = wide / sheet.width, high / sheet.height
    for run in sheet.runs:
        y = int((run.y - MIDDLE * run.size) * down)
        for char, start, end in pens(run):
            number, x = NUMBERS.get(char, 0), (start + end) / 2 * across
            if number and 0 <= x < wide and 0 <= y < high:
                found.setdefault((y, int(x)), []).append((x, number))
    grid = np.zeros((rows, side, scale, columns, side, scale, SPOTS), dtype=np.int64)
    for (y, x), letters in found.items():
        for spot, (_, number) in enumerate(sorted(letters)[:SPOTS]):
            inner, outer = (y % scale, x % scale), (y // scale, x // scale)
            grid[outer[0] // side, outer[0] % side, inner[0], outer[1] // side, outer[1] % side, inner[1], spot] = (
                number
            )
    # (rows, columns, side, side, scale, scale, SPOTS)
    return grid.transpose(0, 3, 1, 4, 2, 5, 6).reshape(rows * columns, side * side, scale * scale * SPOTS)


def places(sheet: Sheet, answer: Sequence[str], rows: int, columns: int, side: int) -> list[int]:
    """For each piece of the answer the position of the image that it is read from, or -1 where there is none.

    A letter is read where it stands, the first two numbers of a box at the first letter behind them, the other two at
    the last before the element ends. Blanks and all other tags are not read anywhere.

    answer  what each of its ids spells: a tag, or letters
    """
    letters = list(_letters(sheet, rows, columns, side))
    found = [-1] * len(answer)
    boxes: list[list[int]] = []
    at = 0
    for index, piece in enumerate(answer):
        tag = lookup(piece)
        if tag is not None and tag.role == "loc":
            if not boxes or boxes[-1][-1] != index - 1:
                boxes.append([])
            boxes[-1].append(index)
            continue
        if tag is not None or piece.isspace():
            continue
        for letter in piece:
            spot = at
            while spot < len(letters) and letters[spot][0] != letter:
                spot += 1  # what is drawn and not written, as the mark of a list
            if spot == len(letters):
                continue
            at = spot + 1
            if found[index] < 0:
                found[index] = letters[spot][1]
    for locations, following in pairwise([*boxes, [len(answer)]]):
        read = [place for place in found[locations[-1] + 1 : following[0]] if place >= 0]
        if read and len(locations) == 4:
            for number, location in enumerate(locations):
                found[location] = read[0] if number < 2 else read[-1]
    return found


def _letters(sheet: Sheet, rows: int, columns: int, side: int) -> Iterator[tuple[str, int]]:
    """Letters as they were drawn, each with the number of the position that its middle lies in."""
    across, down = columns * side / sheet.width, rows * side / sheet.height
    for run in sheet.runs:
        y = min(max(int((run.y - MIDDLE * run.size) * down), 0), rows * side - 1)
        for char, start, end in pens(run):
            if char != " ":
                x = min(max(int((start + end) / 2 * across), 0), columns * side - 1)
                tile = y // side * columns + x // side
                yield char, (tile * side + y % side) * side + x % side
