"""What holds for every text and every tree."""

import random
from collections import Counter

import hypothesis.strategies as st
from doctags_cases import chunks, cuts, ragged_texts, streamed_in, texts, visible, walk
from hypothesis import example, given, settings

import doctags
from doctags import Box, Cell, Document, Element, Page
from doctags.grammar import MAX_DEPTH, START
from doctags.lexer import guarded, tokens
from doctags.problems import PROBLEMS
from doctags.table import Slot, grid, rows
from doctags.tokens import GUARD, KINDS, LAYOUT, PREFIX

any_text = ragged_texts | st.text()


@given(any_text)
@settings(max_examples=200)
def test_no_text_is_too_broken(text: str) -> None:
    """Reading, checking and writing are total: a model may write anything."""
    tree = doctags.parse(text)
    assert tree.pages
    assert all(problem.kind in PROBLEMS for problem in doctags.validate(text))
    assert doctags.write(tree).startswith("<doctag>")


@given(any_text)
@settings(max_examples=200)
@example("<text>x <y and z</text>")
@example("<otsl><fcel>p<0.05 and r>0.3<nl>")
@example("words<sect")
def test_no_character_is_lost_and_none_is_invented(text: str) -> None:
    """Every character that is not part of a known tag is in the tree's texts, as often as in the source."""
    tree = doctags.parse(text)
    kept = Counter(visible("".join(texts(tree))))
    source = "".join(token.text for token in tokens(text) if token.tag is None)
    if text.lstrip(LAYOUT).startswith(PREFIX) and "<doctag>" in text:
        source = source.replace(PREFIX, "", 1)
    assert not Counter(visible(source)) - kept
    assert not kept - Counter(visible(text))


@given(any_text, st.booleans())
@settings(max_examples=200)
def test_what_is_written_reads_as_what_was_written(text: str, pretty: bool) -> None:
    """The round trip: trees survive in both layouts, and the canonical form is a fixed point."""
    tree = doctags.parse(text)
    canonical = doctags.write(tree, pretty=pretty)
    again = doctags.parse(canonical)
    assert again == tree
    assert doctags.write(again, pretty=pretty) == canonical


@given(any_text, st.booleans())
@settings(max_examples=200)
def test_what_is_written_obeys_the_grammar(text: str, pretty: bool) -> None:
    """Mended is mended: the canonical form of the worst text is DocTags without an error."""
    canonical = doctags.write(doctags.parse(text), pretty=pretty)
    assert START.follow(canonical).complete
    assert [problem for problem in doctags.parse(canonical).problems if problem.severity == "error"] == []


@given(any_text, cuts)
@settings(max_examples=300)
def test_parsing_in_pieces_changes_nothing(text: str, at: list[int]) -> None:
    """The engine streams; neither tree nor spans nor problems may depend on where the chunks fell. Since whole elements
    in one chunk take a shorter way through the parser, this proves that both ways lead to the same."""
    assert repr(streamed_in(chunks(text, at))) == repr(doctags.parse(text))


@given(any_text)
@settings(max_examples=100)
def test_parsing_by_single_characters_changes_nothing(text: str) -> None:
    """No chunk holds a tag here: the longest way through the parser."""
    assert repr(streamed_in(text)) == repr(doctags.parse(text))


@given(any_text, cuts)
def test_elements_come_out_when_they_close(text: str, at: list[int]) -> None:
    """What `feed` returns is the beginning of what the document will hold, in order and without repetition."""
    parser = doctags.Parser()
    early = [element for chunk in chunks(text, at) for element in parser.feed(chunk)]
    late = [element for page in parser.close().pages for element in page.elements]
    assert late[: len(early)] == early


def test_an_element_is_there_as_soon_as_it_is_closed() -> None:
    """A page can be shown while the model still writes it."""
    parser = doctags.Parser()
    assert parser.feed("<doctag><text>one</te") == ()
    assert parser.feed("xt>") == (Element("text", "one"),)
    assert parser.feed("<unordered_list><list_item>two</list_item>") == ()
    assert parser.feed("</unordered_list>") == (Element("unordered_list", children=(Element("list_item", "two"),)),)
    assert parser.close().pages[0].elements[0].text == "one"


@given(st.randoms(use_true_random=False), st.integers(0, 150))
@settings(max_examples=100, deadline=None)
def test_any_walk_over_what_is_allowed_validates(chance: random.Random, steps: int) -> None:
    """The constrained decoder goes such walks: parser and validator must find no error in what it writes."""
    written, state = walk(chance, steps)
    text = "".join([*written, *state.closers()])
    assert [problem for problem in doctags.validate(text) if problem.severity == "error"] == []
    assert [problem for problem in doctags.parse(text).problems if problem.kind != "broken_page"] == []


