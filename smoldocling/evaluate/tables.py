"""Tables against true tables: tree edit distance similarity, and the neighbours of cells.

Knows: cells. Does not know: pages, files. TEDS as Zhong et al. 2020 (PubTabNet) define it, over `table > tr > td`; a
header cell is a cell (Markdown cannot tell), and a cell's text is compared character by character. Neighbours as
Goebel et al. 2012 (ICDAR 2013 competition): pairs of filled cells beside or below each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from doctags.tree import Cell
from smoldocling.evaluate.content import tidy
from smoldocling.evaluate.matching import best_pairs
from smoldocling.evaluate.strings import overlap, words
from smoldocling.evaluate.trees import Floats, Node, Order, distance

Cells = Sequence[Cell]
Neighbours = Counter[tuple[str, str, str]]

# Above that the exact distance takes gigabytes; what is taken instead never flatters. 4000 x 4000 takes seconds.
MOST_PAIRS = 20_000_000


@dataclass(frozen=True, slots=True)
class Label:
    """A node: "table", "tr" or "td" with its spans and its text."""

    tag: str
    row_span: int = 1
    column_span: int = 1
    text: str = ""


@dataclass(frozen=True, slots=True)
class TableScore:
    """One table against the true one: with what its cells say, and by its shape alone."""

    teds: float
    structure: float


@dataclass(frozen=True, slots=True)
class Found:
    """Tables of a page against the true ones.

    scores      of pairs that were taken for the same table
    unpaired    true tables that were not found, and tables that are none
    """

    scores: tuple[TableScore, ...]
    unpaired: int


def compare(said: Sequence[Cells], true: Sequence[Cells]) -> Found:
    """Each table is compared with the one that shares most words with it; where none does, in their order."""
    bags = [[word for cell in table for word in words(cell.text)] for table in (*said, *true)]
    likeness = np.array([[overlap(a, b).f1 for b in bags[len(said) :]] for a in bags[: len(said)]])
    pairs = best_pairs(likeness.reshape(len(said), len(true)), least=0.0)
    scores = tuple(teds(said[i], true[j]) for i, j in pairs)
    return Found(scores, len(said) + len(true) - 2 * len(pairs))


def teds(said: Cells, true: Cells) -> TableScore:
    """1 - tree edit distance / nodes of the larger tree."""
    ours, theirs = Order(tree(said)), Order(tree(true))
    most = max(len(ours), len(theirs)) - 1  # as in the published definition, the table itself is not counted
    if not most:
        return TableScore(1.0, 1.0)
    if len(ours) * len(theirs) > MOST_PAIRS:
        return TableScore(_by_rows(said, true, most, texts=True), _by_rows(said, true, most, texts=False))
    shape = _shape_costs(ours, theirs)
    exact = np.maximum(shape, _text_costs(ours, theirs))
    full, structure = (max(0.0, 1 - distance(ours, theirs, costs) / most) for costs in (exact, shape))
    return TableScore(full, structure)


def tree(cells: Cells) -> Node[Label]:
    """`table > tr > td`."""
    rows: dict[int, list[Node[Label]]] = {}
    for cell in sorted(cells, key=lambda cell: (cell.row, cell.column)):
        label = Label("td", cell.row_span, cell.column_span, tidy(cell.text))
        rows.setdefault(cell.row, []).append(Node(label))
    return Node(Label("table"), tuple(Node(Label("tr"), tuple(row)) for row in rows.values()))


def _shape_costs(ours: Order[Label], theirs: Order[Label]) -> Floats:
    """1 where tags or spans differ: (nodes of ours, nodes of theirs)."""
    kinds: dict[tuple[str, int, int], int] = {}
    a, b = (
        np.array([kinds.setdefault((x.tag, x.row_span, x.column_span), len(kinds)) for x in order.labels])
        for order in (ours, theirs)
    )
    costs: Floats = np.not_equal.outer(a, b).astype(np.float64)
    return costs


def _text_costs(ours: Order[Label], theirs: Order[Label]) -> Floats:
    """Levenshtein distance / length of the longer, for each pair of texts; each text is looked at once."""
    (texts_a, at_a), (texts_b, at_b) = (_distinct([x.text for x in order.labels]) for order in (ours, theirs))
    costs = cdist(texts_a, texts_b, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    spread: Floats = costs[np.ix_(at_a, at_b)]
    return spread


def _distinct(texts: Sequence[str]) -> tuple[list[str], list[int]]:
    places: dict[str, int] = {}
    at = [places.setdefault(text, len(places)) for text in texts]
    return list(places), at


def _by_rows(said: Cells, true: Cells, most: int, *, texts: bool) -> float:
    """At most the exact similarity: rows that are not equal are taken out and put in again as a whole."""
    ours, theirs = (
        [
            tuple((td.label.row_span, td.label.column_span, td.label.text if texts else "") for td in row.children)
            for row in tree(cells).children
        ]
        for cells in (said, true)
    )
    kept = sum(
        1 + len(ours[block.a + at])
        for block in Levenshtein.opcodes(ours, theirs).as_matching_blocks()
        for at in range(block.size)
    )
    return max(0.0, 1 - (sum(1 + len(row) for row in (*ours, *theirs)) - 2 * kept) / most)


def neighbours(cells: Cells) -> Neighbours:
    """Pairs of filled cells with nothing filled between them, as (text, text, "right" or "below").

    Of a cell's text only letters and digits count, and no case.
    """
    grid: dict[tuple[int, int], int] = {}
    texts = [_bare(cell.text) for cell in cells]
    for place, cell in enumerate(cells):
        if cell.text.strip():
            for row in range(cell.row, cell.row + cell.row_span):
                grid.update(((row, cell.column + step), place) for step in range(cell.column_span))
    by_row: dict[int, list[int]] = {}
    by_column: dict[int, list[int]] = {}
    for row, column in sorted(grid):
        by_row.setdefault(row, []).append(grid[row, column])
    for row, column in sorted(grid, key=lambda place: (place[1], place[0])):
        by_column.setdefault(column, []).append(grid[row, column])
    pairs = {(a, b, "right") for line in by_row.values() for a, b in pairwise(line) if a != b}
    pairs |= {(a, b, "below") for line in by_column.values() for a, b in pairwise(line) if a != b}
    return Counter((texts[a], texts[b], direction) for a, b, direction in pairs)


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
