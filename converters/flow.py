"""What a column or a page break has torn apart: paragraphs and lists that go on behind it.

Knows: blocks and the boxes they come from. Does not know: formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from converters.blocks import (
    Block,
    Figure,
    Item,
    Listing,
    PageBreak,
    Paragraph,
    Run,
    Runs,
    Source,
    Table,
    plain,
)
from converters.characters import is_broken, mend

# A column may begin a little left of where the one before it ends: boxes are rounded and padded.
_OVERLAP = 10
_GOES_ON = re.compile(r"[^\W\d_]-$|,$")


def flow(blocks: Iterable[Block], known: frozenset[str]) -> tuple[Block, ...]:
    """Join what goes on behind a break; `known` are words that keep their hyphen."""
    out: list[Block] = []
    last: int | None = None  # where the text stands that may go on
    floated = False
    for block in blocks:
        if _is_aside(block):
            floated = floated or isinstance(block, Table | Figure)
            out.append(block)
            continue
        joined = (
            _joined(out[last], block, floated, adjacent=last == len(out) - 1, known=known) if last is not None else None
        )
        if joined is not None and last is not None:
            out[last] = joined
        else:
            out.append(block)
            last = len(out) - 1 if isinstance(block, Paragraph | Listing) else None
        floated = False
    return tuple(out)


def _is_aside(block: Block) -> bool:
    """Whether text can go on behind the block."""
    if isinstance(block, Paragraph):
        return block.role != "text"
    return isinstance(block, Table | Figure | PageBreak)


def _joined(before: Block, after: Block, floated: bool, *, adjacent: bool, known: frozenset[str]) -> Block | None:
    if isinstance(before, Listing) and isinstance(after, Listing):
        boxes = adjacent and all(item.marker.kind == "box" for item in (*before.items, *after.items))
        torn = _is_torn(before.items[-1].sources, after.items[0].sources, floated=False)
        items = after.items if boxes else _counted_on(before, after) if torn else ()
        return replace(before, items=before.items + items, sources=before.sources + after.sources) if items else None
    if not isinstance(after, Paragraph):
        return None
    tail = before.items[-1] if isinstance(before, Listing) else before
    if not isinstance(tail, Item | Paragraph) or (isinstance(tail, Item) and tail.blocks):
        return None
    if not (_is_torn(tail.sources, after.sources, floated=floated) and _reads_on(plain(tail.runs), plain(after.runs))):
        return None
    runs = _sewn(tail.runs, after.runs, known)
    whole = replace(tail, runs=runs, sources=_shifted(tail.sources, after, len(plain(runs))))
    if isinstance(before, Listing) and isinstance(whole, Item):
        return replace(before, items=(*before.items[:-1], whole))
    return whole if isinstance(whole, Paragraph) else None


def _is_torn(before: tuple[Source, ...], after: tuple[Source, ...], *, floated: bool) -> bool:
    """Whether a page, a column or a float lies between two places."""
    if not before or not after:
        return False
    left, right = before[-1], after[0]
    if floated or left.page != right.page:
        return True
    if not left.element.boxes or not right.element.boxes:
        return False
    upper, lower = left.element.boxes[-1], right.element.boxes[0]
    return lower.y0 < upper.y1 and lower.x0 >= upper.x1 - _OVERLAP


def _reads_on(before: str, after: str) -> bool:
    """Whether a sentence stops in the middle and the other text begins there."""
    return bool(before and after) and after[0].islower() and (before[-1].islower() or bool(_GOES_ON.search(before)))


def _counted_on(before: Listing, after: Listing) -> tuple[Item, ...]:
    """The items of `after` as they go on behind `before`; none if they do not."""
    last, first = before.items[-1].marker, after.items[0].marker
    if last.kind != first.kind:
        return ()
    if last.number is None or first.number == last.number + 1:
        return after.items
    return tuple(_moved(item, last.number) for item in after.items) if after.counted else ()


def _moved(item: Item, by: int) -> Item:
    if item.marker.number is None:
        return item
    number = item.marker.number + by
    return replace(item, marker=replace(item.marker, text=f"{number}.", number=number))


def _sewn(before: Runs, after: Runs, known: frozenset[str]) -> Runs:
    end, start = before[-1], after[0]
    if end.kind != "text" or start.kind != "text" or end.href != start.href:
        return (*before, Run(" "), *after)
    text = mend(f"{end.text}\n{start.text}", known) if is_broken(end.text) else f"{end.text} {start.text}"
    return (*before[:-1], replace(end, text=text), *after[1:])


def _shifted(before: tuple[Source, ...], after: Paragraph, length: int) -> tuple[Source, ...]:
    """Both places, each with its part of the joined text; the seam belongs to the first."""
    start = length - len(plain(after.runs))
    first = (*before[:-1], replace(before[-1], end=start))
    return first + tuple(
        replace(source, start=start + source.start, end=start + source.end) for source in after.sources
    )
