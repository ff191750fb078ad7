"""Rows, columns and spans of tables, read from words and lines that are placed by hand."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from smoldocling.pages import borders, edges, tables
from smoldocling.pages.cells import Grid
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line, Style, Word
from smoldocling.pages.regions import region

PLAIN = Style("Helvetica", 10.0, bold=False, italic=False, mono=False, math=False, color=0)
BOLD = replace(PLAIN, bold=True)
WIDE = (0.0, 0.0, 600.0, 500.0)


def line(text: str, x: float, y: float, style: Style = PLAIN, *, right: bool = False) -> Line:
    """Words 0.6 font sizes a character wide on a baseline at `y`, from `x` or, if `right`, up to it."""
    size = style.size
    if right:
        x -= sum(0.6 * size * len(word) + 0.3 * size for word in text.split()) - 0.3 * size
    words: list[Word] = []
    for word in text.split():
        words.append(Word(word, x, y - 0.8 * size, x + 0.6 * size * len(word), y + 0.2 * size, style, y))
        x = words[-1].x1 + 0.3 * size
    return Line(tuple(words), words[0].x0, y - 0.8 * size, words[-1].x1, y + 0.2 * size, y, style)


def texts(grid: Grid | None) -> list[list[str]]:
    """Rows of texts; a spanning cell's text stands in its first place only."""
    assert grid is not None
    found = [[""] * grid.columns for _ in range(grid.rows)]
    for slot in grid.slots:
        found[slot.row][slot.column] = " ".join(piece.text for piece in slot.lines)
    return found


def spans(grid: Grid | None) -> dict[str, tuple[int, int]]:
    """Rows and columns of all cells that have more than one."""
    assert grid is not None
    return {
        " ".join(piece.text for piece in slot.lines): (slot.row_span, slot.column_span)
        for slot in grid.slots
        if slot.row_span * slot.column_span > 1
    }


def test_a_heading_on_the_left_and_numbers_on_the_right_are_one_column() -> None:
    """In a wide column they do not even overlap; the white between them parts nothing."""
    words = [line("Place", 20, 30, BOLD), line("Level", 150, 30, BOLD), line("Ice", 350, 30, BOLD)]
    for row, (name, level, ice) in enumerate((("Weir", "140", "7"), ("Bridge", "88", "12"), ("Harbour", "201", "3"))):
        y = 50.0 + 15 * row
        words += [line(name, 20, y), line(level, 320, y, right=True), line(ice, 500, y, right=True)]
    assert texts(tables.read_grid((0, 0, 520, 100), words, ())) == [
        ["Place", "Level", "Ice"],
        ["Weir", "140", "7"],
        ["Bridge", "88", "12"],
        ["Harbour", "201", "3"],
    ]


def test_shaded_columns_are_no_walls() -> None:
    """Areas without lines between their rows must not make one cell of a column."""
    rows = (("Place", "Low", "High"), ("Weir", "12", "390"), ("Bridge", "31", "482"), ("Harbour", "88", "305"))
    words = [line(text, 20 + 100 * c, 30 + 15 * r) for r, row in enumerate(rows) for c, text in enumerate(row)]
    shade = [(115.0, 20.0 + 15 * r, 195.0, 35.0 + 15 * r) for r in range(len(rows))]
    assert texts(tables.read_grid((10, 18, 300, 82), words, (), shade)) == [list(row) for row in rows]


def test_shaded_rows_do_not_join_their_cells() -> None:
    """A band under every second row is there for the eye; it merges nothing."""
    rows = (("Place", "Low", "High"), ("Weir", "12", "390"), ("Bridge", "31", "482"), ("Harbour", "88", "305"))
    words = [line(text, 20 + 100 * c, 30 + 15 * r) for r, row in enumerate(rows) for c, text in enumerate(row)]
    bands = [(10.0, 35.0, 300.0, 50.0), (10.0, 65.0, 300.0, 80.0)]
    grid = tables.read_grid((10, 18, 300, 82), words, (), bands)
    assert texts(grid) == [list(row) for row in rows]
    assert spans(grid) == {}


def test_lines_that_stand_closer_than_rows_are_one_wrapped_cell() -> None:
    """Most tables in reports have no line between their rows; the white between them is all there is."""
    words: list[Line] = []
    for row, (first, second, number) in enumerate(
        (("the gauge at the old", "bridge", "140"), ("a reading of the", "tide table", "88"), ("wet steps", "", "201"))
    ):
        y = 30.0 + 30 * row
        words += [line(first, 20, y), line(number, 250, y)]
        if second:
            words.append(line(second, 20, y + 12))
    assert texts(tables.read_grid((10, 18, 300, 110), words, ())) == [
        ["the gauge at the old bridge", "140"],
        ["a reading of the tide table", "88"],
        ["wet steps", "201"],
    ]


