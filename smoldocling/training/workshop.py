"""One call of `synth`: pairs made or gathered, written and talked about.

Knows: series, pairs, lines for people. Does not know: options, terminals, exits.
"""

from __future__ import annotations

import time
from pathlib import Path

from smoldocling.progress import Progress
from smoldocling.training.faces import Family, families
from smoldocling.training.pairs import Gathering, Skip, summary
from smoldocling.training.speech import SIGNS
from smoldocling.training.synth import Series, keep

LETTERS = "".join(map(chr, range(33, 127))) + SIGNS
"""What every font must have."""


def make(
    domain: str,
    seed: int,
    count: int,
    folder: Path,
    shown: Progress,
    pdf: bool,
    disturbed: float | None,
    fonts: Path | None,
) -> int:
    """Write synthetic pairs; how many. Raises UnusableOption, UnwritableOutput."""
    started = time.monotonic()
    series = Series(domain, seed, pdf, disturbed, _families(fonts, shown) if fonts else ())
    for number in range(count):
        keep(series.pair(number), folder)
        shown.tick(number + 1, count)
    shown.line(f"{_pages(count)} -> {folder} in {_pace(count, started)}")
    return count


def gather(inputs: list[str], password: str | None, folder: Path, shown: Progress) -> tuple[int, int]:
    """Write pairs from the user's own documents; how many, and how many documents failed. Raises UnwritableOutput."""
    started = time.monotonic()
    written, skips = 0, list[Skip]()
    gathering = Gathering(inputs, password)
    for found in gathering:
        if isinstance(found, Skip):
            skips.append(found)
            where = found.source if found.number is None else f"{found.source}: page {found.number}"
            shown.line(f"{where}: skipped: {found.reason}")
        else:
            keep(found, folder)
            written += 1
        done = written + sum(skip.number is not None for skip in skips)
        shown.tick(done, max(done, gathering.expected))
    shown.line(f"{_pages(written)} -> {folder} in {_pace(written, started)}")
    if summary(skips):
        shown.line(summary(skips))
    return written, sum(skip.number is None for skip in skips)


def _families(folder: Path, shown: Progress) -> tuple[Family, ...]:
    found, unfit = families(folder, LETTERS)
    if unfit:
        named = ", ".join(unfit[:3]) + (f" and {len(unfit) - 3} more" if len(unfit) > 3 else "")
        shown.line(f"{folder}: left out, as they lack letters that are written: {named}")
    return found


def _pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"


def _pace(count: int, started: float) -> str:
    seconds = time.monotonic() - started
    return f"{seconds:.1f} s" + (f", {count / seconds:.3g} pages/s" if seconds and count else "")
