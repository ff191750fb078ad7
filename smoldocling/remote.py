"""Pages read by a model that somebody else serves: any server of chat completions as OpenAI's are (vLLM, SGLang...).

Knows: HTTP, page images, the family's instruction. Does not know: documents, tiles and ids; the server cuts and counts.
Laws: every page that is asked for is answered once, whatever the server does; no more than `concurrency` requests are
open at a time; an answer that runs away or that nobody wants is cut off, and the server is told by hanging up.
"""

from __future__ import annotations

import base64
import json
import math
import os
import random
import re
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import urllib3

from smoldocling import loops
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.stop import Stop, Watch
from smoldocling.errors import UnreadablePage, UnusableOption
from smoldocling.result import PageResult, Status
from smoldocling.transcriber import transcribed
from smoldocling.views import Whole
from smoldocling.vocab import PAGE_INSTRUCTION

if TYPE_CHECKING:
    from smoldocling.engine.sequence import Generation, Request
    from smoldocling.pages.textlayer import Reading

# As SmolDocling's and granite-docling's own processors: four tiles of 512 pixels along the long side.
SPLITS, TILE_PX = 4, 512
# A server batches what comes together; vLLM's own default is 256 sequences, more than a page renderer can feed.
CONCURRENCY = 16
CONNECT_SECONDS = 10.0
# Until the next piece of an answer: a server with a long queue may take minutes to the first.
READ_SECONDS = 300.0
TRIES = 5
# Doubled after each try, as RFC 9110 leaves to the client; a server that names a time (Retry-After) is obeyed.
PAUSE_SECONDS, MOST_PAUSE_SECONDS = 0.5, 60.0
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
POLL_SECONDS = 0.05
KEY = "SMOLDOCLING_API_KEY"
"""An environment variable: sent as a bearer token."""

# What ends an answer may stand in it, since special tokens are kept.
_ENDS = re.compile(r"(?:\s*(?:<end_of_utterance>|<\|im_end\|>|<\|end_of_text\|>|</s>))+\s*\Z")
# About what a tokenizer would make of an answer: tags, words with the blank before them, single signs.
_PIECE = re.compile(r"<[/a-zA-Z0-9_|#+]+>| ?\w+|.", re.DOTALL)
# The last piece of a stream may grow as long as it is no more than this.
_GROWING = 64


