"""The samples are what the other tests stand on, so their truth is checked against the pages themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pymupdf
import pytest
from PIL import Image

import doctags
from doctags.tree import GRID, Box, Document, Element

FILES = ("invoice.dt", "invoice.pdf", "report.dt", "report.pdf", "scan.dt", "scan.png")
PDF_PAGES = [("report", 0), ("report", 1), ("report", 2), ("invoice", 0)]
DRAWN = {"picture", "formula"}  # their truth is not the characters that stand in them
Ink = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two fresh sets of samples, made by processes that hash strings differently."""
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    make = Path(__file__).parent.parent / "samples" / "make.py"
    for seed, folder in enumerate(folders, 1):
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        subprocess.run([sys.executable, str(make), str(folder)], check=True, env=environment, timeout=120)
    return folders


def truth(samples: Path, stem: str) -> Document:
    return doctags.parse((samples / f"{stem}.dt").read_text(encoding="utf-8"))


def boxed(elements: tuple[Element, ...]) -> Iterator[tuple[Element, Box]]:
    """Elements that own ink: a key-value region leaves its own to its keys and values."""
    for element in elements:
        if element.box and element.kind != "key_value_region":
            yield element, element.box
        yield from boxed(element.children)


def folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def written(element: Element) -> str:
    """What the truth says stands on the page."""
    return folded(" ".join(cell.text for cell in element.cells) if element.cells else element.text)


def printed(words: list[tuple[float, float, float, float, str]]) -> str:
    """What the page says, words that were broken over a line joined again."""
    text = ""
    for at, (_, y0, _, _, word) in enumerate(words):
        broken = word.endswith("-") and at + 1 < len(words) and words[at + 1][1] > y0 + 4
        text += word[:-1] if broken else word + " "
    return folded(text)


def dark(samples: Path, stem: str, page: int) -> Ink:
    """True where a page has ink, as (rows, columns)."""
    if stem == "scan":
        return np.asarray(Image.open(samples / "scan.png")) < 150
    pixmap = pymupdf.open(samples / f"{stem}.pdf")[page].get_pixmap(dpi=150, colorspace=pymupdf.csGRAY)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width) < 215


def window(ink: Ink, box: Box, grow: float) -> Ink:
    """The part of a page that a box covers, grown on each side by so many units of the grid."""
    rows, columns = ink.shape
    top, bottom = round((box.y0 - grow) * rows / GRID), round((box.y1 + grow) * rows / GRID)
    left, right = round((box.x0 - grow) * columns / GRID), round((box.x1 + grow) * columns / GRID)
    return ink[max(top, 0) : bottom, max(left, 0) : right]


@pytest.mark.parametrize("stem", ["report", "invoice", "scan"])
def test_the_truth_is_clean_doctags(samples: Path, stem: str) -> None:
    """A truth with problems of its own could not judge a reader."""
    assert doctags.validate((samples / f"{stem}.dt").read_text(encoding="utf-8")) == ()
    assert truth(samples, stem).problems == ()


