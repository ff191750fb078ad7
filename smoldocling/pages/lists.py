"""List items to nested lists, by the indent of their markers.

Knows: regions of kind "list-item". Does not know: other kinds, pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from doctags.tree import Element
from smoldocling.pages import signs
from smoldocling.pages.lines import Line
from smoldocling.pages.regions import Region


@dataclass(slots=True)
class Item:
    """One list item: marker ("" for none), its place in points, element of kind list_item."""

    marker: str
    ordered: bool
    left: float
    top: float
    element: Element
    children: list[Item] = field(default_factory=list)


# Points by which an item stands for each list that it is in, where tags say how many.
_INDENT = 20.0


def split_marker(lines: Sequence[Line]) -> tuple[str, bool, list[Line]]:
    """The marker of an item's first row, whether it counts, and the rows without a bullet. Numbers stay in the text."""
    first = lines[0]
    number = signs.ordinal(first)
    if number is not None:
        return number, True, list(lines)
    sign = signs.bullet(first)
    if sign is None:
        return "", False, list(lines)
    word = first.words[0]
    rest = word.text[len(sign) :]
    words = (replace(word, text=rest), *first.words[1:]) if rest else first.words[1:]
    # some documents print a bullet twice, one glyph over the other
    while len(words) > 1 and words[0].text == sign:
        words = words[1:]
    return sign, False, [replace(first, words=words), *lines[1:]]


def nested(items: Sequence[Item]) -> list[Element]:
    """Items in order as lists: deeper indents become lists inside the item above."""
    _align_columns(items)
    roots: list[Item] = []
    path: list[Item] = []
    for item in items:
        while path and not _inside(item, path[-1]):
            path.pop()
        (path[-1].children if path else roots).append(item)
        path.append(item)
    return _lists(roots)


def _align_columns(items: Sequence[Item]) -> None:
    """Lets indents count from the left edge of each column: a list may go on in the next one."""
    columns: list[list[Item]] = []
    for item in items:
        if columns and item.top >= columns[-1][-1].top:
            columns[-1].append(item)
        else:
            columns.append([item])
    for column in columns:
        edge = min(item.left for item in column)
        for item in column:
            item.left -= edge


def _inside(item: Item, above: Item) -> bool:
    return item.left > above.left + 5 and (item.marker != above.marker or item.marker == "" or not item.ordered)


def _lists(items: Sequence[Item]) -> list[Element]:
    """Neighbours of one sort as one list each."""
    runs: list[list[Item]] = []
    for item in items:
        if runs and runs[-1][-1].ordered == item.ordered:
            runs[-1].append(item)
        else:
            runs.append([item])
    return [_list(run) for run in runs]


def _list(run: list[Item]) -> Element:
    plain = run[0].ordered and [item.marker for item in run] == [f"{n}." for n in range(1, len(run) + 1)]
    children = []
    for item in run:
        element = item.element
        if plain:
            element = _without(element, item.marker)
        children.append(replace(element, children=(*element.children, *_lists(item.children))))
    return Element("ordered_list" if run[0].ordered else "unordered_list", children=tuple(children))


def _without(element: Element, marker: str) -> Element:
    """An item whose text no longer starts with its number: the list counts."""
    cut = len(marker) + 1
    links = tuple(
        replace(link, start=link.start - cut, end=link.end - cut) for link in element.links if link.start >= cut
    )
    return replace(element, text=element.text[cut:], links=links)


def item(region: Region, element: Element, marker: str, ordered: bool) -> Item:
    """A region as list item."""
    left = _INDENT * region.depth or region.lines[0].x0
    return Item(marker, ordered, left, region.lines[0].y0, element)
