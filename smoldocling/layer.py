"""A page answered from its own text layer; and the mark that stands where a page is missing.

Knows: open pages, results. Does not know: models, documents, processes.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import doctags
from smoldocling import sense
from smoldocling.errors import SmolDoclingError, UnreadablePage
from smoldocling.pages.sources import because
from smoldocling.result import PageResult

if TYPE_CHECKING:
    from smoldocling.pages.documents import SourcePage
    from smoldocling.pages.textlayer import Reading

ENGINE = "textlayer"

# Text that is not painted is what a program has recognised in the picture above it.
_RECOGNISED = 0.5


def answer(source: str, page: SourcePage, why: str | None) -> PageResult:
    """The page as its text layer has it, or a failed page that says why not.

    why  why there is no model that could read it, where that is worth saying
    """
    try:
        return _read(source, page, why)
    except MemoryError:
        raise
    except Exception as error:
        return missing(source, page.number, reason(error), ENGINE, page.size)


def missing(source: str, number: int, error: str, engine: str, size: tuple[float, float] | None = None) -> PageResult:
    """A failed page; its place in the document says that it is missing."""
    marker = doctags.Element("text", text=f"[page {number} is missing: {error}]")
    tree = doctags.Page((marker,), number=number)
    return PageResult(
        source, number, "failed", tree if size is None else replace(tree, size=size), engine=engine, error=error
    )


def reason(error: Exception) -> str:
    """One line; where it was our mistake, that is said."""
    if isinstance(error, SmolDoclingError):
        return str(error)
    if isinstance(error, MemoryError):
        return because(error)
    return " ".join(f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}".split())


def problems(reading: Reading) -> tuple[doctags.Problem, ...]:
    """What is wrong with a page that was read from its text layer."""
    return (*hidden(reading), *doctags.validate(doctags.write(reading.page)))


def hidden(reading: Reading | None) -> tuple[doctags.Problem, ...]:
    """One problem where the file has text that cannot be seen on the page."""
    if reading is None or reading.hidden is None:
        return ()
    return (doctags.Problem("hidden", "warning", reading.hidden, line=1, column=1, start=0, end=0),)


def _doubt(reading: Reading) -> str | None:
    """Why a text layer that could be read may still be wrong."""
    if reading.words is None:
        return None
    why = sense.doubt(reading.words)
    if why is not None:
        return f"the text layer is doubtful: {why}; a model would read the page itself"
    if reading.words.hidden > _RECOGNISED:
        return "the text comes from text recognition, which errs; a model would read the page itself"
    return None


def _read(source: str, page: SourcePage, why: str | None) -> PageResult:
    started = time.perf_counter()
    because_of = f"; {why}" if why else ""
    if page.reading is None:
        raise UnreadablePage(f"an image has no text layer, so it needs a model{because_of}")
    reading = page.reading()
    if reading.kind not in ("text", "blank"):
        raise UnreadablePage(f"{reading.reason}{because_of}")
    return PageResult(
        source=source,
        number=page.number,
        status="blank" if reading.kind == "blank" else "textlayer",
        tree=reading.page,
        engine=ENGINE,
        problems=problems(reading),
        note=_doubt(reading),
        seconds=time.perf_counter() - started,
    )
