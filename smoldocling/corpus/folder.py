"""A folder that belongs to one run: by one process at a time, with the options that it was begun with.

Knows: locks, options by name. Does not know: pages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from smoldocling.corpus import disk
from smoldocling.errors import UnusableOption, UnwritableOutput
from smoldocling.pages.sources import because

WORKSHOP = ".corpus"
# What a run writes. A folder that has one of these and no workshop is somebody else's.
OURS = ("pages", "timings", "files", "documents.parquet")

Settings = dict[str, Any]
"""Option -> value, as JSON has it."""


@contextmanager
def occupied(folder: Path, settings: Settings) -> Iterator[Path]:
    """Work in `folder` as long as the context lasts; gives the folder for what is nobody else's business.

    settings  all that decides what is written

    Raises UnusableOption where another process works in it, or where it was begun with other settings;
    UnwritableOutput.
    """
    workshop = folder / WORKSHOP
    if not workshop.exists() and (found := next((name for name in OURS if (folder / name).exists()), None)):
        raise UnusableOption(f"{folder}: holds {found}, but no run that could go on; take an empty folder")
    with writing(folder):
        workshop.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workshop / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout:
        raise UnusableOption(
            f"{folder}: another process is working on it; wait for it, or take another folder"
        ) from None
    try:
        with writing(folder):
            _agreed(folder, workshop / "run.json", settings)
        yield workshop
    finally:
        lock.release()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What is done in the context writes to the folder, and nothing else. Raises UnwritableOutput where it cannot."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = because(error)
        raise UnwritableOutput(
            f"{folder}: cannot be written: {reason}; what is done is safe, the same command goes on from there"
        ) from error


def _agreed(folder: Path, path: Path, settings: Settings) -> None:
    """Whether the folder was begun with the same settings; from now on it was."""
    wanted = json.loads(json.dumps(settings))
    if not path.exists():
        disk.put(path, json.dumps(wanted, indent=2).encode())
        return
    before = json.loads(path.read_bytes())
    names = [name for name in {**before, **wanted} if before.get(name) != wanted.get(name)]
    if names:
        differences = "; ".join(
            f"{name} was {_shown(before.get(name))}, is {_shown(wanted.get(name))}" for name in names
        )
        raise UnusableOption(f"{folder}: holds another run: {differences}; go on with that, or take another folder")


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
