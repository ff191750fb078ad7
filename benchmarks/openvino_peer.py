"""OpenVINO through optimum-intel, on our checkpoint and our pages: the best that a CPU user can install today.

    python -m venv PEER
    PEER/bin/pip install torch==2.13.0 'transformers<5' 'optimum-intel[openvino,nncf]'
    PEER/bin/python benchmarks/openvino_peer.py CHECKPOINT --cache FOLDER --pages PAGES.npz --precision int8

An environment of its own, because optimum-intel wants transformers 4 for this family; so nothing of ours is imported.
It is used as its users would: `optimum-cli export openvino`, then `generate` on batches that are padded on the left and
go on until their longest page has ended. Pixels are normalised before the clock starts. What the network writes does
not matter: every page is as long as it is told to be.

PAGES.npz holds for each page i, from 0: `tiles_i` uint8 (tiles, side, side, 3), `ids_i` int64 (prompt,), and
`new_tokens_i`. Without it, letter pages of noise at five tiles along the long side, with answers of 300 to 2000 tokens.
A table for people on stderr, one line of JSON on stdout; `cores_elsewhere` says how busy the machine was with other
things meanwhile. The random checkpoint of fullsize.py will do.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import psutil  # type: ignore[import-not-found,import-untyped,unused-ignore] # nncf needs it, we do not
import torch
from numpy.typing import NDArray
from optimum.intel import OVModelForVisualCausalLM  # type: ignore[import-not-found,unused-ignore]
from transformers import AutoModelForImageTextToText, AutoTokenizer
from transformers.generation.streamers import BaseStreamer

Figures = dict[str, Any]

# A letter page at five tiles along the long side.
ROWS, COLUMNS, TILE_PX, TILE_POSITIONS = 5, 4, 512, 64
LENGTHS = (300, 2000)

# How it is exported, and what is asked of the runtime. It computes in bf16 by itself where the CPU can; int8 are the
# weights only; fp32 is for comparison with transformers, so its cache, 8 bits by itself, is wide too.
PRECISIONS: dict[str, tuple[list[str], dict[str, str]]] = {
    "bf16": ([], {}),
    "int8": (["--weight-format", "int8"], {}),
    "fp32": (["--weight-format", "fp32"], {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}),
}
SETTINGS = (*PRECISIONS["fp32"][1], "DYNAMIC_QUANTIZATION_GROUP_SIZE", "INFERENCE_NUM_THREADS")
PACKAGES = ("optimum-intel", "openvino", "nncf", "transformers", "torch")


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a processor leaves it; `new_tokens` is the length of its answer."""

    tiles: NDArray[numpy.uint8]  # (tiles, side, side, 3); none for a prompt of text only
    ids: NDArray[numpy.int64]  # (prompt,)
    new_tokens: int = 0


class Clock(BaseStreamer):  # type: ignore[misc] # transformers has no types
    """Seconds at which tokens came. The first entry is the prompt's, before the network has seen it."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.ticks.append(time.perf_counter())

    def end(self) -> None:
        pass


def main() -> None:
    """Measures, prints a table to stderr and one line of JSON to stdout."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    exported = _export(arguments.checkpoint, arguments.cache, arguments.precision)
    pages = _read(arguments.pages) if arguments.pages else _letters(arguments.checkpoint, arguments.count)
    report: Figures = {
        "engine": "optimum-intel",
        "precision": arguments.precision,
        "threads": arguments.threads,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "tiles": len(pages[0].tiles),
        "prompt": len(pages[0].ids),
        "start_mb": _peak_mb(),
    }
    start = time.perf_counter()
    model = _load(exported, arguments)
    report["load_s"] = round(time.perf_counter() - start, 2)
    compiled = model.language_model.request.get_compiled_model()
    report["settings"] = {name: _plain(compiled.get_property(name)) for name in SETTINGS}
    _tell("", report)
    for part in arguments.parts:
        start, elsewhere = time.perf_counter(), _seconds_elsewhere()
        figures = PARTS[part](model, pages, arguments)
        cores = (_seconds_elsewhere() - elsewhere) / (time.perf_counter() - start)
        report[part] = {**figures, "peak_mb": _peak_mb(), "cores_elsewhere": round(cores, 2)}
        _tell(part, report[part])
    print(json.dumps(report))


