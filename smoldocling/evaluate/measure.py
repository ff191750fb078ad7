"""One page, and one document, against the truth: every score as a share of something that can be added up.

Joins the metrics. Does not know: files, totals, terminals. Laws: what is missing is compared with nothing and so is all
wrong; adding the amounts and the weights of pages gives those of their document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from smoldocling.evaluate import headings, layout, order, snippets, strings, tables
from smoldocling.evaluate.content import Content, Sheet, joined, tidy
from smoldocling.evaluate.meteor import meteor, missing
from smoldocling.evaluate.wordnet import folder, wordnet

Status = Literal["ok", "blank", "empty", "missing", "extra", "unreadable"]
LOST: frozenset[Status] = frozenset({"missing", "extra", "unreadable"})
FAILED = LOST | {"empty"}


@dataclass(frozen=True, slots=True)
class Tally:
    """A score as `amount` of `weight`: pages count once, tables once each, neighbours of cells once each."""

    amount: float
    weight: float

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.amount + other.amount, self.weight + other.weight)

    @property
    def value(self) -> float | None:
        """From 0 to 1, None where there was nothing to score."""
        return self.amount / self.weight if self.weight else None


Tallies = Mapping[str, Tally]


@dataclass(frozen=True, slots=True)
class Metric:
    """name  in files; title  for people; unit  what is counted; note  one line on what it is"""

    name: str
    title: str
    unit: str
    note: str


METRICS = (
    Metric("characters", "characters", "page", "1 - edit distance of characters / longer text"),
    Metric("words", "words", "page", "1 - edit distance of words / longer text"),
    Metric("precision", "word precision", "page", "share of the words said that are true, as multisets"),
    Metric("recall", "word recall", "page", "share of the true words that were said, as multisets"),
    Metric("f1", "word F1", "page", "harmonic mean of both"),
    Metric("bleu", "BLEU", "page", "sacrebleu, sentence level"),
    Metric("meteor", "METEOR", "page", "words, stems and synonyms in order"),
    Metric("blocks", "blocks found", "page", "share of the true blocks of which at least half is there"),
    Metric("order", "reading order", "page", "1 - edit distance of the order of blocks; missing ones count"),
    Metric("tau", "order, Kendall", "page", "share of pairs of true blocks found in the right order"),
    Metric("headings", "heading tree", "document", "1 - tree edit distance of the headings / larger tree"),
    Metric("teds", "TEDS", "table", "1 - tree edit distance of the table / larger tree"),
    Metric("teds_s", "TEDS-S", "table", "the same without the text of cells"),
    Metric("cells", "cell neighbours F1", "pair of cells", "ICDAR 2013: pairs of neighbouring cells"),
    Metric("formulas", "formulas", "formula", "1 - edit distance of LaTeX / longer"),
    Metric("code", "code", "listing", "1 - edit distance of code / longer"),
    Metric("map", "layout mAP[.5:.95]", "box", "mean over classes of average precision, mean over IoU .50 to .95"),
    Metric("valid", "valid DocTags", "document", "share of documents without an error"),
)
LAYOUT = "map"


@dataclass(frozen=True, slots=True)
class PageScore:
    """One page of a document, or the whole of one that has no pages (number 0).

    said, true  the texts, for those who want to see the difference
    """

    number: int
    status: Status
    tallies: Tallies
    layout: layout.Counts = field(default_factory=dict)
    said: str = field(default="", repr=False, compare=False)
    true: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """One document: its pages, and what can be said only of the whole (`tallies`)."""

    name: str
    pages: tuple[PageScore, ...]
    tallies: Tallies

    @property
    def total(self) -> dict[str, Tally]:
        """Pages and whole together."""
        return added([*(page.tallies for page in self.pages), self.tallies])

    @property
    def layout(self) -> dict[str, layout.Hits]:
        """Counts of boxes of all pages."""
        return layout.total(page.layout for page in self.pages)


def added(tallies: Iterable[Tallies]) -> dict[str, Tally]:
    """Sums of many."""
    found: dict[str, Tally] = {}
    for one in tallies:
        for name, tally in one.items():
            found[name] = found[name] + tally if name in found else tally
    return found


def document_score(
    name: str, said: Content | None, true: Content | None, lost: Status, *, paged: bool = True
) -> DocumentScore:
    """`lost` says what has become of the side that is None. Pages are compared by number where both sides have some.

    paged  whether the others are compared page by page: what is missing must not count more than what is there
    """
    paged = paged and all(side.is_paged for side in (said, true) if side is not None)
    ours, theirs = (_sheets(side, paged=paged) for side in (said, true))
    pages = []
    for number in sorted(ours.keys() | theirs.keys()):
        status: Status = lost if None in (said, true) else "missing" if number not in ours else "extra"
        pages.append(_page_score(number, ours.get(number), theirs.get(number), status))
    tallies: dict[str, Tally] = {}
    levels = headings.compare(*(side.blocks if side is not None else () for side in (said, true)))
    if levels is not None:
        tallies["headings"] = Tally(levels, 1)
    if said is not None and said.valid is not None:
        tallies["valid"] = Tally(said.valid, 1)
    return DocumentScore(name, tuple(pages), tallies)


def _sheets(side: Content | None, *, paged: bool) -> dict[int, Sheet]:
    if side is None:
        return {}
    if paged:
        return {sheet.number: sheet for sheet in side.sheets}
    return {0: Sheet(0, side.blocks)}


def _page_score(number: int, said: Sheet | None, true: Sheet | None, lost: Status) -> PageScore:
    ours, theirs = said or Sheet(number), true or Sheet(number)
    # white space is no text
    texts = tidy(ours.text), tidy(theirs.text)
    status: Status = lost
    if said is not None and true is not None:
        status = "ok" if texts[0] else "empty" if texts[1] else "blank"
    tallies = {name: tally for part in _PARTS for name, tally in part(ours, theirs).items()}
    spots: Mapping[str, layout.Hits] = {}
    if theirs.spots is not None and (ours.spots is not None or said is None):
        spots = layout.compare(ours.spots or (), theirs.spots)
    return PageScore(number, status, tallies, spots, ours.text, theirs.text)


def _text(said: Sheet, true: Sheet) -> dict[str, Tally]:
    ours, theirs = tidy(said.text), tidy(true.text)
    words, true_words = strings.words(ours), strings.words(theirs)
    shared = strings.overlap(words, true_words)
    scores = {
        "characters": strings.similarity(ours, theirs),
        "words": strings.similarity(words, true_words),
        "precision": shared.precision,
        "recall": shared.recall,
        "f1": shared.f1,
        "bleu": strings.bleu(ours, theirs),
    }
    place = folder()
    if place is not None and missing() is None:
        scores["meteor"] = meteor(words, true_words, wordnet(place))
    return {name: Tally(score, 1) for name, score in scores.items()}


def _order(said: Sheet, true: Sheet) -> dict[str, Tally]:
    score = order.compare(said.blocks, true.blocks)
    if score is None:
        return {}
    return {"blocks": Tally(score.found, 1), "order": Tally(score.edits, 1), "tau": Tally(score.tau, 1)}


def _tables(said: Sheet, true: Sheet) -> dict[str, Tally]:
    ours, theirs = ([block.cells for block in side.blocks if block.kind == "table"] for side in (said, true))
    if not ours and not theirs:
        return {}
    found = tables.compare(ours, theirs)
    count = len(found.scores) + found.unpaired
    near, true_near = (sum(map(tables.neighbours, some), tables.Neighbours()) for some in (ours, theirs))
    return {
        "teds": Tally(sum(score.teds for score in found.scores), count),
        "teds_s": Tally(sum(score.structure for score in found.scores), count),
        "cells": Tally((near & true_near).total(), (near.total() + true_near.total()) / 2),
    }


def _snippets(said: Sheet, true: Sheet) -> dict[str, Tally]:
    found = {
        "formulas": snippets.compare(said.blocks, true.blocks, "formula"),
        "code": snippets.compare(said.blocks, true.blocks, "code"),
    }
    return {name: Tally(score.total, score.count) for name, score in found.items() if score.count}


_PARTS: Sequence[Callable[[Sheet, Sheet], dict[str, Tally]]] = (_text, _order, _tables, _snippets)


def text_of(content: Content) -> str:
    """All that a document says."""
    return joined(content.blocks)
