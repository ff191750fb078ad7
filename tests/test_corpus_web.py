"""Whoever writes addresses into a list must not get at what only this machine can reach."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from crawl import HERE, corpus, documents
from make import PROSE, pdf

from smoldocling.corpus.fetch import Fetcher
from smoldocling.corpus.web import Reader, Refused, public
from smoldocling.errors import UnusableInput

# Linux answers on all of 127/8: the first stands for the internet here, the second for what is behind the wall.
OPEN, CLOSED = "127.0.0.1", "127.0.0.2"
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer, host: str = OPEN) -> Iterator[str]:
    """A real server; gives its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            with suppress(OSError):  # the client may have gone
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    server = http.server.ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def gives(data: bytes, **headers: object) -> Answer:
    """An answer with so much content."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        for name, value in {"Content_Length": len(data), **headers}.items():
            request.send_header(name.replace("_", "-"), str(value))
        request.end_headers()
        request.wfile.write(data)

    return answer


def leads(where: str) -> Answer:
    """A redirect."""

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", where)
        request.end_headers()

    return answer


def only_open(address: str) -> bool:
    return address == OPEN


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 127.8.9.10 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 169.254.169.254 224.0.0.1 255.255.255.255
    192.0.2.1 198.18.0.1 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ::ffff:127.0.0.1
    ::ffff:169.254.169.254 ::ffff:a00:1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
    2002:a9fe:a9fe::1 2001:db8::1 2001:0:4136:e378:8000:63bf:80ff:fffe""".split(),
)
def test_an_address_that_is_not_public_is_known_in_every_disguise(address):
    """Loopback, private, link-local, multicast, metadata services; mapped, translated, tunnelled."""
    assert not public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_the_internet_is_public(address):
    """Otherwise nothing could be fetched."""
    assert public(address)


def test_the_command_asks_no_private_address_unless_it_is_told_to(tmp_path):
    """The default, from end to end: one row that says why, and with the option the document."""
    with serving(gives(pdf(PROSE))) as address:
        result = corpus(f"{address}/paper.pdf", "-o", tmp_path / "a", *HERE)
        assert result.exit_code == 3
        [row] = documents(tmp_path / "a")
        assert "not a public address; --allow-private" in row["reason"]
        result = corpus(f"{address}/paper.pdf", "-o", tmp_path / "b", *HERE, "--allow-private")
        assert result.exit_code == 0, result.stderr
        assert documents(tmp_path / "b")[0]["path"] == f"{address}/paper.pdf"


@pytest.mark.parametrize(
    "name", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_refused_however_it_is_spelt(name):
    """Systems take many spellings; what counts is where the connection would go."""
    with pytest.raises((Refused, socket.gaierror)):
        Reader(judge=public, silence_seconds=2).open(f"http://{name}:9/x")


def test_a_redirect_is_judged_like_any_address():
    """The usual way in: a public server that points to a private one."""
    with serving(gives(b"secret"), CLOSED) as behind, serving(leads(f"{behind}/x")) as front:
        with pytest.raises(Refused, match=r"127\.0\.0\.2"):
            Reader(judge=only_open).open(front)
        with Reader(judge=None).open(front) as stream:
            assert stream.read() == b"secret"


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_a_redirect_leads_to_web_addresses_only(where):
    """Python's own opener would take ftp."""
    with serving(leads(where)) as front, pytest.raises((Refused, UnusableInput, OSError)):
        Reader(judge=only_open).open(front)


def test_a_ring_of_redirects_ends():
    """A server can send us round for ever."""
    with serving(leads("/again")) as front, pytest.raises((UnusableInput, OSError)):
        Reader(judge=only_open).open(front)


def test_a_name_that_changes_its_meaning_is_asked_where_it_was_judged(monkeypatch):
    """DNS rebinding: a name is looked up once for a connection, and the connection goes to what was judged."""
    looked_up = []
    real = socket.getaddrinfo

    def changing(host, port, *rest, **options):
        if host != "rebinding.test":
            return real(host, port, *rest, **options)
        looked_up.append(host)
        where = OPEN if len(looked_up) == 1 else CLOSED
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with serving(gives(b"fine")) as address:
        port = address.rpartition(":")[2]
        with Reader(judge=only_open).open(f"http://rebinding.test:{port}/") as stream:
            assert stream.read() == b"fine"
        assert looked_up == ["rebinding.test"]
        with pytest.raises(Refused):
            Reader(judge=only_open).open(f"http://rebinding.test:{port}/")


def test_one_private_address_of_a_name_is_enough_to_refuse_it(monkeypatch):
    """The one that answers first would be taken."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, 9)) for where in (OPEN, CLOSED)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused):
        Reader(judge=only_open).open("http://two.test:9/")


def test_too_much_is_not_taken():
    """Announced, or sent without end."""

    def endless(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 65536)

    reader = Reader(judge=only_open, most_bytes=100_000)
    with serving(gives(b"x" * 100_001)) as address, pytest.raises(UnusableInput, match="are the limit"):
        reader.open(address)
    with serving(endless) as address, reader.open(address) as stream, pytest.raises(UnusableInput, match="more than"):
        stream.read()


@pytest.mark.parametrize("where", ["headers", "content"])
def test_a_server_that_is_never_silent_and_never_done_is_given_up(where):
    """A byte now and then keeps any timeout of a socket away."""

    def slow(request: http.server.BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if where == "content" else b"X-"))
        for _ in range(200):
            request.wfile.write(b"x")
            time.sleep(0.05)

    started = time.monotonic()
    with serving(slow) as address, pytest.raises(UnusableInput, match="too slow"):
        Reader(judge=only_open, whole_seconds=0.5).open(address).read()
    assert time.monotonic() - started < 5


def test_half_an_answer_is_no_document():
    """It would be a damaged PDF in the tables, and the server is to blame."""
    with (
        serving(gives(b"half", Content_Length=99)) as address,
        Reader(judge=only_open).open(address) as stream,
        pytest.raises(OSError, match="broke off"),
    ):
        stream.read()


def test_a_server_that_is_busy_is_asked_again():
    """A few thousand documents of a night would be lost otherwise."""
    answers = [503, 429, 200]
    pauses: list[float] = []

    def busy(request: http.server.BaseHTTPRequestHandler) -> None:
        status = answers.pop(0)
        request.send_response(status)
        request.end_headers()
        request.wfile.write(b"at last")

    with serving(busy) as address:
        fetched = Fetcher(judge=only_open, sleep=pauses.append).one(address, "x")
    assert fetched.data == b"at last"
    assert len(pauses) == 2
    with serving(lambda request: request.send_error(404)) as address:
        fetched = Fetcher(judge=only_open, sleep=pauses.append).one(address, "x")
    assert fetched.error == "the server answers 404 Not Found"
    assert len(pauses) == 2, "what is not there will not be there in a second"
