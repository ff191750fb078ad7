"""What a model wrote beside what is printed: scores, warnings, mended characters."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import pymupdf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from make import PROSE, pdf
from trees import pages as page_trees

import doctags
from doctags.tree import Box, Cell, Element, Page
from smoldocling.pages import ink
from smoldocling.pages.textlayer import Reader, Reading
from smoldocling.pages.words import Words
from smoldocling.reconcile import MARGIN, Checked, TextName, reconcile
from smoldocling.result import walk

TEXTS: tuple[TextName, ...] = ("auto", "model", "page")
SAMPLES = Path(__file__).parent.parent / "samples"
ALL = (Box(0, 0, 500, 500),)
PAGE = (
    "<h1>Tide gauges</h1><p>The gauge at the northern pier was read every ten minutes for a whole year, and the "
    "“readings” were written into a book by hand. Each gap costs 1,234.50 euro.</p>"
    "<p>Nobody had counted the gaps before this summer, when the office moved into another building.</p>"
    "<table border='1'><tr><td>Month</td><td>Mean level</td><td>Gaps</td></tr>"
    "<tr><td>January</td><td>12.81</td><td>14</td></tr><tr><td>February</td><td>11.40</td><td>3</td></tr></table>"
)


def read(data: bytes, index: int = 0) -> Reading:
    with pymupdf.open(stream=data, filetype="pdf") as document:
        return Reader(document).read(index)


@cache
def printed(html: str = PAGE) -> Reading:
    document = pymupdf.open()
    document.new_page(width=595, height=842).insert_htmlbox((72, 72, 523, 770), html)
    return read(document.tobytes())


def check(*elements: Element, text: TextName = "auto", reading: Reading | None = None) -> Checked:
    """The elements as a model would have written them, compared."""
    raw = doctags.write(Page(elements))
    return reconcile(doctags.parse(raw).pages[0], reading or printed(), text, raw)


def kinds(checked: Checked) -> list[str]:
    return [problem.kind for problem in checked.problems]


FIRST = (
    "The gauge at the northern pier was read every ten minutes for a whole year, and the “readings” were written into "
    "a book by hand. Each gap costs 1,234.50 euro."
)
SECOND = "Nobody had counted the gaps before this summer, when the office moved into another building."


def place_of(text: str) -> tuple[Box, ...]:
    """Where the text layer has it."""
    return next(element.boxes for element in walk(printed().page) if element.text.startswith(text[:20]))


# --- truth ---


@pytest.mark.parametrize(("stem", "number"), [("report", 0), ("report", 1), ("report", 2), ("invoice", 0)])
def test_true_pages_are_confirmed_to_the_last_character(stem: str, number: int) -> None:
    """A warning on a page without a mistake would teach people to ignore warnings."""
    raw = (SAMPLES / f"{stem}.dt").read_text(encoding="utf-8")
    tree = doctags.parse(raw).pages[number]
    for text in ("auto", "model"):
        checked = reconcile(tree, read((SAMPLES / f"{stem}.pdf").read_bytes(), number), text, raw)
        assert checked.agreement == 1.0
        assert checked.problems == ()
        assert checked.tree == tree


def test_doclings_own_pages_are_confirmed(shared_data: Path) -> None:
    """Korean, Arabic, quotes and dashes that docling makes plain, captions, tables, code on one line."""
    for truth in sorted((shared_data / "docling").glob("*.dt")):
        raw = truth.read_text(encoding="utf-8")
        for number, tree in enumerate(doctags.parse(raw).pages):
            checked = reconcile(tree, read(truth.with_suffix(".pdf").read_bytes(), number), "auto", raw)
            assert checked.agreement is not None
            assert checked.agreement > 0.995, truth.name
            assert checked.problems == (), truth.name
            assert checked.tree == tree, truth.name


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_layer_agrees_with_itself(text: TextName) -> None:
    """Its own tree is the best that a model can write."""
    checked = reconcile(printed().page, printed(), text)
    assert checked.agreement == 1.0
    assert checked.tree == printed().page


# --- inventions ---


def test_an_invented_sentence_is_reported_where_it_stands() -> None:
    """Inside a paragraph that is otherwise on the page."""
    invented = "The Book of the Dead was found beside it."
    raw = doctags.write(Page((Element("text", f"{FIRST} {invented} {SECOND}", ALL),)))
    checked = reconcile(doctags.parse(raw).pages[0], printed(), "auto", raw)
    (problem,) = checked.problems
    assert (problem.kind, problem.severity) == ("invented", "warning")
    found = raw[problem.start : problem.end]
    assert found in invented
    assert len(found) > 0.7 * len(invented)
    assert raw.splitlines()[problem.line - 1][problem.column - 1 :].startswith(found)
    assert checked.agreement is not None
    assert 0.8 < checked.agreement < 1


def test_an_invented_page_agrees_with_nothing() -> None:
    """The known failure on pages that the model cannot read."""
    checked = check(
        Element("title", "The Book of the Dead", ALL), Element("text", "It is a funerary text of old Egypt.", ALL)
    )
    assert checked.agreement is not None
    assert checked.agreement < 0.1
    assert kinds(checked) == ["invented", "invented"]


def test_random_letters_agree_with_nothing() -> None:
    """Neither by their commas nor by chance."""
    dice = random.Random(3)
    text = "".join(dice.choice("abcdefghijklmnopqrstuvwxyz") if char.isalnum() else char for char in FIRST + SECOND)
    checked = check(Element("text", text, ALL))
    assert checked.agreement is not None
    assert checked.agreement < 0.05


def test_an_invented_cell_is_reported() -> None:
    """Tables are where wrong numbers hurt."""
    row = ("Month", "Mean level", "Gaps", "January", "12.81", "14", "February", "11.40", "9973.25")
    cells = tuple(Cell(at // 3, at % 3, text) for at, text in enumerate(row))
    raw = doctags.write(Page((Element("otsl", boxes=ALL, cells=cells),)))
    checked = reconcile(doctags.parse(raw).pages[0], printed(), "auto", raw)
    assert [raw[problem.start : problem.end] for problem in checked.problems] == ["9973.25"]


def test_pictures_may_say_what_no_text_layer_says() -> None:
    """Data read from a chart, a molecule: nothing of it is text in the file."""
    cells = (Cell(0, 0, "Widgets"), Cell(0, 1, "4711"))
    checked = check(Element("picture", boxes=ALL, label="bar_chart", cells=cells), Element("text", SECOND, ALL))
    assert kinds(checked) == []
    assert checked.agreement == 1.0


def test_text_in_an_image_is_not_called_invented() -> None:
    """A scanned stamp on a born-digital page: the model reads it, the file does not know it."""
    document = pymupdf.open(stream=pdf(PROSE), filetype="pdf")
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 40, 40))
    pixmap.clear_with(90)
    document[0].insert_image(pymupdf.Rect(100, 400, 400, 600), pixmap=pixmap, keep_proportion=False)
    reading = read(document.tobytes())
    stamp = Element("text", "RECEIVED at the harbour office", (Box(100, 250, 320, 340),))
    assert kinds(check(Element("text", PROSE, ALL), stamp, reading=reading)) == []
    elsewhere = replace(stamp, boxes=(Box(100, 400, 320, 430),))
    assert kinds(check(Element("text", PROSE, ALL), elsewhere, reading=reading)) == ["invented"]


def test_formulas_are_compared_by_their_signs() -> None:
    """The model writes LaTeX, the file has its signs in some order."""
    reading = printed("<p>We use the formula below for all of our computations of the tides.</p><p>E = mc² + k · T</p>")
    good = Element("formula", r"E = m c ^ { 2 } + k \cdot T", ALL)
    bad = Element(
        "formula", r"\sum _ { i = 0 } ^ { n } \frac { 7 9 } { z ^ { 8 } } \quad { 3 4 6 }", (Box(60, 50, 440, 80),)
    )
    assert kinds(check(good, reading=reading)) == []
    assert kinds(check(bad, reading=reading)) == ["invented"]


# --- boxes ---


@given(shift=st.tuples(*[st.integers(-6, 6)] * 4))
def test_a_box_that_is_a_little_off_makes_no_words_missing(shift: tuple[int, int, int, int]) -> None:
    """Models' boxes are off by a line now and then."""
    (box,) = place_of(FIRST)
    sides = [max(0, side + by) for side, by in zip((box.x0, box.y0, box.x1, box.y1), shift, strict=True)]
    checked = check(Element("text", FIRST, (Box(*sides),)))
    assert checked.agreement == 1.0
    assert checked.problems == ()


