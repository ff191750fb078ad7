"""One call of `convert`: every document converted, written and talked about, and what came of it.

Knows: converters, files, lines for people, the summary for machines. Does not know: options, terminals, exits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from smoldocling import earlier
from smoldocling.errors import UnwritableOutput
from smoldocling.output import FORMATS, Look, Places, write
from smoldocling.pages.sources import Source, Unfit, expand
from smoldocling.pipeline import Converter
from smoldocling.progress import Progress
from smoldocling.result import CONTRADICTED, INCOMPLETE, PageResult, Result, walk

OK, SOME_FAILED, NOTHING = 0, 1, 3
# A page that is made up from end to end says so in its first lines.
MOST_DOUBTS = 5


@dataclass
class Run:
    """What one call of `convert` did so far. Documents go to `folder`, or one after the other to `stream`.

    resume  leave out what an earlier call has converted in full
    """

    folder: Path | None
    stream: BinaryIO
    formats: list[str]
    look: Look
    resume: bool = False
    places: Places = field(default_factory=Places)
    started: float = field(default_factory=time.monotonic)
    documents: list[dict[str, Any]] = field(default_factory=list)
    pages: int = 0
    failed_pages: int = 0
    failed_documents: int = 0
    written: int = 0
    skipped: int = 0

    def all(self, converter: Converter, arguments: list[str], shown: Progress) -> None:
        """Convert and write every document, saying what happens on the way."""
        named = [(source, self._claimed(source)) for source in expand(arguments)]
        todo = [(source, place) for source, place in named if not self._skips(source, place)]
        inputs = [source for source, _ in todo]
        if self.skipped:
            count = "1 document was" if self.skipped == 1 else f"{self.skipped} documents were"
            shown.line(f"{count} converted before")

        def tick(done: int, known: int, documents: int) -> None:
            unopened = round((len(inputs) - documents) * known / documents)
            shown.tick(done, known + unopened)

        results = converter.documents(inputs, ordered=True, tick=tick)
        for result, (_, place) in zip(results, todo, strict=True):
            self.add(result, shown, place)

    def _claimed(self, source: Source | Unfit) -> PurePath | None:
        """The name of a document's output, before anything is known of it: the same call gives the same names."""
        if self.folder is None or isinstance(source, Unfit):
            return None
        return self.places.claim(source.place, self.formats)

    def _skips(self, source: Source | Unfit, place: PurePath | None) -> bool:
        """Whether that was converted before; then it is counted."""
        if not self.resume or self.folder is None or place is None or isinstance(source, Unfit):
            return False
        found = earlier.outputs(source, self.folder, place, self.formats)
        if found is None:
            return False
        self.skipped += 1
        self.documents.append(
            {"source": source.name, "status": "skipped", "error": None, "warnings": [], "outputs": [*map(str, found)]}
            | {"pages": []}
        )
        return True

    def add(self, result: Result, shown: Progress, place: PurePath | None = None) -> None:
        """Write one document and say so. `place` is the name that has been claimed for it, if one has."""
        for line in (*_failures(result), *_doubts(result)):
            shown.line(line)
        outputs, unwritten = self._write(result, place)
        if unwritten is not None:
            shown.line(f"{result.name}: {unwritten}")
        elif outputs:
            count = "1 page" if len(result.pages) == 1 else f"{len(result.pages)} pages"
            others = [FORMATS[name][0] for name in self.formats[1:]]
            shown.line(f"{result.name}: {count} -> {', '.join([str(outputs[0]), *others])}")
        self.pages += len(result.pages)
        self.failed_pages += sum(page.status in INCOMPLETE for page in result.pages)
        self.failed_documents += bool(result.error or result.warnings or unwritten)
        self.written += result.status != "failed" and unwritten is None
        self.documents.append(_describe(result, outputs, unwritten))

    def _write(self, result: Result, place: PurePath | None) -> tuple[list[Path], str | None]:
        if result.status == "failed":
            return [], None
        try:
            if self.folder is not None:
                place = place or self.places.claim(result.place, self.formats)
                return write(result, self.folder, place, self.formats, self.look), None
            _, render = FORMATS[self.formats[0]]
            self.stream.write(render(result, {}, self.look).encode("utf-8", "replace"))
            self.stream.flush()
            return [], None
        except BrokenPipeError:  # the reader has what it wanted
            raise
        except UnwritableOutput as error:
            return [], str(error)
        except OSError as error:
            return [], f"standard output cannot be written: {(error.strerror or str(error)).lower()}"
        except Exception as error:  # the other documents of a long run must not pay for a mistake of ours
            return [], f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}"

    @property
    def exit_code(self) -> int:
        """0 all, 1 some, 3 nothing. What was converted before counts as converted."""
        if not self.written and not self.skipped:
            return SOME_FAILED if self.pages > self.failed_pages else NOTHING
        return SOME_FAILED if self.failed_pages or self.failed_documents else OK

    def summary(self) -> str:
        """One line for people."""
        seconds = time.monotonic() - self.started
        pages = "1 page" if self.pages == 1 else f"{self.pages} pages"
        rate = f"{self.pages / seconds:.2g} pages/s" if seconds and self.pages else ""
        parts = [f"{pages} in {seconds:.1f} s", rate]
        if self.failed_pages:
            parts.append(f"{self.failed_pages} incomplete or failed")
        if self.failed_documents:
            parts.append(f"{self.failed_documents} of {len(self.documents)} documents not converted in full")
        return ", ".join(part for part in parts if part)

    def as_json(self, engine: str) -> dict[str, Any]:
        """The summary for machines."""
        return {
            "engine": engine,
            "seconds": round(time.monotonic() - self.started, 3),
            "pages": self.pages,
            "failed_pages": self.failed_pages,
            "documents": self.documents,
        }


