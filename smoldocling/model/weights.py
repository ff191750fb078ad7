"""A checkpoint's tensors under transformers' names, each asked for once, with its shape.

Knows: names and shapes. Does not know: what is computed with them. Law: every tensor of the files is taken, and every
tensor taken is in the files; a file with more or less holds another network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from smoldocling.errors import UnknownNetwork

# Files of older writers hold a table that is computed here.
COMPUTED = ("rotary_emb.inv_freq", "position_ids")


class Weights:
    """Hands out tensors as `dtype` on the CPU. What the files hold in that dtype is memory-mapped."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> None:
        self._tensors = tensors
        self._taken: set[str] = set()
        self.dtype = dtype

    def take(self, name: str, *shape: int) -> torch.Tensor:
        """One tensor. Raises UnknownNetwork if it is not there, has another shape, or is quantised."""
        if name not in self._tensors:
            raise _other(f"there is no {name}")
        tensor = self._tensors[name]
        if tuple(tensor.shape) != shape:
            raise _other(f"{name} has shape {tuple(tensor.shape)} where config.json says {shape}")
        if not tensor.is_floating_point() or tensor.element_size() < 2:
            raise _other(f"{name} is quantised ({tensor.dtype})")
        self._taken.add(name)
        return tensor.to(self.dtype)

    def join(self, names: tuple[str, ...], rows: tuple[int, ...], *columns: int) -> torch.Tensor:
        """Several tensors on top of each other, so that one product does the work of all."""
        parts = [self.take(name, count, *columns) for name, count in zip(names, rows, strict=True)]
        return torch.cat(parts)

    def ignore(self, name: str) -> None:
        """A tensor that may be there and is not needed."""
        self._taken.add(name)

    def finish(self) -> None:
        """Raises UnknownNetwork if the files hold more than was taken."""
        left = sorted(name for name in self._tensors if name not in self._taken and not name.endswith(COMPUTED))
        if left:
            raise _other(f"nothing takes {left[0]}" + (f" and {len(left) - 1} more" if len(left) > 1 else ""))


def _other(reason: str) -> UnknownNetwork:
    return UnknownNetwork(
        f"the weights are not those of a network that the native engine computes ({reason}); try --engine transformers"
    )
