"""Whatever a file does to its reader, it costs a page and a few seconds: real processes, real bombs, real signals."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from random import Random

import bombs
import pytest
from make import PROSE, pdf
from tiny import make_checkpoint

from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult
from smoldocling.workers import child, limits, pool
from smoldocling.workers.board import Answer, Order
from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Paper, Read

ROOT = Path(__file__).resolve().parent.parent
LONG = 180.0  # seconds after which a test is stuck
SECONDS = 3.0
TOO_LONG = {"took longer than 3 s"}

pytestmark = pytest.mark.skipif(not pool.possible(), reason="this system has no worker processes")


@pytest.fixture
def converter() -> Iterator[Converter]:
    """Two workers of this test's own."""
    yield Converter(engine="textlayer", workers=2, timeout=SECONDS)
    pool.shared(2).close()
    del pool._pools[2]


def children() -> list[int]:
    """The processes of the pool; there is one at least."""
    limit = time.monotonic() + LONG
    while not (found := pool.shared(2).pids):
        assert time.monotonic() < limit
        time.sleep(0.01)
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


BOMBS: dict[Callable[[], bytes], set[str]] = {
    bombs.nested_forms: TOO_LONG,
    bombs.flate: TOO_LONG | {"needed more than 4 GiB of memory"},
    bombs.letters: TOO_LONG | {"needed more than 4 GiB of memory"},
    bombs.page_tree_loop: {"damaged PDF: its list of pages is broken"},
    bombs.large_png: {"the image has more than 357,913,940 pixels; 178,956,970 are the limit"},
    bombs.huge_page: set(),
    bombs.xref_loop: set(),
    bombs.endless_objects: set(),
}


def test_a_bomb_costs_its_own_page(converter: Converter) -> None:
    """What cannot be read in time says so; what can be is read; and the documents between them lose nothing."""
    good = pdf(PROSE, PROSE)
    inputs = [source for bomb in BOMBS for source in (Source(bomb.__name__, PurePath("x"), bomb()), good)]
    results = list(converter.documents(inputs, ordered=True))
    for (bomb, reasons), result, between in zip(BOMBS.items(), results[::2], results[1::2], strict=True):
        reason = result.error or result.pages[0].error
        if reasons:
            assert reason in reasons, bomb.__name__
        else:
            assert reason is None, bomb.__name__
            assert bombs.SENTENCE.decode() in result.markdown
        assert {page.status for page in between.pages} <= {"textlayer", "retried"}
        assert len(between.pages) == 2


def test_a_page_that_hangs_does_not_take_its_neighbours_with_it(converter: Converter) -> None:
    """To read one page, others are looked at, too. The document is delivered with a mark where one is missing."""
    import pymupdf

    document = pymupdf.open(stream=pdf(PROSE, PROSE))
    with pymupdf.open(stream=bombs.nested_forms()) as bomb:
        document.insert_pdf(bomb, start_at=1)
    result = converter.convert(document.tobytes())
    # a machine with far too much to do may lose a worker over an honest page once
    assert [page.status == "failed" for page in result.pages] == [False, True, False]
    assert result.pages[1].error in TOO_LONG
    assert "read without a look at the document's other pages" in (result.pages[0].note or "")
    assert "[page 2 is missing: took longer than 3 s]" in result.text
    assert result.status == "partial"


def test_others_go_on_while_a_page_hangs() -> None:
    """A second worker comes, though nothing is ordered any more."""
    patient = Converter(engine="textlayer", workers=2, timeout=LONG)
    stream = patient.stream([pdf(PROSE), bombs.nested_forms(), pdf(PROSE)])
    assert [next(stream).status for _ in range(2)] == ["textlayer"] * 2
    stream.close()  # type: ignore[attr-defined]
    pool.shared(2).close()
    del pool._pools[2]


def test_ten_thousand_pages_come_one_after_the_other(converter: Converter) -> None:
    """Nobody waits for the last of them to see the first."""
    stream = converter.stream(bombs.many_pages(), ordered=True)
    assert [page.number for page in itertools.islice(stream, 20)] == [*range(1, 21)]
    stream.close()  # type: ignore[attr-defined]


def test_two_hundred_thousand_letters_that_nobody_sees_are_not_read(converter: Converter) -> None:
    """Search engines were fed like that. They cost seconds, so more of them than usual are allowed."""
    slow = Converter(engine="textlayer", workers=2, timeout=LONG)
    (page,) = slow.stream(bombs.invisible_letters())
    assert page.status in ("textlayer", "failed")
    assert page.error is None or "longer" not in page.error


