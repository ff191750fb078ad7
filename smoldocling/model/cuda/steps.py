"""Steps of the decoder that are recorded once for each size, and played many times without asking in between.

Knows: buckets of sizes, rows, slots, how a step leads to the next. Does not know: whose slots these are, when an answer
ends, how a step is computed (plain, fused).

Laws:
- `run` finds what one step after the other would find, whatever bucket it runs in.
- A recording has rows for `sequences` times `each`. What is missing is filled with rows that are there: the last row of
  a sequence again, the first sequence again. They compute what their originals compute and write the same numbers to
  the same places, so nothing needs a mask, and no slot is kept free for rubbish.
- Each step ends with its own successor: the ids that it found are the next tokens, one position on. So several are
  played in a row; who does not want that sends one. Behind the end of a slot rows stay on its last position: whoever
  gets that far has ended, and what he would write is dropped.
- Steps may be done again: they leave in the cache what is there already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from smoldocling.model.cache import Cache
from smoldocling.model.cuda.seam import Seam, Work

# Sequences of one recording. Closer where more sequences cost more time, that is beyond what weights take to be read.
SEQUENCES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
# Queries that are multiplied together: the smallest matrix of a tensor core, and twice that. At four times that Hopper
# takes another instruction, and a row would depend on its company.
QUERY_ROWS = (16, 32)
# Positions that one program of attention looks at.
PIECE = 256
# Steps that are taken without asking: with 300 ids to an answer at the least, 8 too many cost under 3 %.
MOST_AHEAD = 8


class Body(Protocol):
    """How a step is computed."""

    def __call__(
        self, tokens: torch.Tensor, slots: torch.Tensor, positions: torch.Tensor, each: int, cache: Cache
    ) -> torch.Tensor:
        """The likeliest id after each row; see plain.Plain."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Ids of one sequence that are fed to its slot at positions start, start + 1..."""

    slot: int
    start: int
    ids: Sequence[int]


class Steps:
    """All recordings for one cache. Call it in the queue that steps belong to."""

    def __init__(self, body: Body, cache: Cache, seam: Seam, group: int) -> None:
        """group  heads of queries that look at the same keys"""
        self.body = body
        self._cache = cache
        self._seam = seam
        self._widths = widths(group)
        self._recorded: dict[tuple[int, int], _Recording] = {}

    @torch.inference_mode()
    def run(self, rows: Sequence[Rows], ahead: int = 1) -> torch.Tensor:
        """int64 (ahead, sequences, rows of the longest) on the host, to be read when this work is done.

        What comes after each row; with `ahead` steps, of sequences with one row each, the ids that follow one another.
        Rows behind a sequence's own are repetitions.
        """
        longest = max(len(one.ids) for one in rows)
        assert 1 <= ahead <= MOST_AHEAD and (ahead == 1 or longest == 1), "a guess is checked before what follows it"  # noqa: PT018
        size = at_least(len(rows), SEQUENCES), at_least(longest, self._widths)
        recording = self._recorded.get(size)
        numbers = filled(rows, *size)
        if recording is None:
            recording = _Recording(self.body, self._cache, self._seam, *size)
            self._seam.put(numbers, recording.inputs)
            recording.record()
            self._recorded[size] = recording
        self._seam.put(numbers, recording.inputs)
        for _ in range(ahead):
            recording.play()
        return self._seam.get(recording.found[:ahead]).view(ahead, *size)


class _Recording:
    """Inputs, outputs and the work between them, for one size."""

    def __init__(self, body: Body, cache: Cache, seam: Seam, sequences: int, each: int) -> None:
        rows, device = sequences * each, cache.keys.device
        self.inputs = torch.zeros(3 * rows + 1, dtype=torch.int64, device=device)
        self.found = torch.zeros(MOST_AHEAD, rows, dtype=torch.int64, device=device)
        self._tokens, self._slots, self._positions = self.inputs[:-1].view(3, rows).unbind()
        self._turn = self.inputs[-1:]
        self._body = body
        self._cache = cache
        self._seam = seam
        self._each = each
        self.play: Work = self._step

    def record(self) -> None:
        """Inputs must be there: the step is done, though whatever it finds is found again."""
        self.play = self._seam.record(self._step)

    def _step(self) -> None:
        best = self._body(self._tokens, self._slots, self._positions, self._each, self._cache)
        self.found.index_copy_(0, self._turn, best[None])
        self._tokens.copy_(best)
        self._positions.add_(1).clamp_(max=self._cache.length - 1)
        self._turn.add_(1).remainder_(MOST_AHEAD)


def widths(group: int) -> tuple[int, ...]:
    """Rows of one sequence that a recording may have: one, and as many as fill the matrices of queries."""
    return tuple(dict.fromkeys((1, *(max(1, rows // group) for rows in QUERY_ROWS))))


def at_least(count: int, sizes: Sequence[int]) -> int:
    """The smallest size that is enough."""
    assert 0 < count <= sizes[-1], f"{count} do not fit into {sizes[-1]}"
    return next(size for size in sizes if size >= count)


def filled(rows: Sequence[Rows], sequences: int, each: int) -> list[int]:
    """Tokens, slots, positions of all rows of a recording, and the number of the step, behind each other."""
    tokens, slots, positions = [], [], []
    for one in (*rows, *[rows[0]] * (sequences - len(rows))):
        last = len(one.ids) - 1
        for row in range(each):
            tokens.append(one.ids[min(row, last)])
            positions.append(one.start + min(row, last))
        slots += [one.slot] * each
    return [*tokens, *slots, *positions, 0]