def test_a_box_that_lacks_a_row_makes_no_words_invented() -> None:
    """The last word stands alone below the box, and beside a misread one no phrase is left to find it by."""
    (box,) = place_of(SECOND)
    short = Box(box.x0, box.y0, box.x1, box.y0 + 4)
    words = printed().words
    assert words is not None
    [last] = [word for word in words.all if word.text == "building."]
    assert not last.inside(short, MARGIN), "the row is out of reach without another look"
    checked = check(Element("text", SECOND.replace("another", "anather"), (short,)))
    assert checked.problems == ()
    assert checked.tree.elements[0].text == SECOND


def test_swapped_boxes_are_no_inventions() -> None:
    """The words are on the page, only not there: that is another warning, and nobody's text is exchanged."""
    elements = (Element("text", FIRST, (Box(60, 300, 440, 320),)), Element("text", SECOND, place_of("Tide gauges")))
    for text in TEXTS:
        checked = check(*elements, text=text)
        assert kinds(checked) == ["elsewhere", "elsewhere"]
        assert checked.agreement == 1.0
        assert [element.text for element in checked.tree.elements] == [FIRST, SECOND]


def test_an_element_without_a_box_is_looked_for_on_the_whole_page() -> None:
    """Inline groups and many fine-tuned models have none."""
    checked = check(Element("text", FIRST), Element("text", "Nothing of this was ever printed there."))
    assert kinds(checked) == ["invented"]


