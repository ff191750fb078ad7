"""What people hand in, and the pages in it.

Knows: files, folders, globs, bytes, streams, PIL images; PDF and image containers, passwords, damage. Does not know:
layout, tiles, models, output. Law: every input gives a Source or an Unfit that names it; nothing is skipped in silence.
"""

from __future__ import annotations

import glob
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from smoldocling.errors import UnreadablePage, UnusableInput
from smoldocling.pages import raster

if TYPE_CHECKING:
    import numpy.typing as npt
    import pymupdf

    from smoldocling.pages.textlayer import Reader, Reading

SUFFIXES = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
IMAGE_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP")
TAKEN = "PDF, PNG, JPEG, TIFF and WebP are taken"
# The `%PDF` mark may follow some junk; readers look for it in the first kilobyte (ISO 32000-1, annex H.3, note 13).
PDF_MARK_WITHIN = 1024
# A page photographed at 600 dpi on A2 has 140 million pixels; more is an accident or an attack.
MAX_PIXELS = 178_956_970
# Outside of this, the resolution in an image file is a left-over default, not a measurement.
PLAUSIBLE_DPI = range(50, 2401)
POINTS_PER_INCH = 72.0

Password = str | Callable[[str], str | None] | None


@dataclass(frozen=True, slots=True)
class Source:
    """One document, not opened yet. `place` is where its output belongs: relative, without suffix."""

    name: str
    place: PurePath
    content: Path | bytes | Image.Image = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unfit:
    """An input that is no document; `error` says why."""

    name: str
    error: str


Input = str | os.PathLike[str] | bytes | bytearray | IO[bytes] | Image.Image | Source | Unfit


def expand(inputs: Iterable[Input]) -> Iterator[Source | Unfit]:
    """Turn what was handed in into documents, in order: files as they are, folders and globs file by file.

    A file that is reached twice is taken once.
    """
    seen: set[Path] = set()
    for item in inputs:
        for source in _expand_one(item):
            if isinstance(source, Source) and isinstance(source.content, Path):
                real = source.content.resolve()
                if real in seen:
                    continue
                seen.add(real)
            yield source


def _expand_one(item: Input) -> Iterator[Source | Unfit]:
    if isinstance(item, Source | Unfit):
        yield item
    elif isinstance(item, Image.Image):
        yield Source("<image>", PurePath("image"), item)
    elif isinstance(item, bytes | bytearray):
        yield Source("<bytes>", PurePath("document"), bytes(item))
    elif not isinstance(item, str | os.PathLike):
        yield _from_stream(item)
    elif os.fspath(item) == "-":
        yield Source("<stdin>", PurePath("stdin"), sys.stdin.buffer.read())
    else:
        yield from _expand_path(Path(item))


def _from_stream(stream: IO[bytes]) -> Source | Unfit:
    name = str(getattr(stream, "name", "<stream>"))
    data: Any = stream.read() if hasattr(stream, "read") else stream
    if not isinstance(data, bytes):
        kind = type(data).__name__
        return Unfit(name, f"gives {kind}; a path, bytes, a binary file or a PIL image is taken")
    return Source(name, PurePath(Path(name).stem if "<" not in name else "document"), data)


def _expand_path(path: Path) -> Iterator[Source | Unfit]:
    name = str(path)
    try:
        if path.is_dir():
            yield from _expand_folder(path)
        elif path.exists():
            yield Source(name, PurePath(path.stem), path)
        elif glob.has_magic(name):
            hits = sorted(Path(hit) for hit in glob.glob(name, recursive=True))
            if not hits:
                yield Unfit(name, "no file matches this pattern")
            for hit in hits:
                yield from _expand_path(hit)
        else:
            yield Unfit(name, "no such file or folder")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        yield Unfit(name, _because(error))


def _expand_folder(folder: Path) -> Iterator[Source | Unfit]:
    found = False
    for where, folders, files in os.walk(folder):
        # An earlier run's pictures are not documents.
        folders[:] = sorted(f for f in folders if not f.startswith(".") and not f.endswith("_artifacts"))
        for file in sorted(files):
            path = Path(where, file)
            if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                found = True
                yield Source(str(path), PurePath(path.relative_to(folder).with_suffix("")), path)
    if not found:
        yield Unfit(str(folder), f"the folder holds no documents; {TAKEN}")


