"""How much memory is free, and for how many pages at a time that is enough.

Knows: operating systems, containers, devices. Does not know: what lies in memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

# Pages that are written together at most: where a step with twice as many takes twice as long. Measured on two cores
# with AMX, 256M network, bfloat16, 1800 positions each: 1 page 9 ms, 8 pages 16.5, 16 pages 30. On "cuda" by
# arithmetic, not measured: weights are read once for 128 pages, and twice as many are in flight, one half while the
# host is at the other.
MOST_PAGES = {"cpu": 16, "cuda": 256}

# What one page fills on a CPU, where positions take memory only when they are reached: a prompt of 26 tiles and an
# answer of 2300 ids. The longest pages of our samples write 4100; few do, and not all at once.
EXPECTED_POSITIONS = 4096

# Of a computer's free memory others need some too: rendering, file caches, the system.
CPU_SHARE = 0.5
# Workspaces of a device's libraries: 32 MB for each queue on Hopper, and what its driver loads with the first kernels.
LIBRARY_BYTES = 256 << 20
# Where the system does not say what is free. Loading the network took as much.
GUESSED_BYTES = 2 << 30


def pages(device: torch.device, page_bytes: int, work_bytes: int = 0) -> int:
    """For how many pages there is room, at least one: too little is found out when it is used.

    work_bytes  what a device needs beside weights and pages; on a CPU that is in what is left for others
    """
    is_cpu = device.type == "cpu"
    usable = int(available_bytes() * CPU_SHARE) if is_cpu else _device_bytes(device) - LIBRARY_BYTES - work_bytes
    return max(1, usable // page_bytes)


def reserves_all(device: torch.device, root: Path = Path("/")) -> bool:
    """Whether a slot takes all of its memory at once, and not as it is filled."""
    if device.type != "cpu" or sys.platform == "win32":  # Windows counts memory when it is asked for
        return True
    text = _read(root / "sys/kernel/mm/transparent_hugepage/enabled")
    return "[always]" in text  # pages of 2 MB, where a head's part of a slot has one


def available_bytes(root: Path = Path("/")) -> int:
    """What this process may still take of the computer's memory: the least of all that limits it."""
    return min([_system_bytes(root), *_cgroup_bytes(root)])


def _device_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return GUESSED_BYTES


def _system_bytes(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return GUESSED_BYTES
    # macOS does not count what it could free; half of what is built in is what other programs usually leave.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _cgroup_bytes(root: Path) -> Iterator[int]:
    """What each control group around this process still allows, in both versions of their files.

    Caches of files count as use there, although the kernel gives those up first.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            mount = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        group = mount / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount):
                yield from _group_bytes(folder, *names)


def _group_bytes(folder: Path, limit_name: str, used_name: str, cached_name: str) -> Iterator[int]:
    limit, used = _read(folder / limit_name).strip(), _read(folder / used_name).strip()
    if limit.isdigit() and used.isdigit():  # without a limit it says "max"
        lines = (line.split() for line in _read(folder / "memory.stat").splitlines())
        cached = next((int(words[1]) for words in lines if words[0] == cached_name), 0)
        yield max(0, int(limit) - int(used) + cached)


def _read(path: Path) -> str:
    """A file of the system, empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
