"""Synthetic pages: what is drawn and what is said are the same, and the same seed is the same page everywhere."""

import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import features

import doctags
from doctags import Box, Document, Element, Page
from smoldocling.errors import UnusableOption
from smoldocling.training import faces, grids, maths, page
from smoldocling.training.charts import KINDS
from smoldocling.training.compose import DOMAINS, LINE, SMALL, compose
from smoldocling.training.disturb import MAX_TILT, Harm, disturb, harm
from smoldocling.training.listing import LANGUAGES, code
from smoldocling.training.page import PAGE
from smoldocling.training.paint import paint
from smoldocling.training.sheet import Run, Sheet, grid_box
from smoldocling.training.style import BULLETS, DINGBATS
from smoldocling.training.synth import Series
from smoldocling.training.workshop import LETTERS

ROOT = Path(__file__).resolve().parent.parent
SEEDS = 120  # pages of each domain that the laws below are tried on


def written(sheet: Sheet) -> str:
    return doctags.write(Document((Page(sheet.elements),)))


def every(elements: tuple[Element, ...]):
    for element in elements:
        yield element
        yield from every(element.children)


def letters(text: str) -> Counter[str]:
    return Counter(text.replace(" ", "").replace("\n", ""))


def is_within(run: Run, sheet: Sheet, kind: str) -> bool:
    """Whether a run stands in an element of a kind."""
    box = sheet.box([run.area])
    x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    around = [it.box for it in every(sheet.elements) if it.kind == kind and it.box]
    return any(it.x0 - 1 <= x <= it.x1 + 1 and it.y0 - 1 <= y <= it.y1 + 1 for it in around)


@pytest.fixture(params=DOMAINS)
def sheets(request) -> list[Sheet]:
    return [compose(DOMAINS[request.param], seed) for seed in range(SEEDS)]


# The same everywhere.

PINNED = {  # PyMuPDF's fonts, FreeType -> what 60 pages of the two domains are that networks were trained on
    "fonts": "59a09e2cc04fce87",
    "freetype": "2.14.3",
    "doctags": "fae6f81662b7bb3f",
    "pixels": "d024ce3f4f777168",
}


def test_the_domains_of_trained_networks_stay_as_they_were() -> None:
    """A network that was trained on LINE and SMALL must find the same pages in its next run, to the pixel."""
    names = ("sans", "sans-bold", "serif", "serif-bold")
    fonts = hashlib.sha256(b"".join(faces.builtin(name).data for name in names)).hexdigest()[:16]
    if fonts != PINNED["fonts"]:
        pytest.skip("this PyMuPDF brings other fonts")
    pages = [compose(domain, seed) for domain in (LINE, SMALL) for seed in (*range(29), 123_456_789)]
    said = hashlib.sha256("".join(map(written, pages)).encode()).hexdigest()[:16]
    assert said == PINNED["doctags"]
    if features.version("freetype2") != PINNED["freetype"]:
        pytest.skip("this Pillow brings another FreeType")
    assert hashlib.sha256(b"".join(paint(sheet).tobytes() for sheet in pages)).hexdigest()[:16] == PINNED["pixels"]


MAKE = """
import hashlib
from smoldocling.training.synth import Series
for domain in ("line", "small", "half", "page"):
    for pdf in (False, True):
        for number in (0, 4):
            pair = Series(domain, 11, pdf=pdf, disturbed=0.0 if pdf else 1.0).pair(number)
            print(pair.name, hashlib.sha256(pair.data + pair.doctags.encode()).hexdigest())
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    """Nothing may depend on the order of a set, on the clock, or on which pages were made before."""
    told = []
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        command = [sys.executable, "-W", "ignore", "-c", MAKE]
        told.append(
            subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        )
    assert told[0] == told[1]
    assert len(set(told[0].split())) == 8 + 16, "eight names, sixteen contents"


BARE = """
import sys
sys.modules["pymupdf"] = sys.modules["docling_core"] = sys.modules["transformers"] = None
from smoldocling.training.compose import DOMAINS, compose
from smoldocling.training.paint import paint
import hashlib
for domain in DOMAINS.values():
    print(hashlib.sha256(paint(compose(domain, 3), domain.scale).tobytes()).hexdigest())
