"""The report as a file; tests/test_browser.py opens it."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import replace
from pathlib import PurePath
from xml.etree.ElementTree import Element as Node

import html5lib
import hypothesis.strategies as st
import pytest
import specimens
from hypothesis import example, given
from trees import documents, texts, thorough

import doctags
import smoldocling
from doctags.tree import Page
from smoldocling.report import to_report
from smoldocling.report.kinds import GROUPS, OTHER, STATUSES, group_of, name_of
from smoldocling.result import PageResult, Result


def parsed(markup: str) -> Node:
    """The report as a browser reads it; a parse error is a failure."""
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(markup)


def local(node: Node) -> str:
    return str(node.tag).rpartition("}")[2]


def classed(tree: Node, name: str) -> list[Node]:
    return [node for node in tree.iter() if name in (node.get("class") or "").split()]


def said(node: Node) -> str:
    return "".join(node.itertext())


def of(*pages: PageResult, name: str = "a.pdf") -> Result:
    return Result(name, PurePath("a"), pages)


def test_a_report_is_valid_and_loads_nothing():
    """It is sent by mail and opened on machines without a network, years later."""
    tree = parsed(to_report(specimens.all_sorts()))
    for node in tree.iter():
        for name in ("src", "href", "srcset", "poster", "data", "action"):
            address = node.get(name)
            assert address is None or address.startswith(("#", "data:image/"))
        assert local(node) not in {"link", "iframe", "object", "embed", "base"}
    styles = [said(node) for node in tree.iter() if local(node) == "style"]
    assert len(styles) == 1
    assert not re.search(r"@import|url\(", styles[0])


def test_the_policy_allows_this_style_and_this_script_and_nothing_else():
    """A hash of anything else would switch the report off, and 'unsafe-inline' would switch the policy off."""
    tree = parsed(to_report(specimens.all_sorts()))
    (policy,) = [node.get("content") for node in tree.iter() if node.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in str(policy).split(";"))
    for name in ("style", "script"):
        (text,) = [said(node) for node in tree.iter() if local(node) == name]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(f"{name}-src") == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


@thorough(60)
@given(documents(), texts(8), texts(4))
def test_any_document_is_a_report_without_scripts(document, raw, name):
    """Valid HTML5 whatever is in it; one script, ours; no event attribute; identifiers are unique."""
    pages = [
        PageResult(name, page.number, "ok", page, name, doctags.validate(raw), raw, error=name or None)
        for page in document.pages
    ]
    plain = [replace(page, raw=None, problems=doctags.validate(page.tree)) for page in pages]
    tree = parsed(to_report(Result(name, PurePath("a"), (*pages, *plain), (name,))))
    scripts = [said(node) for node in tree.iter() if local(node) == "script"]
    assert len(scripts) == 1
    assert scripts == [said(node) for node in parsed(to_report(of())).iter() if local(node) == "script"]
    seen: set[str] = set()
    for node in tree.iter():
        for key, value in node.attrib.items():
            assert not str(key).startswith("on")
            assert str(key) not in {"style", "src", "srcdoc", "formaction"}
            if key == "href":
                assert value.startswith("#") or value.partition(":")[0].lower() in {"http", "https", "mailto"}
            if key == "id":
                assert value not in seen
                seen.add(value)
    for node in tree.iter():
        if (node.get("href") or "").startswith("#"):
            assert (node.get("href") or "")[1:] in seen


@thorough(200)
@given(texts(12) | st.text())
@example("<text>a</text>\n\n<text>b")
@example("<doctag><otsl><fcel>a<fcel>b<nl><fcel>c<nl></otsl>")
def test_the_doctags_are_shown_as_they_are(raw):
    """Marks for elements and problems cut the text; no character may go or come, and each problem is where it is."""
    problems = doctags.validate(raw)
    tree = parsed(to_report(of(replace(specimens.read(raw), problems=problems))))
    (panel,) = classed(tree, "raw")
    lines = [said(line) for line in classed(panel, "line")]
    assert "\n".join(lines) == visible(raw)
    assert len(lines) == raw.count("\n") + 1
    rows = [node for block in classed(tree, "problems") for node in block.iter() if local(node) == "li"]
    assert len(rows) == len(problems)
    anchors = {node.get("id"): node for node in panel.iter() if node.get("id")}
    for row, problem in zip(rows, problems, strict=True):
        (link,) = [node for node in row.iter() if local(node) == "a"]
        mark = anchors[str(link.get("href"))[1:]]
        source = visible(raw[problem.start : problem.end])
        assert source.startswith(said(mark)) or said(mark).startswith(source)
        assert said(row).startswith(f"{problem.line}:{problem.column} ")


def visible(text: str) -> str:
    """Controls as the signs for them; what no HTML can hold is left out."""
    from converters.characters import legal

    return "".join(chr(0x2400 + ord(c)) if ord(c) < 32 and c not in "\t\n" else legal(c) for c in text)


def test_pages_that_stand_in_one_text_show_it_once_between_them():
    """A file of DocTags may hold a book; each page shows its own part, under the file's own line numbers."""
    text = "<doctag>" + "\n<page_break>\n".join(f"<text>page {n}</text>\n</code>" for n in range(1, 5)) + "</doctag>"
    problems = doctags.validate(text)
    assert len(problems) == 4
    pages = [
        replace(specimens.read(text), tree=page, raw=text, problems=(problem,))
        for page, problem in zip(doctags.parse(text).pages, problems, strict=True)
    ]
    tree = parsed(to_report(of(*pages)))
    panels = classed(tree, "raw")
    assert "".join("\n".join(said(line) for line in classed(panel, "line")) for panel in panels) == text
    for panel in panels:
        for line in classed(panel, "line"):
            assert said(line) in text.split("\n")[int(str(line.get("data-n"))) - 1]
    marks = [[said(node) for node in panel.iter() if local(node) == "mark"] for panel in panels]
    assert marks == [["</code>"]] * 4


