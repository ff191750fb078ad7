"""The library: documents in, pages and documents out.

Joins pages, engine, grammar and converters; nothing below knows of the others. Law: every page that was asked for comes
back exactly once, whatever happens to it, and no more documents are open than the engine has pages in flight.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import doctags
from smoldocling import crops, selection
from smoldocling.errors import NoCheckpoint, SmolDoclingError, UnreadablePage, UnusableInput, UnusableOption
from smoldocling.pages import documents, sources
from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.result import PageResult, Result
from smoldocling.transcriber import Transcriber, load

if TYPE_CHECKING:
    from smoldocling.engine.sequence import Generation, Request

EngineName = Literal["auto", "transformers", "textlayer"]
ENGINES: tuple[EngineName, ...] = ("auto", "transformers", "textlayer")
Tick = Callable[[int, int, int], None]
# So many pages that failed before the model saw them are held back at most while it works on others.
READY = 64
# More pages at a time than any memory holds.
MAX_BATCH = 4096


class _Job:
    """One open document on its way through. Closes itself when its last page is done."""

    def __init__(self, source: sources.Source, document: documents.Document, numbers: list[int]) -> None:
        self.source = source
        self.document = document
        self.numbers = numbers
        self._left = len(numbers)

    def finish(self) -> None:
        """One page more is done."""
        self._left -= 1
        if self.done:
            self.document.close()

    @property
    def done(self) -> bool:
        return self._left == 0

    def result(self, pages: list[PageResult]) -> Result:
        ordered = tuple(sorted(pages, key=lambda page: page.number))
        return Result(self.source.name, self.source.place, ordered, tuple(self.document.warnings))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page that the engine is working on."""

    job: _Job
    page: documents.SourcePage


_Done = tuple[_Job | sources.Unfit, PageResult | None]
"""A page that is done with its document; or a document that cannot be opened, without a page."""


