"""How much memory is free is read from the system as it says it; the least of all limits counts."""

from pathlib import Path

import pytest
import torch

from smoldocling.engine import room

CPU = torch.device("cpu")
GB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = {"proc/meminfo": f"MemTotal: {32 << 20} kB\nMemFree: 100 kB\nMemAvailable:   {16 << 20} kB\n"}
VERSION_2 = {
    "proc/self/cgroup": "0::/jobs/one\n",
    "sys/fs/cgroup/jobs/one/memory.max": "max\n",
    "sys/fs/cgroup/jobs/one/memory.current": f"{2 * GB}\n",
    "sys/fs/cgroup/jobs/memory.max": f"{8 * GB}\n",
    "sys/fs/cgroup/jobs/memory.current": f"{6 * GB}\n",
    "sys/fs/cgroup/jobs/memory.stat": f"anon {4 * GB}\nfile {2 * GB}\ninactive_file {GB}\n",
}
VERSION_1 = {
    "proc/self/cgroup": "8:pids:/one\n4:cpu,memory:/docker/one\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{20 * GB}\n",
    "sys/fs/cgroup/memory/docker/one/memory.limit_in_bytes": f"{4 * GB}\n",
    "sys/fs/cgroup/memory/docker/one/memory.usage_in_bytes": f"{3 * GB}\n",
    "sys/fs/cgroup/memory/docker/one/memory.stat": f"inactive_file 5\ntotal_inactive_file {GB}\n",
}
# In a container the path is the host's, and only the container's own files are there.
CONTAINER = {
    "proc/self/cgroup": "4:memory:/docker/abcdef\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4 * GB}\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{5 * GB}\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MEMINFO, 16 * GB),
        (MEMINFO | VERSION_2, 3 * GB),
        (MEMINFO | VERSION_1, 2 * GB),
        (MEMINFO | CONTAINER, 0),
        (MEMINFO | {"proc/self/cgroup": "0::/\n"}, 16 * GB),
        (MEMINFO | VERSION_2 | {"sys/fs/cgroup/jobs/one/memory.current": "?\n"}, 3 * GB),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    """A container that takes what the machine has is killed in the middle of a run, without a word."""
    assert room.available_bytes(write(tmp_path, files)) == expected


def test_a_system_that_says_nothing_has_some_memory(tmp_path: Path) -> None:
    """macOS and Windows have no such files."""
    assert room.available_bytes(tmp_path) > GB


def test_this_machine_has_memory() -> None:
    """The real files can be read, whatever they are here."""
    assert 0 < room.available_bytes() < 1 << 50


def test_pages_share_what_is_free_and_one_always_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it stays for others. With too little, one page is tried all the same."""
    monkeypatch.setattr(room, "available_bytes", lambda: 10 * GB)
    assert room.pages(CPU, GB) == 5
    assert room.pages(CPU, 6 * GB) == 1


@pytest.mark.parametrize(("setting", "whole"), [("always [madvise] never", False), ("[always] madvise never", True)])
def test_large_pages_of_memory_are_taken_at_once(tmp_path: Path, setting: str, whole: bool) -> None:
    """A head's part of a slot is no larger than one of them, so the first position takes it all."""
    root = write(tmp_path, {"sys/kernel/mm/transparent_hugepage/enabled": setting + "\n"})
    assert room.reserves_all(CPU, root) is whole
    assert room.reserves_all(torch.device("meta"), root)
