"""A source to the documents in it: their names and their bytes.

Knows: files, tar files, fsspec, web addresses. Does not know: what is in a document.
Law: every document of a source comes out once, in an order that is always the same, or with the reason why it cannot be
had; nothing raises. No more than one document's bytes are held.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from smoldocling.corpus import web
from smoldocling.errors import SmolDoclingError, UnusableInput, UnusableOption
from smoldocling.pages import documents
from smoldocling.pages.sources import SUFFIXES, TAKEN, because

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# Read through fsspec; each needs the package that fsspec names when it is missing.
SYSTEMS = ("s3", "s3a", "gs", "gcs", "az", "abfs", "file", "memory")
# A network that stumbles is asked again, after so many seconds.
PAUSES = (1.0, 5.0, 25.0)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document; without `data`, `error` says why it cannot be had.

    place  where its output belongs, with its suffix; as it came, so it may hold anything
    """

    name: str
    place: str
    data: bytes | None = field(default=None, repr=False)
    error: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        assert self.data is not None, "what could not be fetched has no content"
        return hashlib.sha256(self.data).hexdigest()


def scheme(address: str) -> str | None:
    """ "s3" of "s3://bucket/key"; None for the name of a file."""
    found, mark, _ = address.partition("://")
    return found.lower() if mark and found.isalnum() and len(found) > 1 else None


def remote(address: str) -> bool:
    """Whether an address is one of another system."""
    return scheme(address) is not None


def is_tar(address: str) -> bool:
    """Whether an address is that of a file of many documents."""
    path = address.split("?", 1)[0] if scheme(address) in ("http", "https") else address
    return path.lower().endswith(TARS)


def file_system(address: str) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it. Raises UnusableInput."""
    if "::" in address or scheme(address) not in SYSTEMS:
        raise UnusableInput(f"this kind of address is not taken; {', '.join(f'{name}://' for name in SYSTEMS)} are")
    try:
        system, path = import_module("fsspec").url_to_fs(address)
    except ImportError as error:
        raise UnusableOption(f"{scheme(address)}:// needs a package: {because(error)}") from None
    return system, str(path)


class Fetcher:
    """Gets what addresses lead to."""

    def __init__(self, *, judge: web.Judge | None = web.public, sleep: Callable[[float], object] = time.sleep) -> None:
        """
        judge  which web addresses may be asked; None: any
        sleep  waits before a network is asked again
        """
        self._web = web.Reader(judge=judge)
        self._sleep = sleep

    def one(self, address: str, place: str) -> Fetched:
        """The document at an address."""
        for pause in (*PAUSES, None):
            try:
                with self._open(address) as stream:
                    return Fetched(address, place, _all(stream))
            except Exception as error:
                if pause is None or not _passing(address, error):
                    return Fetched(address, place, error=reason(error))
                self._sleep(pause)
        raise AssertionError("the last try gives something")

    def members(self, address: str, place: str, wanted: Callable[[int], bool]) -> Iterator[Fetched | None]:
        """The documents in a tar file; None for one that is not wanted, by its number from 0. The file is read as a
        stream, and what is in it is not written anywhere."""
        count = 0
        for pause in (*PAUSES, None):
            try:
                with self._open(address) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
                    for number, member in enumerate(_documents(tar)):
                        if number < count:
                            continue
                        found = None
                        if wanted(number):
                            found = self._member(tar, member, f"{address}/{member.name}", f"{place}/{member.name}")
                        count = number + 1
                        yield found
                break
            except Exception as error:
                if pause is None or not _passing(address, error):
                    yield Fetched(address, place, error=f"damaged tar file: {reason(error)}")
                    return
                self._sleep(pause)
        if count == 0:
            yield Fetched(address, place, error=f"the tar file holds no documents; {TAKEN}")

    @staticmethod
    def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str, place: str) -> Fetched:
        if not member.isfile():
            return Fetched(name, place, error="a link or a device in a tar file; only files are taken from it")
        if member.size > documents.MAX_BYTES:
            return Fetched(name, place, error=f"{member.size:,} bytes; {documents.MAX_BYTES:,} are the limit")
        stream = tar.extractfile(member)
        assert stream is not None, "a file has content"
        data = stream.read()
        if not data:
            return Fetched(name, place, error="the file is empty")
        return Fetched(name, place, data)

    def _open(self, address: str) -> IO[bytes]:
        """A stream of what is there."""
        if not remote(address):
            return _open_file(address)
        if scheme(address) in ("http", "https"):
            return self._web.open(address)
        system, path = file_system(address)
        stream: IO[bytes] = system.open(path, "rb")
        return stream


def _documents(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members that are called like documents."""
    for member in tar:
        hidden = member.name.rpartition("/")[2].startswith(".")
        if not member.isdir() and not hidden and member.name.lower().endswith(tuple(SUFFIXES)):
            yield member


def _passing(address: str, error: Exception) -> bool:
    """Whether asking again may help."""
    lasting = FileNotFoundError | PermissionError | IsADirectoryError | web.Refused
    return remote(address) and isinstance(error, OSError) and not isinstance(error, lasting)


def reason(error: Exception) -> str:
    """One line."""
    if isinstance(error, SmolDoclingError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return because(error)


def _open_file(address: str) -> IO[bytes]:
    path = Path(address)
    facts = path.stat()
    if not os.path.isfile(path):
        raise UnusableInput(f"not a file; {TAKEN}")
    if facts.st_size > documents.MAX_BYTES and not is_tar(address):
        raise UnusableInput(f"{facts.st_size:,} bytes; {documents.MAX_BYTES:,} are the limit")
    return path.open("rb")


def _all(stream: IO[bytes]) -> bytes:
    """What a stream holds. Raises UnusableInput where that is nothing, or too much."""
    data = io.BytesIO()
    while piece := stream.read(1 << 20):
        data.write(piece)
        if data.tell() > documents.MAX_BYTES:
            raise UnusableInput(f"more than {documents.MAX_BYTES:,} bytes")
    if not data.tell():
        raise UnusableInput("the file is empty")
    return data.getvalue()
