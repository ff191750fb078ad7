"""Hostile sizes: depth, raggedness and length cost time and memory in proportion, and never an exception."""

import gc
import time

import pytest

import doctags
from doctags.grammar import MAX_DEPTH
from doctags.table import MAX_FILL, SMALL_GRID


def process_time(text: str) -> float:
    """Seconds that reading takes, the best of three: neighbours disturb some. The collector's share grows in jumps."""
    times = []
    gc.disable()
    for _ in range(3):
        begin = time.process_time()
        doctags.parse(text)
        times.append(time.process_time() - begin)
    gc.enable()
    return min(times)


def depth(tree: doctags.Document) -> int:
    """Elements in each other."""
    level = [element for page in tree.pages for element in page.elements]
    deepest = 0
    while level:
        deepest += 1
        inner = [child for element in level for child in element.children]
        level = inner + [child for element in level for cell in element.cells for child in cell.children]
    return deepest


@pytest.mark.parametrize(
    "opener",
    ["<unordered_list><list_item>x", "<group>", "<otsl><fcel>x", "<inline><text>x", "<code><loc_1>", "<key_1>x"],
)
@pytest.mark.parametrize("closed", [True, False])
def test_ten_thousand_levels_are_no_recursion_error(opener: str, closed: bool) -> None:
    """Reading, comparing, printing, writing and checking all recurse or walk; the tree's depth is bounded for them."""
    closer = "".join(f"</{tag}>" for tag in ("list_item", "unordered_list", "group", "otsl", "text", "inline", "code"))
    text = f"<doctag>{opener * 10_000}{closer * 10_000 if closed else ''}"
    tree = doctags.parse(text)
    assert depth(tree) < MAX_DEPTH
    assert repr(tree)
    assert doctags.parse(doctags.write(tree)) == tree
    assert doctags.validate(text)


def test_too_deep_is_said() -> None:
    """What was nested deeper becomes a sibling, and the problem names the bound."""
    problems = doctags.parse("<doctag>" + "<group>" * (MAX_DEPTH + 3)).problems
    assert [problem.kind for problem in problems].count("too_deep") == 4
    assert f"more than {MAX_DEPTH}" in next(problem.message for problem in problems if problem.kind == "too_deep")


HOSTILE = [
    ("<picture>x", "<map>"),
    ("<code>", "</text>"),
    ("<code>", "<text>"),
    ("<text>", "a<loc_1><loc_2><loc_3><loc_4>"),
    ("<list_item><inline></inline>", "a<loc_1><loc_2><loc_3><loc_4>"),
    ("<otsl><fcel>", "a<lcel>"),
    ("<otsl>", "<fcel><nl>"),
    ("<text>", "< "),
    ("<text>", "<\u2060"),
]


@pytest.mark.parametrize(("start", "again"), HOSTILE)
def test_what_could_be_gone_over_again_is_not(start: str, again: str) -> None:
    """Each of these was or might be quadratic. Four times as much takes about four times as long, not sixteen."""
    few, many = (process_time(f"<doctag>{start}{again * count}") for count in (10_000, 40_000))
    assert many < 10 * few + 0.05


@pytest.mark.parametrize("tag", ["<text>", "<otsl>", "<list_item>"])
def test_a_hundred_thousand_unclosed_tags_take_seconds(tag: str) -> None:
    """Quadratic work would take many minutes here."""
    assert process_time("<doctag>" + tag * 100_000) < 20


def test_a_ragged_table_is_not_filled_without_bound() -> None:
    """A thousand cells in one row and a thousand rows of one would be a million slots: long rows are folded."""
    text = f"<doctag><otsl>{'<fcel>a' * 1_000}<nl>{'<fcel>b<nl>' * 1_000}</otsl></doctag>"
    tree = doctags.parse(text)
    (table,) = tree.pages[0].elements
    assert table.rows * table.columns <= max(MAX_FILL * 2_000, SMALL_GRID)
    assert sum(cell.text == "a" for cell in table.cells) == 1_000
    assert [problem.kind for problem in tree.problems] == ["folded_row"]


def test_single_characters_without_end_are_not_quadratic() -> None:
    """The engine feeds a few characters at a time, and a `<` may never find its `>`."""
    parser = doctags.Parser()
    parser.feed("<doctag><text><")
    begin = time.process_time()
    for _ in range(200_000):
        parser.feed("a")
    assert time.process_time() - begin < 10
    assert parser.close().pages[0].elements[0].text == "<" + "a" * 200_000


def test_elements_that_stream_in_are_not_copied_again_and_again() -> None:
    """`feed` returns what is new; it must not look at the whole page each time."""
    parser = doctags.Parser()
    begin = time.process_time()
    for _ in range(20_000):
        assert len(parser.feed("<text>a</text>")) in (0, 1)
    assert time.process_time() - begin < 10
