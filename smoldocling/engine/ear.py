"""Somebody who follows an answer while it is written.

Knows: ids. Does not know: engines, clients, text.
Law: every id is heard once and in order, also where an engine begins a page anew because memory has run out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# More ids than anybody writes.
ENDLESS = 10**9


class Ear:
    """Hears one answer.

    told    gets new ids, in the engine's thread; it must neither wait nor raise
    enough  after so many ids nobody listens any more; may be set in any thread
    """

    def __init__(self, told: Callable[[tuple[int, ...]], None] | None = None) -> None:
        self._told = told
        self._heard = 0
        self.enough = ENDLESS

    def hear(self, written: Sequence[int]) -> bool:
        """All ids that have been written so far; whether that is enough."""
        if len(written) > self._heard:
            if self._told is not None:
                self._told(tuple(written[self._heard :]))
            self._heard = len(written)
        return len(written) >= self.enough
