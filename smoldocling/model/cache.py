"""Keys and values of every sequence, in static slots.

Knows: slots, positions, tensors. Does not know: whose slot it is (engine/slots).
Law: positions before a sequence's own length are written; what stands behind is never read.
"""

from __future__ import annotations

import torch

from smoldocling.model.config import Config


class Cache:
    """keys and values: (layers, slots, kv_heads, length, head_dim).

    On a CPU, memory that no sequence has reached yet is address space only.
    """

    def __init__(self, config: Config, slots: int, length: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots, config.kv_heads, length, config.head_dim)
        self.keys = torch.empty(shape, dtype=dtype, device=device)
        self.values = torch.empty(shape, dtype=dtype, device=device)
        self.scales: tuple[torch.Tensor, torch.Tensor] | None = None
        self.slots = slots
        self.length = length

    @staticmethod
    def slot_bytes(config: Config, length: int, dtype: torch.dtype) -> int:
        """What one slot takes when it is full."""
        return config.kv_numbers * length * dtype.itemsize

    def place(
        self, number: int, slots: torch.Tensor, positions: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> None:
        """Write rows of many slots in one layer: slots and positions int64 (rows), the others (rows, kv_heads,
        head_dim) of any precision. Rows that write to one place write the same."""
        self.keys[number][slots, :, positions] = keys.to(self.keys.dtype)
        self.values[number][slots, :, positions] = values.to(self.values.dtype)

    def at(self, number: int, slots: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Copies of whole slots in one layer: (slots, kv_heads, length, head_dim), written or not."""
        keys, values = self.keys[number].index_select(0, slots), self.values[number].index_select(0, slots)
        return keys.to(dtype), values.to(dtype)
