"""Laws of the parts of the text-layer reader that need no PDF."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoldocling.pages import borders, glyphs, order, regions, tables
from smoldocling.pages.frame import Frame, Rect, turned_by
from smoldocling.pages.lines import Line, Style, Word
from smoldocling.pages.prose import paragraph, rows

STYLE = Style("Helvetica", 10.0, bold=False, italic=False, mono=False, math=False, color=0)
COORDINATE = st.integers(0, 600).map(float)


@st.composite
def rects(draw: st.DrawFn) -> Rect:
    x0, y0 = draw(COORDINATE), draw(COORDINATE)
    return (x0, y0, x0 + draw(st.integers(1, 300)), y0 + draw(st.integers(1, 100)))


def line(text: str, x: float, y: float, *, opened: bool = False) -> Line:
    """Words of ten-point type, six points a character, on a baseline at `y`."""
    words, left = [], x
    for word in text.split():
        right = left + 6 * len(word)
        words.append(Word(word, left, y - 8, right, y + 2, STYLE, y))
        left = right + 3
    return Line(tuple(words), x, y - 8, words[-1].x1, y + 2, y, STYLE, opened)


@given(st.lists(rects(), max_size=25), st.booleans())
def test_reading_order_loses_and_doubles_nothing(items: list[Rect], rtl: bool) -> None:
    """Whatever the layout is, every region is read exactly once."""
    assert sorted(order.reading_order(items, rtl)) == list(range(len(items)))


@given(rects(), st.integers(0, 3))
def test_turning_back_gives_the_same_rectangle(rect: Rect, quarters: int) -> None:
    """Boxes of turned pages go to the frame and back."""
    frame = Frame(quarters, 700, 500)
    assert turned_by(frame.turned(rect), -quarters, frame.width, frame.height) == pytest.approx(rect)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), min_size=1, max_size=30, unique=True))
def test_a_grid_covers_each_place_once_and_keeps_every_word(places: list[tuple[int, int]]) -> None:
    """The law of the tree's cells holds for any scatter of words."""
    words = [line(f"w{column}x{row}", 20 + 80 * column, 30 + 15 * row) for column, row in places]
    grid = tables.read_grid((0, 0, 600, 300), words, ())
    if grid is None:
        return
    covered = [
        (row, column)
        for slot in grid.slots
        for row in range(slot.row, slot.row + slot.row_span)
        for column in range(slot.column, slot.column + slot.column_span)
    ]
    assert sorted(covered) == [(row, column) for row in range(grid.rows) for column in range(grid.columns)]
    assert sorted(piece.text for slot in grid.slots for piece in slot.lines) == sorted(word.text for word in words)


@given(st.lists(st.text("abcdefg", min_size=1, max_size=6), min_size=1, max_size=12))
def test_a_paragraph_has_all_its_words(words: list[str]) -> None:
    """Joining rows changes spaces and hyphens, nothing else."""
    lines = [line(word, 20, 30 + 12 * place) for place, word in enumerate(words)]
    assert paragraph(rows(lines)).text.split() == words


@pytest.mark.parametrize(
    ("upper", "lower", "known", "joined"),
    [
        ("conver-", "sion", [], "conversion"),
        ("well-", "known", [], "well-known"),
        ("galaxy-", "galaxy pairs", ["galaxy"], "galaxy-galaxy pairs"),
        ("data-", "base", ["data", "base", "database"], "database"),
        ("high-", "water", ["high-water"], "high-water"),
        ("EU-", "China", [], "EU-China"),
        ("pages 10-", "12", [], "pages 10-12"),
        ("in\u00ad", "side", [], "inside"),
        ("typed content—", "an example", [], "typed content—an example"),
        ("see https://www.", "example.org/a_b", [], "see https://www.example.org/a_b"),
        ("see https://example.org/", "levels", [], "see https://example.org/levels"),
        ("see https:", "//example.org", [], "see https://example.org"),
        ("at www.example.org", "and elsewhere", [], "at www.example.org and elsewhere"),
        ("at www.example.org.", "It says", [], "at www.example.org. It says"),
    ],
)
def test_a_cut_word_is_joined_as_the_document_writes_it(upper: str, lower: str, known: list[str], joined: str) -> None:
    """The document's own words decide; without them a hyphen at the end of a row is the printer's."""
    lines = [line(upper, 20, 30), line(lower, 20, 42)]
    assert paragraph(lines, (), frozenset(known)).text == joined


def test_a_gutter_is_not_torn_by_two_gaps_that_happen_to_meet() -> None:
    """Paragraphs of both columns end at one height; the left column is still read to its end first."""
    left = [(50.0, 100.0, 280.0, 150.0), (50.0, 160.0, 280.0, 220.0)]
    right = [(310.0, 100.0, 540.0, 150.0), (310.0, 160.0, 540.0, 220.0)]
    heading, note = (50.0, 60.0, 540.0, 80.0), (50.0, 300.0, 540.0, 320.0)
    assert order.reading_order([note, *right, *left, heading]) == [5, 3, 4, 1, 2, 0]
    assert order.reading_order([note, *right, *left, heading], rtl=True) == [5, 1, 2, 3, 4, 0]