"""


def test_a_machine_without_pymupdf_makes_the_same_pages_from_exported_fonts(tmp_path: Path) -> None:
    """Training runs where neither PyMuPDF nor docling-core are installed."""
    faces.export(tmp_path)
    environment = {**os.environ, faces.FOLDER: str(tmp_path)}
    command = [sys.executable, "-c", BARE]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    here = [hashlib.sha256(paint(compose(it, 3), it.scale).tobytes()).hexdigest() for it in DOMAINS.values()]
    assert done.stdout.split() == here
    environment.pop(faces.FOLDER)
    failed = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert faces.FOLDER in failed.stderr.splitlines()[-1]


# What is drawn is what is said.


def test_doctags_are_valid_and_read_back_as_they_were(sheets: list[Sheet]) -> None:
    """A network learns from these: one wrong page in a hundred is a habit."""
    for seed, sheet in enumerate(sheets):
        text = written(sheet)
        assert doctags.validate(text) == (), seed
        assert doctags.parse(text).pages == ((Page(sheet.elements),) if sheet.elements else doctags.parse("").pages), (
            seed
        )


def test_every_letter_on_the_page_is_in_the_doctags_and_the_other_way_round(sheets: list[Sheet]) -> None:
    """What is not said teaches to leave out, what is not drawn teaches to invent. Bullets and figures say nothing."""
    for seed, sheet in enumerate(sheets):
        elements = list(every(sheet.elements))
        drawn, said = Counter[str](), Counter[str]()
        for run in sheet.runs:
            if not is_within(run, sheet, "picture"):
                drawn += letters(run.text)
        for element in elements:
            said += letters(maths.drawn(element.text) if element.kind == "formula" else element.text)
            said += letters("".join(cell.text for cell in element.cells))
        bullets = drawn - said
        items = sum(len(element.children) for element in elements if element.kind == "unordered_list")
        assert not said - drawn, seed
        assert bullets.total() == items, seed
        assert set(bullets) <= {*BULLETS, *DINGBATS}, seed


def test_every_run_is_part_of_one_element(sheets: list[Sheet]) -> None:
    """Letters in the right number could still stand in the wrong order."""
    for seed, sheet in enumerate(sheets):
        said = [element.text for element in every(sheet.elements)]
        said += [cell.text for element in every(sheet.elements) for cell in element.cells]
        for run in sheet.runs:
            if is_within(run, sheet, "picture") or is_within(run, sheet, "formula"):
                continue
            text = run.text.strip()
            assert text in (*BULLETS, *DINGBATS) or any(text in one for one in said), (seed, text)


def test_everything_stands_on_the_page_and_nothing_on_anything_else(sheets: list[Sheet]) -> None:
    """Letters beyond the edge or over others cannot be read."""
    for seed, sheet in enumerate(sheets[:50]):
        areas = []
        for run in sheet.runs:
            left, top, right, bottom = run.area
            assert left >= 0 and right <= sheet.width, (seed, run)  # noqa: PT018 - one law
            assert top >= 0 and bottom <= sheet.height, (seed, run)  # noqa: PT018
            if not is_within(run, sheet, "picture") and not is_within(run, sheet, "formula"):
                areas.append((left + 0.5, top + 0.3 * run.size, right - 0.5, bottom - 0.3 * run.size))
        ends = np.array(areas).reshape(-1, 4)
        low, high = np.maximum(ends[:, None, :2], ends[None, :, :2]), np.minimum(ends[:, None, 2:], ends[None, :, 2:])
        both = (low < high).all(axis=2)
        np.fill_diagonal(both, False)
        assert not both.any(), (seed, [sheet.runs[at].text for at in np.argwhere(both)[0]])


def darkness(sheet: Sheet, scale: float) -> np.ndarray:
    """Where letters are, without rules and drawings."""
    return paint(replace(sheet, bars=(), strokes=(), plates=()), scale) < 160


def outside(sheet: Sheet, dark: np.ndarray) -> int:
    """Dark pixels outside of all boxes. An accent stands out, and rounding to the grid: 0.2 of a letter's size."""
    rest = dark.copy()
    height, width = dark.shape
    reach = 0.2 * max((run.size for run in sheet.runs), default=0.0)
    for element in every(sheet.elements):
        for box in element.boxes:
            x, y = reach * width / sheet.width, reach * height / sheet.height
            left, right = int(box.x0 / 500 * width - x), int(box.x1 / 500 * width + x) + 1
            top, bottom = int(box.y0 / 500 * height - y), int(box.y1 / 500 * height + y) + 1
            rest[max(top, 0) : bottom, max(left, 0) : right] = False
    return int(rest.sum())


