"""The text-layer reader against the true DocTags of the project's own samples, and against files made to break it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pymupdf
import pytest
from rapidfuzz.distance import Levenshtein

import doctags
from doctags.tree import Box, Element, Page
from smoldocling.errors import SmolDoclingError
from smoldocling.pages import layout
from smoldocling.pages.textlayer import Reader


def read(path: Path) -> list[Page]:
    with pymupdf.open(path) as document:
        reader = Reader(document)
        return [reader.read(index).page for index in range(document.page_count)]


def walk(elements: tuple[Element, ...]) -> Iterator[Element]:
    for element in elements:
        yield element
        yield from walk(element.children)


def body(page: Page) -> list[Element]:
    return [element for element in page.elements if element.kind not in ("page_header", "page_footer")]


def truth(path: Path) -> list[Page]:
    return list(doctags.parse(path.with_suffix(".dt").read_text("utf-8")).pages)


@pytest.fixture(scope="module", params=["report", "invoice"])
def sample(request: pytest.FixtureRequest, samples: Path) -> tuple[list[Page], list[Page]]:
    """Pages as they are read, and as they are."""
    path = samples / f"{request.param}.pdf"
    return read(path), truth(path)


def test_the_samples_have_their_true_elements_in_order(sample: tuple[list[Page], list[Page]]) -> None:
    """Kinds, levels and nesting: what a reader of the Markdown sees first."""
    for found, true in zip(*sample, strict=True):
        shape = [(element.kind, element.level) for element in walk(tuple(body(found)))]
        assert shape == [(element.kind, element.level) for element in walk(tuple(body(true)))]


def test_the_samples_have_their_true_text(sample: tuple[list[Page], list[Page]]) -> None:
    """Formulas are left out: their truth is LaTeX, which nobody can read from a text layer."""
    for found, true in zip(*sample, strict=True):
        texts = ["\n".join(e.text for e in walk(tuple(body(page))) if e.kind != "formula") for page in (found, true)]
        assert Levenshtein.normalized_similarity(*texts) > 0.995


def test_the_samples_have_their_true_tables(sample: tuple[list[Page], list[Page]]) -> None:
    """Every cell's text stands in its row and column, and headings are known as headings."""
    for found, true in zip(*sample, strict=True):
        for ours, theirs in zip(_tables(found), _tables(true), strict=True):
            assert (ours.rows, ours.columns) == (theirs.rows, theirs.columns)
            assert {(c.row, c.column, c.text) for c in ours.cells if c.text} == {
                (c.row, c.column, c.text) for c in theirs.cells if c.text
            }
            headings = [
                {(c.row, c.column) for c in t.cells if c.kind == "column_header" and c.text} for t in (ours, theirs)
            ]
            assert headings[0] == headings[1]


def _tables(page: Page) -> list[Element]:
    return [element for element in page.elements if element.kind == "otsl"]


def test_the_samples_have_their_true_places(sample: tuple[list[Page], list[Page]]) -> None:
    """Boxes may differ by what counts as the edge of a letter or of a ruled table, not more."""
    for found, true in zip(*sample, strict=True):
        for ours, theirs in zip(body(found), body(true), strict=True):
            if ours.kind in ("otsl", "picture", "formula") or theirs.box is None:
                continue
            assert ours.box is not None
            assert _edges(ours.box) == pytest.approx(_edges(theirs.box), abs=4), ours.text


def _edges(box: Box) -> tuple[int, int, int, int]:
    return (box.x0, box.y0, box.x1, box.y1)


def test_what_is_read_can_be_written_and_parsed(sample: tuple[list[Page], list[Page]]) -> None:
    """The tree obeys the language: writing it and parsing it again gives the same tree without problems."""
    for page in sample[0]:
        document = doctags.parse(doctags.write(page))
        assert not [problem for problem in document.problems if problem.severity == "error"]
        assert document.pages[0] == page


def test_without_the_layout_model_the_text_is_all_there(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model may be missing or fail on a page; white space and type are enough for the words and their order."""

    def fail() -> object:
        raise RuntimeError("no such network")

    monkeypatch.setattr(layout, "_model", fail)
    pages = zip(read(samples / "report.pdf"), truth(samples / "report.pdf"), strict=True)
    for found, true in list(pages)[:2]:
        texts = ["".join(e.text for e in walk(tuple(body(page))) if e.kind != "formula") for page in (found, true)]
        assert Levenshtein.normalized_similarity(*texts) > 0.98


def test_damaged_files_cost_a_page_and_nothing_more(shared_data: Path) -> None:
    """Every page of a hostile file is read or refused with a reason; no other exception, no box off the grid."""
    seen = 0
    for path in sorted((shared_data / "hostile").glob("*/*.pdf"))[::5]:
        try:
            document = pymupdf.open(path, filetype="pdf")
            pages = 0 if document.needs_pass else min(3, document.page_count)
        except Exception:  # PyMuPDF cannot open it; that is for the sources to report
            continue
        reader = Reader(document)
        for index in range(pages):
            seen += 1
            try:
                reading = reader.read(index)
            except SmolDoclingError:
                continue
            assert (reading.reason is None) == (reading.kind == "text"), path
            assert reading.kind != "text" or reading.page.elements, path
            for element in walk(reading.page.elements):
                for box in element.boxes:
                    assert 0 <= box.x0 <= box.x1 <= 500, path
                    assert 0 <= box.y0 <= box.y1 <= 500, path
        document.close()
    assert seen > 50
