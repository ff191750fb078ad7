"""Where each letter of a drawn page lies among the positions of its tiles: what the tower is told to see.

Knows: sheets, the geometry of tiles. Does not know: networks, DocTags.
A network that is only told what to write has to find out by itself that letters are on the page, which takes it a
hundred thousand pages. Told which letters lie in each position, it sees them after a few thousand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
