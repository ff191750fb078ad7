"""Results -> files. A file appears whole or not at all, and no two documents share one.

Knows: names, folders, atomic writes. Does not know: how a document was read.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from urllib.parse import quote

from converters import Picture
from smoldocling.errors import UnwritableOutput
from smoldocling.report import to_report
from smoldocling.result import Result

Pictures = dict[tuple[int, int], Picture]

_COUNTER = itertools.count()


@dataclass(frozen=True, slots=True)
class Look:
    """What people choose about the output. JSON and DocTags hold everything in any case."""

    furniture: bool = False
    page_break: str | None = None


Render = Callable[[Result, Pictures, Look], str]
FORMATS: dict[str, tuple[str, Render]] = {
    "md": (".md", lambda result, pictures, look: result.to_markdown(pictures, **asdict(look))),
    "html": (".html", lambda result, _, look: result.to_html(furniture=look.furniture)),
    "json": (".json", lambda result, pictures, _: result.to_json(pictures)),
    "doctags": (".dt", lambda result, *_: result.doctags),
    "text": (".txt", lambda result, _, look: result.to_text(furniture=look.furniture)),
    "report": (".report.html", lambda result, *_: to_report(result)),
}
"""Format -> (suffix, how to write it). HTML carries its figures inside, so that one file can be passed on."""

ARTIFACTS = "_artifacts"
# These point to their figures by name, so the figures are written beside them.
WITH_FILES = frozenset({"md", "json"})


class Places:
    """Who owns which output name. Law: two documents never get the same, also where the disk ignores case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def claim(self, place: PurePath, formats: Iterable[str]) -> PurePath:
        """`place`, or `place-2`, `place-3`... where one of the files that come to be there has another owner."""
        suffixes = [ARTIFACTS, *(FORMATS[name][0] for name in formats)]
        for count in itertools.count(1):
            name = place if count == 1 else place.with_name(f"{place.name}-{count}")
            files = {unicodedata.normalize("NFC", str(name) + suffix).casefold() for suffix in suffixes}
            if not files & self._taken:
                self._taken |= files
                return name
        raise AssertionError("there is always one number more")


def write(result: Result, folder: Path, place: PurePath, formats: list[str], look: Look) -> list[Path]:
    """Write a document in each format to `folder/place.suffix`, figures to `folder/place_artifacts/`.

    Returns the paths of the documents. Raises UnwritableOutput.
    """
    target = folder / place
    pictures: Pictures = {}
    if WITH_FILES.intersection(formats):
        pictures = _write_pictures(result, target)
    written = []
    for name in formats:
        suffix, render = FORMATS[name]
        path = target.with_name(target.name + suffix)
        put(path, render(result, pictures, look).encode("utf-8", "replace"))
        written.append(path)
    return written


def _write_pictures(result: Result, target: Path) -> Pictures:
    pictures: Pictures = {}
    folder = target.with_name(target.name + ARTIFACTS)
    for (number, n), crop in result.crops().items():
        path = folder / f"page-{number:04d}-picture-{n + 1:02d}.png"
        put(path, crop.data)
        pictures[number, n] = crop.at(f"{quote(os.fsencode(folder.name))}/{path.name}")
    return pictures


def put(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it. Raises UnwritableOutput."""
    temporary = path.with_name(f".{os.getpid()}-{next(_COUNTER)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnwritableOutput(f"{path}: cannot be written: {reason}") from error


def probe(folder: Path) -> None:
    """Find out before the work whether results can be put into `folder`. Raises UnwritableOutput."""
    if folder.exists() and not folder.is_dir():
        raise UnwritableOutput(f"{folder}: the output folder cannot be written: it is a file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnwritableOutput(f"{folder}: the output folder cannot be written: {reason}") from error
