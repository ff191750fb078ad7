"""What can be done with an open document, here or in another process, and the documents that are open where it is done.

Knows: documents, pages, their text layers, tiles, pictures. Does not know: processes, threads, who wants it and why.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import doctags
from smoldocling import crops, layer
from smoldocling.errors import SmolDoclingError, UnreadablePage
from smoldocling.layer import reason
from smoldocling.pages import documents
from smoldocling.pages.sources import Source

if TYPE_CHECKING:
    from smoldocling.pages.textlayer import Reading
    from smoldocling.result import Crop, PageResult
    from smoldocling.views import View


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that somebody wants things of; `key` is its own within the program."""

    key: str
    source: Source
    password: str | None = field(default=None, repr=False)


class Work(Protocol):
    """What is to be done with a document. What `do` gives and raises can be pickled, as can the work itself."""

    def do(self, document: documents.Document) -> Any:
        """Do it. Raises SmolDoclingError; anything else is a mistake of ours."""
        ...


@dataclass(frozen=True, slots=True)
class Counted:
    """A document that could be opened."""

    page_count: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Open it and see how many pages there are."""

    def do(self, document: documents.Document) -> Counted:
        """Give a Counted."""
        return Counted(document.page_count, tuple(document.warnings))


@dataclass(frozen=True, slots=True)
class Read:
    """Answer a page from its own text layer, with its pictures. `why` there is no model, where that is worth saying."""

    number: int
    pictures: bool
    image: bool
    why: str | None

    def do(self, document: documents.Document) -> PageResult:
        """Give a PageResult, a failed one where it cannot be read. Raises UnreadablePage where there is nothing."""
        page = document.page(self.number)
        return layer.answer(document.name, page, self.why, pictures=self.pictures, image=self.image)


@dataclass(frozen=True, slots=True)
class Looked:
    """A page as a model wants it: `view` is what its view gives, None for a blank page or where `error` says why."""

    size: tuple[float, float]
    reading: Reading | None
    view: Any
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Draw a page as a model wants it, and read its text layer."""

    number: int
    view: View

    def do(self, document: documents.Document) -> Looked:
        """Give a Looked. Raises UnreadablePage where there is nothing to look at."""
        page = document.page(self.number)
        reading = None
        try:
            reading = _text_layer(page)
            return Looked(page.size, reading, self.view.of(page))
        except Exception as error:
            return Looked(page.size, reading, None, reason(error))


@dataclass(frozen=True, slots=True)
class Cuts:
    """The pictures of a page by their place, what is wrong with them, and the page itself as a picture."""

    pictures: Mapping[int, Crop]
    problems: tuple[doctags.Problem, ...]
    image: Crop | None


@dataclass(frozen=True, slots=True)
class Cut:
    """Cut the pictures of `tree` out of its page, and with `image`, the whole page. None: only the page."""

    number: int
    tree: doctags.Page | None
    image: bool

    def do(self, document: documents.Document) -> Cuts:
        """Give Cuts. Raises UnreadablePage."""
        page = document.page(self.number)
        pictures, problems = crops.cut(self.tree, page) if self.tree is not None else ({}, ())
        return Cuts(pictures, problems, crops.whole(page) if self.image else None)


class Bench:
    """The documents that are open in one process."""

    def __init__(self) -> None:
        self._open: dict[str, documents.Document] = {}
        self._changing = threading.Lock()

    def do(self, key: str, paper: Paper | None, work: Work) -> Any:
        """Do it, opening the document where it is not open. Raises SmolDoclingError only."""
        try:
            return work.do(self._document(key, paper))
        except SmolDoclingError:
            raise
        except Exception as error:
            raise UnreadablePage(reason(error)) from error

    def has(self, key: str) -> bool:
        """Whether that document is open."""
        return key in self._open

    def forget(self, key: str) -> None:
        """Close a document, if it is open."""
        with self._changing:
            document = self._open.pop(key, None)
        if document is not None:
            document.close()

    def _document(self, key: str, paper: Paper | None) -> documents.Document:
        document = self._open.get(key)
        if document is None:
            assert paper is not None, "a document comes with its paper the first time"
            document = documents.Document(paper.source, paper.password)
            with self._changing:
                self._open[key] = document
        return document


def _text_layer(page: documents.SourcePage) -> Reading | None:
    """What the page's own text says. The model reads pages whose text layer is damaged, too."""
    try:
        return page.reading() if page.reading is not None else None
    except UnreadablePage:
        return None
