"""A runaway model writes one thing ten thousand times; no converter may take more than moments over it."""

import time

import pytest
from trees import TRAPS

import converters
from doctags.tree import Cell, Element, Page

LENGTH = 60_000
# Linear work takes a tenth of this on a slow machine, quadratic work a hundred times as much.
SECONDS = 6.0
UNITS = sorted(
    {*TRAPS, "a", "中", "a-", "a-\n", " ", "a ", "\\", "_", "*a", "$a", "[a](", "&a", "{", "^{", "1. ", "x "}
)


def page(unit: str) -> Page:
    words = (unit * (LENGTH // len(unit) + 1))[:LENGTH]
    elements = [Element(kind, words) for kind in ("text", "title", "code", "formula", "footnote")]
    listed = Element("unordered_list", children=(Element("list_item", words),))
    table = Element("otsl", cells=(Cell(0, 0, words), Cell(0, 1, "x")))
    return Page((*elements, listed, table))


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_repetition_costs_no_more_than_its_length(unit):
    """Every pattern here once ran away in somebody's converter."""
    made = page(unit)
    start = time.perf_counter()
    converters.to_markdown(made)
    converters.to_text(made)
    converters.to_html(made)
    converters.to_json(made)
    assert time.perf_counter() - start < SECONDS
