"""What the law of DocTags promises and what it costs: valid answers from networks that know nothing, and time a step.

    python benchmarks/fullsize.py full256
    python benchmarks/masks.py full256 samples/report.pdf ../shared/data/docling/*.pdf [--answers 10000]

Answers: networks of dice, fair ones and some with a love for brackets, closing tags, numbers or layout, write under the
strict law of --constrain and under the loose one, with vocabularies of all shapes; parser and validator judge each.
Cost: the network of full size writes the shortest true pages (every PDF lies beside its .dt), an id a step and no
drafts, in turn without a law and under each; a step is timed from one call of the network to the next. Then the law
alone is asked about the same ids: its share is what it takes alone over what a step takes without it; the ratio of
whole steps stands beside it, with the noise of the machine.
A table for people, then one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

# a script beside this one is called doctags and must not be found in the package's place
ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
sys.path[1:1] = [str(ROOT / "tests")]

from fickle import networks, walk  # noqa: E402 - only now is the path right
from vocabs import SHAPES, vocab_of  # noqa: E402

import doctags  # noqa: E402
from benchmarks import machine  # noqa: E402
from benchmarks.drafts import Page, Scripted, read, run  # noqa: E402
from smoldocling import checkpoint as checkpoints  # noqa: E402
from smoldocling.course import UNHEEDED  # noqa: E402
from smoldocling.engine.native import Native  # noqa: E402
from smoldocling.masks import Masks  # noqa: E402
from smoldocling.vocab import Vocab  # noqa: E402

LAWS = {"none": None, "loose": False, "strict": True}
LENGTHS = (30, 80, 150, 300)
"""Ids that an answer may have, in turn."""


class Clocked(Scripted):
    """Notes when it is called, and for how many sequences."""

    def __init__(self, network: Any, stop_id: int) -> None:
        super().__init__(network, stop_id)
        self.calls: list[tuple[float, int]] = []

    def step(self, ids: Sequence[int], spans: Sequence[Any], cache: Any, logits: Any = None) -> list[int]:
        self.calls.append((time.perf_counter(), len(spans)))
        return super().step(ids, spans, cache, logits)

    def between(self, count: int) -> float:
        """Seconds from one call for so many sequences to the next, the median."""
        calls = zip(self.calls, self.calls[1:], strict=False)
        return statistics.median(then - now for (now, here), (then, there) in calls if here == there == count)


def main() -> None:
    """Measures, prints tables and one line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 8])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--splits", type=int, default=5)
    arguments = parser.parse_args()
    record: dict[str, Any] = {"benchmark": "masks", "machine": machine.facts()}
    if arguments.answers:
        record["answers"] = answers(arguments.answers)
    if arguments.files:
        record["cost"] = cost(arguments)
    print(json.dumps(record))


def answers(number: int) -> dict[str, Any]:
    """How many answers under each law had a problem."""
    started = time.perf_counter()
    laws = [(shape, strict, Masks(vocab_of(shape), strict=strict)) for shape in SHAPES for strict in (True, False)]
    made, wrong, ids, tags = Counter[str](), Counter[str](), 0, Counter[str]()
    for seed in count():
        shape, strict, masks = laws[seed % len(laws)]
        for network in networks(masks.pieces, seed).values():
            limit = max(masks.closing(masks.start), LENGTHS[seed // len(laws) % len(LENGTHS)])
            written = walk(masks, network, limit)
            text = vocab_of(shape).decode(written)
            name = "strict" if strict else "loose"
            made[name] += 1
            ids += len(written)
            found = faults(text, strict=strict)
            wrong[name] += bool(found)
            if found:
                print(f"{shape} {name} seed {seed}: {found[0]}\n  {text[:200]!r}")
            tags.update(element.kind for page in doctags.parse(text).pages for element in page.elements)
        if made.total() >= number:
            break
    seconds = time.perf_counter() - started
    print(f"{made.total()} answers, {ids} ids, {len(tags)} kinds of elements, {seconds:.0f} s")
    for name in made:
        print(f"  {name:<8}{made[name]:>7} answers{wrong[name]:>5} with a problem")
    return {"made": made, "wrong": wrong, "ids": ids, "elements": tags, "seconds": seconds}


def faults(text: str, *, strict: bool) -> list[doctags.Problem]:
    """What a law promises to be absent: under the strict one any problem, under the loose one what must be mended."""
    if strict:
        return [problem for problem in doctags.validate(text) if problem.kind not in UNHEEDED]
    return [*doctags.parse(text).problems, *(each for each in doctags.validate(text) if each.severity == "error")]


def cost(arguments: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds a step under each law, and microseconds an id of the law alone."""
    checkpoint = checkpoints.read(arguments.checkpoint, name="full size")
    vocab = Vocab(checkpoint)
    engine = Native(checkpoint, vocab, device="cpu", dtype=arguments.dtype, drafts=False)
    network = Clocked(engine.network, min(vocab.stop_ids))
    engine.network = network  # type: ignore[assignment]
    keys = count()
    pages = [page for file in arguments.files for page in read(engine, vocab, file, arguments.splits, keys)]
    pages = [replace(page, request=replace(page.request, draft=())) for page in pages]
    pages = sorted(pages, key=lambda page: len(page.answer))[: max(arguments.batches)]
    laws = {name: None if strict is None else Masks(vocab, strict=strict) for name, strict in LAWS.items()}
    found: dict[str, Any] = {"pages": len(pages), "ids": sum(len(page.answer) for page in pages), "batches": {}}
    alone = {name: asked(masks, pages) for name, masks in laws.items() if masks is not None}
    print(f"\n{len(pages)} pages, {found['ids']} ids, {arguments.dtype}")
    print(f"{'batch':<7}{'law':<8}{'ms a step':>22}{'ratio':>8}{'alone, us an id':>17}{'share':>8}")
    for batch in arguments.batches:
        mine = pages[:batch]
        times: dict[str, list[float]] = {name: [] for name in laws}
        for turn in range(arguments.repeat + 1):
            for name, law in laws.items():
                engine.law = law
                network.calls.clear()
                run(engine, network, mine, batch, drafts=False)
                if turn:  # the first encodes tiles and fills the law's memory
                    times[name].append(1000 * network.between(len(mine)))
        rows = {}
        for name in laws:
            ratio = statistics.median(a / b for a, b in zip(times[name], times["none"], strict=True))
            micros = alone.get(name, 0.0)
            share = micros * len(mine) / 1000 / statistics.median(times["none"])
            spread = f"{statistics.median(times[name]):.2f} ({min(times[name]):.2f}-{max(times[name]):.2f})"
            print(f"{batch:<7}{name:<8}{spread:>22}{ratio:>8.3f}{micros:>17.1f}{share:>8.2%}")
            rows[name] = {"ms": times[name], "ratio": ratio, "us_alone": micros, "share": share}
        found["batches"][batch] = rows
    return found


def asked(masks: Masks, pages: list[Page]) -> float:
    """Microseconds an id, for what an engine asks of a law at each: the mask, and the state behind the id. Warm."""
    best = float("inf")
    ids = sum(len(page.answer) for page in pages)
    for _ in range(4):
        started = time.perf_counter()
        for page in pages:
            state = masks.start
            for token in page.answer:
                masks.mask(state, 1_000_000)
                state = masks.advance(state, token)
        best = min(best, (time.perf_counter() - started) / ids)
    return 1e6 * best


if __name__ == "__main__":
    main()
