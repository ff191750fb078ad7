"""What a model has not written is taken from the text layer: all of it, once, in its place."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import pages as page_trees

import doctags
from doctags.tree import Box, Element, Page
from smoldocling import compare
from smoldocling.fill import fill
from smoldocling.pages.textlayer import Reader
from smoldocling.result import walk

SAMPLES = Path(__file__).parent.parent / "samples"
PAGES = [("report", 0), ("report", 1), ("report", 2), ("invoice", 0)]
LAYERS: dict[tuple[str, int], Page] = {}


def layer_of(stem: str, number: int) -> Page:
    if (stem, number) not in LAYERS:
        with pymupdf.open(SAMPLES / f"{stem}.pdf") as document:
            LAYERS[stem, number] = Reader(document).read(number).page
    return LAYERS[stem, number]


def truth_of(stem: str, number: int) -> str:
    return doctags.write(doctags.parse((SAMPLES / f"{stem}.dt").read_text(encoding="utf-8")).pages[number])


def cut_off(text: str, share: float) -> Page:
    """What is left of a page when the model is stopped."""
    pages = doctags.parse(text[: int(len(text) * share)]).pages
    return pages[0] if pages else Page()


def letters(tree: Page) -> str:
    """All that a page says; formulas are left out, of which a text layer has other signs."""
    parts = [part for part in walk(tree) if part.kind != "formula"]
    return compare.bare(" ".join(text for part in parts for text in (part.text, *(cell.text for cell in part.cells))))


def box(y: int) -> tuple[Box, ...]:
    return (Box(50, y, 450, y + 10),)


@pytest.mark.parametrize(("stem", "number"), PAGES)
def test_a_whole_page_gets_nothing_more(stem: str, number: int) -> None:
    """Two readers never choose the same boxes and kinds; what is said is said."""
    tree = doctags.parse(truth_of(stem, number)).pages[0]
    assert letters(fill(tree, layer_of(stem, number))) == letters(tree)


@pytest.mark.parametrize(("stem", "number"), PAGES)
@given(share=st.floats(0, 1))
def test_a_page_cut_off_anywhere_is_whole_again(stem: str, number: int, share: float) -> None:
    """Nothing is missing and hardly anything is said twice, wherever the model stopped."""
    text = truth_of(stem, number)
    filled = fill(cut_off(text, share), layer_of(stem, number))
    true = doctags.parse(text).pages[0]
    assert 0.93 * len(letters(true)) <= len(letters(filled)) <= 1.08 * len(letters(true))


@pytest.mark.parametrize(("stem", "number"), PAGES)
@given(share=st.floats(0, 1))
def test_filling_twice_changes_nothing_more(stem: str, number: int, share: float) -> None:
    """Stop rules may fill a page that has been filled."""
    once = fill(cut_off(truth_of(stem, number), share), layer_of(stem, number))
    assert fill(once, layer_of(stem, number)) == once


@given(tree=page_trees(), layer=page_trees())
def test_what_the_model_wrote_stays(tree: Page, layer: Page) -> None:
    """All but the last element is what it was, in the same order."""
    kept = iter(fill(tree, layer).elements)
    for element in tree.elements[:-1]:
        # a list may have got more items
        assert any(element == one or (element.kind == one.kind and element.boxes == one.boxes) for one in kept)


def test_the_rest_comes_in_reading_order() -> None:
    """What lies between two elements of the model's comes between them."""
    names = ["first element", "second element", "third element", "fourth element", "fifth element"]
    layer = Page(tuple(Element("text", f"the {name} of this page", box(50 * at)) for at, name in enumerate(names, 1)))
    tree = Page((layer.elements[1], layer.elements[3]))
    assert fill(tree, layer) == layer


def test_a_list_goes_on() -> None:
    """Items that are missing join the list that the model had begun."""
    items = tuple(
        Element("list_item", f"item number {name} of this list", box(50 * at))
        for at, name in enumerate(["one", "two", "six"], 1)
    )
    layer = Page((Element("unordered_list", children=items),))
    tree = Page((Element("unordered_list", children=items[:1]),))
    assert fill(tree, layer) == layer


def test_an_element_that_breaks_off_is_completed() -> None:
    """The model was stopped in the middle of a sentence that the file has in full."""
    whole = Element("text", "The gauge at the northern pier was read every ten minutes.", box(50))
    tree = Page((Element("text", "The gauge at the nor", box(50)),))
    assert fill(tree, Page((whole,))) == Page((whole,))


def test_what_is_said_twice_on_the_page_is_said_twice() -> None:
    """Forms repeat their sentences; the place tells which of them has been written."""
    twice = tuple(Element("text", "Yes, at the national (federal) level", box(at)) for at in (100, 300))
    assert fill(Page(twice[:1]), Page(twice)) == Page(twice)


def test_covered_places_get_nothing() -> None:
    """Whoever calls may know more than the tree says."""
    element = Element("text", "The gauge at the northern pier.", box(50))
    assert fill(Page(), Page((element,)), covered=(Box(0, 40, 500, 80),)) == Page()
    assert fill(Page(), Page((element,)), covered=(Box(0, 140, 500, 180),)) == Page((element,))


def test_a_misread_element_is_not_added_again() -> None:
    """The model's text differs, but it stands in the same place."""
    tree = Page((Element("text", "Tbe gouge et tbe nortbem pior", box(50)),))
    assert fill(tree, Page((Element("text", "The gauge at the northern pier", box(50)),))) == tree


def test_a_page_of_nothing_is_the_text_layers() -> None:
    """A page that failed altogether."""
    assert fill(Page(), layer_of("report", 0)) == layer_of("report", 0)
