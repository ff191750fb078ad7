"""Runs openvino_peer.py in the environment that it needs, and puts its figures beside ours.

Knows: its options and its report. Does not know: OpenVINO.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.figures import Row, Values
from smoldocling.engine.sequence import Request

SCRIPT = Path(__file__).with_name("openvino_peer.py")
PARTS = "vision,decode1,decode8,pages"
# Linux counts the parent's memory as the child's highest (execve(2) keeps ru_maxrss), so the parent is a shell.
SMALL_PARENT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
# The batch size of its decode8.
BATCH = 8
PRECISION = "bf16"

Figures = dict[str, Any]


def run(
    python: Path, folder: Path, requests: Sequence[Request], cache: Path | None, options: Mapping[str, int]
) -> Figures:
    """Its report on the checkpoint in `folder`. Exporting takes minutes where `cache` has no model of it yet."""
    with tempfile.TemporaryDirectory() as temporary:
        archive = Path(temporary) / "pages.npz"
        arrays: dict[str, Any] = {}
        for number, request in enumerate(requests):
            arrays[f"tiles_{number}"] = request.tiles
            arrays[f"ids_{number}"] = np.array(request.ids, np.int64)
            arrays[f"new_tokens_{number}"] = request.max_new_tokens
        np.savez(archive, **arrays)
        command = [python, SCRIPT, folder, "--cache", cache or temporary, "--pages", archive, "--precision", PRECISION]
        command += ["--parts", PARTS, "--threads", torch.get_num_threads()]
        for name, value in options.items():
            command += [f"--{name}", value]
        done = subprocess.run([*SMALL_PARENT, *map(str, command)], stdout=subprocess.PIPE, text=True, check=True)
    report: Figures = json.loads(done.stdout.splitlines()[-1])
    return report


def beside(rows: Iterable[Row], report: Figures, batch: int) -> list[Row]:
    """The same rows with OpenVINO's figures where it has any. float32 stands alone: the report is of bfloat16."""
    values = _values(report, batch)
    return [replace(row, peer=values.get(row.what, ()) if row.dtype != "float32" else ()) for row in rows]


def _values(report: Figures, batch: int) -> dict[str, Values]:
    """By the name of our row, in its unit, times in seconds."""
    alone, together = report["decode1"], report["decode8"]
    found = {
        "vision": _spread(report["vision"]["s"]),
        "first token": _spread(alone["first_token_s"]),
        "step at batch 1": _spread(alone["ms_a_token"], 1e-3),
        f"step at batch {BATCH}": _spread(together["ms_a_step"], 1e-3),
        "memory, peak": (float(alone["peak_mb"] - report["start_mb"]),),
    }
    for size in (1, BATCH):
        found[f"tokens at batch {size}"] = tuple(size / value for value in found[f"step at batch {size}"])
    whole = report["pages"]
    found[f"pages at batch {batch}"] = (whole[f"batch_{batch}"]["pages_a_minute"],)
    found["tokens of all pages"] = (whole[f"batch_{batch}"]["tokens_a_second"],)
    return found


def _spread(figures: Figures, unit: float = 1) -> Values:
    return tuple(figures[name] * unit for name in ("least", "median", "most"))
