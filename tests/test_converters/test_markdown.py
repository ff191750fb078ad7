"""Markdown says what the document says, and nothing in a document is markup by accident."""

from hypothesis import given, settings
from hypothesis import strategies as st
from reading import expected, read
from trees import documents, texts

import converters
from converters.blocks import Run, plain
from converters.outline import outline, tidy
from doctags.tree import Element, Page


def page(*elements: Element) -> Page:
    return Page(elements)


@settings(max_examples=400)
@given(texts(20), st.sampled_from(("text", "footnote", "title", "section_header", "caption", "reference")))
def test_any_text_stays_text(text, kind):
    """The law of the escaper: a CommonMark reader sees one block, no markup in it, and every character."""
    words = plain(tidy([Run(text)]))
    found = read(converters.to_markdown(page(Element(kind, text))))
    assert not found.odd
    assert found == expected(outline(page(Element(kind, text)))), converters.to_markdown(page(Element(kind, text)))
    assert bool(words) == bool(found.words or found.headings)


@settings(max_examples=400)
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
