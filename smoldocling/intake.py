"""Documents opened one after the other, and the pages in them that were asked for.

Knows: which pages are wanted, passwords, open documents. Does not know: tiles, engines, results.
Law: every page that was asked for is found, missed or skipped exactly once, and a document is closed when its last
page is done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smoldocling.errors import SmolDoclingError, UnusableInput
from smoldocling.pages import documents, sources
from smoldocling.selection import Selection

if TYPE_CHECKING:
    from smoldocling.pages.textlayer import Reading


class Job:
    """One open document on its way through; `left` pages of `numbers` are not done yet."""

    def __init__(self, source: sources.Source, document: documents.Document, numbers: list[int]) -> None:
        self.source = source
        self.document = document
        self.numbers = numbers
        self.left = len(numbers)

    @property
    def done(self) -> bool:
        """Whether that was its last page."""
        return self.left == 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that can be worked on, or could but for `error`.

    reading  what its text layer says, read once for all that want to know; None where it has none
    """

    job: Job
    page: documents.SourcePage
    error: Exception | None = None
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """A page that cannot even be looked at."""

    job: Job
    number: int
    error: str


Found = Asked | Missed | sources.Unfit


class Intake:
    """The documents of one stream. One thread may take pages in while another one finishes them."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._open: set[Job] = set()
        self._counting = threading.Lock()

    def pages(self, taken: Iterable[sources.Source | sources.Unfit], password: documents.Password) -> Iterator[Found]:
        """Open documents one by one: pages to be read, and what fails before that."""
        for source in taken:
            if isinstance(source, sources.Unfit):
                yield source
                continue
            try:
                job = self._opened(source, password)
            except Exception as error:
                yield sources.Unfit(source.name, reason(error))
                continue
            self._open.add(job)
            for number in job.numbers:
                if number in source.skip:
                    self.finish(job)
                else:
                    yield _found(job, number)

    def finish(self, job: Job) -> None:
        """One page more is done, or will not be."""
        with self._counting:
            job.left -= 1
            done = job.done
        if done:
            self._open.discard(job)
            job.document.close()

    def close(self) -> None:
        """Close what is still open. Nobody may be taking pages in any more."""
        while self._open:
            self._open.pop().document.close()

    def _opened(self, source: sources.Source, password: documents.Password) -> Job:
        document = documents.Document(source, password)
        numbers = self._selection.numbers(document.page_count)
        if not any(number <= document.page_count for number in numbers):
            document.close()
            pages = "1 page" if document.page_count == 1 else f"{document.page_count} pages"
            asked = f"page {numbers[0]}" if len(numbers) == 1 else "page of those asked for"
            raise UnusableInput(f"there is no {asked}: the document has {pages}")
        return Job(source, document, numbers)


def reason(error: Exception) -> str:
    """One line; where it was our mistake, that is said."""
    if isinstance(error, SmolDoclingError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    return " ".join(f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}".split())


def _found(job: Job, number: int) -> Found:
    try:
        return Asked(job, job.document.page(number))
    except Exception as error:
        return Missed(job, number, reason(error))
