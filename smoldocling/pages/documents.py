"""An open document and its pages, whether it is a PDF or images.

Knows: PDF and image containers, passwords, damage. Does not know: layout, tiles, models, output.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from smoldocling.errors import UnreadablePage, UnusableInput
from smoldocling.pages import colour, damage, raster
from smoldocling.pages.mupdf import ALONE as ALONE_IN_MUPDF
from smoldocling.pages.sources import TAKEN, Source, because

if TYPE_CHECKING:
    import numpy.typing as npt
    import pymupdf

    from smoldocling.pages.textlayer import Reader, Reading

IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
IMAGE_MARKS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"RIFF")
# The `%PDF` mark may follow some junk; readers look for it in the first kilobyte (ISO 32000-1, annex H.3, note 13).
PDF_MARK_WITHIN = 1024
# A document is held in memory while it is read; what is larger is a mistake or a device that never ends.
MAX_BYTES = 2**31 - 1
# A page photographed at 600 dpi on A2 has 140 million pixels; more is an accident or an attack.
MAX_PIXELS = 178_956_970
# Outside of this, the resolution in an image file is a left-over default, not a measurement.
MIN_DPI, MAX_DPI = 50.0, 2400.0
POINTS_PER_INCH = 72.0

# Which warnings are shown is a setting of the process: two threads that put it back would put back each other's.
_QUIET = threading.RLock()


class Locked(UnusableInput):
    """A document that opens with a password, and none was given."""


Manner = bytes
"""What the whole of a PDF says about its headings, pickled: who only hands it on need not import PyMuPDF for it."""
ALONE: Manner = b""
"""Each page is read as if there were no other."""

Password = str | Callable[[str], str | None] | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One page and how to get at its contents; each function raises UnreadablePage.

    size     points
    pixels   (width_px, height_px) -> uint8 (H, W, 3). A PDF renders at just that size; an image comes as it is.
    crop     (box in page fractions x0 y0 x1 y1, dpi) -> uint8 (h, w, 3), a piece for people to look at
    reading  the page's own text layer; None where the format cannot have one
    """

    number: int
    size: tuple[float, float]
    pixels: Callable[[int, int], npt.NDArray[np.uint8]]
    crop: Callable[[tuple[float, float, float, float], float], npt.NDArray[np.uint8]]
    reading: Callable[[], Reading] | None


