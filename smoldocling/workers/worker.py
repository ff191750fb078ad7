"""The process that works on documents: takes an order, carries it out, says what came of it.

Knows: orders, its one wire. Does not know: who asks, how long it may take, what it is for; torch and transformers.
It is started by smoldocling.workers.child, in the same Python and with its sys.path, but without the caller's __main__.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from smoldocling.errors import SmolDoclingError
from smoldocling.workers import limits
from smoldocling.workers.orders import Bench, Paper, Work
from smoldocling.workers.wire import Closed, Wire


@dataclass(frozen=True, slots=True)
class Task:
    """One order, on the document `key`; its `paper` comes along where it is not open. `forget` these documents first;
    `seconds` of computing end the process.
    """

    key: str
    paper: Paper | None
    work: Work
    forget: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, or what it raised; whether its document is open now, and the bytes of memory in use."""

    value: Any
    error: SmolDoclingError | MemoryError | None
    open: bool
    memory: int


def main(end: int, parent: int, memory: int) -> None:
    """Serve the process `parent` over the socket `end` until it hangs up, with so much memory at most."""
    limits.die_with(parent)
    wire = Wire(socket.socket(fileno=end))
    _one_thread()
    import smoldocling.pages.textlayer  # noqa: F401 - a second of work that no page shall be charged for

    limits.allow(memory)
    bench = Bench()
    try:
        wire.send(None)
        while True:
            wire.send(_done(bench, wire.receive()))
    except Closed:
        return


def _one_thread() -> None:
    """A worker is the work of one processor; onnxruntime, in PyMuPDF's layout model, would take them all."""
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:  # pages are read without the layout model then
        return
    made = onnxruntime.SessionOptions

    def narrow() -> Any:
        options = made()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return options

    onnxruntime.SessionOptions = narrow


def _done(bench: Bench, task: Task) -> Done:
    limits.spend(task.seconds)
    for key in task.forget:
        bench.forget(key)
    value = error = None
    try:
        value = bench.do(task.key, task.paper, task.work)
    except (SmolDoclingError, MemoryError) as raised:
        error = raised.with_traceback(None)
    return Done(value, error, bench.has(task.key), limits.used())
