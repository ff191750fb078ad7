"""One of Docling's documents on its way through our engine.

Knows: what Docling has opened, our converters, deadlines. Does not know: pipelines, images.
Law: every page that is wanted has a result in the end, and what it lacks is an error, whatever has happened.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from docling.datamodel.base_models import DoclingComponentType, ErrorItem, FailureCategory
from docling.datamodel.document import InputDocument
from docling_core.types.doc import DocumentOrigin

from doctags.tree import GRID, Box
from smoldocling import layer
from smoldocling.pages.sources import Source, Unfit
from smoldocling.plugin import facts, opened
from smoldocling.plugin.reading import read
from smoldocling.result import PageResult, Result

if TYPE_CHECKING:
    from smoldocling.pipeline import Converter


@dataclass(slots=True)
class Run:
    """A document, which of its pages are wanted, and what has come of them.

    seconds    for all of it, from now on; None: as many as it takes
    late       whether they were over first
    untouched  whether Docling's backend has not been asked for a page
    """

    document: InputDocument
    numbers: Sequence[int]
    seconds: float | None
    late: bool = False
    untouched: bool = True
    _pages: dict[int, PageResult] = field(default_factory=dict)
    _missing: dict[int, str] = field(default_factory=dict)
    _unread: str | None = None
    _mime: str | None = None
    _begun: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float | None:
        """When time is up, as time.monotonic has it."""
        return None if self.seconds is None else self._begun + self.seconds

    @property
    def password(self) -> str | None:
        """The one with which Docling's backend has opened the document."""
        secret = getattr(self.document._backend.options, "password", None)
        return None if secret is None else str(secret.get_secret_value())

    @property
    def failed(self) -> bool:
        """Whether nothing has come of it, and not for want of time."""
        return bool(self._pages) and not self.late and all(page.status == "failed" for page in self._pages.values())

    def read(self, converter: Converter, heard: Callable[[PageResult], None]) -> None:
        """Read all pages; `heard` is called with each as it is done. Raises what ended the engine."""
        self._mime = opened.mime(self.document)
        if self._mime is not None:
            whole = [opened.whole(self.document)]
            self._take(self._found(converter.with_options(pages=self.numbers), whole), heard)
        # where MuPDF cannot open it, Docling's backend has done so
        if self._mime is None or (self._unread is not None and converter.reader is not None and not self.late):
            self.untouched, self._unread = False, None
            drawn = opened.Drawn(self.document, self.numbers)
            try:
                self._take(self._renumbered(drawn, self._found(converter, drawn)), heard)
            finally:
                drawn.end()
        for number in self.numbers:
            if number not in self._pages:
                why = self._missing[number] = self._why()
                self._pages[number] = layer.missing(self.document.file.name, number, why, converter.engine)

    @property
    def result(self) -> Result:
        """All pages in order."""
        file = self.document.file
        return Result(file.name, PurePath(file.stem), tuple(_placed(self._pages[number]) for number in self.numbers))

    @property
    def origin(self) -> DocumentOrigin:
        """Where the document came from. A name in the file system need not be text."""
        name = self.document.file.name.encode("utf-8", "replace").decode()
        kind = self._mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        digest = self.document.document_hash
        return DocumentOrigin.model_validate({"mimetype": kind, "filename": name, "binary_hash": digest})

    def errors(self, pipeline: str) -> list[ErrorItem]:
        """What is missing or damaged; `pipeline` is who says so."""
        warned = sorted({warning for page in self._pages.values() for warning in page.warnings})
        whole = [*warned, *([self._unread] if self._unread is not None else [])]
        found = [facts.of_document(message) for message in whole]
        for number in self.numbers:
            if number not in self._missing:
                found.extend(facts.errors(self._pages[number]))
            elif self._unread is None:
                found.append(self._lost(pipeline, self._missing[number], number))
        if self.late:
            read = len(self.numbers) - len(self._missing)
            found.append(self.too_late(pipeline, f"{read} of {len(self.numbers)} pages have been read"))
        return found

    def too_late(self, pipeline: str, done: str) -> ErrorItem:
        """What is said of a document for which there was no more time."""
        self.late = True
        return self._lost(pipeline, f"document timeout of {self.seconds:g} s: {done}", None)

    def close(self) -> None:
        """Close the file."""
        if self.untouched:
            opened.spare(self.document)
        self.document._backend.unload()

    def _take(self, pages: Generator[PageResult], heard: Callable[[PageResult], None]) -> None:
        with closing(pages):
            for page in pages:
                if page.number == 0:
                    self._unread = page.error
                else:
                    self._pages[page.number] = page
                    heard(page)

    def _found(self, converter: Converter, sources: Iterable[Source | Unfit]) -> Generator[PageResult]:
        self.late = not (yield from read(converter, sources, self.deadline))

    def _renumbered(self, drawn: opened.Drawn, pages: Generator[PageResult]) -> Generator[PageResult]:
        with closing(pages):
            for page in pages:
                yield _numbered(page, self.document.file.name, drawn.sizes)

    def _why(self) -> str:
        """Why a page has not come."""
        if self.late:
            return f"not read within the document timeout of {self.seconds:g} s"
        return self._unread or "the reader did not return it"

    def _lost(self, pipeline: str, message: str, number: int | None) -> ErrorItem:
        return ErrorItem(
            component_type=DoclingComponentType.PIPELINE,
            module_name=pipeline,
            error_message=message,
            category=FailureCategory.TIMEOUT if self.late else FailureCategory.BACKEND_FAILURE,
            page_no=number,
        )


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
    marks = tuple(replace(mark, boxes=everywhere) for mark in page.tree.elements)
    return replace(page, tree=replace(page.tree, elements=marks))
