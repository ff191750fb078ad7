"""Which headings a document has, and which stands below which.

Knows: headings. Does not know: pages, files. The depth of a heading is that of the headings around it: a document whose
levels are all one deeper has the same tree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from smoldocling.evaluate.content import Block, tidy
from smoldocling.evaluate.trees import Node, Order, distance


def compare(said: Sequence[Block], true: Sequence[Block]) -> float | None:
    """1 - tree edit distance / headings of the one that has more; None where neither has any.

    A heading may be renamed for the share of its characters that differ.
    """
    ours, theirs = Order(tree(said)), Order(tree(true))
    most = max(len(ours), len(theirs)) - 1
    if not most:
        return None
    costs = cdist(ours.labels, theirs.labels, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    # the document itself is no heading
    costs[-1, :], costs[:, -1], costs[-1, -1] = 1.0, 1.0, 0.0
    return max(0.0, 1 - distance(ours, theirs, costs) / most)


def tree(blocks: Sequence[Block]) -> Node[str]:
    """A heading is below the last one before it that has a lower level; all are below the document."""
    open_: list[tuple[int, str, list[Node[str]]]] = [(-1, "", [])]
    for block in (block for block in blocks if block.kind == "heading"):
        _close(open_, block.level)
        open_.append((block.level, tidy(block.text), []))
    _close(open_, 0)
    return Node("", tuple(open_[0][2]))


def _close(open_: list[tuple[int, str, list[Node[str]]]], level: int) -> None:
    while len(open_) > 1 and open_[-1][0] >= level:
        _, text, children = open_.pop()
        open_[-1][2].append(Node(text, tuple(children)))
