"""Scores as tables on a terminal.

Knows: rich, evaluations. Does not know: streams, exits.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from smoldocling.evaluate.measure import FAILED, METRICS, DocumentScore, Metric
from smoldocling.evaluate.session import Evaluation
from smoldocling.evaluate.totals import Difference, Interval, Total, failures, totals

# A table of documents that are worth a look, not of all.
WORST = 10
_COLUMNS = ("characters", "words", "f1", "order", "headings", "teds", "map")
_BY_NAME = {metric.name: metric for metric in METRICS}
CLASS = "ap_"


def evaluation(result: Evaluation) -> RenderableType:
    """Totals, and the worst documents."""
    paged = any(page.number for document in result.documents for page in document.pages)
    parts: list[RenderableType] = [_totals(totals(result.documents), _counted(result.documents, paged=paged), paged)]
    if len(result.documents) > 1:
        parts.append(_worst(result.documents))
    return Group(*parts)


def differences(found: Sequence[Difference], names: tuple[str, str]) -> RenderableType:
    """Of two readers; a difference whose interval does not hold 0 is bold."""
    table = Table(title="paired differences, 95 % intervals over documents", title_justify="left")
    table.add_column("score")
    for name in (*names, "difference", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        sure = one.interval is not None and (one.interval[0] > 0 or one.interval[1] < 0)
        table.add_row(
            metric(one.name).title,
            f"{one.first:.4f}",
            f"{one.second:.4f}",
            Text(f"{one.difference:+.4f}", style="bold" if sure else ""),
            _interval(one.interval, "+"),
        )
    return table


def metric(name: str) -> Metric:
    """What a score is about; each class of boxes has one."""
    if name.startswith(CLASS):
        kind = name.removeprefix(CLASS)
        return Metric(
            name, f"AP {kind}", "box", f"average precision of boxes of class {kind}, mean over IoU .50 to .95"
        )
    return _BY_NAME[name]


def over(total: Total, paged: bool) -> str:
    """How many of what a total is made of."""
    unit = metric(total.name).unit
    unit = "document" if unit == "page" and not paged else unit
    plural = {"pair of cells": "pairs of cells", "box": "boxes"}.get(unit, unit + "s")
    return f"{total.count:,.0f} {unit if total.count == 1 else plural}"


def worst_first(documents: Sequence[DocumentScore]) -> list[DocumentScore]:
    """By how many characters are right."""
    return sorted(documents, key=lambda document: (_value(document, "characters") or 0.0, document.name))


def _counted(documents: Sequence[DocumentScore], *, paged: bool) -> str:
    pages, lost = sum(len(document.pages) for document in documents), failures(documents)
    unit = f"{pages} pages" if paged else "compared as a whole"
    failed = f"{lost} failed, counted as 0" if lost else "none failed"
    return f"{len(documents)} documents, {unit}, {failed}"


def _totals(found: Sequence[Total], title: str, paged: bool) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right", no_wrap=True)
    table.add_column("over", justify="right")
    for total in found:
        table.add_row(metric(total.name).title, f"{total.value:.4f}", _interval(total.interval, ""), over(total, paged))
    return table


def _worst(documents: Sequence[DocumentScore]) -> Table:
    shown = worst_first(documents)[:WORST]
    title = "all documents, the worst first" if len(shown) == len(documents) else f"the {len(shown)} worst documents"
    table = Table(title=title, title_justify="left")
    table.add_column("document", overflow="fold")
    columns = [name for name in _COLUMNS if any(_value(document, name) is not None for document in shown)]
    for name in columns:
        table.add_column(metric(name).title, justify="right")
    table.add_column("failed", justify="right")
    for document in shown:
        values = (_value(document, name) for name in columns)
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        lost = [page for page in document.pages if page.status in FAILED]
        reasons = ", ".join(sorted({page.status for page in lost}))
        table.add_row(document.name, *cells, f"{len(lost)} {reasons}" if lost else "")
    return table


def _value(document: DocumentScore, name: str) -> float | None:
    from smoldocling.evaluate.layout import mean_precision

    if name == "map":
        return mean_precision(document.layout)
    tally = document.total.get(name)
    return tally.value if tally is not None else None


def _interval(interval: Interval | None, sign: str) -> str:
    return f"{interval[0]:{sign}.4f} .. {interval[1]:{sign}.4f}" if interval is not None else ""
