"""Records appended to a file, which are still there after the power was cut.

Knows: lines, check sums, bytes on a disk. Does not know: what a record means (ledger).
Laws: what is read back is the longest run of whole records from the start of the file, as they were appended; anything
behind them, a torn line or a hole that the disk left, is cut off before the next is appended. `replace` is all or
nothing. An append that fails leaves no trace.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from smoldocling.corpus.disk import sync_folder

Record = dict[str, Any]
_SUM_DIGITS = 8


class Spot(NamedTuple):
    """Where a record lies in the file: bytes."""

    offset: int
    length: int


class Journal:
    """One file of records, for one process. A record outlives the process after `append`, the power after `sync`."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Iterate `replay` to its end before the first `append`."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._end = 0
        self._synced = True

    def close(self) -> None:
        """Close the file; nothing is synced."""
        os.close(self._file)

    def replay(self) -> Iterator[tuple[Spot, Record]]:
        """Every record that is whole, in order. Then what follows them is cut off."""
        self._end = 0
        with open(self._path, "rb") as file:
            for line in file:
                record = _decoded(line)
                if record is None:
                    break
                spot = Spot(self._end, len(line))
                self._end += len(line)
                yield spot, record
        os.ftruncate(self._file, self._end)

    def append(self, record: Record) -> Spot:
        """Write one record. Raises OSError, and then the file is as it was."""
        spot = Spot(self._end, 0)
        line = _encoded(record)
        try:
            _write(self._file, line, self._end)
        except OSError:
            os.ftruncate(self._file, self._end)
            raise
        self._synced = False
        self._end += len(line)
        return Spot(spot.offset, len(line))

    def read(self, spot: Spot) -> Record:
        """A record that was appended."""
        record = _decoded(os.pread(self._file, spot.length, spot.offset))
        assert record is not None, "a journal gives back what it was given"
        return record

    def sync(self) -> None:
        """Wait until all that was appended is on the disk."""
        if not self._synced:
            os.fsync(self._file)
            self._synced = True

    def keep(self, path: Path) -> None:
        """Let the file as it is stay at `path`, too, when it is replaced. Raises OSError."""
        os.fsync(self._file)
        path.unlink(missing_ok=True)
        try:
            path.hardlink_to(self._path)
        except OSError:  # not every file system has links
            shutil.copyfile(self._path, path)
        sync_folder(path.parent)

    def replace(self, first: Record, kept: Iterable[Spot]) -> dict[Spot, Spot]:
        """Begin anew with `first` and the records at `kept`; gives their new places. Raises OSError: as it was."""
        path = self._path.with_name(self._path.name + ".new")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        moved: dict[Spot, Spot] = {}
        try:
            line = _encoded(first)
            _write(file, line, 0)
            end = len(line)
            for spot in kept:
                _write(file, os.pread(self._file, spot.length, spot.offset), end)
                moved[spot] = Spot(end, spot.length)
                end += spot.length
            os.fsync(file)
            path.replace(self._path)
            sync_folder(self._path.parent)
        except OSError:
            os.close(file)
            raise
        os.close(self._file)
        self._file, self._end, self._synced = file, end, True
        return moved


def _encoded(record: Record) -> bytes:
    payload = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def _decoded(line: bytes) -> Record | None:
    """The record, or None where the line is torn or damaged."""
    payload = line[_SUM_DIGITS + 1 : -1]
    if not line.endswith(b"\n") or line[: _SUM_DIGITS + 1] != b"%08x " % zlib.crc32(payload):
        return None
    record: Record = json.loads(payload)
    return record


def _write(file: int, data: bytes, offset: int) -> None:
    """All of it: a disk that is nearly full takes a part first."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
