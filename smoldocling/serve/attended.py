"""The native engine for requests whose answer somebody follows while it is written, or that ask for no page.

Knows: runs, sequences, ids. Does not know: clients, text.
Laws: whoever listens hears every id once and in order, also where memory runs out and the engine begins a page anew;
the engine writes no more for a listener who has had enough; other requests are answered as ever, in the same batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from smoldocling.engine.inbox import Inbox
from smoldocling.engine.native import Native, _Run
from smoldocling.engine.scheduler import Sequence as Written
from smoldocling.engine.sequence import Generation, Request
from smoldocling.engine.stop import Stop, Watch

ENOUGH = "whoever listens has had enough"
# More ids than anybody writes.
ENDLESS = 10**9


class Ear:
    """Hears one answer while it is written.

    told    gets new ids, in the engine's thread; it must neither wait nor raise
    enough  after so many ids nobody listens any more
    """

    def __init__(self, told: Callable[[tuple[int, ...]], None] | None = None) -> None:
        self._told = told
        self._heard = 0
        self.enough = ENDLESS

    def hear(self, written: Sequence[int]) -> bool:
        """All ids that have been written; whether that is enough."""
        if len(written) > self._heard:
            if self._told is not None:
                self._told(tuple(written[self._heard :]))
            self._heard = len(written)
        return len(written) >= self.enough


@dataclass(frozen=True, slots=True)
class Attention(Request):
    """A request that is followed.

    lawful  the answer is a page of DocTags; else it is whatever the network writes
    """

    ear: Ear = field(default_factory=Ear)
    lawful: bool = True


class Attended(Native):
    """A native engine that heeds what an Attention wants."""

    @classmethod
    def of(cls, engine: Native) -> Attended:
        """The same engine: network, memory, odds."""
        made = cls.__new__(cls)
        made.__dict__.update(engine.__dict__)
        return made

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        """Answer in order of completion."""
        return _Attending(self, Inbox.of(requests)).answers()


class _Attending(_Run):
    """One run."""

    def __init__(self, engine: Attended, inbox: Inbox) -> None:
        super().__init__(engine, inbox)
        self._followed: dict[int, Attention] = {}

    def _begin(self, request: Request, started: float) -> None:
        super()._begin(request, started)
        if isinstance(request, Attention):
            self._followed = {key: kept for key, kept in self._followed.items() if key in self._keys()}
            self._followed[request.key] = request
            self._attend(next(reversed(self._prompts)), request)

    def _close(self) -> None:
        super()._close()
        for sequence in self._prompts:  # those that had begun begin anew
            if sequence.key in self._followed and not isinstance(sequence.watch, _Overheard):
                self._attend(sequence, self._followed[sequence.key])

    def _keys(self) -> set[int]:
        return {sequence.key for sequence in self._prompts}

    def _attend(self, sequence: Written, request: Attention) -> None:
        sequence.watch = _Overheard(sequence.watch, request.ear)
        if not request.lawful:
            sequence.state = None


class _Overheard(Watch):
    """A watch that tells an ear, and stops when that has had enough."""

    def __init__(self, watch: Watch | None, ear: Ear) -> None:
        self._watch = watch
        self._ear = ear
        self._written: list[int] = []

    def see(self, ids: Iterable[int]) -> Stop | None:
        """The next ids."""
        for token in ids:
            self._written.append(token)
            stop = self._watch.see((token,)) if self._watch is not None else None
            enough = self._ear.hear(self._written)
            if stop is not None:
                return stop
            if enough:
                return Stop("long", ENOUGH, len(self._written))
        return None