class Converter:
    """Loads once, converts many. Every keyword has the name of the command-line option."""

    def __init__(
        self,
        *,
        model: str = "smoldocling",
        engine: EngineName = "auto",
        splits: int = 5,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | Literal["auto"] = "auto",
        max_new_tokens: int | None = None,
        pages: str | Iterable[int] | None = None,
        password: documents.Password = None,
        pictures: bool = True,
        page_images: bool = False,
    ) -> None:
        """Find and load the checkpoint that `engine` needs.

        engine    "transformers" reads pages with the model and raises NoCheckpoint where there is none; "textlayer"
                  reads born-digital pages without any; "auto" is the first where a checkpoint is at hand
        splits    image tiles along a page's long side, 1..6
        password  for locked PDFs, or a function from the document's name to one
        pictures  cut figures out of their pages; they go into HTML and JSON
        page_images  keep an image of every page, as a report wants it

        Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
        """
        if engine not in ENGINES:
            raise UnusableOption(f"engine {engine!r}: {', '.join(ENGINES)} are the choices")
        if not 1 <= splits <= MAX_SPLITS:
            raise UnusableOption(f"splits {splits}: 1 to {MAX_SPLITS} tiles along the long side are possible")
        if max_new_tokens is not None and max_new_tokens < 1:
            raise UnusableOption(f"max_new_tokens {max_new_tokens}: at least 1 is needed")
        if batch_size != "auto" and not 1 <= batch_size <= MAX_BATCH:
            raise UnusableOption(f"batch_size: 'auto' or 1 to {MAX_BATCH}")
        self._selection = selection.parse(pages)
        self._password = password
        self._pictures = pictures
        self._page_images = page_images
        self.without_model: str | None = None
        """Why pages are read from their text layer although a model was asked for; None where one is used."""
        self._model: Transcriber | None = None
        if engine != "textlayer":
            try:
                self._model = load(model, splits, device, dtype, batch_size, max_new_tokens)
            except NoCheckpoint as error:
                if engine != "auto":
                    raise
                self.without_model = error.reason

    @property
    def engine(self) -> str:
        """The engine in use."""
        return self._model.engine.name if self._model else "textlayer"

    def convert(self, source: sources.Input) -> Result:
        """Convert one document: a path, bytes, a binary file or a PIL image.

        Raises UnusableInput where it cannot be opened; a page that fails is a page in the result.
        """
        results = list(self.documents([source]))
        if len(results) != 1:
            raise UnusableInput(f"{source!r}: holds {len(results)} documents; use documents() or stream()")
        if results[0].error is not None:
            raise UnusableInput(f"{results[0].name}: {results[0].error}")
        return results[0]

    def stream(self, inputs: Iterable[sources.Input] | sources.Input) -> Iterator[PageResult]:
        """Pages as they are done, from many documents, in bounded memory.

        A document that cannot be opened is a page with number 0 and status "failed".
        """
        for job, page in self._work(inputs):
            yield _unopened(job) if page is None else page

    def documents(
        self, inputs: Iterable[sources.Input] | sources.Input, *, tick: Tick | None = None
    ) -> Iterator[Result]:
        """Documents as they are done. One that cannot be opened is a Result with `error`.

        tick  called after every page with (pages done, pages and documents found so far)
        """
        done = expected = found = 0
        open_now: dict[_Job, list[PageResult]] = {}
        for job, page in self._work(inputs):
            if isinstance(job, sources.Unfit):
                found += 1
                yield Result(job.name, PurePath(job.name), error=job.error)
            elif page is not None:
                done += 1
                if job not in open_now:
                    open_now[job] = []
                    found += 1
                    expected += len(job.numbers)
                open_now[job].append(page)
                if tick:
                    tick(done, expected, found)
                if job.done:
                    yield job.result(open_now.pop(job))

    def _work(self, inputs: Iterable[sources.Input] | sources.Input) -> Iterator[_Done]:
        """Every page with the document it belongs to; documents that cannot be opened come without a page."""
        if self._model is None:
            for found in self._pages(inputs):
                yield self._settle(found, self._read) if isinstance(found, _Asked) else found
        else:
            yield from self._work_with(self._model, self._pages(inputs))

    def _work_with(self, model: Transcriber, pages: Iterator[_Asked | _Done]) -> Iterator[_Done]:
        ready: deque[_Done] = deque()
        waiting: dict[int, _Asked] = {}
        keys = itertools.count()
        ended = False
        broken: Exception | None = None

        def requests() -> Iterator[Request]:
            nonlocal ended, broken
            # Stopping now and then lets out what failed while the engine has nothing to say.
            while len(ready) < READY:
                try:
                    found = next(pages, None)
                except Exception as error:  # the caller's own iterator: what was taken in already is delivered first
                    broken = error
                    found = None
                if found is None:
                    ended = True
                    return
                if not isinstance(found, _Asked):
                    ready.append(found)
                    continue
                try:
                    request = model.request(next(keys), found.page)
                except Exception as error:
                    ready.append(self._settle(found, partial(_raise, error)))
                    continue
                if request is None:
                    ready.append(self._settle(found, self._blank))
                    continue
                waiting[request.key] = found
                yield request

        try:
            while not ended:
                yield from self._answers(model, requests(), waiting, ready)
                yield from _drain(ready)
        finally:
            for asked in waiting.values():
                asked.job.document.close()
        if broken is not None:
            raise broken

    def _answers(
        self, model: Transcriber, requests: Iterator[Request], waiting: dict[int, _Asked], ready: deque[_Done]
    ) -> Iterator[_Done]:
        """One run of the engine. Whatever it does, every page that it was given is answered."""
        reason: Exception = UnreadablePage("the engine gave no answer")
        answers = model.engine.run(requests)
        while True:
            try:
                generation = next(answers, None)
            except Exception as error:
                reason, generation = error, None
            if generation is None:
                break
            yield from _drain(ready)
            asked = waiting.pop(generation.key, None)
            if asked is not None:
                yield self._settle(asked, partial(_understood, generation=generation, model=model))
        # An engine that stops while there are pages left would stop again; the next one fails in its place.
        for _ in itertools.islice(requests, 1):
            pass
        for key in list(waiting):
            yield self._settle(waiting.pop(key), partial(_raise, reason))

    def _pages(self, inputs: Iterable[sources.Input] | sources.Input) -> Iterator[_Asked | _Done]:
        """Open documents one by one: pages to be read, and what fails before that."""
        for source in sources.expand(inputs):
            if isinstance(source, sources.Unfit):
                yield source, None
                continue
            try:
                job = self._open(source)
            except Exception as error:
                yield sources.Unfit(source.name, _reason(error)), None
                continue
            try:
                for number in job.numbers:
                    yield self._page(job, number)
            except GeneratorExit:  # the caller wants no more
                job.document.close()
                raise

    def _page(self, job: _Job, number: int) -> _Asked | _Done:
        try:
            return _Asked(job, job.document.page(number))
        except Exception as error:
            job.finish()
            return job, _missing(job.source.name, number, _reason(error), self.engine)

    def _open(self, source: sources.Source) -> _Job:
        document = documents.Document(source, self._password)
        numbers = self._selection.numbers(document.page_count)
        if not any(number <= document.page_count for number in numbers):
            document.close()
            pages = "1 page" if document.page_count == 1 else f"{document.page_count} pages"
            asked = f"page {numbers[0]}" if len(numbers) == 1 else "page of those asked for"
            raise UnusableInput(f"there is no {asked}: the document has {pages}")
        return _Job(source, document, numbers)

    def _settle(self, asked: _Asked, work: Callable[[_Asked], PageResult]) -> _Done:
        """Do one page's work and count the page as done. A mistake of ours costs that page, and says whose it was."""
        try:
            page = work(asked)
            if self._pictures:
                pictures, problems = crops.cut(page.tree, asked.page)
                page = replace(page, pictures=pictures, problems=page.problems + problems)
        except Exception as error:
            page = _missing(asked.job.source.name, asked.page.number, _reason(error), self.engine)
            page = replace(page, tree=replace(page.tree, size=asked.page.size))
        if self._page_images:
            page = replace(page, image=crops.whole(asked.page))
        asked.job.finish()
        return asked.job, page

    def _blank(self, asked: _Asked) -> PageResult:
        tree = doctags.Page(number=asked.page.number, size=asked.page.size)
        return PageResult(asked.job.source.name, asked.page.number, "blank", tree, engine=self.engine)

    def _read(self, asked: _Asked) -> PageResult:
        """Answer a page from its own text layer."""
        started = time.perf_counter()
        page = asked.page
        why = f"; {self.without_model}" if self.without_model else ""
        if page.reading is None:
            raise UnreadablePage(f"an image has no text layer, so it needs a model{why}")
        reading = page.reading()
        if reading.kind not in ("text", "blank"):
            raise UnreadablePage(f"{reading.reason}{why}")
        return PageResult(
            source=asked.job.source.name,
            number=page.number,
            status="blank" if reading.kind == "blank" else "textlayer",
            tree=reading.page,
            engine="textlayer",
            problems=doctags.validate(doctags.write(reading.page)),
            seconds=time.perf_counter() - started,
        )


def convert(source: sources.Input, **options: object) -> Result:
    """Convert one document; options are those of Converter. To convert many, make one Converter and keep it."""
    return Converter(**options).convert(source)  # type: ignore[arg-type]


def _understood(asked: _Asked, generation: Generation, model: Transcriber) -> PageResult:
    return model.page(asked.job.source.name, asked.page, generation)


def _drain(ready: deque[_Done]) -> Iterator[_Done]:
    while ready:
        yield ready.popleft()


def _unopened(job: _Job | sources.Unfit) -> PageResult:
    assert isinstance(job, sources.Unfit), "only a document that cannot be opened has no page"
    return PageResult(job.name, 0, "failed", doctags.Page(number=0), engine="none", error=job.error)


def _missing(name: str, number: int, error: str, engine: str) -> PageResult:
    marker = doctags.Element("text", text=f"[page {number} is missing: {error}]")
    return PageResult(name, number, "failed", doctags.Page((marker,), number=number), engine=engine, error=error)


def _reason(error: Exception) -> str:
    """One line; where it was our mistake, that is said."""
    if isinstance(error, SmolDoclingError):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    return " ".join(f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}".split())


def _raise(error: Exception, _: _Asked) -> PageResult:
    raise error
