"""Clients that want to harm the server, or do: others are served all the same, and it ends when it is told to."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pymupdf
import pytest
from serving import Running, serving, until
from tiny import make_checkpoint

from smoldocling import Converter
from smoldocling.serve import guard, jobs, patience
from smoldocling.serve.question import MOST_SIGNS, Unclear, read

PAGE = "Convert this page to docling."
SHORT = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_checkpoint(tmp_path_factory.mktemp("hostile"), loop=" over", script="<doctag><text> over", tile_px=64)


@pytest.fixture
def running(folder: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server of little patience."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", SHORT)
    monkeypatch.setattr(patience, "STALL_SECONDS", SHORT)
    made = Converter(model=str(folder), splits=1, device="cpu", dtype="float32", workers=1)
    with serving(made, "tiny", upload_seconds=3.0) as server:
        yield server


Connect = Callable[[Running], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connections that are closed in the end."""
    with contextlib.ExitStack() as open_now:

        def connected(running: Running) -> socket.socket:
            host, port = running.url.removeprefix("http://").split(":")
            return open_now.enter_context(socket.create_connection((host, int(port)), 30))

        yield connected


def ended(client: socket.socket) -> bool:
    """Whether the server has hung up; waits for it."""
    client.settimeout(20)
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def png(width: int, height: int, rows: int = 0) -> bytes:
    """A PNG that says it has so many pixels and holds so many rows of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * (rows * (3 * width + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def body(url: str, **more: Any) -> str:
    content = [{"type": "text", "text": PAGE}, {"type": "image_url", "image_url": {"url": url}}]
    return json.dumps({"model": "tiny", "messages": [{"role": "user", "content": content}], **more})


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("said", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
@pytest.mark.parametrize("before", [False, True])
def test_who_never_finishes_a_question_loses_the_connection(
    running: Running, connect: Connect, said: bytes, before: bool
) -> None:
    """There are so many connections; whoever holds them all with a byte a minute keeps everybody else out."""
    client = connect(running)
    if before:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        said = said or b"G"
    client.sendall(said)
    started = time.monotonic()
    assert ended(client)
    assert time.monotonic() - started < 10
    assert running.client.get("/health").status == 200


def test_who_drips_a_head_gets_no_more_time_by_dripping(running: Running, connect: Connect) -> None:
    """The time is for the whole head."""
    client = connect(running)
    over = threading.Event()

    def drip() -> None:
        while not over.is_set():
            try:
                client.sendall(b"X")
            except OSError:
                return
            time.sleep(SHORT / 5)

    thread = threading.Thread(target=drip)
    thread.start()
    assert ended(client)
    over.set()
    thread.join()


def test_who_never_reads_an_answer_is_left(running: Running, connect: Connect) -> None:
    """An answer that nobody takes lies in memory. One that is taken slowly is sent to its end."""
    job = running.client.over(running.client.job(pictures(), "a.pdf", to="html"))
    path = f"/v1/jobs/{job['id']}/result?to=html"
    whole = len(running.client.get(path).body)
    assert whole > 6_000_000
    deaf = connect(running)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    until(patience.Patient.unsent, "it waits for a client that takes nothing")
    until(lambda: not patience.Patient.unsent(), "it has given that up")
    slow = connect(running)
    slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    got = rests = 0
    while piece := slow.recv(65536):
        got += len(piece)
        if got // 400_000 > rests:
            rests += 1
            time.sleep(SHORT / 5)
    assert got > whole, "head and body"


def pictures() -> bytes:
    """A document whose HTML is large."""
    pdf = pymupdf.open()
    for seed in range(3):
        page = pdf.new_page()
        page.insert_text((72, 60), "A picture of nothing at all.")
        noise = pymupdf.Pixmap(pymupdf.csRGB, 1000, 1000, random.Random(seed).randbytes(3_000_000), False)
        page.insert_image((72, 100, 500, 700), pixmap=noise)
    return bytes(pdf.tobytes())


def test_a_stream_that_nobody_reads_frees_the_engine(running: Running, connect: Connect) -> None:
    """The page is written to its end, and the place is another's."""
    deaf = connect(running)
    text = body(uri(png(60, 60, 60)[:-30] + png(60, 60, 60)[-30:]), stream=True, max_tokens=50)
    deaf.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
    )
    until(lambda: not running.served.line.inside, "its place is free")


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 2_000_000,
        b'{"a":' * 500_000,
        b'{"model": "tiny", "messages": [' + b"0," * 3_000_000 + b"0]}",
        b'{"model": "tiny", "n": ' + b"9" * 1_000_000 + b"}",
    ],
    ids=["deep list", "deep object", "long list", "long number"],
)
def test_json_bombs_cost_nothing(running: Running, bomb: bytes) -> None:
    """Refused before they are taken apart, and nobody else waits."""
    started = time.monotonic()
    reply = running.client.ask("POST", "/v1/chat/completions", body=bomb)
    assert reply.status == 400
    assert time.monotonic() - started < 5
    assert running.client.get("/health").status == 200


