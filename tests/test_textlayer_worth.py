"""A page whose text layer is missing or worthless says so: for a model, or for a person without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pymupdf
import pytest

import smoldocling
from smoldocling.pages.textlayer import Reader, Reading

PROSE = "The keeper came down to the gauge in the morning and wrote the level of the river into the book. "


@pytest.fixture
def page() -> Iterator[pymupdf.Page]:
    """An empty page."""
    with pymupdf.open() as document:
        yield document.new_page()


def read(page: pymupdf.Page) -> Reading:
    with pymupdf.open(stream=page.parent.tobytes()) as document:
        return Reader(document).read(page.number)


def picture(light: int, dark: int, share: float) -> pymupdf.Pixmap:
    """A picture of 300 x 420 pixels, a share of which is dark, in rows as text is."""
    pixels = np.full((420, 300, 3), light, dtype=np.uint8)
    rows = np.arange(420) % 12 < 12 * share
    pixels[rows, 30:270] = dark
    return pymupdf.Pixmap(pymupdf.csRGB, 300, 420, pixels.tobytes(), False)


@pytest.mark.parametrize("text", ["", "17", "- 17 -", "Scanned by the archive of the old bridge, 2019"])
def test_the_number_on_a_scan_is_not_its_text(page: pymupdf.Page, text: str) -> None:
    """Archives stamp scans; a page of which only the stamp is read has been lost in silence."""
    page.insert_image(page.rect, pixmap=picture(250, 20, 0.3))
    page.insert_text((280, 820), text, fontsize=9)
    found = read(page)
    assert found.kind == "scan"
    assert found.reason is not None
    assert "needs a model" in found.reason


def test_a_photograph_over_the_page_with_its_caption_is_no_scan(page: pymupdf.Page) -> None:
    """Books have pages that are one picture; they are read, and the picture is in its place."""
    page.insert_image(page.rect, pixmap=picture(120, 20, 0.3))
    page.insert_text((60, 800), "The bridge in winter", fontsize=11, color=(1, 1, 1))
    found = read(page)
    assert found.kind == "text"
    assert any("The bridge in winter" in element.text for element in found.page.elements)


def convert(page: pymupdf.Page, folder: Path) -> smoldocling.PageResult:
    path = folder / "page.pdf"
    page.parent.save(path)
    return smoldocling.convert(path, engine="textlayer").pages[0]


def test_text_that_was_recognised_says_so(page: pymupdf.Page, tmp_path: Path) -> None:
    """Recognition errs; who reads its text has to know that it is no more than that."""
    page.insert_image(page.rect, pixmap=picture(250, 20, 0.3))
    assert page.insert_textbox((60, 60, 540, 300), PROSE * 4, fontsize=11, render_mode=3) >= 0
    found = convert(page, tmp_path)
    assert found.status == "textlayer"
    assert found.note is not None
    assert "text recognition" in found.note


@pytest.mark.parametrize("by", range(1, 26))
def test_letters_that_were_moved_along_the_alphabet_are_doubted(page: pymupdf.Page, tmp_path: Path, by: int) -> None:
    """Some programs number the letters of a font as they please and do not say how."""
    moved = "".join(chr((ord(c) - 97 + by) % 26 + 97) if c.islower() else c for c in PROSE.lower() * 4)
    assert page.insert_textbox((60, 60, 540, 300), moved, fontsize=11) >= 0
    found = convert(page, tmp_path)
    assert found.note is not None
    assert "doubtful" in found.note


def test_honest_text_is_not_doubted(page: pymupdf.Page, tmp_path: Path) -> None:
    """A warning on every page is none."""
    assert page.insert_textbox((60, 60, 540, 300), PROSE * 4, fontsize=11) >= 0
    assert convert(page, tmp_path).note is None


def test_symbols_of_an_unknown_font_are_garbage(page: pymupdf.Page, tmp_path: Path) -> None:
    """A font whose codes stand for nothing in Unicode: the page is not answered with boxes and question marks."""
    private = "".join(chr(0xE000 + ord(char)) if char.isalpha() else char for char in PROSE * 3)
    page.insert_htmlbox((60, 60, 540, 300), f"<p>{private}</p>")
    found = convert(page, tmp_path)
    assert found.status == "failed"
    assert found.error is not None
    assert "no known meaning" in found.error
