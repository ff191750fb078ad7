"""The library: documents in, pages and documents out.

Joins pages, engine, grammar and converters; nothing below knows of the others. Law: every page that was asked for comes
back exactly once, whatever happens to it, and no more documents are open than pages are on their way: a few ahead of
the engine, those in it, and a few behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

import doctags
from smoldocling import crops, selection
from smoldocling.desk import Desk
from smoldocling.errors import NoCheckpoint, UnreadablePage, UnusableInput, UnusableOption
from smoldocling.flow import Flow
from smoldocling.intake import Asked, Found, Intake, Job, Missed, reason
from smoldocling.pages import documents, sources
from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.result import PageResult, Result, Status, walk
from smoldocling.transcriber import Transcriber, load

if TYPE_CHECKING:
    from smoldocling.desk import Outcome
    from smoldocling.engine.sequence import Generation, Request
    from smoldocling.pages.textlayer import Reading

TextName = Literal["auto", "model", "page"]
TEXTS: tuple[TextName, ...] = ("auto", "model", "page")
EngineName = Literal["auto", "native", "transformers", "textlayer"]
ENGINES: tuple[EngineName, ...] = ("auto", "native", "transformers", "textlayer")
Tick = Callable[[int, int, int], None]
# The model stopped in the middle of such a page.
CUT_SHORT: frozenset[Status] = frozenset({"truncated", "repeated"})
# More pages at a time than any memory holds.
MAX_BATCH = 4096

_Done = tuple[Job, PageResult] | sources.Unfit
"""A page that is done with its document; or a document that cannot be opened."""


class Converter:
    """Loads once, converts many. Every keyword has the name of the command-line option.

    It may be used in several threads at a time, and for several streams in one: they share the model.
    """

    def __init__(
        self,
        *,
        model: str = "smoldocling",
        engine: EngineName = "auto",
        splits: int | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | Literal["auto"] = "auto",
        max_new_tokens: int | None = None,
        drafts: bool = True,
        constrain: bool = False,
        text: TextName = "auto",
        pages: str | Iterable[int] | None = None,
        password: documents.Password = None,
        pictures: bool = True,
        page_images: bool = False,
    ) -> None:
        """Find and load the checkpoint that `engine` needs.

        engine    "native" reads pages with the model, and raises NoCheckpoint where there is none and UnknownNetwork
                  where it is of another architecture; "transformers" does the same through that library; "textlayer"
                  reads born-digital pages without any; "auto" is the first of these that can be had
        dtype     "auto", "float32", "bfloat16", "float16", "int8" (native only: large weights in 8 bits)
        splits    image tiles along a page's long side, 1..6; None: 5, or the model's own where that is less than 4
        drafts    what the page's own text says is checked, several ids a step; the answer is the same
        constrain  the model can write valid DocTags only; else, only what changes no valid answer is forbidden
        password  for locked PDFs, or a function from the document's name to one
        text      whose characters a page that a model has read gets, where the file has some: "auto" takes the file's
                  where only single ones differ, "page" wherever there are some, "model" never
        pictures  cut figures out of their pages; they go into HTML and JSON
        page_images  keep an image of every page, as a report wants it

        Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
        """
        if engine not in ENGINES:
            raise UnusableOption(f"engine {engine!r}: {', '.join(ENGINES)} are the choices")
        if splits is not None and not 1 <= splits <= MAX_SPLITS:
            raise UnusableOption(f"splits {splits}: 1 to {MAX_SPLITS} tiles along the long side are possible")
        if max_new_tokens is not None and max_new_tokens < 1:
            raise UnusableOption(f"max_new_tokens {max_new_tokens}: at least 1 is needed")
        if text not in TEXTS:
            raise UnusableOption(f"text {text!r}: {', '.join(TEXTS)} are the choices")
        if batch_size != "auto" and not 1 <= batch_size <= MAX_BATCH:
            raise UnusableOption(f"batch_size: 'auto' or 1 to {MAX_BATCH}")
        self._selection = selection.parse(pages)
        self._password = password
        self._text: TextName = text
        self._pictures = pictures
        self._page_images = page_images
        self.without_model: str | None = None
        """Why pages are read from their text layer although a model was asked for; None where one is used."""
        self._model: Transcriber | None = None
        if engine != "textlayer":
            try:
                self._model = load(
                    model,
                    engine,
                    splits,
                    device,
                    dtype,
                    batch_size,
                    max_new_tokens,
                    drafts=drafts,
                    constrain=constrain,
                )
            except NoCheckpoint as error:
                if engine != "auto":
                    raise
                self.without_model = error.reason
        self._desk: Desk[Found] = Desk(self._run)

    @property
    def without_native(self) -> str | None:
        """Why the model is run by transformers although nobody asked for that; None where it is not."""
        return self._model.without_native if self._model else None

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

        A document that cannot be opened is a page with number 0 and status "failed". With a model, `inputs` is read in
        a thread of its own, a few pages ahead: it may be slow. Whoever stops half way closes the stream, or lets it go.
        """
        with closing(self._work(inputs)) as work:
            for done in work:
                yield _unopened(done) if isinstance(done, sources.Unfit) else done[1]

    def documents(
        self, inputs: Iterable[sources.Input] | sources.Input, *, tick: Tick | None = None
    ) -> Iterator[Result]:
        """Documents as they are done. One that cannot be opened is a Result with `error`.

        tick  called after every page with (pages done, pages and documents found so far)
        """
        done = expected = found = 0
        open_now: dict[Job, list[PageResult]] = {}
        with closing(self._work(inputs)) as work:
            for one in work:
                if isinstance(one, sources.Unfit):
                    found += 1
                    yield Result(one.name, PurePath(one.name), error=one.error)
                    continue
                job, page = one
                done += 1
                if job not in open_now:
                    open_now[job] = []
                    found += 1
                    expected += len(job.numbers)
                open_now[job].append(page)
                if tick:
                    tick(done, expected, found)
                if job.done:
                    yield _assembled(job, open_now.pop(job))

    def _run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        assert self._model is not None, "nobody asks where there is no model"
        return self._model.engine.run(requests)

    def _work(self, inputs: Iterable[sources.Input] | sources.Input) -> Generator[_Done]:
        """Every page with the document it belongs to; documents that cannot be opened come without a page."""
        with closing(Intake(self._selection)) as intake:
            if self._model is None:
                for found in intake.pages(sources.expand(inputs), self._password):
                    yield self._settled(intake, found, None)
                return
            flow: Flow[Found] = Flow(self._desk, partial(self._requests, self._model, inputs, intake))
            with closing(flow.results()) as results:
                for found, outcome in results:
                    yield self._settled(intake, found, outcome)

    def _requests(
        self, model: Transcriber, inputs: Iterable[sources.Input] | sources.Input, intake: Intake, flow: Flow[Found]
    ) -> Generator[tuple[Found, Request | None]]:
        """What there is to do, in a thread ahead of the engine: open, render, tile."""
        password = self._password
        if callable(password):
            password = partial(_asked_of_the_caller, flow, password)
        for found in intake.pages(flow.theirs(sources.expand(inputs)), password):
            request = None
            if isinstance(found, Asked):
                try:
                    found = replace(found, reading=_text_layer(found.page))  # noqa: PLW2901 - the same page
                    request = model.request(next(self._desk.keys), found.page, found.reading)
                except Exception as error:
                    found = replace(found, error=error.with_traceback(None))  # noqa: PLW2901 - the same page
            yield found, request

    def _settled(self, intake: Intake, found: Found, outcome: Outcome) -> _Done:
        """Finish one page, in the caller's thread."""
        if isinstance(found, sources.Unfit):
            return found
        if isinstance(found, Missed):
            page = _missing(found.job.source.name, found.number, found.error, self.engine)
        else:
            page = self._page(found, outcome)
        page = replace(page, of=len(found.job.numbers), warnings=tuple(found.job.document.warnings))
        intake.finish(found.job)
        return found.job, page

    def _page(self, asked: Asked, outcome: Outcome) -> PageResult:
        """One page's result with its pictures. A mistake of ours costs that page, and says whose it was."""
        try:
            page = self._understood(asked, outcome)
            if self._pictures:
                pictures, problems = crops.cut(page.tree, asked.page)
                page = replace(page, pictures=pictures, problems=page.problems + problems)
        except Exception as error:
            page = _missing(asked.job.source.name, asked.page.number, reason(error), self.engine)
            page = replace(page, tree=replace(page.tree, size=asked.page.size))
        if self._page_images:
            page = replace(page, image=crops.whole(asked.page))
        return page

    def _understood(self, asked: Asked, outcome: Outcome) -> PageResult:
        """What came of a page."""
        if asked.error is not None:
            raise asked.error
        if isinstance(outcome, Exception):
            raise outcome
        if self._model is None:
            return self._read(asked)
        if outcome is None:
            return self._blank(asked)
        return self._compared(self._model.page(asked.job.source.name, asked.page, outcome), asked.reading)

    def _compared(self, page: PageResult, reading: Reading | None) -> PageResult:
        """A page that the model wrote, beside its text layer."""
        from smoldocling.reconcile import reconcile

        checked = reconcile(page.tree, reading, self._text, page.raw or "")
        page = replace(
            page,
            tree=checked.tree,
            agreement=checked.agreement,
            scores=checked.scores,
            note=checked.note,
            problems=tuple(sorted(page.problems + checked.problems, key=lambda problem: problem.start)),
        )
        believed = reading is not None and reading.kind == "text" and checked.note is None
        if believed and self._text != "model" and page.status in CUT_SHORT:
            assert reading is not None, "what is believed has been read"
            return _filled(page, reading)
        return page

    def _blank(self, asked: Asked) -> PageResult:
        tree = doctags.Page(number=asked.page.number, size=asked.page.size)
        return PageResult(asked.job.source.name, asked.page.number, "blank", tree, engine=self.engine)

    def _read(self, asked: Asked) -> PageResult:
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


