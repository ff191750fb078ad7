"""The run of a device that works while the host does something else.

Joins a run with the queues of a device. Does not know: which device, whether anything is recorded.
Laws:
- Ids are those of a run that waits for everything. What a device finds ahead is written down id by id, as if each had
  been asked for; behind an answer's end, and behind an id that the law has changed, it is dropped.
- A slot is handed on when nothing that writes into it is on its way: who is away keeps his.
- What is on its way when memory is given up is waited for.

The host is never further ahead than it must be for the device to find work: two crews of sequences, so that one is
computed while the other's ids are read; two units of preparation, so that the next lies ready. Steps with guesses need
their ids before the next, so for them the second crew is all the overlap there is; without guesses several steps lie
between two looks at the ids. A law needs no mask on the device: an id that it forbids is found when it is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from smoldocling.engine.features import KNOWN_BYTES, Picture
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.native import UNIT_TILES, Failure, Native, Run, attempt
from smoldocling.engine.scheduler import PROMPT_ROWS, Encode, Feed, Pace, Prefill, Sequence, Step
from smoldocling.engine.sequence import Generation
from smoldocling.model import work
from smoldocling.model.cache import Cache
from smoldocling.model.cuda.seam import Seam, Ticket
from smoldocling.model.cuda.steps import MOST_AHEAD, PIECE, SEQUENCES, Rows, Steps, widths

T = TypeVar("T")

CREWS = 2
# Units of preparation that are on their way at once: one is computed and one lies ready.
UNITS = 2
# Digests of tiles are taken beside the host's other work; four threads keep up with 100 pages a second.
DIGEST_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Away:
    """Somebody's unit that has been sent."""

    unit: Encode | Prefill | Step
    ticket: Ticket[torch.Tensor]


