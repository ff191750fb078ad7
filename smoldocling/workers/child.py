"""One worker process, as its parent sees it: started, asked, watched, ended.

Knows: one process, its limits, the documents that it has open. Does not know: other workers, whose turn it is.
Law: whatever the process does, `ask` answers or raises Lost within the limits, and after Lost the process is dead.
It belongs to the thread that made it: Linux ends it with that thread, also where the whole program is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from typing import Any

from smoldocling.workers import limits
from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Paper, Work
from smoldocling.workers.wire import Closed, Wire
from smoldocling.workers.worker import Done, Task

# The parent's modules may come from anywhere, and its __main__ must not be run again.
BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from smoldocling.workers.worker import main; main(*map(int, sys.argv[2:]))"
)
# How often memory and time are looked at while a page is waited for.
SLICE_SECONDS = 0.05
# A machine under heavy load takes half a minute to import PyMuPDF.
START_SECONDS = 120.0
# What is waited for in vain by a program that was stopped for a while (Ctrl-Z) is not the page's fault.
LONGEST_SLICE = 1.0
# How many documents stay open in a worker: what belongs together comes together.
OPEN = 4
# A process that hangs up is about to end; it is given so long to do so.
ENDING_SECONDS = 2.0


class Lost(Exception):
    """The process is dead; the message is the reason as it is told to people."""


class Broken(Exception):
    """A process did not start. `passing`: that was somebody else's doing, and the next one may."""

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.passing = passing


class Child:
    """A running worker."""

    def __init__(self, memory: int) -> None:
        """Start one. Raises Broken."""
        self._memory = memory
        self._open: dict[str, None] = {}
        self.tasks = 0
        self.used = 0
        """Bytes of memory after its last task."""
        ours, theirs = socket.socketpair()
        self._wire = Wire(ours, SLICE_SECONDS)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", BOOT, _path(), *map(str, (theirs.fileno(), os.getpid(), memory))],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
            self._receive(Limits(START_SECONDS, memory), lambda: False)
        except OSError as error:  # no memory for one process more, no number
            self.end()
            raise Broken(f"no worker process can be started: {error}", passing=True) from None
        except Lost as error:
            status = self._process.poll() if self._process is not None else None
            said = self._said()
            self.end()
            killed = status is not None and status < 0
            raise Broken(f"no worker process can be started: {said or error}", passing=killed) from None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None, "it has been started"
        return self._process.pid

    @property
    def holds(self) -> Collection[str]:
        """The keys of the documents that it has open."""
        return self._open.keys()

    def ask(
        self, paper: Paper, work: Work, allowed: Limits, given_up: Callable[[], bool], wanted: Collection[str]
    ) -> Any:
        """What comes of an order. Raises Lost, and what the work raises.

        given_up  asked from time to time: True kills the process
        wanted    documents that are still needed; it may close others
        """
        forget = [key for key in self._open if key not in wanted]
        left = [key for key in self._open if key not in forget and key != paper.key]
        forget += left[: max(0, len(left) - OPEN + 1)]
        for key in forget:
            del self._open[key]
        known = paper.key in self._open
        self._open.pop(paper.key, None)
        self.tasks += 1
        try:
            with contextlib.suppress(Closed):  # who has hung up has not answered
                task = Task(paper.key, None if known else paper, work, tuple(forget), 2 * allowed.seconds + 5)
                self._wire.send(task, self._watch(allowed, given_up))
            done = self._receive(allowed, given_up)
        except BaseException:
            self.end()
            raise
        assert isinstance(done, Done), "a worker answers with Done"
        self.used = done.memory
        if done.open:
            self._open[paper.key] = None
        if isinstance(done.error, MemoryError):
            self.end()
            raise Lost(allowed.too_large)
        if done.error is not None:
            raise done.error
        return done.value

    def end(self) -> None:
        """Kill it; it has nothing that could be lost. Do it twice, and nothing happens."""
        self._wire.close()
        self._errors.close()
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()
            self._process.wait()

    def _receive(self, allowed: Limits, given_up: Callable[[], bool]) -> Any:
        try:
            return self._wire.receive(self._watch(allowed, given_up))
        except Closed:
            raise Lost(limits.ended(self._status(), allowed)) from None
        except Lost:
            raise
        except Exception as error:
            raise Lost(f"the reader's answer makes no sense: {type(error).__name__}") from error

    def _status(self) -> int:
        assert self._process is not None, "somebody has hung up"
        try:
            return self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _watch(self, allowed: Limits, given_up: Callable[[], bool]) -> Callable[[], None]:
        """What is to be looked at while nothing moves."""
        assert self._process is not None, "it has been started"
        pid = self._process.pid
        waited, last, before = 0.0, time.monotonic(), limits.effort(pid)

        def look() -> None:
            nonlocal waited, last, before
            now, after = time.monotonic(), limits.effort(pid)
            if before is not None and after is not None and after[0]:
                waited += after[1] - before[1]
            else:
                waited += min(now - last, LONGEST_SLICE)
            last, before = now, after
            if waited > allowed.seconds:
                raise Lost(allowed.too_long)
            if limits.used(pid) > allowed.memory:
                raise Lost(allowed.too_large)
            if given_up():
                raise Lost("nobody wants it any more")

        return look

    def _said(self) -> str:
        """The last line that it wrote to stderr."""
        with contextlib.suppress(OSError, ValueError):
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


def _path() -> str:
    return json.dumps([os.path.abspath(entry) if isinstance(entry, str) else entry for entry in sys.path])
