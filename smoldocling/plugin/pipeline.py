"""Docling's pipeline that reads pages with our engine.

Knows: what Docling expects of a pipeline and when, our converters. Does not know: how pages are read or drawn.
Laws: every page of the range is in the document under its own number, a missing one with a mark that says so. One
pipeline serves any number of documents at a time, and all pipelines of the process with equal settings one engine.
"""

from __future__ import annotations

import logging
import mimetypes
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from docling.backend.abstract_backend import AbstractDocumentBackend
from docling.backend.pdf_backend import PdfDocumentBackend
from docling.datamodel.base_models import ConversionStatus, DoclingComponentType, ErrorItem, FailureCategory, Page
from docling.datamodel.document import ConversionResult
from docling.datamodel.settings import settings
from docling.exceptions import OperationNotAllowed
from docling.pipeline.base_pipeline import ConvertPipeline, get_expected_page_nos
from docling.utils.profiling import ProfilingItem, ProfilingScope, TimeRecorder
from docling_core.types.doc import DocumentOrigin, Size

from doctags.tree import GRID, Box
from smoldocling import layer
from smoldocling.errors import NoCheckpoint, UnusableOption
from smoldocling.pages.sources import Source, Unfit, because
from smoldocling.plugin import facts, opened, shared
from smoldocling.plugin.images import Wish, illustrate
from smoldocling.plugin.options import SmolDoclingOptions
from smoldocling.plugin.reading import read
from smoldocling.result import CONTRADICTED, PageResult, Result

if TYPE_CHECKING:
    from smoldocling.pipeline import Converter

_log = logging.getLogger(__name__)
READ_BY = "pages are read by the engine %r: %s"


@dataclass(slots=True)
class _Run:
    """One document on its way through the pipeline.

    deadline   of time.monotonic
    mime       what the file is, where we read it ourselves
    pages      every page by its number; those that are `missing` have not come
    unread     why the document could not even be opened
    late       whether the deadline was first
    untouched  whether Docling's backend has not been asked for a page
    """

    deadline: float | None
    mime: str | None = None
    pages: dict[int, PageResult] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)
    unread: str | None = None
    late: bool = False
    untouched: bool = True


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
        self._runs: dict[int, _Run] = {}
        for why in (self._converter.without_model, self._converter.without_native):
            if why is not None:
                _log.warning(READ_BY, self._converter.engine, why)

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
        if engine == "textlayer" or self.pipeline_options.server is not None:
            return {"model": model, "engine": engine}
        try:
            return {"model": shared.located(model, self.artifacts_path), "engine": engine}
        except NoCheckpoint as error:
            if engine != "auto":
                raise
            _log.warning(READ_BY, layer.ENGINE, error.reason)
            return {"model": model, "engine": layer.ENGINE}

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
        timeout = self.pipeline_options.document_timeout
        run = self._runs[id(conv_res)] = _Run(None if timeout is None else time.monotonic() + timeout)
        numbers = get_expected_page_nos(conv_res)
        conv_res.pages = [Page(page_no=number) for number in numbers]
        for page in conv_res.pages:
            page._default_image_scale = self.pipeline_options.images_scale
        with TimeRecorder(conv_res, "doc_build", scope=ProfilingScope.DOCUMENT):
            self._read(conv_res, run, numbers)
        return conv_res

    def _read(self, conv_res: ConversionResult, run: _Run, numbers: list[int]) -> None:
        """Every page, or why there is none."""
        name, total = conv_res.input.file.name, len(numbers)
        run.mime = opened.mime(conv_res.input)
        converter = self._converter.with_options(
            pages=numbers if run.mime is not None else None,
            password=_password(conv_res),
            text=self.pipeline_options.text,
            timeout=self.pipeline_options.timeout,
            pictures=self._enriches,
        )
        sizes: dict[int, tuple[float, float]] = {}
        sources: Iterable[Source | Unfit] = [opened.whole(conv_res.input)]
        if run.mime is None:
            run.untouched = False
            sources = opened.drawn(conv_res.input, numbers, sizes)
        with closing(self._found(run, converter, sources)) as pages:
            for found in pages:
                page = found if run.mime is not None else _numbered(found, name, sizes)
                if page.number == 0:
                    run.unread = page.error
                    continue
                run.pages[page.number] = page
                _tell(name, page)
                conv_res._progress.page_completed(page.number, total_pages=total, success=page.status != "failed")
        conv_res._progress.fail_unfinished_pages(numbers, total_pages=total)
        for number in numbers:
            if number not in run.pages:
                run.missing.append(number)
                run.pages[number] = layer.missing(name, number, self._why(run), converter.engine)

    def _found(self, run: _Run, converter: Converter, sources: Iterable[Source | Unfit]) -> Generator[PageResult]:
        run.late = not (yield from read(converter, sources, run.deadline))

    def _why(self, run: _Run) -> str:
        """Why a page has not come."""
        if run.late:
            return f"not read within the document timeout of {self.pipeline_options.document_timeout:g} s"
        return run.unread or "the reader did not return it"

    def _assemble_document(self, conv_res: ConversionResult) -> ConversionResult:
        """The document, and what Docling's records say about its pages."""
        run = self._runs[id(conv_res)]
        with TimeRecorder(conv_res, "doc_assemble", scope=ProfilingScope.DOCUMENT):
            file = conv_res.input.file
            result = Result(
                file.name, PurePath(file.stem), tuple(_placed(run.pages[page.page_no]) for page in conv_res.pages)
            )
            conv_res.document = result.document
            conv_res.document.origin = _origin(conv_res, run)
            for page, found in zip(conv_res.pages, result.pages, strict=True):
                size = conv_res.document.pages[page.page_no].size
                page.size = Size(width=size.width, height=size.height)
                page.predictions.vlm_response = facts.prediction(found)
            conv_res.confidence = facts.report(result.pages)
        self._record(conv_res, run, result)
        if settings.debug.profile_pipeline_timings:
            times = [page.seconds for page in result.pages]
            conv_res.timings["page_read"] = ProfilingItem(scope=ProfilingScope.PAGE, count=len(times), times=times)
        return conv_res

    def _record(self, conv_res: ConversionResult, run: _Run, result: Result) -> None:
        """What is missing or damaged, as errors."""
        for warning in sorted({warning for page in result.pages for warning in page.warnings}):
            conv_res.errors.append(facts.of_document(warning))
        if run.unread is not None:
            conv_res.errors.append(facts.of_document(run.unread))
        for page in result.pages:
            if page.number not in run.missing:
                conv_res.errors.extend(facts.errors(page))
            elif run.unread is None:
                conv_res.errors.append(self._lost(page.error or "", page.number, late=run.late))
        if run.late:
            read = len(result.pages) - len(run.missing)
            self._too_late(conv_res, f"{read} of {len(result.pages)} pages have been read")

    def _too_late(self, conv_res: ConversionResult, done: str) -> None:
        limit = self.pipeline_options.document_timeout
        conv_res.errors.append(self._lost(f"document timeout of {limit:g} s: {done}", None, late=True))

    def _lost(self, message: str, number: int | None, *, late: bool) -> ErrorItem:
        return ErrorItem(
            component_type=DoclingComponentType.PIPELINE,
            module_name=type(self).__name__,
            error_message=message,
            category=FailureCategory.TIMEOUT if late else FailureCategory.BACKEND_FAILURE,
            page_no=number,
        )

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
                self._too_late(conv_res, "all pages have been read, but not all images drawn")
        return conv_res

    def _determine_status(self, conv_res: ConversionResult) -> ConversionStatus:
        """Failed is what nothing has come of; a document that only took too long is, in Docling, a partial one."""
        run = self._runs[id(conv_res)]
        if not run.late and run.pages and all(page.status == "failed" for page in run.pages.values()):
            return ConversionStatus.FAILURE
        return ConversionStatus.PARTIAL_SUCCESS if conv_res.errors else ConversionStatus.SUCCESS

    def _unload(self, conv_res: ConversionResult) -> None:
        """Close the document."""
        run = self._runs.pop(id(conv_res), None)
        if run is None or run.untouched:
            opened.spare(conv_res.input)
        conv_res.input._backend.unload()


