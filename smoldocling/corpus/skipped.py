"""Pages that are not wanted: those that are done, and all of them once somebody has said stop.

Knows: numbers, a flag. Does not know: documents.
"""

from __future__ import annotations

import threading
from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skipped(Container[int]):
    """`done` from the beginning, and everything from the moment that `stop` is set."""

    done: frozenset[int]
    stop: threading.Event

    def __contains__(self, number: object) -> bool:
        return self.stop.is_set() or number in self.done
