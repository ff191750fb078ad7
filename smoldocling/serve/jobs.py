"""Documents on their way through the server: waiting, being read, done, and kept for a while.

Knows: the line, readings, results, bytes and seconds. Does not know: HTTP, how uploads come in.
Laws: a job is in exactly one state and goes through them in one direction. An upload's file is gone when its job is
over. Results take at most `keep_bytes` together and are there for at most `keep_seconds`; what is being worked on takes
a bounded amount, too.
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal

from smoldocling.layer import reason
from smoldocling.output import Look
from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import Crop, PageResult, Result, walk
from smoldocling.serve.line import Line, Place
from smoldocling.serve.metrics import Metrics
from smoldocling.serve.reading import Cancelled, Reading
from smoldocling.serve.settings import Settings

State = Literal["queued", "running", "done", "failed", "cancelled"]
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})
# Jobs that are over and can still be asked about; their results are bounded by bytes, this bounds the rest.
MOST_OVER = 4096
# An element with its box, or a cell.
OBJECT_BYTES = 600
# One result may take a part of the room that there is for all, and those that are being made so much of it together.
SHARE, GROWING = 4, 2


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants done.

    path    the file that it has sent, ours to delete
    name    what the client calls it
    images  keep an image of every page
    kept    the result is to be fetched later, by the job's id
    """

    path: Path
    name: str
    pages: str | None
    password: str | None = field(repr=False)
    look: Look
    images: bool
    kept: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no result. `code` is for programs."""

    code: Literal["unreadable", "too_many_pages", "too_large", "cancelled", "timeout", "internal"]
    message: str


class Broken(Exception):
    """A document that is not read on."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(eq=False)
class Job:
    """One document. Only this module changes it.

    key    unguessable: who knows it may see the result
    view   the same for the report alone
    pages  what became of each page so far, by its number
    of     how many pages there are to do; None as long as nobody knows
    """

    key: str
    view: str
    wish: Wish
    created: float
    state: State = "queued"
    pages: dict[int, str] = field(default_factory=dict)
    of: int | None = None
    trouble: Trouble | None = None
    ended: float | None = None
    result: Result | None = None
    packed: bytes = b""
    weight: int = 0
    grown: int = 0
    started: float = 0.0
    reading: Reading | None = None
    future: Future[None] | None = None
    found: list[PageResult] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER

    @property
    def name(self) -> str:
        """What the client calls the document."""
        return self.wish.name