class Overlapped(Run):
    """One run on a device with queues."""

    def __init__(self, engine: Native, seam: Seam, inbox: Inbox) -> None:
        group = engine.network.config.heads // engine.network.config.kv_heads
        self._longest = widths(group)[-1]
        super().__init__(engine, inbox, Pace(CREWS, MOST_AHEAD, SEQUENCES[-1] * self._longest, self._longest - 1))
        self._seam = seam
        self._stepped: deque[_Away] = deque()
        self._prepared: deque[_Away] = deque()
        self._steps: tuple[Cache, Steps] | None = None
        self._threads = ThreadPoolExecutor(DIGEST_THREADS)

    def answers(self) -> Iterator[Generation]:
        try:
            while not self._inbox.abandoned:
                self._forget()
                yield from self._take()
                if not self._scheduler.in_flight:
                    return
                yield from self._open()
                sent = self._send()
                yield from self._collect(wait=not sent)
        finally:
            self._rest()
            self._threads.shutdown()

    def _work(self, length: int) -> tuple[int, int]:
        config, dtype = self._engine.network.config, self._engine.dtype
        prepared = work.tower(config, UNIT_TILES["cuda"], dtype) + work.prompt(config, PROMPT_ROWS, dtype)
        return work.step(config, self._longest, length, PIECE, dtype), UNITS * prepared + KNOWN_BYTES

    def _forget(self) -> None:
        """Who is away is forgotten when he is back."""
        for sequence in [one for one in self._prompts if not self._inbox.wanted(one.key)]:
            if not self._scheduler.is_away(sequence):
                self._scheduler.drop(sequence)
                del self._prompts[sequence]

    def _picture(self, tiles: npt.NDArray[np.uint8]) -> Picture:
        return Picture(tiles, self._threads.map)

    def _send(self) -> bool:
        """Whatever the device can lay ready. Whether there was anything."""
        unit = self._scheduler.preparation() if len(self._prepared) < UNITS else None
        if isinstance(unit, Encode):
            self._send_tiles(unit)
        elif isinstance(unit, Prefill):
            self._send_prompt(unit)
        step = self._scheduler.step() if len(self._stepped) < CREWS else None
        if step:
            self._send_step(step)
        return bool(unit or step)

    def _send_tiles(self, unit: Encode) -> None:
        engine, picture = self._engine, self._prompts[unit.sequence].picture
        # whoever wants one page at a time wants to use little memory
        tiles = picture.send(min(UNIT_TILES["cuda"], engine.batch_size))

        def do() -> torch.Tensor:
            features = engine.network.encode(self._seam.tiles(list(tiles.values())))
            picture.take(tiles, features, engine.known)
            return features

        self._prepared.append(_Away(unit, self._seam.pages.send(do)))
        self._scheduler.encoded(unit.sequence, picture.left)

    def _send_prompt(self, unit: Prefill) -> None:
        prompt, network, cache, slot = (
            self._prompts[unit.sequence],
            self._engine.network,
            self._cache,
            unit.sequence.slot,
        )
        assert cache is not None and slot is not None, "a prompt is put into a slot"  # noqa: PT018

        def do() -> torch.Tensor:
            if prompt.rows is None:
                prompt.rows = network.rows(prompt.ids, prompt.picture.features())
            found = network.put(prompt.rows[unit.start : unit.stop], slot, unit.start, cache)
            if unit.last:
                prompt.rows = None
            return self._seam.get(found)

        self._prepared.append(_Away(unit, self._seam.pages.send(do)))
        if unit.last:
            self._scheduler.leave(unit)
        self._scheduler.prefilled(unit.sequence, unit.stop)

    def _send_step(self, step: Step) -> None:
        rows = [Rows(_slot(feed.sequence), feed.sequence.position, feed.ids) for feed in step.feeds]
        steps = self._recorded()
        self._stepped.append(_Away(step, self._seam.steps.send(lambda: steps.run(rows, step.ahead))))
        self._scheduler.leave(step)

    def _recorded(self) -> Steps:
        cache = self._cache
        assert cache is not None, "who runs has a slot"
        if self._steps is None or self._steps[0] is not cache:
            self._steps = cache, self._engine.network.steps(cache, self._seam)
        return self._steps[1]

    def _collect(self, *, wait: bool) -> Iterator[Generation]:
        """All that is done by now; the next that will be, if there is nothing else to do."""
        ready = [away for queue in (self._stepped, self._prepared) for away in _ready(queue)]
        if not ready and wait:
            ready = [queue.popleft() for queue in [self._stepped or self._prepared] if queue]
        for away in ready:
            if self._is_current(away):
                yield from self._return(away)

    def _is_current(self, away: _Away) -> bool:
        """Whether whom it is about still waits for it: memory may have run out meanwhile, or he has failed."""
        if isinstance(away.unit, Step):
            return any(self._scheduler.is_away(feed.sequence) for feed in away.unit.feeds)
        return away.unit.sequence in self._prompts and away.unit.sequence.slot is not None

    def _return(self, away: _Away) -> Iterator[Generation]:
        found = attempt(away.ticket.value)
        match away.unit:
            case Step():
                yield from self._stepped_back(away.unit, found, away.ticket)
            case unit:
                if self._scheduler.is_away(unit.sequence) and (isinstance(found, Failure) or _is_last(unit)):
                    self._scheduler.back(unit.sequence)
                if isinstance(found, Failure):
                    yield from self._cope(unit.sequence, found)
                elif _is_last(unit):
                    yield from self._found(Feed(unit.sequence, self._prompts[unit.sequence].ids[-1:]), found.tolist())

    def _stepped_back(
        self, step: Step, found: torch.Tensor | Failure, ticket: Ticket[torch.Tensor]
    ) -> Iterator[Generation]:
        for feed in step.feeds:
            self._scheduler.back(feed.sequence)
        if isinstance(found, Failure):
            yield from self._after_failure(step, found)
            return
        self._engine.price.learn(step.rows, ticket.seconds / step.ahead)
        if step.ahead == 1:
            for feed, ids in zip(step.feeds, found[0].tolist(), strict=False):
                if feed.sequence.slot is not None:  # unless memory has run out meanwhile
                    yield from self._found(feed, ids[: len(feed.ids)])
            return
        follows = {feed.sequence for feed in step.feeds}
        for ids in found[:, :, 0].tolist():
            for feed, token in zip(step.feeds, ids, strict=False):
                sequence = feed.sequence
                if sequence in follows and sequence.slot is not None:
                    yield from self._found(Feed(sequence, (sequence.written[-1],)), [token])
                    if sequence.slot is None or sequence.written[-1] != token:
                        follows.remove(sequence)

    def _after_failure(self, step: Step, failure: Failure) -> Iterator[Generation]:
        """Each alone, one id, unrecorded; if memory was full, as any other unit."""
        if failure.full or len(step.feeds) == 1:
            yield from self._cope(step.feeds[0].sequence, failure)
            return
        for feed in step.feeds:
            if feed.sequence.slot is not None:
                yield from self._step(Step((feed,)))

    def _predict(self, feeds: tuple[Feed, ...]) -> list[list[int]]:
        return self._now(lambda: super(Overlapped, self)._predict(feeds))

    def _logits(self, sequence: Sequence, token: int, position: int) -> npt.NDArray[np.float32]:
        return self._now(lambda: super(Overlapped, self)._logits(sequence, token, position))

    def _now(self, work: Callable[[], T]) -> T:
        return self._seam.steps.send(work).value()

    def _close(self) -> None:
        self._rest()
        super()._close()

    def _rest(self) -> None:
        """Until nothing is on its way. What it has found is not wanted."""
        for queue in (self._seam.steps, self._seam.pages):
            attempt(queue.wait)
        self._stepped.clear()
        self._prepared.clear()
        self._steps = None
        for prompt in self._prompts.values():
            prompt.picture.lose()


def _is_last(unit: Encode | Prefill) -> bool:
    """Whether an id comes after it."""
    return isinstance(unit, Prefill) and unit.last


def _slot(sequence: Sequence) -> int:
    assert sequence.slot is not None, "who runs has a slot"
    return sequence.slot


def _ready(queue: deque[_Away]) -> Iterator[_Away]:
    while queue and queue[0].ticket.ready:
        yield queue.popleft()
