"""A document that one of Docling's backends has opened, as our readers take it.

Knows: Docling's backends, our sources. Does not know: engines, results.
Laws: the file itself is read where it is a PDF or an image that we read, whichever backend has opened it: its text
layer, the exact size of its pixels and the workers that a hostile page cannot break out of are there only. Of anything
else the pages are read as the backend draws them. Who takes a page gives it back, and a page that cannot be had costs
no other one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from docling.backend.docling_parse_backend import ThreadedDoclingParseDocumentBackend
from docling.backend.pdf_backend import PdfDocumentBackend, PdfPageBackend

from smoldocling.pages.documents import IMAGE_MARKS, PDF_MARK_WITHIN, POINTS_PER_INCH
from smoldocling.pages.sources import Source, Unfit, because

if TYPE_CHECKING:
    from docling.datamodel.document import InputDocument

PDF_MIME = "application/pdf"
# How the file of an image begins, and what it is then; what is not here is read as Docling draws it.
MIMES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"II+\0": "image/tiff",
    b"MM\0+": "image/tiff",
    b"RIFF": "image/webp",
}
assert set(MIMES) == set(IMAGE_MARKS), "what is read has a name"
# Other images of many pages are counted by Docling only.
OF_MANY_PAGES = "image/tiff"
# The longest side of a page that its backend draws for a model: six tiles of 512, more than which no model is shown.
DRAWN_PX = 3072

Taken = PdfPageBackend | Exception


def mime(document: InputDocument) -> str | None:
    """What the file is, if it is one that we read."""
    head = _head(document)
    if b"%PDF" in head and not head.startswith(IMAGE_MARKS):
        return PDF_MIME
    kind = next((kind for mark, kind in MIMES.items() if head.startswith(mark)), None)
    return None if kind is None or (document.page_count > 1 and kind != OF_MANY_PAGES) else kind


def whole(document: InputDocument) -> Source:
    """The file itself."""
    content = document._backend.path_or_stream
    name = document.file.name
    return Source(name, PurePath(document.file.stem), content.getvalue() if isinstance(content, BytesIO) else content)


class Drawn:
    """Pages as their backend draws them, each under its number as its name. Iterate once, in any thread.

    sizes  those of the pages that have been drawn, in points
    """

    def __init__(self, document: InputDocument, numbers: Sequence[int]) -> None:
        self.sizes: dict[int, tuple[float, float]] = {}
        self._document = document
        self._numbers = numbers
        self._drawing = threading.Lock()
        self._over = False

    def __iter__(self) -> Generator[Source | Unfit]:
        backend = self._document._backend
        assert isinstance(backend, PdfDocumentBackend), "it has pages"
        pages = taken(backend, self._numbers)
        while True:
            with self._drawing:
                one = None if self._over else next(pages, None)
                if one is None:
                    pages.close()
                    return
                drawn = self._source(*one)
            yield drawn

    def end(self) -> None:
        """Wait for the page that is being drawn, and draw no more: the backend may be closed then."""
        with self._drawing:
            self._over = True

    def _source(self, number: int, page: Taken) -> Source | Unfit:
        name = str(number)
        if isinstance(page, Exception):
            return Unfit(name, because(page))
        try:
            size = page.get_size()
            scale = DRAWN_PX / max(size.width, size.height)
            image = page.get_page_image(scale=scale).convert("RGB")
        except Exception as error:
            return Unfit(name, because(error))
        finally:
            page.unload()
        self.sizes[number] = (size.width, size.height)
        image.info["dpi"] = (scale * POINTS_PER_INCH, scale * POINTS_PER_INCH)
        return Source(name, PurePath(name), image)


def taken(backend: PdfDocumentBackend, numbers: Sequence[int]) -> Generator[tuple[int, Taken]]:
    """These pages, in whatever order the backend has them, each once; or why one cannot be had."""
    if backend.supports_random_page_access:
        for number in numbers:
            yield number, _valid(partial(backend.load_page, number - 1))
        return
    wanted = set(numbers)
    for page in backend.iter_pages():
        number = page.page_no
        if number in wanted:
            wanted.remove(number)
            yield number, _valid(partial(_itself, page))
        else:
            page.unload()
    for number in sorted(wanted):
        yield number, LookupError("the backend did not return the page")


def spare(document: InputDocument) -> None:
    """Have a backend forget pages that nobody has asked it for.

    Docling's parser reads and draws all of them when it is closed, unless it has nothing to read any more.
    """
    backend = document._backend
    if isinstance(backend, ThreadedDoclingParseDocumentBackend):
        backend.parser.unload(backend.doc_key)


def _valid(load: Callable[[], PdfPageBackend]) -> Taken:
    """The page, or why the backend does not have it."""
    try:
        page = load()
        if page.is_valid():
            return page
        why = page.get_error_message() or "the page cannot be parsed"
        page.unload()
    except Exception as error:
        return error
    return ValueError(why)


def _itself(page: PdfPageBackend) -> PdfPageBackend:
    return page


def _head(document: InputDocument) -> bytes:
    content = document._backend.path_or_stream
    if isinstance(content, BytesIO):
        return bytes(content.getbuffer()[:PDF_MARK_WITHIN])
    if isinstance(content, Path) and content.is_file():
        with content.open("rb") as file:
            return file.read(PDF_MARK_WITHIN)
    return b""