class Document:
    """An open document. Close it, or use it in a `with`. Its pages may be used in other threads than its own."""

    def __init__(self, source: Source, password: Password = None) -> None:
        """Raise UnusableInput where the content is no readable PDF or image."""
        self.name = source.name
        self.warnings: list[str] = []
        self._pdf: pymupdf.Document | None = None
        self._image: Image.Image | None = None
        self._reader: Reader | None = None
        self._alone = False
        if isinstance(source.content, Image.Image):
            self._image, self.page_count = source.content, self._frames(source.content)
            return
        data = read(source.content)
        if b"%PDF" in data[:PDF_MARK_WITHIN] and not data.startswith(IMAGE_MARKS):
            self._pdf, self.page_count = self._open_pdf(data, password)
        else:
            self._image = _open_image(data)
            self.page_count = self._frames(self._image) if self._image.format == "TIFF" else 1

    def __enter__(self) -> Document:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file's memory."""
        with ALONE_IN_MUPDF:
            if self._pdf is not None and not self._pdf.is_closed:
                self._pdf.close()
        self._reader = None

    def page(self, number: int) -> SourcePage:
        """Page `number`, from 1. Raises UnreadablePage."""
        if not 1 <= number <= self.page_count:
            pages = "1 page" if self.page_count == 1 else f"{self.page_count} pages"
            raise UnreadablePage(f"there is no page {number}: the document has {pages}")
        if self._pdf is not None:
            return self._pdf_page(number)
        assert self._image is not None, "a document is a PDF or an image"
        return self._image_page(number)

    def _open_pdf(self, data: bytes, password: Password) -> tuple[pymupdf.Document, int]:
        import pymupdf

        with ALONE_IN_MUPDF:
            pymupdf.TOOLS.mupdf_display_errors(False)
            pymupdf.TOOLS.mupdf_display_warnings(False)
            pymupdf.TOOLS.reset_mupdf_warnings()
            try:
                pdf = pymupdf.open(stream=data, filetype="pdf")
                locked = bool(pdf.needs_pass)
            except Exception as error:
                said = pymupdf.TOOLS.mupdf_warnings()
                if not said and b"/Encrypt" in data:  # of what fails within the encryption nothing is said
                    said = "/Encrypt"
                raise UnusableInput(f"damaged PDF: {damage.told(error, said)}") from error
        if locked:
            _unlock(pdf, password(self.name) if callable(password) else password)
        with ALONE_IN_MUPDF:
            try:
                count = len(pdf)
            except Exception as error:
                raise UnusableInput(f"damaged PDF: {damage.told(error)}") from error
            damaged = pdf.is_repaired and b"%%EOF" not in data[-PDF_MARK_WITHIN:]
        if count == 0:
            raise UnusableInput("damaged PDF: it is cut short" if damaged else "the PDF has no pages")
        if damaged:
            pages = "1 page" if count == 1 else f"{count} pages"
            self.warnings.append(f"damaged PDF: it is cut short; {pages} could be recovered, others may be missing")
        return pdf, count

    def _frames(self, image: Image.Image) -> int:
        """How many frames can be counted; a file that breaks off in the middle keeps those before."""
        with _quiet():
            try:
                return int(getattr(image, "n_frames", 1))
            except Exception:
                count = 0
                with contextlib.suppress(Exception):
                    while True:
                        image.seek(count)
                        count += 1
        if count == 0:
            raise UnusableInput("unreadable image: damaged TIFF")
        frames = "the first image" if count == 1 else f"the first {count} images"
        self.warnings.append(f"damaged TIFF: only {frames} can be found, others may be missing")
        return count

    def _pdf_page(self, number: int) -> SourcePage:
        try:
            with ALONE_IN_MUPDF:
                rect = self._numbered(number).rect
            size = (float(rect.width), float(rect.height))
        except Exception as error:
            raise UnreadablePage(f"damaged page: {damage.told(error)}") from error
        if not min(size) > 0:
            raise UnreadablePage(f"the page is empty: {size[0]:g} by {size[1]:g} points")
        return SourcePage(
            number=number,
            size=size,
            pixels=lambda width, height: self._drawn(number, lambda page: raster.render(page, width, height)),
            crop=lambda box, dpi: self._drawn(number, lambda page: raster.render_clip(page, box, dpi)),
            reading=lambda: self._read_text_layer(number),
        )

    def _numbered(self, number: int) -> pymupdf.Page:
        assert self._pdf is not None, "a PDF page comes from a PDF"
        return self._pdf[number - 1]

    def _drawn(self, number: int, draw: Callable[[pymupdf.Page], npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
        """What `draw` makes of a page, which is let go before it is another's turn."""
        with ALONE_IN_MUPDF:
            try:
                return draw(self._numbered(number))
            except UnreadablePage:
                raise
            except Exception as error:
                raise UnreadablePage(f"damaged page: {damage.told(error)}") from error

    def study(self) -> Manner | None:
        """What the whole of it says about its headings, for another process that reads it; None for images."""
        if self._pdf is None:
            return None
        from smoldocling.pages import manner

        with ALONE_IN_MUPDF:
            found = manner.study(self._pdf)
        self._text_layer()._manner = found
        return pickle.dumps(found)

    def follow(self, manner: Manner) -> None:
        """Take somebody else's word for what `study` finds out; or ALONE."""
        if manner == ALONE:
            self._alone = True
        elif self._pdf is not None:
            self._text_layer()._manner = pickle.loads(manner)

    def _text_layer(self) -> Reader:
        from smoldocling.pages.textlayer import Reader

        if self._reader is None:
            self._reader = Reader(self._pdf)
        return self._reader

    def _read_text_layer(self, number: int) -> Reading:
        reader = self._text_layer()
        if self._alone:
            from smoldocling.pages import manner

            with ALONE_IN_MUPDF:
                reader._manner = manner.study(_Single(self._pdf, number))
        return reader.read(number - 1)

    def _image_page(self, number: int) -> SourcePage:
        assert self._image is not None, "an image page comes from an image"
        image, dpi = _load_frame(self._image, number)
        return SourcePage(
            number=number,
            size=(image.width * POINTS_PER_INCH / dpi[0], image.height * POINTS_PER_INCH / dpi[1]),
            pixels=lambda width, height: np.asarray(image),
            crop=lambda box, _: raster.cut(image, box),
            reading=None,
        )


class _Single:
    """A document of which only one page can be seen."""

    page_count = 1

    def __init__(self, pdf: pymupdf.Document, number: int) -> None:
        self._pdf = pdf
        self._number = number

    def __getitem__(self, _: int) -> pymupdf.Page:
        return self._pdf[self._number - 1]

    def get_toc(self, *, simple: bool) -> Any:
        return self._pdf.get_toc(simple=simple)


def _unlock(pdf: pymupdf.Document, password: str | None) -> None:
    if password is None:
        raise Locked("password-protected PDF: give its password (--password, SMOLDOCLING_PASSWORD, or password=)")
    fits = False
    with ALONE_IN_MUPDF, contextlib.suppress(Exception):  # MuPDF takes no password that is not UTF-8, and so none fits
        fits = bool(pdf.authenticate(password))
    if not fits:
        raise UnusableInput("password-protected PDF: the password is wrong")


def read(content: Path | bytes | Image.Image) -> bytes:
    """The bytes of a file, or those at hand. Raises UnusableInput, for devices and too large files before reading."""
    if isinstance(content, Path):
        try:
            content = _read_file(content)
        except MemoryError:
            raise UnusableInput("not enough memory to read it") from None
        except OSError as error:
            raise UnusableInput(because(error)) from error
    assert isinstance(content, bytes), "images are not read"
    if not content:
        raise UnusableInput("the file is empty")
    return content


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        facts = path.stat()
        if stat.S_ISCHR(facts.st_mode):
            raise UnusableInput(f"a device; {TAKEN}")
        if facts.st_size > MAX_BYTES:
            raise UnusableInput(f"{facts.st_size:,} bytes; {MAX_BYTES:,} are the limit")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UnusableInput(f"more than {MAX_BYTES:,} bytes")
    return data


def _open_image(data: bytes) -> Image.Image:
    try:
        with _quiet():
            return Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
    except UnidentifiedImageError:
        if data.lstrip()[:8] in (b"<doctag>", b"<docling"):
            raise UnusableInput("DocTags, no document: `smoldocling render` takes these") from None
        raise UnusableInput(
            f"neither a PDF nor an image: it starts with {data[:12].decode('ascii', 'replace')!r}; {TAKEN}"
        ) from None
    except Image.DecompressionBombError:  # what is not twice the limit is opened, and refused page by page
        raise UnusableInput(
            f"the image has more than {2 * MAX_PIXELS:,} pixels; {MAX_PIXELS:,} are the limit"
        ) from None
    except Exception as error:
        raise UnusableInput(f"unreadable image: {because(error)}") from error


def _load_frame(image: Image.Image, number: int) -> tuple[Image.Image, tuple[float, float]]:
    """Pixels of one frame, upright and RGB, and its resolution."""
    try:
        with _quiet():
            if number > 1 or getattr(image, "n_frames", 1) > 1:
                image.seek(number - 1)
            if image.width * image.height > MAX_PIXELS:
                size = f"{image.width} x {image.height} pixels"
                raise UnreadablePage(f"the image has {size}; {MAX_PIXELS:,} are the limit")
            dpi = image.info.get("dpi")
            frame = colour.rgb(ImageOps.exif_transpose(image))
            frame.load()
    except UnreadablePage:
        raise
    except Exception as error:
        raise UnreadablePage(f"unreadable image: {because(error)}") from error
    if 0 in frame.size:
        raise UnreadablePage(f"the image has {frame.width} x {frame.height} pixels; there is nothing to read")
    return frame, _resolution(dpi)


def _resolution(dpi: Any) -> tuple[float, float]:
    """Both axes, or one point a pixel where the file does not know or cannot mean it."""
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return POINTS_PER_INCH, POINTS_PER_INCH
    if not (MIN_DPI <= x <= MAX_DPI and MIN_DPI <= y <= MAX_DPI):
        return POINTS_PER_INCH, POINTS_PER_INCH
    return x, y


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns on stderr of large pictures and odd metadata; what matters is reported by us."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
