"""Page images, picture images and cells, all as the backend that the user has chosen gives them.

Knows: Docling's pages, documents and images. Does not know: engines, our results.
Law: a page is drawn once and given back; what cannot be drawn is an error of that page, and its text stays.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from docling.backend.pdf_backend import PdfDocumentBackend, PdfPageBackend
from docling.datamodel.base_models import DoclingComponentType, ErrorItem, FailureCategory, Page
from docling.datamodel.document import ConversionResult
from docling.utils.profiling import TimeRecorder
from docling_core.types.doc import DoclingDocument, ImageRef, PictureItem
from PIL import Image

from smoldocling.pages.documents import POINTS_PER_INCH
from smoldocling.pages.sources import because
from smoldocling.plugin.opened import taken


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be had of each page; `scale` is in pixels a point."""

    pages: bool
    pictures: bool
    cells: bool
    scale: float

    @property
    def drawn(self) -> bool:
        """Whether pages are to be drawn."""
        return self.pages or self.pictures

    def __bool__(self) -> bool:
        return self.drawn or self.cells


def illustrate(result: ConversionResult, wish: Wish, deadline: float | None) -> bool:
    """Put into result and document what is wanted; False where `deadline` of time.monotonic was first."""
    backend = result.input._backend
    assert isinstance(backend, PdfDocumentBackend), "it has pages"
    pages = {page.page_no: page for page in result.pages}
    pictures = _pictures(result.document)
    for number, given in taken(backend, list(pages)):
        if deadline is not None and time.monotonic() > deadline:
            if isinstance(given, PdfPageBackend):
                given.unload()
            return False
        try:
            if isinstance(given, Exception):
                raise given
            with TimeRecorder(result, "page_image"):
                _look(result.document, pages[number], given, pictures.get(number, ()), wish)
        except Exception as error:
            result.errors.append(_undrawn(backend, number, error))
        finally:
            if isinstance(given, PdfPageBackend):
                given.unload()
    return True


def _look(
    document: DoclingDocument, page: Page, given: PdfPageBackend, pictures: Collection[PictureItem], wish: Wish
) -> None:
    if wish.cells:
        page.parsed_page = given.get_segmented_page()
    if not wish.pages and not (wish.pictures and pictures):
        return
    image = given.get_page_image(scale=wish.scale)
    dpi = round(POINTS_PER_INCH * wish.scale)
    if wish.pages:
        page._image_cache = {wish.scale: image}
        document.pages[page.page_no].image = ImageRef.from_pil(image, dpi=dpi)
    if wish.pictures:
        for picture in pictures:
            piece = _cut(image, picture, document)
            picture.image = None if piece is None else ImageRef.from_pil(piece, dpi=dpi)


def _cut(image: Image.Image, picture: PictureItem, document: DoclingDocument) -> Image.Image | None:
    """The picture out of its page; None where its box has nothing in it."""
    place = picture.prov[0]
    size = document.pages[place.page_no].size
    box = place.bbox.to_top_left_origin(size.height)
    x, y = image.width / size.width, image.height / size.height
    left, top, right, bottom = round(box.l * x), round(box.t * y), round(box.r * x), round(box.b * y)
    piece = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    return image.crop(piece) if piece[0] < piece[2] and piece[1] < piece[3] else None


def _pictures(document: DoclingDocument) -> dict[int, list[PictureItem]]:
    found: dict[int, list[PictureItem]] = {}
    for picture in document.pictures:
        if picture.prov:
            found.setdefault(picture.prov[0].page_no, []).append(picture)
    return found


def _undrawn(backend: PdfDocumentBackend, number: int, error: Exception) -> ErrorItem:
    return ErrorItem(
        component_type=DoclingComponentType.DOCUMENT_BACKEND,
        module_name=type(backend).__name__,
        error_message=f"page {number} has been read, but not drawn: {because(error)}",
        category=FailureCategory.BACKEND_FAILURE,
        page_no=number,
    )
