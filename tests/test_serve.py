"""Documents over HTTP: every format, jobs, limits; and clients that are slow, gone, greedy or hostile."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymupdf
import pytest
import urllib3
from serving import Client, Running, serving, until

from smoldocling import Converter
from smoldocling.errors import UnusableOption
from smoldocling.output import FORMATS, Look
from smoldocling.result import Result
from smoldocling.serve.formats import named
from smoldocling.serve.line import Full, Line
from smoldocling.serve.metrics import BUCKETS, Metrics
from smoldocling.serve.settings import Settings


@pytest.fixture(scope="module")
def converter() -> Converter:
    return Converter(engine="textlayer")


@pytest.fixture(scope="module")
def running(converter: Converter) -> Iterator[Running]:
    with serving(converter, max_pages=50) as found:
        yield found


@pytest.fixture
def client(running: Running) -> Client:
    return running.client


def document(*texts: str, password: str | None = None) -> bytes:
    """A PDF with a page for each text."""
    pdf = pymupdf.open()
    for text in texts:
        pdf.new_page(width=300, height=400).insert_text((40, 60), text)
    if password is None:
        return bytes(pdf.tobytes())
    return bytes(pdf.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw=password, owner_pw="owner"))


def files(running: Running) -> list[str]:
    """What clients have sent and is still there."""
    return os.listdir(running.served._folder.name)


@pytest.fixture(scope="module")
def result(converter: Converter, samples: Path) -> Result:
    """What the library makes of it."""
    return converter.convert(samples / "report.pdf")


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_is_what_the_library_gives(client, result, samples, to):
    """A server is the library with HTTP."""
    reply = client.convert((samples / "report.pdf").read_bytes(), "report.pdf", to=to)
    assert reply.status == 200
    if to == "report":
        assert "data:image" in reply.text
    else:
        assert reply.text == (result.json if to == "json" else FORMATS[to][1](result, {}, Look()))
    assert reply.headers["Content-Disposition"].startswith('attachment; filename="report.')
    assert reply.headers["X-Document-Status"] == result.status


def test_several_formats_come_together(client, samples, result):
    """One request, one reading."""
    data = (samples / "report.pdf").read_bytes()
    reply = client.convert(data, "report.pdf", to=["md", "doctags,text"], pages="2-3")
    assert sorted(reply.json["formats"]) == ["doctags", "md", "text"]
    assert [page["page"] for page in reply.json["pages"]] == [2, 3]
    assert [page["status"] for page in reply.json["pages"]] == [page.status for page in result.pages[1:]]
    assert reply.json["formats"]["doctags"].startswith("<doctag>")


def test_job_tells_of_its_pages_and_keeps_its_result(client, samples):
    """Send, ask, fetch in any format, forget."""
    job = client.job((samples / "report.pdf").read_bytes(), "report.pdf")
    done = client.over(job)
    assert done["state"] == "done"
    assert (done["pages"], done["pages_done"]) == (3, 3)
    assert done["page_status"][2] == {"page": 3, "status": "textlayer"}
    for to in FORMATS:
        assert client.get(f"{done['result']}?to={to}").status == 200
    assert client.get(f"{done['result']}?to=docx").status == 400
    report = client.get(done["report"])
    assert "sandbox allow-scripts" in report.headers["Content-Security-Policy"]
    assert client.ask("DELETE", f"/v1/jobs/{job['id']}").status == 200
    assert client.get(f"/v1/jobs/{job['id']}").status == 404
    assert client.get(done["report"]).status == 404


def test_password_opens_a_locked_document_and_is_not_told(client, running):
    """Neither in answers nor in what is shown of objects."""
    locked = document("a secret", password="hunter2")
    assert client.convert(locked, password="hunter2").text.strip() == "a secret"
    for given in ({}, {"password": "wrong"}):
        reply = client.convert(locked, **given)
        assert reply.status == 422
        assert reply.json["error"]["code"] == "unreadable"
        assert "password" in reply.error
        assert "hunter2" not in reply.text
    job = client.job(locked, password="hunter2")
    assert "hunter2" not in repr(running.served.jobs.find(job["id"]))


def test_many_clients_each_get_their_own(running):
    """Hundreds of documents through a few threads and processes: no answer is lost, none is another's."""

    def ask(number: int) -> None:
        client = Client(running.url)
        text = f"This page belongs to client {number} and to nobody else."
        name = f"client-{number}.pdf"
        if number % 2:
            reply = client.convert(document(text), name)
        else:
            done = client.over(client.job(document(text), name))
            assert done["name"] == name
            reply = client.get(done["result"])
        assert reply.status == 200, reply.body
        assert reply.text.strip() == text
        assert name.removesuffix(".pdf") in reply.headers["Content-Disposition"]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(96)))
    until(lambda: not files(running), "nothing is left on disk")
    assert running.served.line.inside == 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"to": "docx"}, "md, html, json"),
        ({"pages": "x"}, "pages"),
        ({"wait": "maybe"}, "true or false"),
        ({"colour": "red"}, "are the fields"),
        ({"password": ["a", "b"]}, "one is taken"),
        ({"page_break": "x" * 20_000}, "form cannot be read"),
        ({"to": [f"md{n}" for n in range(40)]}, "form cannot be read"),
    ],
)
def test_wrong_field_is_told(client, running, fields, says):
    """A misspelt field that does nothing is the worst answer."""
    reply = client.convert(document("a"), **fields)
    assert reply.status == 400
    assert says in reply.error
    until(lambda: not files(running), "nothing is left on disk")


