"""`/v1/chat/completions` and `/v1/models`, as OpenAI's clients know them.

Knows: questions, readings, answers as text and as a stream of events. Does not know: jobs, forms.
Laws: what is streamed, put together, is the answer that is given whole, but for a page that runs away: what has been
sent cannot be taken back. A client that hangs up costs the engine no more than a step.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from smoldocling import hub, loops
from smoldocling.engine.ear import Ear
from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult
from smoldocling.serve.asked import Asked
from smoldocling.serve.convert import entered
from smoldocling.serve.guard import Refused, problem
from smoldocling.serve.line import Line, Place
from smoldocling.serve.metrics import Metrics
from smoldocling.serve.question import Question, Unclear, read
from smoldocling.serve.reading import Cancelled, Reading
from smoldocling.serve.settings import Settings
from smoldocling.serve.tasks import known, understood
from smoldocling.transcriber import Transcriber

if TYPE_CHECKING:
    from concurrent.futures import Future

BLANK = "<doctag></doctag>"
# A proxy hangs up on a stream that says nothing; a page may take minutes to its first id.
ALIVE_SECONDS = 15.0
Finish = Literal["stop", "length"]


class NoAnswer(Exception):
    """There will be none. `status`: whose fault that is, in HTTP's words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Speech:
    """Ids into text, as they come, up to the first of the texts that stop it."""

    def __init__(self, model: Transcriber, stops: tuple[str, ...]) -> None:
        self._vocab = model.vocab
        self._stops = stops
        self._kept = max((len(stop) for stop in stops), default=1) - 1
        self._pending: list[int] = []
        self._text = ""
        self._sent = 0
        self.stopped = False

    def add(self, ids: tuple[int, ...]) -> str:
        """What can be said now: whole characters that are no beginning of a stop."""
        if self.stopped:
            return ""
        self._pending += ids
        text = self._vocab.decode(self._pending)
        if text.endswith("\ufffd"):  # the bytes of a character that is not complete
            return ""
        self._pending.clear()
        return self._say(self._text + text, self._kept)

    def end(self, ids: tuple[int, ...]) -> str:
        """All ids of the answer are known: what has not been said yet."""
        return "" if self.stopped else self._say(self._vocab.decode(ids), 0)

    def _say(self, text: str, kept: int) -> str:
        self._text = text
        places = [place for stop in self._stops if (place := text.find(stop, max(0, self._sent - kept))) >= 0]
        end = min(places, default=max(self._sent, len(text) - kept))
        self.stopped = bool(places)
        said, self._sent = text[self._sent : end], max(self._sent, end)
        return said


