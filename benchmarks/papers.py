"""Any number of different PDFs made of a few: copies that differ in a comment, so that each is converted.

Knows: files, pages. Does not know: who reads them.
"""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import pymupdf


def copies(originals: list[Path], pages: int, folder: Path) -> int:
    """Fill `folder` with copies of the originals until there are so many pages; gives how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {path: len(pymupdf.open(path)) for path in originals}
    made = 0
    for number, path in enumerate(cycle(originals)):
        if made >= pages:
            return made
        (folder / f"{number:05d}-{path.name}").write_bytes(path.read_bytes() + b"\n%% copy %d\n%%%%EOF\n" % number)
        made += counts[path]
    raise AssertionError("a cycle does not end")


def plain(pages: int, each: int, folder: Path) -> int:
    """PDFs of `each` short pages of text, which are read fast, until there are so many pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(-(-pages // each)):
        document = pymupdf.open()
        for page in range(each):
            text = f"Document {number}, page {page}. " + "The tide gauge at the northern pier was read by hand. " * 8
            document.new_page(width=595, height=842).insert_textbox((72, 72, 523, 770), text, fontsize=11)
        document.save(folder / f"plain-{number:05d}.pdf")
    return -(-pages // each) * each
