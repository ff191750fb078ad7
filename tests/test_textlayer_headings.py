"""At which level headings stand: laws over made documents, and one page for each way in which documents mislead."""

from __future__ import annotations

from collections.abc import Sequence

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctags.tree import Element
from smoldocling.pages import levels
from smoldocling.pages.levels import Candidate
from smoldocling.pages.textlayer import Reader

PROSE = "The keeper came down to the gauge in the morning and wrote the level of the river into the book. "

Row = tuple[str, float]
"""Text and size in points; from 12 points on it is bold."""


def headings(pages: Sequence[Sequence[Row]], outline: Sequence[tuple[int, str, int]] = ()) -> list[tuple[str, int]]:
    """The headings of a document of these rows as they are read, the title with level 0."""
    with pymupdf.open() as document:
        for rows in pages:
            page, y = document.new_page(), 60.0
            for text, size in rows:
                bold = size >= 12
                height = size * 1.4 if bold else 200.0
                box = (72, y, 520, y + height + size)
                left = page.insert_textbox(box, text, fontsize=size, fontname="hebo" if bold else "helv")
                assert left >= 0, "a row must fit"
                y = box[3] - (left if not bold else size) + 14
        if outline:
            document.set_toc([list(entry) for entry in outline])
        data = document.tobytes()
    with pymupdf.open(stream=data) as document:
        reader = Reader(document)
        elements = [e for index in range(document.page_count) for e in reader.read(index).page.elements]
    return [(e.text, _level(e)) for e in elements if e.kind in ("title", "section_header")]


def _level(element: Element) -> int:
    return 0 if element.kind == "title" else element.level or -1


