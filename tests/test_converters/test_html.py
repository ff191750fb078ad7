"""The HTML page is valid, and nothing in a document is markup, script or an address it should not be."""

from xml.etree.ElementTree import Element as Node

import html5lib
import pytest
from hypothesis import given
from trees import documents, texts, thorough

import converters
from converters.html import table_markup
from converters.inline import LINK_SCHEMES
from converters.outline import outline
from doctags.tree import Cell, Element, Page

HOLDING_TEXT = (
    *(
        "text",
        "title",
        "section_header",
        "footnote",
        "caption",
        "page_header",
        "reference",
        "checkbox_selected",
        "code",
    ),
    *("handwritten_text", "smiles", "no_such_kind"),
)


def parsed(markup: str) -> Node:
    """The page as a browser reads it; a parse error is a failure."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(markup)


def names(markup: str) -> list[tuple[str, tuple[str, ...]]]:
    """Element names with the names of their attributes, in document order, `dir` aside: it follows the script."""
    return [
        (str(node.tag), tuple(sorted(str(key) for key in node.attrib if key != "dir")))
        for node in parsed(markup).iter()
        if isinstance(node.tag, str)
    ]


@pytest.mark.parametrize("kind", HOLDING_TEXT)
@thorough(60)
@given(text=texts(16))
def test_the_text_of_an_element_never_changes_the_page(kind, text):
    """Whatever is written where "word" could stand, the page has the same elements; only line breaks may differ."""
    plain = names(converters.to_html(Page((Element(kind, "word"),))))
    trapped = names(converters.to_html(Page((Element(kind, "word" + text + "word"),))))
    assert [name for name in trapped if name[0] != "br"] == plain


@thorough(60)
@given(texts(16))
def test_the_text_of_cells_fields_and_labels_never_changes_the_page(text):
    """Cells, keys, values, captions, languages and picture classes hold text of the model's too."""

    def page(word: str) -> str:
        pair = (Element("key", word, ref=0, children=(Element("link", ref=1),)), Element("value", word, ref=1))
        return converters.to_html(
            Page(
                (
                    Element("otsl", cells=(Cell(0, 0, word), Cell(0, 1, word, kind="column_header"))),
                    Element("key_value_region", children=pair),
                    Element("picture", label="a" + word, children=(Element("caption", word), Element("smiles", word))),
                    Element("code", "x", label="Python"),
                )
            ),
            title=word,
        )

    trapped = [name for name in names(page("word" + text + "word")) if name[0] != "br"]
    assert [name[0] for name in trapped] == [name[0] for name in names(page("word"))]


@thorough(200)
@given(documents())
def test_any_document_is_a_page_without_scripts(document):
    """Valid HTML5; no script, no event attribute, no address but the web's and mail's; every image one of ours."""
    markup = converters.to_html(document, furniture=True)
    for node in parsed(markup).iter():
        assert node.tag not in {"script", "iframe", "object", "embed", "form", "base", "link", "img"}
        for name, value in node.attrib.items():
            assert not str(name).startswith("on")
            assert name not in {"style", "src", "srcdoc", "xlink:href", "formaction"}
            if name == "href":
                assert (node.tag, value.partition(":")[0].lower() in LINK_SCHEMES) == ("a", True)


@thorough(200)
@given(texts(20))
def test_any_formula_is_mathml_or_its_own_source(latex):
    """latex2mathml passes \\href through; a formula must not bring links, styles or classes of its own."""
    markup = converters.to_html(
        Page((Element("formula", latex), Element("text", "", children=(Element("formula", latex),))))
    )
    body = parsed(markup).find("body")
    assert body is not None
    for node in body.iter():
        assert node.tag not in {"a", "script", "maction", "img"}
        assert not {"href", "style", "onclick", "class"} & set(node.attrib) or node.attrib.get("class") in {
            "formula",
            "latex",
            "picture",
        }


@thorough(150)
@given(documents())
def test_tables_in_markdown_are_one_html_block(document):
    """An empty line would end the block and let Markdown at the cells."""
    for block in outline(document):
        grid = getattr(block, "grid", None)
        if grid is not None and grid.slots:
            assert all(line for line in table_markup(grid).split("\n"))
