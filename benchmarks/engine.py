"""The native engine beside transformers, and OpenVINO where there is one: time, memory, and how far the machine goes.

    python benchmarks/engine.py --save benchmarks/results
    python benchmarks/engine.py --parts vision decode --dtypes bfloat16 --repeat 1 --steps 20
    python benchmarks/engine.py --peer PEER/bin/python --save benchmarks/results

The 256M network at full size with random weights, written to a temporary folder if no checkpoint is given; letter pages
of 21 tiles, no two alike; no drafts; every answer gets exactly the length that was drawn for it. All in one process,
with torch's own number of threads, in turn: ours in each precision, then transformers'. int8 stands beside transformers
in bfloat16, since transformers has no int8 of its own. `--peer` runs openvino_peer.py with the interpreter of that
environment on the same checkpoint and pages. Times are medians (least-most). Shares are of what plain products and
plain reads reach just before and after (limits.py); `cores elsewhere` is how busy other programs were meanwhile. Memory
is measured in processes of its own (memory.py). Linux only.
A table for people, one line of JSON last; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402 - only now is the path right

from benchmarks import growth, limits, peer  # noqa: E402
from benchmarks.chart import draw  # noqa: E402
from benchmarks.figures import Row, aligned, table  # noqa: E402
from benchmarks.growth import Amounts, Panel  # noqa: E402
from benchmarks.limits import INT8  # noqa: E402
from benchmarks.machine import facts, seconds_elsewhere  # noqa: E402
from benchmarks.page import COLUMNS, LENGTHS, ROWS, page  # noqa: E402
from benchmarks.phases import PARTS, Bench, Turns  # noqa: E402
from benchmarks.sides import Ours, Theirs  # noqa: E402
from smoldocling import checkpoint as checkpoints  # noqa: E402
from smoldocling.engine.native import Native  # noqa: E402
from smoldocling.engine.reference import Reference  # noqa: E402
from smoldocling.vocab import Vocab  # noqa: E402

Figures = dict[str, Any]

# Which of transformers' precisions stands beside ours.
BESIDE = {"bfloat16": "bfloat16", INT8: "bfloat16", "float32": "float32"}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    grid     rows and columns of tiles of a page
    lengths  the shortest and the longest answer
    tokens   of the page whose memory is measured
    amounts  where growth is measured
    """

    grid: tuple[int, int] = (ROWS, COLUMNS)
    lengths: tuple[int, int] = LENGTHS
    tokens: int = 800
    amounts: Amounts = field(default_factory=Amounts)


# To see whether everything runs; its figures say nothing.
QUICK = Scale((1, 1), (4, 12), 8, Amounts((1, 2), (16, 32), (4, 8, 12), (1, 2, 3), (1, 1), 4))


