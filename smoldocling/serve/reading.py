"""One document through the converter that all clients share: in a thread of its own, to be ended from any other.

Knows: converters, sources, pages. Does not know: clients, HTTP, jobs.
Law: however it ends, nothing of it is left in the engine when `run` is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

from smoldocling.pages.sources import Source
from smoldocling.pipeline import Converter
from smoldocling.result import PageResult


class Cancelled(Exception):
    """Nobody wants it any more."""


class Reading:
    """`told` is called with every page as it is done, in the thread of `run`; what it raises ends the reading."""

    def __init__(self, converter: Converter, source: Source, told: Callable[[PageResult], None]) -> None:
        self._converter = converter
        self._source = source
        self._told = told
        self._left = threading.Event()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[None]] | None = None

    def run(self) -> None:
        """Read all pages. Raises Cancelled, what `told` raises, and what ended the engine."""
        # a loop of its own: to end a stream is to wait for the engine's step, and clients are not to wait for that
        try:
            asyncio.run(self._all())
        except asyncio.CancelledError:
            raise Cancelled from None

    def cancel(self) -> None:
        """End it soon, from any thread, before it has begun or after it is over, too."""
        self._left.set()
        if self._running is not None:
            loop, task = self._running
            with contextlib.suppress(RuntimeError):  # that loop is closed: it is over
                loop.call_soon_threadsafe(task.cancel)

    async def _all(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a coroutine that runs is a task"
        self._running = asyncio.get_running_loop(), task
        if self._left.is_set():
            raise asyncio.CancelledError
        stream = cast("AsyncGenerator[PageResult]", self._converter.astream([self._source]))
        async with aclosing(stream) as pages:
            async for page in pages:
                self._told(page)
