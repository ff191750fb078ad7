"""Files that are whole and there after a power cut.

Knows: write, sync, rename, sync again. Does not know: what is in a file.
"""

from __future__ import annotations

import os
from pathlib import Path


def settle(temporary: Path, path: Path) -> None:
    """Put a finished file in its place, so that it is there whole or not at all, whatever happens."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(path)
    sync_folder(path.parent)


def put(path: Path, data: bytes) -> None:
    """Write a small file."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(data)
    settle(temporary, path)


def sync_folder(folder: Path) -> None:
    """A new name is safe only when its folder has been written."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
