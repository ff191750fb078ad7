"""Pages as browsers print them, of manuals and of the front pages of programs: drawn bullets, listings on a ground."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doctags.tree import Element, Page
from smoldocling.pages.frame import Frame
from smoldocling.pages.lines import visible_lines
from smoldocling.pages.textlayer import Reader

PROSE = "The keeper came down to the gauge in the morning and wrote the level of the river into the book. "


@pytest.fixture
def page() -> Iterator[pymupdf.Page]:
    """An empty page with a paragraph at its top."""
    with pymupdf.open() as document:
        sheet = document.new_page()
        assert sheet.insert_textbox((60, 40, 520, 110), PROSE * 3, fontsize=10.5, fontname="helv") >= 0
        yield sheet


def read(page: pymupdf.Page) -> Page:
    with pymupdf.open(stream=page.parent.tobytes()) as document:
        return Reader(document).read(page.number).page


def walk(elements: Sequence[Element]) -> Iterator[Element]:
    for element in elements:
        yield element
        yield from walk(element.children)


def texts(page: Page, kind: str) -> list[str]:
    return [element.text for element in walk(page.elements) if element.kind == kind]


def write(page: pymupdf.Page, x: float, y: float, text: str, font: str = "helv", size: float = 10.5) -> None:
    page.insert_text((x, y), text, fontsize=size, fontname=font)


def dot(page: pymupdf.Page, x: float, y: float, *, hollow: bool = False, square: bool = False) -> None:
    """A bullet as a browser draws it, before text on the baseline y."""
    rect = pymupdf.Rect(x, y - 5.5, x + 3.8, y - 1.7)
    fill = None if hollow else (0, 0, 0)
    page.draw_rect(rect, fill=fill, color=None) if square else page.draw_oval(
        rect, fill=fill, color=(0, 0, 0), width=0.3
    )


def test_drawn_bullets_make_a_list_as_written_ones_do(page: pymupdf.Page) -> None:
    """A browser's bullets are circles and no characters; without them a list is one long sentence."""
    rows = (
        (70, "keep-alive", False),
        (70, "sessions", False),
        (92, "with cookies", True),
        (92, "without", True),
        (70, "files", False),
    )
    for place, (x, text, hollow) in enumerate(rows):
        dot(page, x, 150 + 16 * place, hollow=hollow)
        write(page, x + 12, 150 + 16 * place, text)
    (found,) = [element for element in read(page).elements if element.kind == "unordered_list"]
    assert [item.text for item in found.children] == ["keep-alive", "sessions", "files"]
    assert texts(Page(found.children[1].children), "list_item") == ["with cookies", "without"]


@settings(deadline=None, max_examples=12)
@given(st.lists(st.sampled_from(["oval", "square", "hollow"]), min_size=1, max_size=8), st.integers(60, 90))
def test_every_drawn_bullet_is_an_item_and_no_picture(shapes: list[str], left: int) -> None:
    """Whatever shape a style sheet gives them, and however many there are."""
    with pymupdf.open() as document:
        sheet = document.new_page()
        for place, shape in enumerate(shapes):
            dot(sheet, left, 100 + 16 * place, hollow=shape == "hollow", square=shape == "square")
            write(sheet, left + 12, 100 + 16 * place, f"item number {place} of the list")
        found = read(sheet)
    assert texts(found, "list_item") == [f"item number {place} of the list" for place in range(len(shapes))]
    assert not texts(found, "picture")


def test_small_marks_elsewhere_are_no_bullets(page: pymupdf.Page) -> None:
    """A square behind a word, or two of them before it, belong to a drawing."""
    write(page, 90, 150, "one level")
    dot(page, 150, 150, square=True)
    write(page, 90, 180, "another level")
    dot(page, 66, 180)
    dot(page, 74, 180)
    assert not texts(read(page), "list_item")


def test_what_stands_on_a_ground_of_its_own_is_one_listing(page: pymupdf.Page) -> None:
    """With its empty rows, with rows that are no statements, and with a ground as light as they come."""
    rows = ["$ gauge --read", "level 42", "", "", "written to the book", "  by the keeper"]
    page.draw_rect((60, 130, 535, 230), fill=(0.98, 0.98, 0.98), color=None)
    for place, row in enumerate(rows):
        write(page, 72 + 5.4 * (len(row) - len(row.lstrip())), 148 + 13 * place, row.strip(), "cour", 9)
    write(page, 60, 260, PROSE[:80])
    assert texts(read(page), "code") == ["\n".join(rows)]