class Jobs:
    """All jobs of a server. May be used in any thread."""

    def __init__(self, converter: Converter, settings: Settings, line: Line, metrics: Metrics) -> None:
        self._converter = converter
        self._settings = settings
        self._line = line
        self._metrics = metrics
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._views: dict[str, Job] = {}
        self._growing = 0

    def start(self, place: Place, wish: Wish) -> Job:
        """Have a document read in its turn. Raises UnusableOption for the pages that are asked for."""
        try:
            converter = self._converter.with_options(pages=wish.pages, password=wish.password, page_images=wish.images)
        except BaseException:
            wish.path.unlink(missing_ok=True)
            raise
        job = Job(secrets.token_urlsafe(16), secrets.token_urlsafe(16), wish, time.time())
        stem = PurePath(wish.name).stem or "document"
        job.reading = Reading(
            converter, Source(wish.name, PurePath(stem), wish.path), lambda page: self._take(job, page)
        )
        with self._lock:
            self._jobs[job.key] = job
            self._views[job.view] = job
        job.future = place.work(lambda: self._run(job))
        return job

    def find(self, key: str) -> Job | None:
        """The job of that key."""
        self.sweep()
        return self._jobs.get(key)

    def seen(self, view: str) -> Job | None:
        """The job of which that is the report's key."""
        self.sweep()
        return self._views.get(view)

    def cancel(self, job: Job, trouble: Trouble | None = None) -> None:
        """Stop it; or, if it is over, forget it."""
        with self._lock:
            if not job.over:
                self._end(job, "cancelled", trouble or Trouble("cancelled", "it was cancelled"))
        assert job.future is not None and job.reading is not None, "it has been started"  # noqa: PT018
        if job.future.cancel():
            self._clean(job)
        job.reading.cancel()

    def forget(self, job: Job) -> None:
        """Nobody will ask for it any more."""
        with self._lock:
            self._drop(job)

    def result(self, job: Job) -> Result | None:
        """What came of it; None where there is nothing. Takes a while for long documents."""
        packed, result = job.packed, job.result
        if result is not None or not packed:
            return result
        unpacked: Result = pickle.loads(zlib.decompress(packed))  # ours: `_pack` has written it
        return unpacked

    def sweep(self) -> None:
        """Drop what is too old, or too much."""
        with self._lock:
            over = sorted((job for job in self._jobs.values() if job.over), key=lambda job: job.ended or 0.0)
            kept = sum(job.weight for job in over)
            now = time.time()
            for place, job in enumerate(over):
                old = now - (job.ended or now) > self._settings.keep_seconds
                if not old and kept <= self._settings.keep_bytes and len(over) - place <= MOST_OVER:
                    break
                kept -= job.weight
                self._drop(job)

    @property
    def count(self) -> int:
        """Jobs that can be asked about."""
        return len(self._jobs)

    @property
    def kept(self) -> int:
        """Bytes of all results."""
        with self._lock:
            return sum(job.weight for job in self._jobs.values())

    def ahead(self, job: Job) -> int:
        """How many came before it and wait, too."""
        with self._lock:
            return sum(other.state == "queued" and other.created < job.created for other in self._jobs.values())

    def unfetched(self) -> bool:
        """Whether there are results that somebody may still come for."""
        return any(job.wish.kept and job.weight for job in list(self._jobs.values()))

    def _run(self, job: Job) -> None:
        """In a thread of the line."""
        with self._lock:
            gone = job.over
            if not gone:
                job.state = "running"
                job.started = time.monotonic()
        if gone:
            self._clean(job)
            return
        assert job.reading is not None, "it has been started"
        try:
            job.reading.run()
            self._finish(job)
        except Cancelled:
            self._fail(job, "cancelled", Trouble("cancelled", "it was cancelled"))
        except Broken as error:
            self._fail(job, "failed", error.trouble)
        except Exception as error:  # a mistake of ours costs this document, and says so
            self._fail(job, "failed", Trouble("internal", reason(error)))
        finally:
            with self._lock:
                self._growing -= job.grown
            self._clean(job)
            self._metrics.took("document_seconds", time.monotonic() - job.started)

    def _take(self, job: Job, page: PageResult) -> None:
        """A page is done; in the thread of the reading."""
        if page.number == 0:
            raise Broken(Trouble("unreadable", page.error or "it cannot be opened"))
        if page.of > self._settings.max_pages:
            message = f"{page.of:,} pages; {self._settings.max_pages:,} are the limit"
            raise Broken(Trouble("too_many_pages", message))
        self._metrics.count("pages_total", status=page.status)
        job.found.append(page)
        job.of = page.of
        job.pages[page.number] = page.status
        weight = _weight(page)
        with self._lock:
            job.weight += weight
            job.grown += weight
            self._growing += weight
            full = self._growing > GROWING * self._settings.keep_bytes
        if full or job.weight > self._settings.keep_bytes // SHARE:
            raise Broken(Trouble("too_large", "the result is too large to be kept; ask for fewer pages at a time"))

    def _finish(self, job: Job) -> None:
        pages = tuple(sorted(job.found, key=lambda page: page.number))
        if not pages:
            raise Broken(Trouble("unreadable", "there are no pages in it"))
        warnings = tuple(dict.fromkeys(warning for page in pages for warning in page.warnings))
        result = Result(job.name, PurePath(PurePath(job.name).stem or "document"), pages, warnings)
        packed = zlib.compress(pickle.dumps(result), 1) if job.wish.kept else b""
        with self._lock:
            if job.over:
                return
            job.packed, job.result = packed, None if job.wish.kept else result
            job.weight = len(packed)
            trouble = None
            if result.status == "failed":
                errors = Counter(page.error or page.status for page in pages)
                trouble = Trouble("unreadable", errors.most_common(1)[0][0])
            self._end(job, "failed" if trouble else "done", trouble, result.status)
        self.sweep()

    def _fail(self, job: Job, state: State, trouble: Trouble) -> None:
        with self._lock:
            if not job.over:
                self._end(job, state, trouble)

    def _end(self, job: Job, state: State, trouble: Trouble | None, became: str | None = None) -> None:
        job.state, job.trouble, job.ended = state, trouble, time.time()
        if not job.packed:
            job.weight = 0
        self._metrics.count("documents_total", status=became or state)

    def _clean(self, job: Job) -> None:
        job.found = []
        with contextlib.suppress(OSError):
            job.wish.path.unlink(missing_ok=True)

    def _drop(self, job: Job) -> None:
        self._jobs.pop(job.key, None)
        self._views.pop(job.view, None)


def told(jobs: Jobs, job: Job, settings: Settings) -> dict[str, Any]:
    """What a client hears about its job."""
    facts: dict[str, Any] = {
        "id": job.key,
        "name": job.name,
        "state": job.state,
        "pages_done": len(job.pages),
        "pages": job.of,
        "page_status": [{"page": number, "status": status} for number, status in sorted(job.pages.items())],
    }
    if job.state == "queued":
        facts["ahead"] = jobs.ahead(job)
    if job.trouble is not None:
        facts["error"] = {"code": job.trouble.code, "message": job.trouble.message}
    if job.ended is not None:
        facts["expires_in"] = max(0, round(job.ended + settings.keep_seconds - time.time()))
    if job.packed:
        facts["result"] = f"/v1/jobs/{job.key}/result"
        facts["report"] = f"/report/{job.view}"
    return facts


def _weight(page: PageResult) -> int:
    """About what a page takes in memory."""
    crops: Iterable[Crop] = page.pictures.values()
    pictures = sum(len(crop.data) for crop in crops) + len(page.image.data if page.image else b"")
    words = sum(OBJECT_BYTES * (1 + len(one.cells)) + len(one.text) for one in walk(page.tree))
    return OBJECT_BYTES + words + len(page.raw or "") + pictures
