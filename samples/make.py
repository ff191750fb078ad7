"""Write the sample documents and what truly stands on them: `python samples/make.py [FOLDER]`.

The same versions of PyMuPDF, NumPy and Pillow write the same bytes each time; other versions, the same pages.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import invoice
import letter
import pymupdf
import report
import scanner
from truth import doctags


def pdf_bytes(pdf: Any, title: str) -> bytes:
    """The finished file: fonts cut down to what is used, no dates, no random id."""
    pdf.set_metadata({"title": title, "author": "smoldocling samples"})
    pdf.subset_fonts()
    return bytes(pdf.tobytes(garbage=4, deflate=True, deflate_fonts=True, no_new_id=True))


def main(folder: Path) -> None:
    """Write every sample into `folder`."""
    for stem, title, compose in (
        ("report", "Nine Decades of River Levels, Read Back from Paper", report.compose),
        ("invoice", "Invoice QS-2047", invoice.compose),
    ):
        pdf = pymupdf.open()
        pages = compose(pdf)
        (folder / f"{stem}.pdf").write_bytes(pdf_bytes(pdf, title))
        (folder / f"{stem}.dt").write_text(doctags(pages), encoding="utf-8")
    pdf = pymupdf.open()
    image, page = scanner.scan(pdf, letter.compose(pdf))
    image.save(folder / "scan.png", optimize=True, dpi=(scanner.DPI, scanner.DPI))
    (folder / "scan.dt").write_text(doctags([page]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