@pytest.mark.parametrize("name", DOMAINS)
def test_all_ink_of_letters_lies_in_boxes(name: str) -> None:
    """Boxes are compared pixel by pixel with what was painted, not with the plan that they come from."""
    domain = DOMAINS[name]
    for seed in range(25):
        sheet = compose(domain, seed)
        assert outside(sheet, darkness(sheet, domain.scale)) == 0, seed


@pytest.mark.parametrize("tilt", [-MAX_TILT, 0.7, MAX_TILT])
def test_boxes_follow_the_tilt(tilt: float) -> None:
    """A scanned page lies askew; its boxes must be where the ink came to be."""
    for seed in range(8):
        upright, tilted = compose(PAGE, seed), compose(PAGE, seed, tilt=tilt)
        assert upright.runs == tilted.runs, "the tilt changes boxes only"
        plain = paint(replace(tilted, bars=(), strokes=(), plates=()), PAGE.scale)
        dark = disturb(plain, Harm(tilt=tilt)) < 160
        assert outside(tilted, dark) == 0, seed
    wide = [(100.0, 100.0, 500.0, 110.0)]
    left, right = (grid_box(wide, 600, 800, turn) for turn in (0.0, tilt))
    assert (right.y1 - right.y0) > (left.y1 - left.y0), "a long line that is not level needs a taller box"


@pytest.mark.parametrize("name", DOMAINS)
def test_boxes_are_no_larger_than_their_ink(name: str) -> None:
    """A box around the whole page would hold all ink, too. Sideways, a letter's own white is all that may be left."""
    domain = DOMAINS[name]
    for seed in range(15):
        sheet = compose(domain, seed)
        dark = darkness(sheet, domain.scale)
        height, width = dark.shape
        for element in every(sheet.elements):
            if element.kind not in ("text", "title", "section_header", "list_item", "caption", "page_footer"):
                continue
            assert isinstance(element.box, Box)
            box = element.box
            rows = slice(int(box.y0 / 500 * height), int(box.y1 / 500 * height) + 1)
            left, right = int(box.x0 / 500 * width), int(box.x1 / 500 * width) + 1
            columns = np.flatnonzero(dark[rows, left:right].any(axis=0))
            spare = 0.35 * max(run.size for run in sheet.runs) * domain.scale + width / 500
            assert columns.size, (seed, element)
            assert columns[0] <= spare, (seed, element)
            assert right - left - columns[-1] <= spare, (seed, element)


