"""A command and its processes while they work: memory, and what there is to kill. Linux only.

Knows: /proc, signals. Does not know: what the command does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.2
ROOT = Path(__file__).resolve().parent.parent
MB = 1e6


@dataclass
class Command:
    """A running `smoldocling`. `samples`: (seconds, resident bytes of itself, of its children)."""

    process: subprocess.Popen[bytes]
    said: Path
    samples: list[tuple[float, float, float]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def watch(self, limit: float = float("inf")) -> int | None:
        """Wait for its end, looking at its memory; the exit status, or None where it takes longer."""
        while (status := self.process.poll()) is None:
            own, children = resident(self.process.pid), sum(map(resident, below(self.process.pid)))
            elapsed = time.monotonic() - self.started
            self.samples.append((elapsed, own, children))
            if elapsed > limit:
                return None
            time.sleep(SAMPLE_SECONDS)
        return status

    def kill(self, after: float) -> bool:
        """Kill all its processes after so many seconds; whether it was still at work."""
        try:
            self.process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            return True
        return False


def start(arguments: Sequence[object], said: Path, before: str = "") -> Command:
    """Run `smoldocling` with these arguments in a group of its own; what it says on stderr goes to the file.

    before  Python that is run in the process first
    """
    code = f"{before}\nfrom smoldocling.cli import main\nmain()"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
            cwd=ROOT,
        )
    return Command(process, said)


def below(number: int) -> list[int]:
    """A process's children and theirs."""
    found = []
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:  # it has ended
            continue
        found += children
        for child in children:
            found += below(child)
    return found


def resident(number: int) -> float:
    """Bytes that a process has in memory; 0 where it has ended."""
    try:
        words = Path(f"/proc/{number}/statm").read_text().split()
    except OSError:
        return 0.0
    return float(int(words[1]) * os.sysconf("SC_PAGE_SIZE"))


class Disturber(threading.Thread):
    """Sends a signal to one of a command's children, each time that it has written so many bytes to a file."""

    def __init__(self, command: Command, number: signal.Signals, file: Path, more: int, times: int) -> None:
        super().__init__(daemon=True)
        self.hits = 0
        self._command, self._number, self._file, self._more, self._times = command, number, file, more, times

    def run(self) -> None:
        before = 0
        while self.hits < self._times and self._command.process.poll() is None:
            time.sleep(SAMPLE_SECONDS / 10)
            size = self._file.stat().st_size if self._file.exists() else 0
            before = min(before, size)  # it has begun anew
            if size < before + self._more:
                continue
            before = size
            for child in below(self._command.process.pid)[:1]:
                os.kill(child, self._number)
                self.hits += 1