@given(st.randoms(use_true_random=False), st.integers(0, 150))
@settings(max_examples=100, deadline=None)
def test_closers_complete_a_document_from_anywhere(chance: random.Random, steps: int) -> None:
    """A page that is cut off can always be finished."""
    _, state = walk(chance, steps)
    for tag in state.closers():
        state = state.advance(tag)
    assert state.complete
    assert state.closers() == ()


@given(ragged_texts | st.text(alphabet=f"<>/{GUARD}lockextunsa_1"), st.sampled_from(["", "class", "language"]))
@settings(max_examples=200)
def test_guarded_text_is_text(text: str, label: str) -> None:
    """DocTags has no escapes; the guard makes any text safe, and reading takes it away again."""
    found = list(tokens(guarded(text, label)))
    assert "".join(token.text for token in found) == text
    assert {token.tag.role for token in found if token.tag is not None} <= {"class", "language"} - {label}


boxes = st.builds(Box, *[st.integers(-50, 600)] * 4)
kinds = st.sampled_from([*KINDS, "nonsense"])
cells = st.builds(
    Cell,
    st.integers(0, 3),
    st.integers(0, 3),
    ragged_texts,
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from(["data", "column_header", "row_header", "section"]),
    st.none() | boxes,
)
elements = st.recursive(
    st.builds(Element, kinds, st.just("") | ragged_texts),
    lambda inner: st.builds(
        Element,
        kinds,
        st.just("") | ragged_texts,
        st.lists(boxes, max_size=2).map(tuple),
        st.none() | st.integers(-1, 9),
        st.none() | st.sampled_from(["Python", "python", "JSON", "bar_chart", "no class"]),
        st.none() | st.integers(0, 12345),
        st.lists(cells, max_size=3).map(tuple),
        st.lists(inner, max_size=4).map(tuple),
    ),
    max_leaves=8,
)


@given(st.lists(elements, max_size=4), st.booleans(), st.sampled_from(["granite", "smoldocling"]))
@settings(max_examples=120, deadline=None)
def test_any_tree_is_written_as_valid_doctags_with_all_its_text(
    inner: list[Element], pretty: bool, dialect: doctags.DialectName
) -> None:
    """Trees do not only come from the parser. Wherever an element stands, its words are written, and as words."""
    tree = Document((Page(tuple(inner)), Page()))
    text = doctags.write(tree, pretty=pretty, dialect=dialect)
    assert START.follow(text).complete
    again = doctags.parse(text)
    assert [problem for problem in again.problems if problem.severity == "error"] == []
    assert len(again.pages) == 2
    assert Counter(visible("".join(texts(again)))) == Counter(visible("".join(texts(tree))))


@given(st.text())
def test_text_of_a_page_never_becomes_markup(text: str) -> None:
    """Whoever prints </doctag> on a page gets </doctag> as text."""
    spoken = f"a{text}</doctag><text>{text}"
    assert doctags.parse(doctags.write(Page((Element("text", spoken),)))).pages[0].elements == (
        Element("text", spoken),
    )


def test_writing_survives_a_tree_deeper_than_documents_are() -> None:
    """A tree from elsewhere may nest deeper than the parser lets it; its text still arrives."""
    tree = Element("text", "innermost")
    for _ in range(3 * MAX_DEPTH):
        tree = Element("group", children=(tree,))
    text = doctags.write(Document((Page((tree,)),)))
    assert START.follow(text).complete
    assert "innermost" in text


slots = st.lists(
    st.lists(st.sampled_from(["fcel", "ecel", "ched", "rhed", "srow", "lcel", "ucel", "xcel"]), min_size=1, max_size=5),
    min_size=1,
    max_size=5,
)


@given(slots)
@settings(max_examples=200)
def test_every_slot_of_a_grid_belongs_to_exactly_one_cell(names: list[list[str]]) -> None:
    """Whatever the rows are, converters get a rectangle without holes; and the rows that spell it give it again."""
    found = grid([[Slot(name) for name in row] for row in names], lambda *_: None)
    covered = Counter(
        (row, column)
        for cell in found
        for row in range(cell.row, cell.row + cell.row_span)
        for column in range(cell.column, cell.column + cell.column_span)
    )
    width = max(map(len, names))
    assert covered == Counter((row, column) for row in range(len(names)) for column in range(width))
    assert grid(rows(found), lambda *_: None) == found
