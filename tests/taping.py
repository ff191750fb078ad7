"""A seam whose recordings are real ones, on a CPU: a list of torch's operations with the memory that they work on.

Playing does the operations again on the same memory, as a CUDA graph does: no line of Python of the recorded work runs
again, and what an operation returned lies where it lay when it was recorded. Questions to the device are refused as
capture refuses them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from smoldocling.model.cuda.seam import Host, Work

ASKING = {"_local_scalar_dense", "item", "nonzero", "masked_select", "is_nonzero", "equal", "unique_dim"}


class _Log(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[Any, tuple[Any, ...], dict[str, Any], list[torch.Tensor]]] = []

    def __torch_dispatch__(self, operation: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operation._schema.name.partition("::")[2]
        if name in ASKING or (name == "index" and any(_is_mask(index) for index in tree_leaves(args[1]))):
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        found = operation(*args, **(kwargs or {}))
        outs = [leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        self.done.append((operation, args, kwargs or {}, outs))
        return found


def _is_mask(index: object) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype == torch.bool


class Tape(Host):
    """recorded, played  how often"""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = self.played = 0

    def record(self, work: Work) -> Work:
        work()
        log = _Log()
        with log:
            work()
        self.recorded += 1

        def play() -> None:
            self.played += 1
            with torch.inference_mode():
                for operation, args, kwargs, outs in log.done:
                    _again(operation, args, kwargs, outs)

        return play


def _again(operation: Callable[..., Any], args: Any, kwargs: Any, outs: list[torch.Tensor]) -> None:
    schema = operation._schema  # type: ignore[attr-defined]
    if schema.is_mutable:
        operation(*args, **kwargs)
    elif not any(result.alias_info for result in schema.returns):  # a view needs nothing: its memory is the same
        found = [leaf for leaf in tree_leaves(operation(*args, **kwargs)) if isinstance(leaf, torch.Tensor)]
        for out, value in zip(outs, found, strict=True):
            if out.shape == value.shape:
                out.copy_(value)