def test_the_rich_domain_has_everything() -> None:
    """Kinds, levels, nesting, spans, classes, languages: nothing of them may be forgotten by a later change."""
    missing = {
        *(
            "title",
            "section_header",
            "text",
            "list_item",
            "ordered_list",
            "unordered_list",
            "otsl",
            "picture",
            "caption",
        ),
        *("formula", "code", "footnote", "page_header", "page_footer"),
        *("level 1", "level 2", "level 3", "list in a list in a list"),
        *("column_header", "row_header", "section", "row span", "column span"),
        *(f"class {name}" for name in KINDS),
        *(f"language {language.label}" for language in LANGUAGES),
    }
    for seed in range(600):
        for element in every(compose(PAGE, seed).elements):
            missing -= {element.kind, f"level {element.level}", f"class {element.label}", f"language {element.label}"}
            for cell in element.cells:
                missing -= {cell.kind, "row span" if cell.row_span > 1 else "", "column span" * (cell.column_span > 1)}
            if depth(element) == 3:
                missing.discard("list in a list in a list")
        if not missing:
            return
    raise AssertionError(missing)


def depth(element: Element) -> int:
    return element.kind.endswith("_list") + max(map(depth, element.children), default=0)


def test_some_pages_are_blank_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models write text on blank pages unless they have seen some."""
    assert 0 < page.BLANK_PAGES < 0.02
    monkeypatch.setattr(page, "BLANK_PAGES", 1.0)
    sheet = compose(PAGE, 1)
    assert paint(sheet, PAGE.scale).min() == 255
    assert written(sheet).replace("\n", "") == "<doctag></doctag>"


# Tables.


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 7))
def test_tables_parse_back_to_the_grid_that_was_drawn(seed: int, rows: int, columns: int) -> None:
    """Every slot is covered once; OTSL says the same grid; on paper, cells stand in its order and do not overlap."""
    content = grids.grid(Random(seed), rows, columns)
    slots = [(s.row + r, s.column + c) for s in content.slots for r in range(s.rows) for c in range(s.columns)]
    assert sorted(slots) == [(row, column) for row in range(content.rows) for column in range(columns)]
    block = grids.layout(Random(seed), content, faces.family("sans"), 9.0, 700.0)
    assert block is not None
    table = block.parts[0].element(10.0, 20.0, lambda areas: grid_box(areas, 800, 2000))
    read = doctags.parse(doctags.write(Document((Page((table,)),)))).pages[0].elements[0]
    assert read.cells == table.cells
    drawn = {(s.row, s.column, s.text, s.rows, s.columns) for s in content.slots}
    assert {(c.row, c.column, c.text, c.row_span, c.column_span) for c in read.cells} == drawn
    check_places(table, [mark for mark in block.placed(10.0, 20.0) if isinstance(mark, Run)])


def check_places(table: Element, runs: list[Run]) -> None:
    """Each cell's runs lie left of the next column's and above the next row's."""
    left = list(runs)
    placed = []
    for cell in table.cells:
        text, mine = "", []
        while len(text) < len(cell.text.replace(" ", "")):
            mine.append(left.pop(0))
            text += mine[-1].text.replace(" ", "")
        assert text == cell.text.replace(" ", "")
        if mine:
            areas = [run.area for run in mine]
            placed.append(
                (cell, [pick(end) for pick, end in zip((min, min, max, max), zip(*areas, strict=True), strict=True)])
            )
    assert not left
    for cell, area in placed:
        for other, place in placed:
            if cell.column + cell.column_span <= other.column:
                assert area[2] < place[0] + 0.01, (cell, other)
            if cell.row + cell.row_span <= other.row:
                assert area[3] < place[1] + 0.01, (cell, other)


# Parts.


