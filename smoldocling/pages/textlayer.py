"""A page of a born-digital PDF as a DocTags tree, read from its own text layer without a neural page reader.

Knows: how the parts of this folder make a page. Does not know: images of pages, models, output formats.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import pymupdf

from doctags.tree import Page
from smoldocling.errors import UnreadablePage
from smoldocling.pages import assembly, damage, layout, manner, raster, tagged, unseen
from smoldocling.pages import ink as inks
from smoldocling.pages.ink import Ink
from smoldocling.pages.mupdf import ALONE
from smoldocling.pages.words import PlacedWord, Words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ReadingKind = Literal["text", "blank", "scan", "garbage"]

# Damaged files are reported as exceptions; MuPDF's own talk about them would go to the user's terminal.
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)

_MAX_BROKEN = 0.25
"""Share of characters without meaning above which a text layer is worthless."""

_FEWEST_OVER_A_SCAN = 60
"""Characters beside the picture of a page below which they are its number, or the stamp of an archive."""

_PAGE_WIDE, _PAPER, _LIGHT = 0.85, 0.6, 200
"""A scan: a picture over this share of the page, and this share of its pixels at least so light on all channels."""

_GLANCE_PX = 1000
"""At this size a dot of one point on a letter page is a pixel."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the text layer says about one page.

    kind    text: a usable text layer; blank: nothing is on the page; scan: something is to be seen, but not as text;
            garbage: the characters have no known meaning
    reason  one sentence for kinds other than text
    words   what a model's text can be compared with; only where the kind is text
    hidden  one line about text that is in the file and cannot be seen on the page, None without any
    """

    page: Page
    kind: ReadingKind
    reason: str | None = None
    words: Words | None = field(default=None, compare=False, repr=False)
    hidden: str | None = None


class Reader:
    """Reads the pages of one document, in any order; what it learns of the whole document it keeps."""

    def __init__(self, document: pymupdf.Document) -> None:
        self._document = document
        self._manner: manner.Manner | None = None
        self._last: tuple[int, Ink] | None = None

    def read(self, index: int) -> Reading:
        """Page `index`, from 0. Raises UnreadablePage."""
        ink = self._ink(index)
        try:
            return replace(self._reading(index, ink), hidden=unseen.said(ink.hidden))
        except UnreadablePage:
            raise
        except Exception as error:  # whatever a hostile page does, it costs this page alone
            raise UnreadablePage(f"page {index + 1}: its text layer cannot be read: {damage.told(error)}") from error

    def words(self, index: int) -> list[PlacedWord]:
        """The visible words of page `index`, from 0. Raises UnreadablePage."""
        return list(Words(self._ink(index)).all)

    def _ink(self, index: int) -> Ink:
        last = self._last  # another thread may read another page
        if last is None or last[0] != index:
            try:
                with ALONE:
                    last = self._last = (index, inks.read(self._document[index]))
            except Exception as error:
                raise UnreadablePage(f"page {index + 1}: damaged page: {damage.told(error)}") from error
        return last[1]

    def _reading(self, index: int, ink: Ink) -> Reading:
        number = index + 1
        empty = Page((), number, ink.size)
        if not ink.characters:
            if ink.images:
                return Reading(
                    assembly.pictures_only(ink, number),
                    "scan",
                    "the page is an image without text: a scan; it needs a model",
                )
            if ink.fills or ink.strokes or ink.shapes or not self._is_white(index):
                return Reading(
                    assembly.pictures_only(ink, number),
                    "scan",
                    "the page is drawn without text characters; it needs a model",
                )
            return Reading(empty, "blank", "the page is blank")
        if ink.broken > _MAX_BROKEN * ink.characters:
            share = round(100 * ink.broken / ink.characters)
            return Reading(
                empty,
                "garbage",
                f"{share}% of the characters in the text layer have no known meaning; the page needs a model",
            )
        if self._is_scan(index, ink):
            return Reading(
                assembly.pictures_only(ink, number),
                "scan",
                f"the page is a picture of a page with {ink.characters} characters over it: a scan; it needs a model",
            )
        with ALONE:
            if self._manner is None:
                self._manner = manner.study(self._document)
            # where the file itself says what everything is, nobody has to look
            groups = () if tagged.covers(ink) else layout.groups(self._document[index], ink.quarters)
        page = assembly.assemble(ink, groups, self._manner, number)
        known = self._manner.words | manner.whole_words([line.text for line in ink.lines])
        return Reading(page, "text", words=Words(ink, known))

    def _is_scan(self, index: int, ink: Ink) -> bool:
        """Whether the text is only what was put on the picture of a page: a number, a stamp."""
        page = ink.width * ink.height
        wide = any((x1 - x0) * (y1 - y0) > _PAGE_WIDE * page for x0, y0, x1, y1 in ink.images)
        if not wide or ink.characters >= _FEWEST_OVER_A_SCAN or any(line.hidden for line in ink.lines):
            return False
        with ALONE:
            pixels = _glance(self._document[index])
        # photographs that fill a page are hardly ever as light as paper
        return float((pixels.min(axis=2) >= _LIGHT).mean()) >= _PAPER

    def _is_white(self, index: int) -> bool:
        """Whether nothing is to be seen at all: what is too small or odd for the lists of marks still has pixels."""
        with ALONE:
            pixels = _glance(self._document[index])
        return bool(pixels.min() == pixels.max())


def _glance(page: pymupdf.Page) -> npt.NDArray[np.uint8]:
    scale = _GLANCE_PX / max(page.rect.width, page.rect.height)
    return raster.render(page, max(1, int(page.rect.width * scale)), max(1, int(page.rect.height * scale)))
