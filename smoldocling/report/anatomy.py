"""The elements of one page, each with a key, its parent, and where it stands in the page's DocTags.

Knows: trees, offsets. Does not know: HTML.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import doctags
from doctags.tree import Element, Page, Problem
from smoldocling.report.stretch import Stretch
from smoldocling.result import PageResult

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """An element of the page. `key` is unique in the report; `parent` is the place of its parent among the parts."""

    key: str
    element: Element
    parent: int | None
    span: Span | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A problem and its place in the shown text; None where it has none there."""

    problem: Problem
    span: Span | None


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A page taken apart.

    text      the DocTags to show: what the model wrote, else what we would write; `line` is the number of its first
    parts     all elements, each before its children
    problems  what was wrong with it
    owners    offsets in order, each with the key of the innermost element from there on
    """

    text: str
    line: int
    parts: tuple[Part, ...]
    problems: tuple[Trouble, ...]
    owners: tuple[tuple[int, str | None], ...]

    def key_at(self, offset: int) -> str | None:
        """The innermost element around that offset."""
        place = bisect_right(self.owners, offset, key=lambda owner: owner[0]) - 1
        return self.owners[place][1] if place >= 0 else None


def dissect(page: PageResult, stretch: Stretch, prefix: str) -> Anatomy:
    """Number the elements as `prefix-1`, `prefix-2`..., and find them and the problems in the page's DocTags."""
    found = list(_walk(page.tree))
    text = stretch.text
    if page.raw is None:
        spans = _spans_in(text, [element for element, _ in found])
        problems = _located(page.problems, text)
    else:
        spans = [_within(element.span, stretch) for element, _ in found]
        problems = tuple(Trouble(problem, _within((problem.start, problem.end), stretch)) for problem in page.problems)
    parts = tuple(
        Part(f"{prefix}-{number + 1}", element, parent, span)
        for number, ((element, parent), span) in enumerate(zip(found, spans, strict=True))
    )
    return Anatomy(text, stretch.line, parts, problems, _owners(parts, len(text)))


def _within(span: Span | None, stretch: Stretch) -> Span | None:
    """The span counted from the start of the stretch; None where it lies elsewhere."""
    if span is None:
        return None
    start, end = span[0] - stretch.start, span[1] - stretch.start
    return (start, end) if 0 <= start <= end <= len(stretch.text) else None


def _walk(page: Page) -> Iterator[tuple[Element, int | None]]:
    """Elements before their children, each with its parent's place. No recursion: trees from elsewhere may be deep."""
    waiting: list[tuple[Element, int | None]] = [(element, None) for element in reversed(page.elements)]
    number = 0
    while waiting:
        element, parent = waiting.pop()
        yield element, parent
        inner = [child for cell in element.cells for child in cell.children]
        waiting.extend((child, number) for child in reversed([*inner, *element.children]))
        number += 1


def _spans_in(text: str, elements: list[Element]) -> list[Span | None]:
    """Where the elements stand in the text that was written from them; None where it reads differently."""
    pages = doctags.parse(text).pages
    again = [element for element, _ in _walk(pages[0])] if len(pages) == 1 else []
    if [element.kind for element in again] != [element.kind for element in elements]:
        return [None] * len(elements)
    return [element.span for element in again]


def _located(problems: tuple[Problem, ...], text: str) -> tuple[Trouble, ...]:
    """A tree's problems have no place; the same problems in its text have one."""
    if not problems:
        return ()
    known: dict[tuple[str, str], list[Problem]] = {}
    for problem in reversed(doctags.validate(text)):
        known.setdefault((problem.kind, problem.message), []).append(problem)
    found = []
    for problem in problems:
        same = known.get((problem.kind, problem.message))
        there = same.pop() if same else None
        found.append(Trouble(there, (there.start, there.end)) if there else Trouble(problem, None))
    return tuple(found)


def _owners(parts: tuple[Part, ...], length: int) -> tuple[tuple[int, str | None], ...]:
    found: dict[int, str | None] = {}
    around: list[tuple[int, str]] = []

    def close(until: int) -> None:
        while around and around[-1][0] <= until:
            end, _ = around.pop()
            found[end] = around[-1][1] if around else None

    for part in parts:
        if part.span is None or part.element.kind == "link":
            continue
        start, end = part.span
        close(start)
        found[start] = part.key
        around.append((min(end, around[-1][0]) if around else end, part.key))
    close(length)
    return tuple(sorted((offset, key) for offset, key in found.items() if offset <= length))
