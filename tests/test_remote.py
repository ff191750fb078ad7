"""A server of chat completions reads the pages: a real one on loopback, which does what real ones do to people."""

from __future__ import annotations

import base64
import io
import itertools
import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pymupdf
import pytest
from PIL import Image

from smoldocling import remote
from smoldocling.engine.inbox import Inbox
from smoldocling.errors import UnusableOption
from smoldocling.pages.documents import SourcePage
from smoldocling.remote import Ask, Remote, Server

MODEL = "docling-project/SmolDocling-256M-preview"


@dataclass
class Real:
    """A server. `answer` gets the request's body, its image and a function that sends; what it sends is the answer."""

    answer: Callable[[dict[str, Any], Image.Image, Handler], None]
    models: tuple[str, ...] = (MODEL,)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    hung_up: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with chunks, as uvicorn sends streams."""

    protocol_version = "HTTP/1.1"
    real: Real

    def do_GET(self) -> None:
        self.whole(200, {"object": "list", "data": [{"id": name} for name in self.real.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        image = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
        with self.real.lock:
            self.real.requests.append(body)
            self.real.headers.append(dict(self.headers))
        try:
            self.real.answer(body, image, self)
        except OSError:
            self.real.hung_up.set()

    def whole(self, status: int, thing: Any, **headers: str) -> None:
        data = json.dumps(thing).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def say(self, text: str, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        self.raw(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")

    def end(self, tokens: int = 7, finish: str = "stop") -> None:
        self.say("", finish)
        self.raw(b"data: " + json.dumps({"choices": [], "usage": {"completion_tokens": tokens}}).encode() + b"\n\n")
        self.raw(b"data: [DONE]\n\n")
        self.raw(b"")

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(real: Real) -> Iterator[Real]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"real": real}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    real.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield real
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def gray(image: Image.Image) -> int:
    """Which page this is: each has its own shade in the middle."""
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    return int(middle[0])


def told(body: dict[str, Any], image: Image.Image, handler: Handler) -> None:
    """A page that says which shade it has, in pieces that cut tags in two."""
    handler.begin()
    for piece in ("<doct", "ag><text><loc_1", "0><loc_10><loc_200><loc_20>shade ", str(gray(image)), "</text>\n</doc"):
        handler.say(piece)
    handler.say("tag><end_of_utterance>")
    handler.end()


def page(shade: int) -> SourcePage:
    pixels = np.full((200, 150, 3), 255, np.uint8)
    pixels[50:150, 40:110] = shade

    def no(*_: object) -> Any:
        raise AssertionError("nobody needs a piece")

    return SourcePage(1, (150.0, 200.0), lambda wide, high: pixels, no, None)


def ask(model: Remote, key: int, shade: int) -> Ask:
    drawn = model.view.of(page(shade))
    assert drawn is not None
    asked = model.request(key, drawn, None)
    assert isinstance(asked, Ask)
    return asked


def read(server: Server, shades: list[int]) -> dict[int, Any]:
    """Every page's result, or why there is none, by its shade."""
    model = Remote(server, None)
    asks = [ask(model, key, shade) for key, shade in enumerate(shades)]
    found: dict[int, Any] = {}
    for answer in server.run(asks):  # type: ignore[arg-type]
        shade = shades[answer.key]
        assert shade not in found, "answered twice"
        try:
            found[shade] = model.page("x.pdf", 1, (150.0, 200.0), answer)
        except Exception as error:
            found[shade] = str(error)
    return found


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.01)


def test_every_page_gets_its_own_answer_whatever_the_order():
    """Answers are told apart by their requests, not by when they come."""

    def slow_first(body, image, handler):
        with real.lock:
            real.open_now += 1
            real.most_open = max(real.most_open, real.open_now)
        time.sleep(0.1 if gray(image) % 2 else 0.01)
        with real.lock:
            real.open_now -= 1
        told(body, image, handler)

    with serving(Real(slow_first)) as real:
        found = read(Server(real.url, None, concurrency=5), list(range(0, 60, 3)))
    assert {shade: result.tree.elements[0].text for shade, result in found.items()} == {
        shade: f"shade {shade}" for shade in range(0, 60, 3)
    }
    assert all(result.status == "ok" and result.engine == "server" for result in found.values())
    assert 2 <= real.most_open <= 5


def test_request_is_what_the_family_was_taught_with(monkeypatch):
    """Another prompt, a sampled answer or stripped tags are what people get today."""
    monkeypatch.setenv("SMOLDOCLING_API_KEY", "secret")
    with serving(Real(told)) as real:
        found = read(Server(real.url + "/v1/", None, max_new_tokens=99), [17])
    (body,) = real.requests
    assert body["model"] == MODEL
    assert body["messages"][0]["content"][1] == {"type": "text", "text": "Convert this page to docling."}
    assert (body["temperature"], body["skip_special_tokens"], body["max_tokens"]) == (0, False, 99)
    assert real.headers[0]["Authorization"] == "Bearer secret"
    assert (found[17].tokens, found[17].problems) == (7, ())


