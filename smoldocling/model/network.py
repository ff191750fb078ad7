"""One checkpoint's network, ready to run: tiles to features, a prompt into a slot, rows to the next ids.

Joins vision, decoder, cache and kernels. Does not know: pages, tags, whose turn it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from smoldocling.model import config as shapes
from smoldocling.model import decoder, kernels
from smoldocling.model.cache import Cache
from smoldocling.model.cuda import choose as fused
from smoldocling.model.cuda.plain import Plain
from smoldocling.model.cuda.seam import Seam
from smoldocling.model.cuda.steps import Body, Steps
from smoldocling.model.decoder import Decoder, Span
from smoldocling.model.kernels.step import Step, fits
from smoldocling.model.parts import choose
from smoldocling.model.vision import Pixels, Vision
from smoldocling.model.weights import Weights


class Network:
    """Weights on one device, in one precision.

    config   the shape
    dtype    of features, rows and cache
    native   whether steps run in compiled kernels of this processor
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        tensors: Mapping[str, torch.Tensor],
        tile_px: int,
        pixels: Pixels,
        *,
        device: torch.device,
        dtype: torch.dtype,
        eights: bool = False,
        compiled: bool = True,
    ) -> None:
        """Load. Raises UnknownNetwork for an architecture or weights of another kind.

        config, tensors  config.json and the files' tensors under transformers' names
        eights           large weights as int8
        compiled         False: plain torch everywhere
        """
        self.config = shapes.read(config, tile_px)
        self.device = device
        self.dtype = dtype
        weights = Weights(tensors, dtype)
        library = kernels.library() if compiled and device.type == "cpu" else None
        fuses = compiled and device.type == "cuda"
        parts = fused.parts(self.config, device, dtype) if fuses else choose(self.config, device, dtype, library)
        self._vision = Vision(self.config, weights, pixels, device, parts, int8=eights)
        text = decoder.load(self.config, weights, device, eights=eights)
        weights.finish()
        self._embedding = text.embedding
        self._body: Body = fused.body(self.config, text, parts) if fuses else Plain(self.config, text, parts)
        self._decoder = Decoder(self.config, text, parts)
        self._step = Step(library, self.config, text) if library and fits(self.config, text) else None

    @property
    def native(self) -> bool:
        return self._step is not None

    def cache(self, slots: int, length: int, dtype: torch.dtype | None = None) -> Cache:
        """Room for so many sequences of so many positions each; `dtype` if it is not the network's (cache.NARROW)."""
        return Cache(self.config, slots, length, dtype or self.dtype, self.device)

    @torch.inference_mode()
    def encode(self, tiles: torch.Tensor) -> torch.Tensor:
        """uint8 (tiles, T, T, 3) -> features (tiles, positions, width)."""
        return self._vision(tiles.to(self.device))

    @torch.inference_mode()
    def rows(self, ids: Sequence[int], features: torch.Tensor) -> torch.Tensor:
        """(rows, width): the prompt's ids, features (places, width) where they have places. The device is not waited
        for. Raises IndexError for an id that there is no row for: a GPU would not survive being asked for it."""
        if ids and not 0 <= min(ids) <= max(ids) < self.config.vocab_size:
            raise IndexError(f"ids {min(ids)} to {max(ids)} where the network has {self.config.vocab_size}")
        x = self._embedding[self._numbers(ids)]
        places = [place for place, token in enumerate(ids) if token == self.config.image_token_id]
        return x.index_copy_(0, self._numbers(places), features.to(x.dtype))

    def _numbers(self, numbers: Sequence[int]) -> torch.Tensor:
        """int64 on the device. From memory that is not pinned a GPU copies while the host waits."""
        pinned = self.device.type == "cuda"
        return torch.tensor(numbers, dtype=torch.int64, pin_memory=pinned).to(self.device, non_blocking=True)

    @torch.inference_mode()
    def prefill(self, x: torch.Tensor, slot: int, start: int, cache: Cache) -> int:
        """Put rows of one prompt behind `start` positions of a slot. The likeliest id after the last."""
        return int(self.put(x, slot, start, cache))

    @torch.inference_mode()
    def put(self, x: torch.Tensor, slot: int, start: int, cache: Cache) -> torch.Tensor:
        """The same without waiting for the device: the id is int64 (1)."""
        x = self._decoder(x, [Span(slot, start, len(x))], cache)
        return self._decoder.logits(x[-1:]).argmax(-1)

    def steps(self, cache: Cache, seam: Seam) -> Steps:
        """Recorded steps over a cache of this network's."""
        return Steps(self._body, cache, seam, self.config.heads // self.config.kv_heads)

    @torch.inference_mode()
    def step(
        self, ids: Sequence[int], spans: Sequence[Span], cache: Cache, logits: torch.Tensor | None = None
    ) -> list[int]:
        """The likeliest id after each row; `logits`, float32 (rows, vocab_size), is filled if it is given.

        Rows lie in the order of the spans, and a slot has one span.
        """
        if self._step and not cache.scales:
            return self._step(ids, spans, cache, logits)
        x = self._decoder(self._embedding[self._numbers(ids)], spans, cache)
        found = self._decoder.logits(x)
        if logits is not None:
            logits.copy_(found)
        best: list[int] = found.argmax(-1).tolist()
        return best
