"""What has been done of a large run, and what of it is in shards.

Knows: the order of documents, their pages, content that occurs twice, when a shard is full. Does not know: how pages
are read, where documents come from.

Documents have keys (source, member), and come in the order of their keys; a document's pages come in any order. A shard
is sealed when the documents that are complete, from the first that is in no shard, have enough pages.
Law: the shards depend on the documents alone: not on the order in which pages are done, not on where the journal was
cut off and the run begun again, not on how often. A page is in them once for each path that leads to it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from smoldocling.corpus.entry import NOT_OPENED, UNOPENED, Entry, Key, Tally
from smoldocling.corpus.index import Index, Place
from smoldocling.corpus.journal import Journal, Record, Spot
from smoldocling.corpus.shards import DOCUMENTS, PAGES, TIMINGS, Row, Writer, join, rows
from smoldocling.corpus.trees import load
from smoldocling.result import INCOMPLETE, PageResult

# What is told of a page beside its row: it may be different in another run.
HAPPENED = ("seconds", "note")


class Binder(Protocol):
    """Who writes documents beside the shards."""

    def write(self, key: Key, name: str, place: str, pages: Iterable[PageResult]) -> tuple[list[str], str | None]:
        """Gives the files, or what went wrong. The same document may be asked for again, and gives the same files."""
        ...


class Ledger:
    """The state of one folder. Its methods may be called in any thread.

    _sealed   the first document that is in no shard
    _next     the first behind those that wait, complete, for their shard to be full; _ready: how many rows they have
    _tally    what is in shards; _waiting: what waits for its shard to be full
    _open     all documents from `_sealed` on that have arrived
    _members  how many documents a source has; _ends: where that stands in the journal
    _first    content -> the first document with it among `_open`
    """

    _sealed: Key
    _next: Key
    _ready: int
    _shard: int
    _finished: bool
    _tally: Tally
    _waiting: Tally
    _open: dict[Key, Entry]
    _members: dict[int, int]
    _ends: dict[int, Spot]
    _first: dict[str, Key]

    def __init__(self, folder: Path, *, versions: str, shard_pages: int, binder: Binder | None = None) -> None:
        """Read what the journal in `folder/.corpus` says. Raises OSError, sqlite3.Error.

        binder  is given each document when it is complete, in their order; pages then have to come with `saved`
        """
        self._folder = folder
        self._workshop = folder / ".corpus"
        self._versions = versions
        self._shard_pages = shard_pages
        self._binder = binder
        self._lock = threading.RLock()
        self._index = Index(self._workshop / "index.sqlite")
        self._journal = Journal(self._workshop / "journal")
        self._begin({})
        for spot, record in self._journal.replay():
            self._read(spot, record)
        self._collect()

    def close(self) -> None:
        """Wait until all is on the disk, and let go of it."""
        with self._lock:
            self._journal.sync()
            self._journal.close()
            self._index.close()

    # What there is to do. Documents have to arrive in the order of their keys.

    @property
    def head(self) -> Key:
        """The first document that is in no shard."""
        return self._sealed

    @property
    def finished(self) -> bool:
        """Whether everything is in its place."""
        return self._finished

    def members(self, source: int) -> int | None:
        """How many documents a source has, if that is known."""
        with self._lock:
            return self._members.get(source)

    def settled(self, key: Key) -> bool:
        """Whether nothing has to be done for a document, so that it need not be fetched."""
        with self._lock:
            return key < self._sealed or (key in self._open and self._open[key].complete)

    def arrive(self, key: Key, path: str, place: str, digest: str, size: int, *, last: bool) -> frozenset[int] | None:
        """A document has been fetched; `digest` tells its content. Gives the pages that are done, or None: all are."""
        with self._lock:
            known = self._open.get(key)
            if known is None or known.digest != digest:
                self._append(_document(key, path, place, digest, size, last=last))
            entry = self._open.get(key)
            if entry is None or entry.complete:  # it may be in a shard already
                return None
            return frozenset(entry.pages)

    def unfit(self, key: Key, path: str, place: str, reason: str, *, last: bool) -> None:
        """A document could not be fetched."""
        with self._lock:
            self._append(_document(key, path, place, None, 0, last=last))
            self.add(key, {"page": NOT_OPENED, "of": 1, "status": "failed", "reason": reason, "engine": "none"})

    def path(self, key: Key) -> str:
        """The name of a document that is not complete."""
        with self._lock:
            return self._open[key].path

    def end(self, source: int, members: int) -> None:
        """A source has had its last document."""
        with self._lock:
            if source not in self._members and source >= self._sealed[0]:
                self._append({"kind": "end", "source": source, "members": members})

    def add(self, key: Key, page: Record) -> None:
        """A page is done: columns of PAGES, with `of`, the number of the document's pages, `seconds` and `warnings`."""
        with self._lock:
            if key in self._open and page["page"] not in self._open[key].pages:
                self._append({"kind": "page", "key": key, **page})

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        with self._lock:
            self._journal.sync()

    def finish(self) -> None:
        """All documents have arrived and are done: seal what is left and write the table of documents."""
        with self._lock:
            if self._finished:
                return
            assert not self._open or self._next > max(self._open), "a run is finished when all its pages are"
            if self._ready or self._shard == 0:
                self._seal()
            parts = [self._part(number) for number in range(self._shard)]
            join(parts, self._workshop, self._folder / "documents.parquet", DOCUMENTS)
            self._journal.replace(self._state(finished=True), [])
            self._finished = True
            for path in [*parts, *(self._shelf(number) for number in range(self._shard))]:
                path.unlink(missing_ok=True)

    def tally(self) -> Tally:
        """Counts over everything that is done, in this run and before it."""
        with self._lock:
            sums = [self._tally, self._waiting]
            tally = Tally(sum((one.pages for one in sums), Counter()), sum((one.documents for one in sums), Counter()))
            for key in reversed(self._open):  # they came in their order
                if key < self._next:
                    break
                tally.pages.update(self._open[key].statuses)
            return tally

    # The journal, and what it means

    def _append(self, record: Record) -> None:
        self._read(self._journal.append(record), record)
        self._collect()

    def _begin(self, state: Record) -> None:
        """What the first record of a journal says: what is in shards."""
        source, member = state.get("head", (0, 0))
        self._sealed = source, member
        self._shard = state.get("shard", 0)
        self._finished = state.get("finished", False)
        self._tally = Tally(Counter(state.get("pages", {})), Counter(state.get("documents", {})))
        self._waiting = Tally()
        self._next = self._sealed
        self._open = {}
        self._members = {}
        self._ends = {}
        self._first = {}
        self._ready = 0

    def _state(self, *, finished: bool = False) -> Record:
        return {
            "kind": "state",
            "head": self._next,
            "shard": self._shard,
            "finished": finished,
            "pages": self._tally.pages,
            "documents": self._tally.documents,
        }

    def _read(self, spot: Spot, record: Record) -> None:
        """One record more."""
        match record["kind"]:
            case "state":
                self._begin(record)
            case "document":
                self._read_document(spot, record)
            case "page":
                self._open[tuple(record["key"])].add(spot, record)
            case "files":
                self._open[tuple(record["key"])].files = record["files"], record["problem"]
            case "end":
                self._members[record["source"]] = record["members"]
                self._ends[record["source"]] = spot

    def _read_document(self, spot: Spot, record: Record) -> None:
        key: Key = tuple(record["key"])
        before = self._open.get(key)
        if before is not None:
            self._disown(key, before)
        entry = Entry(record["path"], record["place"], record["hash"], record["bytes"], record["last"], spot)
        self._open[key] = entry
        if entry.digest is None:
            return
        entry.shelved = self._index.find(entry.digest, self._shard)
        first = self._first.setdefault(entry.digest, key)
        if entry.shelved is None and first < key:
            entry.same = first

    def _disown(self, key: Key, entry: Entry) -> None:
        """A file has changed since it was read: the next with its former content is now the first with it."""
        if entry.digest is None or self._first.get(entry.digest) != key:
            return
        del self._first[entry.digest]
        for other in sorted(other for other in self._open if self._open[other].same == key):
            first = self._first.setdefault(entry.digest, other)
            self._open[other].same = first if first != other else None

    # From the journal to shards

    def _collect(self) -> None:
        """Go past the documents that are complete; seal a shard when there are enough of them."""
        while not self._finished:
            source, member = self._next
            if self._members.get(source) == member:
                self._next = (source + 1, 0)
                continue
            entry = self._open.get(self._next)
            if entry is None or not entry.complete:
                return
            if self._binder is not None and entry.files is None:
                self._bind(self._binder, self._next, entry)
            self._ready += self._length(entry)
            self._count(entry, self._waiting)
            self._next = (source + 1, 0) if entry.last else (source, member + 1)
            if self._ready >= self._shard_pages:
                self._seal()

    def _bind(self, binder: Binder, key: Key, entry: Entry) -> None:
        """Have a document's files written, and write down that they are."""
        files, problem = binder.write(key, entry.path, entry.place, self._pages(entry))
        record = {"kind": "files", "key": key, "files": files, "problem": problem}
        self._read(self._journal.append(record), record)

    def _pages(self, entry: Entry) -> Iterator[PageResult]:
        """A complete document's pages, with all that files need; without the one that stands for none."""
        origin = self._origin(entry)
        spots = entry.shelved.spots if entry.shelved is not None else [spot for _, spot in sorted(origin.pages.items())]
        shelf = None if entry.shelved is None else Journal(self._shelf(entry.shelved.shard))
        try:
            for spot in spots:
                record = (shelf or self._journal).read(Spot(*spot))
                if record["page"] != NOT_OPENED:
                    yield load(record["saved"], entry.path, record)
        finally:
            if shelf is not None:
                shelf.close()

    def _length(self, entry: Entry) -> int:
        """Rows of a complete document."""
        if entry.shelved is not None:
            return entry.shelved.count
        return len(self._origin(entry).pages)

    def _origin(self, entry: Entry) -> Entry:
        return self._open[entry.same] if entry.same is not None else entry

    def _seal(self) -> None:
        """Write a shard, and begin the journal anew behind it. Cut off anywhere, it is done again: the same bytes."""
        name = f"pages-{self._shard:06d}.parquet"
        done = sorted(key for key in self._open if key < self._next)
        places: dict[Key, Place] = {}
        first = 0
        with (
            Writer(self._workshop, self._folder / "pages" / name, PAGES) as pages,
            Writer(self._workshop, self._folder / "timings" / name.replace("pages", "timings"), TIMINGS) as timings,
            Writer(self._workshop, self._part(self._shard), DOCUMENTS) as documents,
        ):
            for key in done:
                entry = self._open[key]
                for page, happened in self._rows(entry):
                    pages.add(page)
                    timings.add({"path": entry.path, "page": page["page"], **happened})
                places[key] = place = self._place(entry, first)
                first += place.count
                documents.add(self._described(entry, place, name))
        if self._binder is not None:
            self._journal.keep(self._shelf(self._shard))
        own = ((self._open[key], place) for key, place in places.items() if not self._open[key].borrowed)
        self._index.add([(entry.digest, place) for entry, place in own if entry.digest is not None], self._shard)
        self._tally.pages.update(self._waiting.pages)
        self._tally.documents.update(self._waiting.documents)
        self._waiting = Tally()
        self._shard += 1
        self._forget(done)

    def _rows(self, entry: Entry) -> Iterator[tuple[Row, Row]]:
        """A document's rows, and how long its pages took and so on; nothing where another document's are taken."""
        constant = {"path": entry.path, "hash": entry.digest, "versions": self._versions}
        if entry.shelved is not None:
            shard = self._folder / "pages" / f"pages-{entry.shelved.shard:06d}.parquet"
            for row in rows(shard, entry.shelved.first, entry.shelved.count):
                yield {**row, **constant}, {}
            return
        for _, spot in sorted(self._origin(entry).pages.items()):
            record = self._journal.read(spot)
            happened = {} if entry.borrowed else {name: record.get(name) for name in HAPPENED}
            yield {**record, **constant}, happened

    def _place(self, entry: Entry, first: int) -> Place:
        """Where a document's rows come to be, and what is known of it."""
        if entry.shelved is not None:
            return replace(entry.shelved, shard=self._shard, first=first)
        origin = self._origin(entry)
        return Place(
            shard=self._shard,
            first=first,
            count=len(origin.pages),
            path=origin.path,
            statuses=dict(sorted(origin.statuses.items())),
            status=origin.status,
            reason=origin.reason,
            spots=[spot for _, spot in sorted(origin.pages.items())] if self._binder is not None else [],
        )

    @staticmethod
    def _described(entry: Entry, place: Place, shard: str) -> Row:
        files, problem = entry.files or (None, None)
        return {
            "path": entry.path,
            "hash": entry.digest,
            "bytes": entry.size,
            "pages": place.count - place.statuses.get(UNOPENED, 0),
            "incomplete": sum(place.statuses.get(status, 0) for status in INCOMPLETE),
            "status": "partial" if problem and place.status == "ok" else place.status,
            "reason": "; ".join(text for text in (place.reason, problem) if text) or None,
            "files": files,
            "same_as": place.path if entry.borrowed else None,
            "shard": shard,
        }

    def _count(self, entry: Entry, tally: Tally) -> None:
        place = self._place(entry, 0)
        tally.pages.update(place.statuses)
        tally.documents[self._described(entry, place, "")["status"]] += 1

    def _forget(self, done: Iterable[Key]) -> None:
        """Take what is in shards out of the journal."""
        for key in done:
            entry = self._open.pop(key)
            if entry.digest is not None and self._first.get(entry.digest) == key:
                del self._first[entry.digest]
        for source in [source for source in self._members if source < self._next[0]]:
            del self._members[source], self._ends[source]
        kept = [spot for entry in self._open.values() for spot in (entry.record, *entry.pages.values())]
        moved = self._journal.replace(self._state(), [*kept, *self._ends.values()])
        for entry in self._open.values():
            entry.record = moved[entry.record]
            entry.pages = {number: moved[spot] for number, spot in entry.pages.items()}
            if entry.same is not None and entry.same not in self._open:
                assert entry.digest is not None, "what is the same has a digest"
                entry.same, entry.shelved = None, self._index.find(entry.digest, self._shard)
        self._ends = {source: moved[spot] for source, spot in self._ends.items()}
        self._sealed, self._ready = self._next, 0

    def _shelf(self, shard: int) -> Path:
        """A journal that is kept for documents to come with the same content as one in it."""
        return self._workshop / f"shelf-{shard:06d}"

    def _part(self, shard: int) -> Path:
        return self._workshop / "documents" / f"{shard:06d}.parquet"


def _document(key: Key, path: str, place: str, digest: str | None, size: int, *, last: bool) -> Record:
    return {
        "kind": "document",
        "key": key,
        "path": path,
        "place": place,
        "hash": digest,
        "bytes": size,
        "last": last,
    }