def test_every_element_with_a_box_has_one_and_leads_to_its_text():
    """Also an item of a nested list, a caption, a key of a form: to its own text, not to what it is part of."""
    page = specimens.read(specimens.PAGE)
    tree = parsed(to_report(of(page)))
    boxes = classed(tree, "box")
    assert [str(box.get("aria-label")).partition(". ")[2] for box in boxes] == [
        "Page header: Harbour office",
        "Section header 1: Tides",
        "Text: The gauge is read every ten minutes, and the readings are kept.",
        "List item: spring tides",
        "List item: neap tides",
        "List item: in June",
        "Table",
        "Caption: Table 1: Levels",
        "Picture",
        "Caption: Figure 1: A year",
        "Form fields",
        "Key: Keeper",
        "Value: A. Aoyama",
        "Formula: h = a \\cos t",
        "Code: print(h)",
        "Footnote: 1 Measured at the pier.",
    ]
    texts = {node.get("id"): node for node in tree.iter() if node.get("id")}
    for box in boxes:
        text = texts[str(box.get("href"))[1:]]
        assert box.get("data-t") == box.get("data-e")
        assert box.get("data-e") in str(text.get("data-e")).split()
        label = str(box.get("aria-label")).partition(": ")[2]
        assert label in said(text)


def test_an_element_that_is_found_nowhere_in_the_text_leads_to_itself():
    """An empty text has a box and nothing to show; pointing at it must not fail."""
    tree = parsed(to_report(of(specimens.read("<doctag><text><loc_1><loc_1><loc_9><loc_9></text></doctag>"))))
    (box,) = classed(tree, "box")
    assert box.get("href") == f"#{box.get('id')}"
    assert box.get("data-t") is None


def test_boxes_outside_the_grid_stay_on_the_page():
    """Trees from elsewhere hold anything."""
    boxes = (doctags.Box(-50, 600, 700, 10), doctags.Box(5, 5, 5, 5))
    page = replace(specimens.read(""), raw=None, tree=Page((doctags.Element("text", "a", boxes),)))
    places = [
        tuple(float(node.get(name) or "nan") for name in ("x", "y", "width", "height"))
        for node in parsed(to_report(of(page))).iter()
        if local(node) == "rect"
    ]
    width, height = specimens.WIDTH_PX, specimens.HEIGHT_PX
    assert places[0] == pytest.approx((0, 10 / 500 * height, width, 490 / 500 * height), abs=0.01)
    assert places[1][2] > 0
    assert places[1][3] > 0


def test_every_status_and_every_kind_has_a_name_and_a_colour():
    """A status without a row would raise; a kind without one would be grey and called Element."""
    from doctags.tokens import KINDS, PLACES
    from smoldocling.result import Status

    assert set(STATUSES) == set(Status.__args__)
    for kind in KINDS.keys() - set(PLACES) - {"link", "group"}:
        assert group_of(kind) is not OTHER, kind
        assert name_of(kind) != "Element"
    assert len({group.colour for group in (*GROUPS, OTHER)}) == len(GROUPS) + 1
    assert name_of("no_such_kind") == "Element"


def test_a_document_that_could_not_be_opened_is_a_report_that_says_so():
    """The file that one opens must not be an empty page."""
    result = Result("locked.pdf", PurePath("locked"), error="the document is encrypted")
    tree = parsed(to_report(result))
    (notice,) = classed(tree, "notice")
    assert "could not be opened" in said(notice)
    assert "the document is encrypted" in said(notice)


def test_what_a_real_pdf_looks_like(samples):
    """The whole way: text layer, images, figures."""
    result = smoldocling.Converter(engine="textlayer", page_images=True).convert(samples / "invoice.pdf")
    markup = to_report(result)
    tree = parsed(markup)
    assert markup.count("data:image/webp;base64,") == 1
    assert markup.count("data:image/png;base64,") == len(result.pages[0].pictures) == 1
    assert len(classed(tree, "box")) > 20
    for image in (node for node in tree.iter() if local(node) == "img"):
        assert (image.get("loading"), image.get("decoding")) == ("lazy", "async")
        assert image.get("alt")


def test_the_work_grows_with_the_pages():
    """Ten times the pages may take ten times as long, not a hundred times."""

    def seconds(count: int) -> float:
        result = specimens.many(count, lambda: None)
        started = time.process_time()
        to_report(result)
        return time.process_time() - started

    seconds(2)
    assert seconds(300) < 30 * seconds(30)
