"""What is installed and what would run, as rows of name and value.

Knows: versions, devices, checkpoints. Does not know: terminals.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from smoldocling import checkpoint
from smoldocling.errors import SmolDoclingError, UnknownNetwork
from smoldocling.model import config as shapes

PACKAGES = ("torch", "transformers", "tokenizers", "docling-core", "pymupdf", "pillow", "docling")


def report(model: str) -> Iterator[tuple[str, str]]:
    """Rows for people."""
    yield "smoldocling", version("smoldocling")
    yield "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for package in PACKAGES:
        yield package, _version(package)
    yield from _devices()
    cached = checkpoint.cached()
    yield "checkpoints", ", ".join(found.name for found in cached) if cached else "none in the cache"
    yield "would run", _would_run(model)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    yield "cpu", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(index)
            yield f"cuda:{index}", f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
    else:
        yield "cuda", "none"
    if torch.backends.mps.is_available():
        yield "mps", "available"


def _would_run(model: str) -> str:
    try:
        found = checkpoint.find(model, local_only=True)
    except SmolDoclingError as error:
        return f"the text layer of born-digital PDFs; {error}"
    try:
        shapes.read(found.config, found.tile_px)
    except UnknownNetwork:
        return f"{found.name} from {found.folder}, with transformers"
    return f"{found.name} from {found.folder}, with the native engine, {_code()}"


def _code() -> str:
    """Whether the CPU's own code can be compiled here."""
    from smoldocling.model import kernels

    return "compiled for this CPU" if kernels.library() else "in plain torch (no C compiler with OpenMP was found)"