def test_a_question_of_many_values_is_refused_before_it_is_read() -> None:
    """Reading is what costs; a question with one image, however large, passes."""
    with pytest.raises(Unclear, match="far more in it"):
        read(b'{"messages": [' + b"0," * (MOST_SIGNS + 1) + b"0]}")
    assert read(body(uri(png(9, 9, 9))).encode()).image.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        (uri(png(30_000, 30_000)), 400, "pixels"),
        (uri(b"\x89PNG\r\n\x1a\n" + b"rubbish" * 9), 400, "unreadable image"),
        (uri(b"%PDF-1.7 not an image"), 400, "no PNG"),
        (uri(b"GIF89a" + b"\0" * 99, "gif"), 400, "nothing is fetched"),
        ("data:image/png;base64,@@@@", 400, "no base64"),
        ("data:image/png;base64," + "A" * 3_000_001, 400, "no base64"),
        ("http://127.0.0.1:1/secret.png", 400, "nothing is fetched"),
        ("file:///etc/passwd", 400, "nothing is fetched"),
        ("data:text/html;base64,PGI+", 400, "nothing is fetched"),
    ],
)
def test_images_that_are_none_or_far_too_large_cost_one_answer(
    running: Running, url: str, status: int, says: str
) -> None:
    """A few kilobytes that unpack to gigabytes, other formats, addresses."""
    reply = running.client.ask("POST", "/v1/chat/completions", body=body(url, max_tokens=3))
    assert reply.status == status
    assert says in reply.error
    assert running.client.get("/health").status == 200


def test_images_in_memory_have_a_bound(running: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced counts before it has come: a hundred clients that send slowly fill no memory."""
    monkeypatch.setattr(guard, "IMAGES_BYTES", 1_000_000)
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n{"
    slow = connect(running)
    slow.sendall(head)
    text = body(uri(png(60, 60, 60)), pad="x" * 200_000)
    until(lambda: running.client.ask("POST", "/v1/chat/completions", body=text).status == 429, "there is no room")
    slow.close()
    until(lambda: running.client.ask("POST", "/v1/chat/completions", body=text).status != 429, "there is room again")


def test_results_that_grow_have_a_bound_together(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty documents of pictures at a time would be more than any memory; each is told, and nothing stays counted."""
    monkeypatch.setattr(jobs, "GROWING", 0)
    pdf = pymupdf.open()
    pdf.new_page().insert_text((72, 60), "Something.")
    reply = running.client.convert(pdf.tobytes())
    assert reply.status == 413
    assert "too large to be kept" in reply.error
    assert running.served.jobs._growing == 0
    monkeypatch.setattr(jobs, "GROWING", 2)
    assert running.client.convert(pdf.tobytes()).status in (200, 422)


def test_sigterm_while_everybody_misbehaves_ends_in_time(
    folder: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow uploads, deaf readers and silent connections hold no deployment."""
    monkeypatch.setattr(patience, "HEAD_SECONDS", SHORT)
    monkeypatch.setattr(patience, "STALL_SECONDS", SHORT)
    made = Converter(model=str(folder), splits=1, device="cpu", dtype="float32", workers=1)
    with serving(made, "tiny", upload_seconds=2.0) as running:
        bad = [connect(running) for _ in range(3)]
        bad[1].sendall(
            b"POST /v1/convert HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        )
        bad[2].sendall(
            b"POST /v1/convert HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 100000\r\n\r\n"
            b"--x\r\nContent-Disposition: form-data; name=file; filename=a.pdf\r\n\r\n%PDF"
        )
        until(lambda: running.served.line.inside, "an upload has begun")
        started = time.monotonic()
        running.server.handle_exit(15, None)
        running.thread.join(60)
        assert not running.thread.is_alive()
        assert time.monotonic() - started < 20
        assert all(ended(client) for client in bad)
