"""Pages that carry tags, as browsers and word processors write them: what is believed, and what is not."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf
import pytest
from browser import Browser, launch
from hypothesis import given, settings
from hypothesis import strategies as st

from doctags.tree import Element, Page
from smoldocling.pages import ink, tagged, tags
from smoldocling.pages.textlayer import Reader

PROSE = "The keeper came down to the gauge in the morning and wrote the level of the river into the book."
FONTS = {"F1": "Helvetica", "F2": "Courier"}


@dataclass
class Part:
    """A structure element: its rows of text, each with place, font and size, and what stands in it."""

    role: str
    rows: Sequence[tuple[float, float, str, str, float]] = ()
    parts: Sequence[Part] = ()


def row(x: float, y: float, text: str, font: str = "F1", size: float = 10.0) -> tuple[float, float, str, str, float]:
    return x, y, text, font, size


def printed(parts: Sequence[Part], before: str = "") -> bytes:
    """A PDF of one page with these parts, tagged; `before` is drawn first."""
    with pymupdf.open() as document:
        page = document.new_page(width=600, height=800)
        fonts = " ".join(f"/{n} <</Type/Font/Subtype/Type1/BaseFont/{b}>>" for n, b in FONTS.items())
        document.xref_set_key(page.xref, "Resources", f"<</Font <<{fonts}>>>>")
        document.xref_set_key(page.xref, "StructParents", "0")
        root = document.get_new_xref()
        marks: list[int] = []
        content = [before]

        def write(part: Part, parent: int) -> int:
            xref = int(document.get_new_xref())
            document.update_object(xref, "<<>>")
            kids = []
            for x, y, text, font, size in part.rows:
                kids.append(f"<</Type/MCR/Pg {page.xref} 0 R/MCID {len(marks)}>>")
                safe = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
                content.append(
                    f"/{part.role} <</MCID {len(marks)}>> BDC BT /{font} {size} Tf {x} {800 - y} Td ({safe}) Tj ET EMC"
                )
                marks.append(xref)
            kids += [f"{write(child, xref)} 0 R" for child in part.parts]
            document.update_object(
                xref, f"<</Type/StructElem/S/{part.role}/P {parent} 0 R/Pg {page.xref} 0 R/K [{' '.join(kids)}]>>"
            )
            return xref

        document.update_object(root, "<<>>")
        kids = " ".join(f"{write(part, root)} 0 R" for part in parts)
        owners = " ".join(f"{xref} 0 R" for xref in marks)
        document.update_object(root, f"<</Type/StructTreeRoot/K [{kids}]/ParentTree <</Nums [0 [{owners}]]>>>>")
        document.xref_set_key(document.pdf_catalog(), "StructTreeRoot", f"{root} 0 R")
        document.xref_set_key(document.pdf_catalog(), "MarkInfo", "<</Marked true>>")
        stream = document.get_new_xref()
        document.update_object(stream, "<<>>")
        document.update_stream(stream, "\n".join(content).encode("latin-1"))
        document.xref_set_key(page.xref, "Contents", f"{stream} 0 R")
        return bytes(document.tobytes())


def read(data: bytes) -> Page:
    with pymupdf.open(stream=data) as document:
        return Reader(document).read(0).page


def walk(elements: Sequence[Element]) -> Iterator[Element]:
    for element in elements:
        yield element
        yield from walk(element.children)


def texts(page: Page, kind: str) -> list[str]:
    return [element.text for element in walk(page.elements) if element.kind == kind]


def paragraph(y: float, text: str = PROSE) -> Part:
    return Part("P", [row(60, y, text)])


def test_a_tagged_heading_is_one_although_it_looks_like_the_text() -> None:
    """Style sheets of manuals set the lowest headings in the size and weight of the text."""
    page = read(printed([paragraph(60), Part("H3", [row(60, 90, "Oiling the gauge")]), paragraph(120)]))
    assert texts(page, "section_header") == ["Oiling the gauge"]


def test_tags_rank_headings_where_types_do_not() -> None:
    """Two levels in one type: only the tags tell them apart."""
    heads = [("H1", 20.0, "The gauge"), ("H2", 12.0, "Oil"), ("H3", 12.0, "Winter"), ("H2", 12.0, "Paint")]
    parts = []
    for place, (role, size, text) in enumerate(heads):
        parts += [Part(role, [row(60, 60 + 90 * place, text, "F1", size)]), paragraph(90 + 90 * place)]
    page = read(printed(parts))
    levels = {element.text: element.level for element in walk(page.elements) if element.kind == "section_header"}
    assert texts(page, "title") == ["The gauge"]
    assert levels == {"Oil": 1, "Winter": 2, "Paint": 1}


def test_a_short_row_before_a_listing_is_no_heading_where_headings_are_tagged() -> None:
    """ "You will need:" stands alone, has white around it and ends without a full stop."""
    lead = Part("P", [row(60, 120, "You will need:", "F1", 12)])
    code = Part("Div", parts=[Part("Code", [row(60, 150, "apt install gauge", "F2")])])
    page = read(printed([Part("H1", [row(60, 50, "Gauge", "F1", 20)]), paragraph(80), lead, code]))
    assert "You will need:" in texts(page, "text")
    assert texts(page, "code") == ["apt install gauge"]


def test_items_without_bullets_are_a_list_as_deep_as_their_tags_say() -> None:
    """What draws the bullets may be an image or nothing; the indent may be that of the list above."""
    inner = Part("L", parts=[Part("LI", [row(60, 110, "copper, if there is none")])])
    outer = Part("L", parts=[Part("LI", [row(60, 90, "iron")], [inner]), Part("LI", [row(60, 130, "zinc")])])
    page = read(printed([paragraph(60), outer, paragraph(170)]))
    (found,) = [element for element in page.elements if element.kind == "unordered_list"]
    assert [item.text for item in found.children] == ["iron", "zinc"]
    assert [item.text for item in walk(found.children[0].children[:1]) if item.text] == ["copper, if there is none"]


def test_an_item_begun_on_the_page_before_goes_on_as_text() -> None:
    """Its second half has no marker; as an item of its own it would be one too many."""
    items = [Part("LI", [row(60, 50, "and the rest of the level.")])]
    items += [
        Part(
            "LI",
            parts=[
                Part("Lbl", [row(60, 70 + 20 * n, f"{n}.")]),
                Part("LBody", [row(80, 70 + 20 * n, "the next level of the river")]),
            ],
        )
        for n in (3, 4)
    ]
    page = read(printed([Part("L", parts=items), paragraph(180)]))
    assert texts(page, "text")[0] == "and the rest of the level."
    assert len(texts(page, "list_item")) == 2


def test_a_table_without_lines_has_the_cells_of_its_tags() -> None:
    """Narrow columns and an empty cell: white space alone would join what the tags part."""
    cells = [("Name", "Level", "Unit"), ("Elbe", "", "m"), ("Oder", "11", "cm")]
    rows = []
    for y, texts_ in enumerate(cells):
        role = "TD" if y else "TH"
        rows.append(
            Part("TR", parts=[Part(role, [row(60 + 36 * x, 90 + 14 * y, t)]) for x, t in enumerate(texts_) if t])
        )
    page = read(printed([paragraph(60), Part("Table", parts=rows), paragraph(200)]))
    (table,) = [element for element in page.elements if element.kind == "otsl"]
    assert [(c.row, c.column, c.text, c.kind) for c in table.cells] == [
        (y, x, text, "data" if y else "column_header") for y, line in enumerate(cells) for x, text in enumerate(line)
    ]


def test_paragraphs_that_are_rows_are_not_believed() -> None:
    """Some converters tag each row as a paragraph: read so, every paragraph would be in pieces."""
    rows = [paragraph(60 + 12 * n) for n in range(6)]
    assert texts(read(printed(rows)), "text") == [" ".join([PROSE] * 6)]


def test_a_paragraph_that_goes_back_up_is_cut() -> None:
    """A running head of the browser is drawn last and sticks to the last tag of the page."""
    head = row(60, 30, "11/21/26 The gauge")
    page = read(printed([paragraph(60), Part("P", [row(60, 100, PROSE), head])]))
    assert texts(page, "text")[-1] == PROSE


def test_code_in_a_sentence_stays_in_it_and_a_listing_does_not() -> None:
    """Both carry the same tag; what stands around it tells."""
    sentence = Part("P", [row(60, 60, "Use")], [Part("Code", [row(84, 60, "open()", "F2")])])
    listing = Part(
        "Div", parts=[Part("Code", [row(60, 90 + 12 * n, text, "F2") for n, text in enumerate(("a = 1", "b = 2"))])]
    )
    page = read(printed([sentence, listing, paragraph(150)]))
    assert texts(page, "text")[0] == "Use open()"
    assert texts(page, "code") == ["a = 1\nb = 2"]


def test_a_tree_that_stands_in_itself_costs_no_page() -> None:
    """Structure trees of strangers have loops; the text is there all the same."""
    with pymupdf.open(stream=printed([Part("Sect", parts=[paragraph(60), paragraph(100)])])) as document:
        root = int(document.xref_get_key(document.pdf_catalog(), "StructTreeRoot")[1].split()[0])
        first = int(document.xref_get_key(root, "K")[1].strip("[]").split()[0])
        document.xref_set_key(first, "K", f"[{first} 0 R]")
        data = document.tobytes()
    assert PROSE in " ".join(texts(read(data), "text"))


ROLES = st.sampled_from(["P", "H1", "H2", "LI", "L", "Code", "Div", "Table", "TR", "TD", "Figure", "Span", "Nonsense"])


@st.composite
def trees(draw: st.DrawFn) -> list[Part]:
    """Any roles, at any depth, around rows that stand below each other."""
    count = draw(st.integers(1, 8))
    made: list[Part] = []
    for n in range(count):
        part = Part(draw(ROLES), [row(60, 50 + 30 * n, f"level {n} of the river", draw(st.sampled_from(["F1", "F2"])))])
        for _ in range(draw(st.integers(0, 3))):
            part = Part(draw(ROLES), parts=[part])
        made.append(part)
    return made


@settings(max_examples=40, deadline=None)
@given(trees())
def test_whatever_the_tags_say_no_word_is_lost_or_doubled(parts: list[Part]) -> None:
    """Law: each word of a page is in one region or left to the rules."""
    with pymupdf.open(stream=printed(parts)) as document:
        found = ink.read(document[0])
    named, rest = tagged.regions_of(found.lines, found.tags)
    cells = [line for item in named if item.grid for slot in item.grid.slots for line in slot.lines]
    lines = [line for item in named if not item.grid for line in item.lines] + cells + rest
    assert sorted(word.text for line in lines for word in line.words) == sorted(
        word.text for line in found.lines for word in line.words
    )


def test_a_file_without_tags_has_none() -> None:
    """Most files: nothing may be spent on them."""
    with pymupdf.open() as document:
        document.new_page().insert_text((60, 60), PROSE)
        assert not tags.are_in(document)
        assert tags.read(document[0]) == ()


# the same without tags


def drawn(rows: Sequence[tuple[float, float, str, str, float]]) -> Page:
    """A page with these rows and nothing else."""
    with pymupdf.open() as document:
        sheet = document.new_page(width=600, height=800)
        for x, y, text, font, size in rows:
            sheet.insert_text(
                (x, y), text, fontname={"F1": "helv", "F2": "cour", "F3": "hebo", "F4": "cobo"}[font], fontsize=size
            )
        return read(document.tobytes())


def test_a_listing_without_a_ground_stays_whole_over_its_empty_rows() -> None:
    """Verbatim text of papers and manuals: each part of it alone would be another listing, or a sentence."""
    code = ["import gauge", "", "def level():", "    return gauge.read()", "", "level()"]
    rows = [row(60, 60, PROSE), row(60, 72, PROSE)]
    rows += [row(60, 110 + 11 * n, text, "F2", 9) for n, text in enumerate(code) if text]
    assert texts(drawn([*rows, row(60, 200, PROSE), row(60, 212, PROSE)]), "code") == ["\n".join(code)]


@pytest.mark.parametrize("command", ["pip install gauge", "cargo add gauge", "import gauge"])
def test_a_command_alone_is_code(command: str) -> None:
    """It has neither brackets nor a prompt."""
    prose = [row(60, y, PROSE) for y in (60, 72, 84, 140, 152, 164)]
    page = drawn([*prose, row(60, 112, command, "F2")])
    assert texts(page, "code") == [command]


def test_an_address_alone_is_no_code() -> None:
    """Papers set the addresses of their authors in such type."""
    page = drawn(
        [row(60, 60, PROSE), row(60, 72, PROSE), row(60, 100, "https://gauge.example", "F2"), row(60, 130, PROSE)]
    )
    assert not texts(page, "code")


def test_two_spaces_before_a_comment_are_two_where_letters_stand_in_columns() -> None:
    """In justified listings a wide space is one; here each letter is as wide as the next."""
    code = ["level = 3  # metres", "print(level)"]
    rows = [row(60, 60, PROSE), *(row(60, 100 + 11 * n, text, "F2", 9) for n, text in enumerate(code))]
    assert texts(drawn([*rows, row(60, 160, PROSE)]), "code") == ["\n".join(code)]


def test_long_code_in_a_heading_does_not_change_its_level() -> None:
    """Code is set smaller; a heading that is mostly code stood one level below its neighbours."""
    rows = []
    for n, (plain, code) in enumerate([("Reading", ""), ("Use", "gauge.read_level()"), ("Writing", "")]):
        y = 100 + 90 * n
        rows.append(row(60, y, plain, "F3", 16))
        rows += [row(60 + 9.5 * len(plain), y, code, "F4", 13.5)] if code else []
        rows += [row(60, y + 24 + 12 * k, PROSE) for k in range(3)]
    page = drawn([row(60, 50, "The gauge", "F3", 24), *rows])
    heads = [element for element in page.elements if element.kind == "section_header"]
    assert [head.level for head in heads] == [1, 1, 1]


def test_the_ground_of_code_is_no_picture() -> None:
    """Round corners make a shape of it, and three of them near each other looked like a drawing."""
    with pymupdf.open(stream=printed([paragraph(60)])) as document:
        sheet = document[0]
        for n in range(4):
            y = 120 + 16 * n
            sheet.draw_rect(pymupdf.Rect(58, y - 10, 140, y + 4), fill=(0.93, 0.94, 0.95), color=None, radius=0.3)
            sheet.insert_text((62, y), "gauge.read()", fontname="cour", fontsize=10)
            sheet.insert_text((144, y), "reads the level of the river", fontsize=10)
        assert "picture" not in {element.kind for element in read(document.tobytes()).elements}


# what a real browser prints

CSS = """body{font:16px sans-serif} code{font:85% monospace;background:#eff1f3;padding:.2em .4em;border-radius:6px}
pre{background:#f6f8fa;padding:16px;border-radius:6px} pre code{background:none;padding:0;font-size:100%}
td,th{border:1px solid #ccc;padding:6px 13px} table{border-collapse:collapse}"""
HTML = f"""<meta charset=utf-8><style>{CSS}</style><h1>River gauge</h1><p>{PROSE}</p><h2>Use</h2>
<p>Call <code>gauge.read</code>, then (<code>gauge.close</code>). {PROSE}</p><p>You will need:</p>
<pre><code>import gauge

for level in gauge.read():
    print(level)  # in metres
</code></pre><ul><li>iron<ul><li>cast</li><li>wrought</li></ul></li><li>zinc</li></ul>
<ol><li>Open it</li><li>Read it</li></ol><table><tr><th>River</th><th>Level</th></tr>
<tr><td>Elbe</td><td>2.5</td></tr><tr><td>Oder</td><td>3.1</td></tr></table><p>{PROSE}</p>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with launch(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def prints(browser: Browser, tmp_path: Any) -> Callable[[str, bool], bytes]:
    """HTML to PDF as the browser prints it, with or without tags."""

    def prints(html: str, tagged: bool) -> bytes:
        file = tmp_path / "page.html"
        file.write_text(html, "utf-8")
        browser.open(file)
        options = {"printBackground": True, "generateTaggedPDF": tagged}
        return base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", options)["data"])

    return prints


@pytest.mark.parametrize("with_tags", [True, False], ids=["tagged", "untagged"])
def test_a_printed_page_reads_as_it_was_written(prints: Callable[[str, bool], bytes], with_tags: bool) -> None:
    """Headings, code in sentences, a listing with its empty row, nested lists, a table: with tags and without."""
    page = read(prints(HTML, with_tags))
    assert [element.kind for element in page.elements] == [
        *("title", "text", "section_header", "text", "text", "code"),
        *("unordered_list", "ordered_list", "otsl", "text"),
    ]
    assert texts(page, "title") == ["River gauge"]
    assert texts(page, "text")[1] == f"Call gauge.read, then (gauge.close). {PROSE}"
    assert texts(page, "code") == ["import gauge\n\nfor level in gauge.read():\n    print(level)  # in metres"]
    assert texts(page, "list_item") == ["iron", "cast", "wrought", "zinc", "Open it", "Read it"]
    (bullets,) = [element for element in page.elements if element.kind == "unordered_list"]
    assert [item.text for item in bullets.children] == ["iron", "zinc"]
    (table,) = [element for element in page.elements if element.kind == "otsl"]
    assert [cell.text for cell in table.cells] == ["River", "Level", "Elbe", "2.5", "Oder", "3.1"]
