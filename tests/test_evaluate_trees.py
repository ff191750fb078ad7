"""Tree edit distance, against APTED and against a definition that anybody can check."""

from __future__ import annotations

import time
from functools import cache

import numpy as np
from apted import APTED, Config
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.evaluate.trees import Node, Order, distance

LABELS = "abcd"


def trees(leaves: int = 9) -> st.SearchStrategy[Node[str]]:
    """Ordered trees of any shape."""
    return st.recursive(
        st.sampled_from(LABELS).map(Node),
        lambda inner: st.builds(Node, st.sampled_from(LABELS), st.lists(inner, max_size=4).map(tuple)),
        max_leaves=leaves,
    )


@st.composite
def costs(draw: st.DrawFn) -> dict[tuple[str, str], float]:
    """What renaming costs: nothing for the same name, else anything from 0 to 1."""
    some = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    return {(a, b): 0.0 if a == b else draw(some) for a in LABELS for b in LABELS}


def matrix(a: Order[str], b: Order[str], prices: dict[tuple[str, str], float]) -> np.ndarray:
    return np.array([[prices[x, y] for y in b.labels] for x in a.labels])


def ours(a: Node[str], b: Node[str], prices: dict[tuple[str, str], float]) -> float:
    one, two = Order(a), Order(b)
    return distance(one, two, matrix(one, two, prices))


def by_apted(a: Node[str], b: Node[str], prices: dict[tuple[str, str], float]) -> float:
    class Prices(Config):
        def rename(self, node1: Node[str], node2: Node[str]) -> float:
            return prices[node1.label, node2.label]

        def children(self, node: Node[str]) -> list[Node[str]]:
            return list(node.children)

    return float(APTED(a, b, Prices()).compute_edit_distance())


def by_definition(a: Node[str], b: Node[str], prices: dict[tuple[str, str], float]) -> float:
    """Forests: the last root is taken out, put in, or one becomes the other."""

    @cache
    def size(forest: tuple[Node[str], ...]) -> int:
        return sum(1 + size(tree.children) for tree in forest)

    @cache
    def far(one: tuple[Node[str], ...], two: tuple[Node[str], ...]) -> float:
        if not one or not two:
            return size(one) + size(two)
        x, y = one[-1], two[-1]
        return min(
            far((*one[:-1], *x.children), two) + 1,
            far(one, (*two[:-1], *y.children)) + 1,
            far(one[:-1], two[:-1]) + far(x.children, y.children) + prices[x.label, y.label],
        )

    return far((a,), (b,))


@given(trees(), trees(), costs())
@settings(deadline=None)
def test_it_is_what_apted_says(a, b, prices):
    """APTED is the algorithm that TEDS is published with; rows of arrays must not change the result."""
    assert abs(ours(a, b, prices) - by_apted(a, b, prices)) < 1e-9


@given(trees(5), trees(5), costs())
@settings(max_examples=60, deadline=None)
def test_it_is_what_the_definition_says(a, b, prices):
    """Two libraries may share a mistake; the recursion over forests fits on a hand."""
    assert abs(ours(a, b, prices) - by_definition(a, b, prices)) < 1e-9


@given(trees(), trees())
@settings(deadline=None)
def test_it_is_a_distance(a, b):
    """Nothing between a tree and itself, the same both ways, never more than taking out all and putting in all."""
    prices = {(x, y): float(x != y) for x in LABELS for y in LABELS}
    far = ours(a, b, prices)
    assert ours(a, a, prices) == 0
    assert far == ours(b, a, prices)
    assert 0 <= far <= len(Order(a)) + len(Order(b))
    assert (far == 0) == (a == b)


@given(trees(6), trees(6), trees(6))
@settings(max_examples=50, deadline=None)
def test_a_detour_is_not_shorter(a, b, c):
    """The triangle inequality."""
    prices = {(x, y): float(x != y) for x in LABELS for y in LABELS}
    assert ours(a, c, prices) <= ours(a, b, prices) + ours(b, c, prices) + 1e-9


@given(trees())
@settings(deadline=None)
def test_children_stand_before_their_parent(tree):
    """The order that the algorithm is made for: every subtree is a run of places that ends in its root."""
    order = Order(tree)

    def count(node: Node[str]) -> int:
        return 1 + sum(map(count, node.children))

    assert len(order) == count(tree)
    assert order.labels[-1] == tree.label
    assert all(order.first[place] <= place for place in range(len(order)))
    assert (order.height[order.first] == 0).all()


def test_a_tree_as_deep_as_it_is_large_is_no_problem():
    """A model may nest without end; nothing here recurses."""
    tree: Node[str] = Node("a")
    for _ in range(3000):
        tree = Node("b", (tree,))
    assert len(Order(tree)) == 3001
    assert Order(tree).roots == [3000]


def test_a_large_table_takes_seconds():
    """A table over three pages has two thousand cells; APTED takes minutes for it."""

    def grid(rows: int, columns: int, shift: int) -> Order[str]:
        cells = [[Node(LABELS[(row * column + shift) % 4]) for column in range(columns)] for row in range(rows)]
        return Order(Node("a", tuple(Node("b", tuple(row)) for row in cells)))

    a, b = grid(200, 10, 0), grid(198, 10, 1)
    prices = {(x, y): float(x != y) for x in LABELS for y in LABELS}
    start = time.perf_counter()
    far = distance(a, b, matrix(a, b, prices))
    assert time.perf_counter() - start < 20
    assert 22 <= far <= len(a)
