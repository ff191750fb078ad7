"""Synthetic pages as born-digital PDFs: the same picture as the painted page, and a text layer that says the same."""

import statistics
from collections import Counter
from dataclasses import replace

import numpy as np
import pymupdf
import pytest
from PIL import Image, ImageFilter
from rapidfuzz.distance import Indel

import doctags
import smoldocling
from doctags import Element
from smoldocling.training.compose import DOMAINS, compose
from smoldocling.training.paint import paint
from smoldocling.training.press import press
from smoldocling.training.sheet import Run, Sheet
from smoldocling.training.style import BULLETS, DINGBATS
from smoldocling.training.synth import Series

PAGES = {"line": range(3), "small": range(6), "half": range(4), "page": range(8)}


def every(elements: tuple[Element, ...]):
    for element in elements:
        yield element
        yield from every(element.children)


def spots(sheet: Sheet) -> list[pymupdf.Rect]:
    """Formulas and figures: what is written there is no line of words."""
    boxes = [it.box for it in every(sheet.elements) if it.kind in ("formula", "picture") and it.box]
    x, y = sheet.width / 500, sheet.height / 500
    return [pymupdf.Rect(b.x0 * x - 2, b.y0 * y - 2, b.x1 * x + 2, b.y1 * y + 2) for b in boxes]


def is_prose(rect: tuple[float, float, float, float], closed: list[pymupdf.Rect]) -> bool:
    middle = pymupdf.Point((rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2)
    return not any(middle in spot for spot in closed)


def words_of(runs: list[Run]) -> Counter[str]:
    """A word stands in one run as a whole."""
    return Counter(word for run in runs for word in run.text.split())


@pytest.mark.parametrize("name", PAGES)
def test_words_and_spaces_of_the_text_layer_are_those_of_the_page(name: str) -> None:
    """Drafts and checks against the text layer stand on this. Justified lines and raised marks must not join words."""
    for seed in PAGES[name]:
        sheet = compose(DOMAINS[name], seed)
        page = pymupdf.open(stream=press(sheet))[0]
        closed = spots(sheet)
        found = Counter(word[4] for word in page.get_text("words") if is_prose(word[:4], closed))
        drawn = words_of([run for run in sheet.runs if is_prose(run.area, closed)])
        assert found == drawn, (seed, found - drawn, drawn - found)


@pytest.mark.parametrize("name", PAGES)
def test_the_text_layer_is_in_the_order_of_the_doctags(name: str) -> None:
    """Copying from the page, or reading its stream, gives the text as it is meant to be read."""
    for seed in PAGES[name]:
        sheet = compose(DOMAINS[name], seed)
        stream = pymupdf.open(stream=press(sheet))[0].get_texttrace()
        letters = [(chr(char[0]), char[2]) for span in stream for char in span["chars"]]
        read = "".join(letter for letter, _ in letters if not letter.isspace())
        assert read == "".join(run.text for run in sheet.runs).replace(" ", ""), seed


@pytest.mark.parametrize("name", PAGES)
def test_the_pdf_looks_like_the_painted_page(name: str) -> None:
    """What a network learns on images must hold for PDFs. A letter may be half a pixel off, and its edge softer."""
    scale = DOMAINS[name].scale
    for seed in PAGES[name]:
        sheet = compose(DOMAINS[name], seed)
        page = pymupdf.open(stream=press(sheet))[0]
        drawn = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, annots=False)
        one = Image.frombytes("L", (drawn.width, drawn.height), drawn.samples)
        two = Image.fromarray(paint(sheet, scale)).crop((0, 0, drawn.width, drawn.height))
        ink = [255 - np.asarray(it.filter(ImageFilter.BoxBlur(2)), dtype=float) for it in (one, two)]
        assert np.abs(ink[0] - ink[1]).max() < 90, seed
        assert alike(*ink) > 0.98, seed
        assert alike(ink[0], np.roll(ink[1], 3, axis=0)) < alike(*ink) - 0.02, "three pixels off are told apart"


def alike(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])


def test_strokes_and_plates_are_in_the_pdf_too() -> None:
    """Charts without their ink would teach that white is a picture."""
    sheet = next(it for seed in range(200) if (it := compose(DOMAINS["page"], seed)).strokes and it.plates)
    page = pymupdf.open(stream=press(sheet))[0]
    assert len(page.get_drawings()) >= len(sheet.strokes)
    assert len(page.get_images()) == len(sheet.plates)
    bare = pymupdf.open(stream=press(replace(sheet, strokes=(), plates=())))[0]
    assert bare.get_images() == []


def texts(elements: tuple[Element, ...]) -> list[tuple[str, Element]]:
    """What elements say, without formulas, which the text layer cannot spell in LaTeX."""
    found = []
    for element in every(elements):
        if element.text and element.kind != "formula":
            found.append((element.text, element))
        found += [(cell.text, element) for cell in element.cells if cell.text]
    return found


@pytest.mark.parametrize(("name", "least"), [("line", 1.0), ("small", 0.97), ("half", 0.97), ("page", 0.93)])
def test_our_text_layer_reader_finds_the_truth(name: str, least: float) -> None:
    """Two ways that know nothing of each other say the same: text, and boxes where the text is found as it is."""
    converter = smoldocling.Converter(engine="textlayer", pictures=False)
    similar, apart = [], []
    for number in range(8):
        pair = Series(name, 5, pdf=True).pair(number)
        (page,) = converter.convert(pair.data).pages
        truth, read = texts(doctags.parse(pair.doctags).pages[0].elements), texts(page.tree.elements)
        similar.append(Indel.normalized_similarity(" ".join(it for it, _ in truth), " ".join(it for it, _ in read)))
        places = {text: element.box for text, element in read if not element.cells}
        for text, element in truth:
            box, other = element.box, places.get(text)
            if box and other and not element.cells and element.kind not in ("list_item", "footnote"):
                apart += [abs(a - b) for a, b in zip(ends(box), ends(other), strict=True)]
    assert statistics.mean(similar) >= least
    assert len(apart) > 30
    assert statistics.mean(apart) < 0.5


def ends(box: doctags.Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.x1, box.y1


def test_bullets_have_characters_that_readers_know() -> None:
    """A bullet that the text layer cannot name would look like a letter of the item."""
    missing = {*BULLETS, *DINGBATS}
    for seed in range(200):
        sheet = compose(DOMAINS["page"], seed)
        new = {run.text for run in sheet.runs} & missing
        if new:
            text = pymupdf.open(stream=press(sheet))[0].get_text()
            assert all(bullet in text for bullet in new), seed
            missing -= new
    assert not missing
