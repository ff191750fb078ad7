"""No format loses a letter of the document."""

from collections import Counter

import html5lib
from docling_core.types.doc import DoclingDocument
from hypothesis import given
from trees import documents, thorough

import converters
from converters.characters import legal
from doctags.tree import Document, Element


def letters(text: str) -> Counter[str]:
    return Counter(char for char in legal(text) if char.isalnum())


def written(document: Document) -> Counter[str]:
    """Every letter and figure of the tree."""
    total: Counter[str] = Counter()
    waiting: list[Element] = [element for page in document.pages for element in page.elements]
    while waiting:
        element = waiting.pop()
        total += letters(element.text)
        waiting.extend(element.children)
        for cell in element.cells:
            total += letters(cell.text)
            waiting.extend(cell.children)
    return total


@thorough(120)
@given(documents())
def test_text_keeps_every_letter(document):
    """Furniture included, the plain text has all that the tree says."""
    assert not written(document) - letters(converters.to_text(document, furniture=True))


@thorough(100)
@given(documents())
def test_html_keeps_every_letter(document):
    """A formula's letters may stand in its annotation, but they stand somewhere."""
    page = html5lib.parse(converters.to_html(document, furniture=True), namespaceHTMLElements=False)
    body = page.find("body")
    # "[x]" and "[X]" became ticks.
    ticks = "xX" * sum("checked" in box.attrib for box in body.iter("input"))
    assert not written(document) - letters("".join(body.itertext()) + ticks)


@thorough(100)
@given(documents())
def test_json_keeps_every_letter(document):
    """Texts, cells, chart data, molecules: together they have all that the tree says."""
    docling: DoclingDocument = converters.to_docling(document)
    said = [item.text for item in docling.texts] + [getattr(item, "marker", "") for item in docling.texts]
    said += [cell.text for table in docling.tables for cell in table.data.table_cells]
    for picture in docling.pictures:
        chart = picture.meta.tabular_chart if picture.meta else None
        said += [cell.text for cell in chart.chart_data.table_cells] if chart else []
        said += [picture.meta.molecule.smi] if picture.meta and picture.meta.molecule else []
    # "[x]" and "[X]" became boxes that are ticked.
    said.append("xX" * sum(item.label == "checkbox_selected" for item in docling.texts))
    assert not written(document) - letters(" ".join(said))
