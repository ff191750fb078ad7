"""The library: documents in, pages and documents out.

Joins pages, engine, grammar and converters; nothing below knows of the others. Law: every page that was asked for comes
back exactly once, whatever happens to it, and no more documents are open than pages are on their way: a few ahead of
the engine, those in it, and a few behind it.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import aclosing, closing
from dataclasses import replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, Unpack

import converters
import doctags
from smoldocling import layer
from smoldocling.awaited import awaited, pulled
from smoldocling.desk import Desk
from smoldocling.errors import NoCheckpoint, UnusableInput, UnusableOption
from smoldocling.flow import Flow
from smoldocling.intake import Found, Hands, Intake, Job, Seen, Unopened
from smoldocling.layer import reason
from smoldocling.pages import documents, sources
from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.result import PageResult, Result, Status
from smoldocling.transcriber import Transcriber, load
from smoldocling.verdict import TextName, verdict
from smoldocling.wanted import Wanted, Wishes
from smoldocling.workers import pool
from smoldocling.workers.board import Answer
from smoldocling.workers.limits import TIMEOUT_SECONDS, Limits
from smoldocling.workers.orders import Cut, Cuts, Look, Looked, Read, Work

if TYPE_CHECKING:
    from smoldocling.desk import Outcome
    from smoldocling.engine.sequence import Generation, Request
    from smoldocling.remote import Remote

DEFAULT_MODEL = "smoldocling"
EngineName = Literal["auto", "native", "transformers", "textlayer"]
ENGINES: tuple[EngineName, ...] = ("auto", "native", "transformers", "textlayer")
Tick = Callable[[int, int, int], None]
Workers = int | Literal["auto"]
Leaving = Callable[[], None]
# Pages of which nothing is missing, and somebody has read them.
WHOLE: frozenset[Status] = frozenset({"ok", "textlayer"})
# More pages at a time than any memory holds.
MAX_BATCH = 4096
# More processes than any machine has use for.
MAX_WORKERS = 256
# How many workers there are where nobody says. Each has a quarter of a gigabyte, and a model keeps few of them busy.
MOST_READING, MOST_LOOKING = 16, 4
# Pages on their way to and from workers: enough of them that a worker finds more of a document that it has open, and
# that a page that takes long does not keep the others waiting. A page that is drawn for a model has 16 MB.
READS_AHEAD, LOOKS_AHEAD = 8, 2
# Pages that a model has finished out of order: a batch or two.
MODEL_SPAN = 64

_Done = tuple[Job, PageResult] | sources.Unfit
"""A page that is done with its document; or a document that cannot be opened."""


class Converter:
    """Loads once, converts many. Every keyword has the name of the command-line option.

    It may be used in several threads at a time, and for several streams in one: they share the model. What differs from
    one document to the next, `with_options` changes. Nothing has to be closed but streams that are left half way: the
    model's thread ends with the last stream, and its memory is free when no converter that shares it is there any more.
    """

    def __init__(
        self,
        *,
        model: str = DEFAULT_MODEL,
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
        workers: Workers = "auto",
        timeout: float = TIMEOUT_SECONDS,
        server: str | None = None,
    ) -> None:
        """Find and load the checkpoint that `engine` needs, or the server that has it.

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
        workers   processes that read and draw PDFs, so that a crash or a hang costs one page; 0: none, all is done here
        timeout   seconds after which a page is given up, where there are workers; a model takes the time it takes
        server    address of an OpenAI-compatible server that serves such a model, which then reads the pages in place
                  of an engine here; `model` is its name there, `batch_size` how many requests are open at a time, and
                  SMOLDOCLING_API_KEY in the environment is sent along

        Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
        """
        if engine not in ENGINES:
            raise UnusableOption(f"engine {engine!r}: {', '.join(ENGINES)} are the choices")
        if splits is not None and not 1 <= splits <= MAX_SPLITS:
            raise UnusableOption(f"splits {splits}: 1 to {MAX_SPLITS} tiles along the long side are possible")
        if max_new_tokens is not None and max_new_tokens < 1:
            raise UnusableOption(f"max_new_tokens {max_new_tokens}: at least 1 is needed")
        if batch_size != "auto" and not 1 <= batch_size <= MAX_BATCH:
            raise UnusableOption(f"batch_size: 'auto' or 1 to {MAX_BATCH}")
        if workers != "auto" and not (type(workers) is int and 0 <= workers <= MAX_WORKERS):
            raise UnusableOption(f"workers {workers!r}: 'auto' or 0 to {MAX_WORKERS}")
        self._workers = workers
        self._wanted = Wanted().but(
            {
                "pages": pages,
                "password": password,
                "text": text,
                "pictures": pictures,
                "page_images": page_images,
                "timeout": timeout,
            }
        )
        self.without_model: str | None = None
        """Why pages are read from their text layer although a model was asked for; None where one is used."""
        self._reader: Transcriber | Remote | None = None
        if server is not None:
            self._reader = _serving(server, engine, model, splits, batch_size, max_new_tokens, constrain=constrain)
        elif engine != "textlayer":
            try:
                self._reader = load(
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
        return self._reader.without_native if self._reader else None

    @property
    def engine(self) -> str:
        """The engine in use."""
        return self._reader.engine.name if self._reader else "textlayer"

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint in use, name@revision where it has one; None where pages are read without a model."""
        if self._reader is None:
            return None
        return self._reader.checkpoint

    @property
    def reader(self) -> Transcriber | Remote | None:
        """Who reads the pages; None where their text layer is read."""
        return self._reader

    def with_options(self, **wishes: Unpack[Wishes]) -> Converter:
        """This converter with other `pages`, `password`, `text`, `pictures`, `page_images` or `timeout`.

        It costs nothing: model, engine and workers are the same, and pages of both are in one batch. This one stays as
        it is, and neither needs the other. Raises UnusableOption.
        """
        made = copy.copy(self)
        made._wanted = self._wanted.but(wishes)
        return made

    def with_reader(self, reader: Transcriber) -> Converter:
        """This converter with somebody else between engine and pages: other prompts, other answers, the same engine."""
        assert self._reader is not None, "there is an engine to be shared"
        assert reader.engine is self._reader.engine, "one engine answers one desk"
        made = copy.copy(self)
        made._reader = reader
        return made

    def convert(self, source: sources.Input, **wishes: Unpack[Wishes]) -> Result:
        """Convert one document: a path, bytes, a binary file or a PIL image; `wishes` as in `with_options`.

        Raises UnusableInput where it cannot be opened; a page that fails is a page in the result.
        """
        if wishes:
            return self.with_options(**wishes).convert(source)
        results = list(self.documents([source]))
        if len(results) != 1:
            raise UnusableInput(f"{source!r}: holds {len(results)} documents; use documents() or stream()")
        if results[0].error is not None:
            raise UnusableInput(f"{results[0].name}: {results[0].error}")
        return results[0]

    def stream(self, inputs: Iterable[sources.Input] | sources.Input, *, ordered: bool = False) -> Stream:
        """Pages as they are done, from many documents, in bounded memory; `ordered`: as they come in the inputs.

        A document that cannot be opened is a page with number 0 and status "failed". `inputs` is read in a thread of
        its own, a few pages ahead: it may be slow, and it may never end. Whoever stops half way closes the stream, or
        lets it go; `Stream.stop` ends it from another thread.
        """
        return Stream(partial(self._work, inputs, ordered))

    async def astream(
        self,
        inputs: AsyncIterable[sources.Input] | Iterable[sources.Input] | sources.Input,
        *,
        ordered: bool = False,
    ) -> AsyncIterator[PageResult]:
        """`stream` for asyncio: the loop goes on while pages are waited for, and cancelling ends the work.

        `inputs` may be asynchronous too.
        """
        given = pulled(inputs, asyncio.get_running_loop()) if isinstance(inputs, AsyncIterable) else inputs
        async with aclosing(awaited(partial(self._work, given, ordered))) as work:
            async for done in work:
                yield _unopened(done) if isinstance(done, sources.Unfit) else done[1]

    def documents(
        self, inputs: Iterable[sources.Input] | sources.Input, *, ordered: bool = False, tick: Tick | None = None
    ) -> Iterator[Result]:
        """Documents as they are done; `ordered`: as they come in the inputs. One that cannot be opened has an `error`.

        tick  called after every page with (pages done, pages and documents found so far)
        """
        done = expected = found = 0
        open_now: dict[Job, list[PageResult]] = {}
        with closing(self._work(inputs, ordered)) as work:
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
        assert self._reader is not None, "nobody asks where there is no model"
        return self._reader.engine.run(requests)

    def _intake(self, ordered: bool) -> Intake:
        """A stream's documents, with who works on them."""
        most = 0 if not pool.possible() else self._most_workers() if self._workers == "auto" else self._workers
        hands: Hands = pool.shared(most) if most else pool.Here()
        window = 1 if not most else most + LOOKS_AHEAD if self._reader else most * READS_AHEAD
        span = window + (MODEL_SPAN if self._reader else window) if ordered else None
        return Intake(
            self._wanted.selection, hands, self._order, self._more, Limits(self._wanted.timeout), window, span
        )

    def _most_workers(self) -> int:
        """Two at least: while one hangs, the other goes on."""
        return min(max(2, pool.cores()), MOST_LOOKING if self._reader else MOST_READING)

    def _order(self, number: int) -> Work:
        """What is wanted of a page."""
        if self._reader is None:
            return Read(number, self.without_model)
        return Look(number, self._reader.view)

    def _more(self, seen: Seen) -> Work | None:
        """What is wanted of a page that has been read from its text layer."""
        return self._illustrating(seen.answer.value) if isinstance(seen.answer.value, PageResult) else None

    def _illustrating(self, page: PageResult) -> Work | None:
        """What gets a page its pictures; None where it has none. A page may hang there that could be read."""
        pictures = self._wanted.pictures and bool(converters.picture_elements(page.tree))
        if not pictures and not self._wanted.page_images:
            return None
        return Cut(page.number, page.tree if pictures else None, self._wanted.page_images)

    def _work(
        self,
        inputs: Iterable[sources.Input] | sources.Input,
        ordered: bool,
        begun: Callable[[Leaving], None] | None = None,
    ) -> Generator[_Done]:
        """Every page with the document it belongs to; documents that cannot be opened come without a page.

        begun  called with what ends all of this soon, from another thread
        """
        held: dict[int, _Done] = {}
        turn = 0
        with closing(self._intake(ordered)) as intake:
            flow: Flow[Found] = Flow(self._desk, partial(self._requests, inputs, intake), intake.wake)
            if begun is not None:
                begun(flow.stop)
            with closing(flow.results()) as results:
                for found, outcome in results:
                    held[found.ticket if ordered else turn] = self._settled(intake, found, outcome)
                    while turn in held:
                        done = held.pop(turn)
                        turn += 1
                        intake.handed_on()
                        if not isinstance(done, sources.Unfit):
                            intake.finish(done[0])  # not before: it is what says that a document is complete
                        yield done

    def _requests(
        self, inputs: Iterable[sources.Input] | sources.Input, intake: Intake, flow: Flow[Found]
    ) -> Generator[tuple[Found, Request | None]]:
        """What there is to do, in a thread ahead of the engine: documents opened, pages drawn and cut into tiles."""
        password = self._wanted.password
        if callable(password):
            password = partial(_asked_of_the_caller, flow, password)
        for found in intake.pages(sources.expand(inputs), password):
            yield self._requested(found) if isinstance(found, Seen) and self._reader else (found, None)

    def _requested(self, seen: Seen) -> tuple[Found, Request | None]:
        """What the engine is to be asked about a page. Its pixels go with the request, and nobody else keeps them."""
        assert self._reader is not None, "nobody asks where there is no model"
        looked = seen.answer.value
        if not isinstance(looked, Looked) or looked.view is None:
            return seen, None
        request, error = None, None
        try:
            request = self._reader.request(next(self._desk.keys), looked.view, looked.reading)
        except Exception as raised:
            error = reason(raised)
        kept = replace(looked, view=None, error=error)
        return replace(seen, answer=replace(seen.answer, value=kept)), request

    def _settled(self, intake: Intake, found: Found, outcome: Outcome) -> _Done:
        """What has become of one page, in the caller's thread."""
        if isinstance(found, Unopened):
            return found.unfit
        job, answer = found.job, found.answer
        if answer.error is not None:
            page = layer.missing(job.source.name, found.number, reason(answer.error), self.engine)
        elif isinstance(answer.value, Looked):
            assert self._reader is not None, "pages are looked at for a model"
            page = verdict(self._reader, self._wanted.text, job.source.name, found.number, answer.value, outcome)
            page = _retried(page, answer.lost)
            work = self._illustrating(page)
            page = _illustrated(page, None if work is None else intake.ask(job, work))
        else:
            page = _illustrated(_retried(answer.value, answer.lost), found.more)
        if job.alone is not None and page.status != "failed":
            page = _noted(page, f"read without a look at the document's other pages: {job.alone}")
        return job, replace(page, of=len(job.numbers), warnings=job.warnings)


