"""The report as a whole: head, list of pages, legend, pages, footer.

Knows: results. Does not know: what a page looks like.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import PurePath

from lxml import etree

from converters.stylesheet import STYLESHEET
from smoldocling.report import page as pages
from smoldocling.report.build import Node, add, lasting, plural
from smoldocling.report.kinds import GROUPS, OTHER, STATUSES, Group, group_of
from smoldocling.report.stretch import stretches
from smoldocling.result import INCOMPLETE, PageResult, Result

_KEYS = (
    ("n p  or  → ←", "next page, page before"),
    ("Tab", "into the boxes of a page, then into its text"),
    ("↓ ↑", "next element, element before"),
    ("Home End", "first element, last element"),
    ("Enter", "from a box to its text, and back"),
    ("Esc", "let go of an element"),
    ("f", "all pages, those with problems, incomplete ones"),
    ("b", "boxes on and off"),
    ("z", "larger image, smaller image"),
    ("?", "this help"),
)


def to_report(result: Result) -> str:
    """The report as one HTML file that loads nothing from anywhere.

    It shows page images where the result has them (`Converter(page_images=True)`), else empty sheets with boxes.
    """
    style, script = _style(), _asset("report.js")
    page = etree.Element("html", lang="en")
    _head(page, _title(result), style, script)
    body = add(page, "body")
    add(body, "a", "Skip to the pages", class_="skip", href="#pages")
    top = add(body, "header", class_="top")
    frame = add(body, "div", class_="frame")
    side = add(frame, "nav", id="side", aria_label="Pages")
    main = add(frame, "main", id="pages", tabindex="-1")
    _warnings(main, result)
    kinds: Counter[Group] = Counter()
    for place, (one, stretch) in enumerate(zip(result.pages, stretches(result.pages), strict=True), 1):
        anatomy = pages.write(main, one, stretch, place)
        kinds.update(group_of(part.element.kind) for part in anatomy.parts if part.element.boxes)
    add(main, "p", "No page fits this filter.", class_="none", hidden="")
    _top(top, result)
    _side(side, result, kinds)
    _footer(body, result)
    _help(body)
    add(body, "p", class_="told", role="status", aria_live="polite")
    etree.SubElement(body, "script").text = script
    return etree.tostring(page, encoding="unicode", method="html", doctype="<!DOCTYPE html>") + "\n"


def _asset(name: str) -> str:
    return files("smoldocling.report").joinpath(name).read_text("utf-8")


def _style() -> str:
    """The report's own rules, those of converters inside it, and one rule for each colour."""
    colours = [
        f'[data-g="{group.name}"] {{ --c: {group.colour}; }}\n'
        f'.off-{group.name} .box[data-g="{group.name}"] {{ display: none; }}'
        for group in (*GROUPS, OTHER)
    ]
    return "\n".join([f".doc {{{STYLESHEET}}}", _asset("report.css"), *colours])


