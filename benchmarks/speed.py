"""Pages a second of born-digital PDFs read without a model: our reader, pymupdf4llm and markitdown on the same files.

    python benchmarks/speed.py ../shared/data/docling [FOLDER...] [--repeat 5]

One process; the readers take turns on each file, so that a disturbance hits all; the first pass, which loads what they
need, does not count. How well they read is quality.py's question. A table for people, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import readers  # noqa: E402 - only now can they be found
from benchmarks.machine import facts, seconds_elsewhere  # noqa: E402


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="with PDFs")
    parser.add_argument("--repeat", type=int, default=5, help="passes that count")
    arguments = parser.parse_args()
    paths = [path for folder in arguments.folders for path in sorted(folder.glob("*.pdf"))]
    pages = sum(map(_page_count, paths))
    elsewhere, began = seconds_elsewhere(), time.perf_counter()
    seconds = {name: [0.0] * (arguments.repeat + 1) for name in READERS}
    for turn in range(arguments.repeat + 1):
        for path in paths:
            for name, read in READERS.items():
                start = time.perf_counter()
                read(path)
                seconds[name][turn] += time.perf_counter() - start
    busy = (seconds_elsewhere() - elsewhere) / (time.perf_counter() - began)
    print(f"{len(paths)} files, {pages} pages, {arguments.repeat} passes; cores busy with something else: {busy:.2f}")
    print(f"{'pages a second':<16}{'median':>10}{'least':>10}{'most':>10}")
    record: dict[str, Any] = {"benchmark": "speed", "machine": facts(), "pages": pages, "elsewhere": busy, "rates": {}}
    for name, times in seconds.items():
        rates = sorted(pages / value for value in times[1:])
        record["rates"][name] = rates
        print(f"{name:<16}{statistics.median(rates):>10.2f}{rates[0]:>10.2f}{rates[-1]:>10.2f}")
    print(json.dumps(record))


READERS: dict[str, Callable[[Path], str]] = {
    "smoldocling": readers.ours,
    "pymupdf4llm": readers.pymupdf4llm,
    "markitdown": readers.markitdown,
}


def _page_count(path: Path) -> int:
    with pymupdf.open(path) as document:
        return int(document.page_count)


if __name__ == "__main__":
    main()
