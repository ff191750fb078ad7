"""Whose turn it is: which unit of work comes next, and what becomes of a sequence after it.

Knows: counts, ids, slots, guesses, the law, how an answer ends. Does not know: tensors, tiles, memory, clocks.
Laws:
- Sequences get their slots in the order in which they were added.
- One sequence at a time is prepared, that is encoded and prefilled. While others run, at most one unit of that lies
  between two of their steps, and at most one step between two such units: nobody starves.
- How a prompt is cut into units depends on that prompt alone.
- What was added leaves once, through `accept` or `drop`; its slot is free again then.
- Guesses are written down only where the decoder has found the same: an answer is the same with and without them.
- Who is away, because a device has been sent his rows and has not answered yet, is fed nothing and gives no slot back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from smoldocling.engine.constrain import Law
from smoldocling.engine.ear import Ear
from smoldocling.engine.sequence import CLOSER_TAIL, Ends, Finish
from smoldocling.engine.slots import Slots
from smoldocling.engine.speculate import Guess, Guesser, Odds, Price, worth
from smoldocling.engine.stop import Stop, Watch, Watcher

# Rows of a prompt that are prefilled together: all of them for pages of up to 30 tiles in the small models, where a
# chunk takes as long as two tiles in the tower.
PROMPT_ROWS = 2048
# Rows of one step, guesses among them; beyond that the arithmetic of a row costs more than a right guess saves.
STEP_ROWS = 64
# Longest guess of one sequence.
MOST_GUESSED = 32


@dataclass(frozen=True, slots=True)
class Pace:
    """Which steps suit a device. As it stands here: one that is waited for at each.

    crews    steps that can be on their way at once, each with another part of the running
    ahead    steps that are taken without asking in between, where nothing is guessed
    rows     of one step at most, guesses among them
    guessed  longest guess of one sequence
    """

    crews: int = 1
    ahead: int = 1
    rows: int = STEP_ROWS
    guessed: int = MOST_GUESSED


@dataclass(slots=True, eq=False)
class Sequence:
    """One page on its way through the engine. Only the scheduler changes it.

    key, started  the caller's handle, and when the request was taken; come back with the answer
    prompt_rows   positions that the prompt takes
    limit         most ids of the answer
    tiles_left    how many tiles are still to be encoded
    slot          None while it waits
    rows_done     rows of the prompt that are in the slot
    draft         what the answer is believed to be
    written       the ids of the answer so far, without the stop id
    steps         runs of the decoder that the answer has taken so far
    guesser       made when the first id is written; None where nothing shall be guessed
    state         of the law, behind what is written; None where there is no law
    most          ids that its page can have, None if nobody knows
    cut           it would be longer with a higher limit
    watch, stop   who looks whether it runs away, and what was found
    lawful        the law is for it
    ear           who follows it
    """

    key: int
    started: float
    prompt_rows: int
    limit: int
    tiles_left: int
    slot: int | None = None
    rows_done: int = 0
    draft: tuple[int, ...] = ()
    written: list[int] = field(default_factory=list)
    steps: int = 0
    guesser: Guesser | None = None
    state: Hashable | None = None
    most: int | None = None
    cut: bool = False
    watch: Watch | None = None
    stop: Stop | None = None
    lawful: bool = True
    ear: Ear | None = None

    @property
    def needs(self) -> int:
        """Positions of a slot that the longest answer fills; the last id is not fed again."""
        return self.prompt_rows + self.limit - 1

    @property
    def position(self) -> int:
        """Where the next row goes: all ids but the last are in the slot."""
        return self.prompt_rows + len(self.written) - 1

    @property
    def left(self) -> int:
        """Ids that may still be written."""
        return self.limit - len(self.written)

    def guess(self, law: Law[Hashable] | None, most: int = MOST_GUESSED) -> Guess:
        """What it will write next, as far as that is within its limit: a step finds one id more than was guessed."""
        most = min(self.left - 1, most)
        if self.guesser is None or most < 1:
            return Guess()
        lawful = law is not None and self.state is not None
        return self.guesser.guess(most, law.forced(self.state, self.left) if law and lawful else ())


@dataclass(frozen=True, slots=True)
class Encode:
    """Encode some of its tiles, then tell `encoded`."""

    sequence: Sequence


@dataclass(frozen=True, slots=True)
class Prefill:
    """Put these rows of its prompt into its slot, then tell `prefilled`, and `accept` what follows the last row."""

    sequence: Sequence
    start: int
    stop: int

    @property
    def last(self) -> bool:
        return self.stop == self.sequence.prompt_rows


@dataclass(frozen=True, slots=True)
class Feed:
    """Ids to be fed to one sequence from its `position` on: the last that it has written, and guesses."""

    sequence: Sequence
    ids: tuple[int, ...]

    @property
    def guessed(self) -> tuple[int, ...]:
        return self.ids[1:]


@dataclass(frozen=True, slots=True)
class Step:
    """Feed running sequences at once, then `accept` what follows for each; that `ahead` times without new ids."""

    feeds: tuple[Feed, ...]
    ahead: int = 1

    @property
    def rows(self) -> int:
        return sum(len(feed.ids) for feed in self.feeds)


Unit = Encode | Prefill | Step


class Scheduler:
    """Opened with slots, fed with sequences, asked for `next` until that is None."""

    def __init__(
        self,
        ends: Ends,
        odds: Odds | None = None,
        price: Price | None = None,
        law: Law[Hashable] | None = None,
        watcher: Watcher | None = None,
        pace: Pace | None = None,
    ) -> None:
        """
        odds     of guesses; without them nothing is guessed
        price    of a step, which decides how much of a guess is worth its rows
        law      what may be written
        watcher  who notices that an answer has run away
        pace     which steps suit the device
        """
        self._ends = ends
        self._law = law
        self._watcher = watcher
        self._odds = odds
        self._price = price or Price()
        self._pace = pace or Pace()
        self._slots: Slots | None = None
        self._length = 0
        self._waiting: deque[Sequence] = deque()
        self._preparing: Sequence | None = None
        self._running: list[Sequence] = []
        self._away: set[Sequence] = set()
        self._prepared = False
        """Whether the last unit was one of preparation."""

    def open(self, slots: int, length: int) -> None:
        """From now on there are so many slots of so many positions."""
        assert not self._owners(), "slots cannot change under their owners"
        self._slots, self._length = Slots(slots), length

    def close(self) -> None:
        """There are no slots any more. Who had one waits again, in the old order, and has written nothing."""
        owners = self._owners()
        for sequence in owners:
            sequence.slot, sequence.rows_done, sequence.steps, sequence.guesser = None, 0, 0, None
            sequence.written.clear()
            self._begin(sequence)
        self._waiting.extendleft(reversed(owners))
        self._slots, self._preparing = None, None
        self._running.clear()
        self._away.clear()

    def add(self, sequence: Sequence) -> None:
        self._begin(sequence)
        self._waiting.append(sequence)

    @property
    def in_flight(self) -> int:
        """Sequences that have been added and have not left."""
        return len(self._waiting) + len(self._owners())

    @property
    def hungry(self) -> bool:
        """Whether one more sequence could be prepared next: before that, nobody should hold its tiles."""
        full = self._slots is not None and not self._slots.free
        return not (full or self._waiting or self._preparing)

    @property
    def blocked(self) -> Sequence | None:
        """The first in the queue, if it can go on only when (longer) slots are opened."""
        if not self._waiting or self._owners():
            return None
        fits = self._slots is not None and self._waiting[0].needs <= self._length
        return None if fits else self._waiting[0]

    def next(self) -> Unit | None:
        """What is to be done now. None if there is nothing, or if the first is blocked."""
        unit = None if self._running and self._prepared else self.preparation()
        self._prepared = unit is not None
        return unit or self.step()

    def preparation(self) -> Encode | Prefill | None:
        """What is to be done next for the one that is prepared."""
        self._admit()
        sequence = self._preparing
        if sequence is None:
            return None
        if sequence.tiles_left:
            return Encode(sequence)
        start = sequence.rows_done
        return Prefill(sequence, start, min(start + PROMPT_ROWS, sequence.prompt_rows))

    def step(self) -> Step | None:
        """Feed those who are here, at most one crew of them."""
        here = [sequence for sequence in self._running if sequence not in self._away]
        crew = here[: math.ceil(len(self._running) / self._pace.crews)]
        return self._step(crew) if crew else None

    def leave(self, unit: Prefill | Step) -> None:
        """It has been sent, and whom it is about is away until he is `back`. The last of a prompt frees the place of
        the one that is prepared."""
        if isinstance(unit, Step):
            self._away.update(feed.sequence for feed in unit.feeds)
        else:
            assert unit.sequence is self._preparing and unit.last, "only a whole prompt has an answer to wait for"  # noqa: PT018
            self._run_preparing()
            self._away.add(unit.sequence)

    def back(self, sequence: Sequence) -> None:
        """What was sent for it is done."""
        self._away.remove(sequence)

    def is_away(self, sequence: Sequence) -> bool:
        return sequence in self._away

    def encoded(self, sequence: Sequence, left: int) -> None:
        """So many of its tiles are still to be encoded."""
        sequence.tiles_left = left

    def prefilled(self, sequence: Sequence, stop: int) -> None:
        """So many rows of its prompt are in its slot."""
        sequence.rows_done = stop

    def accept(self, sequence: Sequence, ids: Iterable[int], *, cut: bool = False) -> Finish | None:
        """Write down what one run of the decoder has found. Says how the answer has ended, if it has.

        cut  the law has chosen among these so that the answer can end within its limit
        """
        if sequence is self._preparing:
            self._run_preparing()
        sequence.steps += 1
        sequence.cut |= cut
        finish = self._write(sequence, ids)
        if finish == "stop" and sequence.cut:
            finish = "length"
        if finish:
            self.drop(sequence)
        return finish

    def drop(self, sequence: Sequence) -> None:
        """It leaves, answered or not."""
        assert sequence not in self._away, "a device writes into its slot"
        if sequence.slot is None:
            self._waiting.remove(sequence)
            return
        if sequence is self._preparing:
            self._preparing = None
        else:
            self._running.remove(sequence)
        assert self._slots is not None, "who has a slot has it from somewhere"
        self._slots.give(sequence.slot)
        sequence.slot = None

    def _write(self, sequence: Sequence, ids: Iterable[int]) -> Finish | None:
        for token in ids:
            if token in self._ends.stop_ids:
                return "stop"
            sequence.written.append(token)
            if self._law and sequence.state is not None:
                sequence.state = self._law.advance(sequence.state, token)
            if sequence.guesser:
                sequence.guesser.see(sequence.written)
            enough = sequence.ear is not None and sequence.ear.hear(sequence.written)
            if self._ends.closes(sequence.written[-CLOSER_TAIL:]):
                return "stop"
            if sequence.watch and (stop := sequence.watch.see((token,))):
                sequence.stop = stop
                return stop.kind
            if enough:
                return "enough"
            if len(sequence.written) == sequence.limit:
                return "length"
        return None

    def _begin(self, sequence: Sequence) -> None:
        """Nothing is written yet. The law is obeyed if it is meant for this one, and there is room to obey it."""
        lawful = self._law is not None and sequence.lawful and sequence.limit >= self._law.closing(self._law.start)
        sequence.state = self._law.start if self._law and lawful else None
        sequence.watch = self._watcher(sequence.most) if self._watcher else None
        sequence.cut = False

    def _run_preparing(self) -> None:
        """Its prompt is done."""
        sequence = self._preparing
        assert sequence is not None, "somebody is prepared"
        self._preparing = None
        self._running.append(sequence)
        sequence.guesser = Guesser(sequence.draft, self._odds) if self._odds else None

    def _step(self, crew: list[Sequence]) -> Step:
        """Each is fed all that is worth its rows."""
        guesses = [sequence.guess(self._law, self._pace.guessed) for sequence in crew]
        taken = worth(guesses, self._price, self._pace.rows)
        feeds = tuple(
            Feed(sequence, (sequence.written[-1], *guess.ids[:count]))
            for sequence, guess, count in zip(crew, guesses, taken, strict=True)
        )
        return Step(feeds, 1 if any(taken) else self._pace.ahead)

    def _admit(self) -> None:
        """The first in the queue becomes the one that is prepared, if that place and a slot are free."""
        if self._preparing or not self._waiting or self._slots is None or not self._slots.free:
            return
        if self._waiting[0].needs <= self._length:
            self._preparing = self._waiting.popleft()
            self._preparing.slot = self._slots.take()

    def _owners(self) -> list[Sequence]:
        """Who has a slot, in the order of their admission."""
        return [*self._running, self._preparing] if self._preparing else self._running[:]