def _head(page: Node, title: str, style: str, script: str) -> None:
    head = add(page, "head")
    add(head, "meta", charset="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    add(head, "meta", http_equiv="Content-Security-Policy", content=policy)
    add(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    add(head, "meta", name="referrer", content="no-referrer")
    add(head, "title", f"{title}: report")
    etree.SubElement(head, "style").text = style


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _title(result: Result) -> str:
    return PurePath(result.name).name or result.title or "Document"


def _top(top: Node, result: Result) -> None:
    name = add(top, "div", class_="name")
    add(name, "h1", _title(result))
    add(name, "p", _summary(result))
    tools = add(top, "div", class_="tools")
    add(tools, "button", "Pages and colours", type="button", class_="menu", aria_controls="side", aria_expanded="false")
    add(tools, "button", "‹", type="button", class_="before", aria_label="Page before", title="Page before (p)")
    add(tools, "span", f"{min(1, len(result.pages))} / {len(result.pages)}", class_="position")
    add(tools, "button", "›", type="button", class_="after", aria_label="Next page", title="Next page (n)")
    add(tools, "button", "Zoom", type="button", class_="closer", aria_pressed="false", title="Larger image (z)")
    add(tools, "button", "?", type="button", class_="ask", aria_label="Keys and help", title="Keys and help (?)")


def _summary(result: Result) -> str:
    incomplete = sum(page.status in INCOMPLETE for page in result.pages)
    problems = sum(len(page.problems) for page in result.pages)
    parts = [
        plural(len(result.pages), "page"),
        f"{incomplete:,} incomplete or failed" if incomplete else "",
        plural(problems, "problem") if problems else "no problems",
    ]
    return " · ".join(part for part in parts if part)


def _warnings(main: Node, result: Result) -> None:
    for text, tone in [(result.error, "bad"), *((warning, "odd") for warning in result.warnings)]:
        if text:
            notice = add(main, "div", class_=f"notice {tone}", role="note")
            add(notice, "strong", "The document could not be opened" if tone == "bad" else "About this document")
            add(notice, "span", text)


def _side(side: Node, result: Result, kinds: Counter[Group]) -> None:
    counts = (
        ("all", "All pages", len(result.pages)),
        ("problems", "With problems", sum(bool(page.problems) for page in result.pages)),
        ("incomplete", "Incomplete or failed", sum(page.status in INCOMPLETE for page in result.pages)),
    )
    show = add(side, "fieldset", class_="filter")
    add(show, "legend", "Show")
    for value, label, count in counts:
        _choice(show, "radio", label, count, name="filter", value=value, checked="" if value == "all" else None)
    _list(side, result.pages)
    legend = add(side, "fieldset", class_="legend")
    add(legend, "legend", "Boxes")
    _choice(legend, "checkbox", "All", sum(kinds.values()), value="", class_="every", checked="")
    for group in (*GROUPS, OTHER):
        if kinds[group]:
            row = _choice(legend, "checkbox", group.label, kinds[group], value=group.name, checked="")
            row.set("data-g", group.name)


def _choice(parent: Node, kind: str, label: str, count: int, **attributes: str | None) -> Node:
    row = add(parent, "label")
    add(row, "input", type=kind, **attributes)
    add(row, "span", label)
    add(row, "span", f"{count:,}", class_="count")
    return row


def _list(side: Node, found: Iterable[PageResult]) -> None:
    rows = add(side, "ol", class_="list")
    for place, page in enumerate(found, 1):
        name, tone = STATUSES[page.status]
        link = add(add(rows, "li"), "a", href=f"#page-{place}", class_=tone)
        add(link, "span", f"{page.number}", class_="number")
        add(link, "span", name, class_="status")
        if page.problems:
            count = add(
                link, "span", f"{len(page.problems):,}", class_="count", title=plural(len(page.problems), "problem")
            )
            add(count, "span", " problems", class_="unseen")


def _footer(body: Node, result: Result) -> None:
    engines = sorted({page.engine for page in result.pages})
    seconds, tokens, steps = (
        sum(getattr(page, name) for page in result.pages) for name in ("seconds", "tokens", "steps")
    )
    facts = [
        result.name,
        f"engine {', '.join(engines)}" if engines else "",
        f"{plural(len(result.pages), 'page')} in {lasting(seconds)}" if result.pages else "",
        f"{plural(tokens, 'token')} in {plural(steps, 'decoder step')}" if tokens else "",
    ]
    footer = add(body, "footer")
    add(footer, "p", " · ".join(fact for fact in facts if fact))
    add(footer, "p", "Made with smoldocling")


def _help(body: Node) -> None:
    dialog = add(body, "dialog", aria_labelledby="help")
    add(dialog, "h2", "Keys", id="help")
    rows = add(dialog, "dl")
    for keys, meaning in _KEYS:
        row = add(rows, "div")
        term = add(row, "dt")
        for key in keys.split():
            add(term, "kbd" if key != "or" else "span", key)
        add(row, "dd", meaning)
    add(
        dialog,
        "p",
        "Point at a box or at a line of text to see where it belongs; click it to go there and keep it lit.",
    )
    add(dialog, "button", "Close", type="button", class_="close")
