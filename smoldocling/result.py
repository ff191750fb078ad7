"""What comes back: pages, and documents made of them, in every format.

Knows: trees, statuses, converters. Does not know: how a page was read, and where files go.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import converters
import doctags
from doctags import Problem

if TYPE_CHECKING:
    from docling_core.types.doc.document import DoclingDocument

Status = Literal["ok", "textlayer", "blank", "retried", "truncated", "repeated", "failed"]
DocumentStatus = Literal["ok", "partial", "failed"]
# Something of the page is missing; the page is delivered all the same.
INCOMPLETE: frozenset[Status] = frozenset({"truncated", "repeated", "failed"})

CONTRADICTED = frozenset({"invented", "elsewhere", "hidden"})
"""Kinds of problems that come from the page itself: the model wrote what is not on it, or put it into a wrong place; or
the file has words there that nobody can see."""


@dataclass(frozen=True, slots=True)
class Crop:
    """A page or a piece of one as an image file; `mime` is image/png or image/webp."""

    data: bytes = field(repr=False)
    mime: str
    width_px: int
    height_px: int
    dpi: float

    def at(self, href: str) -> converters.Picture:
        """This picture, to be found at `href`."""
        return converters.Picture(href=href, width_px=self.width_px, height_px=self.height_px, dpi=self.dpi)

    @property
    def data_uri(self) -> str:
        """The picture itself as an address."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class PageResult:
    """One page, or what became of it.

    source    the document's name
    number    from 1; 0 where the document as a whole could not be opened
    status    ok: read by the model; textlayer: read from the file's own text; blank: nothing on it; retried: ok or
              textlayer, but a worker process was lost over it first; truncated: the model was cut off; repeated: it
              ran in circles and was stopped; failed: `error` says why, and the tree holds a visible marker
    tree      doctags.Page
    raw       what the model wrote, before parsing; None where no model was asked
    problems  what was wrong with it, with places in `raw`, or in `doctags` where there is no `raw`; `invented` is text
              that is nowhere on the page, `hidden` words of the file that cannot be seen on it and were left out
    tokens    ids that the model wrote; `steps` decoder steps it took
    seconds   wall time of this page's own work; pages of a batch share theirs
    agreement  share of the model's text that the page's text layer confirms, 0 to 1; None where there is none, or none
              that makes sense
    scores    the same for single elements, by their place in `walk(page.tree)`
    note      one line about the page that is no failure: why its text layer was left alone, what went wrong at first
    pictures  figures by their place among the page's pictures, see converters.picture_elements
    image     the whole page, where page_images was asked for
    of        how many pages of the document were asked for; 0 where it could not be opened
    warnings  what is wrong with the document as a whole, as far as it was known when this page was done
    """

    source: str
    number: int
    status: Status
    tree: doctags.Page
    engine: str
    problems: tuple[doctags.Problem, ...] = ()
    raw: str | None = None
    error: str | None = None
    tokens: int = 0
    steps: int = 0
    seconds: float = 0.0
    agreement: float | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    note: str | None = None
    pictures: Mapping[int, Crop] = field(default_factory=dict)
    image: Crop | None = None
    of: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def doctags(self) -> str:
        """The page as canonical, valid DocTags."""
        return doctags.write(self.tree)


def walk(tree: doctags.Page) -> Iterator[doctags.Element]:
    """All elements of a page in the order in which `PageResult.scores` counts them: parents first, then what is in
    their cells, then their children."""
    waiting = [*tree.elements][::-1]
    while waiting:
        element = waiting.pop()
        yield element
        inner = [child for cell in element.cells for child in cell.children]
        waiting.extend(reversed([*inner, *element.children]))


@dataclass(frozen=True)
class Result:
    """One document. `error` is set when it could not be opened; then there are no pages."""

    name: str
    place: PurePath
    pages: tuple[PageResult, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def status(self) -> DocumentStatus:
        """ok: every page in full; partial: something is missing; failed: nothing could be read."""
        if all(page.status == "failed" for page in self.pages):
            return "failed"
        incomplete = self.warnings or any(page.status in INCOMPLETE for page in self.pages)
        return "partial" if incomplete else "ok"

    @cached_property
    def tree(self) -> doctags.Document:
        """All pages as one tree."""
        return doctags.Document(tuple(page.tree for page in self.pages))

    @property
    def doctags(self) -> str:
        """Canonical, valid DocTags."""
        return doctags.write(self.tree)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was wrong with what the model wrote, page by page."""
        return tuple(problem for page in self.pages for problem in page.problems)

    @property
    def markdown(self) -> str:
        """CommonMark with GFM tables."""
        return self.to_markdown()

    @property
    def html(self) -> str:
        """One HTML5 page with its figures inside."""
        return self.to_html()

    @property
    def text(self) -> str:
        """Plain text in reading order."""
        return self.to_text()

    @property
    def json(self) -> str:
        """DoclingDocument JSON with its figures inside."""
        return self.to_json(self._inline())

    @property
    def document(self) -> DoclingDocument:
        """The DoclingDocument object."""
        return converters.to_docling(self.tree, name=self.title, pictures=self._inline())

    @property
    def title(self) -> str:
        """The name that the document goes by where a format wants one."""
        # a name in the file system need not be text
        return self.place.name.encode("utf-8", "replace").decode()

    def to_markdown(
        self,
        pictures: Mapping[tuple[int, int], converters.Picture] | None = None,
        *,
        furniture: bool = False,
        page_break: str | None = None,
    ) -> str:
        """Markdown with figures at the given addresses; without any, captions alone stand for them.

        furniture   keep page headers and footers
        page_break  a line of its own between pages
        """
        return converters.to_markdown(self.tree, pictures=pictures, furniture=furniture, page_break=page_break)

    def to_html(self, *, furniture: bool = False) -> str:
        """One HTML5 page with its figures inside; `furniture` keeps page headers and footers."""
        return converters.to_html(self.tree, pictures=self._inline(), furniture=furniture)

    def to_text(self, *, furniture: bool = False) -> str:
        """Plain text; `furniture` keeps page headers and footers."""
        return converters.to_text(self.tree, furniture=furniture)

    def to_json(self, pictures: Mapping[tuple[int, int], converters.Picture]) -> str:
        """DoclingDocument JSON with figures at the given addresses."""
        return converters.to_json(self.tree, name=self.title, pictures=pictures)

    def _inline(self) -> dict[tuple[int, int], converters.Picture]:
        return {key: crop.at(crop.data_uri) for key, crop in self.crops().items()}

    def crops(self) -> dict[tuple[int, int], Crop]:
        """Every figure, by (page number, place among that page's pictures)."""
        return {(page.number, n): crop for page in self.pages for n, crop in page.pictures.items()}
