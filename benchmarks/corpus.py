"""How fast `smoldocling corpus` is with one worker and with more, and what memory it takes over many pages.

    python benchmarks/corpus.py speed ../shared/data/readoc --workers 1 2
    python benchmarks/corpus.py memory --pages 5000 --plot benchmarks/results/corpus-memory.png

speed   the same documents, different copies of those in the folder, so that each is converted; the runs take turns.
        Seconds are those from the first page to the last, without starting and without the last shard
memory  short pages of text, in documents of 20 and one of 1000; resident memory of the process that holds the run, and
        of its workers, from beginning to end
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.papers import copies, plain
from benchmarks.watch import MB, Command, start

EACH, LONG = 20, 1000


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("speed")
    one.add_argument("folder", type=Path)
    one.add_argument("--pages", type=int, default=400)
    one.add_argument("--workers", nargs="+", default=["1", "2"])
    one.add_argument("--repeat", type=int, default=3)
    two = commands.add_parser("memory")
    two.add_argument("--pages", type=int, default=5000)
    two.add_argument("--workers", default="1")
    two.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure = speed if arguments.command == "speed" else memory
        print(json.dumps(measure(arguments, Path(scratch))))


def speed(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Pages a second, by workers."""
    pages = copies(sorted(arguments.folder.resolve().rglob("*.pdf")), arguments.pages, folder / "in")
    rates: dict[str, list[float]] = {workers: [] for workers in arguments.workers}
    for turn in range(arguments.repeat):
        for workers in arguments.workers:
            out = folder / f"out-{turn}-{workers}"
            command = run(folder / "in", out, workers)
            rates[workers].append(pages / span(command, out))
            print(f"{workers} workers: {rates[workers][-1]:.2f} pages/s", file=sys.stderr)
    middle = {workers: statistics.median(values) for workers, values in rates.items()}
    first = middle[arguments.workers[0]]
    times = {workers: round(rate / first, 2) for workers, rate in middle.items()}
    return {"pages": pages, "pages_per_second": {w: [round(v, 2) for v in rates[w]] for w in rates}, "times": times}


def memory(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Resident memory."""
    pages = plain(arguments.pages - LONG, EACH, folder / "in") + plain(LONG, LONG, folder / "in" / "long")
    command = run(folder / "in", folder / "out", arguments.workers)
    if arguments.plot:
        plot(command, pages, arguments.plot)
    own = [memory / MB for _, memory, _ in command.samples]
    tenths = [round(statistics.median(own[len(own) * n // 10 : len(own) * (n + 1) // 10])) for n in range(10)]
    workers = round(max(children for _, _, children in command.samples) / MB)
    seconds = round(command.samples[-1][0], 1)
    return {
        "pages": pages,
        "seconds": seconds,
        "parent_mb_by_tenths": tenths,
        "most_mb": round(max(own)),
        "workers_mb": workers,
    }


def run(source: Path, out: Path, workers: str) -> Command:
    """One run, to its end."""
    options = ["--engine", "textlayer", "--workers", workers, "--shard-pages", "1000"]
    command = start(["corpus", source, "-o", out, *options], out.with_suffix(".said"))
    status = command.watch()
    assert status == 0, command.said.read_text()
    return command


def span(command: Command, out: Path) -> float:
    """Seconds of work: from the beginning of the journal to the end of the run."""
    begun = (out / ".corpus" / "sources.sqlite").stat().st_mtime
    return (out / "documents.parquet").stat().st_mtime - begun


def plot(command: Command, pages: int, path: Path) -> None:
    """Memory over time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    seconds = [moment for moment, _, _ in command.samples]
    axes.plot(seconds, [own / MB for _, own, _ in command.samples], label="the run")
    axes.plot(seconds, [children / MB for _, _, children in command.samples], label="its workers", alpha=0.6)
    axes.set(xlabel="seconds", ylabel="resident MB", ylim=(0, None), title=f"smoldocling corpus, {pages:,} pages")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