class Answering:
    """One question on its way through the engine. Made and used in the server's loop."""

    def __init__(self, converter: Converter, question: Question, settings: Settings) -> None:
        assert isinstance(converter.reader, Transcriber), "there is somebody to ask"
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[tuple[int, ...] | None] = asyncio.Queue()
        self._ear = Ear(self._post)
        self._asked = Asked(converter.reader, question.instruction, question.most, self._ear)
        source = Source("image", PurePath("image"), question.image)
        alone = converter.with_options(pages="1", password=None, text="model", pictures=False, page_images=False)
        self._reading = Reading(alone.with_reader(self._asked), source, self._take)
        self._speech = Speech(self._asked, question.stops)
        self._page: PageResult | None = None
        self._future: Future[None] | None = None
        self._came = 0
        self._limit = self._loop.time() + settings.request_seconds
        self._seconds = settings.request_seconds
        self.tokens = 0
        self.finish: Finish = "stop"

    def begin(self, place: Place) -> None:
        """Take a turn in the line."""
        self._future = place.work(self._reading.run)
        self._future.add_done_callback(lambda _: self._post(None))

    async def pieces(self) -> AsyncIterator[str]:
        """The answer, a piece at a time; "" from time to time while there is none. Raises NoAnswer."""
        try:
            while (ids := await self._next()) is not None:
                if not ids:
                    yield ""
                    continue
                self._came += len(ids)
                said = self._speech.add(ids)
                if self._speech.stopped:
                    self._ear.enough = min(self._ear.enough, self._came)
                if said:
                    yield said
            if said := self._last():
                yield said
        finally:
            self.leave()

    async def whole(self) -> str:
        """The answer. One that has run away is cut back to its last good element. Raises NoAnswer."""
        text = "".join([piece async for piece in self.pieces()])
        generation = self._asked.generation
        if generation is None or generation.stop is None:
            return text
        kept = loops.keep(self._asked.vocab.decode(generation.ids[: generation.stop.start]))
        return text[: len(kept)] if text.startswith(kept) else kept

    def leave(self) -> None:
        """Nobody wants anything more of it."""
        self._reading.cancel()
        if self._future is not None:
            self._future.cancel()

    @property
    def usage(self) -> dict[str, int]:
        """What it took."""
        prompt = self._asked.prompt_tokens
        return {"prompt_tokens": prompt, "completion_tokens": self.tokens, "total_tokens": prompt + self.tokens}

    async def _next(self) -> tuple[int, ...] | None:
        left = self._limit - self._loop.time()
        try:
            async with asyncio.timeout(min(ALIVE_SECONDS, max(0.0, left))):
                return await self._heard.get()
        except TimeoutError:
            if left <= ALIVE_SECONDS:
                raise NoAnswer(504, f"the answer took longer than {self._seconds:g} s") from None
            return ()

    def _last(self) -> str:
        """The engine is done. Raises NoAnswer."""
        assert self._future is not None, "it has begun"
        error = Cancelled() if self._future.cancelled() else self._future.exception()
        if isinstance(error, Cancelled):
            raise NoAnswer(503, "the server has given it up")
        if error is not None:
            raise NoAnswer(500, f"{type(error).__name__}: {error}")
        page, generation = self._page, self._asked.generation
        if page is not None and page.status == "blank":
            return BLANK
        if generation is None:
            assert page is not None, "a source gives a page"
            raise NoAnswer(500 if self._asked.failed else 400, page.error or "there is no answer")
        self.tokens = len(generation.ids)
        cut = generation.finish not in ("stop", "enough")
        said = self._speech.end(generation.ids)
        self.finish = "length" if cut and not self._speech.stopped else "stop"
        return said

    def _take(self, page: PageResult) -> None:
        self._page = page

    def _post(self, ids: tuple[int, ...] | None) -> None:
        with suppress(RuntimeError):  # the server's loop is closed, and nobody waits any more
            self._loop.call_soon_threadsafe(self._heard.put_nowait, ids)


def routes(converter: Converter, settings: Settings, line: Line, metrics: Metrics, names: frozenset[str]) -> APIRouter:
    """The routes. `names`: what clients may call the model."""
    router = APIRouter()
    model = converter.reader if isinstance(converter.reader, Transcriber) else None
    born = int(time.time())

    @router.get("/v1/models")
    async def models() -> Response:
        """The model that is served, if there is one."""
        return JSONResponse({"object": "list", "data": [_card(converter, born)] if model is not None else []})

    @router.get("/v1/models/{name:path}")
    async def card(name: str) -> Response:
        """The model of that name."""
        if model is None or name not in names:
            raise Refused(404, f"there is no model {name[:80]!r}")
        return JSONResponse(_card(converter, born))

    @router.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        """Ask the model about a page image. See docs/serve.md."""
        place = entered(line)
        try:
            try:
                asked = await run_in_threadpool(read, await request.body())
                question = _understood(asked, model, names, settings)
            except Unclear as error:
                return JSONResponse(problem(error.status, str(error), code=error.code, param=error.param), error.status)
            except ClientDisconnect as error:
                raise Refused(400, "the request broke off") from error
            answering = Answering(converter, question, settings)
            answering.begin(place)
        finally:
            place.leave()
        if question.stream:
            return _Stream(_events(answering, question, metrics), media_type="text/event-stream")
        return await _answer(request, answering, question, metrics)

    return router


