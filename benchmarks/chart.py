"""Cost against amount in small panels: what was measured, and the straight line that fits it best.

Knows: numbers and their names. Does not know: how they were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

# A panel is so much higher than its highest point.
LEGEND_ROOM = 1.25


@dataclass(frozen=True, slots=True)
class Curve:
    """Seconds against an amount. The line is the least squares' one.

    each       seconds that one more costs
    start      seconds at nothing
    deviation  the largest distance of a point from the line, as a share of the longest time
    """

    amounts: Sequence[float]
    seconds: Sequence[float]
    each: float = field(init=False)
    start: float = field(init=False)
    deviation: float = field(init=False)

    def __post_init__(self) -> None:
        each, start = np.polyfit(self.amounts, self.seconds, 1)
        off = np.asarray(self.seconds) - (each * np.asarray(self.amounts) + start)
        deviation = float(np.max(np.abs(off)) / max(self.seconds))
        for name, value in {"each": float(each), "start": float(start), "deviation": deviation}.items():
            object.__setattr__(self, name, value)

    def line(self, amount: float) -> float:
        return self.each * amount + self.start

    def figures(self) -> dict[str, object]:
        """For JSON."""
        return {
            "amounts": list(self.amounts),
            "seconds": [round(value, 4) for value in self.seconds],
            "each_s": round(self.each, 6),
            "start_s": round(self.start, 4),
            "deviation": round(self.deviation, 4),
        }


def draw(panels: Mapping[str, Mapping[str, Curve]], title: str, path: Path) -> None:
    """Panels, each with its amount's name, in rows of two; each holds curves by name. Raises ImportError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    places = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).flat
    for (amount, curves), axes in zip(panels.items(), places, strict=False):
        for number, (name, curve) in enumerate(curves.items()):
            colour = f"C{number}"
            end = max(curve.amounts)
            label = (
                f"{name}: {_each(curve.each)} each, at most {100 * curve.deviation:.1f} % of the longest off the line"
            )
            axes.plot([0, end], [curve.line(0), curve.line(end)], color=colour, linewidth=1)
            axes.plot(curve.amounts, curve.seconds, "o", color=colour, markersize=4, label=label)
        axes.set(
            xlabel=amount,
            ylabel="seconds",
            xlim=(0, None),
            ylim=(0, LEGEND_ROOM * max(max(curve.seconds) for curve in curves.values())),
        )
        axes.legend(loc="upper left", fontsize=8, frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def _each(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
