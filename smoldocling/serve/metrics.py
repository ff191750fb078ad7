"""What a server has done, counted, in the text format of Prometheus.

Knows: names, labels, numbers. Does not know: what they count.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

PREFIX = "smoldocling_"
# Seconds: a born-digital page takes hundredths, a document that a model reads minutes.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name."""

    kind: Literal["counter", "gauge", "histogram"]
    about: str


FAMILIES = {
    "requests_total": Family("counter", "Requests answered, by route and status."),
    "documents_total": Family("counter", "Documents done, by what became of them."),
    "pages_total": Family("counter", "Pages of documents done, by what became of them."),
    "completions_total": Family("counter", "Chat completions done, by how they ended."),
    "tokens_total": Family("counter", "Tokens read in prompts and written in answers of chat completions."),
    "received_bytes_total": Family("counter", "Bytes of documents received."),
    "document_seconds": Family("histogram", "From the beginning of the work on a document to its end."),
    "working": Family("gauge", "Documents and page images that are being read."),
    "waiting": Family("gauge", "Documents and page images that wait for their turn, or are on their way to us."),
    "jobs": Family("gauge", "Jobs that can be asked about."),
    "kept_bytes": Family("gauge", "Memory that results of jobs take."),
    "memory_bytes": Family("gauge", "Memory of this process."),
}


class Metrics:
    """Counters, gauges and one histogram. May be used in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = defaultdict(float)
        self._gauges: dict[str, Callable[[], float]] = {}

    def count(self, name: str, by: float = 1, /, **labels: str) -> None:
        """One more, or so many."""
        assert FAMILIES[name].kind == "counter", f"{name} is no counter"
        with self._lock:
            self._counts[name][tuple(labels.items())] += by

    def took(self, name: str, seconds: float) -> None:
        """One more for a histogram."""
        assert FAMILIES[name].kind == "histogram", f"{name} is no histogram"
        with self._lock:
            buckets = self._buckets.setdefault(name, [0] * (len(BUCKETS) + 1))
            buckets[bisect_left(BUCKETS, seconds)] += 1
            self._sums[name] += seconds

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """A number that is looked up when somebody asks."""
        assert FAMILIES[name].kind == "gauge", f"{name} is no gauge"
        self._gauges[name] = value

    def text(self) -> str:
        """All of it."""
        lines = []
        with self._lock:
            for name, family in FAMILIES.items():
                lines += [f"# HELP {PREFIX}{name} {family.about}", f"# TYPE {PREFIX}{name} {family.kind}"]
                if name in self._gauges:
                    lines.append(f"{PREFIX}{name} {_number(self._gauges[name]())}")
                for labels, value in sorted(self._counts[name].items() if name in self._counts else ()):
                    lines.append(f"{PREFIX}{name}{_labels(labels)} {_number(value)}")
                if family.kind == "histogram":
                    lines += self._histogram(name)
        return "\n".join(lines) + "\n"

    def _histogram(self, name: str) -> list[str]:
        total, lines = 0, []
        for bound, count in zip((*BUCKETS, None), self._buckets.get(name, [0] * (len(BUCKETS) + 1)), strict=True):
            total += count
            edge = "+Inf" if bound is None else f"{bound:g}"
            lines.append(f'{PREFIX}{name}_bucket{{le="{edge}"}} {total}')
        return [*lines, f"{PREFIX}{name}_sum {_number(self._sums[name])}", f"{PREFIX}{name}_count {total}"]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = ((name, value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
