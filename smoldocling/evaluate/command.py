"""One call of `eval`: files scored, and what to print and to write of it.

Knows: what may be asked for. Does not know: options' spelling, terminals, exits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from rich.console import RenderableType
from rich.table import Table

from smoldocling.errors import UnusableInput, UnusableOption
from smoldocling.evaluate import export, show
from smoldocling.evaluate.meteor import missing
from smoldocling.evaluate.pairing import pair
from smoldocling.evaluate.reading import READERS
from smoldocling.evaluate.session import Evaluation, evaluate, prerequisites
from smoldocling.evaluate.totals import differences, failures
from smoldocling.evaluate.variants import SCORES, Published, lacking, markdown, published
from smoldocling.output import put

Tick = Callable[[int, int], None]
Variant = Literal["ours", "docling-eval"]
Form = Literal["table", "json", "csv"]
INSTALL = "pip install 'smoldocling[eval]'"


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for.

    paths    a prediction and its truth; with `compare` the truth alone, or nothing where results of runs are compared
    compare  two predictions, or two files that `eval --json` has printed
    pages    where the documents themselves are, for their pictures
    worst    how many pages the HTML page shows
    """

    paths: tuple[Path, ...]
    compare: tuple[Path, Path] | None = None
    variant: Variant = "ours"
    form: Form = "table"
    html: Path | None = None
    pages: Path | None = None
    worst: int = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """`shown` goes to stdout, `notes` to stderr; `is_whole`: nothing failed."""

    shown: RenderableType
    notes: tuple[str, ...]
    is_whole: bool


def carry_out(order: Order, tick: Tick) -> Outcome:
    """Raises UnusableInput, UnusableOption, UnwritableOutput."""
    if lacks := prerequisites():
        raise UnusableOption(f"eval needs {lacks}: {INSTALL}")
    if order.compare is not None:
        return _compared(order, order.compare, tick)
    if len(order.paths) != 2:
        raise UnusableOption("eval takes two paths, PREDICTED and TRUTH; or --compare A B, and TRUTH")
    said, true = order.paths
    if order.variant == "docling-eval":
        if order.html is not None:
            raise UnusableOption("--html shows our own scores; leave --variant out")
        return _published(said, true, order)
    result = evaluate(said, true, pages=order.pages, progress=tick)
    notes = list(result.notes)
    if order.html is not None:
        from smoldocling.evaluate.page import to_page

        put(order.html, to_page(result, order.worst, f"{said} against {true}").encode("utf-8", "replace"))
        notes.append(f"the worst pages -> {order.html}")
    whole = result.is_whole and not failures(result.documents)
    return Outcome(_shown(result, order), tuple(notes), whole)


def _shown(result: Evaluation, order: Order) -> RenderableType:
    if order.form == "json":
        return _json(export.record(result))
    return export.rows(result).rstrip("\n") if order.form == "csv" else show.evaluation(result)


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def _compared(order: Order, sides: tuple[Path, Path], tick: Tick) -> Outcome:
    if order.html is not None or order.form == "csv" or order.variant != "ours":
        raise UnusableOption("--compare prints a table or --json; --html, --csv and --variant are for one prediction")
    if len(order.paths) > 1:
        raise UnusableOption("--compare A B takes the truth as its only other path: eval --compare A B TRUTH")
    if order.paths:
        results = [evaluate(side, order.paths[0], progress=tick) for side in sides]
    else:
        results = [_loaded(side) for side in sides]
    names = (str(sides[0]), str(sides[1]))
    found = differences(results[0].documents, results[1].documents)
    if not found:
        raise UnusableInput(f"{names[0]} and {names[1]} have no score in common")
    shown = _json(export.difference_record(found, names)) if order.form == "json" else show.differences(found, names)
    notes = tuple(dict.fromkeys(note for result in results for note in result.notes))
    whole = all(result.is_whole and not failures(result.documents) for result in results)
    return Outcome(shown, notes, whole)


def _loaded(side: Path) -> Evaluation:
    if side.is_dir() or side.suffix.lower() != ".json":
        raise UnusableOption(f"--compare {side}: add the truth, or compare two files that `eval --json` has printed")
    return export.load(side)


def _published(said: Path, true: Path, order: Order) -> Outcome:
    if lacks := lacking():
        raise UnusableOption(f"--variant docling-eval needs {lacks}: {INSTALL}")
    found = pair(said, true, tuple(READERS))
    notes = [
        "docling-eval's definitions: words are compared as sets, and pages that could not be read are left out; "
        "the scores without --variant do neither",
        *found.notes,
    ]
    names, texts = [], []
    for one in found.pairs:
        if one.said is None or one.true is None:
            notes.append(f"{one.said or one.true}: has no partner; docling-eval leaves it out")
            continue
        names.append(one.name)
        texts.append((markdown(one.said), markdown(one.true)))
        if not texts[-1][0]:
            notes.append(f"{one.said}: empty; docling-eval gives it the scores of the page before, BLEU aside")
    if not names:
        raise UnusableInput(f"{said}: no file here has a partner in {true}")
    if lacks := missing():
        notes.append(f"METEOR is left out: it needs {lacks}; nothing is downloaded")
    rows = list(zip(names, published(texts), strict=True))
    shown = _FORMS[order.form](rows)
    return Outcome(shown, tuple(notes), len(names) == len(found.pairs) and all(text for text, _ in texts))


Rows = Sequence[tuple[str, Published]]


def _means(rows: Rows) -> dict[str, float]:
    values = {name: [getattr(scores, name) for _, scores in rows] for name in SCORES}
    return {name: fmean(some) for name, some in values.items() if None not in some}


def _published_json(rows: Rows) -> str:
    documents = [{"name": name, **asdict(scores)} for name, scores in rows]
    return _json({"form": export.FORM, "variant": "docling-eval", "documents": documents, "totals": _means(rows)})


def _published_csv(rows: Rows) -> str:
    lines = [["document", *SCORES], *([name, *(getattr(scores, s) for s in SCORES)] for name, scores in rows)]
    return export.written(lines).rstrip("\n")


def _published_table(rows: Rows) -> Table:
    table = Table(title=f"docling-eval's definitions, {len(rows)} documents", title_justify="left")
    table.add_column("score")
    table.add_column("mean", justify="right")
    for name, value in _means(rows).items():
        table.add_row(name.replace("_", " "), f"{value:.4f}")
    return table


_FORMS: dict[Form, Callable[[Rows], RenderableType]] = {
    "table": _published_table,
    "json": _published_json,
    "csv": _published_csv,
}