class Stream(Iterator[PageResult]):
    """Pages as they are done. One thread iterates; any may `stop` it."""

    def __init__(self, start: Callable[[Callable[[Leaving], None]], Generator[_Done]]) -> None:
        self._end = _End()  # apart from this, so that who lets a stream go ends it
        self._work = start(self._end.begun)

    @property
    def stopped(self) -> bool:
        """Whether somebody has ended it early."""
        return self._end.wanted

    def __next__(self) -> PageResult:
        if self.stopped:
            self._work.close()
        done = next(self._work)
        return _unopened(done) if isinstance(done, sources.Unfit) else done[1]

    def stop(self) -> None:
        """Nothing more is wanted: iterating ends soon, pages on their way are given up. From any thread, at any time.

        Whoever iterates waits until nothing of it is left; who stops it does not wait.
        """
        self._end.want()

    def close(self) -> None:
        """Stop, and wait until nothing of it is left. For the thread that iterates."""
        self.stop()
        self._work.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _End:
    """The end of a stream, wanted before it has begun or after."""

    def __init__(self) -> None:
        self.wanted = False
        self._stop: Leaving | None = None

    def begun(self, stop: Leaving) -> None:
        self._stop = stop
        if self.wanted:
            stop()

    def want(self) -> None:
        self.wanted = True
        if self._stop is not None:
            self._stop()


