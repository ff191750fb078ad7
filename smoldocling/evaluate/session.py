"""One evaluation: files in, scores of all of them out.

Joins pairing, reading and measuring. Does not know: terminals, how scores are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from smoldocling.errors import UnusableInput
from smoldocling.evaluate.content import Content
from smoldocling.evaluate.measure import LOST, DocumentScore, Status, Tally, document_score
from smoldocling.evaluate.meteor import missing
from smoldocling.evaluate.pairing import Pair, pair
from smoldocling.evaluate.reading import PAGED, READERS, read, suffix


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of documents; lines for people on what was left aside or failed; where the pages can be seen."""

    documents: tuple[DocumentScore, ...]
    notes: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every prediction and every truth could be read and had a partner."""
        return not any(page.status in LOST for each in self.documents for page in each.pages)


def evaluate(
    predicted: Path,
    truth: Path,
    *,
    pages: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, count: None,
) -> Evaluation:
    """Score predictions against their truth.

    Both are files or folders of DocTags, DoclingDocument JSON, HTML and Markdown, matched by name; `pages` is where the
    documents themselves are. Raises UnusableInput where there is nothing to score.
    """
    found = pair(predicted, truth, tuple(READERS), pages)
    notes = list(found.notes)
    documents = []
    paged = all(suffix(path) in PAGED for one in found.pairs for path in (one.said, one.true) if path is not None)
    for done, one in enumerate(found.pairs):
        progress(done, len(found.pairs))
        documents.append(_score(one, notes, paged=paged))
    progress(len(found.pairs), len(found.pairs))
    return Evaluation(tuple(_counted(documents)), (*notes, *_without()), found.pairs)


def _score(one: Pair, notes: list[str], *, paged: bool) -> DocumentScore:
    sides: list[Content | None] = []
    status: Status = "extra" if one.true is None else "missing"
    for path in (one.said, one.true):
        try:
            sides.append(read(path) if path is not None else None)
        except UnusableInput as error:
            notes.append(f"{error}; all of it counts as wrong")
            sides.append(None)
            status = "unreadable"
    if one.said is None:
        notes.append(f"{one.true}: nothing was predicted; all of it counts as wrong")
    if one.true is None:
        notes.append(f"{one.said}: there is no truth for it; all of it counts as wrong")
    said, true = sides
    return document_score(one.name, said, true, status, paged=paged)


def _counted(documents: list[DocumentScore]) -> Iterator[DocumentScore]:
    """What is not there has no boxes and is not valid, but only where the others have boxes, or are DocTags."""
    judged = any("valid" in document.tallies for document in documents)
    placed = any(page.layout for document in documents for page in document.pages if page.status not in LOST)
    for document in documents:
        tallies, pages = dict(document.tallies), document.pages
        if judged and "valid" not in tallies and any(page.status in LOST for page in pages):
            tallies["valid"] = Tally(0, 1)
        if not placed:
            pages = tuple(replace(page, layout={}) for page in pages)
        yield replace(document, tallies=tallies, pages=pages)


def _without() -> list[str]:
    lacking = missing()
    return [f"METEOR is left out: it needs {lacking}; nothing is downloaded"] if lacking else []


def prerequisites() -> str | None:
    """What has to be installed for any evaluation and is not."""
    lacks = [name for name in ("rapidfuzz", "sacrebleu") if find_spec(name) is None]
    return " and ".join(lacks) or None
