"""One call of `corpus`: every document converted once, whatever happens on the way, and what came of it.

Joins the list of sources, a converter and the ledger; says how far it is. Does not know: options, terminals, exits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import FrameType
from typing import Any, Protocol

from smoldocling.corpus import listing, web
from smoldocling.corpus.entry import UNOPENED, Key, Tally
from smoldocling.corpus.fetch import Fetched, Fetcher, is_tar
from smoldocling.corpus.files import Files
from smoldocling.corpus.folder import Settings, occupied, writing
from smoldocling.corpus.ledger import Ledger
from smoldocling.corpus.listing import Listed, Listing
from smoldocling.corpus.names import Names
from smoldocling.corpus.rows import row
from smoldocling.corpus.skipped import Skipped
from smoldocling.corpus.trees import save
from smoldocling.output import Look
from smoldocling.pages.sources import Source
from smoldocling.progress import Progress
from smoldocling.result import INCOMPLETE, PageResult

OK, SOME_FAILED, NOTHING, INTERRUPTED = 0, 1, 3, 130
# So much work is lost at most when the power is cut.
SYNC_SECONDS = 5.0
SHOW_SECONDS = 0.2
# Whoever watches sees what kind of trouble there is; all of it is in the tables.
MOST_LINES = 20


class Reads(Protocol):
    """What a Converter does here."""

    def stream(self, inputs: Iterator[Source]) -> Iterator[PageResult]:
        """Pages as they are done."""
        ...


@dataclass
class Run:
    """One call of `corpus`.

    settings     all that decides what is written
    shard_pages  a shard is full when it has so many
    formats      files to be written beside the shards
    before       pages that earlier calls have done; `pages` are this one's, `tally` is all
    """

    folder: Path
    sources: list[str]
    settings: Settings
    shown: Progress
    shard_pages: int
    formats: list[str] = field(default_factory=list)
    look: Look = field(default_factory=Look)
    allow_private: bool = False
    before: int = 0
    pages: int = 0
    tally: Tally = field(default_factory=Tally)
    finished: bool = False
    seconds: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lines: int = 0
    _arrived: int = 0
    _first: int = 0

    def all(self, converter: Reads) -> None:
        """Go on until everything is done, or until SIGINT or SIGTERM; a second one raises KeyboardInterrupt.

        Raises UnusableOption where the folder is taken or was begun in another way, UnwritableOutput where the disk is
        full or broken: what was done by then is safe.
        """
        try:
            with (
                occupied(self.folder, self.settings) as workshop,
                closing(self._listed(workshop)) as sources,
                self._binder(workshop) as binder,
                _interruptible(self._interrupt),
                self._ledger(binder) as ledger,
            ):
                self._work(converter, sources, ledger)
        finally:
            self.seconds = time.monotonic() - self._started

    @contextmanager
    def _ledger(self, binder: Files | None) -> Iterator[Ledger]:
        versions = self.settings["versions"]
        with writing(self.folder):
            ledger = Ledger(self.folder, versions=versions, shard_pages=self.shard_pages, binder=binder)
        try:
            yield ledger
        except BaseException:
            with contextlib.suppress(OSError, sqlite3.Error):  # what went wrong before is what is told
                ledger.close()
            raise
        with writing(self.folder):
            ledger.close()

    @contextmanager
    def _binder(self, workshop: Path) -> Iterator[Files | None]:
        """Who writes the files that `convert` writes, if they are wanted."""
        if not self.formats:
            yield None
            return
        with writing(self.folder):
            made = Names(workshop / "names.sqlite")
        with closing(made) as names:
            yield Files(self.folder / "files", names, self.formats, self.look)

    def _listed(self, workshop: Path) -> Listing:
        path = workshop / "sources.sqlite"
        with writing(self.folder):
            if not path.exists():
                listing.build(
                    path,
                    self.sources,
                    self.folder.resolve(),
                    lambda count: self.shown.line(f"listing: {count:,} sources"),
                )
            return Listing(path)

    def _work(self, converter: Reads, sources: Listing, ledger: Ledger) -> None:
        synced = shown = time.monotonic()
        self._first = self._arrived = ledger.head[0]
        self.before = _opened(ledger.tally())
        with closing(converter.stream(self._arriving(sources, ledger))) as stream:  # type: ignore[type-var]
            for page in stream:
                key = _key(page.source)
                if page.error and page.status in INCOMPLETE:
                    place = f"page {page.number}: {page.status}: " if page.number else ""
                    self._complain(f"{ledger.path(key)}: {place}{page.error}")
                record = row(page) | ({"saved": save(page)} if self.formats else {})
                with writing(self.folder):
                    ledger.add(key, record)
                    if time.monotonic() - synced >= SYNC_SECONDS:
                        ledger.sync()
                        synced = time.monotonic()
                self.pages += page.number > 0
                if time.monotonic() - shown >= SHOW_SECONDS:
                    self._tick(sources.count, ledger)
                    shown = time.monotonic()
        if not self._stop.is_set():
            with writing(self.folder):
                ledger.finish()
        self.finished = ledger.finished
        self.tally = ledger.tally()

    def _arriving(self, sources: Listing, ledger: Ledger) -> Iterator[Source]:
        """Documents that have to be converted. What needs no converter is entered on the way."""
        fetcher = Fetcher(judge=None if self.allow_private else web.public)
        for listed in sources.read(ledger.head[0]):
            for key, fetched, last in self._documents(fetcher, listed, ledger):
                if self._stop.is_set():
                    return
                with writing(self.folder):
                    source = self._entered(ledger, key, fetched, last=last)
                if source is not None:
                    yield source
            self._arrived = listed.number + 1

    def _documents(self, fetcher: Fetcher, listed: Listed, ledger: Ledger) -> Iterator[tuple[Key, Fetched, bool]]:
        """The documents of a source that are not settled, with whether it has no more."""
        number = listed.number
        if listed.error is not None:
            if not ledger.settled((number, 0)):
                yield (number, 0), Fetched(listed.address, listed.place, error=listed.error), True
        elif not is_tar(listed.address):
            if not ledger.settled((number, 0)):
                yield (number, 0), fetcher.one(listed.address, listed.place), True
        else:
            known = ledger.members(number)
            if known is not None and all(ledger.settled((number, member)) for member in range(known)):
                return
            member = 0

            def wanted(member: int) -> bool:
                return not ledger.settled((number, member))

            for fetched in fetcher.members(listed.address, listed.place, wanted):
                if fetched is not None:
                    while not wanted(member):  # it could be read further the last time
                        member += 1
                    yield (number, member), fetched, False
                member += 1
            with writing(self.folder):
                ledger.end(number, member)

    def _entered(self, ledger: Ledger, key: Key, fetched: Fetched, *, last: bool) -> Source | None:
        name = printable_path(fetched.name)
        if fetched.data is None:
            assert fetched.error is not None, "what is not there has a reason"
            ledger.unfit(key, name, printable_path(fetched.place), fetched.error, last=last)
            self._complain(f"{name}: {fetched.error}")
            return None
        done = ledger.arrive(key, name, printable_path(fetched.place), fetched.digest, len(fetched.data), last=last)
        if done is None:
            return None
        return Source(f"{key[0]}.{key[1]}", PurePath("document"), fetched.data, Skipped(done, self._stop))

    def _interrupt(self) -> None:
        self._stop.set()
        with contextlib.suppress(RuntimeError):  # the signal may have come in the middle of another line
            self.shown.line("stopping: what is in hand is finished first; once more ends it at once")

    def _tick(self, count: int, ledger: Ledger) -> None:
        share = (self._arrived - self._first) / max(1, count - self._first)
        expected = round(self.pages / share) if share else self.pages
        counts = ledger.tally()
        note = ", ".join(f"{counts.pages[status]:,} {status}" for status in sorted(counts.pages))
        self.shown.tick(self.pages, expected, note=note)

    def _complain(self, line: str) -> None:
        """Say what went wrong, as long as that is not too often."""
        self._lines += 1
        if self._lines <= MOST_LINES:
            self.shown.line(line)
        elif self._lines == MOST_LINES + 1:
            self.shown.line("there is more of this; all of it will be in documents.parquet")

    @property
    def exit_code(self) -> int:
        """0 all, 1 some, 3 nothing, 130 interrupted."""
        if not self.finished:
            return INTERRUPTED
        documents = self.tally.documents
        if not documents["ok"] and not documents["partial"]:
            return NOTHING
        return SOME_FAILED if documents["partial"] or documents["failed"] else OK

    def summary(self) -> str:
        """One line for people."""
        pages, documents = self.tally.pages, self.tally.documents
        rate = f" ({self.pages / self.seconds:.3g} pages/s)" if self.seconds and self.pages else ""
        before = f", {self.before:,} of them before" if self.before else ""
        total = f"{documents.total():,} documents, {_opened(self.tally):,} pages{before}"
        parts = [f"{total}, in {self.seconds:.1f} s{rate}"]
        parts += [f"{pages[status]:,} {status}" for status in sorted(pages) if status != UNOPENED and pages[status]]
        parts += [f"{documents[status]:,} documents {status}" for status in ("partial", "failed") if documents[status]]
        return "; ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The summary for machines."""
        pages = {status: count for status, count in sorted(self.tally.pages.items()) if status != UNOPENED and count}
        return {
            "finished": self.finished,
            "seconds": round(self.seconds, 3),
            "pages_now": self.pages,
            "pages": pages,
            "incomplete_pages": sum(pages.get(status, 0) for status in INCOMPLETE),
            "documents": {status: self.tally.documents[status] for status in ("ok", "partial", "failed")},
        }


def _opened(tally: Tally) -> int:
    """Pages, without those that stand for documents that cannot be opened."""
    return tally.pages.total() - tally.pages[UNOPENED]


def printable_path(name: str) -> str:
    """A name as a column of text can have it: the names of files need not be text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _key(name: str) -> Key:
    source, _, member = name.partition(".")
    return int(source), int(member)


@contextmanager
def _interruptible(stop: Callable[[], None]) -> Iterator[None]:
    """The first SIGINT or SIGTERM calls `stop`, the next raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            raise KeyboardInterrupt
        heard = True
        stop()

    before = [(number, signal.signal(number, handle)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
