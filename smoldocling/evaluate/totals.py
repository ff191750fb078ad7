"""Scores of many documents, with 95 % intervals; and the differences of two readers of the same ones.

Knows: tallies, counts of boxes. Does not know: where they come from, how they are shown.

Intervals: documents are drawn again with replacement, whole (their pages are not independent of each other), a thousand
times with the same seed, and all totals are computed again: percentiles of those. A single document's pages are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from smoldocling.evaluate.layout import IOUS, Hits
from smoldocling.evaluate.measure import FAILED, LAYOUT, METRICS, DocumentScore, Tally, added
from smoldocling.evaluate.trees import Floats

RESAMPLES = 1_000
SEED = 20_240_811
EDGES = (2.5, 97.5)

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Total:
    """One metric over everything; `count` pages, tables... in `documents` documents. No interval from a single one."""

    name: str
    value: float
    interval: Interval | None
    count: float
    documents: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two readers, the second minus the first, drawn together."""

    name: str
    first: float
    second: float
    difference: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is drawn as one."""

    key: tuple[str, int]
    tallies: dict[str, Tally]
    layout: dict[str, Hits]


def totals(documents: Sequence[DocumentScore]) -> list[Total]:
    """Of every metric for which there was anything to score, in the order of METRICS; then each class of boxes."""
    pieces = _pieces(documents)
    draws = _draws(len(pieces))
    found = []
    for name, value in _curves([pieces]):
        whole = value(pieces, np.ones((1, len(pieces))))
        if np.isnan(whole[0]):
            continue
        count, owners = _extent(name, documents)
        drawn = value(pieces, draws) if _holders(name, pieces) > 1 else None
        found.append(Total(name, float(whole[0]), _interval(drawn), count, owners))
    return found


def differences(first: Sequence[DocumentScore], second: Sequence[DocumentScore]) -> list[Difference]:
    """Of every metric that both have. What only one of them has been asked for counts for that one alone."""
    names = {document.name for document in first} | {document.name for document in second}
    sides = [_aligned(documents, single=len(names) == 1) for documents in (first, second)]
    keys = sorted({key for side in sides for key in side})
    a, b = ([side.get(key, _Piece(key, {}, {})) for key in keys] for side in sides)
    draws, whole = _draws(len(keys)), np.ones((1, len(keys)))
    found = []
    for name, value in _curves([a, b]):
        one, two = (float(value(side, whole)[0]) for side in (a, b))
        if np.isnan(one) or np.isnan(two):
            continue
        several = max(_holders(name, a), _holders(name, b)) > 1
        drawn = value(b, draws) - value(a, draws) if several else None
        found.append(Difference(name, one, two, two - one, _interval(drawn)))
    return found


def failures(documents: Sequence[DocumentScore]) -> int:
    """Pages that failed, or documents of formats without pages."""
    return sum(page.status in FAILED for document in documents for page in document.pages)


def _pieces(documents: Sequence[DocumentScore]) -> list[_Piece]:
    return list(_aligned(documents, single=len(documents) == 1).values())


def _aligned(documents: Sequence[DocumentScore], *, single: bool) -> dict[tuple[str, int], _Piece]:
    found: dict[tuple[str, int], _Piece] = {}
    for document in documents:
        if not single:
            found[document.name, -1] = _Piece((document.name, -1), document.total, document.layout)
            continue
        # what is said of the whole document goes with no page of it
        found[document.name, -1] = _Piece((document.name, -1), dict(document.tallies), {})
        for page in document.pages:
            key = (document.name, page.number)
            found[key] = _Piece(key, dict(page.tallies), dict(page.layout))
    return found


def _draws(count: int) -> Floats:
    """How often each piece is drawn: (resamples, pieces)."""
    return np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / max(count, 1)), RESAMPLES).astype(float)


Curve = Callable[[Sequence[_Piece], Floats], Floats]


def _curves(sides: Sequence[Sequence[_Piece]]) -> list[tuple[str, Curve]]:
    """Each metric's value for each row of weights."""
    kinds = sorted({kind for side in sides for piece in side for kind in piece.layout})
    names = [metric.name for metric in METRICS]
    return [
        *((name, _mean_precision(kinds) if name == LAYOUT else _ratio(name)) for name in names),
        *((f"ap_{kind}", _precision(kind)) for kind in kinds),
    ]


def _ratio(name: str) -> Curve:
    def value(pieces: Sequence[_Piece], draws: Floats) -> Floats:
        tallies = [piece.tallies.get(name, Tally(0, 0)) for piece in pieces]
        amounts, weights = (np.array(side) for side in ([t.amount for t in tallies], [t.weight for t in tallies]))
        return _divided(draws @ amounts, draws @ weights)

    return value


def _precision(kind: str) -> Curve:
    def value(pieces: Sequence[_Piece], draws: Floats) -> Floats:
        nothing = Hits(0, 0, (0,) * len(IOUS))
        counts = [piece.layout.get(kind, nothing) for piece in pieces]
        said, true = (draws @ np.array(side) for side in ([c.said for c in counts], [c.true for c in counts]))
        hits = draws @ np.array([c.hits for c in counts], dtype=float)  # (resamples, IoUs)
        recall = _divided(hits, true[:, None])
        # of the 101 recalls, those that are reached
        reached = (np.floor(np.nan_to_num(recall) * 100 + 1e-9) + 1) / 101
        precision = np.nan_to_num(_divided(hits, said[:, None]))
        values: Floats = (precision * reached).mean(axis=1)
        values[(said == 0) & (true == 0)] = np.nan
        return values

    return value


def _mean_precision(kinds: Sequence[str]) -> Curve:
    def value(pieces: Sequence[_Piece], draws: Floats) -> Floats:
        if not kinds:
            return np.full(len(draws), np.nan)
        each = np.array([_precision(kind)(pieces, draws) for kind in kinds])
        present = ~np.isnan(each)
        return _divided(np.nansum(each, axis=0), present.sum(axis=0))

    return value


def _divided(a: Floats, b: Floats) -> Floats:
    b = np.broadcast_to(b, a.shape)
    out: Floats = np.full(a.shape, np.nan)
    np.divide(a, b, out=out, where=b > 0)
    return out


def _interval(drawn: Floats | None) -> Interval | None:
    if drawn is None or np.isnan(drawn).all():
        return None
    low, high = np.nanpercentile(drawn, EDGES)
    return float(low), float(high)


def _holders(name: str, pieces: Sequence[_Piece]) -> int:
    """How many pieces have anything to do with a metric: from a single one there is nothing to draw."""
    if name == LAYOUT:
        return sum(bool(piece.layout) for piece in pieces)
    if name.startswith("ap_"):
        return sum(name[3:] in piece.layout for piece in pieces)
    return sum(name in piece.tallies for piece in pieces)


def _extent(name: str, documents: Sequence[DocumentScore]) -> tuple[float, int]:
    """Pages, tables... and documents that have a part in a metric."""
    if name == LAYOUT or name.startswith("ap_"):
        counts = [document.layout for document in documents]
        boxes = [[hits for kind, hits in count.items() if name in {LAYOUT, f"ap_{kind}"}] for count in counts]
        return float(sum(hits.true for some in boxes for hits in some)), sum(bool(some) for some in boxes)
    parts = [document.total[name] for document in documents if name in document.total]
    return added({name: part} for part in parts)[name].weight, len(parts)