def check(model: Any, pages: Sequence[Page], arguments: argparse.Namespace) -> Figures:
    """Features and greedy ids beside those of transformers in fp32: one page, and two of unlike size together."""
    short = Page(pages[0].tiles[:2], _prompt(arguments.checkpoint, 1, 1))
    batches = {"one": _batch(model, pages[:1]), "two": _batch(model, [pages[0], short])}
    oracle = AutoModelForImageTextToText.from_pretrained(arguments.checkpoint, dtype=torch.float32).eval()
    oracle.generation_config.eos_token_id = None
    pixels = _pixels(short)[None]
    with torch.inference_mode():
        wanted = oracle.model.get_image_features(pixels)
    found = torch.as_tensor(model.get_vision_embeddings(pixels, input_ids=torch.as_tensor(short.ids)[None]))
    figures: Figures = {"feature_error": float((found - wanted).abs().max() / wanted.abs().max())}
    for name, batch in batches.items():
        ours, theirs = (_generate(engine, batch, arguments.steps)[0] for engine in (model, oracle))
        figures[name] = {"equal": int((ours == theirs).sum()), "of": theirs.numel()}
    return figures


def vision(model: Any, pages: Sequence[Page], arguments: argparse.Namespace) -> Figures:
    """Seconds for the tower and the connector over all tiles of one page."""
    pixels, ids = _pixels(pages[0])[None], torch.as_tensor(pages[0].ids)[None]
    runs = [_seconds(model.get_vision_embeddings, pixels, input_ids=ids) for _ in range(1 + arguments.repeat)]
    return {"s": _spread(runs[1:])}


def decode1(model: Any, pages: Sequence[Page], arguments: argparse.Namespace) -> Figures:
    """Seconds from pixels to the first token of one page, and ms a token from there."""
    first, each = _decode(model, _batch(model, pages[:1]), arguments)
    return {"first_token_s": first, "ms_a_token": each, "steps": arguments.steps}


def decode8(model: Any, pages: Sequence[Page], arguments: argparse.Namespace) -> Figures:
    """ms a step for eight pages at once. To save time, prompts are of text only, and as long as the first page's."""
    ids = numpy.random.default_rng(0).integers(1000, 40000, len(pages[0].ids))
    first, each = _decode(model, _batch(model, [Page(pages[0].tiles[:0], ids)] * 8), arguments)
    return {"prefill_s": first, "ms_a_step": each, "steps": arguments.steps}


def whole(model: Any, pages: Sequence[Page], arguments: argparse.Namespace) -> Figures:
    """Wall seconds for all pages, in the order given, in batches of each size."""
    _generate(model, _batch(model, pages[:1]), 8)
    tokens = sum(page.new_tokens for page in pages)
    figures: Figures = {"pages": len(pages), "tokens": tokens}
    for size in arguments.batch:
        seconds = 0.0
        for first in range(0, len(pages), size):
            some = pages[first : first + size]
            batch, longest = _batch(model, some), max(page.new_tokens for page in some)
            seconds += _seconds(_generate, model, batch, longest)
        figures[f"batch_{size}"] = {
            "s": round(seconds, 2),
            "pages_a_minute": round(60 * len(pages) / seconds, 2),
            "tokens_a_second": round(tokens / seconds, 1),
            "peak_mb": _peak_mb(),
        }
    return figures


