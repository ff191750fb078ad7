"""Pages out of a converter, for somebody who waits only so long.

Knows: converters, threads, clocks. Does not know: Docling.
Law: when the pages are left, whether all have come or time is up, nothing of them is left in the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import aclosing
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, cast

from smoldocling.result import PageResult

if TYPE_CHECKING:
    from smoldocling.pages.sources import Source, Unfit
    from smoldocling.pipeline import Converter

# On Windows, who waits for a lock without limit hears no Ctrl-C.
HEARING_SECONDS = 1.0


def read(
    converter: Converter, inputs: Iterable[Source | Unfit], deadline: float | None
) -> Generator[PageResult, None, bool]:
    """Pages as they are done; gives True where those were all, False where it was `deadline` of time.monotonic first.

    Raises what ended the engine.
    """
    stream = _Stream(converter, inputs)
    stream.start()
    try:
        while True:
            left = HEARING_SECONDS if deadline is None else min(HEARING_SECONDS, deadline - time.monotonic())
            if left <= 0:
                return False
            with contextlib.suppress(Empty):
                page = stream.pages.get(timeout=left)
                if page is None:
                    break
                yield page
    finally:
        stream.leave()
    if stream.broken is not None:
        raise stream.broken
    return True


class _Stream(threading.Thread):
    """A stream in a loop of its own: the caller's thread may have a loop already, and a loop's stream can be ended."""

    def __init__(self, converter: Converter, inputs: Iterable[Source | Unfit]) -> None:
        super().__init__(name="smoldocling-docling", daemon=True)
        self._converter = converter
        self._inputs = inputs
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._left = threading.Event()
        self.pages: SimpleQueue[PageResult | None] = SimpleQueue()
        self.broken: BaseException | None = None

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._all())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # it belongs to who waits
            self.broken = error
        self.pages.put(None)

    async def _all(self) -> None:
        self._task = asyncio.current_task()
        if self._left.is_set():
            return
        stream = cast("AsyncGenerator[PageResult]", self._converter.astream(self._inputs))
        async with aclosing(stream) as pages:
            async for page in pages:
                self.pages.put(page)

    def leave(self) -> None:
        """End it and wait for its end."""
        self._left.set()
        with contextlib.suppress(RuntimeError):  # that loop is closed: it is over
            self._loop.call_soon_threadsafe(self._cancel)
        self.join()

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
