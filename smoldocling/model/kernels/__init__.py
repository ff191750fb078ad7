"""C for CPUs, compiled once for the machine that it runs on.

Knows: C compilers, where caches live. Does not know: what is computed (step, parts).
Where there is no compiler there are no kernels, and everything runs in plain torch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

FOLDER = Path(__file__).parent
SOURCES = ("step.c", "parts.c")
HEADERS = ("vector.h",)
COMPILERS = ("gcc", "clang", "cc")
# No -ffast-math: by the law in step.c nothing is reordered. OpenMP is the one that torch has loaded, so that both
# have the same threads.
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fopenmp", "-fPIC", "-shared")
COMPILE_SECONDS = 120

KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
"""`enum kind` in vector.h."""
LANES = 16
"""Floats of one vector in vector.h; widths must be multiples."""


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, from the cache or made now, in about two seconds; None where nothing can compile them."""
    for compiler in filter(shutil.which, (os.environ.get("CC", ""), *COMPILERS)):
        try:
            return ctypes.CDLL(str(_compiled(compiler)))
        except (OSError, subprocess.SubprocessError):
            continue  # a compiler without OpenMP, a folder that cannot be written: try the next, or do without
    return None


def _compiled(compiler: str) -> Path:
    """The library for these sources, this compiler and processor."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=COMPILE_SECONDS, check=True
    ).stdout
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in (*SOURCES, *HEADERS)]
    made_of = (*texts, shlex.join(FLAGS), version, _processor())
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    path = _cache_folder() / f"kernels-{digest}.so"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        subprocess.run(
            [compiler, *FLAGS, *(str(FOLDER / name) for name in SOURCES), "-o", str(made), "-lm"],
            capture_output=True,
            timeout=COMPILE_SECONDS,
            check=True,
        )
        made.replace(path)
    return path


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part")))


def _cache_folder() -> Path:
    """Where compiled code lives between runs."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "smoldocling"
