"""Compiles kernels.c once for this machine and hands it the decoder's tensors.

Knows: C compilers, where caches live, the layout of the structs in kernels.c. Does not know: what a step means.
Where there is no compiler, there are no kernels, and the decoder runs in plain torch.
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
from collections.abc import Sequence
from pathlib import Path

import torch

from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.decoder import Span, Text
from smoldocling.model.linear import Eights, Plain

SOURCE = Path(__file__).with_name("kernels.c")
COMPILERS = ("gcc", "clang", "cc")
# No -ffast-math: the law in kernels.c is that nothing is reordered.
FLAGS = ("-O3", "-march=native", "-std=gnu11", "-fopenmp", "-fPIC", "-shared")
KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
# The floats of one vector in kernels.c, and its largest head.
LANES, MAX_HEAD_DIM, MAX_GROUP = 16, 128, 8
COMPILE_SECONDS = 120


class _Matrix(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("scale", ctypes.c_void_p), ("kind", ctypes.c_int32))


class _Layer(ctypes.Structure):
    _fields_ = (
        ("attention_norm", ctypes.c_void_p),
        ("inner_norm", ctypes.c_void_p),
        ("qkv", _Matrix),
        ("out", _Matrix),
        ("gate_up", _Matrix),
        ("down", _Matrix),
    )


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in "layers width inner heads kv_heads head_dim vocab threads".split()),
        ("eps", ctypes.c_float),
        ("cosines", ctypes.c_void_p),
        ("sines", ctypes.c_void_p),
        ("norm", ctypes.c_void_p),
        ("embedding", _Matrix),
        ("head", _Matrix),
        ("layer", ctypes.POINTER(_Layer)),
    )


class _Cache(ctypes.Structure):
    _fields_ = (
        ("keys", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("slots", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("kind", ctypes.c_int32),
    )


class Kernels:
    """The decoder's step for one network. Holds on to every tensor that C has a pointer to."""

    def __init__(self, library: ctypes.CDLL, config: Config, text: Text) -> None:
        self._step = library.smoldocling_step
        self._vocab = config.vocab_size
        self._held: list[torch.Tensor] = []
        layers = (_Layer * config.layers)(
            *(
                _Layer(
                    self._floats(layer.attention_norm),
                    self._floats(layer.inner_norm),
                    *(self._matrix(part) for part in (layer.qkv, layer.out, layer.gate_up, layer.down)),
                )
                for layer in text.layers
            )
        )
        self._network = _Network(
            layers=config.layers,
            width=config.width,
            inner=config.inner,
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            vocab=config.vocab_size,
            threads=torch.get_num_threads(),
            eps=config.eps,
            cosines=self._floats(text.cosines),
            sines=self._floats(text.sines),
            norm=self._floats(text.norm),
            embedding=_Matrix(self._hold(text.embedding), None, KINDS[text.embedding.dtype]),
            head=self._matrix(text.head),
            layer=layers,
        )

    def step(
        self, ids: Sequence[int], spans: Sequence[Span], cache: Cache, logits: torch.Tensor | None = None
    ) -> list[int]:
        """The likeliest id after each row. Rows lie in the order of the spans, those of one slot side by side.

        logits  float32 (rows, vocab_size) to be filled, or None
        """
        rows = len(ids)
        slots = [span.slot for span in spans for _ in range(span.count)]
        positions = [span.start + row for span in spans for row in range(span.count)]
        array = ctypes.c_int32 * rows
        found = array()
        held = _Cache(
            cache.keys.data_ptr(), cache.values.data_ptr(), cache.slots, cache.length, KINDS[cache.keys.dtype]
        )
        failed = self._step(
            ctypes.byref(self._network),
            ctypes.byref(held),
            rows,
            array(*ids),
            array(*slots),
            array(*positions),
            found,
            ctypes.c_void_p(None if logits is None else logits.data_ptr()),
        )
        if failed:
            raise MemoryError(f"no memory for a step of {rows} rows")
        return list(found)

    def _matrix(self, linear: Plain | Eights) -> _Matrix:
        scale = self._floats(linear.scale) if isinstance(linear, Eights) else None
        return _Matrix(self._hold(linear.weight), scale, KINDS[linear.weight.dtype])

    def _floats(self, tensor: torch.Tensor) -> int:
        return self._hold(tensor.float())

    def _hold(self, tensor: torch.Tensor) -> int:
        assert tensor.is_contiguous(), "kernels.c reads rows one behind the other"
        self._held.append(tensor)
        return tensor.data_ptr()


def fits(config: Config, text: Text) -> bool:
    """Whether kernels.c computes such a network where its weights lie."""
    return (
        text.embedding.device.type == "cpu"
        and text.embedding.dtype in KINDS
        and all(size % LANES == 0 for size in (config.width, config.inner, config.head_dim))
        and config.head_dim <= MAX_HEAD_DIM
        and config.heads // config.kv_heads <= MAX_GROUP
    )


@functools.cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels, from the cache or made now (about a second); None where nothing can compile them."""
    for compiler in filter(shutil.which, (os.environ.get("CC", ""), *COMPILERS)):
        try:
            return ctypes.CDLL(str(_compiled(compiler)))
        except (OSError, subprocess.SubprocessError):
            continue  # a compiler without OpenMP, a folder that cannot be written: try the next, or do without
    return None


def _compiled(compiler: str) -> Path:
    """The library for this source, compiler and processor."""
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, text=True, timeout=COMPILE_SECONDS, check=True
    ).stdout
    made_of = (SOURCE.read_text(encoding="utf-8"), shlex.join(FLAGS), version, _processor())
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    path = _cache_folder() / f"kernels-{digest}.so"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        subprocess.run(
            [compiler, *FLAGS, str(SOURCE), "-o", str(made), "-lm"],
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
