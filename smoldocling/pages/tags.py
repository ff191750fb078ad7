"""What a PDF says itself about its parts: headings, paragraphs, list items, listings, tables.

Knows: the structure tree as PyMuPDF gives it. Does not know: our lines and regions, whether what it says is true.
Browsers and word processors write such tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pymupdf

from smoldocling.pages.frame import Frame, Rect

_FLAGS = pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP | pymupdf.TEXT_COLLECT_STRUCTURE
# Deeper trees are not written by anybody; it keeps this file's recursion from Python's limit.
_DEEPEST = 100
# From here on a heading is taller than another one.
_TALLER = 1.05
_SECTIONS = frozenset(("Document", "Part", "Art", "Sect", "Div", "BlockQuote", "NonStruct", "NonDtruct", "Aside"))
_HEADINGS = {"H1": 1, "H2": 2, "H3": 3, "H4": 4, "H5": 5, "H6": 6}
# What is said of these is left to those who look at the page.
_OTHERS = frozenset(("Figure", "Formula", "TOC", "TOCI", "Note", "Caption", "Index", "Form", "Artifact", "Title", "H"))


@dataclass(slots=True)
class Cell:
    """A cell of a table: the rectangles of its rows of text, and whether it is a heading."""

    heading: bool
    rows: list[Rect] = field(default_factory=list)


@dataclass(slots=True)
class Tag:
    """One part of a page.

    kind   section-header, text, list-item, code, table           level  of a heading, 1..6; of an item, from 1
    rows   rectangles of its pieces of text, not a table's        labels how many of them are an item's marker
    text   its characters, only where it is a heading             table  a table's rows of cells
    """

    kind: str
    level: int = 0
    rows: list[Rect] = field(default_factory=list)
    labels: int = 0
    text: str = ""
    table: list[list[Cell]] = field(default_factory=list)


def are_in(document: pymupdf.Document) -> bool:
    """Whether a document has tags."""
    try:
        return bool(document.is_pdf) and document.xref_get_key(document.pdf_catalog(), "StructTreeRoot")[0] != "null"
    except Exception:  # a damaged catalog has no tags
        return False


def read(page: pymupdf.Page, frame: Frame | None = None) -> tuple[Tag, ...]:
    """The tagged parts of a page, in the order of the tags."""
    if not are_in(page.parent):
        return ()
    reader = _Reader(frame)
    try:
        for block in page.get_text("dict", flags=_FLAGS)["blocks"]:
            reader.walk(block, None, 0)
    except Exception:  # a damaged tree says nothing; the page is there all the same
        return ()
    return tuple(tag for tag in reader.found if tag.rows or tag.table)


def top(document: pymupdf.Document, pages: Iterable[int], titled: bool) -> int:
    """The level of the first headings below the title; 0 where there are none or larger ones stand below smaller ones.

    pages   numbers from 0 of those that are looked at
    titled  whether the document has a title: the only heading of its level
    """
    if not are_in(document):
        return 0
    heights: dict[int, list[float]] = {}
    first: set[int] = set()  # levels of the first page's headings, where a title stands
    for number in pages:
        try:
            heads = [tag for tag in read(document[number]) if tag.kind == "section-header"]
        except Exception:  # no such page: it says nothing about the others
            continue
        for tag in heads:
            heights.setdefault(tag.level, []).append(tag.rows[0][3] - tag.rows[0][1])
            first |= set() if number else {tag.level}
    found = sorted(heights)
    means = [sum(heights[level]) / len(heights[level]) for level in found]
    if not found or any(lower > _TALLER * upper for upper, lower in pairwise(means)):
        return 0
    crowned = titled and len(found) > 1 and len(heights[found[0]]) == 1 and found[0] in first
    return found[1] if crowned else found[0]


class _Reader:
    def __init__(self, frame: Frame | None) -> None:
        self.found: list[Tag] = []
        self._frame = frame

    def walk(self, block: dict[str, Any], owner: Tag | None, lists: int, depth: int = 0) -> None:
        """Gives the text of a block to its owner; `lists` is how many lists it stands in."""
        if "blocks" not in block:
            if owner is not None:
                self._take(block, owner)
            return
        role = str(block.get("std") or block.get("raw"))
        if depth > _DEEPEST or role in _OTHERS:
            return
        if role == "Table":
            self._table(block)
            return
        lists += role == "L"
        owner = self._owner(role, owner, lists)
        # a listing is alone in its part of the page; code in a sentence has words beside it
        alone = role in _SECTIONS and len(block["blocks"]) == 1 and (owner is None or owner.kind == "list-item")
        for child in block["blocks"]:
            coded = alone and child.get("std") == "Code"
            self.walk(child, self._new("code") if coded else owner, lists, depth + 1)
            if role == "Lbl" and owner is not None:
                owner.labels = len(owner.rows)

    def _owner(self, role: str, owner: Tag | None, lists: int) -> Tag | None:
        if role in _HEADINGS:
            return self._new("section-header", _HEADINGS[role])
        if role == "LI":
            return self._new("list-item", lists)
        if role == "P":
            first = owner is not None and owner.kind == "list-item" and len(owner.rows) == owner.labels
            return owner if first else self._new("text")
        return owner

    def _table(self, block: dict[str, Any]) -> None:
        rows = [[cell for cell in row if cell.rows] for row in self._rows(block, 0)]
        if any(rows):
            self._new("table").table = [row for row in rows if row]

    def _rows(self, block: dict[str, Any], depth: int) -> Iterator[list[Cell]]:
        for child in block.get("blocks", ()) if depth < _DEEPEST else ():
            if child.get("std") == "TR":
                yield [
                    Cell(cell["std"] == "TH", [self._turned(line["bbox"]) for line in _lines(cell, depth)])
                    for cell in child["blocks"]
                    if cell.get("std") in ("TH", "TD")
                ]
            else:
                yield from self._rows(child, depth + 1)

    def _new(self, kind: str, level: int = 0) -> Tag:
        self.found.append(Tag(kind, level))
        return self.found[-1]

    def _take(self, block: dict[str, Any], owner: Tag) -> None:
        for line in block.get("lines", ()):
            owner.rows.append(self._turned(line["bbox"]))
            if owner.kind == "section-header":
                owner.text += "".join(span["text"] for span in line["spans"]) + " "

    def _turned(self, box: Any) -> Rect:
        if self._frame is not None:
            return self._frame.turned(box)
        x0, y0, x1, y1 = box
        return (x0, y0, x1, y1)


def _lines(block: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    if "blocks" not in block:
        yield from block.get("lines", ())
    elif depth < _DEEPEST:
        for child in block["blocks"]:
            yield from _lines(child, depth + 1)