def misfortune(pid: int, how: str) -> None:
    os.kill(pid, {"killed": signal.SIGKILL, "crashed": signal.SIGSEGV, "hangs": signal.SIGSTOP}[how])


@pytest.mark.parametrize("how", ["killed", "crashed", "hangs"])
def test_a_worker_that_is_lost_costs_nothing_but_time(converter: Converter, how: str, samples: Path) -> None:
    """The page that it had is read by another, and says so; what it says is what it says otherwise."""
    files = [samples / "report.pdf"] * 1 + [samples / "invoice.pdf"]
    alone = {(page.source, page.number): page.doctags for page in converter.stream(files)}
    data = [Source(f"{n}", PurePath(f"{n}"), file.read_bytes()) for n in range(8) for file in files]
    pages: list[PageResult] = []
    for page in converter.stream(data):
        pages.append(page)
        if len(pages) == 5:
            misfortune(children()[0], how)
    assert len(pages) == 8 * 4
    assert {page.status for page in pages} <= {"textlayer", "retried"}
    assert {page.doctags for page in pages} == set(alone.values())
    said = {
        "killed": "at the first try, the reader was killed (signal 9)",
        "crashed": "at the first try, the reader crashed (signal 11)",
        "hangs": "at the first try, took longer than 3 s",
    }[how]
    retried = [page for page in pages if page.status == "retried"]
    assert not retried or said in {page.note for page in retried}


def test_a_page_that_needs_too_much_memory_is_stopped(converter: Converter) -> None:
    """A picture within all limits but this one. The reason names the limit."""
    converter.convert(pdf(PROSE))
    got: list[Answer] = []
    done = threading.Event()
    paper = Paper("large", Source("large.png", PurePath("large"), bombs.large_png(12_000)))
    allowed = Limits(LONG, limits.used(children()[0]) + 64 * 2**20)
    order = Order(paper, Read(1, None), allowed, object())
    pool.shared(2).put(order, lambda answer: (got.append(answer), done.set())[0])
    assert done.wait(LONG)
    assert "needed more than 0." in str(got[0].error)
    assert "GiB of memory" in str(got[0].error)
    assert got[0].lost is not None, "it was tried twice"


def test_workers_are_replaced_after_a_while(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What leaks, leaks for so long only."""
    monkeypatch.setattr(pool, "TASKS", 3)
    seen = set()
    for page in converter.stream([pdf(PROSE)] * 8):
        assert page.status == "textlayer"
        seen.update(pool.shared(2).pids)
    assert len(seen) > 2, "there are never more at a time"


def test_workers_that_nobody_needs_go(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that has converted something stays open for a week."""
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.1)
    converter.convert(pdf(PROSE))
    limit = time.monotonic() + LONG
    while pool.shared(2).pids and time.monotonic() < limit:
        time.sleep(0.01)
    assert pool.shared(2).pids == []
    assert converter.convert(pdf(PROSE)).status == "ok", "and others come when they are needed"


