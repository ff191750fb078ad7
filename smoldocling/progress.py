"""How far the work has come: a bar on a terminal, plain lines anywhere else.

Knows: counts and a stream to write to. Does not know: documents, engines.
"""

from __future__ import annotations

import contextlib
import getpass
import time
from types import TracebackType
from typing import Protocol, Self, TextIO

# A log reader wants to see life, not a line a page.
PLAIN_EVERY_SECONDS = 30.0


class Progress(Protocol):
    """What both forms can do. Use it in a `with`."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def line(self, text: str) -> None:
        """Say something that stays."""
        ...

    def tick(self, done: int, expected: int, what: str = "pages", note: str = "") -> None:
        """So many are done; `expected` are thought to be there in all. `note`: what else there is to know."""
        ...

    def ask(self, prompt: str) -> str:
        """Ask the person at the terminal for a secret."""
        ...


def progress(stream: TextIO, *, terminal: bool) -> Progress:
    """The form that suits the stream."""
    return Bar(stream) if terminal else Lines(stream)


class Lines:
    """One line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def line(self, text: str) -> None:
        """Say it at once. Whether somebody listens is not the work's business."""
        with contextlib.suppress(OSError):
            print(printable(text), file=self._stream, flush=True)

    def tick(self, done: int, expected: int, what: str = "pages", note: str = "") -> None:
        """Say how far we are, if that was long ago."""
        now = time.monotonic()
        if now - self._said >= PLAIN_EVERY_SECONDS:
            self._said = now
            rate = done / (now - self._started)
            left = duration((expected - done) / rate) if rate else "unknown"
            more = f" ({note})" if note else ""
            self.line(f"{done} of about {expected} {what}, {rate:.2g} {what}/s, {left} left{more}")

    def ask(self, prompt: str) -> str:
        """Ask in a line of its own."""
        return getpass.getpass(prompt, stream=self._stream)


class Bar:
    """A bar at the bottom of the terminal; lines scroll above it."""

    def __init__(self, stream: TextIO) -> None:
        # rich takes a tenth of a second to import, which only people at a terminal need to pay
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._stream = stream
        self._bar = Progress(
            BarColumn(),
            TextColumn("{task.completed:.0f} of about {task.total:.0f} {task.fields[what]}"),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[note]}"),
            console=Console(file=stream, highlight=False, markup=False, soft_wrap=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=1, what="", rate="", left="", note="", visible=False)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def line(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(printable(text))

    def tick(self, done: int, expected: int, what: str = "pages", note: str = "") -> None:
        """Move the bar."""
        seconds = time.monotonic() - self._started
        rate = done / seconds if seconds else 0.0
        left = f"{duration((expected - done) / rate)} left" if rate else ""
        self._bar.update(
            self._task,
            completed=done,
            total=expected,
            what=what,
            rate=f"{rate:.2g} {what}/s",
            left=left,
            note=note,
            visible=True,
        )

    def ask(self, prompt: str) -> str:
        """Ask where the bar was: it would be drawn over the prompt."""
        self._bar.stop()
        try:
            return getpass.getpass(prompt, stream=self._stream)
        finally:
            self._bar.start()


def printable(text: str) -> str:
    """One line that does nothing to a terminal: file names may hold anything."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def duration(seconds: float) -> str:
    """ "45 s", "3:20 min" or "2:05 h"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"
