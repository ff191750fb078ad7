"""All sources of a run in their order, on disk: there may be more of them than memory holds.

Knows: files, folders, globs, @lists, addresses of other systems, SQLite. Does not know: what is in them.
Laws: the same sources give the same list, in whatever order the disk names them: those of the command line one after
the other, what is in a folder by name. A source that is reached twice is in it once; what cannot be found is in it too.
"""

from __future__ import annotations

import glob
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from smoldocling.corpus.disk import settle
from smoldocling.corpus.fetch import TARS, file_system, remote, scheme
from smoldocling.errors import UnusableOption
from smoldocling.pages.sources import SUFFIXES, because

READ_AT_ONCE = 1000
SAID_EVERY = 10_000
TAKEN = "a file, a folder, a pattern, @list.txt, a tar file, or an s3://, gs://, http:// or https:// address is taken"


@dataclass(frozen=True, slots=True)
class Listed:
    """One source: a document, or a tar file of many.

    place  where its output belongs, relative, without suffix; as it came, so it may hold anything
    error  why it is none
    """

    number: int
    address: str
    place: str
    error: str | None


_Found = tuple[str, str, str | None]
"""address, place, error"""


class Listing:
    """A finished list."""

    def __init__(self, path: Path) -> None:
        self._data = sqlite3.connect(path, check_same_thread=False)
        self.count: int = self._data.execute("SELECT count(*) FROM source").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def read(self, first: int) -> Iterator[Listed]:
        """Sources from number `first` on."""
        query = "SELECT number, address, place, error FROM source WHERE number >= ? ORDER BY number LIMIT ?"
        while found := self._data.execute(query, (first, READ_AT_ONCE)).fetchall():
            for number, address, place, error in found:
                yield Listed(number, os.fsdecode(address), os.fsdecode(place), error)
            first = found[-1][0] + 1


def build(path: Path, sources: Iterable[str], own: Path, say: Callable[[int], None]) -> None:
    """Make the list of `sources` at `path`. It is there whole or not at all.

    own  the run's own folder, which is no source
    say  called now and then with the number of sources so far

    Raises UnusableOption for a list that cannot be read, OSError, sqlite3.Error.
    """
    temporary = path.with_name(path.name + ".part")
    temporary.unlink(missing_ok=True)
    data = sqlite3.connect(temporary)
    try:
        data.execute("PRAGMA journal_mode = OFF")
        data.execute(
            "CREATE TABLE raw (key BLOB PRIMARY KEY, turn INT, address BLOB, place BLOB, error TEXT) WITHOUT ROWID"
        )
        count = 0
        for turn, source in enumerate(_lines(sources)):
            for address, place, error in _expanded(source, own):
                key = address if remote(address) else os.path.abspath(address)
                values = (os.fsencode(key), turn, os.fsencode(address), os.fsencode(place), error)
                data.execute("INSERT OR IGNORE INTO raw VALUES (?, ?, ?, ?, ?)", values)
                count += 1
                if count % SAID_EVERY == 0:
                    say(count)
        data.execute("CREATE TABLE source (number INTEGER PRIMARY KEY, address BLOB, place BLOB, error TEXT)")
        data.execute(
            "INSERT INTO source SELECT row_number() OVER (ORDER BY turn, address) - 1, address, place, error FROM raw"
        )
        data.execute("DROP TABLE raw")
        data.commit()
    finally:
        data.close()
    settle(temporary, path)


def _lines(sources: Iterable[str]) -> Iterator[str]:
    """What stands on the command line, and in the lists that are named there."""
    for source in sources:
        if not source.startswith("@") or os.path.lexists(source):
            yield source
            continue
        try:
            with open(source[1:], encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
                yield from (line for line in (line.rstrip("\r\n") for line in lines) if line.strip())
        except OSError as error:
            raise UnusableOption(f"{source}: the list cannot be read: {because(error)}") from error


def _expanded(source: str, own: Path) -> Iterator[_Found]:
    """The files behind a source; or the source with what is wrong with it."""
    found = False
    try:
        for item in _elsewhere(source) if remote(source) else _here(source, own):
            found = True
            yield item
    except Exception as error:  # other people's file systems raise whatever they like
        found = True
        yield source, "", because(error)
    if not found:
        yield source, "", "no document is there"


def _here(source: str, own: Path) -> Iterator[_Found]:
    if not source or "\0" in source:
        yield source, "", f"no name of a file; {TAKEN}"
    elif os.path.isdir(source):
        yield from _folder(source, own)
    elif os.path.exists(source):
        yield source, os.path.basename(source), None
    elif glob.has_magic(source):
        for hit in glob.iglob(source, recursive=True):
            if os.path.isdir(hit):
                yield from _folder(hit, own)
            else:
                yield hit, os.path.basename(hit), None
    else:
        yield source, "", f"no such file or folder; {TAKEN}"


def _folder(top: str, own: Path) -> Iterator[_Found]:
    """Every document below a folder. Links are followed, each folder that they lead to once."""
    linked: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        below: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        if _entered(entry, own, linked):
                            below.append(entry.path)
                    elif entry.name.lower().endswith(_WANTED):
                        error = (
                            None
                            if entry.is_file()
                            else "not a file that can be read: a broken link, a pipe or a device"
                        )
                        yield entry.path, os.path.relpath(entry.path, top), error
        except OSError as error:
            yield folder, "", because(error)
        waiting.extend(sorted(below, reverse=True))


def _entered(entry: os.DirEntry[str], own: Path, linked: set[tuple[int, int]]) -> bool:
    """Whether to look into a folder. An earlier run's pictures are no documents, and a link may lead round for ever."""
    if entry.name.endswith("_artifacts") or os.path.realpath(entry.path) == str(own):
        return False
    if not entry.is_symlink():
        return True
    facts = entry.stat()
    there = (facts.st_dev, facts.st_ino)
    if (
        there in linked
        or os.path.commonpath([real := os.path.realpath(entry.path), os.path.realpath(os.path.dirname(entry.path))])
        == real
    ):
        return False
    linked.add(there)
    return True


def _elsewhere(source: str) -> Iterator[_Found]:
    """Documents in other file systems. A web address is one document: the web has no folders."""
    if scheme(source) in ("http", "https"):
        yield source, source.split("://", 1)[1].split("?", 1)[0].split("#", 1)[0], None
        return

    system, path = file_system(source)
    before = (
        source[: len(source) - len(path.lstrip("/"))] if source.endswith(path.lstrip("/")) else f"{scheme(source)}://"
    )
    if glob.has_magic(path):
        for hit in system.glob(path):
            if not system.isdir(hit):
                yield before + hit.lstrip("/"), PurePosixPath(hit).name, None
    elif path.lower().endswith(_WANTED) and not system.isdir(path):
        yield source, PurePosixPath(path).name, None
    else:
        for folder, _, files in system.walk(path):
            for name in files:
                if name.lower().endswith(_WANTED) and not name.startswith("."):
                    whole = f"{folder}/{name}" if folder else name
                    yield before + whole.lstrip("/"), whole[len(path) :].lstrip("/"), None


_WANTED = (*sorted(SUFFIXES), *TARS)
