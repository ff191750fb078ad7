"""How many nodes of one ordered tree have to be put in, taken out or renamed to make another.

Knows: trees, costs. Does not know: what the nodes are. Putting in and taking out cost 1, renaming from 0 to 1.

Zhang and Shasha 1989, one row of the table at a time: a row is a few operations on whole arrays, and subtrees of the
same height are done in one go. Trees as flat as tables take time by the product of their sizes, and little of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Node(Generic[T]):
    """A tree."""

    label: T
    children: tuple[Node[T], ...] = ()


class Order(Generic[T]):
    """A tree's nodes, children before their parent.

    labels  of the nodes; `first` the place of each one's first leaf; `height` above its deepest leaf
    """

    def __init__(self, root: Node[T]) -> None:
        self.labels: list[T] = []
        first: list[int] = []
        height: list[int] = []
        # (node, place of its first leaf, heights of its children) once its children are done
        stack: list[tuple[Node[T], bool, int]] = [(root, False, 0)]
        heights: list[int] = []
        while stack:
            node, done, start = stack.pop()
            if not done:
                stack.append((node, True, len(self.labels)))
                # children are popped in their order, and each finds its first leaf where the last one ended
                stack.extend((child, False, 0) for child in reversed(node.children))
                continue
            below = [heights.pop() for _ in node.children]
            heights.append(1 + max(below, default=-1))
            self.labels.append(node.label)
            first.append(start)
            height.append(heights[-1])
        self.first: Ints = np.array(first, dtype=np.intp)
        self.height: Ints = np.array(height, dtype=np.intp)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def leaves(self) -> Ints:
        """Places of nodes without children."""
        return np.flatnonzero(self.height == 0)

    @cached_property
    def inner(self) -> Ints:
        """Places of nodes with children."""
        return np.flatnonzero(self.height > 0)

    @cached_property
    def roots(self) -> list[int]:
        """Inner nodes that are the highest with their first leaf (keyroots), in order."""
        highest = {int(first): place for place, first in enumerate(self.first)}
        return sorted(place for place in highest.values() if self.height[place] > 0)

    @cached_property
    def layers(self) -> list[list[int]]:
        """`roots` by height, lowest first: within a layer no subtree holds another."""
        by_height: dict[int, list[int]] = defaultdict(list)
        for place in self.roots:
            by_height[int(self.height[place])].append(place)
        return [by_height[height] for height in sorted(by_height)]


def distance(a: Order[T], b: Order[T], rename: Floats) -> float:
    """The least cost of making `b` of `a`. `rename`: (nodes of a, nodes of b), each from 0 to 1."""
    assert rename.shape == (len(a), len(b)), "a cost for each pair of nodes"
    trees = np.zeros((len(a), len(b)))
    trees[np.ix_(a.leaves, b.leaves)] = rename[np.ix_(a.leaves, b.leaves)]
    # one node against a tree: it becomes the node of the tree that it is most like, the others are put in
    for node in b.inner:
        start = b.first[node]
        trees[a.leaves, node] = rename[a.leaves, start : node + 1].min(axis=1) + (node - start)
    for node in a.inner:
        start = a.first[node]
        trees[node, b.leaves] = rename[start : node + 1, b.leaves].min(axis=0) + (node - start)
    layers = [_Layer(b, layer, len(a) + len(b)) for layer in b.layers]
    for root in a.roots:
        for layer in layers:
            layer.against(a, root, rename, trees)
    return float(trees[-1, -1])


class _Layer:
    """Subtrees side by side, each with an empty forest before its first node, as one row of columns."""

    def __init__(self, order: Order[T], roots: Sequence[int], dearest: int) -> None:
        nodes, begins, back = [], [], []
        width = 0
        for root in roots:
            start = int(order.first[root])
            places = np.arange(start, root + 1)
            nodes.append(places)
            begins.append(np.full(len(places) + 1, width))
            back.append(width + order.first[places] - start)
            width += len(places) + 1
        self._nodes: Ints = np.concatenate(nodes)
        begin: Ints = np.concatenate(begins)
        self._count: Floats = (np.arange(width) - begin).astype(np.float64)
        self._filled: Ints = np.flatnonzero(self._count > 0)
        self._empty: Ints = np.flatnonzero(self._count == 0)
        # column of the forest that is left when the node's own tree is taken away
        self._back: Ints = np.concatenate(back)
        self._whole = self._back == begin[self._filled]
        # nothing is put in across the border of two subtrees: each lies deeper than anything to its left can cost
        self._slope: Floats = self._count + np.cumsum(self._count == 0) * 2.0 * (dearest + 1)

    def against(self, a: Order[T], root: int, rename: Floats, trees: Floats) -> None:
        """Fill in `trees` for all subtrees along `root`'s first path, against all along those of this layer."""
        start = int(a.first[root])
        forests = np.empty((root - start + 2, len(self._count)))
        forests[0] = self._count
        for row, node in enumerate(range(start, root + 1)):
            first = int(a.first[node])
            costs = forests[first - start, self._back] + trees[node, self._nodes]
            if first == start:
                along = forests[row, self._filled - 1] + rename[node, self._nodes]
                costs = np.where(self._whole, along, costs)
            new = forests[row + 1]
            new[self._empty] = row + 1.0
            new[self._filled] = np.minimum(costs, forests[row, self._filled] + 1.0)
            new -= self._slope
            np.minimum.accumulate(new, out=new)
            new += self._slope
            if first == start:
                trees[node, self._nodes[self._whole]] = new[self._filled[self._whole]]
