"""What a page may cost, and in which words it is said that it wanted more.

Knows: memory, seconds, signals. Does not know: pages, messages, who is asked for what.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass

GIB = 2**30
# The largest picture that is taken, with transparency, needs 3.4 GiB while it is turned upright.
MEMORY = 4 * GIB
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one page may take.

    seconds  wall time, but for what it waits for a processor that others have: a busy machine is not the page's fault
    memory   bytes that a process may have in use
    """

    seconds: float = TIMEOUT_SECONDS
    memory: int = MEMORY

    @property
    def too_long(self) -> str:
        """What is said of a page that takes longer."""
        return f"took longer than {self.seconds:g} s"

    @property
    def too_large(self) -> str:
        """What is said of a page that needs more memory."""
        return f"needed more than {self.memory / GIB:.3g} GiB of memory"


def ended(status: int, limits: Limits) -> str:
    """Why a process has ended, from its exit status; negative: the signal."""
    if status >= 0:
        return f"the reader ended by itself (exit status {status})"
    if -status == getattr(signal, "SIGXCPU", None):
        return limits.too_long
    if -status == getattr(signal, "SIGKILL", None):
        return "the reader was killed (signal 9)"
    return f"the reader crashed (signal {-status})"


def used(pid: int | str = "self") -> int:
    """Bytes of memory that a process has in use; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def effort(pid: int) -> tuple[bool, float] | None:
    """Whether a process wants a processor right now, and the seconds that it has had of one; None: nobody can tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            facts = file.read().rpartition(b")")[2].split()
        return facts[0] == b"R", (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


def allow(memory: int) -> None:
    """Let this process have so many bytes more than it has now: the net under who watches it from outside."""
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(OSError, ValueError), open("/proc/self/statm", "rb") as file:
        reserved = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (reserved + 2 * memory, resource.RLIM_INFINITY))


def spend(seconds: float) -> None:
    """Let this process compute for so long from now on, whoever watches it; then it ends."""
    if sys.platform == "win32":
        return
    import resource

    times = os.times()
    most = int(times.user + times.system + seconds) + 1
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def die_with(parent: int) -> None:
    """End this process when the thread that started it ends, even in the middle of a call that never returns."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG of <sys/prctl.h>
    if os.getppid() != parent:
        os._exit(1)
