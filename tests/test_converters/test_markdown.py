"""Markdown says what the document says, and nothing in a document is markup by accident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import expected, read
from trees import documents, texts, thorough

import converters
from converters.blocks import Run, plain
from converters.inline import tidy
from converters.outline import outline
from doctags.tree import Cell, Document, Element, Link, Page


def page(*elements: Element) -> Page:
    return Page(elements)


@thorough(400)
@given(texts(20), st.sampled_from(("text", "footnote", "title", "section_header", "caption", "reference")))
def test_any_text_stays_text(text, kind):
    """The law of the escaper: a CommonMark reader sees one block, no markup in it, and every character."""
    words = plain(tidy([Run(text)]))
    found = read(converters.to_markdown(page(Element(kind, text))))
    assert not found.odd
    assert found == expected(outline(page(Element(kind, text)))), converters.to_markdown(page(Element(kind, text)))
    assert bool(words) == bool(found.words or found.headings)


@thorough(200)
@given(documents())
def test_a_reader_finds_what_the_document_has(document):
    """Blocks of all kinds beside and inside each other: none swallows, splits or joins another."""
    markdown = converters.to_markdown(document, furniture=True)
    found, wanted = read(markdown), expected(outline(document, furniture=True))
    assert not found.odd, markdown
    found.html.pop("<!-- -->", None)
    found.links, wanted.links = wanted.links, found.links
    for part in ("headings", "words", "code", "math", "images", "items", "tables", "strong", "html"):
        assert getattr(found, part) == getattr(wanted, part), (part, markdown)


PROSE = (
    "It's 5 o'clock, isn't it?",
    "snake_case_name, _private and a_b_c",
    "a < b, p<0.05 and 3 > 2",
    "5 * 3 = 15 and a footnote*",
    "1.5 million, #5, C# and F#",
    "as shown in [9], [10-12] and (see [3])",
    "a dash - here, one – there, and — there",
    "it costs $5, not $6",
    "AT&T, R&D and Q&A; done",
    "~ 5 km, 50% off, 2^10, x = y + z",
    "C:\\Users\\name",
    "a | b",
    "Wow! [sic] \"quoted\" 'quoted'",
    "see https://example.org/a_b_c?d=1&e=2#f and me@example.org",
    "_______ at the national level",
    "e.g. + and - and = signs",
    "(a) first; (b) second",
    "Section 2.1. Scope: the `tick alone",
)


@pytest.mark.parametrize("prose", PROSE)
def test_prose_is_written_as_people_write_it(prose):
    """Not a backslash more than needed: these say the same with and without."""
    assert converters.to_markdown(page(Element("text", prose))) == prose + "\n"
    assert converters.to_markdown(page(Element("title", prose))) == f"# {prose}\n"
    listed = page(Element("unordered_list", children=(Element("list_item", "x " + prose),)))
    assert converters.to_markdown(listed) == f"- x {prose}\n"


@pytest.mark.parametrize(
    ("prose", "written"),
    [
        ("# heading", "\\# heading"),
        ("1. list", "1\\. list"),
        ("- list", "\\- list"),
        ("> quote", "\\> quote"),
        ("*emphasis*", "\\*emphasis\\*"),
        ("_emphasis_", "\\_emphasis\\_"),
        ("~~gone~~", "\\~\\~gone\\~\\~"),
        ("`code`", "\\`code\\`"),
        ("[text](https://x.org)", "[text\\](https://x.org)"),
        ("[label]: https://x.org", "\\[label]: https://x.org"),
        ("<b>bold</b>", "\\<b>bold\\</b>"),
        ("<!-- gone -->", "\\<!-- gone -->"),
        ("&copy; &#65;", "\\&copy; \\&#65;"),
        ("$x$ and $$y$$", "\\$x\\$ and \\$\\$y\\$\\$"),
        ("---", "\\---"),
        ("a \\* b", "a \\\\* b"),
    ],
)
def test_what_would_be_markup_is_escaped_once(prose, written):
    """The one backslash that it takes, at the place where a person would put it."""
    assert converters.to_markdown(page(Element("text", prose))) == written + "\n"


@pytest.mark.parametrize(
    ("latex", "written"),
    [
        ("E=mc^2", "$$E=mc^2$$"),
        ("$$E=mc^2$$", "$$E=mc^2$$"),
        ("\\[ x \\]", "$$x$$"),
        ("a $$ b", "$$a \\$\\$ b$$"),
        ("a\n\n- b", "$$a - b$$"),
        ("a % comment\nb", "$$a b$$"),
        ("a \\% b", "$$a \\% b$$"),
        ("a<b", "$$a< b$$"),
        ("x\\", "$$x$$"),
        ("x \\\\", "$$x \\\\$$"),
        ("", "<!-- formula-not-decoded -->"),
        ("$$", "$$\\$\\$$$"),
    ],
)
def test_a_formula_keeps_its_latex_and_its_place(latex, written):
    """Dollars, line ends, comments and a last backslash would let it out."""
    assert converters.to_markdown(page(Element("formula", latex))) == written + "\n"


@thorough(200)
@given(texts(20))
def test_a_formula_is_harmless_where_nobody_knows_of_formulas(latex):
    """Most Markdown readers do not: they must find no tag, link, picture, code or block in one."""
    inline = Element("text", "so ", children=(Element("formula", latex), Element("text", " holds")))
    markdown = converters.to_markdown(page(Element("formula", latex), inline))
    kinds = set(read(markdown, math=False).odd)
    assert kinds <= {"em_open", "s_open", "softbreak"}, markdown
    assert not read(markdown, math=False).links
    assert not read(markdown, math=False).code


@pytest.mark.parametrize(
    ("code", "fence"),
    [("x = 1", "```"), ("```\nx\n```", "````"), ("a ``````` b", "````````"), ("~~~", "```")],
)
def test_a_fence_is_longer_than_any_in_the_code(code, fence):
    """Code about Markdown is code."""
    assert converters.to_markdown(page(Element("code", code, label="Python"))) == f"{fence}python\n{code}\n{fence}\n"


def test_a_language_that_is_no_name_is_left_out():
    """A label may be anything; the line behind a fence is not the place for it."""
    assert converters.to_markdown(page(Element("code", "x", label="a`b\nc"))) == "```\nx\n```\n"


def test_indentation_of_code_survives():
    """Also of its first line, also in a list."""
    code = Element("code", "    if x:\n\n        y()\n")
    assert converters.to_markdown(page(code)) == "```\n    if x:\n\n        y()\n```\n"
    listed = Element("unordered_list", children=(Element("list_item", "see", children=(code,)),))
    assert converters.to_markdown(page(listed)) == "- see\n\n  ```\n      if x:\n\n          y()\n  ```\n"


def test_rectangles_are_gfm_and_merged_cells_html():
    """GFM has no merged cells; a person would write HTML for those and only for those."""
    plain_table = Element("otsl", cells=(Cell(0, 0, "a|b"), Cell(0, 1, ""), Cell(1, 0, "c"), Cell(1, 1, "d")))
    assert converters.to_markdown(page(plain_table)) == "| a\\|b |  |\n| --- | --- |\n| c | d |\n"
    merged = Element("otsl", cells=(Cell(0, 0, "<i>*", column_span=2, kind="column_header"), Cell(1, 0, "c")))
    assert converters.to_markdown(page(merged)) == (
        '<table>\n<tr><th colspan="2">&lt;i&gt;*</th></tr>\n<tr><td>c</td><td></td></tr>\n</table>\n'
    )


def test_pages_are_divided_on_request():
    """The line between two pages is the caller's, as it is."""
    document = Document((page(Element("text", "a")), page(Element("text", "b."))))
    assert converters.to_markdown(document, page_break="\\f") == "a\n\n\\f\n\nb.\n"
    assert converters.to_markdown(document) == "a\n\nb.\n"


def test_an_empty_document_is_an_empty_file():
    """Not a lone line end."""
    assert converters.to_markdown(Document()) == ""
    assert converters.to_markdown(page(Element("text", " \n "), Element("otsl"), Element("unordered_list"))) == ""


def test_links_are_links_and_addresses_cannot_break_out():
    """Brackets in the text, parentheses and spaces in the address."""
    element = Element("text", "see [a](b) now", links=(Link(4, 10, "https://x.org/a (1) b<c>"),))
    assert converters.to_markdown(page(element)) == "see [\\[a\\](b)](https://x.org/a%20%281%29%20b%3Cc%3E) now\n"
    bare = Element("text", "https://x.org/a_b", links=(Link(0, 17, "https://x.org/a_b"),))
    assert converters.to_markdown(page(bare)) == "<https://x.org/a_b>\n"
