"""Which of these belongs to which of those.

Knows: numbers. Does not know: what they are about.
"""

from __future__ import annotations

import numpy as np

from smoldocling.evaluate.trees import Floats


def best_pairs(likeness: Floats, least: float) -> list[tuple[int, int]]:
    """Pairs (row, column), each at most once, the likest first, those below `least` left out; in order of rows.

    Of equally like pairs the one comes first whose places in the two sequences are nearest to each other.
    """
    rows, columns = likeness.shape
    if not rows or not columns:
        return []
    where = np.arange(rows)[:, None] / rows - np.arange(columns)[None, :] / columns
    order = np.lexsort((np.abs(where).ravel(), -likeness.ravel()))
    free_rows, free_columns = set(range(rows)), set(range(columns))
    pairs: list[tuple[int, int]] = []
    for place in order:
        row, column = divmod(int(place), columns)
        if likeness[row, column] < least or not free_rows:
            break
        if row in free_rows and column in free_columns:
            pairs.append((row, column))
            free_rows.remove(row)
            free_columns.remove(column)
    return sorted(pairs)