def test_page_that_is_not_there_is_told(client):
    """As on the command line."""
    reply = client.convert(document("a"), pages="9")
    assert reply.status == 422
    assert "no page 9" in reply.error


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "multipart/form-data; boundary=x"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\ncut", "multipart/form-data; boundary=x"),
        (b"anything", "multipart/form-data"),
        (b"anything", "multipart/form-data; boundary=" + "y" * 300),
        (b"{}", "application/json"),
        (b"", ""),
    ],
)
# a file that breaks off is closed by the garbage collector, not by starlette
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_malformed_form_is_refused(client, running, body, kind):
    """Anything may be sent to a port."""
    reply = client.ask("POST", "/v1/convert", body=body, headers={"Content-Type": kind})
    assert reply.status in (400, 415)
    assert reply.error
    assert running.served.line.inside == 0


@pytest.mark.parametrize("data", [b"nonsense", b"%PDF-1.4 cut", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\0" * 1000])
def test_what_is_no_document_is_unreadable(client, data):
    """422: the request was understood, the file was not."""
    reply = client.convert(data)
    assert reply.status == 422
    assert reply.json["error"]["code"] == "unreadable"


def test_hostile_files_cost_only_themselves(client, running, shared_data):
    """Each gets an answer, and a good document behind them is read."""
    hostile = sorted(path for path in shared_data.rglob("*") if "hostile" in str(path) and path.suffix == ".pdf")[:12]
    assert hostile, "there are hostile files"
    for path in hostile:
        reply = client.convert(path.read_bytes(), path.name, pages="1-3")
        assert reply.status in (200, 413, 422), (path, reply.body)
    assert client.convert(document("still here")).text.strip() == "still here"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        ("..", "document"),
        ("", "document"),
        (None, "document"),
        ("a\r\nX-Evil: 1\0.pdf", "aX-Evil: 1.pdf"),
        ("x" * 1000 + ".pdf", "x" * 190 + ".pdf"),
        ("naïve 東京.pdf", "naïve 東京.pdf"),
        ("\u202egnp.exe", "gnp.exe"),
    ],
)
def test_names_of_files_are_names(given, kept):
    """Never a path, never a header, never longer than a disk takes."""
    assert named(given) == kept


