"""What a grammar cannot say: boxes, grids, captions, links, loops.

Knows: finished trees. Does not know: how they were read (the parser reports that), how to mend them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from doctags.grammar import CHILDREN
from doctags.parser import parse
from doctags.problems import Lines
from doctags.tokens import KINDS, PLACES
from doctags.tree import GRID, Box, Cell, Document, Element, Page, Problem

FLOATS = ("otsl", "document_index", "picture", "chart", "code", "formula", "key_value_region", "form")
"""What a caption may belong to."""

BOXLESS = ("ordered_list", "unordered_list", "inline", "group", "form", "references", "caption")
"""Kinds that docling writes without a box of their own."""

COPIES = 3
"""So many times the same in a row is a loop; two may be chance."""

LONGEST_LOOP = 8
"""Elements in a repeated block."""

_LANGUAGE = re.compile(r"<_[^<>\s]{1,30}_>")

Found = tuple[Element | None, str, tuple[object, ...]]
"""Where, which kind of problem, and the facts for its message."""


def validate(text_or_tree: str | Document | Page | Element) -> tuple[Problem, ...]:
    """Everything that is wrong or odd, in order of position.

    For a text that includes what the parser had to mend. A tree knows offsets, but no lines: there, line is 1 and
    column counts from the start of the source.
    """
    lines = Lines(text_or_tree if isinstance(text_or_tree, str) else "")
    tree = parse(text_or_tree) if isinstance(text_or_tree, str) else text_or_tree
    problems = list(tree.problems) if isinstance(tree, Document) else []
    for element, kind, facts in _check(tree):
        start, end = (element.span if element else None) or (0, 0)
        problems.append(lines.problem(kind, start, end, *facts))
    return tuple(sorted(problems, key=lambda problem: problem.start))


def _check(tree: Document | Page | Element) -> Iterator[Found]:
    if isinstance(tree, Element):
        yield from _siblings("page", (tree,))
        return
    for page in tree.pages if isinstance(tree, Document) else (tree,):
        yield from _siblings("page", page.elements)
        yield from _missing_boxes(page.elements)
        yield from _duplicates(page.elements)


def _siblings(host: str, elements: Sequence[Element]) -> Iterator[Found]:
    """Everything in a place. A list of what is to be seen instead of recursion: trees from elsewhere may be deep."""
    waiting: list[tuple[str, Sequence[Element]]] = [(host, elements)]
    while waiting:
        host, elements = waiting.pop()
        yield from _captions(host, elements)
        yield from _loops(elements)
        for element in elements:
            yield from _element(host, element)
            waiting.append((element.kind, element.children))
            waiting += [("cell", cell.children) for cell in element.cells]


def _element(host: str, element: Element) -> Iterator[Found]:
    if element.kind not in CHILDREN or element.kind in PLACES:
        yield element, "unknown_kind", (element.kind,)
    elif host in CHILDREN and element.kind not in CHILDREN[host] and not _is_tail(host, element):
        yield element, "bad_nesting", (element.kind, host)
    if element.level is not None and not 1 <= element.level <= 6:
        yield element, "bad_level", (element.level,)
    for box in element.boxes:
        yield from _box(element, box)
    if element.kind in ("ordered_list", "unordered_list") and not element.children:
        yield element, "empty_list", (element.kind,)
    if element.kind == "code" and (match := _LANGUAGE.match(element.text)):
        yield element, "unknown_language", (match.group(),)
    if element.kind == "key_value_region":
        yield from _links(element)
    yield from _grid(element)


def _is_tail(host: str, element: Element) -> bool:
    """Text behind a child, which stands there without tags."""
    return element.kind == "text" and KINDS[host].text == "own"


def _box(element: Element, box: Box) -> Iterator[Found]:
    shown = f"{box.x0} {box.y0} {box.x1} {box.y1}"
    if not all(0 <= number <= GRID for number in (box.x0, box.y0, box.x1, box.y1)):
        yield element, "box_out_of_range", (shown, GRID)
    if box.x1 < box.x0 or box.y1 < box.y0:
        yield element, "inverted_box", (shown,)
    elif box.x0 == box.x1 or box.y0 == box.y1:
        yield element, "empty_box", (shown,)


def _grid(element: Element) -> Iterator[Found]:
    taken: set[tuple[int, int]] = set()
    for cell in element.cells:
        if cell.box:
            yield from _box(element, cell.box)
        if cell.row_span < 1 or cell.column_span < 1 or cell.row < 0 or cell.column < 0:
            yield element, "bad_span", (cell.row, cell.column, cell.row_span, cell.column_span)
            continue
        slots = _slots(cell)
        if not taken.isdisjoint(slots):
            yield element, "overlapping_cells", (cell.row, cell.column)
        taken.update(slots)
    if len(taken) < element.rows * element.columns:
        rows, columns = range(element.rows), range(element.columns)
        hole = next((row, column) for row in rows for column in columns if (row, column) not in taken)
        yield element, "uncovered_slot", hole


def _slots(cell: Cell) -> list[tuple[int, int]]:
    rows = range(cell.row, cell.row + cell.row_span)
    return [(row, column) for row in rows for column in range(cell.column, cell.column + cell.column_span)]


def _captions(host: str, elements: Sequence[Element]) -> Iterator[Found]:
    """A caption belongs to what holds it, or to a neighbour that has no other."""
    if host in FLOATS:
        return
    for at, element in enumerate(elements):
        neighbours = (*elements[max(at - 1, 0) : at], *elements[at + 1 : at + 2])
        if element.kind == "caption" and not any(near.kind in FLOATS and not near.captions for near in neighbours):
            yield element, "orphan_caption", ()


def _links(region: Element) -> Iterator[Found]:
    entries = [child for child in region.children if child.kind in ("key", "value")]
    known: set[int | None] = set()
    for entry in entries:
        if entry.ref in known:
            yield entry, "duplicate_ref", (entry.kind, entry.ref)
        known.add(entry.ref)
    for entry in entries:
        for link in entry.children:
            if link.kind == "link" and link.ref not in known:
                yield link, "broken_link", (link.ref,)


def _missing_boxes(elements: Sequence[Element]) -> Iterator[Found]:
    asked = [element for element in elements if element.kind not in BOXLESS]
    if any(element.boxes for element in asked):
        for element in asked:
            if not element.boxes:
                yield element, "missing_box", (element.kind,)


def _duplicates(elements: Sequence[Element]) -> Iterator[Found]:
    seen: set[tuple[object, ...]] = set()
    for element in elements:
        if element.boxes:
            key = (element.kind, element.text, element.boxes)
            if key in seen:
                yield element, "duplicate", (element.kind,)
            seen.add(key)


def _content(element: Element) -> tuple[object, ...] | None:
    """What an element says, without its place on the page; None where it says nothing."""
    inner = (*(cell.text for cell in element.cells), *(child.text for child in element.children))
    return (element.kind, element.text, inner) if element.text.strip() or any(inner) else None


def _loops(elements: Sequence[Element]) -> Iterator[Found]:
    """Blocks of up to LONGEST_LOOP elements that follow themselves. Boxes do not count: a loop may walk down a page."""
    keys = [_content(element) or at for at, element in enumerate(elements)]
    done = 0
    for period in range(1, LONGEST_LOOP + 1):
        run = 0
        for at in range(period, len(keys) + 1):
            if at < len(keys) and keys[at] == keys[at - period]:
                run += 1
                continue
            begin = at - run - period
            if run >= period * (COPIES - 1) and begin >= done:
                kind = elements[begin].kind if period == 1 else f"block of {period} elements"
                yield elements[begin], "repeated", (kind, run // period + 1)
                done = at
            run = 0
