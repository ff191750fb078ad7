"""Where things stand on a page, and what they are: mean average precision over boxes.

Knows: spots on the 500 grid. Does not know: text, files.

Average precision as COCO defines it: 101 recalls, IoU of .50 to .95. DocTags say nothing of how sure they are, so all
boxes of a page are taken or none: the curve has one point, and the order of boxes does not matter. A class that only
the prediction has counts with 0. Counts add up: pages make documents, documents make a corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from smoldocling.evaluate.content import Spot
from smoldocling.evaluate.trees import Floats

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class Hits:
    """Boxes of one class: how many were said, how many are true, and at each IoU how many of the said ones are."""

    said: int
    true: int
    hits: tuple[int, ...]

    def __add__(self, other: Hits) -> Hits:
        return Hits(
            self.said + other.said,
            self.true + other.true,
            tuple(a + b for a, b in zip(self.hits, other.hits, strict=True)),
        )

    @property
    def precision(self) -> float:
        """Average precision, mean over the IoUs."""
        return float(np.mean([_average_precision(hits, self.said, self.true) for hits in self.hits]))


Counts = Mapping[str, Hits]


def compare(said: Sequence[Spot], true: Sequence[Spot]) -> dict[str, Hits]:
    """Counts for each class of one page."""
    kinds = sorted({spot.kind for spot in (*said, *true)})
    return {kind: _hits([s for s in said if s.kind == kind], [s for s in true if s.kind == kind]) for kind in kinds}


def total(pages: Iterable[Counts]) -> dict[str, Hits]:
    """Counts of many pages."""
    found: dict[str, Hits] = {}
    for page in pages:
        for kind, hits in page.items():
            found[kind] = found[kind] + hits if kind in found else hits
    return dict(sorted(found.items()))


def mean_precision(counts: Counts) -> float | None:
    """Mean over classes; None where there are none."""
    return float(np.mean([hits.precision for hits in counts.values()])) if counts else None


def _average_precision(hits: int, said: int, true: int) -> float:
    if not said or not true:
        return 0.0
    reached = np.count_nonzero(hits / true + 1e-12 >= RECALLS)
    # recall 0 is reached by who says anything at all, with the precision that he has
    return float(hits / said * reached / len(RECALLS))


def _hits(said: Sequence[Spot], true: Sequence[Spot]) -> Hits:
    """At each IoU the boxes are paired that cover each other best."""
    counts = Counter[float]()
    if said and true:
        shares = ious(said, true)
        for least in IOUS:
            counts[least] = len(_greedy(shares, least))
    return Hits(len(said), len(true), tuple(counts[least] for least in IOUS))


def _greedy(shares: Floats, least: float) -> set[int]:
    used: tuple[set[int], set[int]] = set(), set()
    for place in np.argsort(-shares, axis=None, kind="stable"):
        row, column = divmod(int(place), shares.shape[1])
        if shares[row, column] < least:
            break
        if row not in used[0] and column not in used[1]:
            used[0].add(row)
            used[1].add(column)
    return used[0]


def ious(said: Sequence[Spot], true: Sequence[Spot]) -> Floats:
    """Intersection over union: (said, true). A box without area overlaps nothing."""
    a, b = (
        np.array([(spot.box.x0, spot.box.y0, spot.box.x1, spot.box.y1) for spot in spots], dtype=np.float64)
        for spots in (said, true)
    )
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas_a, areas_b = (np.prod(np.clip(c[:, 2:] - c[:, :2], 0, None), axis=1) for c in (a, b))
    union = areas_a[:, None] + areas_b[None, :] - shared
    found: Floats = np.zeros_like(shared)
    np.divide(shared, union, out=found, where=union > 0)
    return found