@given(st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_a_formula_draws_the_letters_of_its_latex_in_order(seed: int) -> None:
    """LaTeX and drawing are made by the same grammar; neither may have a letter of its own. Its braces match."""
    made = maths.Maths(Random(seed), faces.builtin("serif"), faces.builtin("serif-italic")).equation(10.0)
    latex = " ".join(made.latex)
    assert "".join(mark.text for mark in made.marks if isinstance(mark, Run)) == maths.drawn(latex)
    assert made.latex.count("{") == made.latex.count("}")
    assert made.latex.count(r"\left") == made.latex.count(r"\right")


@given(st.integers(0, 10**6), st.integers(3, 30), st.integers(30, 90))
@settings(max_examples=100, deadline=None)
def test_listings_keep_to_their_width_and_to_python_s_grammar(seed: int, lines: int, width: int) -> None:
    """Code that is cut in the middle of a block would teach wrong indentation."""
    label, text = code(Random(seed), lines, width)
    assert max(map(len, text.split("\n"))) <= width
    assert label in {language.label for language in LANGUAGES}
    assert (
        doctags.parse(doctags.write(Document((Page((Element("code", text, label=label),)),)))).pages[0].elements[0].text
        == text
    )
    if label == "Python" and "):" in text.split("\n")[0] + text.split("\n")[0].replace("->", "):"):
        compile(text.replace("async def", "def"), "listing", "exec")


def test_disturbed_pages_are_the_same_for_the_same_seed_and_keep_their_shape() -> None:
    """Noise is drawn, not taken from the clock."""
    clean = paint(compose(SMALL, 1))
    for seed in range(30):
        done = harm(Random(seed), 1.0)
        once = disturb(clean, done)
        assert once.shape == clean.shape
        assert once.dtype == np.uint8
        assert np.array_equal(once, disturb(clean, done))
    assert np.array_equal(disturb(clean, Harm()), clean), "no harm, no change"


def test_disturbances_keep_the_page_legible() -> None:
    """What nobody can read teaches to guess: ink stays darker than paper."""
    for seed in range(40):
        sheet = compose(SMALL, seed)
        clean = paint(sheet)
        hurt = disturb(clean, replace(harm(Random(seed), 1.0), tilt=0.0)).astype(float)
        ink, paper = hurt[clean < 60], hurt[clean > 250]
        assert paper.mean() - ink.mean() > 60, seed


# Fonts of one's own.


def test_fonts_from_a_folder_are_used_and_unfit_ones_are_named(tmp_path: Path) -> None:
    """Pages in the typeface of one's documents; a font without a letter would draw boxes for it."""
    for name in ("serif", "serif-bold", "mono"):
        (tmp_path / f"{name}.otf").write_bytes(faces.builtin(name).data)
    (tmp_path / "symbols.ttf").write_bytes(faces.builtin("dingbats").data)
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    found, unfit = faces.families(tmp_path, LETTERS)
    assert set(unfit) == {"symbols.ttf", "broken.ttf"}
    assert {family.plain.name for family in found} == {"serif", "mono"}
    assert {family.bold.name for family in found} == {"serif-bold", "mono"}
    own, builtin = Series("small", 1, fonts=found), Series("small", 1)
    assert any(own.pair(number).data != builtin.pair(number).data for number in range(8))
    for domain in DOMAINS.values():
        for run in compose(domain, 0, fonts=found).runs:
            assert run.face.name in ("serif", "serif-bold", "mono", "mono-bold", "serif-italic", "dingbats")


def test_a_folder_without_fonts_says_what_is_taken(tmp_path: Path) -> None:
    """The usual mistake is the wrong folder."""
    with pytest.raises(UnusableOption, match=r"no font files; a folder of \.ttf"):
        faces.families(tmp_path, LETTERS)


def test_every_letter_that_is_written_has_a_glyph() -> None:
    """The built-in faces, and every font of one's own, are checked against this list, so it must be complete."""
    used = {
        char
        for domain in DOMAINS.values()
        for seed in range(200)
        for run in compose(domain, seed).runs
        for char in run.text
    }
    signs = {*maths.SIGNS.values(), *DINGBATS, " "}
    assert used - signs <= set(LETTERS)
    for name in ("sans", "serif", "mono", "serif-bold-italic"):
        assert all(map(faces.builtin(name).has, LETTERS)), name
    assert all(map(faces.builtin("dingbats").has, DINGBATS))
    assert all(map(faces.builtin("serif").has, maths.SIGNS.values()))