def names(converter: Converter, model: str) -> frozenset[str]:
    """What clients may call the model: its name, with and without revision, and what the server was started with."""
    served = converter.checkpoint or model
    plain = served.partition("@")[0]
    short = {name for name, whole in hub.SHORT_NAMES.items() if whole == plain}
    return frozenset({served, plain, PurePath(plain).name, model, *short})


def _card(converter: Converter, born: int) -> dict[str, Any]:
    return {"id": converter.checkpoint, "object": "model", "created": born, "owned_by": "smoldocling"}


def _understood(question: Question, model: Transcriber | None, names: frozenset[str], settings: Settings) -> Question:
    """Raises Unclear for what this server cannot be asked."""
    if model is None:
        raise Unclear(
            "there is no model here that reads images: send PDFs to /v1/convert, or start the server with a checkpoint",
            "model",
            "model_not_found",
            404,
        )
    if question.model not in names:
        raise Unclear(f"there is no model {question.model[:80]!r} here", "model", "model_not_found", 404)
    if len(question.image) > settings.image_bytes:
        raise Unclear(f"the image is too large: {settings.image_bytes:,} bytes are the limit", "messages", status=413)
    instruction = understood(question.instruction, model.vocab)
    if instruction is None:
        told = "; ".join(task.shown for task in known(model.vocab))
        raise Unclear(
            f"{question.instruction[:80]!r} is no instruction that this model knows; it knows: {told}", "messages"
        )
    return replace(question, instruction=instruction)


async def _answer(request: Request, answering: Answering, question: Question, metrics: Metrics) -> Response:
    asking = asyncio.ensure_future(answering.whole())
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({asking, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            asking.cancel()
            _count(metrics, answering, "cancelled")
            return Response(status_code=499)
        text = asking.result()
    except NoAnswer as error:
        _count(metrics, answering, "error")
        return JSONResponse(problem(error.status, str(error)), error.status)
    finally:
        gone.cancel()
        answering.leave()
    _count(metrics, answering, answering.finish)
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": answering.finish, "logprobs": None}
    return JSONResponse(_envelope("chat.completion", question, choices=[choice], usage=answering.usage))


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Stream(StreamingResponse):
    """Closes what it streams at once, however it ends."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()


async def _events(answering: Answering, question: Question, metrics: Metrics) -> AsyncIterator[bytes]:
    """Server-sent events. An error after the first of them is an event, too."""
    head = _envelope("chat.completion.chunk", question)
    ended = "cancelled"
    try:
        yield _event(head | _choice({"role": "assistant", "content": ""}))
        async for piece in answering.pieces():
            yield _event(head | _choice({"content": piece})) if piece else b": still at work\n\n"
        ended = answering.finish
        yield _event(head | _choice({}, answering.finish))
        if question.usage:
            yield _event(head | {"choices": [], "usage": answering.usage})
        yield b"data: [DONE]\n\n"
    except NoAnswer as error:
        ended = "error"
        yield _event(problem(error.status, str(error)))
    finally:
        answering.leave()
        _count(metrics, answering, ended)


def _count(metrics: Metrics, answering: Answering, ended: str) -> None:
    metrics.count("completions_total", finish=ended)
    metrics.count("tokens_total", answering.usage["prompt_tokens"], kind="prompt")
    metrics.count("tokens_total", answering.tokens, kind="answer")


def _envelope(kind: str, question: Question, **more: Any) -> dict[str, Any]:
    key = f"chatcmpl-{secrets.token_hex(12)}"
    return {"id": key, "object": kind, "created": int(time.time()), "model": question.model, **more}


def _choice(delta: dict[str, str], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}


def _event(thing: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(thing, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"