class Document:
    """An open document. Close it, or use it in a `with`."""

    def __init__(self, source: Source, password: Password = None) -> None:
        """Raise UnusableInput where the content is no readable PDF or image."""
        self.name = source.name
        self.warnings: list[str] = []
        self._pdf: pymupdf.Document | None = None
        self._image: Image.Image | None = None
        self._reader: Reader | None = None
        if isinstance(source.content, Image.Image):
            self._image, self.page_count = source.content, 1
            return
        data = _read(source)
        if b"%PDF" in data[:PDF_MARK_WITHIN]:
            self._pdf = self._open_pdf(data, password)
            self.page_count = len(self._pdf)
        else:
            self._image, self.page_count = self._open_image(data)

    def __enter__(self) -> Document:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the file's memory."""
        if self._pdf is not None:
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

    def _open_pdf(self, data: bytes, password: Password) -> pymupdf.Document:
        import pymupdf

        pymupdf.TOOLS.mupdf_display_errors(False)
        pymupdf.TOOLS.mupdf_display_warnings(False)
        try:
            pdf = pymupdf.open(stream=data, filetype="pdf")
            self._unlock(pdf, password)
            count = len(pdf)
        except UnusableInput:
            raise
        except Exception as error:
            raise UnusableInput(f"damaged PDF: {_because(error)}") from error
        damaged = pdf.is_repaired and b"%%EOF" not in data[-PDF_MARK_WITHIN:]
        if count == 0:
            raise UnusableInput("damaged PDF: it is cut short" if damaged else "the PDF has no pages")
        if damaged:
            pages = "1 page" if count == 1 else f"{count} pages"
            self.warnings.append(f"damaged PDF: it is cut short; {pages} could be recovered, others may be missing")
        return pdf

    def _unlock(self, pdf: pymupdf.Document, password: Password) -> None:
        if not pdf.needs_pass:
            return
        if callable(password):
            password = password(self.name)
        if password is None:
            raise UnusableInput("password-protected PDF: give --password, or set SMOLDOCLING_PASSWORD")
        if not pdf.authenticate(password):
            raise UnusableInput("password-protected PDF: the password is wrong")

    def _open_image(self, data: bytes) -> tuple[Image.Image, int]:
        try:
            image = Image.open(io.BytesIO(data), formats=IMAGE_FORMATS)
        except UnidentifiedImageError:
            raise UnusableInput(f"neither a PDF nor an image: it starts with {data[:12]!r}; {TAKEN}") from None
        except Exception as error:
            raise UnusableInput(f"unreadable image: {_because(error)}") from error
        frames = int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1
        return image, frames

    def _pdf_page(self, number: int) -> SourcePage:
        assert self._pdf is not None, "a PDF page comes from a PDF"
        try:
            page = self._pdf[number - 1]
            size = (float(page.rect.width), float(page.rect.height))
        except Exception as error:
            raise UnreadablePage(f"damaged page: {_because(error)}") from error
        if min(size) <= 0:
            raise UnreadablePage(f"the page is empty: {size[0]:g} by {size[1]:g} points")
        return SourcePage(
            number=number,
            size=size,
            pixels=lambda width, height: raster.render(page, width, height),
            crop=lambda box, dpi: raster.render_clip(page, box, dpi),
            reading=lambda: self._read_text_layer(number),
        )

    def _read_text_layer(self, number: int) -> Reading:
        from smoldocling.pages.textlayer import Reader

        if self._reader is None:
            self._reader = Reader(self._pdf)
        return self._reader.read(number - 1)

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


def _read(source: Source) -> bytes:
    if isinstance(source.content, Path):
        try:
            data = source.content.read_bytes()
        except OSError as error:
            raise UnusableInput(_because(error)) from error
    else:
        assert isinstance(source.content, bytes), "images never come here"
        data = source.content
    if not data:
        raise UnusableInput("the file is empty")
    return data


def _load_frame(image: Image.Image, number: int) -> tuple[Image.Image, tuple[float, float]]:
    """Pixels of one frame, upright, as RGB or grey, and its resolution."""
    try:
        if number > 1 or getattr(image, "n_frames", 1) > 1:
            image.seek(number - 1)
        if image.width * image.height > MAX_PIXELS:
            raise UnreadablePage(f"the image has {image.width} x {image.height} pixels; {MAX_PIXELS:,} are the limit")
        dpi = image.info.get("dpi", (0, 0))
        frame = ImageOps.exif_transpose(image)
        frame.load()
    except UnreadablePage:
        raise
    except Exception as error:
        raise UnreadablePage(f"unreadable image: {_because(error)}") from error
    x_dpi, y_dpi = (float(value) if int(value) in PLAUSIBLE_DPI else POINTS_PER_INCH for value in dpi)
    return frame, (x_dpi, y_dpi)


def _because(error: Exception) -> str:
    """The reason in one line, without the class name and path that the reader has already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
