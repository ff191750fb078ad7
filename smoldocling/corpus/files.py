"""The files that `convert` writes, for each document of a run, in a tree like that of the inputs.

Knows: formats, names, where files may go. Does not know: rows, journals.
Law: nothing is written outside the folder, and a file that `write` tells of is on the disk.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from smoldocling.corpus.disk import sync_folder
from smoldocling.corpus.entry import Key
from smoldocling.corpus.names import Names
from smoldocling.errors import UnwritableOutput
from smoldocling.output import ARTIFACTS, Look, write
from smoldocling.result import PageResult, Result

# The fault of a name, and not of the disk.
OWN_FAULT = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP})


class Files:
    """Writes documents below one folder."""

    def __init__(self, folder: Path, names: Names, formats: list[str], look: Look) -> None:
        self._folder, self._names, self._formats, self._look = folder, names, formats, look

    def write(self, key: Key, name: str, place: str, pages: Iterable[PageResult]) -> tuple[list[str], str | None]:
        """Write a document; gives its files, relative to the run's folder, or why there are none.

        Raises UnwritableOutput where the disk is to blame.
        """
        claimed = self._names.claim(key, place, self._formats)
        try:
            result = Result(name, claimed, tuple(pages))
            if result.status == "failed":
                return [], None
            self._stay_inside(claimed.parent)
            paths = write(result, self._folder, claimed, self._formats, self._look)
            artifacts = self._folder / claimed.with_name(claimed.name + ARTIFACTS)
            _sync([*paths, *(sorted(artifacts.iterdir()) if artifacts.is_dir() else [])])
        except UnwritableOutput as error:
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in OWN_FAULT:
                return [], f"its files cannot be written: {(cause.strerror or str(cause)).lower()}"
            raise
        except OSError:
            raise
        except Exception as error:  # a mistake of ours costs this document
            return [], f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}"
        return [str(path.relative_to(self._folder.parent)) for path in paths], None

    def _stay_inside(self, place: os.PathLike[str]) -> None:
        """Somebody may have put a link into the folder that leads out of it."""
        there = (self._folder / place).resolve()
        if not there.is_relative_to(self._folder.resolve()):
            raise UnwritableOutput(f"{self._folder / place}: leads out of {self._folder}; nothing is written there")


def _sync(paths: list[Path]) -> None:
    for path in paths:
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    for folder in {path.parent for path in paths}:
        sync_folder(folder)
