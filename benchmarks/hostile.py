"""Damaged and odd PDFs through `smoldocling corpus`: it ends, and every file has a row that says what became of it.

    python benchmarks/hostile.py ../shared/data/hostile

Prints one line for each status and reason with the number of pages, the slowest pages, and the memory of the process
that holds the run, before the first page and at its most. Exit status 1 where a promise is not kept.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pyarrow.parquet as pq

from benchmarks.watch import MB, start

SLOWEST = 5
# The interpreter, libraries and a few documents on their way.
MOST_GROWTH_MB = 100


def main() -> None:
    """Runs, counts, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", default="1")
    parser.add_argument("--timeout", type=float, default=20.0)
    arguments = parser.parse_args()
    files = {path for path in arguments.folder.resolve().rglob("*") if path.suffix.lower() == ".pdf"}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        options = ["--engine", "textlayer", "--workers", arguments.workers, "--timeout", arguments.timeout]
        begun = time.monotonic()
        command = start(["corpus", arguments.folder.resolve(), "-o", out, *options], Path(scratch, "said"))
        status = command.watch()
        seconds = time.monotonic() - begun
        documents = pq.read_table(out / "documents.parquet").to_pylist()
        pages = pq.read_table(out / "pages").to_pylist()
        timings = pq.read_table(out / "timings").to_pylist()
    for (state, reason), count in Counter((page["status"], page["reason"]) for page in pages).most_common():
        print(f"{count:5} {state:10} {reason or ''}")
    slowest = sorted(timings, key=lambda row: row["seconds"] or 0.0)[: -SLOWEST - 1 : -1]
    for row in slowest:
        print(f"{row['seconds']:8.2f} s  {Path(row['path']).name}, page {row['page']}")
    own = [memory / MB for _, memory, _ in command.samples]
    settled = own[len(own) // 4 :]
    figures = {
        "files": len(files),
        "documents": dict(Counter(row["status"] for row in documents)),
        "pages": sum(page["page"] > 0 for page in pages),
        "seconds": round(seconds, 1),
        "exit_status": status,
        "parent_mb": {"after a quarter": round(settled[0]), "most": round(max(own)), "end": round(own[-1])},
    }
    print(json.dumps(figures))
    broken = [
        *(f"{path} has no row" for path in sorted(files - {Path(row["path"]) for row in documents})),
        *(f"{row['path']} failed without a reason" for row in documents if row["status"] != "ok" and not row["reason"]),
        *(f"{row['path']} page {row['page']} took too long" for row in slowest if row["seconds"] > arguments.timeout),
    ]
    if max(settled) - settled[0] > MOST_GROWTH_MB:
        broken.append("the parent's memory grows")
    print(*broken, sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
