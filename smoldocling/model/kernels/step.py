"""Hands the decoder's tensors to step.c.

Knows: the layout of the structs there. Does not know: what a step means, compilers.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch

from smoldocling.model.cache import Cache
from smoldocling.model.config import Config
from smoldocling.model.decoder import Span, Text
from smoldocling.model.kernels import KINDS, LANES
from smoldocling.model.linear import Int8Weights, Plain

# Limits of step.c.
MAX_HEAD_DIM, MAX_GROUP = 128, 8


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


class Step:
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

    def __call__(
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

    def _matrix(self, linear: Plain | Int8Weights) -> _Matrix:
        scale = self._floats(linear.scale) if isinstance(linear, Int8Weights) else None
        return _Matrix(self._hold(linear.weight), scale, KINDS[linear.weight.dtype])

    def _floats(self, tensor: torch.Tensor) -> int:
        return self._hold(tensor.float())

    def _hold(self, tensor: torch.Tensor) -> int:
        assert tensor.is_contiguous(), "step.c reads rows one behind the other"
        self._held.append(tensor)
        return tensor.data_ptr()


def fits(config: Config, text: Text) -> bool:
    """Whether step.c computes such a network where its weights lie."""
    return (
        text.embedding.device.type == "cpu"
        and text.embedding.dtype in KINDS
        and all(size % LANES == 0 for size in (config.width, config.inner, config.head_dim))
        and config.head_dim <= MAX_HEAD_DIM
        and config.heads // config.kv_heads <= MAX_GROUP
    )
