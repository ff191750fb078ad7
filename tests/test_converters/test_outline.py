"""The choices that all formats share, one claim each."""

import pytest

import converters
from converters.blocks import Figure, Listing, Paragraph, Table, plain
from converters.characters import mend
from converters.inline import MAX_DEPTH, safe_href
from converters.markers import split_marker
from converters.outline import outline
from doctags.tree import Box, Cell, Document, Element, Link, Page

LEFT, RIGHT = Box(50, 300, 240, 450), Box(260, 40, 450, 120)
BELOW = Box(50, 455, 240, 480)


def text(words: str, *boxes: Box) -> Element:
    return Element("text", words, boxes)


def paragraphs(*pages: Page) -> list[str]:
    return [plain(block.runs) for block in outline(Document(pages)) if isinstance(block, Paragraph)]


def markdown(*elements: Element) -> str:
    return converters.to_markdown(Page(elements))


def items(*texts: str, kind: str = "unordered_list") -> Element:
    return Element(kind, children=tuple(Element("list_item", words) for words in texts))


# paragraphs


def test_a_paragraph_goes_on_in_the_next_column():
    """The left column ends in the middle of a sentence, the right one begins in lower case."""
    page = Page((text("the river rose by", LEFT), text("two metres.", RIGHT)))
    assert paragraphs(page) == ["the river rose by two metres."]


def test_a_paragraph_goes_on_over_page_footers_notes_and_floats():
    """What stands between the two halves of a sentence on paper does not belong to it."""
    first = Page(
        (text("we wanted", LEFT), Element("footnote", "1 A note."), Element("page_footer", "7")),
        number=1,
    )
    second = Page((Element("page_header", "Run"), Element("picture"), text("to avoid this.", LEFT)), number=2)
    assert paragraphs(first, second)[0] == "we wanted to avoid this."
    assert paragraphs(first, second)[1:] == ["1 A note."]


@pytest.mark.parametrize(
    ("end", "start"),
    [("A sentence.", "another"), ("the river", "The bank"), ("see", "2 metres"), ("as follows:", "first")],
)
def test_finished_sentences_are_not_joined(end, start):
    """Only lower case behind an open end reads on."""
    assert paragraphs(Page((text(end, LEFT), text(start, RIGHT)))) == [end, start]


def test_paragraphs_below_each_other_are_not_joined():
    """In one column the author began a new paragraph, whatever its first letter."""
    assert len(paragraphs(Page((text("we wanted", LEFT), text("to avoid this", BELOW))))) == 2


def test_a_heading_ends_a_paragraph():
    """Nothing reads on behind a heading."""
    header = Element("section_header", "New", level=1)
    assert len(paragraphs(Page((text("we wanted", LEFT), header)), Page((text("to avoid", LEFT),), number=2))) == 2


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ("infor-\nmation", "information"),
        ("state-of-the-\nart", "state-of-the-art"),
        ("Anglo-\nSaxon", "Anglo-Saxon"),
        ("well-\nknown", "well-known"),
        ("pages 3-\n5", "pages 3-\n5"),
        ("Mill Lane\nAldmoor", "Mill Lane\nAldmoor"),
        ("the end of\nthe line", "the end of the line"),
    ],
)
def test_words_broken_at_a_line_end_are_whole_again(broken, whole):
    """A hyphen goes unless the word is known with it, has another, or goes on in upper case or figures."""
    assert mend(broken, frozenset({"well-known"})) == whole


def test_a_hyphen_stays_when_the_document_writes_the_word_with_it():
    """The document is its own dictionary."""
    page = Page((text("high-water is high.", LEFT), text("a high-", LEFT), text("water mark", RIGHT)))
    assert paragraphs(page)[-1] == "a high-water mark"


def test_a_joined_paragraph_knows_both_its_places():
    """Provenance survives the seam: each place with its own characters."""
    pages = (Page((text("infor-", LEFT),), number=4), Page((text("mation flows.", RIGHT),), number=5))
    (block,) = [block for block in outline(Document(pages)) if isinstance(block, Paragraph)]
    whole = plain(block.runs)
    assert [(source.page, whole[source.start : source.end]) for source in block.sources] == [
        (4, "infor"),
        (5, "mation flows."),
    ]


# lists


@pytest.mark.parametrize(
    ("words", "kind", "shown"),
    [
        ("1. one", "unordered_list", "1. one"),
        ("1. one", "ordered_list", "1. one"),
        ("7) seven", "ordered_list", "7) seven"),
        ("one", "ordered_list", "1. one"),
        ("- dash", "unordered_list", "- dash"),
        ("• dot", "unordered_list", "- dot"),
        ("• dot", "ordered_list", "- dot"),
        ("•1. both", "unordered_list", "1. both"),
        ("\uf0b7 symbol font", "unordered_list", "- symbol font"),
        ("(a) letter", "unordered_list", "- (a) letter"),
        ("[7] book", "unordered_list", "- [7] book"),
        ("☐ to do", "unordered_list", "- [ ] to do"),
        ("☑ done", "unordered_list", "- [x] done"),
        ("[x] done", "unordered_list", "- [x] done"),
        ("A. Smith", "unordered_list", "- A. Smith"),
        ("1.5 million", "unordered_list", "- 1.5 million"),
        ("-5 degrees", "unordered_list", "- -5 degrees"),
        ("2019. A year", "unordered_list", "- 2019\\. A year"),
    ],
)
def test_a_marker_is_written_once(words, kind, shown):
    """Models and docling leave markers in the text; a list that adds its own says everything twice."""
    assert markdown(items(words, kind=kind)) == shown + "\n"


