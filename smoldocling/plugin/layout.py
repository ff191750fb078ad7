"""The layout of pages for Docling's standard pipeline: what our reader found, as clusters with their text.

Knows: Docling's layout stage, regions. Does not know: how pages are read.
Law: the clusters of a page are its regions, in their order; those in a region of keys and values stand beside it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import Cluster, LayoutPrediction, Page
from docling.datamodel.document import ConversionResult
from docling.datamodel.pipeline_options import BaseLayoutOptions
from docling.models.base_layout_model import BaseLayoutModel
from docling.utils.profiling import TimeRecorder
from docling_core.types.doc import DocItemLabel, Size

from smoldocling.plugin.cells import bounds, cells
from smoldocling.plugin.pagecache import conversion
from smoldocling.plugin.regions import Region, regions
from smoldocling.plugin.settings import Reader, ReadingOptions


class SmolDoclingLayoutOptions(ReadingOptions, BaseLayoutOptions):
    """Options of the layout engine; Docling's own three are about a step that it does not need."""

    kind: ClassVar[str] = "smoldocling"


class SmolDoclingLayout(BaseLayoutModel):
    """`--layout-engine smoldocling`. Raises what keeps the engine from being loaded."""

    # clusters come with their text, and Docling's step would take it from them again
    requires_layout_postprocessing = False

    def __init__(
        self,
        *,
        options: SmolDoclingLayoutOptions,
        artifacts_path: Path | None,
        accelerator_options: AcceleratorOptions,
        enable_remote_services: bool = False,
    ) -> None:
        self.options = options
        self._reader = Reader(options, artifacts_path, accelerator_options)
        self._reader.converter()

    @classmethod
    def get_options_type(cls) -> type[SmolDoclingLayoutOptions]:
        """Docling chooses the engine by the class of its options."""
        return SmolDoclingLayoutOptions

    def predict_layout(self, conv_res: ConversionResult, pages: Sequence[Page]) -> Sequence[LayoutPrediction]:
        """The clusters of these pages; none where Docling itself could not open the page."""
        open_pages = [page for page in pages if page._backend is not None and page._backend.is_valid()]
        with TimeRecorder(conv_res, "layout"):
            read = conversion(conv_res).pages(conv_res, open_pages, self._reader, whole=True)
        found = {page.number: page for page in read}
        return [
            LayoutPrediction(clusters=clusters(regions(found[page.page_no]), page.size))
            if page.page_no in found and page.size is not None
            else page.predictions.layout or LayoutPrediction()
            for page in pages
        ]


def clusters(found: Sequence[Region], size: Size) -> list[Cluster]:
    """The regions of a page of that size in points."""
    made: list[Cluster] = []
    for cluster in _numbered(found, size):
        made.append(cluster)
        if cluster.label == DocItemLabel.KEY_VALUE_REGION:
            made += cluster.children
    return made


def _numbered(found: Sequence[Region], size: Size) -> Iterator[Cluster]:
    number = 0
    for region in found:
        inner = [_cluster(one, number + k + 1, size) for k, one in enumerate(region.inner)]
        yield _cluster(region, number, size).model_copy(update={"children": inner})
        number += 1 + len(inner)


def _cluster(region: Region, number: int, size: Size) -> Cluster:
    return Cluster(
        id=number,
        label=region.label,
        bbox=bounds(region.box, size),
        confidence=region.score,
        cells=cells([region], size),
    )
