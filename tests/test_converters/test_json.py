"""docling-core loads the JSON, and its own exporters run on the object, whatever the tree was."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable
from io import BytesIO

from docling_core.types.doc import CodeItem, CodeLanguageLabel, ContentLayer, DocItemLabel, DoclingDocument, Size
from hypothesis import given
from PIL import Image
from trees import documents, thorough

import converters
import doctags
from doctags.tree import Box, Cell, Document, Element, Link, Page


@thorough(150)
@given(documents())
def test_docling_takes_any_tree(document):
    """Validation and all exporters; a crash here is a crash in every program downstream."""
    docling = DoclingDocument.model_validate_json(converters.to_json(document))
    docling.export_to_markdown()
    docling.export_to_html()
    # docling-core 2.104 passes `is_inline_scope` twice to itself for the caption of a code block.
    if not any(isinstance(item, CodeItem) and item.captions for item in docling.texts):
        docling.export_to_doctags()
    docling.export_to_text()
    assert docling == converters.to_docling(document)


def docling(*elements: Element, size: tuple[float, float] | None = (600.0, 800.0)) -> DoclingDocument:
    return converters.to_docling(Page(elements, number=3, size=size))


def test_boxes_are_points_from_the_top_left():
    """The grid has 500 steps on either side, whatever the page's shape; inverted boxes are put right."""
    (item,) = docling(Element("text", "word", (Box(250, 400, 50, 100),))).texts
    (place,) = item.prov
    assert (place.page_no, place.charspan) == (3, (0, 4))
    assert place.bbox.as_tuple() == (60.0, 160.0, 300.0, 640.0)
    assert place.bbox.coord_origin.value == "TOPLEFT"


def test_a_page_without_a_size_is_the_grid():
    """DocTags alone does not say how large the paper was."""
    assert docling(Element("text", "x"), size=None).pages[3].size == Size(width=500, height=500)
    assert docling(Element("text", "x")).pages[3].size == Size(width=600, height=800)


def test_a_paragraph_on_two_pages_is_one_item_with_two_places():
    """As Docling's own pipeline has it: chunkers see whole sentences, grounding sees both boxes."""
    first = Page((Element("text", "one infor-", (Box(0, 0, 9, 9),)),), number=1)
    second = Page((Element("text", "mation two.", (Box(0, 0, 9, 9),)),), number=2)
    (item,) = converters.to_docling(Document((first, second))).texts
    assert item.text == "one information two."
    assert [(place.page_no, item.text[slice(*place.charspan)]) for place in item.prov] == [
        (1, "one infor"),
        (2, "mation two."),
    ]


def test_headers_and_spans_of_tables_survive():
    """docling-core's own reader drops them all: defect 13 of its list."""
    cells = (
        Cell(0, 0, "wide", column_span=2, kind="column_header", box=Box(0, 0, 500, 50)),
        Cell(1, 0, "row", kind="row_header"),
        Cell(1, 1, "x"),
        Cell(2, 0, "part", column_span=2, kind="section"),
    )
    caption = Element("caption", "Table 1")
    document = docling(Element("otsl", cells=cells, children=(caption,)))
    (table,) = document.tables
    flags = [(c.text, c.col_span, c.column_header, c.row_header, c.row_section) for c in table.data.table_cells]
    assert flags == [
        ("wide", 2, True, False, False),
        ("row", 1, False, True, False),
        ("x", 1, False, False, False),
        ("part", 2, False, False, True),
    ]
    assert table.data.table_cells[0].bbox.as_tuple() == (0.0, 0.0, 600.0, 80.0)
    assert table.caption_text(document) == "Table 1"


def test_a_cell_with_blocks_is_a_rich_cell():
    """A list in a cell is a list, and its words are the cell's too."""
    bullets = Element("unordered_list", children=(Element("list_item", "a"), Element("list_item", "b")))
    document = docling(Element("otsl", cells=(Cell(0, 0, "see", children=(bullets,)),)))
    (cell,) = document.tables[0].data.table_cells
    assert cell.text == "see - a - b"
    assert [item.text for item in document.texts] == ["see", "a", "b"]
    assert "- a" in document.export_to_markdown()


def test_lists_nest_and_keep_their_markers():
    """Nesting by parents, numbers as markers, never in the text."""
    inner = Element("ordered_list", children=(Element("list_item", "4. b"),))
    outer = Element("unordered_list", children=(Element("list_item", "a", children=(inner,)),))
    document = docling(outer)
    a, b = document.texts
    assert (a.text, a.marker, a.enumerated) == ("a", "-", False)
    assert (b.text, b.marker, b.enumerated) == ("b", "4.", True)
    assert b.parent.resolve(document).parent.resolve(document) is a
    assert document.export_to_markdown() == "- a\n    4. b"


def test_pictures_bring_their_class_data_molecule_caption_and_file():
    """Everything docling-core has a place for."""
    children = (Element("smiles", "CCO"), Element("caption", "Figure 1"), Element("text", "axis"))
    element = Element("chart", label="vbar_categorical", cells=(Cell(0, 0, "5"),), children=children)
    file = converters.Picture("x_artifacts/p 1.png", 300, 200, 144.0)
    document = converters.to_docling(Page((element,)), pictures={(1, 0): file})
    (picture,) = document.pictures
    assert picture.meta.classification.get_main_prediction().class_name == "bar_chart"
    assert picture.meta.molecule.smi == "CCO"
    assert [cell.text for cell in picture.meta.tabular_chart.chart_data.table_cells] == ["5"]
    assert picture.caption_text(document) == "Figure 1"
    assert (str(picture.image.uri), picture.image.dpi) == ("x_artifacts/p 1.png", 144)
    assert picture.image.size == Size(width=300, height=200)
    assert "axis" in [item.text for item in document.texts]
    assert document.export_to_doctags().count("<chart>") == 1


