"""One line of the table: what was measured, on every side.

Knows: numbers, units, how they stand beside each other. Does not know: how they were measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.limits import INT8, Limits, Work

# Of seconds, in which these are kept. All other units are kept as they are shown.
TIMES = {"s": 1, "ms": 1000}
# Where more is better.
RATES = ("pages/min", "tokens/s")

COLUMNS = (
    *(("what", 30), ("unit", 10), ("dtype", 10), ("ours", 22), ("transformers", 22), ("OpenVINO", 22)),
    *(("x transf.", 10), ("x OpenV.", 10), ("of limit", 10), ("transf. of limit", 17)),
)

Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Values are those of all turns, times in seconds; empty where nothing was measured.

    dtype   ours; transformers' is the one that stands beside it, OpenVINO's is bfloat16
    work    what must be done in that time
    limits  what the machine did beside it
    """

    what: str
    unit: str
    dtype: str
    ours: Values
    theirs: Values = ()
    peer: Values = ()
    work: Work | None = None
    limits: Limits | None = None

    def cells(self) -> tuple[str, ...]:
        shares = (_percent(share) for share in (self._share(self.ours), self._their_share))
        ratios = (_times(self._ratio(values)) for values in (self.theirs, self.peer))
        spreads = (self._spread_text(values) for values in (self.ours, self.theirs, self.peer))
        return (self.what, self.unit, self.dtype, *spreads, *ratios, *shares)

    def figures(self) -> dict[str, Any]:
        """For JSON, in the row's unit; a ratio says how many times better ours is."""
        return {
            "what": self.what,
            "unit": self.unit,
            "dtype": self.dtype,
            "ours": self._spread(self.ours),
            "transformers": self._spread(self.theirs),
            "openvino": self._spread(self.peer),
            "times_transformers": _rounded(self._ratio(self.theirs)),
            "times_openvino": _rounded(self._ratio(self.peer)),
            "share_of_limit": _rounded(self._share(self.ours)),
            "transformers_share_of_limit": _rounded(self._their_share),
        }

    def _ratio(self, others: Values) -> float | None:
        if not others or not self.ours:
            return None
        ratio = statistics.median(others) / statistics.median(self.ours)
        return 1 / ratio if self.unit in RATES else ratio

    @property
    def _their_share(self) -> float | None:
        """None beside int8: theirs is another work then."""
        return None if self.dtype == INT8 else self._share(self.theirs)

    def _share(self, values: Values) -> float | None:
        if not (values and self.work and self.limits):
            return None
        return self.work.seconds(self.limits) / statistics.median(values)

    def _spread(self, values: Values) -> dict[str, float] | None:
        shown = [value * TIMES.get(self.unit, 1) for value in values]
        if not shown:
            return None
        spread = {"median": statistics.median(shown), "least": min(shown), "most": max(shown)}
        return {name: round(value, 4) for name, value in spread.items()}

    def _spread_text(self, values: Values) -> str:
        spread = self._spread(values)
        if not spread:
            return ""
        median, least, most = map(_short, spread.values())
        return median if len(values) == 1 else f"{median} ({least}-{most})"


def table(rows: Iterable[Row]) -> str:
    """For people."""
    return aligned((name for name, _ in COLUMNS), (row.cells() for row in rows), [width for _, width in COLUMNS])


def aligned(names: Iterable[str], lines: Iterable[Sequence[str]], widths: Sequence[int]) -> str:
    """A head and lines below it, in columns of these widths; the first stand left."""
    return "\n".join(
        "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in (tuple(names), *lines)
    )


def _short(value: float) -> str:
    """Three digits, more where they stand before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