def test_letters_count_as_markers_when_they_count():
    """One "A." is a name, "a." above "b." is a list."""
    (block,) = outline(Page((items("a. first", "b. second"),)))
    assert isinstance(block, Listing)
    assert [item.marker.text for item in block.items] == ["a.", "b."]


def test_roman_numbers_count_too():
    """ "i." is a letter and a number; "ii." below it decides."""
    (block,) = outline(Page((items("i. first", "ii. second", "iii. third"),)))
    assert isinstance(block, Listing)
    assert [plain(item.runs) for item in block.items] == ["first", "second", "third"]


def test_numbers_go_on_behind_an_interruption():
    """A list cut in two by a paragraph keeps its own numbers."""
    cut = (items("3. three"), text("between"), items("4. four"))
    assert markdown(*cut) == "3. three\n\nbetween\n\n4. four\n"


def test_a_number_left_out_stays_left_out():
    """CommonMark would count on; a law with clauses 1 and 3 has no clause 2."""
    assert markdown(items("1. one", "3. three")) == "1. one\n\n<!-- -->\n\n3. three\n"


def test_a_list_inside_an_item_belongs_to_the_item_above():
    """Docling writes a nested list as an item without words."""
    nested = Element("list_item", children=(items("b", kind="ordered_list"),))
    page = Element("unordered_list", children=(Element("list_item", "a"), nested, Element("list_item", "c")))
    assert markdown(page) == "- a\n  1. b\n- c\n"


def test_lists_go_on_over_a_page_but_not_beside_each_other():
    """A page break cuts lists in two; two lists on one page are two lists."""
    pages = Document((Page((items("a"),)), Page((items("b"),), number=2)))
    assert converters.to_markdown(pages) == "- a\n- b\n"
    assert markdown(items("a"), items("b")) == "- a\n\n<!-- -->\n\n- b\n"
    counted = Document((Page((items("a", kind="ordered_list"),)), Page((items("b", kind="ordered_list"),), number=2)))
    assert converters.to_markdown(counted) == "1. a\n2. b\n"
    again = Document((Page((items("1. a"),)), Page((items("1. b"),), number=2)))
    assert converters.to_markdown(again) == "1. a\n\n<!-- -->\n\n1. b\n"


def test_lone_tick_boxes_make_one_list():
    """A form's boxes stand below each other."""
    boxes = (Element("checkbox_selected", "Yes"), Element("checkbox_unselected", "☐ No"))
    assert markdown(*boxes) == "- [x] Yes\n- [ ] No\n"


def test_what_is_nested_too_deep_is_flattened_not_lost():
    """Neither recursion nor a browser's limit may decide what is kept."""
    element = Element("list_item", "core")
    for _ in range(300):
        element = Element("unordered_list", children=(Element("list_item", "x", children=(element,)),))
    shown = converters.to_text(Page((element,)))
    assert "core" in shown
    assert shown.count("x") == 300
    assert max(len(line) - len(line.lstrip()) for line in shown.split("\n")) <= 2 * MAX_DEPTH
    converters.to_html(Page((element,)))
    converters.to_json(Page((element,)))


# captions, tables, pictures


def test_a_caption_beside_a_table_or_picture_is_its_own():
    """Models leave captions at the page's level; the first words say whose they are."""
    table, picture = Element("otsl", cells=(Cell(0, 0, "x"),)), Element("picture")
    found = outline(Page((picture, Element("caption", "Table 1: Levels"), table)))
    assert [len(block.captions) for block in found if isinstance(block, Table | Figure)] == [0, 1]
    found = outline(Page((picture, Element("caption", "Figure 1: A gauge"), table)))
    assert [len(block.captions) for block in found if isinstance(block, Table | Figure)] == [1, 0]


def test_a_numbered_title_that_the_model_called_text_is_a_caption():
    """ "Table 2: ..." beside a table is one; "Table 2 shows" is a sentence."""
    table = Element("otsl", cells=(Cell(0, 0, "x"),))
    (block,) = outline(Page((text("Table 2: Levels"), table)))
    assert isinstance(block, Table)
    assert len(outline(Page((text("Table 2 shows levels."), table)))) == 2