class Session:
    """One run of this program: collects rows, curves, and what the machine did meanwhile."""

    def __init__(self, arguments: argparse.Namespace, folder: Path) -> None:
        self._arguments = arguments
        self._scale = QUICK if arguments.quick else Scale()
        self._checkpoint = checkpoints.read(folder, name="benchmark")
        self._vocab = Vocab(self._checkpoint)
        random = np.random.default_rng(arguments.seed)
        self._requests = [
            page(self._vocab, random, key, int(random.integers(*self._scale.lengths, endpoint=True)), *self._scale.grid)
            for key in range(arguments.count)
        ]
        self._ids = random.integers(1000, 40000, len(self._requests[0].ids)).tolist()
        self.rows: list[Row] = []
        self.panels: dict[str, Panel] = {}
        self.beside: dict[str, Figures] = {}
        self.peer: Figures | None = None

    def run(self) -> None:
        parts, dtypes = self._arguments.parts, self._arguments.dtypes
        if "peaks" in parts:
            self._measure("peaks", list)
        if "memory" in parts:
            self._measure("memory", self._memory)
        sided = [part for part in parts if part in PARTS]
        for number, beside in enumerate(dict.fromkeys(BESIDE[dtype] for dtype in dtypes)):
            chosen = [part for part in sided if part != "pages" or number == 0]  # minutes each time
            if chosen:
                self._compare(chosen, beside, [dtype for dtype in dtypes if BESIDE[dtype] == beside])
        if "linear" in parts:
            self._measure("linear", self._linear)
        if self._arguments.peer:
            self._measure("peer", self._peer)

    def _compare(self, parts: Sequence[str], beside: str, dtypes: Sequence[str]) -> None:
        """All that needs both sides in memory."""
        batch = self._arguments.batch
        ours = {dtype: Ours(self._checkpoint, dtype, batch) for dtype in dtypes}
        theirs = Theirs(self._checkpoint, beside, batch)
        turns = Turns(batch, self._arguments.steps, self._arguments.repeat, self._arguments.repeat_pages)
        bench = Bench(self._requests, self._ids, ours, theirs, turns)
        for part in parts:
            self._measure(f"{part}, {beside}", lambda: PARTS[part](bench))  # noqa: B023 - called at once

    def _measure(self, name: str, part: Callable[[], list[Row]]) -> None:
        gc.collect()
        load = os.getloadavg()[0]
        _tell(f"{name}: load average {load:.2f}")
        before = limits.measure()
        start, elsewhere = time.perf_counter(), seconds_elsewhere()
        rows = part()
        seconds = time.perf_counter() - start
        cores = (seconds_elsewhere() - elsewhere) / seconds
        best = before.best(limits.measure())
        rows = [replace(row, limits=best) for row in rows]
        self.beside[name] = {
            "load before": round(load, 2),
            "seconds": round(seconds, 1),
            "cores elsewhere": round(cores, 2),
            **best.figures(),
        }
        self.rows += rows
        if rows:
            _tell(table(rows))

    def _memory(self) -> list[Row]:
        """One page in flight, in MB beyond interpreter and libraries."""
        dtypes = self._arguments.dtypes
        ours = {dtype: self._one_page(Native.name, dtype) for dtype in dtypes}
        theirs = {beside: self._one_page(Reference.name, beside) for beside in {BESIDE[dtype] for dtype in dtypes}}
        return [
            Row(what, "MB", dtype, (ours[dtype][key],), (theirs[BESIDE[dtype]][key],))
            for what, key in (("memory, peak", "beyond"), ("memory, own", "anonymous"), ("memory, files", "files"))
            for dtype in dtypes
        ]

    def _one_page(self, engine: str, dtype: str) -> Figures:
        options = ["--engine", engine, "--dtype", dtype, "--tokens", str(self._scale.tokens)]
        return _json_of([sys.executable, ROOT / "benchmarks/memory.py", self._checkpoint.folder, *options])

    def _linear(self) -> list[Row]:
        """Growth of ours, in the first precision."""
        arguments, dtype = self._arguments, self._arguments.dtypes[0]
        side = Ours(self._checkpoint, dtype, arguments.batch)
        self.panels = growth.measure(
            side, self._vocab, len(self._ids), arguments.batch, self._scale.amounts, arguments.repeat
        )
        return []

    def _peer(self) -> list[Row]:
        """OpenVINO's figures stand beside the rows that are there."""
        arguments = self._arguments
        options = {"batch": arguments.batch, "steps": arguments.steps, "repeat": arguments.repeat}
        self.peer = peer.run(arguments.peer, self._checkpoint.folder, self._requests, arguments.peer_cache, options)
        self.rows = peer.beside(self.rows, self.peer, arguments.batch)
        return []


