"""How the items of a list are marked: by their own text, or counted; never both.

Knows: items. Does not know: elements, formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from converters.blocks import Item
from converters.inline import tidy
from converters.markers import Marker, believable, split_marker


def marked(items: Sequence[Item], ordered: bool) -> tuple[Item, ...]:
    """Items with the marker from their own text, or the next number in an ordered list; never both."""
    split = [split_marker(item.runs[0].text) if _is_prose(item) else (None, "") for item in items]
    own = believable([marker for marker, _ in split])
    marked: list[Item] = []
    number = 0
    for item, (marker, rest), is_own in zip(items, split, own, strict=True):
        marked.append(_with_marker(item, marker if is_own else None, rest, number + 1 if ordered else None))
        number = marked[-1].marker.number or number
    return tuple(marked)


def _with_marker(item: Item, own: Marker | None, rest: str, number: int | None) -> Item:
    if own is None:
        counted = number is not None and item.marker.kind == "bullet"
        return replace(item, marker=Marker("number", f"{number}.", number)) if counted else item
    runs = tidy([replace(item.runs[0], text=rest), *item.runs[1:]])
    if item.marker.kind != "box":
        return replace(item, marker=own, runs=runs)
    # A tick box is the marker already: another picture of it goes, what says something else is text.
    return replace(item, runs=runs) if own.kind == "bullet" or own.checked == item.marker.checked else item


def _is_prose(item: Item) -> bool:
    return bool(item.runs) and item.runs[0].kind == "text"
