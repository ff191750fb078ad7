"""A Ray cluster does what this process does."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from crawl import HERE, corpus, papers, started, wait_for, written

pytest.importorskip("ray", reason="needs Ray: pip install 'smoldocling[ray]'")


def actors(group: int) -> list[int]:
    """Processes below one that read pages."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = (folder / "cmdline").read_bytes().startswith(b"ray::MapWorker")
            if named and group in ancestors(int(folder.name)):
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def ancestors(number: int) -> list[int]:
    """A process, its parent, and so on."""
    line = [number]
    while line[-1] > 1:
        stat = Path(f"/proc/{line[-1]}/stat").read_text()
        line.append(int(stat.rpartition(")")[2].split()[1]))
    return line


def test_a_local_cluster_of_two_gives_the_same_rows_even_if_one_is_killed(tmp_path):
    """Same bytes as without Ray; the documents that the dead one had are given out again."""
    folder = papers(tmp_path / "in", 20, 6)
    options = ("--shard-pages", "50", "--to", "md")
    corpus(folder, "-o", tmp_path / "plain", *HERE, *options)
    out = tmp_path / "out"
    process = started(folder, "-o", out, "--engine", "textlayer", "--ray", "local", "--workers", "2", *options)
    try:
        wait_for(out / ".corpus" / "journal", 240)
        limit = time.monotonic() + 240
        while b'"kind":"page","key":[' not in (out / ".corpus" / "journal").read_bytes().partition(b'"page":0')[2]:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < limit, "no page comes"
            time.sleep(0.05)
        killed = actors(process.pid)[:1]
        for actor in killed:
            os.kill(actor, signal.SIGKILL)
        _, said = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 1, said
    assert "Traceback" not in said, said
    assert (out / "documents.parquet").exists(), said
    assert killed, "otherwise nothing was tested"
    assert written(out) == written(tmp_path / "plain")
