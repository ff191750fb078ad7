"""The twenty defects of docling-core's DocTags reader that were known when this parser was written, and what it does.

Each test bears the defect's number and name; its docstring says what happens there.
"""

from collections.abc import Iterator

import pytest

import doctags
from doctags import Box, Element, Problem

L = "<loc_10><loc_20><loc_300><loc_40>"
BOX = Box(10, 20, 300, 40)


def elements(text: str) -> tuple[Element, ...]:
    """The elements of the first page."""
    return doctags.parse(f"<doctag>{text}</doctag>").pages[0].elements


def problems(text: str) -> tuple[Problem, ...]:
    return doctags.validate(f"<doctag>{text}</doctag>")


def cells(element: Element) -> Iterator[tuple[int, int, str]]:
    return ((cell.row, cell.column, cell.text) for cell in element.cells)


def test_01_a_span_beyond_a_shorter_row_is_mended() -> None:
    """There: IndexError, the whole document is lost. Here: a rectangle, and the row is named."""
    (table,) = elements("<otsl><fcel>a<fcel>b<nl><fcel>c<ucel><nl><fcel>d<nl></otsl>")
    assert (table.rows, table.columns) == (3, 2)
    assert list(cells(table)) == [(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (2, 0, "d"), (2, 1, "")]
    (ragged,) = problems("<otsl><fcel>a<fcel>b<nl><fcel>c<ucel><nl><fcel>d<nl></otsl>")
    assert (ragged.kind, ragged.column) == ("ragged_row", len("<doctag><otsl><fcel>a<fcel>b<nl><fcel>c<ucel><nl>") + 1)


@pytest.mark.parametrize("token", ["fcel", "ched"])
def test_02_an_empty_last_cell_without_row_end_is_a_cell(token: str) -> None:
    """There: IndexError. Here: an empty cell."""
    (table,) = elements(f"<otsl><{token}>a<{token}></otsl>")
    assert list(cells(table)) == [(0, 0, "a"), (0, 1, "")]


def test_03_a_document_index_is_a_table() -> None:
    """There: a validation error, the whole document is lost. Here: an element with cells."""
    (index,) = elements(f"<document_index>{L}<fcel>Chapter 1<fcel>7<nl></document_index>")
    assert (index.kind, index.box, list(cells(index))) == ("document_index", BOX, [(0, 0, "Chapter 1"), (0, 1, "7")])


def test_04_an_inverted_or_empty_box_is_reported() -> None:
    """There: cropping the picture fails, the whole document is lost. Here: a problem, and corners in order."""
    text = "<picture><loc_9><loc_9><loc_3><loc_3></picture><chart><loc_5><loc_5><loc_5><loc_9></chart>"
    assert [element.box for element in elements(text)] == [Box(3, 3, 9, 9), Box(5, 5, 5, 9)]
    assert [problem.kind for problem in problems(text)] == ["inverted_box", "empty_box"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"<text>{L}the model stops in the mid", Element("text", "the model stops in the mid", (BOX,))),
        (
            "<ordered_list><list_item>one</list_item><list_item>tw",
            Element("ordered_list", children=(Element("list_item", "one"), Element("list_item", "tw"))),
        ),
    ],
)
def test_05_a_truncated_element_keeps_its_text(text: str, kept: Element) -> None:
    """There: an empty item; what an unclosed list or table holds is discarded. Here: all that was written."""
    tree = doctags.parse(f"<doctag>{text}")
    assert tree.pages[0].elements == (kept,)
    assert "unclosed" in {problem.kind for problem in tree.problems}


def test_06_a_missing_closing_tag_costs_nothing() -> None:
    """There: everything up to the next closing tag of that name is merged. Here: the next element ends this one."""
    assert elements("<text>a<section_header_level_1>b</section_header_level_1><text>c</text>") == (
        Element("text", "a"),
        Element("section_header", "b", level=1),
        Element("text", "c"),
    )


@pytest.mark.parametrize(
    "words",
    ["a<b and c>d", "x <y and z", "#include <stdio.h>", "std::vector<int> v", "<div class='x'>JSX</div>", "<T,>"],
)
def test_07_less_than_is_text(words: str) -> None:
    """There: whatever looks like a tag is deleted, sometimes up to the closing tag. Here: only known tags are tags."""
    assert elements(f"<text>{words}</text><code>{words}</code>") == (Element("text", words), Element("code", words))


def test_08_less_than_in_a_cell_is_text() -> None:
    """There: the cell ends at the sign, the rest is lost. Here: nothing happens."""
    (table,) = elements("<otsl><fcel>p<0.05 and r>0.3<fcel>vector<int><nl></otsl>")
    assert list(cells(table)) == [(0, 0, "p<0.05 and r>0.3"), (0, 1, "vector<int>")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<paragraph>w</paragraph>", Element("paragraph", "w")),
        ("<reference>w</reference>", Element("reference", "w")),
        ("<references><text>w</text></references>", Element("references", children=(Element("text", "w"),))),
        ("<list_item>w</list_item>", Element("unordered_list", children=(Element("list_item", "w"),))),
        ("<section_header_level_0>w</section_header_level_0>", Element("section_header", "w", level=1)),
        ("<table><fcel>w<nl></table>", Element("otsl", cells=(doctags.Cell(0, 0, "w"),))),
        ("<form>w</form>", Element("form", children=(Element("text", "w"),))),
        ("<group><text>w</text></group>", Element("group", children=(Element("text", "w"),))),
        ("<handwritten_text>w</handwritten_text>", Element("handwritten_text", "w")),
        ("w", Element("text", "w")),
        ("<made_up>w</made_up>", Element("text", "<made_up>w</made_up>")),
    ],
)
def test_09_no_tag_takes_its_text_with_it(text: str, found: Element) -> None:
    """There: tags that the reader does not know are dropped with their text, and so is text between tags."""
    assert elements(text) == (found,)


