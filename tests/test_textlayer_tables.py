"""Tables of born-digital pages: rulings, white space, spans, headings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pymupdf
import pytest

from doctags.tree import Cell, Element
from smoldocling.pages.borders import rulings
from smoldocling.pages.cells import Grid, Slot
from smoldocling.pages.lines import Line, Style, Word
from smoldocling.pages.textlayer import Reader

LOREM = (
    "The gauge stood at the foot of the old bridge, and whoever came to read it had to climb down some wet steps. " * 2
)
X = (80, 200, 300, 400, 500)
Y = (200, 222, 244, 266, 288)


@pytest.fixture
def page() -> Iterator[pymupdf.Page]:
    """A page with a paragraph above the place for a table and another one below it."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_textbox((72, 60, 520, 140), LOREM, fontsize=10)
        page.insert_textbox((72, 400, 520, 480), LOREM, fontsize=10)
        yield page


def write(page: pymupdf.Page, row: int, column: int, text: str, *, bold: bool = False, right: bool = False) -> None:
    font = "hebo" if bold else "helv"
    shift = X[column + 1] - X[column] - 10 - pymupdf.get_text_length(text, font, 10) if right else 0
    page.insert_text((X[column] + 5 + shift, Y[row] + 15), text, fontsize=10, fontname=font)


def rule(page: pymupdf.Page, *lines: tuple[float, float, float, float]) -> None:
    for x0, y0, x1, y1 in lines:
        page.draw_line((x0, y0), (x1, y1), width=0.7)


def table(page: pymupdf.Page) -> Element:
    """The one table that is read from the page."""
    with pymupdf.open(stream=page.parent.tobytes(), filetype="pdf") as document:
        elements = Reader(document).read(0).page.elements
    found = [element for element in elements if element.kind == "otsl"]
    assert len(found) == 1, [element.kind for element in elements]
    return found[0]


def texts(element: Element) -> list[list[str]]:
    """Rows of texts; a spanning cell's text stands in its first place only."""
    grid = [[""] * element.columns for _ in range(element.rows)]
    for cell in element.cells:
        grid[cell.row][cell.column] = cell.text
    return grid


def cell(element: Element, text: str) -> Cell:
    return next(cell for cell in element.cells if cell.text == text)


def fill(page: pymupdf.Page, rows: Sequence[Sequence[str]], *, bold_first: bool = False) -> None:
    for row, values in enumerate(rows):
        for column, text in enumerate(values):
            if text:
                write(page, row, column, text, bold=bold_first and row == 0, right=column > 0)


ROWS = (
    ("Place", "Lowest", "Mean", "Highest"),
    ("Old bridge", "12", "140", "482"),
    ("Mill weir", "31", "155", "390"),
    ("Harbour", "88", "201", "305"),
)


def test_a_ruled_table_is_read_by_its_lines(page: pymupdf.Page) -> None:
    """Where lines are drawn they say where cells end."""
    fill(page, ROWS)
    rule(page, *[(X[0], y, X[-1], y) for y in Y], *[(x, Y[0], x, Y[-1]) for x in X])
    assert texts(table(page)) == [list(row) for row in ROWS]


def test_missing_lines_are_merged_cells(page: pymupdf.Page) -> None:
    """A heading over two columns must not be given to one of them."""
    fill(
        page,
        (
            ("Place", "", "", "Remarks"),
            ("", "Low", "High", ""),
            ("Bridge", "12", "482", "ice"),
            ("Weir", "31", "390", ""),
        ),
    )
    write(page, 0, 1, "Level")
    across = [(X[0], Y[0], X[-1], Y[0]), (X[1], Y[1], X[3], Y[1])] + [(X[0], y, X[-1], y) for y in Y[2:]]
    down = [(x, Y[0], x, Y[-1]) for x in (X[0], X[1], X[3], X[4])] + [(X[2], Y[1], X[2], Y[-1])]
    rule(page, *across, *down)
    found = table(page)
    assert (found.rows, found.columns) == (4, 4)
    level, place = cell(found, "Level"), cell(found, "Place")
    assert (level.column, level.column_span, level.row_span) == (1, 2, 1)
    assert (place.row, place.row_span, place.column_span) == (0, 2, 1)


def test_a_table_without_lines_is_read_by_its_white_space(page: pymupdf.Page) -> None:
    """Most tables in reports have no lines between their columns."""
    fill(page, ROWS, bold_first=True)
    assert texts(table(page)) == [list(row) for row in ROWS]


def test_a_heading_above_a_short_line_spans_what_the_line_spans(page: pymupdf.Page) -> None:
    """Typeset tables mark groups of columns so."""
    fill(page, (("Place", "", "", ""), ("", "Low", "Mean", "High"), *ROWS[1:3]))
    page.insert_text((X[2] + 20, Y[0] + 15), "Level in cm", fontsize=10)
    rule(
        page, (X[0], Y[0], X[-1], Y[0]), (X[1], Y[1], X[-1], Y[1]), (X[0], Y[2], X[-1], Y[2]), (X[0], Y[4], X[-1], Y[4])
    )
    level = cell(table(page), "Level in cm")
    assert (level.row, level.column, level.column_span) == (0, 1, 3)


