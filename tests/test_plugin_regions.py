"""What Docling's stages get of a page, whatever a model has written on it."""

from __future__ import annotations

from docling.datamodel.base_models import Cluster
from docling_core.types.doc import BoundingBox, DocItemLabel, Size
from hypothesis import given
from hypothesis import strategies as st
from trees import documents

import doctags
from doctags.tree import GRID
from smoldocling.plugin.layout import clusters
from smoldocling.plugin.regions import flat, regions
from smoldocling.plugin.tables import tables
from smoldocling.result import PageResult


@given(documents())
def test_regions_hold_all_of_a_page(document: doctags.Document):
    """Whatever a model writes: every region can be drawn, and no label is one that Docling would drop."""
    for tree in document.pages:
        page = PageResult("a", 1, "ok", tree, engine="native")
        found = regions(page)
        made = clusters(found, Size(width=300, height=200))
        ids = [cluster.id for cluster in made]
        assert len(set(ids)) == len(ids)
        for cluster in made:
            box = cluster.bbox
            assert 0 <= box.l < box.r <= 300
            assert 0 <= box.t < box.b <= 200
            assert cluster.label != DocItemLabel.TITLE
        assert "".join("".join(cell.text for cell in one.cells) for one in made) is not None
        prediction = tables([one for one in made if one.label == DocItemLabel.TABLE], found, 1, Size(width=9, height=9))
        assert len(prediction.table_map) <= sum(region.grid is not None for region in flat(found))


@given(st.permutations(range(4)), st.integers(-4, 4))
def test_tables_go_to_the_clusters_that_they_cover(order: list[int], shift: int):
    """Another engine's boxes are a little off and in another order; structure must not go to a neighbour."""
    elements = tuple(
        doctags.Element(
            "otsl", boxes=(doctags.Box(100, 100 * n, 400, 100 * n + 80),), cells=(doctags.Cell(0, 0, str(n)),)
        )
        for n in range(4)
    )
    page = PageResult("a", 1, "ok", doctags.Page(elements), engine="native")
    wanted = [
        Cluster(
            id=10 + n,
            label=DocItemLabel.TABLE,
            bbox=BoundingBox(l=100 + shift, t=100 * n + shift, r=400 + shift, b=100 * n + 80 + shift),
        )
        for n in order
    ]
    found = tables(wanted, regions(page), 1, Size(width=GRID, height=GRID))
    assert {key: table.table_cells[0].text for key, table in found.table_map.items()} == {
        10 + n: str(n) for n in range(4)
    }
