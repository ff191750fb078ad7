"""How well a small checkpoint reads pages that it has never been shown, and what drafts save on them.

    python benchmarks/tiny.py CHECKPOINT [--pages 200] [--seed 1] [--peer]

Pages are drawn by `smoldocling synth` (domain small; seed 0 is what the checkpoint was taught). Each goes through
`Converter` as an image; then the same pages as PDFs with a text layer, with drafts and without. `--peer` lets
transformers read the images too, in float32 on both sides, and counts the pages whose DocTags are the same.
A table for people, then one line of JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import time
from pathlib import Path

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from smoldocling import Converter  # noqa: E402 - only now can it be found
from smoldocling.result import PageResult  # noqa: E402
from smoldocling.training import scores  # noqa: E402
from smoldocling.training.synth import Pair, Series  # noqa: E402


def main() -> None:
    """Measures, prints a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--peer", action="store_true", help="read with transformers too")
    arguments = parser.parse_args()
    if arguments.seed == 0:
        parser.error("seed 0 is what the checkpoint was taught")
    record: dict[str, object] = {"benchmark": "tiny", "pages": arguments.pages, "seed": arguments.seed}

    images = pairs(arguments.seed, arguments.pages, pdf=False)
    pages, seconds = read(images, model=arguments.checkpoint, engine="native", text="model")
    total = scores.total([scores.score(page.raw or "", pair.doctags) for page, pair in zip(pages, images, strict=True)])
    print(f"images   {total}; {len(pages) / seconds:.2f} pages/s")
    record["images"] = total.record() | {"pages_per_second": len(pages) / seconds}

    files = pairs(arguments.seed, arguments.pages, pdf=True)
    texts = []
    for drafts in (True, False):
        pages, seconds = read(files, model=arguments.checkpoint, engine="native", text="model", drafts=drafts)
        texts.append([page.raw or "" for page in pages])
        total = scores.total([scores.score(text, pair.doctags) for text, pair in zip(texts[-1], files, strict=True)])
        steps = statistics.mean(page.tokens / max(page.steps, 1) for page in pages)
        name = "drafts" if drafts else "plain"
        print(f"{name:<8} {total}; {steps:.2f} tokens a step, {len(pages) / seconds:.2f} pages/s")
        record[name] = total.record() | {"tokens_per_step": steps, "pages_per_second": len(pages) / seconds}
    record["same_with_drafts"] = sum(one == other for one, other in zip(*texts, strict=True))
    print(f"         {record['same_with_drafts']} of {arguments.pages} pages are the same with and without drafts")

    if arguments.peer:
        ours, _ = read(images, model=arguments.checkpoint, engine="native", text="model", dtype="float32")
        theirs, _ = read(images, model=arguments.checkpoint, engine="transformers", text="model", dtype="float32")
        alike = sum(one.raw == two.raw for one, two in zip(ours, theirs, strict=True))
        print(f"         {alike} of {len(ours)} pages are the same from transformers")
        record["same_as_transformers"] = alike
    print(json.dumps(record))


def pairs(seed: int, count: int, *, pdf: bool) -> list[Pair]:
    """The first pages of a seed."""
    series = Series("small", seed, pdf=pdf)
    return [series.pair(number) for number in range(count)]


def read(pairs: list[Pair], **options: object) -> tuple[list[PageResult], float]:
    """Every page in order, and how long all took."""
    converter = Converter(**options)  # type: ignore[arg-type]
    started = time.perf_counter()
    results = {result.name: result for result in converter.documents(map(_named, pairs))}
    return [results[pair.name + pair.suffix].pages[0] for pair in pairs], time.perf_counter() - started


def _named(pair: Pair) -> io.BytesIO:
    file = io.BytesIO(pair.data)
    file.name = pair.name + pair.suffix
    return file


if __name__ == "__main__":
    main()