@st.composite
def chapters(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Numbered headings of a document in order, with their depth."""
    found: list[tuple[str, int]] = []
    for chapter in range(1, draw(st.integers(2, 5)) + 1):
        found.append((f"{chapter} Ice", 1))
        for section in range(1, draw(st.integers(0, 3)) + 1):
            found.append((f"{chapter}.{section} Floods", 2))
            parts = range(1, draw(st.integers(0, 2)) + 1)
            found += [(f"{chapter}.{section}.{part} Gauges", 3) for part in parts]
    return found


@given(chapters(), st.lists(st.floats(8, 24), min_size=3, max_size=3), st.booleans())
def test_the_number_of_a_section_is_its_level_whatever_its_type(
    sections: list[tuple[str, int]], sizes: list[float], bold: bool
) -> None:
    """Many styles set sections and subsections in type of one size."""
    sizes = sorted((round(size * 2) / 2 for size in sizes), reverse=True)
    found = [Candidate(1, text, (sizes[depth - 1], bold)) for text, depth in sections]
    learnt = levels.learn(found, 8.0, (), cover=False)
    assert [(text, learnt.of(text, sizes[depth - 1], bold)) for text, depth in sections] == [
        (text, depth) for text, depth in sections if levels.is_apart((sizes[depth - 1], bold), 8.0)
    ] or not all(levels.is_apart((size, bold), 8.0) for size in sizes)


@given(st.lists(st.sampled_from([24.0, 20.0, 16.0, 13.0]), min_size=1, max_size=12))
def test_without_numbers_larger_type_never_stands_lower(sizes: list[float]) -> None:
    """Type is all that is left."""
    learnt = levels.learn([Candidate(1, "Ice", (size, True)) for size in sizes], 10.0, (), cover=False)
    ranks = [learnt.of("Ice", size, True) for size in sorted(set(sizes), reverse=True)]
    assert ranks == list(range(1, len(ranks) + 1))


@given(st.permutations(["1.2.3", "1.2.2", "1.2.0", "0.9.14"]))
def test_versions_count_no_sections(order: list[str]) -> None:
    """A list of changes has headings like 1.2.3, newest first, all of one level."""
    numbers = sorted(order, key=lambda text: [*map(int, text.split("."))], reverse=True)
    found = [Candidate(1, f"{number} (March)", (16.0, True)) for number in numbers]
    learnt = levels.learn([Candidate(1, "Changes", (20.0, True)), *found], 10.0, (), cover=False)
    assert {learnt.of(item.text, *item.style) for item in found} == {2}


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("3 Ice", 1),
        ("3.1 Ice", 2),
        ("3.1.4. Ice", 3),
        ("§ 7 Ice", 1),
        ("A.2 Ice", 2),
        ("Appendix B", 1),
        ("Chapter 4 Ice", 1),
        ("Kapitel 2", 1),
        ("2019 was cold", 0),
        ("A cold winter", 0),
        ("Partly frozen", 0),
    ],
)
def test_depth_is_the_length_of_the_number(text: str, depth: int) -> None:
    """As sections are counted in books, papers, theses and laws."""
    assert levels.depth(text) == depth


def test_roman_sections_have_lettered_ones_below_them() -> None:
    """The style of engineering journals, with one size of type for all."""
    rows = ["I. INTRODUCTION", "II. METHODS", "A. Gauges", "B. Ice", "III. RESULTS"]
    learnt = levels.learn([Candidate(1, row, (10.0, False)) for row in rows], 10.0, (), cover=False)
    assert [learnt.of(row, 10.0, False) for row in rows] == [1, 1, 2, 2, 1]


def test_a_title_is_the_only_one_of_its_size() -> None:
    """Where other pages have headings as large, the first one is a section like them."""
    first, second = [("The river", 18), (PROSE * 4, 10)], [("The bridge", 18), (PROSE * 4, 10)]
    assert headings([first, second]) == [("The river", 1), ("The bridge", 1)]
    assert headings([first, [("The bridge", 14), (PROSE * 4, 10)]]) == [("The river", 0), ("The bridge", 1)]


def test_sections_of_a_short_text_are_no_credits() -> None:
    """Manuals have short paragraphs under large headings; what stands under the titles of papers is names."""
    rows = [
        ("Gauge", 21),
        ("A small program that reads gauges.", 10),
        ("Installing the program", 16),
        ("It is in every archive:", 10),
        ("Reading", 16),
        ("Say which gauge you mean.", 10),
    ]
    assert headings([rows]) == [("Gauge", 0), ("Installing the program", 1), ("Reading", 1)]


def test_a_title_page_does_not_move_the_chapters() -> None:
    """The title of a thesis is larger or smaller than its chapters; either way chapters are of the first level."""
    chapters_ = [[("1 Ice", 20), (PROSE * 4, 10), ("1.1 Gauges", 14), (PROSE * 4, 10)], [("2 Floods", 20), (PROSE, 10)]]
    for size in (16, 24):
        found = headings([[("The river in winter", size), ("Ida Halloran", 12)], *chapters_])
        assert found == [("The river in winter", 0), ("1 Ice", 1), ("1.1 Gauges", 2), ("2 Floods", 1)], size


def test_an_outline_that_hangs_from_the_title_counts_below_it() -> None:
    """Browsers and word processors write the title into the outline as the one entry of the first level."""
    rows = [("Gauges", 21), (PROSE * 3, 10), ("Ice", 13), (PROSE * 3, 10), ("Drifting ice", 13), (PROSE, 10)]
    outline = [(1, "Gauges", 1), (2, "Ice", 1), (3, "Drifting ice", 1)]
    assert headings([rows], outline) == [("Gauges", 0), ("Ice", 1), ("Drifting ice", 2)]


def test_back_matter_stands_as_its_type_says_where_nothing_is_counted() -> None:
    """In a text without numbers an acknowledgement can be a part of a part."""
    rows = [("River", 21), (PROSE * 3, 10), ("Ice", 16), (PROSE, 10), ("Acknowledgements", 13), (PROSE, 10)]
    rows += [("Floods", 16), (PROSE, 10), ("Gauges", 13), (PROSE, 10)]
    assert headings([rows]) == [("River", 0), ("Ice", 1), ("Acknowledgements", 2), ("Floods", 1), ("Gauges", 2)]


def test_the_number_of_a_chapter_and_its_name_are_one_heading() -> None:
    """Books print "Chapter 3" above the name of the chapter, in smaller type."""
    first = [("The river in winter", 26), ("Ida Halloran", 12)]
    chapters_ = [
        [(PROSE, 10), (f"Chapter {n}", 14), (name, 22), (PROSE * 4, 10)] for n, name in ((1, "Ice"), (2, "Floods"))
    ]
    assert headings([first, *chapters_])[1:] == [("Chapter 1 Ice", 1), ("Chapter 2 Floods", 1)]


def test_a_title_at_the_upper_edge_is_no_running_head() -> None:
    """Reports begin where other documents have their page headers."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 60), "The gauges of the northern rivers", fontsize=22, fontname="hebo")
        for place, heading in enumerate(("Ice", "Floods")):
            page.insert_text((72, 120 + 250 * place), heading, fontsize=15, fontname="hebo")
            assert page.insert_textbox((72, 130 + 250 * place, 520, 330 + 250 * place), PROSE * 5, fontsize=11) >= 0
        data = document.tobytes()
    with pymupdf.open(stream=data) as document:
        found = [e for e in Reader(document).read(0).page.elements if e.kind in ("title", "section_header")]
    assert (found[0].kind, found[0].text) == ("title", "The gauges of the northern rivers")
    assert len(found) == 3


def test_a_title_that_runs_over_the_other_pages_is_a_title_on_its_own() -> None:
    """Specifications repeat their name at the top of each page, in small type."""
    name = "The gauges of the northern rivers"
    with pymupdf.open() as document:
        for number in range(4):
            page = document.new_page()
            page.insert_text((150, 70), name, fontsize=9 if number else 24, fontname="helv" if number else "hebo")
            page.insert_text((72, 140), f"{number + 1} Floods", fontsize=15, fontname="hebo")
            assert page.insert_textbox((72, 150, 520, 700), PROSE * (9 + number), fontsize=11) >= 0
        data = document.tobytes()
    with pymupdf.open(stream=data) as document:
        pages = [Reader(document).read(index).page for index in range(4)]
    assert [(page.elements[0].kind, page.elements[0].text) for page in pages] == [
        ("title", name),
        *[("page_header", name)] * 3,
    ]