def test_image_has_the_size_that_the_family_reads():
    """Four tiles of 512 along the long side: the server's processor need not enlarge or shrink it."""
    sizes = []

    def measured(body, image, handler):
        sizes.append(image.size)
        told(body, image, handler)

    with serving(Real(measured)) as real:
        read(Server(real.url, None), [3])
    assert sizes == [(1536, 2048)]


def test_blank_page_is_not_sent():
    """A page without ink needs no model."""
    with serving(Real(told)) as real:
        assert Remote(Server(real.url, None), None).view.of(page(255)) is None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again(status):
    """A full queue or a server that starts again costs time, no page."""
    tries = itertools.count(1)

    def moody(body, image, handler):
        if next(tries) < 4:
            handler.whole(status, {"error": {"message": "later"}}, Retry_After="0")
        else:
            told(body, image, handler)

    with serving(Real(moody)) as real:
        found = read(Server(real.url, None), [40])
    assert found[40].tree.elements[0].text == "shade 40"
    assert len(real.requests) == 4


def test_connection_that_breaks_in_the_middle_is_tried_again():
    """Half an answer must not be taken for a whole one."""
    tries = itertools.count(1)

    def fragile(body, image, handler):
        if next(tries) == 1:
            handler.begin()
            handler.say("<doctag><text>half")
            handler.close_connection = True
            handler.connection.close()
            return
        told(body, image, handler)

    with serving(Real(fragile)) as real:
        found = read(Server(real.url, None), [41])
    assert found[41].tree.elements[0].text == "shade 41"


def test_stream_that_ends_without_saying_so_is_tried_again():
    """A proxy may end a body in good order although the server behind it died."""
    tries = itertools.count(1)

    def cut(body, image, handler):
        if next(tries) == 1:
            handler.begin()
            handler.say("<doctag><text>half")
            handler.raw(b"")
            return
        told(body, image, handler)

    with serving(Real(cut)) as real:
        found = read(Server(real.url, None), [42])
    assert found[42].tree.elements[0].text == "shade 42"


def test_what_does_not_pass_costs_one_page_and_says_what_the_server_said():
    """A page too large for the server's context is not tried five times, and the others go on."""

    def picky(body, image, handler):
        if gray(image) == 50:
            handler.whole(400, {"error": {"message": "maximum context length is 8192 tokens"}})
        else:
            told(body, image, handler)

    with serving(Real(picky)) as real:
        found = read(Server(real.url, None), [50, 51, 52])
    assert found[50] == f"{real.url}/v1: HTTP 400 Bad Request: maximum context length is 8192 tokens"
    assert [found[shade].status for shade in (51, 52)] == ["ok", "ok"]
    assert len(real.requests) == 3


@pytest.mark.parametrize(
    "nonsense",
    [b"data: {nonsense\n\n", b"data: 7\n\n", b'data: {"choices": 5}\n\n', b'data: {"error": "no memory"}\n\n'],
)
def test_nonsense_costs_one_page(nonsense):
    """Whatever a server sends, the run goes on."""

    def mad(body, image, handler):
        handler.begin()
        handler.raw(nonsense if gray(image) == 60 else b": a comment\n\n")
        if gray(image) != 60:
            handler.say("<doctag><text>fine</text></doctag>")
        handler.end()

    with serving(Real(mad)) as real:
        found = read(Server(real.url, None), [60, 61])
    assert found[60].startswith(f"{real.url}/v1: ")
    assert found[61].tree.elements[0].text == "fine"


def test_server_that_is_never_well_is_named_in_the_end():
    """After the last try the reason is the server's."""
    with serving(Real(lambda body, image, handler: handler.whole(503, {"error": "starting"}))) as real:
        found = read(Server(real.url, None), [1])
    assert found[1] == f"{real.url}/v1: HTTP 503 Service Unavailable: starting; tried 5 times"


def test_answer_that_runs_away_is_cut_off_and_the_server_is_told():
    """The server would write until its context is full: we hang up, and keep what was good."""

    def endless(body, image, handler):
        handler.begin()
        handler.say("<doctag><text><loc_1><loc_2><loc_3><loc_4>A good paragraph.</text><text>")
        while True:
            handler.say("again and again and ")
            time.sleep(0.001)

    with serving(Real(endless)) as real:
        found = read(Server(real.url, None), [70])
        assert real.hung_up.wait(5)
    assert found[70].status == "repeated"
    assert "again and again" not in found[70].raw
    assert found[70].tree.elements[0].text == "A good paragraph."


def test_answer_cut_by_the_server_is_truncated():
    """finish_reason "length": the page is kept as far as it goes, and says so."""

    def short(body, image, handler):
        handler.begin()
        handler.say("<doctag><text>One.</text><text>Tw")
        handler.end(tokens=9, finish="length")

    with serving(Real(short)) as real:
        found = read(Server(real.url, None), [71])
    assert (found[71].status, found[71].tree.elements[0].text) == ("truncated", "One.")


