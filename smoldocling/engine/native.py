"""The fast engine: our own network, continuous batching. A page is begun when a slot is free and leaves when done.

Joins scheduler, features, network and cache. Does not know: pages, what ids mean, where requests come from.
Laws: a page's ids do not depend on its company. What fails costs the page that it belongs to. Tiles are taken when they
can be encoded next, and at most as many pages as there are slots are in flight.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Sequence as Listed
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from smoldocling.checkpoint import Checkpoint
from smoldocling.engine import room
from smoldocling.engine.choose import choose
from smoldocling.engine.constrain import Law
from smoldocling.engine.device import choose_device, choose_dtype, empty_cache, is_out_of_memory
from smoldocling.engine.features import Known, Picture
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.limit import most_ids
from smoldocling.engine.scheduler import Encode, Feed, Pace, Prefill, Scheduler, Sequence, Step, Unit
from smoldocling.engine.sequence import Ends, Generation, Request
from smoldocling.engine.speculate import Odds, Price, agreed
from smoldocling.engine.stop import Watcher
from smoldocling.errors import UnusableOption
from smoldocling.model.cache import NARROW, Cache
from smoldocling.model.cuda.seam import Seam, seam
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network
from smoldocling.model.vision import Pixels

T = TypeVar("T")

# Tiles of one unit. On a CPU one tile fills all cores for a fifth of a second; a GPU needs more to be busy.
UNIT_TILES = {"cpu": 1, "cuda": 8}
# What keys and values are kept in, by the option's name; None is the network's own precision.
CACHES = {"auto": None, "float8": NARROW}
# Slots of a device that reserves all of their memory are as long as the first page needs, rounded up to this, so that
# the next pages of the same kind fit as well.
LENGTH_STEP = 1024


class Native:
    """Greedy decoding of many pages at once, each in its own slot."""

    name = "native"

    def __init__(
        self,
        checkpoint: Checkpoint,
        ends: Ends,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | Literal["auto"] = "auto",
        drafts: bool = True,
        law: Law[Hashable] | None = None,
        watcher: Watcher | None = None,
        cache: str = "auto",
    ) -> None:
        """Load the weights. Raises UnusableOption for a device that is not there, UnusableCheckpoint for bad files.

        ends        what ends an answer
        device      "auto" (an accelerator if there is one), "cpu", "cuda", "cuda:1", "mps"...
        dtype       "auto" (bfloat16 where the device computes in it, else float32), "float32", "bfloat16", "float16",
                    "int8" (large weights as int8, all else as "auto")
        batch_size  pages in flight; "auto" is what the device has use and memory for
        law         what may be written; None: anything
        watcher     who notices that an answer has run away; None: nobody
        drafts      several ids a step where they can be guessed; False: one id a step. The ids are the same
        cache       "auto" (keys and values in the network's precision), "float8" (in 8 bits, which halves what a step
                    reads with many pages in flight, and changes some ids)
        """
        self.device = choose_device(device)
        eights = dtype == "int8"
        self.dtype = choose_dtype("auto" if eights else dtype, self.device)
        self.checkpoint = checkpoint
        self.ends = ends
        self.network = Network(
            checkpoint.config,
            checkpoint.tensors(),
            checkpoint.tile_px,
            Pixels(checkpoint.rescale, checkpoint.mean, checkpoint.std),
            device=self.device,
            dtype=self.dtype,
            eights=eights,
        )
        if cache not in CACHES:
            raise UnusableOption(f"cache {cache!r}: {', '.join(CACHES)}")
        self.cache_dtype = CACHES[cache] or self.dtype
        self.known = Known()
        self.odds = Odds() if drafts else None
        """How well guesses have done, or None where nothing is guessed."""
        self.price = Price()
        self.law = law
        self.watcher = watcher
        self.measured = batch_size == "auto"
        """Whether free memory has a say in the number of slots, before it has run out."""
        self.most: int = room.MOST_PAGES.get(self.device.type, 1) if batch_size == "auto" else batch_size
        """Slots at most, when memory has not run out."""
        self.batch_size = self.most
        """Slots at most. Halved when memory runs out, for the next runs too."""
        self.seam: Seam | None = seam(self.device) if self.device.type == "cuda" else None
        """Queues of a device that works while the host does something else, or None."""

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        """Answer in order of completion."""
        if self.seam is None:
            return Run(self, Inbox.of(requests)).answers()
        from smoldocling.engine.overlap import Overlapped

        return Overlapped(self, self.seam, Inbox.of(requests)).answers()


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, without the exception: that keeps the tensors of its frames alive."""

    reason: str
    full: bool


