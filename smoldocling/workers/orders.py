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
from smoldocling.pages.documents import ALONE, Manner
from smoldocling.pages.sources import Source

if TYPE_CHECKING:
    from smoldocling.pages.textlayer import Reading
    from smoldocling.result import Crop, PageResult
    from smoldocling.views import View


@dataclass(frozen=True, slots=True)
class Paper:
    """A document that somebody wants things of.

    key     its own within the program
    manner  what has been found out about the whole of it, so that not every worker need do so
    """

    key: str
    source: Source
    password: str | None = field(default=None, repr=False)
    manner: Manner | None = field(default=None, repr=False)


class Work(Protocol):
    """What is to be done with a document. What `do` gives and raises can be pickled, as can the work itself."""

    def do(self, document: documents.Document) -> Any:
        """Do it. Raises SmolDoclingError; anything else is a mistake of ours."""
        ...

    def again(self) -> Work:
        """What is done in its place after it has cost a worker."""
        ...


@dataclass(frozen=True, slots=True)
class Counted:
    """A document that could be opened."""

    page_count: int
    warnings: tuple[str, ...]
    manner: Manner | None


@dataclass(frozen=True, slots=True)
class Count:
    """Open a document, see how many pages there are, and look through a sample of them.

    That look may be what a worker is lost over. Then it is done without, so that one bad page costs one page.
    """

    alone: bool = False

    def do(self, document: documents.Document) -> Counted:
        """Give a Counted."""
        manner = ALONE if self.alone else document.study()
        return Counted(document.page_count, tuple(document.warnings), manner)

    def again(self) -> Count:
        """Each page alone."""
        return Count(alone=True)


@dataclass(frozen=True, slots=True)
class Read:
    """Answer a page from its own text layer. `why` there is no model, where that is worth saying."""

    number: int
    why: str | None

    def do(self, document: documents.Document) -> PageResult:
        """Give a PageResult, a failed one where it cannot be read. Raises UnreadablePage where there is nothing."""
        return layer.answer(document.name, document.page(self.number), self.why)

    def again(self) -> Read:
        """The same."""
        return self


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

    def again(self) -> Look:
        """The same."""
        return self


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

    def again(self) -> Cut:
        """The same."""
        return self


class Bench:
    """The documents that are open in one process."""

    def __init__(self) -> None:
        self._open: dict[str, documents.Document] = {}
        self._changing = threading.Lock()

    def do(self, key: str, paper: Paper | None, work: Work) -> Any:
        """Do it, opening the document where it is not open. Raises SmolDoclingError and MemoryError only."""
        try:
            return work.do(self._document(key, paper))
        except (SmolDoclingError, MemoryError):
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
            if paper.manner is not None:
                document.follow(paper.manner)
            with self._changing:
                self._open[key] = document
        return document


def _text_layer(page: documents.SourcePage) -> Reading | None:
    """What the page's own text says. The model reads pages whose text layer is damaged, too."""
    try:
        return page.reading() if page.reading is not None else None
    except UnreadablePage:
        return None
