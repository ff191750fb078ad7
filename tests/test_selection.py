"""Page lists as people write them."""

import pytest

from smoldocling.errors import UnusableOption
from smoldocling.selection import parse


@pytest.mark.parametrize(
    ("text", "page_count", "numbers"),
    [
        (None, 3, [1, 2, 3]),
        ("2", 3, [2]),
        ("1-3,7", 9, [1, 2, 3, 7]),
        ("7, 1-3", 9, [1, 2, 3, 7]),
        ("2-", 4, [2, 3, 4]),
        ("1-10", 3, [1, 2, 3]),
        ("1,1,1-2", 3, [1, 2]),
        ("9", 3, [9]),
        ([3, 1], 3, [1, 3]),
        ("5-6", 3, []),
    ],
)
def test_selects_these_pages(text, page_count, numbers):
    """A single page that is not there stays in, so that it can be reported; a range is clipped to the document."""
    assert parse(text).numbers(page_count) == numbers


@pytest.mark.parametrize(
    "text", ["", "a", "1-b", "0", "3-1", "1;2", "-1", "1--2", "1,,2", "9" * 5000, [0], [], [1.5], ["a"], [True], 3.5]
)
def test_refuses_what_is_no_page_list(text):
    """The message says what came and what is taken."""
    with pytest.raises(UnusableOption, match="page"):
        parse(text)


def test_a_huge_range_costs_nothing():
    """Nobody may hang us with a number."""
    assert parse("1-999999999").numbers(2) == [1, 2]
