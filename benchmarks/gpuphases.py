"""What is measured on a GPU: resizing, vision, prefill, decode, memory, whole pages; ours and transformers'.

Knows: the engine's inside, transformers' generate, how much work a phase is. Does not know: tables, files, plots.
Figures are seconds of the host's clock around work that was waited for. Shares are of the peaks of the same run.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from benchmarks import limits
from benchmarks.accelerator import Meter, spread
from benchmarks.drawn import Drawn, page
from benchmarks.page import Endless
from smoldocling.engine.native import UNIT_TILES, Native
from smoldocling.engine.sequence import Request
from smoldocling.model.cache import NARROW, Cache
from smoldocling.model.cuda import lanczos
from smoldocling.model.cuda.seam import Host, Seam, seam
from smoldocling.model.cuda.steps import MOST_AHEAD, Rows, Steps
from smoldocling.model.network import Network
from smoldocling.model.vision import Pixels

# Guesses a sequence in a step that checks some: with three heads to a key, five rows cost attention what one costs.
GUESSES = 4


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured. `rows` are those of a prompt; pages stop coming after `page_seconds`."""

    splits: int = 5
    batches: tuple[int, ...] = (1, 8, 64, 256)
    lengths: tuple[int, int] = (300, 2000)
    pages: int = 1200
    slots: int = 256
    steps: int = 64
    rows: int = 1407
    turns: int = 5
    peer_batches: tuple[int, ...] = (1, 8, 64)
    peer_pages: int = 16
    page_seconds: float = 90


@dataclass(slots=True)
class Bench:
    """One run. `end` is when pages stop coming."""

    drawn: Drawn
    meter: Meter
    amounts: Amounts
    report: Callable[..., None]
    end: float
    peer: bool = True
    peaks: dict[str, float] = field(default_factory=dict)
    networks: dict[bool, Network] = field(default_factory=dict)

    def network(self, *, fused: bool = True) -> Network:
        """Ours in bfloat16, made once: with everything this device can, or plain torch."""
        if fused not in self.networks:
            drawn = self.drawn
            self.networks[fused] = Network(
                drawn.config,
                drawn.tensors(),
                drawn.tile_px,
                Pixels(drawn.rescale, drawn.mean, drawn.std),
                device=self.meter.device,
                dtype=torch.bfloat16,
                compiled=fused,
            )
        return self.networks[fused]

    def seam(self) -> Seam:
        return seam(self.meter.device)

    def share(self, work: limits.Work, seconds: float) -> dict[str, float]:
        """Achieved rates, and their share of the peaks where these are known."""
        found: dict[str, float] = {}
        flops = sum(work.flops.values())
        if flops:
            found["TFLOP/s"] = flops / seconds / 1e12
        if work.read:
            found["GB/s"] = work.read / seconds / 1e9
        for name, peak in (("TFLOP/s", "TFLOP/s"), ("GB/s", "read GB/s")):
            if name in found and peak in self.peaks:
                found[f"of {peak}"] = found[name] / self.peaks[peak]
        return found


def peaks(bench: Bench) -> None:
    bench.peaks = bench.meter.peaks()
    bench.report("peaks", "product, copy, read", **bench.peaks)


