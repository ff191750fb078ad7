"""What people hand in, turned into documents to be opened.

Knows: files, folders, globs, bytes, streams, images. Does not know: what is in them. Law: every input gives a Source
or an Unfit that names it; nothing is skipped in silence and nothing raises.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, Any, cast

from PIL import Image

SUFFIXES = frozenset({".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
TAKEN = "PDF, PNG, JPEG, TIFF and WebP are taken"


@dataclass(frozen=True, slots=True)
class Source:
    """One document, not opened yet.

    place  where its output belongs: relative, without suffix
    skip   pages that need not be read (again); each is looked up just before its turn, so it may grow on the way
    """

    name: str
    place: PurePath
    content: Path | bytes | Image.Image = field(repr=False)
    skip: Container[int] = field(default=frozenset(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unfit:
    """An input that is no document; `error` says why."""

    name: str
    error: str


Input = str | os.PathLike[str] | bytes | bytearray | IO[bytes] | Image.Image | Source | Unfit


def expand(inputs: Iterable[Input] | Input) -> Iterator[Source | Unfit]:
    """Turn what was handed in into documents, in order: files as they are, folders and globs file by file.

    A single input counts as a list of one; a file that is reached twice is taken once. Only what `inputs` itself
    raises comes out of here.
    """
    seen: set[Path] = set()
    # a string, bytes and a file can be iterated too, but are one document, not its letters or lines
    one = isinstance(inputs, str | bytes | bytearray | os.PathLike | Image.Image | Source | Unfit)
    many = cast("Iterable[Input]", [inputs] if one or hasattr(inputs, "read") else inputs)
    for item in many:
        for source in _guarded(item):
            if isinstance(source, Source) and isinstance(source.content, Path):
                real = source.content.resolve()
                if real in seen:
                    continue
                seen.add(real)
            yield source


def _guarded(item: Input) -> Iterator[Source | Unfit]:
    try:
        yield from _expand_one(item)
    except Exception as error:  # other people's streams and paths raise whatever they like
        yield Unfit(str(getattr(item, "name", None) or item), because(error))


def _expand_one(item: Input) -> Iterator[Source | Unfit]:
    if isinstance(item, Source | Unfit):
        yield item
    elif isinstance(item, Image.Image):
        yield Source("<image>", PurePath("image"), item)
    elif isinstance(item, bytes | bytearray):
        yield Source("<bytes>", PurePath("document"), bytes(item))
    elif not isinstance(item, str | os.PathLike):
        yield _from_stream(item)
    elif os.fspath(item) == "-":
        yield Source("<stdin>", PurePath("stdin"), sys.stdin.buffer.read())
    elif not os.fspath(item):
        yield Unfit("''", "an empty name; a file, a folder or a pattern is taken")
    else:
        yield from _expand_path(Path(os.fsdecode(item)))


def _from_stream(stream: IO[bytes]) -> Source | Unfit:
    name = str(getattr(stream, "name", "<stream>"))
    data: Any = stream.read() if hasattr(stream, "read") else stream
    if not isinstance(data, bytes):
        kind = type(data).__name__
        return Unfit(name, f"gives {kind}; a path, bytes, a binary file or a PIL image is taken")
    return Source(name, PurePath(Path(name).stem if "<" not in name else "document"), data)


def _expand_path(path: Path) -> Iterator[Source | Unfit]:
    name = str(path)
    if path.is_dir():
        yield from _expand_folder(path)
    elif path.exists():
        yield Source(name, PurePath(path.stem), path)
    elif glob.has_magic(name):
        hits = sorted(Path(hit) for hit in glob.glob(name, recursive=True))
        if not hits:
            yield Unfit(name, "no file matches this pattern")
        for hit in hits:
            yield from _expand_path(hit)
    else:
        yield Unfit(name, "no such file or folder")


def _expand_folder(folder: Path) -> Iterator[Source | Unfit]:
    found = False
    closed: list[OSError] = []
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, onerror=closed.append, followlinks=True):
        seen.add(os.path.realpath(where))
        # An earlier run's pictures are not documents; a link back up would go round forever.
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and not name.endswith("_artifacts")
            and os.path.realpath(os.path.join(where, name)) not in seen
        )
        for file in sorted(files):
            path = Path(where, file)
            if path.suffix.lower() not in SUFFIXES or file.startswith("."):
                continue
            found = True
            if path.is_file():
                yield Source(str(path), PurePath(path.relative_to(folder).with_suffix("")), path)
            else:
                yield Unfit(str(path), "not a file that can be read: a broken link, a pipe or a device")
    for error in closed:
        yield Unfit(str(error.filename), because(error))
    if not found and not closed:
        yield Unfit(str(folder), f"the folder holds no documents; {TAKEN}")


def because(error: Exception) -> str:
    """The reason in one line, without the class name and path that the reader has already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, MemoryError):
        return "not enough memory"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
