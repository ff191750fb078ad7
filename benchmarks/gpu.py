"""The native engine on a GPU beside transformers: each phase alone, then whole pages.

    python benchmarks/gpu.py --save benchmarks/results
    python benchmarks/gpu.py --phases peaks decode --minutes 3
    python benchmarks/gpu.py --dry-run

No network, no files: the 256M network at full size with weights drawn on the device, letter pages of noise (21
tiles), answers of 300 to 2000 ids. Every figure is printed as soon as it exists, and the report in --save is written
again after each phase, so that a time limit loses nothing. A phase that fails says so and the next begins.

peaks         a large product, a copy and a read: what shares are shares of
resize        LANCZOS to tiles on the device, and on one core of the host
vision        tower and connector over the tiles of a page, beside transformers
prefill       a prompt of text as long as a page's, beside transformers
decode        steps at each batch size behind such prompts: unrecorded, recorded, with fused kernels, with keys and
              values in 8 bits, and a step that checks four guesses a sequence
pages         whole pages, cut into tiles on the host's cores meanwhile
memory        the highest use with one page in flight, weights included
transformers  generate with a static cache, compiled: the same steps, and whole pages in one batch

A dry run takes a tiny network on the CPU, to see that everything runs; its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(ROOT)

import torch  # noqa: E402 - only now is the path right

from benchmarks import drawn  # noqa: E402
from benchmarks.accelerator import Meter  # noqa: E402
from benchmarks.gpuphases import PHASES, Amounts, Bench  # noqa: E402
from benchmarks.machine import facts  # noqa: E402

SMALL = Amounts(
    splits=2, batches=(1, 2), lengths=(4, 9), pages=5, slots=2, steps=4, rows=40, turns=1, peer_batches=(1,)
)


class Report:
    """Figures as they come: printed, kept, written."""

    def __init__(self, head: dict[str, Any], folder: Path | None) -> None:
        self._head = head
        self._folder = folder
        self._start = time.perf_counter()
        self.rows: list[dict[str, Any]] = []

    def __call__(self, phase: str, what: str, **figures: Any) -> None:
        row = {"phase": phase, "what": what, **figures, "at_s": round(time.perf_counter() - self._start, 1)}
        self.rows.append(row)
        shown = " ".join(f"{name}={_shown(value)}" for name, value in figures.items())
        print(f"{row['at_s']:7.1f}s  {phase:8} {what:34} {shown}", flush=True)

    def write(self) -> None:
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({**self._head, "rows": self.rows}, indent=1)
            (self._folder / "gpu.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Measures, prints, writes."""
    arguments = _arguments()
    device = torch.device("cpu" if arguments.dry_run else "cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("there is no CUDA device here; --dry-run takes the CPU")
    meter = Meter(device)
    head = {"benchmark": "gpu", **facts(), **meter.facts(), "command": " ".join(sys.argv[1:])}
    report = Report(head, arguments.save)
    report("facts", "machine", **{key: value for key, value in head.items() if key in ("device", "commit", "versions")})
    amounts = SMALL if arguments.dry_run else Amounts()
    end = time.perf_counter() + 60 * arguments.minutes
    bench = Bench(drawn.draw(device, small=arguments.dry_run), meter, amounts, report, end, peer=not arguments.no_peer)
    failed = []
    for name in arguments.phases:
        if time.perf_counter() > end:
            report(name, "no time is left")
            continue
        report(name, "clocks", **meter.clocks())
        try:
            _phase(PHASES[name], bench)
        except Exception as error:  # the figures of the other phases are worth as much
            failed.append(name)
            report(name, "failed", error=f"{type(error).__name__}: {error}"[:300])
            traceback.print_exc()
        report.write()
    if arguments.save:
        _plot(report.rows, head, arguments.save / "gpu.png")
    print(json.dumps({**head, "rows": report.rows}))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _phase(phase: Callable[[Bench], None], bench: Bench) -> None:
    with torch.inference_mode():
        phase(bench)


def _plot(rows: list[dict[str, Any]], head: dict[str, Any], path: Path) -> None:
    """Tokens a second against the batch size, each way of decoding a curve."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot without matplotlib", file=sys.stderr)
        return
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if "tokens_s" in row and "batch" in row:
            name = row["what"].rsplit(" at batch", 1)[0] if row["phase"] == "decode" else row["phase"]
            curves.setdefault(name, []).append((row["batch"], row["tokens_s"]))
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, points in curves.items():
        axes.plot(*zip(*sorted(points), strict=True), "o-", label=name, markersize=4)
    axes.set(xscale="log", yscale="log", xlabel="sequences in flight", ylabel="tokens a second")
    axes.set_title(f"Decoding on {head['device']}, commit {head['commit']}", fontsize=10)
    axes.grid(alpha=0.3)
    if curves:
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=120)


def _shown(value: Any) -> str:
    if isinstance(value, dict) and {"least", "median", "most"} <= value.keys():
        return f"{_shown(value['median'])} ({_shown(value['least'])}-{_shown(value['most'])})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--phases", nargs="+", choices=PHASES, default=tuple(PHASES), metavar="PHASE", help=", ".join(PHASES)
    )
    parser.add_argument("--minutes", type=float, default=9, help="no phase begins after so many, and pages stop coming")
    parser.add_argument("--no-peer", action="store_true", help="without transformers")
    parser.add_argument("--save", type=Path, help="folder for gpu.json and gpu.png")
    parser.add_argument(
        "--dry-run", action="store_true", help="a tiny network on the CPU, to see whether everything runs"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