def _password(conv_res: ConversionResult) -> str | None:
    """The one with which Docling's backend has opened the document."""
    secret = getattr(conv_res.input._backend.options, "password", None)
    return None if secret is None else str(secret.get_secret_value())


def _numbered(page: PageResult, name: str, sizes: Mapping[int, tuple[float, float]]) -> PageResult:
    """A page that came as a document of its own, named by its number, as the page that it is."""
    number = int(page.source)
    size = sizes.get(number)
    if page.status == "failed":
        return layer.missing(name, number, page.error or "", page.engine, size)
    return replace(page, source=name, number=number, tree=replace(page.tree, number=number, size=size))


def _placed(page: PageResult) -> PageResult:
    """A failed page whose mark takes up all of it: what has no box is on no page, for Docling's filters and chunks."""
    if page.status != "failed":
        return page
    everywhere = (Box(0, 0, GRID, GRID),)
    return replace(
        page, tree=replace(page.tree, elements=tuple(replace(e, boxes=everywhere) for e in page.tree.elements))
    )


def _origin(conv_res: ConversionResult, run: _Run) -> DocumentOrigin:
    name = conv_res.input.file.name.encode("utf-8", "replace").decode()  # a name in the file system need not be text
    kind = run.mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
    hexadecimal = conv_res.input.document_hash
    return DocumentOrigin.model_validate({"mimetype": kind, "filename": name, "binary_hash": hexadecimal})


def _tell(name: str, page: PageResult) -> None:
    """What there is to say of a page that is no error."""
    if page.note is not None:
        _log.info("%s page %d: %s", name, page.number, page.note)
    contradicted = [problem.message for problem in page.problems if problem.kind in CONTRADICTED]
    if contradicted:
        more = f" (and {len(contradicted) - 1} more)" if len(contradicted) > 1 else ""
        _log.warning("%s page %d: %s%s", name, page.number, contradicted[0], more)