def test_a_worker_that_cannot_start_says_why(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation must not look like a broken file."""
    monkeypatch.setattr("smoldocling.workers.child.BOOT", "raise ImportError('no module named x')")
    (page,) = converter.stream(pdf(PROSE))
    assert page.status == "failed"
    assert page.error == (
        "no worker process can be started: ImportError: no module named x; workers=0 reads in this process"
    )


@pytest.mark.parametrize("deaths", [1, pool.STARTS - 1])
def test_a_worker_that_is_killed_while_it_starts_costs_no_page(
    converter: Converter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deaths: int
) -> None:
    """Whoever kills processes when memory is short takes the youngest."""
    monkeypatch.setattr("smoldocling.workers.child.BOOT", dying(tmp_path, deaths))
    monkeypatch.setattr(pool, "PAUSE_SECONDS", 0.01)
    assert [page.status for page in converter.stream([pdf(PROSE, PROSE)])] == ["textlayer"] * 2
    assert len(list(tmp_path.iterdir())) == deaths


def test_workers_that_never_start_are_not_started_for_ever(
    converter: Converter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each document says why, and the run ends; when things are better, the next one is read."""
    monkeypatch.setattr(pool, "PAUSE_SECONDS", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr("smoldocling.workers.child.BOOT", dying(tmp_path, 10**6))
        pages = list(converter.stream([pdf(PROSE)] * 5))
    assert {page.status for page in pages} == {"failed"}
    assert "the reader was killed (signal 9); workers=0" in (pages[0].error or "")
    assert len(list(tmp_path.iterdir())) < pool.STARTS + 10, "once it is known, each document is one try"
    assert converter.convert(pdf(PROSE)).status == "ok"


def dying(folder: Path, deaths: int) -> str:
    """What a worker runs: the first of them are killed while they start."""
    return (
        f"import os, tempfile\nif len(os.listdir({str(folder)!r})) < {deaths}:\n"
        f"    tempfile.mkstemp(dir={str(folder)!r}); os.kill(os.getpid(), 9)\n{child.BOOT}"
    )


def test_pages_after_many_that_were_lost_are_still_tried(converter: Converter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four bad pages cost four pages. Only a document that has nothing else is given up one day."""
    import pymupdf

    monkeypatch.setattr(pool, "WARY", 2)
    monkeypatch.setattr(pool, "HOPELESS", 5)
    quick = converter.with_options(timeout=1.5)

    def mixed(bad: int) -> bytes:
        document = pymupdf.open(stream=pdf(PROSE))
        with pymupdf.open(stream=bombs.nested_forms()) as bomb:
            for _ in range(bad):
                document.insert_pdf(bomb, start_at=0)
        return bytes(document.tobytes())

    few = quick.convert(mixed(4))
    assert [page.status == "failed" for page in few.pages] == [True] * 4 + [False]
    many = quick.convert(mixed(9), pages="1-9")
    untried = [page.error or "" for page in many.pages if "not tried" in (page.error or "")]
    assert 0 < len(untried) <= 4
    assert untried[0].startswith("not tried, as 5 before it have failed: took longer than 1 s")


def test_a_stream_left_half_way_leaves_no_work_behind(converter: Converter) -> None:
    """The page in hand is given up, and the next one is served at once."""
    stream = converter.stream([pdf(PROSE), bombs.nested_forms(), bombs.nested_forms()])
    assert next(stream).status == "textlayer"
    stream.close()  # type: ignore[attr-defined]
    assert converter.convert(pdf(PROSE)).status == "ok"
    board = pool.shared(2)._board
    limit = time.monotonic() + 2.0 + SECONDS
    while board.idle < board.workers and time.monotonic() < limit:
        time.sleep(0.01)
    assert board.waiting == 0
    assert board.idle == board.workers


def test_workers_and_no_workers_give_the_same(converter: Converter, samples: Path) -> None:
    """`workers` is about speed and safety, not about results."""
    files = [*sorted(samples.glob("*.pdf")), b"no document", "/no/such/file.pdf", pdf(PROSE, password="x")]
    there, here = (
        [
            (page.source, page.number, page.status, page.error, page.doctags, page.pictures, page.image, page.of)
            for page in Converter(engine="textlayer", workers=workers, page_images=True).stream(files, ordered=True)
        ]
        for workers in (2, 0)
    )
    assert there == here


def test_documents_are_whole_whoever_is_first(converter: Converter) -> None:
    """In order or not: of each document all pages, once, though later ones are read before."""
    data = [pdf(*[PROSE] * count) for count in (7, 1, 3, 5, 2)]
    for ordered in (True, False):
        results = list(converter.documents(data, ordered=ordered))
        counts = [len(result.pages) for result in results]
        assert (counts if ordered else sorted(counts)) == ([7, 1, 3, 5, 2] if ordered else [1, 2, 3, 5, 7])
        assert all([page.number for page in result.pages] == [*range(1, len(result.pages) + 1)] for result in results)


def test_damaged_files_of_others_end_with_a_reason(converter: Converter, shared_data: Path) -> None:
    """Sixty of the files that two PDF engines test themselves with."""
    files = sorted((shared_data / "hostile").rglob("*.pdf"))
    chosen = Random(8).sample(files, 60)
    results = list(converter.documents(chosen, ordered=True))
    assert [result.name for result in results] == [str(file) for file in chosen]
    for result in results:
        assert result.pages or result.error
        for page in result.pages:
            assert (page.status == "failed") == (page.error is not None)
            assert "mistake in smoldocling" not in (page.error or "")
    assert sum(result.status == "ok" for result in results) > 20


UNGUARDED = """
import sys, threading
from smoldocling import Converter
print("once", flush=True)
stream = Converter(engine="textlayer", workers=2).stream([{file!r}] * 1 + [open({file!r}, "rb").read()] * 300)
next(stream)
from smoldocling.workers import pool
print(*pool.shared(2).pids, flush=True)
{rest}
"""


def program(samples: Path, rest: str) -> subprocess.Popen[str]:
    """A program without `if __name__ == "__main__"`, in the middle of a stream."""
    code = UNGUARDED.format(file=str(samples / "report.pdf"), rest=rest)
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def ended(pids: list[int]) -> bool:
    limit = time.monotonic() + 10.0
    while any(map(is_alive, pids)) and time.monotonic() < limit:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


@pytest.mark.parametrize("rest", ["", "raise SystemExit(3)", "stream.close()", "import os; os._exit(0)"])
def test_no_worker_outlives_a_program_that_ends(samples: Path, rest: str) -> None:
    """In the middle of a stream, closed or not. And the program's own code is run once, without any guard."""
    with program(samples, rest) as running:
        told, _ = running.communicate(timeout=LONG)
    first, pids = told.strip().splitlines()
    assert first == "once"
    assert ended([int(pid) for pid in pids.split()])


@pytest.mark.parametrize("busy", ["stream", "hang"])
def test_no_worker_outlives_a_program_that_is_killed(samples: Path, busy: str) -> None:
    """Not even one that is in the middle of a page that never ends."""
    hanging = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import bombs; bomb = bombs.nested_forms()"
    rest = (
        "list(stream)"
        if busy == "stream"
        else f"{hanging}; list(Converter(engine='textlayer', workers=2).stream(bomb))"
    )
    with program(samples, rest) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "once\n"
        pids = [int(pid) for pid in running.stdout.readline().split()]
        time.sleep(1.0)
        running.kill()
    assert pids
    assert ended(pids)


def test_ctrl_c_ends_the_command_and_its_workers(samples: Path, tmp_path: Path) -> None:
    """A terminal sends it to all of them."""
    bomb = tmp_path / "bomb.pdf"
    bomb.write_bytes(bombs.nested_forms())
    command = [
        sys.executable,
        "-m",
        "smoldocling",
        "convert",
        str(samples / "report.pdf"),
        str(bomb),
        "-o",
        str(tmp_path),
    ]
    running = subprocess.Popen(
        [*command, "--engine", "textlayer"], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with running:
        limit = time.monotonic() + LONG
        while not (tmp_path / "report.md").exists() and time.monotonic() < limit:
            time.sleep(0.05)
        time.sleep(0.5)
        pids = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
        pids += offspring(running.pid)
        begun = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        _, told = running.communicate(timeout=LONG)
    assert running.returncode == 130
    assert time.monotonic() - begun < 10.0
    assert "interrupted" in told
    assert "Traceback" not in told
    assert ended(pids)


def offspring(pid: int) -> list[int]:
    """The children of all of a process's threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def test_asyncio_goes_on_while_pages_are_read(converter: Converter) -> None:
    """And inputs may come asynchronously."""

    async def inputs():  # type: ignore[no-untyped-def]
        for _ in range(3):
            await asyncio.sleep(0.01)
            yield pdf(PROSE, PROSE)

    async def run() -> tuple[list[PageResult], int]:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        task = asyncio.create_task(turn())
        pages = [page async for page in converter.astream(inputs())]
        task.cancel()
        return pages, turns

    pages, turns = asyncio.run(run())
    assert [page.status for page in pages] == ["textlayer"] * 6
    assert turns > 10


def test_a_cancelled_task_ends_its_stream(converter: Converter) -> None:
    """At once, though the page that it waits for hangs."""

    async def run() -> float:
        async def read() -> None:
            async for _ in converter.astream([pdf(PROSE), bombs.nested_forms()]):
                pass

        task = asyncio.create_task(read())
        await asyncio.sleep(0.2)
        limit = time.monotonic() + LONG
        while not pool.shared(2).pids and time.monotonic() < limit:
            await asyncio.sleep(0.05)
        begun = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begun

    assert asyncio.run(run()) < 3.0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("smoldocling")]


def test_a_page_that_only_the_model_fails_is_read_from_its_text_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are in the file; and the page says that no model has read it."""
    script = "<doctag><text>quick</text></doctag>"
    checkpoint = str(make_checkpoint(tmp_path, tile_px=64, script=script, single_locs=True))
    options = {"engine": "transformers", "splits": 1, "device": "cpu", "dtype": "float32"}
    reader = Converter(model=checkpoint, **options)  # type: ignore[arg-type]
    assert reader.reader is not None

    def run(requests: object) -> Iterator[object]:
        raise RuntimeError("out of luck")
        yield

    monkeypatch.setattr(reader.reader.engine, "run", run)
    (page,) = reader.stream(pdf(PROSE))
    assert (page.status, page.engine) == ("textlayer", "textlayer")
    assert page.error is not None
    assert page.error.startswith("the model failed: ")
    assert page.error.endswith("out of luck; read from the text layer")
    assert "tide gauge" in page.doctags
    (page,) = reader.with_options(text="model").stream(pdf(PROSE))
    assert page.status == "failed"
