"""What torch computes on, in which precision, and how it says that memory is full.

Knows: torch's devices. Does not know: networks, requests.
"""

from __future__ import annotations

import contextlib
from typing import Any

import torch

from smoldocling.errors import UnusableOption

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The torch device of that name. Raises UnusableOption for one that is not there."""
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UnusableOption(f"device {name!r} cannot be used here ({reason}); take auto or cpu") from error
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch dtype of that name; "auto" is bfloat16 where the hardware multiplies in it. Raises UnusableOption."""
    if name in DTYPES:
        return DTYPES[name]
    if name != "auto":
        raise UnusableOption(f"dtype {name!r}: auto, {', '.join(DTYPES)}, with --engine native also int8")
    if device.type == "cuda":  # float16 instead overflows in this family ("!!!!!" on a T4)
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        abilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        native = bool(abilities.get("amx_bf16") or abilities.get("avx512_bf16"))
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


def is_out_of_memory(error: Exception) -> bool:
    """CUDA has a class for it; the allocators of CPU and MPS only a message."""
    text = str(error)
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError) or "out of memory" in text or "allocate memory" in text
    )


def empty_cache(device: torch.device) -> None:
    """Give back what the allocator holds without needing it."""
    if device.type != "cpu":
        with contextlib.suppress(RuntimeError):  # a device that has failed says so again with the next batch
            torch.accelerator.memory.empty_cache()