class Run:
    """One run: its pages in flight and their slots. The host waits for everything that it asks of the device."""

    def __init__(self, engine: Native, inbox: Inbox, pace: Pace | None = None) -> None:
        self._engine = engine
        self._inbox = inbox
        self._scheduler = Scheduler(engine.ends, engine.odds, engine.price, engine.law, engine.watcher, pace)
        self._cache: Cache | None = None
        self._prompts: dict[Sequence, Prompt] = {}

    def answers(self) -> Iterator[Generation]:
        while not self._inbox.abandoned:
            self._forget()
            yield from self._take()
            if not self._scheduler.in_flight:
                return
            yield from self._open()
            unit = self._scheduler.next()
            if unit:
                yield from self._do(unit)

    def _forget(self) -> None:
        """Who has left waits for nothing, and their slots are for others."""
        for sequence in [one for one in self._prompts if not self._inbox.wanted(one.key)]:
            self._scheduler.drop(sequence)
            del self._prompts[sequence]

    def _take(self) -> Iterator[Generation]:
        """Take a request if it can be worked on."""
        while self._scheduler.hungry:
            request = self._inbox.take(0 if self._scheduler.in_flight else math.inf)
            if request is None:
                return
            started = time.perf_counter()
            made = attempt(lambda: self._begin(request, started))  # noqa: B023 - called at once
            if isinstance(made, Failure):
                yield Generation(request.key, (), "error", 0, time.perf_counter() - started, made.reason)

    def _begin(self, request: Request, started: float) -> None:
        """Raises ValueError for a request that cannot be answered."""
        limit = most_ids(request, self._engine.checkpoint)
        tiles, side = request.tiles, self._engine.checkpoint.tile_px
        if tiles.dtype != "uint8" or tiles.shape[1:] != (side, side, 3) or not len(tiles):
            raise ValueError(f"tiles are {tiles.dtype} {tiles.shape} where uint8 (tiles, {side}, {side}, 3) is needed")
        picture = self._picture(tiles)
        left = picture.recall(self._engine.known)
        # An id that the network has no row for cannot be fed, not even as a guess.
        draft = tuple(token for token in request.draft if 0 <= token < self._engine.checkpoint.vocab_size)
        sequence = Sequence(
            request.key,
            started,
            len(request.ids),
            limit,
            left,
            draft=draft,
            most=request.most,
            lawful=request.lawful,
            ear=request.ear,
        )
        self._prompts[sequence] = Prompt(request.ids, picture)
        self._scheduler.add(sequence)

    def _picture(self, tiles: npt.NDArray[np.uint8]) -> Picture:
        return Picture(tiles)

    def _open(self) -> Iterator[Generation]:
        """Make slots for the first in the queue, if there are none that it fits in."""
        while (sequence := self._scheduler.blocked) is not None:
            self._close()
            length, count = self._measure(sequence)
            made = attempt(lambda: self._cache_of(count, length))  # noqa: B023 - called at once
            if not isinstance(made, Failure):
                self._cache = made
                self._scheduler.open(count, length)
            elif made.full and count > 1:
                self._engine.batch_size = count // 2
            else:
                yield self._fail(sequence, made)

    def _cache_of(self, count: int, length: int) -> Cache:
        network, dtype = self._engine.network, self._engine.cache_dtype
        return network.cache(count, length) if dtype == self._engine.dtype else network.cache(count, length, dtype)

    def _measure(self, sequence: Sequence) -> tuple[int, int]:
        """Length and number of the slots."""
        engine, context = self._engine, self._engine.checkpoint.context_length
        if room.reserves_all(engine.device):
            length = filled = min(context, math.ceil(sequence.needs / LENGTH_STEP) * LENGTH_STEP)
        else:
            length, filled = context, min(context, room.EXPECTED_POSITIONS)
        if not engine.measured:
            return length, engine.batch_size
        page_bytes = Cache.slot_bytes(engine.network.config, filled, engine.cache_dtype)
        page_work, work = self._work(length)
        return length, min(engine.batch_size, room.pages(engine.device, page_bytes + page_work, work))

    def _work(self, length: int) -> tuple[int, int]:
        """Bytes that a device needs to work: for each page, and for all together."""
        return 0, 0

    def _close(self) -> None:
        """Put back whatever has a slot, and give up the slots."""
        self._scheduler.close()
        self._cache = None
        for prompt in self._prompts.values():
            prompt.rows = None

    def _do(self, unit: Unit) -> Iterator[Generation]:
        match unit:
            case Encode(sequence):
                left = attempt(lambda: self._encode(sequence))
                if isinstance(left, Failure):
                    yield from self._cope(sequence, left)
                else:
                    self._scheduler.encoded(sequence, left)
            case Prefill(sequence):
                found = attempt(lambda: self._prefill(unit))
                if isinstance(found, Failure):
                    yield from self._cope(sequence, found)
                    return
                self._scheduler.prefilled(sequence, unit.stop)
                if unit.last:
                    self._prompts[sequence].rows = None
                    yield from self._found(Feed(sequence, self._prompts[sequence].ids[-1:]), [found])
            case _:
                yield from self._step(unit)

    def _encode(self, sequence: Sequence) -> int:
        most = UNIT_TILES.get(self._engine.device.type, 1)
        return self._prompts[sequence].picture.encode(most, self._engine.network.encode, self._engine.known)

    def _prefill(self, unit: Prefill) -> int:
        prompt = self._prompts[unit.sequence]
        cache, slot = self._cache, unit.sequence.slot
        assert cache is not None and slot is not None, "a prompt is put into a slot"  # noqa: PT018
        if prompt.rows is None:
            prompt.rows = self._engine.network.rows(prompt.ids, prompt.picture.features())
        return self._engine.network.prefill(prompt.rows[unit.start : unit.stop], slot, unit.start, cache)

    def _step(self, step: Step) -> Iterator[Generation]:
        """One step of all; if that fails, of each alone: what is in the slots is written again with the same."""
        started = time.perf_counter()
        found = attempt(lambda: self._predict(step.feeds))
        if not isinstance(found, Failure):
            self._engine.price.learn(step.rows, time.perf_counter() - started)
            for feed, ids in zip(step.feeds, found, strict=True):
                if feed.sequence.slot is not None:  # unless memory has run out meanwhile
                    yield from self._found(feed, ids)
        elif found.full or len(step.feeds) == 1:
            yield from self._cope(step.feeds[0].sequence, found)
        else:
            for feed in step.feeds:
                if feed.sequence.slot is not None:  # unless memory has run out meanwhile
                    yield from self._step(Step((feed,)))

    def _predict(self, feeds: tuple[Feed, ...]) -> list[list[int]]:
        """For each sequence what follows each of its rows."""
        cache = self._cache
        assert cache is not None, "who runs has a slot"
        spans = []
        for feed in feeds:
            assert feed.sequence.slot is not None, "who runs has a slot"
            spans.append(Span(feed.sequence.slot, feed.sequence.position, len(feed.ids)))
        found = iter(self._engine.network.step([token for feed in feeds for token in feed.ids], spans, cache))
        return [[next(found) for _ in feed.ids] for feed in feeds]

    def _found(self, feed: Feed, found: Listed[int]) -> Iterator[Generation]:
        """Something comes after each of the rows that were fed."""
        sequence, law = feed.sequence, self._engine.law
        if law is None or sequence.state is None:
            yield from self._accept(sequence, agreed(feed.guessed, found))
            return
        state, start = sequence.state, sequence.position
        chosen = attempt(
            lambda: choose(
                feed.guessed,
                found,
                lambda row: self._logits(sequence, feed.ids[row], start + row),
                law,
                state,
                sequence.left,
            )
        )
        if isinstance(chosen, Failure):
            yield from self._cope(sequence, chosen)
        else:
            ids, cut = chosen
            yield from self._accept(sequence, ids, cut=cut)

    def _logits(self, sequence: Sequence, token: int, position: int) -> npt.NDArray[np.float32]:
        """What comes after a row that has been fed: it is fed again, which changes nothing in its slot."""
        network, cache, slot = self._engine.network, self._cache, sequence.slot
        assert cache is not None and slot is not None, "what was fed is in a slot"  # noqa: PT018
        logits = torch.empty(1, network.config.vocab_size, device="cpu" if network.native else network.device)
        network.step([token], [Span(slot, position, 1)], cache, logits)
        return logits[0].cpu().numpy()

    def _accept(self, sequence: Sequence, ids: Iterable[int], *, cut: bool = False) -> Iterator[Generation]:
        finish = self._scheduler.accept(sequence, ids, cut=cut)
        if finish:
            del self._prompts[sequence]
            seconds = time.perf_counter() - sequence.started
            yield Generation(sequence.key, tuple(sequence.written), finish, sequence.steps, seconds, stop=sequence.stop)

    def _cope(self, sequence: Sequence, failure: Failure) -> Iterator[Generation]:
        """A unit has failed. If memory was full, all begin again in half as many slots, if there are several."""
        slots = self._cache.slots if self._cache else 1
        if failure.full and slots > 1:
            self._close()
            self._engine.batch_size = slots // 2
            self._engine.known.clear()
            empty_cache(self._engine.device)
        else:
            yield self._fail(sequence, failure)

    def _fail(self, sequence: Sequence, failure: Failure) -> Generation:
        """The page's own fault. If memory was not enough for it alone, then the number of slots was not the cause."""
        self._scheduler.drop(sequence)
        del self._prompts[sequence]
        if failure.full:
            self._engine.batch_size = self._engine.most
            self._close()
        return Generation(sequence.key, (), "error", 0, time.perf_counter() - sequence.started, failure.reason)


@dataclass(slots=True)
class Prompt:
    """What a sequence begins with.

    rows  (rows, width) while they are put into the slot
    """

    ids: tuple[int, ...]
    picture: Picture
    rows: torch.Tensor | None = None


def attempt(work: Callable[[], T]) -> T | Failure:
    try:
        return work()
    except Exception as error:  # the page's fault, the library's or the device's: never the other pages'
        return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}", is_out_of_memory(error))