def main() -> None:
    """Measures, prints a table and one line of JSON, saves both and the plot."""
    arguments = _arguments()
    with contextlib.ExitStack() as stack:
        session = Session(
            arguments, arguments.checkpoint or _written(stack.enter_context(tempfile.TemporaryDirectory()))
        )
        session.run()
    head = facts()
    text = _text(head, session)
    settings = {name: getattr(arguments, name) for name in ("batch", "count", "steps", "repeat", "seed", "quick")}
    report = {
        "benchmark": "engine",
        **head,
        **settings,
        "rows": [row.figures() for row in session.rows],
        "linear": {
            panel: {name: curve.figures() for name, curve in curves.items()} for panel, curves in session.panels.items()
        },
        "beside": session.beside,
        "openvino": session.peer,
    }
    line = json.dumps(report)
    print(f"{text}\n\n{line}")
    if arguments.save:
        arguments.save.mkdir(parents=True, exist_ok=True)
        (arguments.save / "engine.txt").write_text(f"{text}\n\n{line}\n", encoding="utf-8")
        if session.panels:
            _draw(session.panels, head, arguments.dtypes[0], arguments.save / "engine-linear.png")


def _text(head: Figures, session: Session) -> str:
    """For people."""
    flags, versions = (
        " ".join(head["flags"]),
        ", ".join(f"{name} {number}" for name, number in head["versions"].items()),
    )
    # where things lie on this machine is nobody else's matter
    words = (Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    command = " ".join(["python benchmarks/engine.py", *words])
    lines = [
        f"commit {head['commit']}, {head['date']}: {command}",
        f"{head['cpu']} ({flags}), {head['cpus']} CPUs, {head['threads']} threads, {versions}",
    ]
    if session.rows:
        lines += ["", table(session.rows)]
    if session.panels:
        grown = [
            (panel, name, f"{1000 * curve.each:.4g}", f"{curve.start:.3g}", f"{100 * curve.deviation:.1f} %")
            for panel, curves in session.panels.items()
            for name, curve in curves.items()
        ]
        names = ("cost grows with", "", "ms each", "s at none", "off the line, of the longest")
        lines += ["", aligned(names, grown, (40, 12, 12, 12, 30))]
    heads = ("beside", *next(iter(session.beside.values())))
    cells = [(name, *map(str, figures.values())) for name, figures in session.beside.items()]
    return "\n".join([*lines, "", aligned(heads, cells, (22, *[max(12, len(name) + 2) for name in heads[1:]]))])


def _draw(panels: Mapping[str, Panel], head: Figures, dtype: str, path: Path) -> None:
    title = f"What the native engine takes: 256M network, {dtype}, {head['threads']} threads, commit {head['commit']}"
    try:
        draw(panels, title, path)
    except ImportError:
        _tell("no plot without matplotlib; pip install 'smoldocling[bench]'")


def _written(folder: str) -> Path:
    _tell("writing a checkpoint with random weights")
    from benchmarks import fullsize

    return fullsize.write(Path(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = ("peaks", "memory", *PARTS, "linear")
    parser.add_argument("--checkpoint", type=Path, help="a folder, as fullsize.py writes it")
    parser.add_argument("--parts", nargs="+", choices=every, default=every, metavar="PART", help=", ".join(every))
    order = f"{', '.join(BESIDE)}; linear with the first only, pages with those that share its transformers"
    parser.add_argument("--dtypes", nargs="+", choices=BESIDE, default=tuple(BESIDE), metavar="DTYPE", help=order)
    parser.add_argument("--batch", type=int, default=8, help="pages in flight")
    parser.add_argument("--count", type=int, default=12, help="whole pages")
    parser.add_argument("--steps", type=int, default=100, help="steps of one turn of decode")
    parser.add_argument("--repeat", type=int, default=3, help="turns of all but pages")
    parser.add_argument("--repeat-pages", type=int, default=1, help="turns of pages by transformers; ours has one more")
    parser.add_argument("--seed", type=int, default=0, help="of tiles and lengths")
    parser.add_argument("--peer", type=Path, help="python of the environment that openvino_peer.py needs")
    parser.add_argument(
        "--peer-cache",
        type=Path,
        help="folder where its exported models are kept; exported again if the checkpoint is newer",
    )
    parser.add_argument("--save", type=Path, help="folder for engine.txt and engine-linear.png")
    parser.add_argument("--quick", action="store_true", help="tiny amounts, to see whether everything runs")
    return parser.parse_args()


def _json_of(command: Sequence[str | Path]) -> Figures:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
