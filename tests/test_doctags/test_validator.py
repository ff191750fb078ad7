"""What a grammar cannot say."""

import pytest

import doctags
from doctags import Box, Cell, Document, Element, Page
from doctags.problems import PROBLEMS

L = "<loc_1><loc_2><loc_30><loc_40>"

TEXTS = {
    "empty_box": "<doctag><text><loc_3><loc_2><loc_3><loc_4>a</text></doctag>",
    "missing_box": f"<doctag><text>{L}a</text><text>b</text></doctag>",
    "unknown_language": "<doctag><code><_Klingon_>nuqneH</code></doctag>",
    "orphan_caption": "<doctag><text>a</text><caption>b</caption></doctag>",
    "empty_list": "<doctag><ordered_list></ordered_list></doctag>",
    "broken_link": "<doctag><key_value_region><key_1>a<link_2></key_1></key_value_region></doctag>",
    "duplicate_ref": "<doctag><key_value_region><key_1>a</key_1><value_1>b</value_1></key_value_region></doctag>",
    "duplicate": f"<doctag><text>{L}a</text><formula>{L}b</formula><text>{L}a</text></doctag>",
    "repeated": "<doctag><text>a</text><text>a</text><text>a</text></doctag>",
}

TREES = {
    "inverted_box": Element("text", "a", (Box(9, 2, 3, 4),)),
    "box_out_of_range": Element("text", "a", (Box(1, 2, 700, 4),)),
    "bad_level": Element("section_header", "a", level=9),
    "unknown_kind": Element("heading", "a"),
    "bad_nesting": Element("text", "a", children=(Element("title", "b"),)),
    "overlapping_cells": Element("otsl", cells=(Cell(0, 0, "a", 1, 2), Cell(0, 1, "b"))),
    "uncovered_slot": Element("otsl", cells=(Cell(0, 0, "a"), Cell(1, 1, "b"))),
    "bad_span": Element("otsl", cells=(Cell(0, 0, "a", 0, 1),)),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_validator_finds(kind: str) -> None:
    """One text for each problem, with that problem and no other."""
    assert [problem.kind for problem in doctags.validate(TEXTS[kind])] == [kind]


@pytest.mark.parametrize("kind", TREES)
def test_validator_finds_in_trees_from_elsewhere(kind: str) -> None:
    """The parser never makes such trees; readers of PDFs may."""
    assert kind in [problem.kind for problem in doctags.validate(Document((Page((TREES[kind],)),)))]


def test_every_problem_of_the_validator_has_a_case() -> None:
    """A check that nothing shows may never fire."""
    after_parser = list(PROBLEMS)[list(PROBLEMS).index("no_end") + 1 :]
    assert {*after_parser, "inverted_box"} == {*TEXTS, *TREES}


@pytest.mark.parametrize("kind", TREES)
def test_writing_mends_what_the_validator_finds_in_trees(kind: str) -> None:
    """`validate --fix` writes the canonical form: no error is left in it."""
    text = doctags.write(TREES[kind])
    assert [problem for problem in doctags.validate(text) if problem.severity == "error"] == []


def test_positions_are_lines_and_columns_of_the_text() -> None:
    """An editor can jump there."""
    found = doctags.validate("<doctag><text>a</text>\n<text>b</text>\n  <caption>c</caption></doctag>")
    assert [(problem.kind, problem.line, problem.column) for problem in found] == [("orphan_caption", 3, 3)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a a b b", []),
        ("x a b a b a b y", ["the same block of 2 elements 3 times in a row"]),
        ("a a a a a a", ["the same text 6 times in a row"]),
        ("a a a b b b", ["the same text 3 times in a row", "the same text 3 times in a row"]),
        ("a b c a b c a b d", []),
    ],
)
def test_loops_are_blocks_that_follow_themselves(words: str, found: list[str]) -> None:
    """Three copies in a row are a loop; each loop is reported once, with its shortest block."""
    text = "".join(f"<text>{word}</text>" for word in words.split())
    messages = [problem.message.partition(";")[0] for problem in doctags.validate(f"<doctag>{text}</doctag>")]
    assert messages == found


def test_tables_repeat_like_text_does() -> None:
    """A loop of tables has no text of its own, only cells."""
    table = f"<otsl>{L}<fcel>a<nl></otsl>"
    kinds = {problem.kind for problem in doctags.validate(f"<doctag>{table * 4}</doctag>")}
    assert kinds == {"repeated", "duplicate"}


def test_a_caption_beside_its_picture_is_no_orphan() -> None:
    """docling writes captions at page level, too; one picture takes one caption."""
    picture, caption = "<picture></picture>", "<caption>c</caption>"
    assert doctags.validate(f"<doctag>{picture}{caption}</doctag>") == ()
    assert doctags.validate(f"<doctag>{caption}{picture}</doctag>") == ()
    owned = "<picture><caption>mine</caption></picture>"
    assert [problem.kind for problem in doctags.validate(f"<doctag>{owned}{caption}</doctag>")] == ["orphan_caption"]