def _failures(result: Result) -> Iterator[str]:
    """One line for each thing that went wrong; neighbouring pages with the same trouble share theirs."""
    if result.error:
        yield f"{result.name}: {result.error}"
    for warning in result.warnings:
        yield f"{result.name}: {warning}"
    yield from _shared(result, lambda page: f"{page.status}: {page.error}" if page.error else None)


def _doubts(result: Result) -> Iterator[str]:
    """Text that is not on its page, and text layers that could not tell."""
    for page in result.pages:
        found = [problem for problem in page.problems if problem.kind in CONTRADICTED]
        for problem in found[:MOST_DOUBTS]:
            place = f"{problem.line}:{problem.column}"
            yield f"{result.name}: page {page.number}: {place}: {problem.severity}: {problem.kind}: {problem.message}"
        if len(found) > MOST_DOUBTS:
            yield f"{result.name}: page {page.number}: and {len(found) - MOST_DOUBTS} more like these"
    yield from _shared(result, lambda page: page.note)


def _shared(result: Result, say: Callable[[PageResult], str | None]) -> Iterator[str]:
    """What there is to say of pages; neighbours of which the same is to be said share a line."""
    numbered = enumerate(result.pages)
    for (text, _), run in groupby(numbered, key=lambda entry: (say(entry[1]), entry[1].number - entry[0])):
        if text:
            pages = [page.number for _, page in run]
            numbers = f"page {pages[0]}" if len(pages) == 1 else f"pages {pages[0]}-{pages[-1]}"
            yield f"{result.name}: {numbers}: {text}"


def _describe(result: Result, outputs: list[Path], unwritten: str | None) -> dict[str, Any]:
    return {
        "source": result.name,
        "status": result.status,
        "error": result.error or unwritten or (result.pages[0].error if result.status == "failed" else None),
        "warnings": list(result.warnings),
        "outputs": [str(path) for path in outputs],
        "pages": [
            {
                "number": page.number,
                "status": page.status,
                "engine": page.engine,
                "error": page.error,
                "problems": len(page.problems),
                "hidden": next((problem.message for problem in page.problems if problem.kind == "hidden"), None),
                "agreement": _rounded(page.agreement),
                "doubtful": _doubtful(page),
                "note": page.note,
                "tokens": page.tokens,
                "steps": page.steps,
                "seconds": round(page.seconds, 4),
            }
            for page in result.pages
        ],
    }


def _doubtful(page: PageResult) -> list[dict[str, Any]]:
    """The elements that the text layer does not confirm in full, by their place among the page's."""
    elements = list(walk(page.tree))
    return [
        {"element": place, "kind": elements[place].kind, "agreement": _rounded(score)}
        for place, score in sorted(page.scores.items())
        if score < 1
    ]


def _rounded(share: float | None) -> float | None:
    """Four digits; what is not quite all does not read as all."""
    return share if share is None or share == 1 else min(round(share, 4), 0.9999)
