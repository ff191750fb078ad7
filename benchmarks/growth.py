"""Whether cost grows with the amount in a straight line: tiles, rows of a prompt, tokens, pages.

Knows: amounts, one side. Does not know: other engines, how curves are drawn (chart).
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.chart import Curve
from benchmarks.page import page
from benchmarks.sides import Side
from smoldocling.vocab import Vocab

Panel = dict[str, Curve]


@dataclass(frozen=True, slots=True)
class Amounts:
    """Where it is measured. Pages of which many are measured are small: `grid` tiles and the whole, a short answer."""

    tiles: tuple[int, ...] = (1, 2, 4, 8, 13, 17, 21, 26)
    rows: tuple[int, ...] = (128, 256, 512, 768, 1024, 1406, 1792)
    tokens: tuple[int, ...] = tuple(range(300, 2001, 100))
    pages: tuple[int, ...] = (4, 8, 12, 16)
    grid: tuple[int, int] = (2, 2)
    page_tokens: int = 100


def measure(side: Side, vocab: Vocab, prompt: int, batch: int, amounts: Amounts, repeat: int) -> dict[str, Panel]:
    """Curves by the name of what is counted. Tokens come once, behind `prompt` ids, all else `repeat` times."""
    random = np.random.default_rng(1)
    ids = random.integers(1000, 40000, max(prompt, *amounts.rows)).tolist()
    largest = page(vocab, random, 0, 1, 5, 5)
    largest = replace(largest, tiles=largest.tiles[: max(amounts.tiles)])
    small = [page(vocab, random, key, amounts.page_tokens, *amounts.grid) for key in range(max(amounts.pages))]
    side.write(small[:1])  # nothing is measured cold, and every length of a prompt is prepared for by itself
    for count in amounts.rows:
        side.prefill(ids[:count])

    tiles: list[list[float]] = [[] for _ in amounts.tiles]
    rows: list[list[float]] = [[] for _ in amounts.rows]
    pages: list[list[float]] = [[] for _ in amounts.pages]
    for _ in range(repeat):  # all amounts in turn, so that a disturbance does not hit all turns of one
        for times, count in zip(tiles, amounts.tiles, strict=True):
            times.append(side.encode(replace(largest, tiles=largest.tiles[:count])))
        for times, count in zip(rows, amounts.rows, strict=True):
            times.append(side.prefill(ids[:count]))
        for times, count in zip(pages, amounts.pages, strict=True):
            times.append(side.write(small[:count]).seconds)
    steps = {size: side.decode(ids[:prompt], size, max(amounts.tokens)) for size in (1, batch)}
    return {
        "tiles encoded": {"tower": _curve(amounts.tiles, tiles)},
        "rows of a prompt": {"prefill": _curve(amounts.rows, rows)},
        f"tokens behind {prompt} of a prompt": {
            f"batch {size}": Curve(amounts.tokens, [ticks[count - 1] for count in amounts.tokens])
            for size, ticks in steps.items()
        },
        f"pages of {len(small[0].tiles)} tiles and {amounts.page_tokens} tokens": {
            f"batch {batch}": _curve(amounts.pages, pages)
        },
    }


def _curve(amounts: tuple[int, ...], times: list[list[float]]) -> Curve:
    return Curve(amounts, [statistics.median(values) for values in times])