# --- mending ---


def test_a_misread_letter_is_put_right() -> None:
    """And a misread digit; what surrounds them stays as it was written."""
    wrong = FIRST.replace("northern", "northem").replace("1,234.50", "1,284.50").replace("“readings”", '"readings"')
    checked = check(Element("text", wrong, place_of(FIRST)))
    assert checked.tree.elements[0].text == FIRST.replace("“readings”", '"readings"')
    assert checked.agreement is not None
    assert 0.95 < checked.agreement < 1
    assert checked.problems == ()


def test_a_misread_cell_is_put_right() -> None:
    """Cell by cell, although only the table has a box."""
    row = ("Month", "Mean level", "Gaps", "January", "12.31", "14", "Febuary", "11.40", "3")
    cells = tuple(Cell(at // 3, at % 3, text) for at, text in enumerate(row))
    found = check(Element("otsl", boxes=ALL, cells=cells)).tree.elements[0].cells
    assert [cell.text for cell in found][4:7] == ["12.81", "14", "February"]


@pytest.mark.parametrize("kind", ["formula", "picture", "smiles"])
def test_formulas_and_pictures_stay_as_they_were_written(kind: str) -> None:
    """Their characters are not the page's."""
    text = FIRST.replace("northern", "northem")
    tree = Page((Element(kind, text, place_of(FIRST)),))
    for name in TEXTS:
        assert reconcile(tree, printed(), name).tree == tree


def test_the_layout_of_code_is_the_models() -> None:
    """Indentation is not among the page's characters; the words are."""
    reading = printed("<pre>def level(x):\n    return x + 1.5\n</pre><p>Here follows a sentence about the code.</p>")
    code = Element("code", "def leve1(x):\n        return x + 1.5", ALL, label="Python")
    assert check(code, reading=reading).tree.elements[0].text == "def level(x):\n        return x + 1.5"


def test_a_text_that_is_mostly_something_else_is_not_mended() -> None:
    """Close words in a text that is not the page's are chance."""
    other = "The gouge at the southern gate may cost thousands and nobody knows what it will be good for."
    assert check(Element("text", other, ALL)).tree.elements[0].text == other


def test_suspicious_characters_are_never_taken() -> None:
    """A font that maps one letter to a private code, in an otherwise good text."""
    document = pymupdf.open()
    document.new_page(width=595, height=842).insert_htmlbox((72, 72, 523, 770), PAGE)
    with pymupdf.open(stream=document.tobytes(), filetype="pdf") as copy:
        marks = ink.read(copy[0])
    lines = tuple(
        replace(line, words=tuple(replace(word, text=word.text.replace("th", "\ue0c0")) for word in line.words))
        for line in marks.lines
    )
    reading = replace(printed(), words=Words(replace(marks, lines=lines)))
    for text in ("auto", "page"):
        checked = check(Element("text", FIRST, ALL), text=text, reading=reading)
        assert checked.agreement is not None
        assert checked.tree.elements[0].text == FIRST


def test_page_takes_the_pages_characters_wherever_there_are_some() -> None:
    """Quotes as printed, a missing half of a sentence, and no neighbour's words."""
    wrong = FIRST.replace("“readings”", '"readings"').removesuffix(" Each gap costs 1,234.50 euro.")
    lost = Element("text", "A caption of a figure that nobody can find.", (Box(60, 400, 440, 420),))
    checked = check(Element("text", wrong, place_of(FIRST)), Element("text", SECOND, ALL), lost, text="page")
    assert [element.text for element in checked.tree.elements[::2]] == [FIRST, lost.text]


def test_page_leaves_the_markers_of_items_to_the_list() -> None:
    """The bullet is printed under the box, but the list draws its own."""
    reading = printed(
        "<ul><li>first of all items</li><li>second one of them</li></ul><p>A paragraph after the list.</p>"
    )
    boxes = [element.boxes for element in walk(reading.page) if element.kind == "list_item"]
    wide = [(Box(box.x0 - 15, box.y0, box.x1, box.y1),) for (box,) in boxes]
    items = (Element("list_item", "first of ale items", wide[0]), Element("list_item", "second one of them", wide[1]))
    checked = check(Element("unordered_list", children=items), text="page", reading=reading)
    assert [item.text for item in checked.tree.elements[0].children] == ["first of all items", "second one of them"]


# --- laws ---


@given(tree=page_trees())
def test_model_never_changes_the_tree(tree: Page) -> None:
    """Whatever it is: who asks for the model's text gets it."""
    assert reconcile(tree, printed(), "model").tree is tree


SCRAPS = st.lists(
    st.sampled_from(
        [*FIRST.split(), *SECOND.split(), "gouge", "nortern", "1,284.50", "•", ",", "x", "Febuary", "12.31"]
    ),
    max_size=30,
).map(" ".join)


@given(
    texts=st.lists(SCRAPS, min_size=1, max_size=3),
    boxes=st.lists(
        st.sampled_from([ALL, (), (Box(50, 50, 450, 80),), (Box(60, 60, 300, 75),)]), min_size=3, max_size=3
    ),
    text=st.sampled_from(TEXTS),
    kind=st.sampled_from(["text", "list_item", "code", "section_header"]),
)
def test_twice_is_once(texts: list[str], boxes: list[tuple[Box, ...]], text: TextName, kind: str) -> None:
    """What has been put right is right; a page that goes through again stays as it is."""
    tree = Page(tuple(Element(kind, one, box) for one, box in zip(texts, boxes, strict=False)))
    once = reconcile(tree, printed(), text).tree
    assert reconcile(once, printed(), text).tree == once


@given(texts=st.lists(SCRAPS, min_size=1, max_size=3), text=st.sampled_from(["auto", "model"]))
@example(texts=["hand. were written"], text="auto")
def test_what_is_confirmed_is_not_changed(texts: list[str], text: TextName) -> None:
    """`auto` is for misread characters only."""
    tree = Page(tuple(Element("text", one, ALL) for one in texts))
    checked = reconcile(tree, printed(), text)
    for place, (before, after) in enumerate(zip(walk(tree), walk(checked.tree), strict=True)):
        assert before == after or checked.scores[place] < 1


@given(tree=page_trees(), text=st.sampled_from(TEXTS))
def test_any_tree_can_be_compared(tree: Page, text: TextName) -> None:
    """What models write has no limits; scores have."""
    checked = reconcile(tree, printed(), text, doctags.write(tree))
    elements = list(walk(tree))
    assert all(0 <= score <= 1 and place < len(elements) for place, score in checked.scores.items())
    assert [element.kind for element in walk(checked.tree)] == [element.kind for element in elements]


# --- text layers that cannot tell ---


def test_without_a_text_layer_nothing_is_said() -> None:
    """An image, a scan."""
    tree = Page((Element("text", "x", ALL),))
    assert reconcile(tree, None) == Checked(tree)
    assert reconcile(tree, replace(printed(), words=None, kind="scan")) == Checked(tree)


def test_a_cipher_is_left_alone() -> None:
    """The model reads the glyphs, the file has other letters: the glyphs are right."""
    cipher = "".join(chr((ord(char) - 97 + 3) % 26 + 97) if char.islower() else char for char in PROSE)
    checked = check(Element("text", PROSE, ALL), text="page", reading=read(pdf(cipher)))
    assert checked.agreement is None
    assert checked.problems == ()
    assert checked.tree.elements[0].text == PROSE
    assert checked.note is not None
    assert checked.note.startswith("the text layer is left alone: ")
    assert "\n" not in checked.note


def test_codes_without_meaning_are_left_alone() -> None:
    """A font without a character map; nothing is said of pages that have no text layer at all."""
    document = pymupdf.open()
    document.new_page().insert_htmlbox((72, 72, 500, 140), "<p>" + "\ue123\ue124\ue125 " * 20 + "</p>")
    checked = check(Element("text", PROSE, ALL), reading=read(document.tobytes()))
    assert (checked.agreement, checked.problems) == (None, ())
    assert checked.note == "the text layer is left alone: most of its characters have no known meaning"


def scanned(recognised: str) -> Reading:
    """A scan with invisible text over it."""
    document = pymupdf.open()
    page = document.new_page(width=595, height=842)
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, pymupdf.IRect(0, 0, 60, 80))
    pixmap.clear_with(120)
    page.insert_image(page.rect, pixmap=pixmap, keep_proportion=False)
    page.insert_textbox(pymupdf.Rect(72, 72, 523, 770), recognised, fontsize=11, render_mode=3)
    return read(document.tobytes())


def test_invisible_text_that_is_not_what_the_model_reads_is_left_alone() -> None:
    """Recognition of another page, in another language, or of nothing at all."""
    junk = "Total amount payable within thirty days after receipt of this invoice number four seven one one please."
    checked = check(Element("text", PROSE, ALL), text="page", reading=scanned(junk))
    assert (checked.agreement, checked.problems) == (None, ())
    assert checked.note is not None
    assert checked.tree.elements[0].text == PROSE


def test_good_invisible_text_confirms_but_does_not_correct() -> None:
    """It comes from text recognition, which misreads letters as the model does."""
    checked = check(Element("text", PROSE.replace("northern", "northem"), ALL), reading=scanned(PROSE))
    assert checked.agreement is not None
    assert checked.agreement > 0.95
    assert "northem" in checked.tree.elements[0].text
    assert checked.note is None
