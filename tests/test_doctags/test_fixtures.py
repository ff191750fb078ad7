"""Each construct of the language: what it is read as, and that what is written reads the same."""

import os

import pytest
from doctags_cases import FIXTURES, NAMES, outline, source, streamed_in

import doctags
from doctags.grammar import START
from doctags.problems import PROBLEMS

ACCEPT = "SMOLDOCLING_ACCEPT"
"""Set this variable to write the trees as they are now; then read the difference before you commit it."""


@pytest.mark.parametrize("name", NAMES)
def test_fixture_is_read_as_its_tree_says(name: str) -> None:
    """The outline beside each text is the specification of its construct."""
    expected = FIXTURES / f"{name}.tree"
    got = outline(doctags.parse(source(name)))
    if os.environ.get(ACCEPT):
        expected.write_text(got, encoding="utf-8")
    assert got == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_fixture_is_read_the_same_by_single_characters(name: str) -> None:
    """No tag arrives whole: the long way through the parser, which the short one must agree with."""
    assert outline(streamed_in(source(name))) == outline(doctags.parse(source(name)))


@pytest.mark.parametrize("pretty", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_fixture_is_written_and_read_again(name: str, pretty: bool) -> None:
    """The canonical form says the same, obeys the grammar and has nothing left to mend."""
    tree = doctags.parse(source(name))
    text = doctags.write(tree, pretty=pretty)
    again = doctags.parse(text)
    assert again == tree
    assert START.follow(text).complete
    assert [problem for problem in again.problems if problem.severity == "error"] == []


def test_every_problem_of_the_parser_has_a_fixture() -> None:
    """A message that no fixture shows may be wrong without anybody noticing."""
    shown = "".join(path.read_text(encoding="utf-8") for path in FIXTURES.glob("*.tree"))
    of_parser = list(PROBLEMS)[: list(PROBLEMS).index("no_end") + 1]
    beyond_a_page = {"too_deep", "folded_row"}  # too long to be read by eye; test_growth has them
    assert [kind for kind in of_parser if f" {kind} " not in shown and kind not in beyond_a_page] == []


@pytest.mark.parametrize("name", NAMES)
def test_problems_point_into_the_source(name: str) -> None:
    """Offsets, line and column agree with each other."""
    text = source(name)
    for problem in doctags.validate(text):
        assert 0 <= problem.start <= problem.end <= len(text)
        assert problem.line == text.count("\n", 0, problem.start) + 1
        assert problem.column == problem.start - (text.rfind("\n", 0, problem.start) + 1) + 1
