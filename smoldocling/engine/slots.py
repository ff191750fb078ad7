"""Who owns which stretch of the KV cache.

Knows: counts and slot numbers. Does not know: tensors, tokens, what an owner is.
Law: a slot has at most one owner, and only its owner gives it back.
"""

from __future__ import annotations

import heapq


class Slots:
    """Numbers 0..count-1. The lowest free one is taken: on a CPU, slots that nobody has had are not yet memory."""

    def __init__(self, count: int) -> None:
        assert count > 0, "without a slot no page is ever answered"
        self.count = count
        self._free = list(range(count))
        self._owned: set[int] = set()

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self) -> int:
        """A slot that nobody owns. Ask `free` first."""
        assert self._free, "all slots are owned"
        slot = heapq.heappop(self._free)
        self._owned.add(slot)
        return slot

    def give(self, slot: int) -> None:
        """Its owner needs it no more."""
        assert slot in self._owned, f"slot {slot} has no owner"
        self._owned.remove(slot)
        heapq.heappush(self._free, slot)