def test_cells_in_the_middle_of_a_wrapped_row_belong_to_it() -> None:
    """Set in the middle, a number stands between the two lines of the text beside it."""
    words: list[Line] = []
    for row, (first, second, number) in enumerate(
        (
            ("the gauge at old", "bridges", "140"),
            ("a reading of its", "tide table", "88"),
            ("wet steps were", "slow", "2"),
        )
    ):
        y = 30.0 + 30 * row
        words += [line(first, 20, y), line(second, 20, y + 12), line(number, 250, y + 6)]
    assert [row[1] for row in texts(tables.read_grid((10, 18, 300, 110), words, ()))] == ["140", "88", "2"]


def test_numbers_under_numbers_are_rows_however_close_they_stand() -> None:
    """Tables in small print are set as tight as text."""
    words = [
        line(str(17 * (row + 1) * (column + 2)), 20 + 90 * column, 30 + 10.5 * row)
        for row in range(8)
        for column in range(4)
    ]
    grid = tables.read_grid((10, 18, 400, 130), words, ())
    assert grid is not None
    assert (grid.rows, grid.columns) == (8, 4)


@given(
    columns=st.lists(st.integers(3, 12), min_size=2, max_size=6),
    pitch=st.sampled_from([10.5, 12.0, 14.0, 20.0]),
    rows=st.integers(3, 9),
    right=st.booleans(),
)
def test_a_full_table_of_numbers_is_read_whatever_its_measures(
    columns: list[int], pitch: float, rows: int, right: bool
) -> None:
    """Widths of columns, distances of rows and the side on which numbers stand are the designer's."""
    words, x = [], 20.0
    for digits in columns:
        width = 6.0 * digits
        words += [
            line(str(10 ** (digits - 1) + row), x + width if right else x, 30 + pitch * row, right=right)
            for row in range(rows)
        ]
        x += width + 20
    grid = tables.read_grid((10, 20, x, 40 + pitch * rows), words, ())
    assert grid is not None
    assert (grid.rows, grid.columns) == (rows, len(columns))
    assert all(len(slot.lines) == 1 for slot in grid.slots)


def test_white_in_a_ruled_column_parts_no_words() -> None:
    """Headings are justified; the holes between their words are no columns."""
    heads = (("Number of", "Part of all", "Ice"), ("weirs read", "weirs read", "days"))
    words = [
        line(word, 20 + 100 * column + offset, 30 + 12 * row)
        for row, cells in enumerate(heads)
        for column, text in enumerate(cells)
        for word, offset in zip(text.split(), (0, 50, 75), strict=False)
    ]
    for row, pair in enumerate((("52", "31%", "4"), ("28", "17%", "2"), ("11", "9%", "7"), ("8", "3%", "1"))):
        words += [line(text, 20 + 100 * column, 60 + 14 * row) for column, text in enumerate(pair)]
    ys = (18.0, 50.0, 64.0, 78.0, 92.0, 106.0)
    strokes = [*((15.0, y, 315.0, y) for y in ys), *((x, 18.0, x, 106.0) for x in (15.0, 115.0, 215.0, 315.0))]
    assert texts(tables.read_grid((15, 18, 315, 106), words, strokes))[0] == [
        "Number of weirs read",
        "Part of all weirs read",
        "Ice days",
    ]


def test_a_heading_between_two_rows_of_headings_spans_both() -> None:
    """It is set in the middle because it belongs to both."""
    words = [line("Level in cm", 130, 30, BOLD), line("Place", 20, 37.5, BOLD)]
    words += [line("Low", 120, 45, BOLD), line("High", 220, 45, BOLD)]
    for row, values in enumerate((("Weir", "12", "390"), ("Bridge", "31", "482"), ("Harbour", "88", "305"))):
        words += [line(text, 20 + 100 * column, 65 + 15 * row) for column, text in enumerate(values)]
    strokes: list[Rect] = [(10, 18, 300, 18), (110, 33.5, 300, 33.5), (10, 52, 300, 52), (10, 108, 300, 108)]
    grid = tables.read_grid((10, 18, 300, 108), words, strokes)
    assert spans(grid) == {"Level in cm": (1, 2), "Place": (2, 1)}


