"""A log of training as a picture: losses, and how well pages are read that were never shown.

Knows: log.jsonl. Does not know: networks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RATES = ("character_error", "exact", "tags", "valid")


def draw(log: Path, picture: Path) -> None:
    """Draw the log into a PNG. Needs matplotlib."""
    from matplotlib.figure import Figure

    records = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(10, 7), layout="constrained")
    losses, rates = figure.subplots(2, 1, sharex=True)
    for name, label in (("answer", "answers, nats an id"), ("letters", "letters, nats a place")):
        points = [(_minutes(each), each[name]) for each in records if name in each]
        if points:
            losses.plot(*zip(*points, strict=True), label=label, linewidth=1)
    losses.set_yscale("log")
    losses.set_ylabel("loss")
    judged = [each for each in records if "judged" in each]
    for name in RATES:
        points = [(_minutes(each), each["judged"][name]) for each in judged]
        if points:
            rates.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=".")
    rates.set_ylim(0, 1)
    rates.set_ylabel("share")
    rates.set_xlabel("minutes")
    for stage, start in _starts(records):
        for axes in (losses, rates):
            axes.axvline(start, color="0.8", linewidth=1)
        losses.annotate(
            stage, (start, 1), xycoords=("data", "axes fraction"), xytext=(3, -12), textcoords="offset points"
        )
    for axes in (losses, rates):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)


def _minutes(record: dict[str, Any]) -> float:
    return float(record["seconds"]) / 60


def _starts(records: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Each stage's first record."""
    starts: dict[str, float] = {}
    for record in records:
        starts.setdefault(record["stage"], _minutes(record))
    return list(starts.items())
