"""Where and on what a figure was taken.

Knows: git, versions, Linux. Does not know: figures.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
# Instructions that decide how fast low precisions are.
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8")
ARM_FLAGS = ("asimddp", "i8mm", "bf16")


def facts() -> dict[str, Any]:
    """For the head of a table and for JSON."""
    return {
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu("model name") or platform.machine(),
        "cpus": os.cpu_count(),
        "flags": [flag for flag in FLAGS + ARM_FLAGS if flag in (_cpu("flags") or _cpu("Features")).split()],
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
    }


def seconds_elsewhere() -> float:
    """CPU seconds so far of all but this process and its children that have ended; of other guests' too, if told.

    Figures from a machine that was busy with something else say little.
    """
    words = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    user, nice, system, _idle, _waiting, interrupts, soft, steal = map(int, words[1:9])
    own = os.times()
    busy = (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")
    return busy - (own.user + own.system + own.children_user + own.children_system)


def commit() -> str:
    """Short name of the commit, with a plus where the package has been changed since."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "--", "smoldocling") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _cpu(name: str) -> str:
    """The first processor's line of that name in /proc/cpuinfo, empty where it has none."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")