def _filled(page: PageResult, reading: Reading) -> PageResult:
    """A page that the model did not finish, with what its text layer says of the rest."""
    from smoldocling.fill import fill

    whole = fill(page.tree, reading.page)
    if whole == page.tree:
        return page
    scores = {id(element): page.scores[n] for n, element in enumerate(walk(page.tree)) if n in page.scores}
    return replace(
        page,
        tree=whole,
        scores={n: scores[id(element)] for n, element in enumerate(walk(whole)) if id(element) in scores},
        error=f"{page.error}; the rest is taken from the text layer",
    )


def _text_layer(page: documents.SourcePage) -> Reading | None:
    """What the page's own text says. The model reads pages whose text layer is damaged, too."""
    try:
        return page.reading() if page.reading is not None else None
    except UnreadablePage:
        return None


def _asked_of_the_caller(flow: Flow[Found], password: Callable[[str], str | None], name: str) -> str | None:
    return flow.ask(partial(password, name))


def _assembled(job: Job, pages: list[PageResult]) -> Result:
    ordered = tuple(sorted(pages, key=lambda page: page.number))
    return Result(job.source.name, job.source.place, ordered, tuple(job.document.warnings))


def _unopened(found: sources.Unfit) -> PageResult:
    return PageResult(found.name, 0, "failed", doctags.Page(number=0), engine="none", error=found.error)


def _missing(name: str, number: int, error: str, engine: str) -> PageResult:
    marker = doctags.Element("text", text=f"[page {number} is missing: {error}]")
    return PageResult(name, number, "failed", doctags.Page((marker,), number=number), engine=engine, error=error)
