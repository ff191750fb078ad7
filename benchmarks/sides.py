"""Our engine and transformers' under the same verbs, each of which says how long it took.

Knows: both engines and what is inside them. Does not know: which times are compared, in what order.
Nothing is kept between two calls: features of tiles that were seen before are forgotten.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers.generation.streamers import BaseStreamer

from benchmarks.page import Endless
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine import room
from smoldocling.engine.native import UNIT_TILES, Native
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Engine, Request
from smoldocling.model.cache import Cache
from smoldocling.model.decoder import Span

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Written:
    """Seconds for all pages, and for each from being taken in until its answer stood."""

    seconds: float
    each: tuple[float, ...]


class Side(Protocol):
    def encode(self, request: Request) -> float:
        """Seconds for tower and connector over all tiles of a page."""
        ...

    def prefill(self, ids: Sequence[int]) -> float:
        """Seconds until a prompt of text has its first id."""
        ...

    def decode(self, ids: Sequence[int], batch: int, steps: int) -> list[float]:
        """Seconds after each of so many steps, counted from the first id behind a prompt of text; `batch` of them."""
        ...

    def write(self, requests: Sequence[Request]) -> Written:
        """All of it: tiles to ids, as many pages at a time as the engine was made for."""
        ...


class Ours:
    """The native engine in one precision."""

    def __init__(self, checkpoint: Checkpoint, dtype: str, batch: int) -> None:
        self.engine = Native(checkpoint, Endless(), device="cpu", dtype=dtype, batch_size=batch, drafts=False)
        self.network = self.engine.network

    def encode(self, request: Request) -> float:
        """As the engine does it, a few tiles at a time."""
        pieces = torch.split(torch.from_numpy(request.tiles), UNIT_TILES["cpu"])
        start = time.perf_counter()
        for tiles in pieces:
            self.network.encode(tiles)
        return time.perf_counter() - start

    def prefill(self, ids: Sequence[int]) -> float:
        cache = self._cache(1, len(ids) + 1)
        start = time.perf_counter()
        self._put(ids, cache)
        return time.perf_counter() - start

    def decode(self, ids: Sequence[int], batch: int, steps: int) -> list[float]:
        cache = self._cache(batch, len(ids) + steps)
        found = [self._put(ids, cache)] * batch
        for tensor in (cache.keys, cache.values):  # (layers, slots, kv_heads, length, head_dim)
            tensor[:, 1:, :, : len(ids)] = tensor[:, :1, :, : len(ids)]
        ticks, start = [], time.perf_counter()
        for position in range(len(ids), len(ids) + steps):
            found = self.network.step(found, [Span(slot, position, 1) for slot in range(batch)], cache)
            ticks.append(time.perf_counter() - start)
        return ticks

    def write(self, requests: Sequence[Request]) -> Written:
        self.engine.known.clear()
        return _write(self.engine, requests)

    def _put(self, ids: Sequence[int], cache: Cache) -> int:
        places = torch.empty(0, self.network.config.width, dtype=self.network.dtype)
        return self.network.prefill(self.network.rows(ids, places), 0, 0, cache)

    def _cache(self, slots: int, needed: int) -> Cache:
        """As long as the engine makes it."""
        length = needed if room.reserves_all(CPU) else self.network.config.context_length
        return self.network.cache(slots, length)


class Theirs:
    """transformers' own model and generate in one precision. Batches are padded and go on until the longest is done."""

    def __init__(self, checkpoint: Checkpoint, dtype: str, batch: int) -> None:
        self.engine = Reference(checkpoint, Endless(), device="cpu", dtype=dtype, batch_size=batch)
        self._model = self.engine._model  # the engine's own, since a second one would take as much memory again

    @torch.inference_mode()
    def encode(self, request: Request) -> float:
        """All tiles at once, as generate does it; they are floats before the clock starts."""
        pixels = self.engine._pixels([request])
        start = time.perf_counter()
        self._model.model.get_image_features(pixels)
        return time.perf_counter() - start

    def prefill(self, ids: Sequence[int]) -> float:
        ticks = self._generate(ids, 1, 1)
        return ticks[1] - ticks[0]

    def decode(self, ids: Sequence[int], batch: int, steps: int) -> list[float]:
        ticks = self._generate(ids, batch, steps + 1)
        return [tick - ticks[1] for tick in ticks[2:]]

    def write(self, requests: Sequence[Request]) -> Written:
        return _write(self.engine, requests)

    @torch.inference_mode()
    def _generate(self, ids: Sequence[int], batch: int, tokens: int) -> list[float]:
        """When the prompt was read, and when each token came."""
        clock, prompts = _Clock(), torch.tensor([ids] * batch)
        self._model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=None,
            pad_token_id=0,
            streamer=clock,
        )
        assert len(clock.ticks) == tokens + 1, "nothing ends an answer before its length"
        return clock.ticks


class _Clock(BaseStreamer):  # type: ignore[misc] # transformers has no types
    """When ids came. The first entry is the prompt's, before the network has seen it."""

    def __init__(self) -> None:
        self.ticks: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self.ticks.append(time.perf_counter())

    def end(self) -> None:
        pass


def _write(engine: Engine, requests: Sequence[Request]) -> Written:
    start = time.perf_counter()
    answers = list(engine.run(requests))
    seconds = time.perf_counter() - start
    wanted = {request.key: request.max_new_tokens for request in requests}
    for answer in answers:
        assert len(answer.ids) == wanted[answer.key], answer.error or "every answer has the length that was asked for"
    return Written(seconds, tuple(answer.seconds for answer in answers))
