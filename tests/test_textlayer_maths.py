"""Formulas as LaTeX, from nothing but the places of their characters: set by the pages of `synth`, and by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.pages import maths
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line, Style, Word
from smoldocling.pages.textlayer import Reader
from smoldocling.training.compose import DOMAINS, compose
from smoldocling.training.press import press

LOREM = "Whoever came to read the gauge at the old bridge had to climb down a flight of steps that were wet. " * 3
STYLES = {
    "rm": Style("CMR10", 10, bold=False, italic=False, mono=False, math=False, color=0),
    "mi": Style("CMMI10", 10, bold=False, italic=True, mono=False, math=True, color=0),
    "ex": Style("CMEX10", 10, bold=False, italic=False, mono=False, math=True, color=0),
    "sy": Style("CMSY10", 10, bold=False, italic=False, mono=False, math=True, color=0),
    "bb": Style("MSBM10", 10, bold=False, italic=False, mono=False, math=True, color=0),
}


def sized(style: Style, size: float) -> Style:
    return Style(style.font, size, style.bold, style.italic, style.mono, style.math, style.color)


def row(*marks: tuple[str, float, float, str, float]) -> Line:
    """Characters, each with its left edge, baseline, font and size; a character is half as wide as it is large."""
    raw: list[str | float] = []
    styles = tuple(sized(STYLES[font], size) for *_, font, size in marks)
    for text, x, y, _, size in marks:
        raw += (text, x, x + 0.5 * size, y)
    text = "".join(mark[0] for mark in marks)
    word = Word(text, marks[0][1], 90, marks[-1][1] + 5, 112, styles[0], 100, raw=tuple(raw), styles=styles)
    return Line((word,), word.x0, 90, word.x1, 112, 100, styles[0])


CASES: dict[str, tuple[tuple[tuple[str, float, float, str, float], ...], tuple[Rect, ...], str]] = {
    "scripts": (
        (("x", 10, 100, "mi", 10), ("i", 15, 101.5, "mi", 7), ("2", 15, 96, "rm", 7), ("+", 21, 100, "rm", 10)),
        (),
        "x _ { i } ^ { 2 } +",
    ),
    "a script of a script at the height of the line": (
        (("x", 10, 100, "mi", 10), ("θ", 15, 101.5, "mi", 7), ("′", 18.6, 99.5, "sy", 5), ("=", 24, 100, "rm", 10)),
        (),
        r"x _ { \theta ^ { \prime } } =",
    ),
    "fraction": (
        (("a", 11, 93, "mi", 10), ("b", 11, 107, "mi", 10), ("=", 20, 100, "rm", 10), ("1", 27, 100, "rm", 10)),
        ((10, 97.3, 17, 97.7),),
        r"\frac { a } { b } = 1",
    ),
    "fraction in a fraction": (
        (
            ("a", 12, 86, "mi", 7),
            ("b", 12, 94, "mi", 7),
            ("c", 12, 107, "mi", 10),
            ("=", 24, 100, "rm", 10),
        ),
        ((10, 97.3, 18, 97.7), (11, 87.6, 17, 87.9)),
        r"\frac { \frac { a } { b } } { c } =",
    ),
    "limits under and over a sum": (
        (("∑", 10, 91, "ex", 10), ("n", 11, 88, "mi", 7), ("i", 9, 112, "mi", 7), ("x", 19, 100, "mi", 10)),
        (),
        r"\sum _ { i } ^ { n } x",
    ),
    "root": (
        (("√", 10, 91, "ex", 10), ("2", 16, 100, "rm", 10), ("x", 21, 100, "mi", 10), ("+", 28, 100, "rm", 10)),
        ((15.5, 90.5, 27, 91),),
        r"\sqrt { 2 x } +",
    ),
    "names of functions": (
        (("l", 10, 100, "rm", 10), ("o", 15, 100, "rm", 10), ("g", 20, 100, "rm", 10), ("x", 27, 100, "mi", 10)),
        (),
        r"\log x",
    ),
    "alphabets": (
        (("N", 10, 100, "sy", 10), ("∈", 16, 100, "sy", 10), ("R", 22, 100, "bb", 10)),
        (),
        r"\mathcal { N } \in \mathbb { R }",
    ),
    "accents": ((("ˆ", 10, 100, "rm", 10), ("p", 10, 100, "mi", 10), ("=", 17, 100, "rm", 10)), (), r"\hat { p } ="),
    "a number": (
        (("x", 10, 100, "mi", 10), ("(", 60, 100, "rm", 10), ("3", 65, 100, "rm", 10), (")", 70, 100, "rm", 10)),
        (),
        r"x \quad ( 3 )",
    ),
    "two rows": (
        (("x", 10, 100, "mi", 10), ("y", 10, 118, "mi", 10)),
        (),
        r"x \\ y",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_places_say_what_a_formula_means(name: str) -> None:
    """What is raised, lowered, over a bar or under a sign is that in LaTeX too."""
    marks, bars, tex = CASES[name]
    assert maths.latex([row(*marks)], bars) == tex


@pytest.mark.parametrize(
    ("marks", "why"),
    [
        ((("x", 10, 100, "mi", 10), ("\ufffd", 16, 100, "mi", 10)), "a sign without a meaning"),
        (
            (("a", 10, 100, "mi", 10), ("b", 20, 106, "mi", 10), ("c", 30, 112, "mi", 10), ("d", 40, 118, "mi", 10)),
            "letters on a stair",
        ),
    ],
)
def test_places_that_say_nothing_give_no_latex(marks: tuple[tuple[str, float, float, str, float], ...], why: str):
    """The characters stand as they are then; LaTeX that is made up would be worse."""
    assert maths.latex([row(*marks)], ()) is None, why


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("xyab12+=∑∫(√ˆ"),
            st.integers(0, 120).map(float),
            st.integers(80, 120).map(float),
            st.sampled_from(sorted(STYLES)),
            st.sampled_from((5.0, 7.0, 10.0)),
        ),
        min_size=1,
        max_size=14,
    ),
    st.lists(st.tuples(st.integers(0, 90), st.integers(80, 120), st.integers(3, 40)), max_size=3),
)
def test_no_letter_of_a_formula_is_lost_or_doubled(
    marks: list[tuple[str, float, float, str, float]], bars: list[tuple[int, int, int]]
) -> None:
    """Whatever lies about, LaTeX has each letter and digit once, and its braces are closed."""
    tex = maths.latex([row(*marks)], [(x, y, x + length, y + 0.4) for x, y, length in bars])
    if tex is None:
        return
    letters = [char for char in re.sub(r"\\[a-zA-Z]+", "", tex) if char in "xyab12"]
    assert sorted(letters) == sorted(mark[0] for mark in marks if mark[0] in "xyab12")
    tokens = tex.split()
    depth = 0
    for token in tokens:
        depth += (token == "{") - (token == "}")
        assert depth >= 0, tex
    assert depth == 0, tex


def formulas(pdf: bytes) -> Iterator[str]:
    with pymupdf.open(stream=pdf, filetype="pdf") as document:
        yield from (e.text for e in Reader(document).read(0).page.elements if e.kind == "formula")


def test_formulas_of_made_pages_come_out_as_they_went_in() -> None:
    """Unseen pages with fractions, roots, sums and scripts: most of their formulas are right to the last token."""
    true: list[str] = []
    right = 0
    for seed in range(500, 520):
        sheet = compose(DOMAINS["page"], seed)
        wanted = [element.text for element in sheet.elements if element.kind == "formula"]
        if wanted:
            found = set(formulas(press(sheet)))
            true += wanted
            right += sum(text in found for text in wanted)
    assert len(true) >= 4
    assert right >= 0.6 * len(true), f"{right} of {len(true)}"


def test_a_formula_on_a_page_is_latex() -> None:
    """From a PDF, with its bar drawn as a line."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_textbox((72, 60, 520, 140), LOREM, fontsize=10)
        page.insert_text((250, 180), "x", fontsize=10, fontname="tiit")
        page.insert_text((258, 180), "=", fontsize=10, fontname="tiro")
        page.insert_text((270, 173), "a + b", fontsize=10, fontname="tiit")
        page.draw_line((268, 177.5), (295, 177.5), width=0.4)
        page.insert_text((278, 187), "2", fontsize=10, fontname="tiro")
        page.insert_textbox((72, 210, 520, 300), LOREM, fontsize=10)
        assert list(formulas(document.tobytes())) == [r"x = \frac { a + b } { 2 }"]