def test_hostile_name_reaches_neither_disk_nor_headers(client, running):
    """What is written down is called by us."""
    before = set(Path(running.served._folder.name).parent.iterdir())
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../evil\xff\xc3\xa9.pdf"\r\n\r\n'
        + document("a")
        + b"\r\n--x--\r\n"
    )
    reply = client.ask("POST", "/v1/convert", body=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert reply.status == 200
    assert "evil" in reply.headers["Content-Disposition"]
    assert "/" not in reply.headers["Content-Disposition"].replace("%2F", "/")
    assert set(Path(running.served._folder.name).parent.iterdir()) <= before | {Path(running.served._folder.name)}


def sent(running: Running, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send raw bytes and see what comes back before the server hangs up."""
    place = running.url.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1])), timeout=20) as line:
        got = b""
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
        except OSError:
            pass
        try:
            while chunk := line.recv(65536):
                got += chunk
        except OSError:
            pass
    return got


def head(path: str = "/v1/convert", **headers: str) -> bytes:
    given = {"Host": "localhost", "Content-Type": "multipart/form-data; boundary=x", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_upload_that_is_too_large_is_cut_off_while_it_comes(converter):
    """A terabyte in chunks is refused after the first few of them; one that is announced, before."""
    with serving(converter, max_bytes=100_000) as running:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
        first = b"%x\r\n" % len(part) + part + b"\r\n"
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        got = sent(running, head(Transfer_Encoding="chunked"), first, *[chunk] * 400)
        assert b"413" in got.partition(b"\r\n")[0]
        got = sent(running, head(Content_Length="99999999999"))
        assert b"413" in got.partition(b"\r\n")[0]
        reply = running.client.convert(b"%PDF" + b"x" * 200_000)
        assert reply.status == 413
        assert "100,000 bytes are the limit" in reply.error
        assert running.client.convert(document("small enough")).status == 200
        assert files(running) == []
        assert running.served.line.inside == 0


def test_slow_upload_does_not_keep_its_place(converter):
    """A byte a second from a thousand clients would fill any queue."""
    with serving(converter, upload_seconds=0.5) as running:
        started = time.monotonic()
        got = sent(running, head(Content_Length="1000"), b"--x", pause=0.1)
        assert b"408" in got.partition(b"\r\n")[0]
        assert time.monotonic() - started < 10
        assert running.served.line.inside == 0


def test_upload_that_breaks_off_leaves_nothing(running):
    """Neither a place in the line nor a file."""
    place = running.url.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((place[0], int(place[1]))) as line:
            line.sendall(head(Content_Length="100000") + b'--x\r\nContent-Disposition: form-data; name="file"')
    until(lambda: running.served.line.inside == 0, "their places are free")
    assert files(running) == []
    assert running.client.convert(document("next")).status == 200


def test_more_pages_than_allowed_are_413(converter):
    """Said at the first page, not after the last."""
    with serving(converter, max_pages=3) as running:
        reply = running.client.convert(document(*"abcd"))
        assert (reply.status, reply.json["error"]["code"]) == (413, "too_many_pages")
        assert "4 pages; 3 are the limit" in reply.error
        assert running.client.convert(document(*"abcd"), pages="2-4").status == 200
        job = running.client.over(running.client.job(document(*"abcd")))
        assert job["error"]["code"] == "too_many_pages"


def test_full_queue_is_429_and_everybody_is_served_in_the_end(converter):
    """Who comes too early is told when to come again, and nothing of what was taken is lost."""
    with serving(converter, queue=2) as running:
        refused: list[int] = []

        def ask(number: int) -> str:
            while True:
                reply = running.client.convert(document(f"number {number}", *["more"] * 5))
                if reply.status == 200:
                    return reply.text.split("\n")[0]
                assert reply.status == 429, reply.body
                assert 1 <= int(reply.headers["Retry-After"]) <= 60
                refused.append(number)
                time.sleep(0.2)

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        assert answers == [f"number {number}" for number in range(20)]
        assert refused


def test_cancelled_job_ends_and_its_place_is_free(running, client):
    """In the middle of a long document, or while it waits."""
    jobs = [client.job(document(*[f"page {n}" for n in range(45)]), f"{number}.pdf") for number in range(6)]
    for job in jobs:
        reply = client.ask("DELETE", f"/v1/jobs/{job['id']}")
        assert reply.status == 200
        assert reply.json["state"] in ("cancelled", "done")
    until(lambda: running.served.line.inside == 0, "their places are free")
    until(lambda: not files(running), "their files are gone")
    assert client.get(f"/v1/jobs/{jobs[0]['id']}").status == 404


def test_client_that_hangs_up_is_not_worked_for(running):
    """Nobody would read the answer."""
    pool = urllib3.PoolManager(retries=False)
    lines = "\n".join(f"line {n} of a page that takes a while to be read" for n in range(25))
    long = document(*[f"page {n}\n{lines}" for n in range(48)])
    with pytest.raises(urllib3.exceptions.TimeoutError):
        pool.request("POST", f"{running.url}/v1/convert", fields={"file": ("a.pdf", long)}, timeout=0.15)
    until(lambda: running.served.line.inside == 0, "its place is free")
    assert files(running) == []


def test_answer_that_takes_too_long_is_504(converter):
    """And a job may take as long as it takes."""
    with serving(converter, request_seconds=0.05) as running:
        long = document(*[f"page {n}" for n in range(60)])
        reply = running.client.convert(long)
        assert (reply.status, reply.json["error"]["code"]) == (504, "timeout")
        assert running.client.over(running.client.job(long))["state"] == "done"


def test_results_are_kept_in_bounded_memory_and_time(converter):
    """The oldest go first; what is too old goes as well."""
    with serving(converter, keep_seconds=1000) as running:
        jobs = running.served.jobs
        object.__setattr__(running.served.settings, "keep_bytes", 6000)
        done = [running.client.over(running.client.job(document(f"number {n}"))) for n in range(24)]
        assert 0 < jobs.kept <= 6000
        assert running.client.get(f"/v1/jobs/{done[0]['id']}").status == 404
        assert running.client.get(done[-1]["result"]).status == 200
        object.__setattr__(running.served.settings, "keep_seconds", 0.01)
        time.sleep(0.05)
        assert running.client.get(done[-1]["result"]).status == 404
        assert jobs.count == jobs.kept == 0


def test_key_is_needed_where_there_is_one(converter):
    """For everything but the page, its reports and whether we live."""
    with serving(converter, api_key="s3cret") as running:
        stranger, friend = running.client, Client(running.url, {"Authorization": "Bearer s3cret"})
        for path in ("/v1/models", "/metrics", "/v1/jobs/x", "/openapi.json"):
            assert stranger.get(path).status == 401
        assert stranger.convert(document("a")).status == 401
        for given in ("Bearer wrong", "Basic s3cret", "s3cret", "Bearer", "Bearer s3cret2", "Bearer \xe9"):
            reply = stranger.get("/v1/models", Authorization=given)
            assert reply.status == 401
            assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert friend.get("/v1/models").status == 200
        assert friend.convert(document("a")).text.strip() == "a"
        assert stranger.get("/").status == stranger.get("/health").status == 200
        done = friend.over(friend.job(document("a")))
        assert stranger.get(done["report"]).status == 200
        assert stranger.get(done["result"]).status == 401
        assert "s3cret" not in repr(running.served.settings)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::2]"])
def test_strange_names_for_this_machine_are_refused(client, host):
    """A page whose name leads to 127.0.0.1 (DNS rebinding) would else read what is here."""
    assert client.get("/health", Host=host).status == 403
    assert client.get("/health", Host="LOCALHOST:99").status == 200


def test_pages_from_elsewhere_start_nothing(client):
    """A form on any page of the web could be sent here; browsers say where it comes from."""
    given = {"headers": {"Origin": "https://evil.example"}}
    assert client.ask("POST", "/v1/convert", fields={"file": ("a.pdf", document("a"))}, **given).status == 403
    assert client.ask("OPTIONS", "/v1/convert", **given).status == 405
    reply = client.get("/v1/models", Origin="https://evil.example")
    assert not any(name.lower().startswith("access-control") for name in reply.headers)
    own = {"headers": {"Origin": client.url}}
    assert client.ask("POST", "/v1/convert", fields={"file": ("a.pdf", document("a"))}, **own).status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/nowhere", "/v1/jobs/x", "/v1/models"])
def test_every_answer_tells_browsers_to_be_careful(client, path):
    """Also those that say no."""
    reply = client.get(path)
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "Server" not in reply.headers


def test_metrics_are_prometheus_text(client):
    """Every line is a comment or a number with a name; counters count."""
    client.convert(document("a", "b"))
    reply = client.get("/metrics")
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r'smoldocling_\w+(\{(\w+="([^"\\\n]|\\.)*",?)*\})? [-+0-9.eInfNa]+')
    lines = reply.text.splitlines()
    assert all(one.startswith(("# HELP ", "# TYPE ")) or line.fullmatch(one) for one in lines)
    numbers = dict(one.rsplit(" ", 1) for one in lines if not one.startswith("#"))
    assert float(numbers['smoldocling_pages_total{status="textlayer"}']) >= 2
    assert float(numbers["smoldocling_memory_bytes"]) > 10**7


def test_histogram_is_cumulative():
    """Prometheus computes quantiles from that."""
    metrics = Metrics()
    for seconds in (0.01, 0.2, 1000.0):
        metrics.took("document_seconds", seconds)
    metrics.count("documents_total", status='a"b\\c\nd')
    text = metrics.text()
    found = [int(count) for count in re.findall(r'_bucket\{le="[^"]+"\} (\d+)', text)]
    assert len(found) == len(BUCKETS) + 1
    assert found == sorted(found)
    assert (found[0], found[-2], found[-1]) == (1, 2, 3)
    assert 'status="a\\"b\\\\c\\nd"' in text


def test_line_gives_back_every_place():
    """However it is used: worked for, cancelled before its turn, or left."""
    line = Line(1, 2)
    hold = threading.Event()
    first = line.enter().work(hold.wait)
    second, third = line.enter(), line.enter()
    with pytest.raises(Full):
        line.enter()
    third.leave()
    third.leave()
    future = second.work(lambda: None)
    assert future.cancel()
    hold.set()
    first.result(5)
    until(lambda: line.inside == 0, "all places are free")
    line.close()


@pytest.mark.parametrize(
    "wrong", [{"port": 70000}, {"queue": -1}, {"max_bytes": 0}, {"api_key": ""}, {"api_key": "ä"}, {"keep_seconds": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    """Before a port is opened."""
    with pytest.raises(UnusableOption):
        Settings(**wrong)


def started(*options: str) -> tuple[subprocess.Popen[str], str]:
    """The command, as people run it."""
    command = [sys.executable, "-m", "smoldocling", "serve", "--engine", "textlayer", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = process.stderr.readline()
    found = re.search(r"http://\S+", told)
    assert found, told
    return process, found[0]


def test_sigterm_finishes_what_was_taken_and_refuses_more():
    """A deployment costs nobody a document: it is read to its end, and can be fetched."""
    process, url = started()
    client = Client(url)
    try:
        long = document(*[f"page {n}" for n in range(150)])
        job = client.job(long, "long.pdf")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.convert, long, "waiting.pdf")
            until(lambda: client.get("/health").json["working"] == 2, "both are being read")
            process.send_signal(signal.SIGTERM)
            until(lambda: client.get("/health").status == 503, "it is stopping")
            reply = client.convert(document("too late"))
            assert (reply.status, reply.headers["Retry-After"]) == (503, "10")
            assert waiting.result(60).text.count("page ") == 150
        done = client.over(job)
        assert done["state"] == "done"
        assert client.get(done["result"]).text.count("page ") == 150
        client.ask("DELETE", f"/v1/jobs/{job['id']}")
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_second_signal_ends_at_once():
    """For those who do not want to wait."""
    process, url = started()
    client = Client(url)
    try:
        client.job(document(*[f"page {n}" for n in range(1000)]), "long.pdf")
        process.send_signal(signal.SIGINT)
        until(lambda: client.get("/health").status == 503, "it is stopping")
        process.send_signal(signal.SIGINT)
        process.wait(15)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_port_that_is_taken_is_a_usage_error():
    """One line, not a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "smoldocling", "serve", "--engine", "textlayer", "--port", port]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_schema_names_every_route(client):
    """/openapi.json is for programs that write clients."""
    paths = json.loads(client.get("/openapi.json").body)["paths"]
    assert {"/v1/convert", "/v1/jobs/{key}", "/v1/jobs/{key}/result", "/v1/chat/completions"} <= set(paths)