@dataclass(frozen=True, slots=True)
class Ask:
    """One page to be sent. `image` is a PNG."""

    key: int
    image: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    finish  "stop": the model ended by itself; "length": cut off by a limit; "repeated": cut off by us, `stop` says why;
            "error": `error` says why
    tokens  as the server counts them, else pieces of the stream
    """

    key: int
    text: str
    finish: Literal["stop", "length", "repeated", "error"]
    tokens: int
    seconds: float
    error: str | None = None
    stop: Stop | None = None


class Server:
    """One server, as an engine: asks in, answers out."""

    name = "server"

    def __init__(
        self, url: str, model: str | None, *, concurrency: int = CONCURRENCY, max_new_tokens: int | None = None
    ) -> None:
        """Find the server and choose among its models. Raises UnusableOption where there is none.

        url    with or without /v1
        model  as the server calls it; None: the only one, or the only one whose name has "docling" in it
        """
        self.url = _base(url)
        self.concurrency = concurrency
        self._most = max_new_tokens
        key = os.environ.get(KEY)
        self._http = urllib3.PoolManager(
            maxsize=concurrency,
            block=False,
            retries=False,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        )
        self.model = self._chosen(model)

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        """Answer every ask once, in any order; an ask that fails is an answer. May be closed at any `yield`."""
        # The desk hands on what `Remote.request` made and looks at keys only.
        return cast("Iterator[Generation]", self._run(cast("Iterable[Ask]", Inbox.of(requests))))

    def _run(self, asks: Iterable[Ask]) -> Iterator[Answer]:
        inbox = cast("Inbox", asks)
        left: dict[int, threading.Event] = {}
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="smoldocling-server")
        open_now: set[Future[Answer]] = set()
        try:
            while not inbox.abandoned:
                while (
                    len(open_now) < self.concurrency
                    and (ask := cast("Ask | None", inbox.take(0 if open_now else math.inf))) is not None
                ):
                    left[ask.key] = threading.Event()
                    open_now.add(pool.submit(self._asked, ask, left[ask.key]))
                if not open_now:
                    return
                done, open_now = wait(open_now, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    answer = future.result()
                    del left[answer.key]
                    yield answer
                for key, event in left.items():
                    if not inbox.wanted(key):
                        event.set()
        finally:
            for event in left.values():
                event.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _asked(self, ask: Ask, left: threading.Event) -> Answer:
        """Try until there is an answer, or none is to be expected."""
        started = time.monotonic()
        pause = PAUSE_SECONDS
        for attempt in range(1, TRIES + 1):
            try:
                return self._answer(ask, started, left)
            except _Passing as error:
                why = str(error)
                wanted = error.pause if error.pause is not None else pause * random.uniform(0.5, 1.5)
                if attempt < TRIES and left.wait(min(wanted, MOST_PAUSE_SECONDS)):
                    break
                pause *= 2
            except Exception as error:  # whatever a server does costs the page that it was asked for
                why = f"{type(error).__name__}: {error}" if not isinstance(error, UnreadablePage) else str(error)
                return Answer(ask.key, "", "error", 0, time.monotonic() - started, f"{self.url}: {why}")
        return Answer(ask.key, "", "error", 0, time.monotonic() - started, f"{self.url}: {why}; tried {TRIES} times")

    def _answer(self, ask: Ask, started: float, left: threading.Event) -> Answer:
        """Raises _Passing for what may be otherwise next time, UnreadablePage for what will not."""
        response = self._sent("POST", "/chat/completions", self._body(ask))
        try:
            stream = _Stream(Watch(loops.Reading(texts := _Texts())), texts)
            for line in _lines(response):
                if left.is_set():
                    break
                if stream.take(line):
                    break
            if stream.error is not None:
                raise UnreadablePage(stream.error)
            if stream.finish is None and stream.stop is None and not left.is_set():
                raise _Passing("the answer broke off")
            return stream.answer(ask.key, time.monotonic() - started)
        finally:
            response.close()  # in the middle of an answer this hangs up, and the server stops writing

    def _body(self, ask: Ask) -> dict[str, Any]:
        image = "data:image/png;base64," + base64.b64encode(ask.image).decode()
        content = [{"type": "image_url", "image_url": {"url": image}}, {"type": "text", "text": PAGE_INSTRUCTION}]
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            # Tags are special tokens: without this vLLM and SGLang leave them out, and nothing remains but text.
            "skip_special_tokens": False,
            **({"max_tokens": self._most} if self._most else {}),
        }

    def _sent(self, method: str, path: str, body: dict[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
        """A response that says 200. Raises as `_answer` does."""
        try:
            response = self._http.request(
                method,
                self.url + path,
                body=json.dumps(body).encode() if body else None,
                headers={**self._http.headers, "Content-Type": "application/json"},
                preload_content=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _Passing(_reason(error)) from error
        if response.status == 200:
            return response
        with response:
            told = _told(response)
        if response.status in PASSING:
            raise _Passing(told, _seconds(response.headers.get("Retry-After")))
        raise UnreadablePage(told)

    def _chosen(self, wanted: str | None) -> str:
        try:
            with self._sent("GET", "/models") as response:
                served = [str(one["id"]) for one in json.loads(response.read())["data"]]
        except (_Passing, UnreadablePage) as error:
            raise UnusableOption(f"server {self.url}: {error}") from error
        except (ValueError, KeyError, TypeError, urllib3.exceptions.HTTPError) as error:
            raise UnusableOption(f"server {self.url}: /models is no list of models; is the address right?") from error
        if wanted is not None:
            if wanted in served:
                return wanted
            raise UnusableOption(f"server {self.url}: it has no model {wanted!r}, but {', '.join(served) or 'none'}")
        ours = served if len(served) == 1 else [name for name in served if "docling" in name.lower()]
        if len(ours) != 1:
            raise UnusableOption(f"server {self.url}: it has {', '.join(served) or 'no model'}; choose with --model")
        return ours[0]


class Remote:
    """A server with what stands between it and pages. Its face is that of `transcriber.Transcriber`."""

    without_native: str | None = None

    def __init__(self, server: Server, splits: int | None) -> None:
        """`splits` decides how large images are sent; None: as the family's own processors want them."""
        self.engine = server
        self.view = Whole(splits or SPLITS, TILE_PX)

    @property
    def checkpoint(self) -> str:
        """As the server calls it."""
        return self.engine.model

    def request(self, key: int, drawn: bytes, reading: Reading | None) -> Request:
        """What is sent for a page, given as `view` draws it."""
        return cast("Request", Ask(key, drawn))

    def page(self, source: str, number: int, size: tuple[float, float], generation: Generation) -> PageResult:
        """The page that the model wrote. Raises UnreadablePage where it wrote none."""
        answer = cast("Answer", generation)
        if answer.finish == "error":
            raise UnreadablePage(answer.error or "the server gave no reason")
        raw, status, error = _kept(answer)
        if raw.strip() and "<" not in raw:
            raise UnreadablePage(
                f"{self.engine.url}: the answer holds no tags but text ({raw.strip()[:40]!r}...); the server must "
                "serve a model that writes DocTags, and keep special tokens (skip_special_tokens=false)"
            )
        result = transcribed(source, number, size, raw, self.engine.name)
        return replace(
            result, status=status, error=error, tokens=answer.tokens, steps=answer.tokens, seconds=answer.seconds
        )