def test_headings_without_lines_between_them_stay_apart() -> None:
    """Where a header has no walls while the rows below it have, what stands apart in it is no merged cell."""
    words = [line("Low", 130, 30), line("High", 230, 30), line("Mean", 330, 30)]
    for row in range(3):
        words += [
            line(text, 20 + 100 * column, 46 + 14 * row) for column, text in enumerate(("Weir", "12", "39", "17"))
        ]
    across = [(10.0, y, 410.0, y) for y in (20.0, 36.0, 50.0, 64.0, 78.0)]
    strokes = [*across, *((x, 36.0, x, 78.0) for x in (10.0, 110.0, 210.0, 310.0, 410.0))]
    assert texts(tables.read_grid((10, 20, 410, 78), words, strokes))[0] == ["", "Low", "High", "Mean"]


def test_a_label_wider_than_its_column_goes_on_up_to_the_sum() -> None:
    """The row of the sum has one label and one number."""
    words = [line(text, x, 30, BOLD) for text, x in (("No.", 20), ("Work", 60), ("Days", 200), ("Sum", 300))]
    for row in range(3):
        y = 45.0 + 15 * row
        words += [line(str(row + 1), 20, y), line("Scanning", 60, y), line("12", 200, y), line("340", 300, y)]
    words += [line("Total without tax", 20, 90), line("1020", 300, 90)]
    assert spans(tables.read_grid((10, 18, 340, 100), words, ())) == {"Total without tax": (1, 3)}


def test_what_stands_above_the_first_rule_is_no_row() -> None:
    """The last line of a caption, or a sentence, that a box is too tall for."""
    words = [line("three questions on the steps", 20, 30)]
    for row, values in enumerate((("Answers", "Share"), ("0", "43"), ("1", "22"), ("2", "35"))):
        words += [line(text, 20 + 150 * column, 50 + 15 * row) for column, text in enumerate(values)]
    rules: list[Rect] = [(10, 39, 260, 39), (10, 54, 260, 54), (10, 102, 260, 102)]
    above, table, below = edges.peeled(region("table", words), rules)
    assert [row.text for row in above] == ["three questions on the steps"]
    assert not below
    assert texts(tables.read_grid(table.rect, table.lines, rules))[0] == ["Answers", "Share"]


def test_small_print_below_the_last_rule_is_no_row() -> None:
    """Notes explain the signs of a table; they may have two columns of their own."""
    words: list[Line] = []
    for row, values in enumerate(
        (("Place", "Low", "High"), ("Weir", "12", ":"), ("Bridge", "31", "482"), ("Pier", "9", "44"))
    ):
        words += [line(text, 20 + 100 * column, 30 + 15 * row) for column, text in enumerate(values)]
    small = replace(PLAIN, size=8.0)
    words += [line("(:)", 20, 95, small), line("Not available.", 50, 95, small)]
    rules: list[Rect] = [(10, 18, 300, 18), (10, 34, 300, 34), (10, 80, 300, 80)]
    box = replace(region("table", words), rect=(10, 17, 300, 100))
    above, table, below = edges.peeled(box, rules)
    assert not above
    assert [row.text for row in below] == ["(:) Not available."]
    assert len(table.lines) == 12


def test_a_row_of_headings_over_a_rule_stays_in_the_table() -> None:
    """Only a run of words can be the rest of a caption, not texts side by side."""
    words: list[Line] = []
    for row, values in enumerate((("Place", "Low", "High"), ("Weir", "12", "390"), ("Bridge", "31", "482"))):
        words += [line(text, 20 + 100 * column, 30 + 15 * row) for column, text in enumerate(values)]
    rules: list[Rect] = [(10, 34, 300, 34), (10, 66, 300, 66)]
    above, _, below = edges.peeled(region("table", words), rules)
    assert (above, below) == ([], [])


def test_narrow_white_parts_columns_where_words_line_up_on_both_sides() -> None:
    """Numbers end where the texts of the next column begin, a few points apart."""
    rows = (("7.3", "bridges"), ("12.0", "weirs"), ("140.5", "harbours at sea"), ("3.9", "piers"))
    words = []
    for row, (number, text) in enumerate(rows):
        y = 30.0 + 15 * row
        left, right = line(number, 60, y, right=True), line(text, 65, y)
        words.append(replace(left, words=(*left.words, *right.words), x1=right.x1))
    assert texts(tables.read_grid((10, 18, 200, 90), words, ())) == [list(row) for row in rows]


def test_holes_between_words_of_running_text_are_no_columns() -> None:
    """Justified lines have white of any width, each at other places."""
    words = [
        line("the old bridge was read", 20, 30),
        line("whoever came to read it", 24, 45),
        line("had to climb some steps", 17, 60),
        line("wet for most of the year", 21, 75),
    ]
    assert borders.seamed(words) == words
