"""Which content has been converted already, and where its rows are.

Knows: SQLite. Does not know: pages.
Law: entries of shards that are not sealed are not believed; they are written again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from smoldocling.result import DocumentStatus

_ADD = """INSERT INTO place VALUES (?1, ?2, ?3)
    ON CONFLICT (hash) DO UPDATE SET shard = ?2, place = ?3 WHERE shard >= ?4"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of some content are: `count` rows of a shard from `first` on; and what became of it.

    path      the document that was converted
    statuses  its pages by status
    spots     where its pages are in the journal that was kept with the shard, if that was
    """

    shard: int
    first: int
    count: int
    path: str
    statuses: dict[str, int]
    status: DocumentStatus
    reason: str | None
    spots: Sequence[tuple[int, int]]


class Index:
    """Content -> Place, on disk. It may be asked in any thread, by one at a time."""

    def __init__(self, path: Path) -> None:
        self._data = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._data.execute("PRAGMA synchronous = FULL")
        self._data.execute(
            "CREATE TABLE IF NOT EXISTS place (hash BLOB PRIMARY KEY, shard INT, place TEXT) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def find(self, digest: str, before: int) -> Place | None:
        """Where content is, if a shard with a lower number than `before` has it."""
        query = "SELECT place FROM place WHERE hash = ? AND shard < ?"
        found = self._data.execute(query, (bytes.fromhex(digest), before)).fetchone()
        return Place(**json.loads(found[0])) if found else None

    def add(self, places: Iterable[tuple[str, Place]], shard: int) -> None:
        """Content of one shard, which replaces what was said of it and of later ones."""
        self._data.execute("BEGIN")
        try:
            for digest, place in places:
                row = (bytes.fromhex(digest), place.shard, json.dumps(asdict(place)))
                self._data.execute(_ADD, (*row, shard))
            self._data.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._data.execute("ROLLBACK")
            raise
