"""What is scored of a file must not depend on the format that it came in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import converters
import doctags
from smoldocling.errors import UnusableInput
from smoldocling.evaluate.markup import html_blocks, markdown_blocks
from smoldocling.evaluate.measure import document_score
from smoldocling.evaluate.reading import READERS, doctags_content, read

WRITERS = {
    ".dt": doctags.write,
    ".md": converters.to_markdown,
    ".html": converters.to_html,
    ".json": lambda tree: converters.to_json(tree, name="report"),
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("name", ["report", "invoice", "scan"])
def test_the_same_document_has_every_score_in_every_format(samples, tmp_path, name, suffix):
    """Text, headings, tables with merged cells, formulas, code, order: what our converters write is what they read."""
    truth = samples / f"{name}.dt"
    path = tmp_path / f"{name}{suffix}"
    path.write_text(WRITERS[suffix](doctags.parse(truth.read_text("utf-8"))), encoding="utf-8")
    score = document_score(name, read(path), read(truth), "unreadable")
    found = {metric: round(tally.value, 9) for metric, tally in score.total.items() if metric != "meteor"}
    assert found == dict.fromkeys(found, 1.0)
    assert {"characters", "headings", "teds"} <= found.keys() or name == "scan"


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("stem", ["2305.03393v1-pg9", "code_and_formula", "multi_page", "right_to_left_01"])
def test_so_have_real_ones(shared_data, tmp_path, stem, suffix):
    """Docling's own DocTags, Arabic among them."""
    truth = shared_data / "docling" / f"{stem}.dt"
    path = tmp_path / f"{stem}{suffix}"
    path.write_text(WRITERS[suffix](doctags.parse(truth.read_text("utf-8"))), encoding="utf-8")
    total = document_score(stem, read(path), read(truth), "unreadable").total
    assert {name: round(tally.value, 9) for name, tally in total.items() if name != "meteor"} == {
        name: 1.0 for name in total if name != "meteor"
    }


def kinds(blocks):
    return [(block.kind, block.text) for block in blocks]


def test_markdown_is_read_as_a_person_sees_it():
    """Markup is gone, what it marks is there."""
    text = """---
title: front matter is about the file
---
# A *title* with `code` &amp; more

Some **bold** [link](http://x.y) text,
broken<br>twice, at $5 and $6, with $x_{1} + y$.<!-- nothing --> ![alt](picture.png)

- first
- [x] ticked
  1. inner

$$E = mc^2$$

```python
def f():
    return 1
```

> quoted \\*stars\\*
"""
    assert kinds(markdown_blocks(text)) == [
        ("heading", "A title with code & more"),
        ("text", "Some bold link text,\nbroken twice, at $5 and $6, with x_{1} + y."),
        ("item", "first"),
        ("item", "ticked"),
        ("item", "inner"),
        ("formula", "E = mc^2"),
        ("code", "def f():\n    return 1"),
        ("text", "quoted *stars*"),
    ]


def test_heading_levels_count_from_the_title():
    assert [block.level for block in markdown_blocks("# a\n\n## b\n\n#### c\n\nd\n---\n")] == [0, 1, 3, 1]


def cells(block):
    return [(c.row, c.column, c.row_span, c.column_span, c.text) for c in block.cells]


def test_a_pipe_table_has_its_cells():
    (table,) = markdown_blocks("| a | **b** |\n| --- | --- |\n| 1<br>2 | x\\|y |\n")
    assert cells(table) == [(0, 0, 1, 1, "a"), (0, 1, 1, 1, "b"), (1, 0, 1, 1, "1 2"), (1, 1, 1, 1, "x|y")]
    assert table.text == "a b\n1 2 x|y"


def test_an_html_table_in_markdown_has_merged_cells():
    rows = "<tr><th rowspan='2'>a</th><td colspan=2>b</td></tr><tr><td>c<td><p>d</p></tr>"
    text = f"<table><caption>Cap</caption>{rows}</table>"
    caption, table = markdown_blocks(text)
    assert (caption.kind, caption.text) == ("text", "Cap")
    assert cells(table) == [(0, 0, 2, 1, "a"), (0, 1, 1, 2, "b"), (1, 1, 1, 1, "c"), (1, 2, 1, 1, "d")]


