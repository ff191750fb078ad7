"""One page of the report: what it looks like, what was read, what is wrong with it.

Knows: the parts of a page and how they are put together. Does not know: the pages around it.
"""

from __future__ import annotations

from collections.abc import Mapping

from smoldocling.report import reading, sheet, source
from smoldocling.report.anatomy import Anatomy, dissect
from smoldocling.report.build import Node, add, lasting, percent, plural
from smoldocling.report.kinds import STATUSES
from smoldocling.report.stretch import Stretch
from smoldocling.result import INCOMPLETE, PageResult


def write(parent: Node, page: PageResult, stretch: Stretch, place: int) -> Anatomy:
    """Append a page and say what it consists of; `place` counts the pages of the report from 1."""
    name, tone = STATUSES[page.status]
    section = add(
        parent,
        "section",
        class_="page",
        id=f"page-{place}",
        aria_labelledby=f"head-{place}",
        data_problems="yes" if page.problems else None,
        data_incomplete="yes" if page.status in INCOMPLETE else None,
    )
    head = add(section, "header")
    add(head, "h2", f"Page {page.number}", id=f"head-{place}", tabindex="-1")
    add(head, "span", name, class_=f"chip {tone}")
    add(head, "span", _facts(page), class_="facts")
    anatomy = dissect(page, stretch, str(place))
    pair = add(section, "div", class_="pair")
    left, right = add(pair, "div", class_="left"), add(pair, "div", class_="right")
    if page.error:
        _notice(right, page)
    if page.note:
        notice = add(right, "div", class_="notice calm", role="note")
        add(notice, "strong", "About this page")
        add(notice, "span", page.note)
    panel = add(right, "div")
    shown = {} if page.status == "failed" else _text(right, page, anatomy)
    homes = reading.homes(anatomy.parts, shown)
    sheet.draw(left, page, anatomy.parts, homes, shown)
    if anatomy.problems:
        _problems(panel, anatomy, str(place), homes)
    else:
        right.remove(panel)
    if page.raw is not None or page.status != "failed":
        _source(right, page, anatomy, str(place), homes)
    return anatomy


def _facts(page: PageResult) -> str:
    facts = [f"engine {page.engine}", lasting(page.seconds)]
    if page.tokens:
        facts.append(f"{plural(page.tokens, 'token')} in {plural(page.steps, 'step')}")
    if page.agreement is not None:
        facts.append(f"{percent(page.agreement)} of the text is in the file's text layer")
    if page.problems:
        facts.append(plural(len(page.problems), "problem"))
    return " · ".join(facts)


def _notice(parent: Node, page: PageResult) -> None:
    failed = page.status == "failed"
    notice = add(parent, "div", class_=f"notice {'bad' if failed else 'odd'}", role="note")
    add(notice, "strong", "This page could not be read" if failed else "Something of this page is missing")
    add(notice, "span", page.error)


def _text(parent: Node, page: PageResult, anatomy: Anatomy) -> dict[str, str]:
    text = add(parent, "article", class_="doc", aria_label=f"Text of page {page.number}")
    shown = reading.write(text, page, anatomy.parts)
    if not len(text):
        add(text, "p", "Nothing is on this page.", class_="nothing")
    return shown


def _problems(parent: Node, anatomy: Anatomy, prefix: str, homes: Mapping[str, str | None]) -> None:
    panel = add(parent, "details", class_="problems", open="")
    add(panel, "summary", plural(len(anatomy.problems), "problem"))
    rows = add(panel, "ol")
    for trouble in anatomy.problems:
        problem = trouble.problem
        row = add(rows, "li", class_=problem.severity)
        holder = row
        if trouble.span is not None:
            key = anatomy.key_at(trouble.span[0])
            holder = add(
                row,
                "a",
                href=f"#{source.mark_id(prefix, trouble.span[0])}",
                data_e=key,
                data_t=homes[key] if key else None,
            )
            add(holder, "span", f"{problem.line}:{problem.column}", class_="where").tail = " "
        add(holder, "span", problem.severity, class_="severity").tail = " "
        add(holder, "span", problem.message).tail = " "
        add(holder, "code", problem.kind)


def _source(parent: Node, page: PageResult, anatomy: Anatomy, prefix: str, homes: Mapping[str, str | None]) -> None:
    panel = add(parent, "details", class_="source")
    add(panel, "summary", "DocTags" if page.raw is None else "DocTags, as the model wrote them")
    text = add(panel, "pre", class_="raw", tabindex="0", aria_label=f"DocTags of page {page.number}")
    source.write(text, anatomy, prefix, homes)
