"""Docling's pipeline that reads pages with our engine.

Knows: what Docling expects of a pipeline and when, our converters. Does not know: how pages are read or drawn.
Laws: every page of the range is in the document under its own number, a missing one with a mark that says so. One
pipeline serves any number of documents at a time, and all pipelines of the process with equal settings one engine.
"""

from __future__ import annotations

import logging
from typing import Any

from docling.backend.abstract_backend import AbstractDocumentBackend
from docling.backend.pdf_backend import PdfDocumentBackend
from docling.datamodel.base_models import ConversionStatus, Page
from docling.datamodel.document import ConversionResult
from docling.datamodel.settings import settings
from docling.exceptions import OperationNotAllowed
from docling.pipeline.base_pipeline import ConvertPipeline, get_expected_page_nos
from docling.utils.profiling import ProfilingItem, ProfilingScope, TimeRecorder
from docling_core.types.doc import Size

from smoldocling.errors import UnusableOption
from smoldocling.pages.sources import because
from smoldocling.plugin import facts, shared
from smoldocling.plugin.images import Wish, illustrate
from smoldocling.plugin.options import SmolDoclingOptions
from smoldocling.plugin.run import Run
from smoldocling.result import CONTRADICTED, PageResult

_log = logging.getLogger(__name__)


class SmolDoclingPipeline(ConvertPipeline):
    """PDFs and page images to DoclingDocuments. Give it to a FormatOption as `pipeline_cls`.

    Pages are read from the file that Docling's backend has opened; page images, picture images and cells come from that
    backend. What the backend has opened and we cannot read, is read as the backend draws it.
    """

    def __init__(self, pipeline_options: SmolDoclingOptions) -> None:
        """Find and load the engine, unless somebody in this process has it.

        Raises UnusableOption, NoCheckpoint, UnusableCheckpoint; OperationNotAllowed for a server where
        `enable_remote_services` is off.
        """
        if not isinstance(pipeline_options, SmolDoclingOptions):
            given = type(pipeline_options).__name__
            raise UnusableOption(f"pipeline_options: {given} given; SmolDoclingPipeline takes SmolDoclingOptions")
        super().__init__(pipeline_options)
        self.pipeline_options: SmolDoclingOptions
        self._converter = shared.converter(**self._settings())
        self._runs: dict[int, Run] = {}
        for why in (self._converter.without_model, self._converter.without_native):
            if why is not None:
                _log.warning(shared.READ_BY, self._converter.engine, why)

    @classmethod
    def get_default_options(cls) -> SmolDoclingOptions:
        """The default checkpoint, where it can be had."""
        return SmolDoclingOptions()

    @classmethod
    def is_backend_supported(cls, backend: AbstractDocumentBackend) -> bool:
        """Everything that has pages which can be drawn."""
        return isinstance(backend, PdfDocumentBackend)

    def _settings(self) -> dict[str, Any]:
        """What makes an engine, from Docling's options and ours."""
        options = self.pipeline_options
        if options.server is not None and not options.enable_remote_services:
            raise OperationNotAllowed(
                f"server {options.server}: pages would be sent there; allow it with enable_remote_services=True"
            )
        names = ("splits", "dtype", "batch_size", "max_new_tokens", "drafts", "constrain", "workers", "server")
        device = str(getattr(options.accelerator_options.device, "value", options.accelerator_options.device))
        return {name: getattr(options, name) for name in names} | {
            **self._model(),
            "device": device if options.device == "auto" else options.device,
        }

    def _model(self) -> dict[str, str]:
        """Which model, and which engine where Docling's folder of models does not have it."""
        model, engine = self.pipeline_options.model, self.pipeline_options.engine
        if self.pipeline_options.server is not None:
            return {"model": model, "engine": engine}
        return shared.chosen(model, engine, self.artifacts_path)

    @property
    def _wish(self) -> Wish:
        options = self.pipeline_options
        return Wish(
            options.generate_page_images,
            options.generate_picture_images,
            options.generate_parsed_pages,
            options.images_scale,
        )

    @property
    def _enriches(self) -> bool:
        return any(getattr(stage, "enabled", True) for stage in self.enrichment_pipe)

    def _build_document(self, conv_res: ConversionResult) -> ConversionResult:
        """Read all pages."""
        if not self.is_backend_supported(conv_res.input._backend):
            raise UnusableOption(
                f"backend {type(conv_res.input._backend).__name__}: it has no pages to draw; a PDF or image backend has"
            )
        options = self.pipeline_options
        numbers = get_expected_page_nos(conv_res)
        run = self._runs[id(conv_res)] = Run(conv_res.input, numbers, options.document_timeout)
        conv_res.pages = [Page(page_no=number) for number in numbers]
        for page in conv_res.pages:
            page._default_image_scale = options.images_scale
        converter = self._converter.with_options(
            text=options.text, timeout=options.timeout, pictures=self._enriches, password=run.password
        )

        def heard(page: PageResult) -> None:
            _tell(conv_res.input.file.name, page)
            conv_res._progress.page_completed(page.number, total_pages=len(numbers), success=page.status != "failed")

        with TimeRecorder(conv_res, "doc_build", scope=ProfilingScope.DOCUMENT):
            run.read(converter, heard)
        conv_res._progress.fail_unfinished_pages(numbers, total_pages=len(numbers))
        return conv_res

    def _assemble_document(self, conv_res: ConversionResult) -> ConversionResult:
        """The document, and what Docling's records say about its pages."""
        run = self._runs[id(conv_res)]
        with TimeRecorder(conv_res, "doc_assemble", scope=ProfilingScope.DOCUMENT):
            result = run.result
            conv_res.document = result.document
            conv_res.document.origin = run.origin
            for page, found in zip(conv_res.pages, result.pages, strict=True):
                size = conv_res.document.pages[page.page_no].size
                page.size = Size(width=size.width, height=size.height)
                page.predictions.vlm_response = facts.prediction(found)
            conv_res.confidence = facts.report(result.pages)
        conv_res.errors.extend(run.errors(type(self).__name__))
        if settings.debug.profile_pipeline_timings:
            times = [page.seconds for page in result.pages]
            conv_res.timings["page_read"] = ProfilingItem(scope=ProfilingScope.PAGE, count=len(times), times=times)
        return conv_res

    def _enrich_document(self, conv_res: ConversionResult) -> ConversionResult:
        """Docling's own stages, on pictures cut out for them; then the images that are wanted in the end."""
        run = self._runs[id(conv_res)]
        try:
            super()._enrich_document(conv_res)
        except Exception as error:  # a service that is down is no reason to lose the document
            why = f"the document is complete, but could not be enriched: {because(error)}"
            conv_res.errors.append(facts.of_model(type(self).__name__, why))
        for picture in conv_res.document.pictures:
            picture.image = None
        wish = self._wish
        if wish and not run.late:
            run.untouched = False
            if not illustrate(conv_res, wish, run.deadline):
                why = "all pages have been read, but not all images drawn"
                conv_res.errors.append(run.too_late(type(self).__name__, why))
        return conv_res

    def _determine_status(self, conv_res: ConversionResult) -> ConversionStatus:
        """Failed is what nothing has come of; a document that only took too long is, in Docling, a partial one."""
        if self._runs[id(conv_res)].failed:
            return ConversionStatus.FAILURE
        return ConversionStatus.PARTIAL_SUCCESS if conv_res.errors else ConversionStatus.SUCCESS

    def _unload(self, conv_res: ConversionResult) -> None:
        """Close the document."""
        run = self._runs.pop(id(conv_res), None)
        if run is None:
            conv_res.input._backend.unload()
        else:
            run.close()


def _tell(name: str, page: PageResult) -> None:
    """What there is to say of a page that is no error."""
    if page.note is not None:
        _log.info("%s page %d: %s", name, page.number, page.note)
    contradicted = [problem.message for problem in page.problems if problem.kind in CONTRADICTED]
    if contradicted:
        more = f" (and {len(contradicted) - 1} more)" if len(contradicted) > 1 else ""
        _log.warning("%s page %d: %s%s", name, page.number, contradicted[0], more)