@pytest.mark.parametrize("stem", ["report", "invoice", "scan"])
def test_the_writer_spells_the_truth_as_it_stands(samples: Path, stem: str) -> None:
    """The truth is spelt by hand, not by the writer: the two must agree on what canonical DocTags are."""
    assert doctags.write(truth(samples, stem)) == (samples / f"{stem}.dt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("stem", "number"), PDF_PAGES)
def test_every_word_belongs_to_exactly_one_element(samples: Path, stem: str, number: int) -> None:
    """Boxes that overlap or miss words would make the truth itself ambiguous."""
    page = pymupdf.open(samples / f"{stem}.pdf")[number]
    elements = list(boxed(truth(samples, stem).pages[number].elements))
    for x0, y0, x1, y1, word, *_ in page.get_text("words"):
        left, right, middle = (GRID * x / page.rect.width for x in (x0, x1, (x0 + x1) / 2))
        height = GRID * (y0 + y1) / 2 / page.rect.height
        owners = [box for _, box in elements if box.x0 <= middle <= box.x1 and box.y0 <= height <= box.y1]
        assert len(owners) == 1, word
        assert owners[0].x0 - 0.6 <= left, word
        assert right <= owners[0].x1 + 0.6, word


@pytest.mark.parametrize(("stem", "number"), PDF_PAGES)
def test_the_text_of_every_element_is_the_text_under_its_box(samples: Path, stem: str, number: int) -> None:
    """The text layer and the truth must agree to the character, or drafts would be scored against a wrong page."""
    page = pymupdf.open(samples / f"{stem}.pdf")[number]
    words = [(*word[:4], word[4]) for word in page.get_text("words")]
    for element, box in boxed(truth(samples, stem).pages[number].elements):
        if element.kind in DRAWN:
            continue
        x0, x1 = (at * page.rect.width / GRID for at in (box.x0, box.x1))
        y0, y1 = (at * page.rect.height / GRID for at in (box.y0, box.y1))
        inside = [w for w in words if x0 <= (w[0] + w[2]) / 2 <= x1 and y0 <= (w[1] + w[3]) / 2 <= y1]
        text = printed(inside)
        if element.kind == "list_item":
            text = re.sub(r"^(•|–|\d+\.) ", "", text)
        assert text == written(element)


@pytest.mark.parametrize(("stem", "number"), [*PDF_PAGES, ("scan", 0)])
def test_boxes_lie_on_the_ink(samples: Path, stem: str, number: int) -> None:
    """A box fits its element closely, also where the scan has turned it: ink reaches its sides and stops there."""
    ink = dark(samples, stem, number)
    for element, box in boxed(truth(samples, stem).pages[number].elements):
        seen = window(ink, box, 0.5)
        columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        filled = (columns[-1] - columns[0] + 1) * (rows[-1] - rows[0] + 1) / seen.size
        assert filled > 0.6, element
        assert window(ink, box, 1.5).sum() == window(ink, box, 1.0).sum(), element


def test_the_report_holds_every_kind_of_element(samples: Path) -> None:
    """The first run that a stranger sees must show what the reader can do."""
    tree = truth(samples, "report")
    elements = [element for page in tree.pages for element, _ in boxed(page.elements)]
    levels = {element.level for element in elements if element.kind == "section_header"}
    table = next(element for element in elements if element.kind == "otsl")
    lists = [element for page in tree.pages for element in page.elements if element.kind.endswith("_list")]
    assert len(tree.pages) == 3
    assert {"title", "text", "list_item", "otsl", "caption", "formula", "code", "picture", "footnote"} <= {
        element.kind for element in elements
    }
    assert levels == {1, 2, 3}
    assert {element.kind for element in lists} == {"ordered_list", "unordered_list"}
    assert all(any(item.children for item in element.children) for element in lists)
    assert any(cell.row_span > 1 for cell in table.cells)
    assert any(cell.column_span > 1 for cell in table.cells)
    assert {cell.row for cell in table.cells if cell.kind == "column_header"} == {0, 1}
    for page in tree.pages:
        assert [page.elements[0].kind, page.elements[-1].kind] == ["page_header", "page_footer"]


def test_the_report_has_columns_a_link_and_broken_words(samples: Path) -> None:
    """What plain text extraction gets wrong has to be on the page, not only promised."""
    pdf = pymupdf.open(samples / "report.pdf")
    boxes = [box for element, box in boxed(truth(samples, "report").pages[1].elements) if element.kind == "text"]
    lines = "".join(page.get_text() for page in pdf).splitlines()
    assert any(left.x1 < right.x0 and left.y0 < right.y1 and right.y0 < left.y1 for left in boxes for right in boxes)
    assert [link["uri"] for page in pdf for link in page.get_links()] == ["https://archive.example.org/aldmoor"]
    assert any(re.search(r"[a-z]-$", line.strip()) for line in lines)


def test_the_invoice_has_fields_and_a_total_that_adds_up(samples: Path) -> None:
    """A reader of invoices is judged by its keys, values and sums."""
    page = truth(samples, "invoice").pages[0]
    region = next(element for element in page.elements if element.kind == "key_value_region")
    table = next(element for element in page.elements if element.kind == "otsl")
    amounts = [float(cell.text.replace(",", "")) for cell in table.cells if cell.column == 4 and cell.row > 0]
    *items, net, tax, total = amounts
    assert [child.kind for child in region.children] == ["key", "value"] * 5
    assert net == pytest.approx(sum(items))
    assert total == pytest.approx(net + tax)


def test_the_scan_is_a_grey_a4_page_at_150_dpi(samples: Path) -> None:
    """Its size is what tile geometry is tested on, and the repository should stay small."""
    with Image.open(samples / "scan.png") as image:
        assert (image.mode, image.size) == ("L", (1240, 1754))
    assert (samples / "scan.png").stat().st_size < 600_000


def test_making_the_samples_twice_gives_the_same_bytes(remade: tuple[Path, Path]) -> None:
    """A sample that changes by itself would hide a change that matters."""
    first, second = remade
    assert sorted(path.name for path in first.iterdir()) == list(FILES)
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_the_samples_in_the_repository_are_what_make_writes(samples: Path, remade: tuple[Path, Path]) -> None:
    """Pages and truth must come from the same run; other library versions may spell the same page in other bytes."""
    for stem in ("report", "invoice", "scan"):
        assert (samples / f"{stem}.dt").read_bytes() == (remade[0] / f"{stem}.dt").read_bytes()
    for stem in ("report", "invoice"):
        kept, made = (pymupdf.open(folder / f"{stem}.pdf") for folder in (samples, remade[0]))
        for old, new in zip(kept, made, strict=True):
            assert [word[4] for word in old.get_text("words")] == [word[4] for word in new.get_text("words")]
            assert np.allclose([word[:4] for word in old.get_text("words")], [w[:4] for w in new.get_text("words")])
            assert [d["rect"] for d in old.get_drawings()] == [d["rect"] for d in new.get_drawings()]
    kept_scan, made_scan = (np.asarray(Image.open(folder / "scan.png"), np.int16) for folder in (samples, remade[0]))
    assert np.abs(kept_scan - made_scan).mean() < 1
