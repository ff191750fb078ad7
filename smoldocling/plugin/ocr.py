"""Text for what Docling sees and cannot read: the words of our reader, where the page's own text does not reach.

Knows: Docling's recognition stage, regions. Does not know: how pages are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import Page
from docling.datamodel.document import ConversionResult
from docling.datamodel.pipeline_options import OcrOptions
from docling.models.base_ocr_model import BaseOcrModel
from docling.utils.profiling import TimeRecorder
from docling_core.types.doc import BoundingBox
from docling_core.types.doc.page import TextCell
from pydantic import Field

from smoldocling.plugin.cells import cells
from smoldocling.plugin.pagecache import conversion
from smoldocling.plugin.regions import regions
from smoldocling.plugin.settings import Reader, ReadingOptions

# So much of a cell lies in a region that is to be read, or it belongs to another.
LEAST_WITHIN = 0.5


class SmolDoclingOcrOptions(ReadingOptions, OcrOptions):
    """Options of the recognition engine. `mode` is Docling's; `lang` and `scale` are of no use to it."""

    kind: ClassVar[str] = "smoldocling"

    lang: Annotated[
        list[str],
        Field(default_factory=list, description="The model reads the languages that it was trained with."),
    ]


class SmolDoclingOcr(BaseOcrModel):
    """`--ocr-engine smoldocling`."""

    def __init__(
        self,
        *,
        options: SmolDoclingOcrOptions,
        enabled: bool,
        artifacts_path: Path | None,
        accelerator_options: AcceleratorOptions,
    ) -> None:
        super().__init__(
            options=options, enabled=enabled, artifacts_path=artifacts_path, accelerator_options=accelerator_options
        )
        self._reader = Reader(options, artifacts_path, accelerator_options)

    @classmethod
    def get_options_type(cls) -> type[SmolDoclingOcrOptions]:
        """Docling chooses the engine by the class of its options."""
        return SmolDoclingOcrOptions

    def __call__(self, conv_res: ConversionResult, page_batch: Iterable[Page]) -> Iterable[Page]:
        """The pages, with cells wherever Docling says that there is something to be read."""
        pages = list(page_batch)
        if self.enabled:
            with TimeRecorder(conv_res, "ocr"):
                self._recognize(conv_res, pages)
        yield from pages

    def _recognize(self, conv_res: ConversionResult, pages: Sequence[Page]) -> None:
        places = {
            page.page_no: [rect for rect in self.get_ocr_rects(page) if rect.area() > 0]
            for page in pages
            if page._backend is not None and page._backend.is_valid() and page.size is not None
        }
        asked = [page for page in pages if places.get(page.page_no)]
        read = conversion(conv_res).pages(conv_res, asked, self._reader)
        for page, found in zip(asked, read, strict=True):
            assert page.size is not None, "only such pages are asked for"
            if found.status != "failed":
                known = cells(regions(found), page.size, from_ocr=True)
                self.post_process_cells(_within(known, places[page.page_no]), page, conv_res)
                # without a text of its own to compare with, nobody knows how well a page has been read
                score = float("nan") if found.agreement is None else found.agreement
                conv_res.confidence.pages[page.page_no].ocr_score = score


def _within(found: Sequence[TextCell], places: Sequence[BoundingBox]) -> list[TextCell]:
    return [
        cell
        for cell in found
        if any(cell.rect.to_bounding_box().intersection_over_self(place) >= LEAST_WITHIN for place in places)
    ]