def test_the_first_row_is_the_heading(page: pymupdf.Page) -> None:
    """Screen readers and data frames need to know which cells name the others."""
    fill(page, ROWS, bold_first=True)
    rule(page, *[(X[0], y, X[-1], y) for y in Y], *[(x, Y[0], x, Y[-1]) for x in X])
    found = table(page)
    assert {c.text for c in found.cells if c.kind == "column_header"} == set(ROWS[0])


def test_a_caption_belongs_to_its_table(page: pymupdf.Page) -> None:
    """It is written inside the table in DocTags."""
    page.insert_text((X[0], Y[0] - 10), "Table 1: Levels at three places, in cm.", fontsize=9)
    fill(page, ROWS, bold_first=True)
    rule(page, *[(X[0], y, X[-1], y) for y in Y], *[(x, Y[0], x, Y[-1]) for x in X])
    assert [caption.text for caption in table(page).captions] == ["Table 1: Levels at three places, in cm."]


def test_wrapped_text_stays_in_its_ruled_cell(page: pymupdf.Page) -> None:
    """A row is what stands between two lines, not a line of text."""
    rows = (("Place", "Remark"), ("Old bridge", "one two three four five"), ("Weir", "six"))
    for row, (name, _) in enumerate(rows):
        page.insert_text((85, 215 + 40 * row), name, fontsize=10)
    for place, text in enumerate(("Remark", "", "one two three", "four five", "six")):
        page.insert_text((205, 215 + (0, 0, 40, 52, 80)[place]), text, fontsize=10)
    rule(page, *[(80, y, 400, y) for y in (200, 240, 280, 320)], *[(x, 200, x, 320) for x in (80, 200, 400)])
    assert texts(table(page)) == [list(row) for row in rows]


def test_names_with_values_beside_them_are_a_form(page: pymupdf.Page) -> None:
    """An invoice's head is no table: it has neither headings nor columns of one sort."""
    for place, (name, value) in enumerate(
        (("Order", "AAT/24"), ("Delivered", "11 March"), ("Keeper", "I. Halloran"), ("Due", "13 April"))
    ):
        page.insert_text((80, 220 + 16 * place), name, fontsize=10)
        page.insert_text((200, 220 + 16 * place), value, fontsize=10)
    with pymupdf.open(stream=page.parent.tobytes(), filetype="pdf") as document:
        elements = Reader(document).read(0).page.elements
    region = next((element for element in elements if element.kind == "key_value_region"), None)
    assert region is not None, [element.kind for element in elements]
    assert [(child.kind, child.text) for child in region.children][:2] == [("key", "Order"), ("value", "AAT/24")]


def test_every_place_of_a_grid_is_covered_once(page: pymupdf.Page) -> None:
    """The law of the tree's cells; OTSL cannot be written otherwise."""
    fill(
        page,
        (
            ("Place", "", "", "Remarks"),
            ("", "Low", "High", ""),
            ("Bridge", "12", "482", "ice"),
            ("Weir", "31", "390", ""),
        ),
    )
    rule(page, *[(X[0], y, X[-1], y) for y in Y[::2]], (X[0], Y[0], X[0], Y[-1]), (X[2], Y[0], X[2], Y[-1]))
    found = table(page)
    places = [
        (row, column)
        for c in found.cells
        for row in range(c.row, c.row + c.row_span)
        for column in range(c.column, c.column + c.column_span)
    ]
    assert sorted(places) == [(row, column) for row in range(found.rows) for column in range(found.columns)]


def kinds(page: pymupdf.Page) -> list[str]:
    """The kinds of all elements that are read from the page."""
    with pymupdf.open(stream=page.parent.tobytes(), filetype="pdf") as document:
        return [element.kind for element in Reader(document).read(0).page.elements]


def tables(page: pymupdf.Page) -> list[list[list[str]]]:
    """The texts of all tables of the page."""
    with pymupdf.open(stream=page.parent.tobytes(), filetype="pdf") as document:
        elements = Reader(document).read(0).page.elements
    return [texts(element) for element in elements if element.kind == "otsl"]


def put(page: pymupdf.Page, rows: Sequence[Sequence[str]], x: float, y: float, pitch: float, size: float = 10) -> None:
    """A table without lines: first column on the left, numbers in columns 60 points wide."""
    for row, values in enumerate(rows):
        for column, text in enumerate(values):
            font = "hebo" if row == 0 else "helv"
            page.insert_text((x + 70 * column, y + pitch * row), text, fontsize=size, fontname=font)


OTHER = (("Pier", "Ice", "Fog"), ("North", "7", "31"), ("South", "12", "48"), ("West", "3", "27"), ("East", "5", "9"))