def resize(bench: Bench) -> None:
    splits, side = bench.amounts.splits, bench.drawn.tile_px
    pixels = np.random.default_rng(0).integers(0, 256, (splits * side, splits * side * 1978 // 2560, 3), np.uint8)
    on_device = torch.from_numpy(pixels).to(bench.meter.device)
    times = bench.meter.seconds(lambda: lanczos.cut(on_device, side), turns=bench.amounts.turns)
    bench.report("resize", "a page to tiles on the device", s=spread(times))
    start = time.perf_counter()
    page(0, side, splits)
    bench.report("resize", "noise and tiles on one core", s=time.perf_counter() - start)


def vision(bench: Bench) -> None:
    tiles = torch.from_numpy(page(0, bench.drawn.tile_px, bench.amounts.splits)).to(bench.meter.device)
    work = limits.tower(bench.network().config, len(tiles), "bfloat16", "bfloat16")
    for name, fused in (("fused parts", True), ("plain torch", False)):
        network = bench.network(fused=fused)
        for unit in dict.fromkeys((UNIT_TILES["cuda"], len(tiles))):
            times = bench.meter.seconds(
                lambda: [network.encode(some) for some in tiles.split(unit)],  # noqa: B023 - called at once
                turns=bench.amounts.turns,
            )
            shares = bench.share(work, min(times))
            bench.report("vision", f"ours, {name}, {unit} tiles at a time", s=spread(times), **shares)
    if bench.peer:
        pixels = _floats(tiles)[None]
        times = bench.meter.seconds(
            lambda: bench.drawn.model.model.get_image_features(pixels), turns=bench.amounts.turns
        )
        bench.report("vision", "transformers", s=spread(times), **bench.share(work, min(times)))


def prefill(bench: Bench) -> None:
    rows, device = bench.amounts.rows, bench.meter.device
    ids = _ids(bench, rows)
    work = limits.prompt(bench.network().config, rows, "bfloat16")
    for name, fused in (("fused parts", True), ("plain torch", False)):
        network = bench.network(fused=fused)
        cache, x = network.cache(1, rows + 1), network.rows(ids, _no_features(bench))
        times = bench.meter.seconds(lambda: network.put(x, 0, 0, cache), turns=bench.amounts.turns)  # noqa: B023
        bench.report("prefill", f"ours, {name}", s=spread(times), **bench.share(work, min(times)))
    if bench.peer:
        prompt = torch.tensor([ids], device=device)
        times = bench.meter.seconds(
            lambda: bench.drawn.model(input_ids=prompt, logits_to_keep=1), turns=bench.amounts.turns
        )
        bench.report("prefill", "transformers", s=spread(times), **bench.share(work, min(times)))


class Unrecorded(Host):
    """The device's work is started operation by operation, in the order of the default queue."""


def decode(bench: Bench) -> None:
    ways: list[tuple[str, bool, Seam, torch.dtype | None, int]] = [
        ("plain torch, unrecorded", False, Unrecorded(), None, 1),
        ("plain torch, recorded", False, bench.seam(), None, 1),
        ("fused, recorded", True, bench.seam(), None, 1),
        ("fused, recorded, 8 bits", True, bench.seam(), NARROW, 1),
        ("fused, recorded, guesses", True, bench.seam(), None, 1 + GUESSES),
    ]
    for batch in bench.amounts.batches:
        for name, fused, device_seam, kind, each in ways:
            _decode(bench, f"{name} at batch {batch}", bench.network(fused=fused), device_seam, kind, batch, each)


def _decode(
    bench: Bench, what: str, network: Network, device_seam: Seam, kind: torch.dtype | None, batch: int, each: int
) -> None:
    context, steps = bench.amounts.rows, bench.amounts.steps
    try:
        cache = network.cache(batch, context + 8 * (steps + MOST_AHEAD), kind)
        _fill(cache)
        recorded: Steps = network.steps(cache, device_seam)
        rows = [Rows(slot, context + slot % 7, list(range(10, 10 + each))) for slot in range(batch)]
        ahead = 1 if each > 1 else min(MOST_AHEAD, steps)

        def work() -> None:
            device_seam.steps.send(lambda: recorded.run(rows, ahead)).value()

        turns = max(1, steps // ahead)
        times = [value / ahead for value in bench.meter.seconds(work, turns=bench.amounts.turns, each=turns)]
        best = min(times)
        share = bench.share(limits.step(network.config, batch, context, cache.keys.dtype, 2), best)
        bench.report(
            "decode",
            what,
            batch=batch,
            body=type(recorded.body).__name__,
            ms={k: 1000 * v for k, v in spread(times).items()},
            tokens_s=batch * each / best,
            rows=each,
            **share,
        )
    except torch.OutOfMemoryError as error:
        bench.report("decode", what, error=str(error)[:120])


def _their_decode(bench: Bench, batch: int) -> None:
    """generate with a static cache, compiled by itself; the first run compiles."""
    model, steps = bench.drawn.model, bench.amounts.steps
    prompt = torch.tensor([_ids(bench, bench.amounts.rows)] * batch, device=bench.meter.device)

    def run(tokens: int) -> float:
        bench.meter.sync()
        start = time.perf_counter()
        _generate(bench, model, tokens, input_ids=prompt)
        bench.meter.sync()
        return time.perf_counter() - start

    run(4), run(4)
    times = [(run(steps + 2) - run(2)) / steps for _ in range(min(3, bench.amounts.turns))]
    best = min(times)
    bench.report(
        "transformers",
        f"steps at batch {batch}",
        batch=batch,
        ms={k: 1000 * v for k, v in spread(times).items()},
        tokens_s=batch / best,
        rows=1,
    )


def memory(bench: Bench) -> None:
    """Weights are loaded again for each, and nothing else of ours lies on the device."""
    bench.networks.clear()
    weights = sum(tensor.nbytes for tensor in bench.drawn.model.state_dict().values())
    for dtype in ("bfloat16", "int8"):
        for kind in ("auto", "float8"):
            bench.meter.forget_peak()
            before = bench.meter.peak_bytes()["allocated"]
            engine = _engine(bench, batch_size=1, dtype=dtype, cache=kind)
            low, high = bench.amounts.lengths
            list(engine.run([_request(bench, 0, (low + high) // 2)]))
            peak = bench.meter.peak_bytes()
            # transformers' own copy of the weights lies there too, and was there before
            figures = {f"{name} GB": (value - before) / 1e9 for name, value in peak.items()}
            bench.report("memory", f"one page, {dtype}, cache {kind}", **figures, weights_gb=weights / 1e9)
            del engine


def pages(bench: Bench) -> None:
    low, high = bench.amounts.lengths
    engine = _engine(bench, batch_size=bench.amounts.slots)
    for name in ("warm", "measured"):
        count = 4 if name == "warm" else bench.amounts.pages
        lengths = np.random.default_rng(1).integers(low, high + 1, count).tolist()
        started, done, tokens = time.perf_counter(), [], 0
        for answer in engine.run(_tiled(bench, lengths)):
            done.append(time.perf_counter() - started)
            tokens += len(answer.ids)
            if answer.error:
                bench.report("pages", "an error", error=answer.error[:200])
        first, last = done[len(done) // 5], done[-max(1, len(done) // 5)]
        sustained = (len(done) - 2 * (len(done) // 5)) / max(last - first, 1e-9)
        bench.report(
            "pages",
            f"ours, {name}",
            pages=len(done),
            seconds=done[-1],
            pages_s=len(done) / done[-1],
            sustained_pages_s=sustained,
            tokens_s=tokens / done[-1],
            slots=engine.batch_size,
        )


def transformers(bench: Bench) -> None:
    """Steps, then whole pages: last, because compiling takes minutes."""
    if bench.peer:
        bench.networks.clear()
        for batch in bench.amounts.peer_batches:
            _their_decode(bench, batch)
        _their_pages(bench)


def _their_pages(bench: Bench) -> None:
    """Batches, each until its longest is done; the tiles are there before."""
    model, low, high = bench.drawn.model, *bench.amounts.lengths
    count = bench.amounts.peer_pages
    lengths = np.random.default_rng(1).integers(low, high + 1, count).tolist()
    requests = [_request(bench, key, length) for key, length in enumerate(lengths)]
    ids = torch.tensor([request.ids for request in requests], device=bench.meter.device)
    start = time.perf_counter()
    pixels = torch.stack([_floats(torch.from_numpy(one.tiles).to(bench.meter.device)) for one in requests])
    _generate(bench, model, max(lengths), input_ids=ids, pixel_values=pixels)
    bench.meter.sync()
    seconds = time.perf_counter() - start
    bench.report("transformers", f"whole pages, batch {count}", pages=count, seconds=seconds, pages_s=count / seconds)


def _engine(bench: Bench, batch_size: int, dtype: str = "bfloat16", cache: str = "auto") -> Native:
    """The whole engine; a dry run takes its overlap too."""
    device = bench.meter.device
    engine = Native(
        bench.drawn,  # type: ignore[arg-type] # it has what the engine asks a checkpoint
        Endless(),
        device=str(device),
        dtype=dtype,
        batch_size=batch_size,
        drafts=False,
        cache=cache,
    )
    engine.measured = True
    engine.seam = engine.seam or Host()
    return engine


def _request(bench: Bench, key: int, tokens: int) -> Request:
    return bench.drawn.request(key, tokens, page(key, bench.drawn.tile_px, bench.amounts.splits))


def _tiled(bench: Bench, lengths: Sequence[int]) -> Iterator[Request]:
    """Pages as the host's cores cut them, a few ahead, until time is up. The engine takes one when it has room."""
    ahead: deque[Future[Request]] = deque()
    cores, end = os.cpu_count() or 1, min(bench.end, time.perf_counter() + bench.amounts.page_seconds)
    with ThreadPoolExecutor(cores) as threads:
        for key, tokens in enumerate(lengths):
            if time.perf_counter() > end:
                break
            ahead.append(threads.submit(_request, bench, key, tokens))
            if len(ahead) > 2 * cores:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _generate(bench: Bench, model: Any, tokens: int, **inputs: torch.Tensor) -> torch.Tensor:
    """Greedy, with a static cache on a GPU, for which generate compiles the forward pass itself."""
    options: dict[str, Any] = {"cache_implementation": "static"} if bench.meter.is_gpu else {}
    found: torch.Tensor = model.generate(
        **inputs,
        attention_mask=torch.ones_like(inputs["input_ids"]),
        do_sample=False,
        max_new_tokens=tokens,
        eos_token_id=None,
        pad_token_id=0,
        **options,
    )
    return found


def _fill(cache: Cache) -> None:
    """Noise, so that products are of ordinary numbers; one layer's, copied."""
    for held in (cache.keys, cache.values):
        noise = torch.randn(held.shape[2:], device=held.device).to(held.dtype)
        for layer in held:
            layer[:] = noise
    for scale in cache.scales or ():
        scale.fill_(1.0)


def _floats(tiles: torch.Tensor) -> torch.Tensor:
    """(tiles, T, T, 3) -> (tiles, 3, T, T) as transformers' processor leaves them, in bfloat16."""
    return (tiles.permute(0, 3, 1, 2).float() / 127.5 - 1).to(torch.bfloat16)


def _ids(bench: Bench, rows: int) -> list[int]:
    ids: list[int] = np.random.default_rng(0).integers(10, bench.drawn.image_token_id, rows).tolist()
    return ids


def _no_features(bench: Bench) -> torch.Tensor:
    return torch.empty(0, bench.network().config.width, dtype=torch.bfloat16, device=bench.meter.device)


PHASES: dict[str, Callable[[Bench], None]] = {
    "peaks": peaks,
    "resize": resize,
    "vision": vision,
    "prefill": prefill,
    "decode": decode,
    "pages": pages,
    "memory": memory,
    "transformers": transformers,
}
