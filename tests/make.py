"""Small documents that the tests convert, made on the spot."""

from __future__ import annotations

import io

import pymupdf
from PIL import Image, ImageDraw

PROSE = (
    "The tide gauge at the northern pier was read every ten minutes for a whole year, and the readings were written "
    "into a book by hand. Nobody had counted the gaps before this summer."
)


def pdf(*pages: str, password: str | None = None) -> bytes:
    """A PDF with one paragraph a page; an empty string is a blank page."""
    document = pymupdf.open()
    for text in pages:
        page = document.new_page(width=595, height=842)
        if text:
            page.insert_textbox(pymupdf.Rect(72, 72, 523, 770), text, fontsize=11)
    if password is None:
        return document.tobytes()
    return document.tobytes(
        encryption=pymupdf.PDF_ENCRYPT_AES_256, owner_pw=password + "-owner", user_pw=password, permissions=0
    )


def pdf_of_no_pages() -> bytes:
    """Well-formed, with an empty page tree; PyMuPDF will not write one."""
    return (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        b"xref\n0 3\n0000000000 65535 f \n0000000009 00000 n \n0000000052 00000 n \n"
        b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n98\n%%EOF\n"
    )


def image(width: int = 300, height: int = 400, mode: str = "RGB") -> Image.Image:
    """A page with a few dark strokes."""
    page = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(page)
    for y in range(20, height - 10, 24):
        draw.line((20, y, width - 20, y), fill="black", width=3)
    return page.convert(mode)


def image_bytes(kind: str, *frames: Image.Image, **options: object) -> bytes:
    """Image files in any format, with as many frames as are given."""
    data = io.BytesIO()
    first, *rest = frames or (image(),)
    extra = {"save_all": True, "append_images": rest} if rest else {}
    first.save(data, kind, **extra, **options)
    return data.getvalue()
