"""A sheet as a born-digital PDF: the same ink in the same places, and a text layer that says the same.

Knows: PyMuPDF, PDF's drawing operators (ISO 32000-1, annex A). Does not know: what the page says.
Every run is shown with the font data that it was measured with, letter by letter as it was painted.
"""

from __future__ import annotations

from collections.abc import Iterator

import pymupdf

from smoldocling.training.faces import Face
from smoldocling.training.paint import pens
from smoldocling.training.sheet import Bar, Run, Sheet, Stroke

PER_EM = 1000  # what TJ's numbers count


def press(sheet: Sheet) -> bytes:
    """A PDF of one page."""
    document = pymupdf.open()
    page = document.new_page(width=sheet.width, height=sheet.height)
    for plate in sheet.plates:
        pixels = pymupdf.Pixmap(pymupdf.csGRAY, plate.columns, plate.rows, plate.grays, False)
        page.insert_image(pymupdf.Rect(*plate.area), pixmap=pixels, keep_proportion=False)
    faces: dict[Face, tuple[str, pymupdf.Font]] = {}
    for run in sheet.runs:
        if run.face not in faces:
            name = f"F{len(faces)}"
            page.insert_font(fontname=name, fontbuffer=run.face.data)
            faces[run.face] = name, pymupdf.Font(fontbuffer=run.face.data)
    # PDF's origin is the page's lower left corner; ours is the upper left one.
    rows = [f"q 1 0 0 -1 0 {sheet.height:g} cm", *_drawn(sheet), "BT"]
    for run in sheet.runs:
        rows += _shown(run, *faces[run.face])
    stream = "\n".join([*rows, "ET Q"]).encode("ascii")
    xref = document.get_new_xref()
    document.update_object(xref, "<<>>")
    document.update_stream(xref, stream)
    before = " ".join(f"{number} 0 R" for number in page.get_contents())
    document.xref_set_key(page.xref, "Contents", f"[{before} {xref} 0 R]")
    document.subset_fonts()
    data: bytes = document.tobytes(garbage=3, deflate=True, no_new_id=True)
    return data


def _drawn(sheet: Sheet) -> Iterator[str]:
    for mark in (*sheet.bars, *sheet.strokes):
        match mark:
            case Bar(area=(left, top, right, bottom), gray=gray):
                yield f"{gray / 255:.3f} g {left:.3f} {top:.3f} {right - left:.3f} {bottom - top:.3f} re f"
            case Stroke(points=points, width=width, gray=gray, fill=fill):
                path = " l ".join(f"{x:.3f} {y:.3f}" for x, y in points).replace(" l ", " m ", 1) + " l"
                paint = "S" if fill is None else f"h {fill / 255:.3f} g B"
                yield f"1 J 1 j {width:.3f} w {gray / 255:.3f} G {path} {paint}"


def _shown(run: Run, name: str, font: pymupdf.Font) -> Iterator[str]:
    """The run's glyphs, each moved to where its pen starts."""
    pieces = []
    for char, start, end in pens(run):
        glyph = font.has_glyph(ord(char))
        # what the font's own width of the glyph leaves to do
        shift = (font.glyph_advance(ord(char)) * run.size - (end - start)) / run.size * PER_EM
        pieces.append(f"<{glyph:04x}>" + (f"{shift:.2f}" if abs(shift) > 0.01 else ""))
    yield f"/{name} {run.size:g} Tf {run.gray / 255:.3f} g 1 0 0 -1 {run.x:.3f} {run.y:.3f} Tm [{''.join(pieces)}] TJ"
