"""Scores as JSON and CSV; and back from JSON, so that two runs can be compared later.

Knows: evaluations. Does not know: terminals, files but the one that is read.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smoldocling.errors import UnusableInput
from smoldocling.evaluate.layout import Hits, mean_precision
from smoldocling.evaluate.measure import LAYOUT, METRICS, DocumentScore, PageScore, Tally
from smoldocling.evaluate.session import Evaluation
from smoldocling.evaluate.totals import Difference, failures, totals

FORM = "smoldocling-eval/1"
Record = dict[str, Any]


def record(result: Evaluation) -> Record:
    """Everything but the texts. `scores` are for readers; `counts` (amount and weight) are what adds up."""
    return {
        "form": FORM,
        "documents": [
            {
                "name": document.name,
                **_scores(document.total, document.layout),
                "own": _counts(document.tallies),
                "pages": [
                    {
                        "number": page.number,
                        "status": page.status,
                        **_scores(page.tallies, page.layout),
                        "counts": _counts(page.tallies),
                        "boxes": {
                            kind: {"said": hits.said, "true": hits.true, "hits": list(hits.hits)}
                            for kind, hits in page.layout.items()
                        },
                    }
                    for page in document.pages
                ],
            }
            for document in result.documents
        ],
        "totals": {
            total.name: {
                "value": total.value,
                "interval": total.interval,
                "count": total.count,
                "documents": total.documents,
            }
            for total in totals(result.documents)
        },
        "failed": failures(result.documents),
        "notes": list(result.notes),
    }


def difference_record(found: Sequence[Difference], names: tuple[str, str]) -> Record:
    """Of two readers."""
    return {
        "form": FORM,
        "first": names[0],
        "second": names[1],
        "differences": {
            one.name: {
                "first": one.first,
                "second": one.second,
                "difference": one.difference,
                "interval": one.interval,
            }
            for one in found
        },
    }


def rows(result: Evaluation) -> str:
    """CSV: one line for each page, then one for each document (page is empty), then one for all."""
    text = io.StringIO()
    names = [metric.name for metric in METRICS]
    writer = csv.DictWriter(text, ["document", "page", "status", *names], lineterminator="\n")
    writer.writeheader()
    for document in result.documents:
        for page in document.pages:
            scores = _scores(page.tallies, page.layout)["scores"]
            writer.writerow({"document": document.name, "page": page.number, "status": page.status, **scores})
    for document in result.documents:
        scores = _scores(document.total, document.layout)["scores"]
        writer.writerow({"document": document.name, "status": "document", **scores})
    values = {total.name: total.value for total in totals(result.documents) if total.name in names}
    writer.writerow({"document": "", "status": "total", **values})
    return text.getvalue()


def written(lines: Iterable[Sequence[object]]) -> str:
    """Lines as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def load(path: Path) -> Evaluation:
    """What `record` has made of an evaluation. Raises UnusableInput."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UnusableInput(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise UnusableInput(f"{path}: no JSON: {error}; what `smoldocling eval --json` has printed is taken") from error
    try:
        if data["form"] != FORM:
            raise KeyError("form")
        documents = tuple(_document(one) for one in data["documents"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnusableInput(f"{path}: not what `smoldocling eval --json` prints: {error!r}") from error
    return Evaluation(documents, tuple(data.get("notes", ())))


def _document(data: Mapping[str, Any]) -> DocumentScore:
    pages = tuple(
        PageScore(
            int(page["number"]),
            page["status"],
            _tallies(page["counts"]),
            {kind: Hits(box["said"], box["true"], tuple(box["hits"])) for kind, box in page["boxes"].items()},
        )
        for page in data["pages"]
    )
    return DocumentScore(str(data["name"]), pages, _tallies(data["own"]))


def _tallies(data: Mapping[str, Sequence[float]]) -> dict[str, Tally]:
    return {name: Tally(float(amount), float(weight)) for name, (amount, weight) in data.items()}


def _scores(tallies: Mapping[str, Tally], layout: Mapping[str, Hits]) -> Record:
    scores = {name: tally.value for name, tally in tallies.items() if tally.weight}
    precision = mean_precision(layout)
    return {"scores": {**scores, **({LAYOUT: precision} if precision is not None else {})}}


def _counts(tallies: Mapping[str, Tally]) -> dict[str, tuple[float, float]]:
    return {name: (tally.amount, tally.weight) for name, tally in tallies.items()}
