"""What Docling's stages get of a page, whatever a model has written on it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from docling.datamodel.base_models import Cluster
from docling_core.types.doc import BoundingBox, DocItemLabel, Size
from hypothesis import given
from hypothesis import strategies as st
from trees import documents, thorough

import doctags
from converters import to_text
from doctags.tree import GRID
from smoldocling.plugin.cells import cells
from smoldocling.plugin.layout import clusters
from smoldocling.plugin.regions import flat, regions
from smoldocling.plugin.tables import tables
from smoldocling.result import PageResult

SIZE = Size(width=300, height=200)
# What Docling's assembly makes something of; a cluster with another label is dropped, and its text with it.
TAKEN = {
    DocItemLabel(name)
    for name in (
        "text footnote caption checkbox_unselected checkbox_selected section_header page_header page_footer code "
        "list_item formula table document_index picture form key_value_region"
    ).split()
}
INSIDE_PICTURES = {DocItemLabel(name) for name in ("text", "list_item", "section_header", "footnote")}


def read(tree: doctags.Page) -> PageResult:
    return PageResult("a", 1, "ok", tree, engine="native")


def without_links(element: doctags.Element) -> doctags.Element:
    """Our own text spells their addresses out; Docling's stages know them from elsewhere."""
    cells = tuple(replace(cell, children=tuple(map(without_links, cell.children))) for cell in element.cells)
    return replace(element, links=(), cells=cells, children=tuple(map(without_links, element.children)))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[^\W\d_]+", text))


@thorough(30)
@given(documents())
def test_every_region_is_one_that_docling_can_use(document: doctags.Document) -> None:
    """A box without an area raises in the middle of Docling, an unknown label is dropped with its text."""
    for tree in document.pages:
        made = clusters(regions(read(tree)), SIZE)
        everything = [*made, *(child for one in made if one.label == DocItemLabel.PICTURE for child in one.children)]
        ids = [cluster.id for cluster in everything]
        assert len(set(ids)) == len(ids)
        for cluster in everything:
            assert 0 <= cluster.bbox.l < cluster.bbox.r <= SIZE.width
            assert 0 <= cluster.bbox.t < cluster.bbox.b <= SIZE.height
        assert {cluster.label for cluster in made} <= TAKEN
        assert {child.label for one in made if one.label == DocItemLabel.PICTURE for child in one.children} <= (
            INSIDE_PICTURES
        )
        # who stands in a region of keys and values stands beside it, too: Docling looks there
        assert all(
            one in made for region in made if region.label not in {DocItemLabel.PICTURE} for one in region.children
        )


@thorough(30)
@given(documents())
def test_no_word_of_a_page_is_lost(document: doctags.Document) -> None:
    """What our own text has, Docling's stages get."""
    for tree in document.pages:
        plain = replace(tree, elements=tuple(map(without_links, tree.elements)))
        found = words("\n".join(cell.text for cell in cells(regions(read(plain)), SIZE)))
        # ticks are in the label
        assert not words(to_text(plain, furniture=True).replace("[x]", "")) - found


@thorough(30)
@given(documents())
def test_no_table_is_the_structure_of_two_clusters(document: doctags.Document) -> None:
    """A structure that stood twice in the document would be text that stands there twice."""
    for tree in document.pages:
        found = regions(read(tree))
        wanted = [
            one for one in clusters(found, SIZE) if one.label in (DocItemLabel.TABLE, DocItemLabel.DOCUMENT_INDEX)
        ]
        doubled = [one.model_copy(update={"id": one.id + 1000}) for one in wanted]
        made = tables(wanted + doubled, found, 1, SIZE).table_map
        assert len(made) == len(wanted)
        for table in made.values():
            places = [
                (row, column)
                for cell in table.table_cells
                for row in range(cell.start_row_offset_idx, cell.end_row_offset_idx)
                for column in range(cell.start_col_offset_idx, cell.end_col_offset_idx)
            ]
            assert sorted(places) == [(r, c) for r in range(table.num_rows) for c in range(table.num_cols)]
            assert len(table.otsl_seq) == table.num_rows * (table.num_cols + 1)


@given(st.permutations(range(4)), st.integers(-4, 4))
def test_tables_go_to_the_clusters_that_they_cover(order: list[int], shift: int) -> None:
    """Another engine's boxes are a little off and in another order; structure must not go to a neighbour."""
    elements = tuple(
        doctags.Element(
            "otsl", boxes=(doctags.Box(100, 100 * n + 5, 400, 100 * n + 85),), cells=(doctags.Cell(0, 0, f"{n}"),)
        )
        for n in range(4)
    )
    wanted = [
        Cluster(
            id=10 + n,
            label=DocItemLabel.TABLE,
            bbox=BoundingBox(l=100 + shift, t=100 * n + 5 + shift, r=400 + shift, b=100 * n + 85 + shift),
        )
        for n in order
    ]
    found = tables(wanted, regions(read(doctags.Page(elements))), 1, Size(width=GRID, height=GRID))
    assert {key: table.table_cells[0].text for key, table in found.table_map.items()} == {
        10 + n: str(n) for n in range(4)
    }


def test_what_has_no_box_stands_between_its_neighbours() -> None:
    """Docling orders by place: text that a model forgot to place must not move to the top of the page."""
    tree = doctags.parse(
        "<doctag><text><loc_10><loc_10><loc_90><loc_50>a</text><text>b</text><text>c</text>"
        "<text><loc_10><loc_250><loc_90><loc_300>d</text><text>e</text></doctag>"
    ).pages[0]
    found = regions(read(tree))
    assert [region.text for region in found] == list("abcde")
    assert [(region.box.y0, region.box.y1) for region in found] == [
        (10, 50),
        (50, 150),
        (150, 250),
        (250, 300),
        (300, 500),
    ]


def test_numbers_of_a_list_are_in_the_text_and_ticks_in_the_label() -> None:
    """Docling reads the one and the other there and makes markers of them."""
    tree = doctags.parse(
        "<doctag><ordered_list><list_item>2) two</list_item></ordered_list>"
        "<unordered_list><list_item>plain</list_item></unordered_list>"
        "<checkbox_selected>yes</checkbox_selected><title>Top</title></doctag>"
    ).pages[0]
    assert [(region.label.value, region.text) for region in flat(regions(read(tree)))] == [
        ("list_item", "2) two"),
        ("list_item", "plain"),
        ("checkbox_selected", "yes"),
        ("section_header", "Top"),
    ]