class _Passing(Exception):
    """What may be otherwise next time. `pause`: seconds that the server asks to be left alone."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass
class _Texts:
    """Numbers for pieces of text, so that rules that work on ids can follow a stream."""

    texts: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, piece: str) -> int:
        if piece not in self._numbers:
            self._numbers[piece] = len(self.texts)
            self.texts.append(piece)
        return self._numbers[piece]


@dataclass
class _Stream:
    """One answer on its way: server-sent events in, text out, watched for running away."""

    watch: Watch
    texts: _Texts
    text: str = ""
    finish: str | None = None
    stop: Stop | None = None
    error: str | None = None
    tokens: int = 0
    starts: list[int] = field(default_factory=list)
    """Where in the text each piece that has been watched begins."""
    _seen: int = 0

    def answer(self, key: int, seconds: float) -> Answer:
        """What has come. Of an answer that has run away the part before it did."""
        tokens = self.tokens or len(self.starts)
        if self.stop is not None:
            good = self.text[: self.starts[self.stop.start]] if self.stop.start < len(self.starts) else self.text
            return Answer(key, good, "repeated", tokens, seconds, stop=self.stop)
        return Answer(key, self.text, "length" if self.finish == "length" else "stop", tokens, seconds)

    def take(self, line: str) -> bool:
        """One line of the stream; True: it is over."""
        if not line.startswith("data:"):
            return False
        data = line[5:].strip()
        if data == "[DONE]":
            self._follow(over=True)
            return True
        try:
            event = json.loads(data)
            if event.get("error"):
                self.error = _short(event["error"])
                return True
            self.tokens = (event.get("usage") or {}).get("completion_tokens") or self.tokens
            for choice in event.get("choices") or ():
                self.text += (choice.get("delta") or {}).get("content") or ""
                self.finish = choice.get("finish_reason") or self.finish
        except (ValueError, TypeError, AttributeError):
            self.error = f"it sent {_short(data)}, where an event of a stream was expected"
            return True
        return self._follow(over=False)

    def _follow(self, *, over: bool) -> bool:
        """Look at the pieces that are complete; True: the answer has run away."""
        for match in _PIECE.finditer(self.text, self._seen):
            if not over and match.end() == len(self.text) and len(match[0]) < _GROWING:
                break
            if not over and match[0] == "<" and len(self.text) - match.start() < _GROWING:
                break  # it may become a tag
            self.starts.append(match.start())
            self._seen = match.end()
            self.stop = self.watch.see((self.texts.number(match[0]),))
            if self.stop:
                return True
        return False


def _kept(answer: Answer) -> tuple[str, Status, str | None]:
    """What is kept of an answer, and what became of it."""
    if answer.stop is None:
        cut = answer.finish == "length"
        return _ENDS.sub("", answer.text), "truncated" if cut else "ok", "cut off by the server" if cut else None
    return loops.keep(answer.text), "repeated", f"stopped after {answer.tokens} tokens: {answer.stop.reason}"


def _base(url: str) -> str:
    """Raises UnusableOption for what is no address."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UnusableOption(f"server {url!r}: an address like http://localhost:8000/v1 is taken")
    path = re.sub(r"/(?:chat/completions|models)/?\Z", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path or '/v1'}"


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[str]:
    """Lines of a body as they come. Raises _Passing where it breaks off."""
    rest = b""
    try:
        for part in response.stream(1 << 14, decode_content=True):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\r")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise _Passing(_reason(error)) from error
    if rest:
        yield rest.decode("utf-8", "replace")


def _told(response: urllib3.BaseHTTPResponse) -> str:
    """What a server says that it does not like."""
    try:
        body = response.read(1 << 16, decode_content=True)
        found = json.loads(body)
        detail = found.get("error", found) if isinstance(found, dict) else found
        told = _short(detail.get("message", detail) if isinstance(detail, dict) else detail)
    except (ValueError, urllib3.exceptions.HTTPError, OSError):
        told = ""
    return f"HTTP {response.status} {response.reason or ''}".rstrip() + (f": {told}" if told else "")


def _reason(error: Exception) -> str:
    """In words of a person; urllib3 wraps what happened in what it tried."""
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return f"it said nothing for {READ_SECONDS:.0f} s"
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "there is no such host"
    if isinstance(error, urllib3.exceptions.NewConnectionError):  # a kind of the next one
        return "nobody answers there"
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return f"it could not be reached within {CONNECT_SECONDS:.0f} s"
    return f"the connection broke ({type(error).__name__})"


def _short(thing: object) -> str:
    text = " ".join(str(thing).split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def _seconds(told: str | None) -> float | None:
    """Of Retry-After; a date is left to our own pauses."""
    return float(told) if told and told.strip().isdecimal() else None