PARTS: dict[str, Callable[[Any, Sequence[Page], argparse.Namespace], Figures]] = {
    "check": check,
    "vision": vision,
    "decode1": decode1,
    "decode8": decode8,
    "pages": whole,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder where exported models are kept")
    parser.add_argument("--pages", type=Path, help="the .npz file described above")
    parser.add_argument("--count", type=int, default=12, help="pages of noise where no file is given")
    parser.add_argument("--precision", choices=PRECISIONS, default="bf16")
    parser.add_argument("--parts", default="vision,decode1,decode8,pages", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--batch", default="8,1", help="batch sizes for whole pages")
    parser.add_argument("--steps", type=int, default=300, help="tokens a run when decoding is measured or checked")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measurement, one more to warm up")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    arguments.parts = arguments.parts.split(",")
    arguments.batch = [int(size) for size in arguments.batch.split(",")]
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"--parts has no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return arguments


def _export(checkpoint: Path, cache: Path, precision: str) -> Path:
    """The folder with the exported model; made anew where the checkpoint is younger."""
    target = cache / precision
    done = target / "openvino_language_model.xml"
    if not done.exists() or done.stat().st_mtime < (checkpoint / "config.json").stat().st_mtime:
        command = Path(sys.executable).with_name("optimum-cli")
        options = ["--task", "image-text-to-text", *PRECISIONS[precision][0]]
        subprocess.run(
            [command, "export", "openvino", "-m", checkpoint, *options, target], check=True, stdout=sys.stderr
        )
    return target


def _load(exported: Path, arguments: argparse.Namespace) -> Any:
    settings = {"INFERENCE_NUM_THREADS": str(arguments.threads), **PRECISIONS[arguments.precision][1]}
    model = OVModelForVisualCausalLM.from_pretrained(exported, ov_config=settings)
    model.generation_config.eos_token_id = None  # pages end when they have the length that they were given
    return model


def _read(path: Path) -> list[Page]:
    with numpy.load(path) as archive:
        count = sum(name.startswith("tiles_") for name in archive)
        return [Page(archive[f"tiles_{i}"], archive[f"ids_{i}"], int(archive[f"new_tokens_{i}"])) for i in range(count)]


def _letters(checkpoint: Path, count: int) -> list[Page]:
    """Letter pages of noise, no two alike; the same for one count."""
    random = numpy.random.default_rng(0)
    shape = (ROWS * COLUMNS + 1, TILE_PX, TILE_PX, 3)
    ids = _prompt(checkpoint, ROWS, COLUMNS)
    lengths = random.integers(*LENGTHS, count, endpoint=True)
    return [Page(random.integers(0, 256, shape, numpy.uint8), ids, int(length)) for length in lengths]


def _prompt(checkpoint: Path, rows: int, columns: int) -> NDArray[numpy.int64]:
    """Ids of the prompt for a page of rows x columns tiles and the whole page, as Idefics3's processor writes it."""
    around, features = "<fake_token_around_image>", "<image>" * TILE_POSITIONS
    lines = [
        "".join(f"{around}<row_{row}_col_{column}>{features}" for column in range(1, columns + 1)) + "\n"
        for row in range(1, rows + 1)
    ]
    image = f"{''.join(lines)}\n{around}<global-img>{features}{around}"
    text = f"<|im_start|>User:{image}Convert this page to docling.<end_of_utterance>\nAssistant:"
    ids = AutoTokenizer.from_pretrained(checkpoint)(text, add_special_tokens=False)["input_ids"]
    return numpy.array(ids, numpy.int64)


def _pixels(page: Page) -> torch.Tensor:
    """float32 (tiles, 3, side, side), -1..1."""
    return torch.from_numpy(page.tiles).permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def _batch(model: Any, pages: Sequence[Page]) -> dict[str, torch.Tensor]:
    """What a processor would hand over: prompts padded on the left, tiles behind with tiles of zeros.

    Its mask of pixels is left out: all tiles are full, and optimum-intel is faster if it need not find that out.
    """
    length, tiles = max(len(page.ids) for page in pages), max(len(page.tiles) for page in pages)
    ids = torch.full((len(pages), length), model.generation_config.pad_token_id)
    attended = torch.zeros_like(ids)
    for row, page in enumerate(pages):
        ids[row, length - len(page.ids) :] = torch.from_numpy(page.ids)
        attended[row, length - len(page.ids) :] = 1
    batch = {"input_ids": ids, "attention_mask": attended}
    if tiles:
        side = pages[0].tiles.shape[1]
        batch["pixel_values"] = torch.zeros(len(pages), tiles, 3, side, side)
        for row, page in enumerate(pages):
            batch["pixel_values"][row, : len(page.tiles)] = _pixels(page)
    return batch


def _generate(model: Any, batch: dict[str, torch.Tensor], steps: int) -> tuple[torch.Tensor, list[float]]:
    """Greedy ids (pages, steps), and the seconds on a clock before the first and after each."""
    clock = Clock()
    with torch.inference_mode():
        output = model.generate(**batch, max_new_tokens=steps, do_sample=False, streamer=clock)
    written = output[:, batch["input_ids"].shape[1] :]
    assert written.shape[1] == steps, "no page ends before it was told to"
    return written, clock.ticks


def _decode(model: Any, batch: dict[str, torch.Tensor], arguments: argparse.Namespace) -> tuple[Figures, Figures]:
    """Seconds to the first token, ms a step after it."""
    _generate(model, batch, 8)
    runs = [_generate(model, batch, arguments.steps)[1] for _ in range(arguments.repeat)]
    first = [ticks[1] - ticks[0] for ticks in runs]
    return _spread(first), _spread([1000 * (ticks[-1] - ticks[1]) / (len(ticks) - 2) for ticks in runs])


def _seconds(function: Callable[..., object], *arguments: Any, **named: Any) -> float:
    start = time.perf_counter()
    function(*arguments, **named)
    return time.perf_counter() - start


def _spread(values: Sequence[float]) -> Figures:
    figures = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 3) for name, value in figures.items()}


def _plain(setting: Any) -> str:
    """A setting of the runtime in words: its types of numbers are objects."""
    return setting.to_string() if hasattr(setting, "to_string") else str(setting)


def _seconds_elsewhere() -> float:
    """CPU seconds that were not ours, so far. Figures from a machine that was busy with something else say little."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.steal) - time.process_time()


def _peak_mb() -> int:
    """Resident memory of this process at its highest so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


def _tell(part: str, figures: Figures) -> None:
    """One line a figure."""
    for name, value in figures.items():
        if isinstance(value, dict) and "median" in value:
            value = f"{value['median']:8.3f}  ({value['least']:.3f} to {value['most']:.3f})"  # noqa: PLW2901
        elif isinstance(value, dict):
            value = "  ".join(f"{key} {inner}" for key, inner in value.items())  # noqa: PLW2901
        print(f"{part:8} {name:14} {value}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