def test_10_all_captions_are_kept() -> None:
    """There: captions of several lines, second captions and captions of pictures without a box are lost."""
    (picture,) = elements("<picture><caption>two\nlines</caption><caption>second</caption></picture>")
    assert [caption.text for caption in picture.captions] == ["two\nlines", "second"]
    assert [element.kind for element in elements("<otsl><fcel>a<nl></otsl><caption>c</caption>")] == ["otsl", "caption"]


def test_11_pictures_keep_smiles_and_data() -> None:
    """There: SMILES are never read, chart data in a picture is ignored, a chart without box or image is dropped."""
    picture, chart = elements("<picture><smiles>CCO</smiles><fcel>a<nl></picture><chart><pie_chart><fcel>b<nl></chart>")
    assert picture.children == (Element("smiles", "CCO"),)
    assert list(cells(picture)) == [(0, 0, "a")]
    assert (chart.label, list(cells(chart))) == ("pie_chart", [(0, 0, "b")])


def test_12_empty_cells_nested_tables_and_rich_cells_are_themselves() -> None:
    """There: an empty cell gets the next token as its text, a nested table ends the outer one, <text> is cell text."""
    (table,) = elements("<otsl><fcel><fcel>b<nl><fcel><otsl><fcel>in<nl></otsl><fcel><text>rich</text><nl></otsl>")
    assert list(cells(table)) == [(0, 0, ""), (0, 1, "b"), (1, 0, ""), (1, 1, "")]
    assert [child.kind for cell in table.cells for child in cell.children] == ["otsl", "text"]
    assert table.cells[3].children[0].text == "rich"


def test_13_headers_stay_headers() -> None:
    """There: column headers, row headers and section rows become plain cells, for good."""
    text = "<otsl><ched>a<ched>b<nl><srow>c<lcel><nl><rhed>d<fcel>e<nl></otsl>"
    (table,) = elements(text)
    assert [cell.kind for cell in table.cells] == ["column_header", "column_header", "section", "row_header", "data"]
    assert doctags.write(table) == text


def test_14_an_empty_row_moves_no_cell() -> None:
    """There: cells outside the grid. Here: the empty row is left out and reported."""
    text = "<otsl><fcel>a<nl><nl><fcel>b<nl></otsl>"
    assert [list(cells(table)) for table in elements(text)] == [[(0, 0, "a"), (1, 0, "b")]]
    assert [problem.kind for problem in problems(text)] == ["empty_row"]


def test_15_nested_lists_stay_nested_and_markers_stay_text() -> None:
    """There: one flat level, numbering restarts. Here: the structure and the text as they stand."""
    nested = "<ordered_list><list_item>3.1 b</list_item></ordered_list>"
    text = f"<ordered_list><list_item>3. a{nested}</list_item></ordered_list>"
    inner = Element("ordered_list", children=(Element("list_item", "3.1 b"),))
    assert elements(text) == (Element("ordered_list", children=(Element("list_item", "3. a", children=(inner,)),)),)


def test_16_inline_groups_keep_what_is_in_them() -> None:
    """There: everything in an inline group is text, and headings lose the group."""
    group = "<inline><text>a</text><formula>b</formula><code>c</code></inline>"
    (heading,) = elements(f"<section_header_level_2>{group}</section_header_level_2>")
    assert [child.kind for child in heading.children[0].children] == ["text", "formula", "code"]


def test_17_every_element_has_its_box_without_an_image() -> None:
    """There: list items and key-value entries have boxes only with a page image, always on page 1."""
    listed = f"<unordered_list><list_item>{L}a</list_item></unordered_list>"
    entry = f"<key_value_region><key_1>{L}b</key_1></key_value_region>"
    tree = doctags.parse(f"<doctag><page_break>{listed}{entry}</doctag>")
    assert [element.children[0].box for element in tree.pages[1].elements] == [BOX, BOX]


def test_18_pages_and_boxes_belong_to_whom_they_belong() -> None:
    """There: a table without a box takes its caption's. Here: it has none. (Page numbers follow the text; whoever knows
    the real ones sets `Page.number`.)"""
    (table,) = elements(f"<otsl><fcel>a<nl><caption>{L}c</caption></otsl>")
    assert (table.box, table.captions[0].box) == (None, BOX)
    assert [page.number for page in doctags.parse("<doctag><page_break></doctag>").pages] == [1, 2]


def test_19_boxes_stay_on_the_grid_of_the_language() -> None:
    """There: boxes become pixels of an image, 1 by 1 without one. Here: 0..500, whatever the page's size; the page's
    size in points is `Page.size`, for whoever knows it."""
    (page,) = doctags.parse(f"<doctag><text>{L}a</text></doctag>").pages
    assert (page.elements[0].box, page.size) == (BOX, None)


def test_20_code_is_kept_to_the_blank() -> None:
    """There: the first line loses its indentation, an unknown language becomes `unknown` in silence."""
    assert elements("<code><_Python_>    a\n  b</code>") == (Element("code", "    a\n  b", label="Python"),)
    assert elements("<code><_Klingon_>a</code>") == (Element("code", "<_Klingon_>a"),)
    assert [problem.kind for problem in problems("<code><_Klingon_>a</code>")] == ["unknown_language"]
