"""Pages of a user's own born-digital PDFs with the DocTags that their text layer gives.

Knows: documents, text layers, which pages are worth keeping. Does not know: how a text layer is read.
Law: every page is a pair or a Skip that says why; nothing is left out in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import doctags
from smoldocling.errors import SmolDoclingError
from smoldocling.output import Places
from smoldocling.pages import documents, sources
from smoldocling.training import png
from smoldocling.training.synth import Pair

DPI = 144
"""Of the images: what the SmolDocling paper evaluates at (section 5)."""

# A poster of a square metre stays below it; the networks see at most 3072 pixels along the long side.
MAX_EDGE_PX = 4096


@dataclass(frozen=True, slots=True)
class Skip:
    """A page, or a whole document (`number` None), that makes no pair.

    kind  "scan", "garbage", "damaged", "image", "wrong" (its DocTags have errors) or "document"
    """

    source: str
    number: int | None
    kind: str
    reason: str


class Gathering:
    """Every page of files, folders and patterns, in order; `password` for those that are locked. Iterate over it."""

    def __init__(self, inputs: Iterable[str], password: str | None = None) -> None:
        self._sources = list(sources.expand(inputs))
        self._password = password
        self._opened = self._pages = 0

    @property
    def expected(self) -> int:
        """How many pages there are thought to be: those of unopened documents are guessed from the others."""
        mean = self._pages / self._opened if self._opened else 1.0
        return self._pages + round(mean * (len(self._sources) - self._opened))

    def __iter__(self) -> Iterator[Pair | Skip]:
        places = Places()
        for source in self._sources:
            self._opened += 1
            if isinstance(source, sources.Unfit):
                yield Skip(source.name, None, "document", source.error)
                continue
            place = str(places.claim(source.place, ()))
            try:
                document = documents.Document(source, self._password)
            except SmolDoclingError as error:
                yield Skip(source.name, None, "document", str(error))
                continue
            self._pages += document.page_count
            with document:
                for number in range(1, document.page_count + 1):
                    yield _pair(document, number, f"{place}-{number:04}")


def _pair(document: documents.Document, number: int, name: str) -> Pair | Skip:
    try:
        page = document.page(number)
        if page.reading is None:
            return Skip(document.name, number, "image", "an image has no text layer")
        reading = page.reading()
        if reading.kind not in ("text", "blank"):
            return Skip(document.name, number, reading.kind, reading.reason or reading.kind)
        text = doctags.write(reading.page)
        wrong = [problem for problem in doctags.validate(text) if problem.severity == "error"]
        if wrong:
            return Skip(document.name, number, "wrong", f"its DocTags have errors: {wrong[0].message}")
        dpi = min(DPI, MAX_EDGE_PX * 72 / max(page.size))
        width, height = (max(1, round(edge * dpi / 72)) for edge in page.size)
        return Pair(name, ".png", png.encode(page.pixels(width, height), dpi), text)
    except SmolDoclingError as error:
        return Skip(document.name, number, "damaged", str(error))


def summary(skips: Iterable[Skip]) -> str:
    """How many pages were skipped and why, in one line; "" where none was."""
    counts = Counter(skip.kind for skip in skips if skip.number is not None)
    parts = [f"{count} {WHY[kind]}" for kind, count in counts.most_common()]
    pages = "1 page" if sum(counts.values()) == 1 else f"{sum(counts.values())} pages"
    return f"{pages} skipped: {', '.join(parts)}" if parts else ""


WHY = {
    "scan": "without text (scans, drawings)",
    "garbage": "whose characters have no known meaning",
    "damaged": "damaged",
    "image": "of images, which have no text layer",
    "wrong": "whose DocTags have errors",
}
"""Kinds of Skip in words for people."""