def test_tables_side_by_side_are_two(page: pymupdf.Page) -> None:
    """Read as one, each row would say two things that have nothing to do with each other."""
    put(page, [row[:3] for row in ROWS], 72, 210, 22)
    put(page, OTHER, 330, 206, 15.5, 9)
    assert sorted(tables(page)) == sorted([[list(row[:3]) for row in ROWS], [list(row) for row in OTHER]])


def test_tables_above_each_other_are_two(page: pymupdf.Page) -> None:
    """What is below a wide pause has columns of its own."""
    put(page, ROWS, 72, 200, 15)
    put(page, OTHER, 110, 310, 15)
    assert tables(page) == [[list(row) for row in ROWS], [list(row) for row in OTHER]]


def test_a_sentence_about_a_table_is_no_caption(page: pymupdf.Page) -> None:
    """It stands right above the table and begins with the same words."""
    page.insert_text((72, 188), "Table 4 gives the levels at three places in the last year.", fontsize=10)
    fill(page, ROWS, bold_first=True)
    rule(page, *[(X[0], y, X[-1], y) for y in Y], *[(x, Y[0], x, Y[-1]) for x in X])
    assert table(page).captions == ()


def test_names_and_values_under_the_caption_of_a_table_are_one(page: pymupdf.Page) -> None:
    """Without the caption the same lines are a form."""
    page.insert_text((80, 196), "Table 2: What the keeper wrote down.", fontsize=10)
    for place, (name, value) in enumerate(
        (("Order", "AAT/24"), ("Delivered", "11 March"), ("Keeper", "I. Halloran"), ("Due", "13 April"))
    ):
        page.insert_text((80, 220 + 16 * place), name, fontsize=10)
        page.insert_text((200, 220 + 16 * place), value, fontsize=10)
    assert texts(table(page))[2] == ["Keeper", "I. Halloran"]


def test_the_grid_of_a_chart_is_no_table(page: pymupdf.Page) -> None:
    """Its lines cross like those of a table, but the numbers stand beside them and most places are empty."""
    rule(page, *[(100, y, 460, y) for y in range(200, 361, 20)], *[(x, 200, x, 360) for x in range(100, 461, 40)])
    for row, level in enumerate(range(0, 90, 10)):
        page.insert_text((78, 363 - 20 * row), str(level), fontsize=9)
    for place, year in enumerate(range(1990, 2000)):
        page.insert_text((90 + 40 * place, 374), str(year), fontsize=9)
    page.draw_bezier((100, 340), (200, 220), (320, 330), (460, 230), color=(0, 0, 1), width=1.5)
    page.insert_text((100, 392), "Figure 3: Mean level of ten years.", fontsize=10)
    assert "otsl" not in kinds(page)


def test_counted_items_are_a_list_whatever_the_layout_model_saw() -> None:
    """Numbers with stops count items; rows of tables are numbered without."""
    counted = Grid(
        (0.0, 30.0, 300.0),
        (0.0, 15.0, 30.0),
        tuple(Slot(row, 0, lines=[line_of(f"{row + 1}.")]) for row in range(2)),
    )
    numbered = Grid(
        (0.0, 30.0, 300.0),
        (0.0, 15.0, 30.0),
        tuple(Slot(row, 0, lines=[line_of(str(row + 1))]) for row in range(2)),
    )
    assert counted.is_list
    assert not numbered.is_list


def line_of(text: str) -> Line:
    style = Style("Helvetica", 10.0, bold=False, italic=False, mono=False, math=False, color=0)
    return Line((Word(text, 0.0, 0.0, 10.0, 10.0, style, 8.0),), 0.0, 0.0, 10.0, 10.0, 8.0, style)


def test_a_formula_above_a_table_stays_one(page: pymupdf.Page) -> None:
    """The layout model's box reaches up to it."""
    page.insert_text((250, 190), "h = 2k + 7", fontsize=11, fontname="tiit")
    fill(page, ROWS, bold_first=True)
    rule(page, (X[0], Y[0], X[-1], Y[0]), (X[0], Y[1], X[-1], Y[1]), (X[0], Y[4], X[-1], Y[4]))
    assert texts(table(page)) == [list(row) for row in ROWS]


def test_rows_end_where_all_vertical_lines_end() -> None:
    """TeX draws the verticals row by row, and many headings have no line below them."""
    columns, borders = (80.0, 200.0, 300.0, 400.0), (200.0, 218.0, 248.0, 266.0)
    down = [(x, top, x, bottom) for x in columns for top, bottom in pairwise(borders)]
    across = [(80.0, y, 400.0, y) for y in borders if y != 218]
    found, _ = rulings([*across, *down], (80, 200, 400, 266))
    assert sorted(line[1] for line in found) == list(borders)
    spanned = [line for line in down if line[0] != 200 or line[1] == 248]  # one vertical goes through: no border
    found, _ = rulings([*across, *spanned, (200.0, 200.0, 200.0, 248.0)], (80, 200, 400, 266))
    assert sorted(line[1] for line in found) == [200, 248, 266]
