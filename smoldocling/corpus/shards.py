"""Rows as Parquet files, the same bytes for the same rows.

Knows: pyarrow, columns. Does not know: where rows come from, what is done already.
Law: a file depends on its rows alone: not on time, place, or how they were handed in. So what differs between two runs
over the same pages, how long each took and what happened on the way, has a file of its own beside each shard, row for
row.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from smoldocling.corpus.disk import settle

# Its type information covers a part of it only.
pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")

Row = dict[str, Any]
Schema = Any

PROBLEM = pa.struct(
    [
        ("kind", pa.string()),
        ("severity", pa.string()),
        ("message", pa.string()),
        ("line", pa.int32()),
        ("column", pa.int32()),
    ]
)
PAGES = pa.schema(
    [
        ("path", pa.string()),
        ("hash", pa.string()),
        ("page", pa.int32()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("engine", pa.string()),
        ("doctags", pa.string()),
        ("markdown", pa.string()),
        ("problems", pa.list_(PROBLEM)),
        ("agreement", pa.float64()),
        ("versions", pa.string()),
    ]
)
TIMINGS = pa.schema([("path", pa.string()), ("page", pa.int32()), ("seconds", pa.float64()), ("note", pa.string())])
DOCUMENTS = pa.schema(
    [
        ("path", pa.string()),
        ("hash", pa.string()),
        ("bytes", pa.int64()),
        ("pages", pa.int32()),
        ("incomplete", pa.int32()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("same_as", pa.string()),
        ("shard", pa.string()),
        ("files", pa.list_(pa.string())),
    ]
)
# What is held at a time when a shard is written or read: so many rows, or so much text.
GROUP_ROWS, GROUP_CHARACTERS = 500, 8 << 20


class Writer:
    """One Parquet file that appears at `path` when it is closed; before that it grows in the folder `workshop`."""

    def __init__(self, workshop: Path, path: Path, schema: Schema) -> None:
        self._path, self._schema = path, schema
        self._temporary = workshop / (path.name + ".part")
        self._writer = pq.ParquetWriter(self._temporary, schema, compression="zstd")
        self._rows: list[Row] = []
        self._characters = 0

    def add(self, row: Row) -> None:
        """One row more. Raises OSError."""
        self._rows.append(row)
        self._characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or let go of one that will not be finished. Raises OSError."""
        if kind is not None:
            with contextlib.suppress(Exception):
                self._writer.close()
            self._temporary.unlink(missing_ok=True)
            return
        if self._rows:
            self._flush()
        self._writer.close()
        settle(self._temporary, self._path)

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
        self._rows, self._characters = [], 0


def rows(path: Path, first: int, count: int) -> Iterator[Row]:
    """Rows `first` to `first + count` of a file, a row group at a time."""
    with pq.ParquetFile(path) as file:
        begin = 0
        for group in range(file.metadata.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            if begin < first + count and first < end:
                wanted = min(end, first + count) - max(begin, first)
                yield from file.read_row_group(group).slice(max(0, first - begin), wanted).to_pylist()
            begin = end


def join(parts: Iterable[Path], workshop: Path, path: Path, schema: Schema) -> None:
    """One file of many, in order. Raises OSError."""
    with Writer(workshop, path, schema) as writer:
        for part in parts:
            for row in rows(part, 0, sys.maxsize):
                writer.add(row)