def test_a_caption_stands_where_it_stands_on_the_page():
    """Above if it is above; without boxes above a table and below a picture."""
    cells = (Cell(0, 0, "x"),)
    caption = Element("caption", "C", (Box(0, 90, 500, 95),))
    below = Element("otsl", boxes=(Box(0, 10, 500, 80),), cells=cells, children=(caption,))
    assert markdown(below).endswith("\n\nC\n")
    assert markdown(Element("otsl", cells=cells, children=(Element("caption", "C"),))).startswith("C\n\n")
    assert markdown(Element("picture", children=(Element("caption", "C"),))) == "<!-- image -->\n\nC\n"


@pytest.mark.parametrize(
    ("rows", "headers"),
    [
        ([("ched:Year", "ched:Level"), ("1911", "142")], 1),
        ([("ched:", "ched:Level"), ("ched:Year", "ched:cm"), ("1911", "142")], 2),
        ([("Year", "Level"), ("1911", "142")], 1),
        ([("1910", "130"), ("1911", "142")], 0),
        ([("Name", "River"), ("Ines", "Ald")], 0),
        ([("Year", "ched:Level"), ("1911", "142")], 0),
    ],
)
def test_header_rows_are_marked_or_name_figures(rows, headers):
    """Marks count; without any, a row of words above figures names them."""
    cells = tuple(
        Cell(r, c, word.removeprefix("ched:"), kind="column_header" if word.startswith("ched:") else "data")
        for r, row in enumerate(rows)
        for c, word in enumerate(row)
    )
    (block,) = outline(Page((Element("otsl", cells=cells),)))
    assert isinstance(block, Table)
    assert block.grid.header_rows == headers


def test_overlapping_cells_share_a_place_and_holes_are_filled():
    """A hand-made grid may claim a slot twice; each slot has one owner and no text is lost."""
    cells = (Cell(0, 0, "a", column_span=2), Cell(0, 1, "b"), Cell(1, 1, "c"))
    (block,) = outline(Page((Element("otsl", cells=cells),)))
    assert isinstance(block, Table)
    shown = [(slot.row, slot.column, slot.column_span, plain(slot.runs)) for slot in block.grid.slots]
    assert shown == [(0, 0, 2, "a b"), (1, 0, 1, ""), (1, 1, 1, "c")]


def test_pictures_are_numbered_in_reading_order():
    """The pipeline crops by this order and the converters look files up by it."""
    inner, outer = Element("chart", "in"), Element("picture", "out", children=(Element("chart", "in"),))
    cell = Cell(0, 0, children=(Element("picture", "cell"),))
    page = Page((outer, Element("otsl", cells=(cell,), children=(Element("caption", "C"),)), inner), number=3)
    assert [element.text for element in converters.picture_elements(page)] == ["out", "in", "cell", "in"]
    file = converters.Picture("a.png", 200, 100, 144.0)
    assert "<td><figure><img" in converters.to_markdown(page, pictures={(3, 2): file})
    assert converters.to_markdown(page, pictures={(3, 3): file}).endswith("![Picture](a.png)\n\nin\n")


# links and furniture


@pytest.mark.parametrize(
    ("uri", "allowed"),
    [
        ("https://x.org/a", True),
        ("HTTP://X.ORG", True),
        ("mailto:a@b.cc", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("file:///etc/passwd", False),
        ("//x.org", False),
        ("https:", False),
        ("http://[", False),
    ],
)
def test_only_the_web_and_mail_are_linked(uri, allowed):
    """Everything else stays the text it is, in every format."""
    assert (safe_href(uri) is not None) is allowed
    element = Element("text", "see this", links=(Link(4, 8, uri),))
    assert ("](" in markdown(element)) is allowed
    assert ("<a " in converters.to_html(Page((element,)))) is allowed
    assert ("hyperlink" in converters.to_json(Page((element,)))) is allowed
    assert ("<" in converters.to_text(Page((element,)))) is allowed


def test_running_heads_are_left_out_unless_asked_for():
    """Nobody reads "page 7 of 9" between two sentences."""
    page = Page((Element("page_header", "Journal"), text("Body."), Element("page_footer", "7")))
    assert converters.to_markdown(page) == "Body.\n"
    assert converters.to_markdown(page, furniture=True) == "Journal\n\nBody.\n\n7\n"
    assert "Journal" not in converters.to_html(page) + converters.to_text(page)


def test_a_marker_is_split_off_once():
    """The rest of the text is nobody's marker."""
    marker, rest = split_marker("2) - minus")
    assert marker is not None
    assert (marker.text, rest) == ("2)", "- minus")


def test_a_file_name_is_an_address_in_markdown_and_html():
    """A space or a hash in a document's name must not cut its pictures off."""
    page, file = Page((Element("picture"),)), converters.Picture("a b #1_artifacts/p(1).png", 96, 48, 96.0)
    assert "![Picture](a%20b%20%231_artifacts/p%281%29.png)" in converters.to_markdown(page, pictures={(1, 0): file})
    assert 'src="a%20b%20%231_artifacts/p%281%29.png"' in converters.to_html(page, pictures={(1, 0): file})