def test_a_data_uri_is_an_image_that_docling_can_open():
    """`result.document` carries its crops with it."""
    file = BytesIO()
    Image.new("RGB", (3, 2)).save(file, "PNG")
    uri = f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
    document = converters.to_docling(
        Page((Element("picture"),)), pictures={(1, 0): converters.Picture(uri, 3, 2, 72.0)}
    )
    assert document.pictures[0].get_image(document).size == (3, 2)


def test_code_keeps_its_language_and_every_space():
    """Also what docling-core's reader takes for tags."""
    source = "    if a<b and c>d:\n        #include <x>\n"
    (item,) = docling(Element("code", source, label="C++")).texts
    assert item.code_language is CodeLanguageLabel.C_PLUS_PLUS
    assert item.text == source.rstrip("\n")


def test_inline_code_formulas_and_links_are_items_of_their_own():
    """Docling's shape for a mixed paragraph: a group, one item for each part."""
    parts = (Element("code", "f(x)"), Element("formula", "x^2"))
    document = docling(
        Element("text", "so", children=parts), Element("text", "see this", links=(Link(4, 8, "https://x.org/"),))
    )
    assert [(str(item.label), item.text) for item in document.texts] == [
        ("text", "so"),
        ("code", "f(x)"),
        ("formula", "x^2"),
        ("text", "see"),
        ("text", "this"),
    ]
    assert str(document.texts[-1].hyperlink) == "https://x.org/"
    assert document.export_to_markdown() == "so `f(x)` $x^2$\n\nsee [this](https://x.org/)"


def test_running_heads_are_furniture():
    """docling-core's exporters leave them out by themselves."""
    header, body = docling(Element("page_header", "Journal"), Element("text", "Body")).texts
    assert header.content_layer is ContentLayer.FURNITURE
    assert body.content_layer is ContentLayer.BODY


def test_forms_are_a_graph_and_readable_text():
    """The graph alone is invisible to docling-core's Markdown and chunkers."""
    source = (
        "<doctag><key_value_region><key_0>TO:<link_4></key_0><value_4>Mrs. K. A. Sparrow</value_4></key_value_region>"
    )
    document = converters.to_docling(doctags.parse(source))
    (region,) = document.key_value_items
    assert [(cell.cell_id, cell.text, cell.item_ref.resolve(document).text) for cell in region.graph.cells] == [
        (0, "TO:", "TO:"),
        (4, "Mrs. K. A. Sparrow", "Mrs. K. A. Sparrow"),
    ]
    assert [(link.source_cell_id, link.target_cell_id) for link in region.graph.links] == [(0, 4)]
    assert "Mrs. K. A. Sparrow" in document.export_to_markdown()


def test_kinds_that_docling_core_cannot_read_are_there():
    """paragraph, reference, document_index, handwritten_text, group, references, form: defects 3 and 9 of its list."""
    index = Element("document_index", cells=(Cell(0, 0, "1 Introduction"), Cell(0, 1, "3")))
    group = Element("references", children=(Element("reference", "[1] A book"),))
    document = docling(index, group, Element("paragraph", "p"), Element("handwritten_text", "h"), Element("form", "f"))
    assert document.tables[0].label is DocItemLabel.DOCUMENT_INDEX
    assert [(str(item.label), item.text) for item in document.texts] == [
        ("reference", "[1] A book"),
        ("text", "p"),
        ("handwritten_text", "h"),
        ("text", "f"),
    ]


def letters(words: Iterable[str]) -> Counter[str]:
    # docling-core's reader leaves the language of inline code in its text.
    return Counter(char for char in re.sub(r"<_\w+_>", "", "".join(words)) if char.isalnum())


def test_docling_reads_at_least_as_much_from_us_as_from_itself(shared_data):
    """The same DocTags through docling-core's own loader: no fewer items of any kind, no fewer characters."""
    from docling_core.types.doc.document import DocTagsDocument

    for path in sorted([*(shared_data / "docling").glob("*.dt"), *(shared_data / "doctags").glob("*.dt")]):
        source = path.read_text(encoding="utf-8")
        pages = [page for page in source.split("<page_break>") if page.strip()]
        theirs = DoclingDocument.load_from_doctags(DocTagsDocument.from_doctags_and_image_pairs(pages, None))
        ours = converters.to_docling(doctags.parse(source))
        assert len(ours.tables) >= len(theirs.tables), path.name
        assert len(ours.pictures) >= len(theirs.pictures), path.name
        said = letters(item.text + getattr(item, "marker", "") for item in ours.texts)
        assert not letters(item.text for item in theirs.texts) - said, path.name


def test_importing_converters_loads_no_third_party():
    """`smoldocling --help` and `doctags` users must not wait for docling-core."""
    code = (
        "import sys, converters; print(sorted({'lxml', 'docling_core', 'latex2mathml', 'pydantic'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert run.stdout.strip() == "[]"
