"""An evaluation as one HTML file that loads nothing: totals, documents, and the worst pages word by word.

Knows: evaluations, HTML. Does not know: how scores come about, where the file goes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from lxml import etree

from smoldocling.errors import SmolDoclingError
from smoldocling.evaluate.difference import difference
from smoldocling.evaluate.layout import mean_precision
from smoldocling.evaluate.measure import FAILED, LAYOUT, DocumentScore, PageScore, Tallies
from smoldocling.evaluate.pairing import Pair
from smoldocling.evaluate.session import Evaluation
from smoldocling.evaluate.show import CLASS, metric, over, worst_first
from smoldocling.evaluate.stylesheet import STYLESHEET
from smoldocling.evaluate.totals import Interval, Total, failures, totals
from smoldocling.report.build import Node, add, plural

if TYPE_CHECKING:
    from smoldocling.result import Crop

CHIPS = ("characters", "words", "precision", "recall", "bleu", "order", "teds", "cells", "formulas", "code", LAYOUT)
COLUMNS = ("characters", "words", "f1", "bleu", "order", "headings", "teds", "formulas", "code", LAYOUT)
# Pages of a document that is compared as a whole: enough to find one's way, and the file stays small.
MOST_SHEETS = 6
MOST_DOCUMENTS = 200
_HEADS = (
    ("Score", None),
    ("", None),
    ("Value", "number"),
    ("95 % interval", "number interval"),
    ("over", "about"),
)
_FATES = {
    "empty": "nothing was read",
    "missing": "not predicted",
    "extra": "not in the truth",
    "unreadable": "could not be read",
}


@dataclass(frozen=True, slots=True)
class _Case:
    """A page that is shown, and whose it is."""

    document: DocumentScore
    page: PageScore
    pair: Pair | None


def to_page(result: Evaluation, worst: int, title: str) -> str:
    """`worst` pages are shown, by how many of their characters are right; pages that are all right are not."""
    root = etree.Element("html", lang="en")
    _head(root, title)
    body = add(root, "body")
    top = add(body, "header", class_="top")
    add(top, "h1", title)
    paged = any(page.number for document in result.documents for page in document.pages)
    add(top, "p", _summary(result, paged=paged))
    main = add(body, "main")
    summary = add(main, "div", class_="sum")
    cases = _cases(result)[:worst]
    found = totals(result.documents)
    classes = [total for total in found if total.name.startswith(CLASS)]
    _totals(add(summary, "section", class_="card"), "Totals", [t for t in found if t not in classes], paged)
    right = add(summary, "div", class_="stack")
    _documents(add(right, "section", class_="card"), result, {case.document.name for case in cases})
    if classes:
        _totals(add(right, "section", class_="card"), "Boxes by class, average precision", classes, paged)
    about = add(main, "section", class_="card")
    _key(about, cases, paged=paged)
    if result.notes:
        _notes(about, result.notes)
    for place, case in enumerate(cases, 1):
        _case(main, case, place)
    return etree.tostring(root, encoding="unicode", method="html", doctype="<!DOCTYPE html>") + "\n"


def _head(root: Node, title: str) -> None:
    digest = base64.b64encode(hashlib.sha256(STYLESHEET.encode("utf-8")).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = add(root, "head")
    add(head, "meta", charset="utf-8")
    add(head, "meta", http_equiv="Content-Security-Policy", content=policy)
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "meta", name="referrer", content="no-referrer")
    add(head, "title", f"{title}: evaluation")
    etree.SubElement(head, "style").text = STYLESHEET


def _summary(result: Evaluation, *, paged: bool) -> str:
    pages, lost = sum(len(document.pages) for document in result.documents), failures(result.documents)
    parts = [
        plural(len(result.documents), "document"),
        plural(pages, "page") if paged else "compared as a whole",
        f"{lost:,} failed, counted as 0" if lost else "none failed",
        "95 % intervals over documents, drawn again 1,000 times",
    ]
    return " · ".join(parts)


def _cases(result: Evaluation) -> list[_Case]:
    """The worst first: what failed, then by the share of characters that are right."""
    pairs = {pair.name: pair for pair in result.pairs}
    cases = [
        _Case(document, page, pairs.get(document.name)) for document in result.documents for page in document.pages
    ]
    imperfect = [case for case in cases if case.page.status in FAILED or _characters(case) < 1]
    return sorted(imperfect, key=lambda case: (case.page.status not in FAILED, _characters(case), -len(case.page.true)))


def _characters(case: _Case) -> float:
    return case.page.tallies["characters"].value or 0.0


def _totals(card: Node, title: str, found: Sequence[Total], paged: bool) -> None:
    add(card, "h2", title)
    table = add(add(card, "div", class_="wide"), "table")
    row = add(add(table, "thead"), "tr")
    for head, kind in _HEADS:
        add(row, "th", head, class_=kind, scope="col")
    body = add(table, "tbody")
    for total in found:
        about = metric(total.name)
        row = add(body, "tr")
        name = about.title.removeprefix("AP ").replace("_", " ")
        add(row, "th", name, scope="row", title=about.note)
        _scale(add(row, "td"), total.value, total.interval)
        add(row, "td", f"{total.value:.3f}", class_="number")
        add(row, "td", _interval(total.interval), class_="number interval")
        add(row, "td", over(total, paged), class_="note about")


def _interval(interval: Interval | None) -> str:
    return f"{interval[0]:.3f} – {interval[1]:.3f}" if interval is not None else "–"


def _scale(cell: Node, value: float, interval: Interval | None) -> None:
    """A bar, and across it what the interval covers; an image to those who do not see it."""
    picture = add(cell, "svg", viewBox="0 0 100 10", preserveAspectRatio="none", class_="scale", role="img")
    picture.set("aria-label", f"{value:.3f}")
    bars = [("ground", 0.0, 100.0, 0, 10), ("value", 0.0, 100 * value, 0, 10)]
    if interval is not None:
        low, high = (100 * min(max(edge, 0), 1) for edge in interval)
        bars.append(("range", min(low, 99.0), max(high - low, 1.0), 4, 2))
    for kind, x, width, y, height in bars:
        add(picture, "rect", class_=kind, x=f"{x:.1f}", width=f"{width:.1f}", y=str(y), height=str(height))


def _documents(card: Node, result: Evaluation, shown: set[str]) -> None:
    ordered = worst_first(result.documents)
    more = len(ordered) - MOST_DOCUMENTS
    add(card, "h2", "Documents, the worst first" + (f" ({more:,} more are left out)" if more > 0 else ""))
    values = {document.name: _values(document.total, mean_precision(document.layout)) for document in ordered}
    columns = [name for name in COLUMNS if any(name in some for some in values.values())]
    table = add(add(card, "div", class_="wide"), "table")
    row = add(add(table, "thead"), "tr")
    add(row, "th", "Document", scope="col")
    for name in columns:
        add(row, "th", metric(name).title, class_="number", scope="col", title=metric(name).note)
    add(row, "th", "failed", class_="number", scope="col")
    body = add(table, "tbody")
    for document in ordered[:MOST_DOCUMENTS]:
        row = add(body, "tr")
        label = add(row, "th", scope="row")
        if document.name in shown:
            add(label, "a", document.name, href=f"#{_anchor(document.name)}")
        else:
            label.text = document.name
        for column in columns:
            value = values[document.name].get(column)
            add(row, "td", f"{value:.3f}" if value is not None else "–", class_="number")
        lost = sum(page.status in FAILED for page in document.pages)
        add(row, "td", f"{lost}" if lost else "", class_="number")


def _anchor(name: str) -> str:
    return "d-" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:12]


def _values(tallies: Tallies, precision: float | None) -> dict[str, float]:
    values = {name: tally.value for name, tally in tallies.items() if tally.value is not None}
    return {**values, LAYOUT: precision} if precision is not None else values


def _notes(card: Node, notes: Sequence[str]) -> None:
    details = add(card, "details")
    add(details, "summary", plural(len(notes), "note"))
    some = add(details, "ul")
    for note in notes:
        add(some, "li", note)


def _key(card: Node, cases: Sequence[_Case], *, paged: bool) -> None:
    if not cases:
        add(card, "h2", "No page differs from its truth")
        return
    add(card, "h2", f"The {len(cases)} worst {'pages' if paged else 'documents'}")
    key = add(card, "p", class_="key")
    add(add(key, "span"), "ins", "missing").tail = " is in the truth and was not read"
    add(add(key, "span"), "del", "extra").tail = " was read and is not in the truth"
    moved = add(key, "span")
    add(moved, "ins", "moved", class_="moved").tail = " belongs here and was read "
    add(moved, "del", "elsewhere", class_="moved")
    add(add(key, "span"), "span", "120 words", class_="gap").tail = " are right and not shown"


def _case(main: Node, case: _Case, place: int) -> None:
    card = add(main, "section", class_="card page")
    header = add(card, "header")
    add(header, "span", f"{place}", class_="rank")
    where = f", page {case.page.number}" if case.page.number else ""
    add(header, "h2", f"{case.document.name}{where}", id=_first(main, case.document.name))
    if case.page.status in FAILED:
        add(header, "span", _FATES[case.page.status], class_="chip bad")
    values = _values(case.page.tallies, mean_precision(case.page.layout))
    for name in CHIPS:
        if name in values:
            chip = add(header, "span", metric(name).title + " ", class_="chip", title=metric(name).note)
            add(chip, "b", f"{values[name]:.3f}")
    sheets = _sheets(case)
    pair = add(card, "div", class_="pair" if sheets else "pair alone")
    if sheets:
        left = add(pair, "div", class_="sheets", tabindex="0", role="region", aria_label="What the page looks like")
        for number, crop in sheets:
            size = {"width": str(crop.width_px), "height": str(crop.height_px)}
            add(left, "img", src=crop.data_uri, alt=f"page {number}", loading="lazy", **size)
    _words(add(pair, "div"), case.page)


def _first(main: Node, name: str) -> str | None:
    """The anchor of a document, once."""
    anchor = _anchor(name)
    return anchor if main.find(f".//h2[@id='{anchor}']") is None else None


def _words(box: Node, page: PageScore) -> None:
    text = add(box, "p", class_="words")
    last: Node | None = None
    for stretch in difference(page.said, page.true):
        if stretch.kind == "same":
            last = _append(text, last, stretch.text)
        else:
            tag = "ins" if stretch.kind == "missing" else "del"
            last = add(text, tag, stretch.text, class_="moved" if stretch.moved else None)
        if stretch.left_out:
            last = add(text, "span", f"{stretch.left_out:,} words", class_="gap")
    if len(text) == 0 and not text.text:
        add(text, "span", "The same words; characters between them differ.", class_="none")


def _append(text: Node, last: Node | None, words: str) -> Node | None:
    from converters.characters import legal

    if last is None:
        text.text = (text.text or "") + legal(words)
    else:
        last.tail = (last.tail or "") + legal(words)
    return last


def _sheets(case: _Case) -> list[tuple[int, Crop]]:
    """The page, or the first pages of a document that is compared as a whole; nothing where they cannot be drawn."""
    if case.pair is None or case.pair.image is None:
        return []
    try:
        return _drawn(case.pair.image, case.page.number)
    except SmolDoclingError:
        return []


def _drawn(path: Path, number: int) -> list[tuple[int, Crop]]:
    from smoldocling.crops import whole
    from smoldocling.pages.documents import Document
    from smoldocling.pages.sources import Source

    with Document(Source(str(path), PurePath(path.stem), path)) as document:
        count = document.page_count
        numbers = [number] if number else list(range(1, min(count, MOST_SHEETS) + 1))
        return [(n, crop) for n in numbers if n <= count and (crop := whole(document.page(n))) is not None]
