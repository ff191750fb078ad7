"""The structure of tables for Docling's standard pipeline: which of our tables lies where a cluster is.

Knows: Docling's table stage, regions. Does not know: how pages are read, who has found the clusters.
Law: a table of ours is the structure of one cluster at most, of that which it covers best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import Cluster, Page, Table, TableStructurePrediction
from docling.datamodel.document import ConversionResult
from docling.datamodel.pipeline_options import BaseTableStructureOptions
from docling.models.base_layout_model import TABLE_LABELS
from docling.models.base_table_model import BaseTableStructureModel
from docling.utils.profiling import TimeRecorder
from docling_core.types.doc import Size, TableCell

from converters.blocks import Grid, Slot
from converters.text import slot_text
from doctags.table import rows
from doctags.tree import Cell
from smoldocling.plugin.cells import bounds
from smoldocling.plugin.pagecache import conversion
from smoldocling.plugin.regions import Region, flat, regions
from smoldocling.plugin.settings import Reader, ReadingOptions

# Two boxes are of one table where they share so much of what both cover; a detector's boxes are a few points off.
LEAST_OVERLAP = 0.3


class SmolDoclingTableOptions(ReadingOptions, BaseTableStructureOptions):
    """Options of the table engine."""

    kind: ClassVar[str] = "smoldocling"


class SmolDoclingTables(BaseTableStructureModel):
    """`--table-structure-engine smoldocling`."""

    def __init__(
        self,
        *,
        options: SmolDoclingTableOptions,
        enabled: bool,
        artifacts_path: Path | None,
        accelerator_options: AcceleratorOptions,
        enable_remote_services: bool = False,
    ) -> None:
        self.options = options
        self.enabled = enabled
        self._reader = Reader(options, artifacts_path, accelerator_options)

    @classmethod
    def get_options_type(cls) -> type[SmolDoclingTableOptions]:
        """Docling chooses the engine by the class of its options."""
        return SmolDoclingTableOptions

    def __call__(self, conv_res: ConversionResult, page_batch: Iterable[Page]) -> Iterable[Page]:
        """The pages with their tables. No stage behind this one asks what we have read of them."""
        for page in super().__call__(conv_res, page_batch):
            conversion(conv_res).forget(page.page_no)
            yield page

    def predict_tables(self, conv_res: ConversionResult, pages: Sequence[Page]) -> Sequence[TableStructurePrediction]:
        """The structures of the tables that the layout has found on these pages."""
        wanted = {page.page_no: _clusters(page) for page in pages}
        with TimeRecorder(conv_res, "table_structure"):
            asked = [page for page in pages if wanted[page.page_no]]
            read = conversion(conv_res).pages(conv_res, asked, self._reader)
        found = {page.number: regions(page) for page in read}
        return [
            tables(wanted[page.page_no], found[page.page_no], page.page_no, page.size)
            if page.page_no in found and page.size is not None
            else TableStructurePrediction()
            for page in pages
        ]


def tables(wanted: Sequence[Cluster], found: Sequence[Region], number: int, size: Size) -> TableStructurePrediction:
    """The tables among `found`, each with the cluster that it covers best."""
    places = [(bounds(region.box, size), region.grid) for region in flat(found) if region.grid is not None]
    pairs = sorted(
        (
            (-cluster.bbox.intersection_over_union(box), c, t)
            for c, cluster in enumerate(wanted)
            for t, (box, _) in enumerate(places)
        ),
    )
    made: dict[int, Table] = {}
    taken: set[int] = set()
    for overlap, c, t in pairs:
        cluster, grid = wanted[c], places[t][1]
        if -overlap >= LEAST_OVERLAP and cluster.id not in made and t not in taken:
            taken.add(t)
            made[cluster.id] = _table(cluster, grid, number, size)
    return TableStructurePrediction(table_map=made)


def _clusters(page: Page) -> list[Cluster]:
    if page._backend is None or not page._backend.is_valid() or page.predictions.layout is None:
        return []
    return [cluster for cluster in page.predictions.layout.clusters if cluster.label in TABLE_LABELS]


def _table(cluster: Cluster, grid: Grid, number: int, size: Size) -> Table:
    return Table(
        otsl_seq=_otsl(grid),
        table_cells=[_cell(slot, grid, size) for slot in grid.slots],
        num_rows=grid.rows,
        num_cols=grid.columns,
        id=cluster.id,
        page_no=number,
        cluster=cluster,
        label=cluster.label,
    )


def _cell(slot: Slot, grid: Grid, size: Size) -> TableCell:
    in_head = slot.row < grid.header_rows and bool(slot.runs or slot.blocks)
    return TableCell(
        bbox=None if slot.box is None else bounds(slot.box, size),
        row_span=slot.row_span,
        col_span=slot.column_span,
        start_row_offset_idx=slot.row,
        end_row_offset_idx=slot.row + slot.row_span,
        start_col_offset_idx=slot.column,
        end_col_offset_idx=slot.column + slot.column_span,
        text=slot_text(slot),
        column_header=slot.kind == "column_header" or in_head,
        row_header=slot.kind == "row_header",
        row_section=slot.kind == "section",
    )


def _otsl(grid: Grid) -> list[str]:
    """The grid as Docling's own engines tell it: a token for every place, row by row."""
    laid = [
        Cell(slot.row, slot.column, slot_text(slot), slot.row_span, slot.column_span, slot.kind) for slot in grid.slots
    ]
    return [token for row in rows(laid) for token in [*(slot.token for slot in row), "nl"]]
