"""Names of output files that nobody has to fear, whatever the input was called.

Knows: places as they came, suffixes, SQLite. Does not know: contents.
Laws: a name that is given out is relative, stays below its folder, and is short enough for any disk. No two documents
get the same, also where the disk ignores case; a document that asks again gets the same again.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import sqlite3
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from smoldocling.corpus.entry import Key
from smoldocling.output import ARTIFACTS, FORMATS
from smoldocling.pages.sources import SUFFIXES

# Of 255 that disks take; the rest is for suffixes, numbers and the name while it is written.
MOST_BYTES = 180
# Of 4096 that Linux takes for a whole path, and 1024 that others do.
MOST_BYTES_IN_ALL = 700
# What is a file's name can be no folder's.
RESERVED = (ARTIFACTS, *(suffix for suffix, _ in FORMATS.values()))


class Names:
    """Who owns which name. To be asked in the order of the documents."""

    def __init__(self, path: Path) -> None:
        self._data = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._data.execute("PRAGMA synchronous = FULL")
        self._data.execute("CREATE TABLE IF NOT EXISTS name (name TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID")

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def claim(self, key: Key, place: str, formats: Iterable[str]) -> PurePosixPath:
        """A place for a document: `place` made safe, or the same with a number."""
        wanted = safe(place)
        suffixes = (ARTIFACTS, *(FORMATS[name][0] for name in formats))
        owner = f"{key[0]}.{key[1]}"
        for count in itertools.count(1):
            name = wanted if count == 1 else wanted.with_name(f"{wanted.name}-{count}")
            files = [unicodedata.normalize("NFC", str(name) + suffix).casefold() for suffix in suffixes]
            if all(self._owner(file) in (None, owner) for file in files):
                self._data.execute("BEGIN")
                self._data.executemany("INSERT OR REPLACE INTO name VALUES (?, ?)", [(file, owner) for file in files])
                self._data.execute("COMMIT")
                return name
        raise AssertionError("there is always one number more")

    def _owner(self, file: str) -> str | None:
        found = self._data.execute("SELECT owner FROM name WHERE name = ?", (file,)).fetchone()
        return found[0] if found else None


def safe(place: str) -> PurePosixPath:
    """`place` without what leads elsewhere, cannot be written or is too long; and without a document's suffix."""
    parts = [part for part in place.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts:
        stem, dot, suffix = parts[-1].rpartition(".")
        parts[-1] = stem if stem and dot + suffix.lower() in SUFFIXES else parts[-1]
    cleaned = [_part(part) for part in parts] or ["document"]
    folders = [part + "_" if part.lower().endswith(RESERVED) else part for part in cleaned[:-1]]
    whole = PurePosixPath(*folders, cleaned[-1])
    if len(os.fsencode(str(whole))) > MOST_BYTES_IN_ALL:
        return PurePosixPath("long", f"{_mark(place)}-{cleaned[-1]}")
    return whole


def _part(part: str) -> str:
    """One part of a path."""
    text = part.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    text = "".join("_" if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
    if text.startswith("."):  # `..`, and what would be hidden
        text = "_" + text[1:]
    if len(text.encode()) > MOST_BYTES:
        text = text.encode()[: MOST_BYTES - 9].decode("utf-8", "ignore") + "-" + _mark(part)
    return text


def _mark(text: str) -> str:
    """Eight digits that tell long names with the same beginning apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