def test_a_latex_table_is_a_table():
    """READoc, Nougat and Mathpix write them so."""
    text = r"""\begin{table}
\begin{tabular}{c|cc}
\hline
\multirow{2}{*}{A} & \multicolumn{2}{c}{**B** \& C} \\
 & $x_1$ & 2 \\ \hline
\end{tabular}
\caption{Sizes, in {mm}}
\end{table}
Table 1: after it"""
    table, after = markdown_blocks(text)
    assert cells(table) == [(0, 0, 2, 1, "A"), (0, 1, 1, 2, "B & C"), (1, 1, 1, 1, "x_1"), (1, 2, 1, 1, "2")]
    assert after.text.split() == "Sizes, in {mm} Table 1: after it".split()


def test_html_says_what_a_reader_sees():
    """Scripts and styles are no text; LaTeX is taken from a formula's annotation."""
    text = """<!DOCTYPE html><html><head><title>no</title><style>p {}</style></head><body>
    <h2>Head <em>ing</em></h2>loose<p>para<br>graph &lt;b&gt;</p><script>alert(1)</script>
    <ul><li>one<ul><li>• two</li></ul></li></ul><pre>a
  b</pre><math display="block"><semantics><mi>x</mi><annotation encoding="application/x-tex">x^2</annotation>
    </semantics></math></body></html>"""
    assert kinds(html_blocks(text)) == [
        ("heading", "Head ing"),
        ("text", "loose"),
        ("text", "para graph <b>"),
        ("item", "one"),
        ("item", "two"),
        ("code", "a\n  b"),
        ("formula", "x^2"),
    ]


@given(st.text(alphabet="<>/$\\|#*`-_[]()&;!\"' \nabtdrhlpe12", max_size=80))
@settings(deadline=None, max_examples=300)
def test_nothing_that_a_model_writes_is_too_much(text):
    """Whatever it is, it is read."""
    markdown_blocks(text)
    html_blocks(text)
    doctags_content(text)


@pytest.mark.parametrize(
    "text",
    [
        r"\begin{tabular}{c}" + r"\multicolumn{9999999999}{c}{x} & " * 3 + r"\end{tabular}",
        "<table><td rowspan=99999 colspan=9999999>x",
    ],
)
def test_a_number_gone_wrong_costs_no_memory(text):
    """Spans are bounded, and reach to the last row at most."""
    (table,) = markdown_blocks(text)
    assert all(cell.column_span <= 1000 and cell.row_span == 1 for cell in table.cells)


def test_page_furniture_is_no_text_but_has_a_place():
    """Running heads stand nowhere in the reading order."""
    text = (
        "<doctag><page_header><loc_1><loc_1><loc_9><loc_5>Head</page_header>"
        "<text><loc_1><loc_9><loc_9><loc_20>Text</text></doctag>"
    )
    (sheet,) = doctags_content(text).sheets
    assert kinds(sheet.blocks) == [("text", "Text")]
    assert [spot.kind for spot in sheet.spots] == ["page_header", "text"]


@pytest.mark.parametrize(
    ("text", "valid"), [("<doctag><text>a</text></doctag>", True), ("<text>a", False), ("", False)]
)
def test_doctags_are_valid_or_not(text, valid):
    assert doctags_content(text).valid is valid


def test_what_cannot_be_read_says_why(tmp_path):
    """One line: what came, what is taken."""
    broken = tmp_path / "a.json"
    broken.write_text('{"schema_name": "other"}')
    with pytest.raises(UnusableInput, match=r"a\.json: no DoclingDocument"):
        read(broken)
    binary = tmp_path / "b.md"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnusableInput, match="byte 0 is no UTF-8"):
        read(binary)
    assert ".dt" in READERS


def test_an_empty_line_does_not_end_an_html_table():
    """Models leave one between rows; CommonMark would make a second table of the rest."""
    (table,) = markdown_blocks("<table>\n<tr><td>a</td></tr>\n\n<tr><td>b</td></tr>\n</table>\n")
    assert cells(table) == [(0, 0, 1, 1, "a"), (1, 0, 1, 1, "b")]


@pytest.mark.parametrize("unit", ["<table", r"\begin{tabular}", "<table><tr><td>", "<ul><li>", "$a ", "|"])
def test_a_model_that_never_stops_costs_no_hours(unit):
    """Time grows with the length of what was written, not with its square."""
    start = time.perf_counter()
    markdown_blocks(unit * (20_000 // len(unit)))
    assert time.perf_counter() - start < 20
