"""One GPU as an instrument: time on it, its clocks, what it does at best, memory it has given out.

Knows: torch's CUDA, nvidia-smi. Does not know: networks, engines. On a CPU (dry runs) the same names measure the host.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import torch

# Side of the square product and bytes of the copy that peaks are taken from; small ones for a dry run.
SIDES, COPIES = {"cuda": 8192, "cpu": 128}, {"cuda": 4 << 30, "cpu": 4 << 20}
QUERY = (
    "name,driver_version,clocks.sm,clocks.mem,power.draw,temperature.gpu,memory.total,clocks_throttle_reasons.active"
)


class Meter:
    """Times work on one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.is_gpu = device.type == "cuda"

    def sync(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[[], object], *, turns: int = 5, warm: int = 2, each: int = 1) -> list[float]:
        """How long the work takes, `turns` times `each` of it, by the host's clock around everything."""
        for _ in range(warm):
            work()
        times = []
        for _ in range(turns):
            self.sync()
            start = time.perf_counter()
            for _ in range(each):
                work()
            self.sync()
            times.append((time.perf_counter() - start) / each)
        return times

    def peaks(self) -> dict[str, float]:
        """TFLOP/s of a large bfloat16 product, GB/s of a copy (read and written) and of a read alone."""
        side, size = SIDES[self.device.type], COPIES[self.device.type]
        a, b = (torch.randn(side, side, device=self.device).to(torch.bfloat16) for _ in range(2))
        product = min(self.seconds(lambda: a @ b))
        source = torch.ones(size // 4, device=self.device)
        target = torch.empty_like(source)
        copy, read = min(self.seconds(lambda: target.copy_(source))), min(self.seconds(source.sum))
        return {
            "TFLOP/s": 2 * side**3 / product / 1e12,
            "copy GB/s": 2 * size / copy / 1e9,
            "read GB/s": size / read / 1e9,
        }

    def clocks(self) -> dict[str, str]:
        """What nvidia-smi says now; empty where there is none."""
        if not self.is_gpu:
            return {}
        try:
            done = subprocess.run(
                ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader", f"--id={self.device.index or 0}"],
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return {"nvidia-smi": str(error)}
        return dict(zip(QUERY.split(","), done.stdout.strip().split(", "), strict=False))

    def forget_peak(self) -> None:
        if self.is_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_bytes(self) -> dict[str, int]:
        """Highest since `forget_peak`: of tensors, and of what torch has taken from the driver for them."""
        if not self.is_gpu:
            return {"allocated": 0, "reserved": 0}
        return {
            "allocated": torch.cuda.max_memory_allocated(self.device),
            "reserved": torch.cuda.max_memory_reserved(self.device),
        }

    def facts(self) -> dict[str, Any]:
        """What was measured on."""
        if not self.is_gpu:
            return {"device": "cpu"}
        found = torch.cuda.get_device_properties(self.device)
        return {
            "device": found.name,
            "processors": found.multi_processor_count,
            "capability": f"{found.major}.{found.minor}",
            "memory": found.total_memory,
            "cuda": torch.version.cuda,
        }


def spread(values: list[float]) -> dict[str, float]:
    """For JSON."""
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}
