"""What is compared on both sides: vision, prefill, decode, the first token, whole pages.

Knows: sides, what counts as one turn, how much work it is. Does not know: what the machine can do, tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks import limits
from benchmarks.figures import Row
from benchmarks.limits import INT8, Work
from benchmarks.sides import Ours, Side, Theirs, Written
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Request

THEIRS = Reference.name
WARM_STEPS = 4


@dataclass(frozen=True, slots=True)
class Turns:
    """How often.

    batch   pages in flight
    steps   of the decoder in one turn of it
    repeat  turns of all but pages
    pages   turns of pages by transformers, which takes minutes; ours has one more
    """

    batch: int
    steps: int
    repeat: int
    pages: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured on which sides.

    requests  pages with answers of mixed length
    ids       a prompt of text, as long as a page's
    ours      by precision
    theirs    in the one precision that stands beside all of these
    """

    requests: Sequence[Request]
    ids: Sequence[int]
    ours: Mapping[str, Ours]
    theirs: Theirs
    turns: Turns

    @property
    def sides(self) -> dict[str, Side]:
        return {**self.ours, THEIRS: self.theirs}

    def in_turn(
        self, measure: Callable[[Side], float], sides: Mapping[str, Side] | None = None
    ) -> dict[str, list[float]]:
        """What is measured on each side, one after the other, as often as was asked for."""
        values: dict[str, list[float]] = {name: [] for name in sides or self.sides}
        for _ in range(self.turns.repeat):
            for name, side in (sides or self.sides).items():
                values[name].append(measure(side))
        return values

    def rows(
        self,
        what: str,
        unit: str,
        values: Mapping[str, Sequence[float]],
        work: Callable[[Ours, str], Work] | None = None,
    ) -> list[Row]:
        """One row for each precision of ours."""
        theirs = tuple(values.get(THEIRS, ()))
        return [
            Row(what, unit, dtype, tuple(values[dtype]), theirs, work=work(side, dtype) if work else None)
            for dtype, side in self.ours.items()
        ]


def vision(bench: Bench) -> list[Row]:
    """Tower and connector over all tiles of a page."""
    request = bench.requests[0]
    for side in bench.sides.values():
        side.encode(request)
    times = bench.in_turn(lambda side: side.encode(request))
    return bench.rows("vision", "s", times, partial(_tower, request))


def prefill(bench: Bench) -> list[Row]:
    """A prompt of text, to its first id."""
    for side in bench.sides.values():
        side.prefill(bench.ids)
    times = bench.in_turn(lambda side: side.prefill(bench.ids))
    return bench.rows("prefill", "s", times, partial(_prompt, len(bench.ids)))


def decode(bench: Bench) -> list[Row]:
    """Steps behind such a prompt at batch 1, at the batch size and, ours only, at twice that."""
    rows = []
    steps, batch = bench.turns.steps, bench.turns.batch
    for size in (1, batch, 2 * batch):
        sides: dict[str, Side] = bench.sides if size <= batch else dict(bench.ours)
        for side in sides.values():
            side.decode(bench.ids, size, WARM_STEPS)
        times = bench.in_turn(lambda side: side.decode(bench.ids, size, steps)[-1] / steps, sides)  # noqa: B023
        rates = {name: [size / value for value in values] for name, values in times.items()}
        rows += bench.rows(f"step at batch {size}", "ms", times, partial(_step, size, len(bench.ids) + steps / 2))
        rows += bench.rows(f"tokens at batch {size}", "tokens/s", rates)
    return rows


def first(bench: Bench) -> list[Row]:
    """A page alone, from its tiles to its first token."""
    request = replace(bench.requests[0], max_new_tokens=1)
    for side in bench.sides.values():
        side.write([request])
    times = bench.in_turn(lambda side: side.write([request]).seconds)
    return bench.rows(
        "first token",
        "s",
        times,
        lambda side, dtype: _tower(request, side, dtype) + _prompt(len(request.ids), side, dtype),
    )


def pages(bench: Bench) -> list[Row]:
    """All pages. Ours stands before and behind every turn of transformers."""
    written: dict[str, list[Written]] = {name: [] for name in bench.sides}
    for name in [*bench.ours, *[THEIRS, *bench.ours] * bench.turns.pages]:
        written[name].append(bench.sides[name].write(bench.requests))
    count, tokens = len(bench.requests), sum(request.max_new_tokens for request in bench.requests)
    figures: dict[tuple[str, str], Callable[[Written], Sequence[float]]] = {
        (f"pages at batch {bench.turns.batch}", "pages/min"): lambda run: [60 * count / run.seconds],
        ("tokens of all pages", "tokens/s"): lambda run: [tokens / run.seconds],
        ("latency of a page", "s"): lambda run: run.each,
    }
    rows = []
    for (what, unit), read in figures.items():
        values = {name: [value for run in runs for value in read(run)] for name, runs in written.items()}
        rows += bench.rows(what, unit, values)
    return rows


PARTS: dict[str, Callable[[Bench], list[Row]]] = {
    "vision": vision,
    "prefill": prefill,
    "decode": decode,
    "first": first,
    "pages": pages,
}


def _tower(request: Request, side: Ours, dtype: str) -> Work:
    name = _name(side)
    return limits.tower(side.network.config, len(request.tiles), name, INT8 if dtype == INT8 else name)


def _prompt(rows: int, side: Ours, _dtype: str) -> Work:
    return limits.prompt(side.network.config, rows, _name(side))


def _step(size: int, context: float, side: Ours, dtype: str) -> Work:
    numbers = side.network.dtype
    return limits.step(side.network.config, size, context, numbers, 1 if dtype == INT8 else numbers.itemsize)


def _name(side: Ours) -> str:
    return str(side.network.dtype).removeprefix("torch.")
