"""A stream for programs that wait with asyncio: each page is taken in a thread, and cancelling ends the stream at once.

Knows: event loops, one thread. Does not know: what comes, where from.
Law: what the work yields comes out once and in order; however the caller leaves, the work has ended when it has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


async def awaited(start: Callable[[Callable[[Callable[[], None]], None]], Generator[T]]) -> AsyncGenerator[T]:
    """What a generator yields, without keeping the loop waiting.

    start  makes the generator; it is given a function to which it hands what ends its work from another thread
    """
    loop = asyncio.get_running_loop()
    endings: list[Callable[[], None]] = []
    work = start(endings.append)
    thread = ThreadPoolExecutor(1, thread_name_prefix="smoldocling-awaited")
    try:
        while (thing := await loop.run_in_executor(thread, next, work, None)) is not None:
            yield thing
    finally:
        for end in endings:
            end()
        thread.submit(work.close)
        thread.shutdown()


def pulled(things: AsyncIterable[T], loop: asyncio.AbstractEventLoop) -> Iterator[T]:
    """What comes asynchronously, for a thread that is not the loop's."""
    source = aiter(things)

    async def take() -> T:
        return await anext(source)

    while True:
        try:
            yield asyncio.run_coroutine_threadsafe(take(), loop).result()
        except StopAsyncIteration:
            return
