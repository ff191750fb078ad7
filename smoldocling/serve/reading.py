"""One document through the converter that all clients share: in one thread, to be ended from any other.

Knows: converters, sources, pages. Does not know: clients, HTTP, jobs.
Law: however it ends, nothing of it is left in the engine when `run` is over.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult


class Cancelled(Exception):
    """Nobody wants it any more."""


class Reading:
    """`told` is called with every page as it is done, in the thread of `run`; what it raises ends the reading."""

    def __init__(self, converter: Converter, source: Source, told: Callable[[PageResult], None]) -> None:
        self._stream = converter.stream([source])
        self._told = told

    def run(self) -> None:
        """Read all pages. Raises Cancelled, what `told` raises, and what ended the engine."""
        with closing(self._stream) as pages:
            for page in pages:
                self._told(page)
            if pages.stopped:
                raise Cancelled

    def cancel(self) -> None:
        """End it soon, from any thread, before it has begun or after it is over, too."""
        self._stream.stop()