def test_a_single_command_on_a_ground_is_a_listing_and_code_in_a_sentence_is_none(page: pymupdf.Page) -> None:
    """The ground of a listing is as wide as its column; that of a word ends with it."""
    page.draw_rect((60, 130, 535, 160), fill=(0.94, 0.94, 0.96), color=None)
    write(page, 72, 149, "git clone https://example.org/gauge", "cour", 9)
    page.draw_rect((80, 180, 135, 194), fill=(0.94, 0.94, 0.96), color=None)
    write(page, 60, 190, "Run")
    write(page, 83, 190, "gauge run", "cour", 9)
    write(page, 138, 190, "in the morning.")
    found = read(page)
    assert texts(found, "code") == ["git clone https://example.org/gauge"]
    assert texts(found, "text")[1] == "Run gauge run in the morning."


def test_a_listing_without_ground_goes_on_after_empty_rows(page: pymupdf.Page) -> None:
    """Two empty rows part the functions of a program."""
    rows = ["def read(gauge):", "    return gauge.level", "", "", "def write(book):", "    book.add(1)"]
    for place, row in enumerate(rows):
        if row:
            write(page, 72 + 5.4 * (len(row) - len(row.lstrip())), 148 + 12 * place, row.strip(), "cour", 9)
    write(page, 60, 250, PROSE[:80])
    assert texts(read(page), "code") == ["\n".join(rows)]


def test_the_white_around_code_in_a_sentence_is_no_space(page: pymupdf.Page) -> None:
    """Style sheets put a ground with white on both sides behind a word of code; the comma belongs to the word."""
    x = 60.0
    for text, font, gap in (
        ("the classic names (", "helv", 3.5),
        ("@attr.s", "cour", 3.5),
        (", or none) remain", "helv", 0),
    ):
        write(page, x, 150, text, font)
        x += pymupdf.get_text_length(text, font, 10.5) + gap
    assert texts(read(page), "text")[-1] == "the classic names (@attr.s, or none) remain"


ENDS = (
    "In the evening the gauge was read again.",
    "No more than this is known about it.",
    "That is all that there is to say of the bridge.",
    "Others have written more about the ice.",
)


def test_the_last_sentence_of_a_page_is_no_footer(page: pymupdf.Page) -> None:
    """Pages that a browser prints have narrow margins."""
    document = page.parent
    for _ in range(4):
        sheet = document.new_page()
        for row in range(50):
            write(sheet, 60, 40 + 15.2 * row, PROSE[:90])
        write(sheet, 60, 40 + 15.2 * 50 + 22, ENDS[sheet.number % 4])
    found = read(document[2])
    assert found.elements[-1].kind == "text"
    assert found.elements[-1].text == ENDS[2]


def row(y: float, *spans: tuple[str, int]) -> dict[str, Any]:
    """A row as MuPDF gives it: texts with their flags, each character five points wide."""
    x, found = 60.0, []
    for text, flags in spans:
        chars = []
        for char in text:
            chars.append({"c": char, "bbox": (x, y - 8, x + 5, y + 2), "origin": (x, y), "synthetic": False})
            x += 5
        found.append(
            {"font": "Face", "size": 10.0, "flags": 4, "char_flags": flags, "color": 0, "alpha": 255, "chars": chars}
        )
    return {"dir": (1.0, 0.0), "spans": found}


@pytest.mark.parametrize(("known", "text"), [(True, "Citing \ufffd gauges"), (False, "\ufffd" * 15)])
def test_a_code_without_meaning_says_nothing_of_its_neighbours(known: bool, text: str) -> None:
    """MuPDF marks the whole run in which a sign is missing; the words beside the empty box are as clear as before."""
    rows = [row(100, ("Citing \0 gauges", 16 | 128)), *([row(120, ("All of it is clear", 16))] if known else [])]
    seen = visible_lines(rows, 0, Frame(0, 600, 800), list)
    assert seen.lines[0].text == text
    assert seen.broken == text.count("\ufffd")


def test_a_list_in_monospaced_type_is_a_list(page: pymupdf.Page) -> None:
    """Manuals list the names of types; no program is written with bullets."""
    names = ["INTEGER", "BIT STRING", "NULL", "SET OF"]
    bullets = pymupdf.TextWriter(page.rect)
    for place, name in enumerate(names):
        bullets.append((72, 150 + 14 * place), "\u2022", pymupdf.Font("helv"), 10.5)
        write(page, 84, 150 + 14 * place, f"{name};", "cour", 10)
    bullets.write_text(page)
    found = read(page)
    assert texts(found, "code") == []
    assert texts(found, "list_item") == [f"{name};" for name in names]
