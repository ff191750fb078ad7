"""Keys and values of every sequence, in static slots.

Knows: slots, positions, tensors. Does not know: whose slot it is (engine/slots).
Law: positions before a sequence's own length are written; what stands behind is never read.

In 8 bits (float8_e4m3fn) a head's numbers are divided by a scale of its own before they are rounded. It is set by a
prompt's first rows and stays, so that what is in a slot depends on its own sequence alone. It is a power of two, so
that dividing costs nothing but range, and leaves HEADROOM above the prompt's largest number; what is larger is cut off.
"""

from __future__ import annotations

import torch

from smoldocling.model.config import Config

NARROW = torch.float8_e4m3fn
LARGEST = torch.finfo(NARROW).max
HEADROOM = 4.0


class Cache:
    """keys and values: (layers, slots, kv_heads, length, head_dim).

    On a CPU, memory that no sequence has reached yet is address space only.
    """

    def __init__(self, config: Config, slots: int, length: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots, config.kv_heads, length, config.head_dim)
        self.keys = torch.empty(shape, dtype=dtype, device=device)
        self.values = torch.empty(shape, dtype=dtype, device=device)
        self.scales: tuple[torch.Tensor, torch.Tensor] | None = None
        """Of keys and of values in 8 bits, float32 (layers, slots, kv_heads)."""
        if dtype == NARROW:
            self.scales = (torch.empty(shape[:3], device=device), torch.empty(shape[:3], device=device))
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
        if self.scales:
            keys, values = (
                _squeezed(part, scale[number, slots][:, :, None])
                for part, scale in zip((keys, values), self.scales, strict=True)
            )
        self.keys[number][slots, :, positions] = keys.to(self.keys.dtype)
        self.values[number][slots, :, positions] = values.to(self.values.dtype)

    def at(self, number: int, slots: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Copies of whole slots in one layer: (slots, kv_heads, length, head_dim), written or not."""
        keys, values = self.keys[number][slots].to(dtype), self.values[number][slots].to(dtype)
        if self.scales:
            return tuple(  # type: ignore[return-value] # there are two
                part * scale[number, slots][:, :, None, None].to(dtype)
                for part, scale in zip((keys, values), self.scales, strict=True)
            )
        return keys, values

    def squeeze(self, number: int, slot: int, start: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Write a sequence's next rows in 8 bits, (kv_heads, rows, head_dim); its first rows set its scales."""
        assert self.scales, "only 8 bits have scales"
        for held, scale, new in ((self.keys, self.scales[0], keys), (self.values, self.scales[1], values)):
            if start == 0:
                least = new.float().abs().amax((1, 2)).clamp_min(2.0**-60) * (HEADROOM / LARGEST)
                scale[number, slot] = torch.exp2(torch.ceil(torch.log2(least)))
            part = _squeezed(new, scale[number, slot][:, None, None])
            held[number, slot, :, start : start + new.shape[1]] = part.to(NARROW)

    def opened(self, number: int, slot: int, end: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """A sequence's rows so far, out of 8 bits: (kv_heads, end, head_dim)."""
        assert self.scales, "only 8 bits have scales"
        keys, values = (
            held[number, slot, :, :end].to(dtype) * scale[number, slot][:, None, None].to(dtype)
            for held, scale in ((self.keys, self.scales[0]), (self.values, self.scales[1]))
        )
        return keys, values


def _squeezed(numbers: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    return (numbers.float() / scale).clamp_(-LARGEST, LARGEST)