def _serving(
    url: str,
    engine: EngineName,
    model: str,
    splits: int | None,
    batch_size: int | Literal["auto"],
    max_new_tokens: int | None,
    *,
    constrain: bool,
) -> Remote:
    """Raises UnusableOption for what a server cannot be asked, and where there is none."""
    if engine != "auto":
        raise UnusableOption(f"server {url}: it reads the pages, so there is no engine {engine!r} to choose")
    if constrain:
        raise UnusableOption(f"server {url}: what it may write cannot be constrained from here")
    from smoldocling import remote  # HTTP is for those who have a server

    concurrency = remote.CONCURRENCY if batch_size == "auto" else batch_size
    name = None if model == DEFAULT_MODEL else model
    return remote.Remote(remote.Server(url, name, concurrency=concurrency, max_new_tokens=max_new_tokens), splits)


def convert(source: sources.Input, **options: object) -> Result:
    """Convert one document; options are those of Converter. To convert many, make one Converter and keep it."""
    return Converter(**options).convert(source)  # type: ignore[arg-type]


def _illustrated(page: PageResult, answer: Answer | None) -> PageResult:
    """The page with its pictures. One whose pictures cannot be had is a page all the same."""
    if answer is None:
        return page
    if answer.error is not None:
        return _noted(page, f"its pictures could not be drawn: {reason(answer.error)}")
    cuts: Cuts = answer.value
    page = replace(page, pictures=cuts.pictures, problems=page.problems + cuts.problems, image=cuts.image)
    return _retried(page, answer.lost)


def _retried(page: PageResult, lost: str | None) -> PageResult:
    """A page over which a first worker was lost."""
    if lost is None or page.status == "failed":
        return page
    page = _noted(page, f"at the first try, {lost}")
    return replace(page, status="retried") if page.status in WHOLE else page


def _noted(page: PageResult, text: str) -> PageResult:
    return replace(page, note=f"{page.note}; {text}" if page.note else text)


def _asked_of_the_caller(flow: Flow[Found], password: Callable[[str], str | None], name: str) -> str | None:
    return flow.ask(partial(password, name))


def _assembled(job: Job, pages: list[PageResult]) -> Result:
    ordered = tuple(sorted(pages, key=lambda page: page.number))
    return Result(job.source.name, job.source.place, ordered, job.warnings)


def _unopened(found: sources.Unfit) -> PageResult:
    return PageResult(found.name, 0, "failed", doctags.Page(number=0), engine="none", error=found.error)
