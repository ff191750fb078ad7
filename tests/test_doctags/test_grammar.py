"""The law itself: which tags there are, what State allows, and that the documentation says the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docling_core.types.doc import tokens as theirs
from doctags_cases import NAMES, source

import doctags
from doctags import manual
from doctags.grammar import CHILDREN, CLASS, LOC, MAX_DEPTH, SPACE, START, TEXT
from doctags.tokens import GUARD, LANGUAGES, lookup

PAGE = Path(__file__).resolve().parents[2] / "docs" / "grammar.md"


def test_documentation_is_what_the_tables_say() -> None:
    """docs/grammar.md is generated. SMOLDOCLING_ACCEPT=1 writes it anew."""
    if os.environ.get("SMOLDOCLING_ACCEPT"):
        PAGE.write_text(manual.page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == manual.page()


def test_every_tag_of_docling_core_is_known() -> None:
    """Text written by any version of docling must not turn tags into text."""
    enums = (theirs.TableToken, theirs._PictureClassificationToken, theirs._CodeLanguageToken)
    spelt = [member.value for enum in enums for member in enum]
    spelt += theirs.DocumentToken.get_special_tokens()
    assert [tag for tag in spelt if lookup(tag) is None] == []


@pytest.mark.parametrize(
    "text",
    ["<b>", "<loc_>", "<loc_-1>", "<loc_1.5>", "<Text>", "<text >", "<text/>", "</nl>", "<section_header_level_7>"],
)
def test_only_known_tags_are_tags(text: str) -> None:
    """Everything else between angle brackets is text: code, formulas, comparisons."""
    assert lookup(text) is None


def test_import_brings_in_the_standard_library_only() -> None:
    """The language can be used where nothing else is installed."""
    code = "import sys, doctags; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    root = str(PAGE.parents[1])
    found = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert [name for name in found if name not in sys.stdlib_module_names and name not in ("doctags", "__main__")] == []


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", {"<doctag>", SPACE}),
        ("<doctag></doctag>", set()),
        ("<doctag><text><loc_1>", {LOC}),
        ("<doctag><picture>", {LOC, CLASS, SPACE, "<smiles>", "<otsl>", "<caption>", "</picture>"}),
        ("<doctag><caption>words", {TEXT, "<inline>", "</caption>"}),
        (
            "<doctag><ordered_list>",
            {LOC, SPACE, "<list_item>", "<ordered_list>", "<unordered_list>", "</ordered_list>"},
        ),
        ("<doctag><otsl><fcel>a<lcel>", {"<nl>", "<lcel>"}),
        ("<doctag><otsl><fcel>a<lcel><nl><ucel>", {"<xcel>"}),
        ("<doctag><otsl><fcel>a<nl><ecel>", {"<nl>"}),
        ("<doctag><key_value_region><key_7>", {LOC, TEXT, "<link_N>", "</key_7>"}),
    ],
)
def test_allowed_is_what_may_come_next(text: str, allowed: set[str]) -> None:
    """The constrained decoder masks everything else."""
    cells = {"<fcel>", "<ecel>", "<ched>", "<rhed>", "<srow>"}
    spans = {"<inline>", "<checkbox_selected>", "<checkbox_unselected>"}
    assert START.follow(text).allowed() - cells - spans == allowed - cells - spans


def test_locations_keep_boxes_the_right_way_round() -> None:
    """A box has an area and lies on the grid."""
    state = START.follow("<doctag><text>")
    assert (state.locations[0], state.locations[-1]) == (0, 499)
    state = state.follow("<loc_100><loc_499>")
    assert (state.locations[0], state.locations[-1]) == (101, 500)
    assert list(state.advance("<loc_300>").locations) == [500]


@pytest.mark.parametrize(
    ("text", "closers"),
    [
        ("", "<doctag></doctag>"),
        ("<doctag><text>broken o", "</text></doctag>"),
        ("<doctag><text><loc_1><loc_2>", "<loc_500><loc_500></text></doctag>"),
        ("<doctag><otsl><fcel>a<lcel><fcel>b<nl><ucel>", "<xcel><ecel><nl></otsl></doctag>"),
        (
            "<doctag><ordered_list><list_item><otsl><fcel><inline>",
            "</inline><nl></otsl></list_item></ordered_list></doctag>",
        ),
        ("<doctag></doctag>", ""),
    ],
)
def test_closers_are_the_shortest_way_out(text: str, closers: str) -> None:
    """A page that was cut off ends like this."""
    assert "".join(START.follow(text).closers()) == closers


def test_a_symbol_that_may_not_come_is_refused_with_what_may() -> None:
    """A decoder with a bug shall hear of it."""
    with pytest.raises(ValueError, match=r"</text> may not come here; allowed: .*<list_item>"):
        START.follow("<doctag><ordered_list></text>")
    with pytest.raises(ValueError, match="stands for many tags"):
        START.follow("<doctag><text>").advance(LOC)


def test_depth_is_bounded() -> None:
    """Whoever walks a tree may recurse: no opener is allowed beyond the bound, and closing always is."""
    state = START.follow("<doctag>")
    while openers := sorted(state.allowed() & {"<ordered_list>", "<list_item>"}):
        state = state.advance(openers[0])
    assert state.depth == MAX_DEPTH
    assert len(state.closers()) == MAX_DEPTH


def test_states_are_values() -> None:
    """Equal states are equal keys: masks can be cached by state."""
    one, other = START.follow("<doctag><text>a"), START.follow("<doctag><text>something else")
    assert one == other
    assert len({one, other, START}) == 2


def test_every_place_has_a_rule_and_every_kind_a_place() -> None:
    """A row of the tag table without a row in the nesting table would be a tag that may stand nowhere."""
    assert set(CHILDREN) == set(doctags.tokens.KINDS)
    placed = set().union(*CHILDREN.values())
    assert set(CHILDREN) - placed == {"page", "cell"}


@pytest.mark.parametrize("name", NAMES)
def test_canonical_fixtures_use_only_tags_of_the_dialect(name: str) -> None:
    """SmolDocling never saw <inline> or <group>; its dialect has their content instead."""
    text = doctags.write(doctags.parse(source(name)), dialect="smoldocling")
    found = {token.tag.kind for token in doctags.lexer.tokens(text) if token.tag is not None}
    assert found.isdisjoint({"inline", "group", "references", "handwritten_text"})


def test_languages_are_found_whatever_their_case() -> None:
    """Trees from elsewhere say `python`; what DocTags cannot name becomes unknown."""
    code = [doctags.Element("code", "x", label=label) for label in ("python", "C#", "Klingon")]
    text = doctags.write(doctags.Page(tuple(code)), pretty=False)
    assert text == "<doctag><code><_Python_>x</code><code><_C#_>x</code><code><_unknown_>x</code></doctag>"
    assert len(LANGUAGES) == len(set(map(str.lower, LANGUAGES)))


def test_the_guard_is_invisible_and_no_white_space() -> None:
    """It must survive strip() and not break lines."""
    assert not GUARD.isspace()
    assert GUARD.encode("unicode_escape") == b"\\u2060"