def test_rulings_are_sorted_by_direction() -> None:
    """A thin rectangle is a line; what lies elsewhere is not the table's."""
    strokes = [(10.0, 10.0, 90.0, 10.5), (10.0, 10.0, 10.5, 90.0), (300.0, 10.0, 390.0, 10.5)]
    across, down = borders.rulings(strokes, (0.0, 0.0, 100.0, 100.0))
    assert (across, down) == ([strokes[0]], [strokes[1]])


@pytest.mark.parametrize(
    ("char", "font", "clean"),
    [
        ("\ufb01", "Times", "fi"),
        ("\uf0b7", "Symbol", "•"),
        ("\u00a0", "Times", " "),
        ("\x84", "ZapfDingbats", "•"),
        ("\x03", "Times", "\ufffd"),
    ],
)
def test_characters_are_what_they_show(char: str, font: str, clean: str) -> None:
    """Ligatures, symbol fonts and control codes mean something to the eye only."""
    assert glyphs.clean(char, font) == clean


def test_accents_printed_over_letters_join_them() -> None:
    """TeX sets "é" as two glyphs, one over the other; an apostrophe beside a letter stays one."""
    assert glyphs.accented([("´", 1.0, 4.0), ("e", 0.0, 5.0), ("t", 5.0, 8.0)]) == "ét"
    assert glyphs.accented([("l", 0.0, 2.0), ("´", 2.0, 5.0), ("e", 5.5, 10.0)]) == "l´e"


def test_circles_printed_around_letters_make_one_sign() -> None:
    """TeX has no glyph for the copyright sign: it sets a large circle over a small c."""
    assert glyphs.accented([("c", 4.0, 9.0), ("\u20dd", 1.0, 12.0), ("2", 16.0, 21.0)]) == "©2"
    assert glyphs.accented([("x", 4.0, 9.0), ("\u20dd", 1.0, 12.0)]) == "x\u20dd"
    assert glyphs.accented([("c", 4.0, 9.0), ("\u20dd", 10.0, 20.0)]) == "c\u20dd"


def test_letters_of_a_right_to_left_ligature_are_turned_around() -> None:
    """A lam-alef glyph comes as alef without width before lam."""
    assert glyphs.mirrored_ligatures([("ا", 3.0), ("إ", 0.0), ("ل", 6.6), ("ن", 3.7)]) == ["ا", "ل", "إ", "ن"]


def test_a_heading_that_ends_before_the_gutter_does_not_move_it() -> None:
    """A short title on the left and a centred caption leave white strips of their own."""
    title, caption = (60.0, 70.0, 150.0, 90.0), (180.0, 190.0, 330.0, 200.0)
    left = [(60.0, 215.0, 160.0, 310.0), (60.0, 320.0, 245.0, 350.0), (60.0, 355.0, 245.0, 410.0)]
    right = [(260.0, 215.0, 446.0, 240.0), (260.0, 250.0, 440.0, 315.0), (260.0, 325.0, 350.0, 333.0)]
    items = [title, caption, *left, *right]
    assert order.reading_order(items) == list(range(len(items)))


def test_a_column_goes_on_below_a_hole_in_it() -> None:
    """A figure that is not seen leaves white in one column; the other one is still read after it."""
    left = [(50.0, 100.0, 280.0, 250.0), (50.0, 420.0, 280.0, 500.0)]
    right = [(310.0, 100.0, 540.0, 200.0)]
    assert order.reading_order([*left, *right]) == [0, 1, 2]
    assert order.reading_order([*left, *right, (310.0, 420.0, 540.0, 500.0)]) == [0, 2, 1, 3]


@given(st.lists(rects(), max_size=12), st.integers(100, 900), st.integers(100, 900))
def test_reading_order_does_not_depend_on_where_the_page_lies(items: list[Rect], dx: int, dy: int) -> None:
    """Only the places of the regions to each other count."""
    moved = [(x0 + dx, y0 + dy, x1 + dx, y1 + dy) for x0, y0, x1, y1 in items]
    assert order.reading_order(moved) == order.reading_order(items)


def test_a_listing_in_the_box_of_a_table_is_a_listing() -> None:
    """Indents look like columns to the layout model."""
    mono = replace(STYLE, font="Courier", mono=True)
    rows_ = [line("int n = 4;", 20, 30), line("while (n > 0) {", 20, 42), line("n = n - 1;", 44, 54), line("}", 20, 66)]
    code = tuple(replace(row, words=tuple(replace(word, style=mono) for word in row.words)) for row in rows_)
    table = regions.Region("table", (20, 20, 200, 70), code)
    assert regions.is_listing(table)
    assert not regions.is_listing(replace(table, lines=tuple(rows_)))
    pieces = regions.whole_listings(regions.as_text(table, 10.0))
    assert [(item.kind, len(item.lines)) for item in pieces] == [("code", 4)]
