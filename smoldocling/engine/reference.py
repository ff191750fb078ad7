"""The slow engine that is right by construction: transformers' own model and its own generate, batch by batch.

Knows: token ids, tiles, torch. Does not know: pages, files, what the ids mean. Faster engines are tested against it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.choose import PLENTY, legal
from smoldocling.engine.constrain import Law
from smoldocling.engine.device import choose_device, choose_dtype, empty_cache, is_out_of_memory
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.limit import most_ids
from smoldocling.engine.sequence import CLOSER_TAIL, Ends, Finish, Generation, Request
from smoldocling.engine.stop import Stop, Watch, Watcher
from smoldocling.errors import UnusableCheckpoint

# Pages that are written together where nobody says otherwise. A page of 21 tiles takes about 0.7 GB while its tiles are
# encoded in float32, and what does not fit is halved.
AUTO_BATCH = {"cpu": 4, "cuda": 16}
# A batch waits so long for each page more: many times what it takes to draw one, and little beside writing one down.
FILL_SECONDS = 1.0


class Reference:
    """Greedy decoding with left padding. A page's ids do not depend on its company (exactly so in float32).

    One broken page costs that page: a batch that fails is tried again page by page, one too large for memory in halves.
    An answer that nobody wants any more ends its row, and the last of them the batch.
    """

    name = "transformers"

    def __init__(
        self,
        checkpoint: Checkpoint,
        ends: Ends,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | Literal["auto"] = "auto",
        law: Law[Hashable] | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        """Load the weights. Raises UnusableOption for a device that is not there, UnusableCheckpoint for bad files.

        ends        what ends an answer
        device      "auto" (an accelerator if there is one), "cpu", "cuda", "cuda:1", "mps"...
        dtype       "auto" (bfloat16 where the device computes in it, else float32), "float32", "bfloat16", "float16"
        batch_size  pages written together
        law         what may be written; None: anything
        watcher     who notices that an answer has run away; None: nobody
        """
        self.device = choose_device(device)
        self.dtype = choose_dtype(dtype, self.device)
        self.batch_size: int = AUTO_BATCH.get(self.device.type, 1) if batch_size == "auto" else batch_size
        self._checkpoint = checkpoint
        self._ends = ends
        self._law = law
        self._watcher = watcher
        self._model = _load(checkpoint, self.device, self.dtype)
        self._floats = float_of_byte(checkpoint)

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        """Answer in order of arrival. Requests are taken a batch at a time, when the batch before has been answered."""
        inbox = Inbox.of(requests)
        with contextlib.suppress(_Abandoned):
            while (first := inbox.take()) is not None:
                batch = [first]
                while len(batch) < self.batch_size and (request := inbox.take(FILL_SECONDS)) is not None:
                    batch.append(request)
                yield from self._answer(batch, inbox)

    def _answer(self, batch: Sequence[Request], inbox: Inbox) -> Iterator[Generation]:
        started = time.perf_counter()
        answers: list[Generation] = []
        failure, full = "", False
        try:
            with self._watching(inbox):
                answers = self._write(batch, started, inbox)
        except Exception as error:  # the page's fault, the library's or the device's: never the other pages'
            failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
            full = is_out_of_memory(error)
        # Out of the except clause, since the exception keeps the failed batch's tensors alive.
        if answers:
            yield from answers
            return
        if len(batch) == 1:
            yield Generation(batch[0].key, (), "error", 0, time.perf_counter() - started, failure)
            return
        size = 1
        if full:
            empty_cache(self.device)
            size = self.batch_size = (len(batch) + 1) // 2
        for start in range(0, len(batch), size):
            yield from self._answer(batch[start : start + size], inbox)

    @contextlib.contextmanager
    def _watching(self, inbox: Inbox) -> Iterator[None]:
        """Look before every layer whether anybody still wants the answers: a batch may take minutes."""

        def look(*_: object) -> None:
            if inbox.abandoned:
                raise _Abandoned

        stacks = [part for part in self._model.modules() if isinstance(part, torch.nn.ModuleList)]
        hooks = [layer.register_forward_pre_hook(look) for stack in stacks for layer in stack]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _write(self, batch: Sequence[Request], started: float, inbox: Inbox) -> list[Generation]:
        """The answers to one batch, all or none."""
        limits = [most_ids(request, self._checkpoint) for request in batch]
        cuts = [False] * len(batch)
        width = max(len(request.ids) for request in batch)
        ids = torch.full((len(batch), width), self._ends.pad_id)
        for row, request in zip(ids, batch, strict=True):
            row[width - len(request.ids) :] = torch.tensor(request.ids)
        lengths = torch.tensor([len(request.ids) for request in batch])
        mask = (torch.arange(width) >= width - lengths[:, None]).long()
        with torch.inference_mode():
            rows = self._model.generate(
                input_ids=ids.to(self.device),  # (pages, width)
                attention_mask=mask.to(self.device),
                pixel_values=self._pixels(batch),  # (1, tiles of all pages, 3, T, T)
                do_sample=False,
                max_new_tokens=max(limits),
                eos_token_id=sorted(self._ends.stop_ids | self._single_closer) or None,
                pad_token_id=self._ends.pad_id,
                logits_processor=[self._lawful(width, batch, limits, cuts)] if self._law else None,
                stopping_criteria=[self._row_ends(width, batch, limits, inbox)],
            )
        written = rows[:, width:].tolist()
        seconds = time.perf_counter() - started
        answers = []
        for request, new, limit, cut in zip(batch, written, limits, cuts, strict=True):
            kept, finish, steps, stop = self._cut(new[:limit], request)
            finish = "length" if cut and finish == "stop" else finish
            answers.append(Generation(request.key, kept, finish, steps, seconds, stop=stop))
        return answers

    def _pixels(self, batch: Sequence[Request]) -> torch.Tensor:
        """All tiles as the processor's floats.

        The model takes features in the order of their places in the prompts, so the tiles of all pages can stand in one
        row, and pages with fewer tiles need no empty ones beside them.
        """
        tiles = np.concatenate([request.tiles for request in batch])  # (tiles, T, T, 3)
        floats = np.stack([self._floats[channel][tiles[..., channel]] for channel in range(3)], axis=1)
        return torch.from_numpy(floats)[None].to(self.device, self.dtype)

    @property
    def _single_closer(self) -> set[int]:
        return set(self._ends.closer_ids) if len(self._ends.closer_ids) == 1 else set()

    def _row_ends(self, width: int, batch: Sequence[Request], limits: Sequence[int], inbox: Inbox) -> Any:
        """A rule for each row by itself: its limit, its last id, an answer that runs away or that nobody wants."""
        rows = [
            _Row(request, limit, self._watcher(request.most) if self._watcher else None)
            for request, limit in zip(batch, limits, strict=True)
        ]

        def ends(ids: torch.Tensor, _scores: object, **_: object) -> torch.Tensor:
            for row, token in zip(rows, ids[:, -1].tolist(), strict=True):
                row.over = row.over or not inbox.wanted(row.request.key) or row.add(token, self._ends)
            return torch.tensor([row.over for row in rows], device=self.device)

        return ends

    def _lawful(self, width: int, batch: Sequence[Request], limits: Sequence[int], cuts: list[bool]) -> Any:
        """Takes from each row's logits what the law does not allow it. Rows that have ended are nobody's.

        cuts  is told which rows would have gone on with a higher limit
        """
        law = self._law
        assert law is not None, "asked for only where there is one"
        states: list[Hashable | None] = [
            law.start if request.lawful and limit >= law.closing(law.start) else None
            for request, limit in zip(batch, limits, strict=True)
        ]

        def lawful(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            written = ids.shape[1] - width
            for row, limit in enumerate(limits):
                if written and states[row] is not None:
                    states[row] = self._behind(states[row], int(ids[row, -1]))
                if states[row] is not None and written < limit:
                    mask, likeliest = law.mask(states[row], limit - written), int(scores[row].argmax())
                    cuts[row] |= not legal(likeliest, mask) and legal(likeliest, law.mask(states[row], PLENTY))
                    allowed = torch.from_numpy(mask.copy()).to(scores.device)
                    scores[row, : len(allowed)].masked_fill_(~allowed, -torch.inf)
            return scores

        return lawful

    def _behind(self, state: Hashable, token: int) -> Hashable | None:
        """The state behind one more id; None behind what fills a row that has ended."""
        assert self._law is not None, "who has a state has it from a law"
        try:
            return self._law.advance(state, token)
        except ValueError:
            return None

    def _cut(self, row: Sequence[int], request: Request) -> tuple[tuple[int, ...], Finish, int, Stop | None]:
        """One row without its stop id and the padding behind; how it ended; the steps it took."""
        watch = self._watcher(request.most) if self._watcher else None
        for position, token in enumerate(row):
            if token in self._ends.stop_ids:
                return tuple(row[:position]), "stop", position + 1, None
            written = tuple(row[: position + 1])
            if self._ends.closes(written[-CLOSER_TAIL:]):
                return written, "stop", len(written), None
            if watch and (stop := watch.see((token,))):
                return written, stop.kind, len(written), stop
            if request.ear is not None and len(written) >= request.ear.enough:
                return written, "enough", len(written), None
        return tuple(row), "length", len(row), None


@dataclass(slots=True)
class _Row:
    """One answer while it is written."""

    request: Request
    limit: int
    watch: Watch | None
    over: bool = False
    written: list[int] = field(default_factory=list)

    def add(self, token: int, ends: Ends) -> bool:
        """One id more; whether that was the last."""
        if token in ends.stop_ids:
            return True
        self.written.append(token)
        ear = self.request.ear
        enough = ear is not None and ear.hear(self.written)
        ran_away = self.watch is not None and self.watch.see((token,)) is not None
        return enough or ran_away or len(self.written) == self.limit or ends.closes(self.written[-CLOSER_TAIL:])


class _Abandoned(BaseException):
    """Nobody wants the answers any more. No error of a page, so it is none of those that are caught as such."""


def _load(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """The model in evaluation mode, with every weight from the files and none of their sampling settings."""
    from transformers import AutoModelForImageTextToText, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        model, report = AutoModelForImageTextToText.from_pretrained(
            checkpoint.folder, dtype=dtype, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # a dozen classes, depending on which file is wrong and how
        raise UnusableCheckpoint(f"{checkpoint.folder} cannot be loaded: {' '.join(str(error).split())}") from error
    finally:
        logging.enable_progress_bar()
    if report["missing_keys"]:  # transformers would fill these with random numbers
        missing = sorted(report["missing_keys"])
        raise UnusableCheckpoint(f"{checkpoint.folder} lacks {len(missing)} of the model's weights, first {missing[0]}")
    model.generation_config = GenerationConfig()
    return model.to(device).eval()


def float_of_byte(checkpoint: Checkpoint) -> npt.NDArray[np.float32]:
    """(channel, byte) -> float, computed as the processor does: rescaled in double, normalised in single precision."""
    rescaled = (np.arange(256, dtype=np.float64) * checkpoint.rescale).astype(np.float32)
    mean, std = (np.array(values, dtype=np.float32)[:, np.newaxis] for values in (checkpoint.mean, checkpoint.std))
    table: npt.NDArray[np.float32] = (rescaled - mean) / std
    return table
