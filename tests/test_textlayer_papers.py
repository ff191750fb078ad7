"""What papers are full of: bibliographies, charts with their scales."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pymupdf
import pytest

from doctags.tree import Element, Page
from smoldocling.pages import signs
from smoldocling.pages.lines import Line, Style, Word
from smoldocling.pages.textlayer import Reader

PROSE = "The keeper came down to the gauge in the morning and wrote the level of the river into the book. "


@pytest.fixture
def page() -> Iterator[pymupdf.Page]:
    """A page with a paragraph at its top."""
    with pymupdf.open() as document:
        sheet = document.new_page()
        assert sheet.insert_textbox((72, 60, 520, 130), PROSE * 3, fontsize=10, fontname="helv") >= 0
        yield sheet


def read(page: pymupdf.Page) -> Page:
    with pymupdf.open(stream=page.parent.tobytes()) as document:
        return Reader(document).read(page.number).page


def write(page: pymupdf.Page, x: float, y: float, text: str, size: float = 10) -> None:
    page.insert_text((x, y), text, fontsize=size, fontname="helv")


def walk(elements: Sequence[Element]) -> Iterator[Element]:
    for element in elements:
        yield element
        yield from walk(element.children)


def line(text: str) -> Line:
    style = Style("Helvetica", 10.0, bold=False, italic=False, mono=False, math=False, color=0)
    words = tuple(Word(word, 72.0, 100.0, 90.0, 110.0, style, 108.0) for word in text.split())
    return Line(words, 72.0, 100.0, 400.0, 110.0, 108.0, style)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("C. Andrieu, A. Doucet, and R. Holenstein. Particle methods.", False),
        ("H. Bijl, J-W. van Wingerden, and T. Ice. Online regression.", False),
        ("J.-P. van der Berg (2010) Rivers.", False),
        ("A. D. Bull. Convergence rates.", False),
        ("E. Mills et al., Gauges.", False),
        ("A. Gauges of wood", True),
        ("B. reads the gauge", True),
        ("b. Mills, a village", True),
        ("3. Bridges, and ferries", True),
    ],
)
def test_initials_count_nothing(text: str, counts: bool) -> None:
    """A bibliography is sorted by names; its entries are no list from A to Z."""
    assert (signs.ordinal(line(text)) is not None) == counts


def test_rows_that_hang_below_an_entry_belong_to_it(page: pymupdf.Page) -> None:
    """Entries of a bibliography begin at the margin; what is cut from them is found nowhere."""
    write(page, 72, 160, "References", 14)
    entries = (
        ("C. Andrews, A. Drift and R. Hollow. How the gauges of the northern rivers were read", "in winter. 1926."),
        ("E. Brook, V. M. Cord and N. Freeze. What a keeper has to know about the ice and the", "floods. 1931."),
        ("A. D. Bull. On the level of the river under the old bridge, and of what becomes of it", "in spring. 1940."),
    )
    y = 185.0
    for first, second in entries:
        write(page, 72, y, first, 11)
        write(page, 84, y + 14, second, 11)
        y += 14 + 24
    texts = [element.text for element in walk(read(page).elements) if element.text]
    for first, second in entries:
        assert f"{first} {second}" in texts


def chart(page: pymupdf.Page, left: float, top: float, caption: str) -> None:
    """A curve of many short lines, with scales on two sides and their names, as plotting programs draw it."""
    right, bottom = left + 200, top + 120
    page.draw_line((left, top), (left, bottom))
    page.draw_line((left, bottom), (right, bottom))
    for n in range(150):
        x = left + n * 200 / 150
        page.draw_line((x, top + 60 + (n * 7) % 40), (x + 1.3, top + 60 + ((n + 1) * 7) % 40), width=0.5)
    for n in range(5):
        write(page, left + 48 * n, bottom + 12, str(20 * n), 6)
        write(page, left - 18, bottom - 28 * n, f"0.{n}", 6)
    write(page, left + 70, bottom + 24, "hours of the day", 6)
    write(page, left - 10, bottom + 50, caption, 9)


def test_the_scales_of_a_chart_are_no_text(page: pymupdf.Page) -> None:
    """Numbers along an axis read as thirty paragraphs of one number each."""
    chart(page, 150, 160, "Figure 1: The level of the river by hours.")
    assert page.insert_textbox((72, 360, 520, 430), PROSE * 3, fontsize=10, fontname="helv") >= 0
    found = read(page)
    assert [element.kind for element in found.elements] == ["text", "picture", "text"]
    (caption,) = found.elements[1].captions
    assert caption.text == "Figure 1: The level of the river by hours."


def test_a_paragraph_beside_a_chart_stays(page: pymupdf.Page) -> None:
    """Only what counts an axis is part of the picture."""
    chart(page, 150, 160, "Figure 1: The level of the river by hours.")
    assert page.insert_textbox((380, 160, 520, 290), PROSE, fontsize=10, fontname="helv") >= 0
    assert any(PROSE[:40] in element.text for element in read(page).elements)