def test_text_without_tags_says_how_the_server_is_to_be_started():
    """Servers strip special tokens by default, and the page looks empty: the most frequent mishap with this family."""

    def stripped(body, image, handler):
        handler.begin()
        handler.say("10 10 200 20 Some text")
        handler.end()

    with serving(Real(stripped)) as real:
        found = read(Server(real.url, None), [72])
    assert "skip_special_tokens=false" in found[72]


def test_leaving_hangs_up():
    """Whoever stops half way does not leave a server writing for nobody."""
    begun = threading.Event()

    def endless(body, image, handler):
        if gray(image) == 1:
            told(body, image, handler)
            return
        handler.begin()
        for number in itertools.count():
            handler.say(f"{number} ")
            begun.set()
            time.sleep(0.001)

    with serving(Real(endless)) as real:
        server = Server(real.url, None)
        model = Remote(server, None)
        run = server.run([ask(model, key, shade) for key, shade in enumerate((1, 2))])  # type: ignore[list-item]
        assert next(run).key == 0
        assert begun.wait(5)
        run.close()  # type: ignore[attr-defined]
        assert real.hung_up.wait(5)


def test_one_of_several_that_leaves_hangs_up_alone():
    """A server's client is gone; the pages of the others are written on, and the place is free for the next one."""
    begun = threading.Event()

    def endless(body, image, handler):
        if gray(image) != 2:
            assert begun.wait(5)
            told(body, image, handler)
            return
        handler.begin()
        for number in itertools.count():
            handler.say(f"{number} ")
            begun.set()
            time.sleep(0.001)

    class Left(Inbox):
        """Nobody wants the second page, once it has begun."""

        def __init__(self, asks):
            self.asks = [*asks]

        def take(self, seconds=math.inf):
            return self.asks.pop(0) if self.asks else None

        @property
        def abandoned(self):
            return False

        def wanted(self, key):
            return key != 1 or not begun.is_set()

    with serving(Real(endless)) as real:
        server = Server(real.url, None)
        model = Remote(server, None)
        answers = {answer.key: answer for answer in server.run(Left([ask(model, n, n + 1) for n in range(3)]))}
        assert real.hung_up.wait(5)
    assert {answers[0].finish, answers[2].finish} == {"stop"}


def test_model_is_chosen_among_those_that_are_served():
    """One, or the only one of the family, or the one that is asked for; else it is said which there are."""
    with serving(Real(told, models=("llama", MODEL))) as real:
        assert Server(real.url, None).model == MODEL
        assert Server(real.url, "llama").model == "llama"
        with pytest.raises(UnusableOption, match="it has no model 'gpt', but llama, docling-project"):
            Server(real.url, "gpt")
    with (
        serving(Real(told, models=("a", "b"))) as real,
        pytest.raises(UnusableOption, match="a, b; choose with --model"),
    ):
        Server(real.url, None)


@pytest.mark.parametrize("url", ["ftp://host/v1", "http://", "http:///v1"])
def test_address_that_is_none_is_refused(url):
    """Before any page is rendered."""
    with pytest.raises(UnusableOption, match="an address like"):
        Server(url, None)


def test_nobody_there_is_said_at_once():
    """A wrong port is found out before the first page, not after the last."""
    with pytest.raises(UnusableOption, match="nobody answers there"):
        Server("127.0.0.1:9", None)


def test_command_line_sends_the_pages_of_many_documents_to_a_server(tmp_path):
    """The road of somebody who has vLLM running: documents in, Markdown out, and one bad page costs one page."""
    document = pymupdf.open()
    for shade in (10, 20, 30):
        sheet = document.new_page(width=300, height=400)
        sheet.draw_rect((100, 100, 200, 300), fill=(shade / 255,) * 3, width=0)
    document.save(tmp_path / "a.pdf")

    def picky(body, image, handler):
        if gray(image) == 20:
            handler.whole(400, {"error": {"message": "not today"}})
        else:
            told(body, image, handler)

    with serving(Real(picky)) as real:
        command = [sys.executable, "-m", "smoldocling", "convert", tmp_path / "a.pdf", "-o", tmp_path / "out"]
        done = subprocess.run(
            [*command, "--server", real.url], check=False, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 1, done.stderr
    assert "page 2" in done.stderr
    assert "not today" in done.stderr
    text = (tmp_path / "out" / "a.md").read_text()
    assert [word in text for word in ("shade 10", "shade 20", "shade 30", "page 2 is missing")] == [
        True,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("option", [("--engine", "native"), ("--constrain",)])
def test_what_a_server_cannot_be_asked_is_a_usage_error(option, tmp_path):
    """An option that would do nothing is refused."""
    command = [sys.executable, "-m", "smoldocling", "convert", "x.pdf", "--server", "localhost:1", *option]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 2
    assert "server" in done.stderr
