"""What a model has not written of a page, taken from the page's text layer.

Knows: two trees of one page, boxes, words. Does not know: why the model stopped, engines, files.
Laws: all that the model wrote stays, in its order, but for a last element that breaks off; what it has written is not
said again; filling twice changes nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from doctags.tree import Box, Element, Page
from smoldocling import compare
from smoldocling.result import walk

LISTS = frozenset({"ordered_list", "unordered_list"})
# An element is written where so much of its text is, or its box is covered to that extent.
WRITTEN = 0.6
COVERED = 0.5
# Letters that must follow each other to be found again; a shorter text must be there as a whole, in its place.
PHRASE = 12


def fill(tree: Page, layer: Page, covered: Sequence[Box] = ()) -> Page:
    """The model's page with the text layer's elements for what it has not written, in reading order.

    layer    the tree of the text layer
    covered  places that count as written, beside the boxes of the model's elements
    """
    whole = _completed(tree, layer)
    missing = _Missing(whole, layer, covered)
    after: dict[int, list[Element]] = {}
    at = -1
    for element in layer.elements:
        rest = missing.of(element)
        if rest is not element:
            at = max(at, missing.place(element))
        if rest is not None:
            after.setdefault(at, []).append(rest)
    if not after:
        return whole
    elements: list[Element] = list(after.get(-1, ()))
    for place, element in enumerate(whole.elements):
        new = after.get(place, [])
        if new and new[0].kind == element.kind and element.kind in LISTS:
            joined = replace(element, children=(*element.children, *new[0].children))
            elements += [joined, *new[1:]]
        else:
            elements += [element, *new]
    return replace(whole, elements=tuple(elements))


class _Missing:
    """What of the text layer's elements is not in the model's page."""

    def __init__(self, tree: Page, layer: Page, covered: Sequence[Box]) -> None:
        self._all = " ".join(compare.bare(" ".join(_texts([element]))) for element in tree.elements)
        self._layer = compare.bare(" ".join(_texts(layer.elements)))
        self._parts = [
            (place, part, compare.bare(" ".join(_own(part))))
            for place, element in enumerate(tree.elements)
            for part in walk(Page((element,)))
        ]
        self._covered = covered

    def of(self, element: Element) -> Element | None:
        """The element without what has been written; None where that is all."""
        if element.kind not in LISTS:
            return None if self._is_written(element) else element
        items = tuple(rest for item in element.children for rest in self._items(item))
        if items == element.children:
            return element
        return replace(element, children=items) if items else None

    def _items(self, item: Element) -> Iterator[Element]:
        """A list item without the written ones of the lists in it; of a written one, the items that are not."""
        inner = [rest for rest in map(self.of, item.children) if rest is not None]
        if not self._is_written(replace(item, children=())):
            yield item if tuple(inner) == item.children else replace(item, children=tuple(inner))
            return
        for rest in inner:
            yield from rest.children if rest.kind in LISTS else (rest,)

    def place(self, element: Element) -> int:
        """The place of the last of the model's elements that holds some of this one; -1 for none."""
        parts = [(part, compare.bare(" ".join(_own(part)))) for part in walk(Page((element,)))]
        return max(
            (
                place
                for place, other, said in self._parts
                if any(self._same(part, text, other, said) for part, text in parts)
            ),
            default=-1,
        )

    def _is_written(self, element: Element) -> bool:
        if any(_inside(box, region) >= COVERED for box in element.boxes for region in self._covered):
            return True
        text = compare.bare(" ".join(_own(element)))
        whole = compare.bare(" ".join(_texts([element])))
        if len(whole) >= PHRASE and not self._is_common(whole) and _found(whole, self._all) >= WRITTEN:
            return True
        return any(self._same(element, text, other, said) for _, other, said in self._parts)

    def _same(self, element: Element, text: str, other: Element, said: str) -> bool:
        """Whether two elements, each with its letters, are one."""
        if (element.kind == "picture") == (other.kind == "picture") and _alike(element, other) >= COVERED:
            return True
        if len(text) >= PHRASE and len(said) >= PHRASE:
            return (_touch(element, other) > 0 or not self._is_common(text)) and _found(text, said) >= WRITTEN
        return bool(text) and text == said and _touch(element, other) > 0

    def _is_common(self, text: str) -> bool:
        """Whether the page says most of it more than once, so that the place must tell."""
        pieces = _phrases(text)
        return 2 * sum(self._layer.count(piece) > 1 for piece in pieces) > len(pieces)


def _completed(tree: Page, layer: Page) -> Page:
    """The page with its last element as the text layer has it, where the model broke off in the middle of that."""
    if not tree.elements:
        return tree
    last = tree.elements[-1]
    said = compare.bare(last.text)
    if not said or last.cells or last.children:
        whole = _with_rest(last, layer)
        inner = _completed(Page(whole.children), layer).elements
        return replace(tree, elements=(*tree.elements[:-1], replace(whole, children=inner)))
    going_on = [
        element
        for element in walk(layer)
        if len(text := compare.bare(element.text)) > len(said)
        and text.startswith(said)
        and (len(said) >= PHRASE or _touch(element, last) > 0)
    ]
    if not going_on:
        return tree
    element = max(going_on, key=lambda one: _touch(one, last))
    whole = replace(last, text=element.text, boxes=last.boxes or element.boxes, links=element.links)
    return replace(tree, elements=(*tree.elements[:-1], whole))


def _with_rest(last: Element, layer: Page) -> Element:
    """The last element with what the text layer's of that kind, in the same place, has in it, if that is more."""
    said = len(compare.bare(" ".join(_texts([last]))))
    for element in layer.elements:
        if element.kind != last.kind or not last.boxes or _touch(element, last) < COVERED:
            continue
        if len(compare.bare(" ".join(_texts([element])))) > said:
            return replace(last, text=element.text, cells=element.cells, children=element.children, links=element.links)
    return last


def _own(element: Element) -> Iterator[str]:
    yield element.text
    yield from (cell.text for cell in element.cells)


def _texts(elements: Iterable[Element]) -> Iterator[str]:
    for element in walk(Page(tuple(elements))):
        yield from _own(element)


def _found(text: str, where: str) -> float:
    """Share of a text's letters that stand in another in pieces of PHRASE letters."""
    if text in where:
        return 1.0
    pieces = _phrases(text)
    return sum(piece in where for piece in pieces) / max(1, len(pieces))


def _phrases(text: str) -> list[str]:
    return [text[at : at + PHRASE] for at in range(0, len(text) - PHRASE + 1, PHRASE)]


def _inside(box: Box, other: Box) -> float:
    """Share of a box that lies in another."""
    width = min(box.x1, other.x1) - max(box.x0, other.x0)
    height = min(box.y1, other.y1) - max(box.y0, other.y0)
    return max(0, width) * max(0, height) / max(1, (box.x1 - box.x0) * (box.y1 - box.y0))


def _alike(element: Element, other: Element) -> float:
    """How much two elements cover the same place: what each has of the other, the smaller share."""
    return max((min(_inside(a, b), _inside(b, a)) for a in element.boxes for b in other.boxes), default=0.0)


def _touch(element: Element, other: Element) -> float:
    """The larger share that one of their boxes has of the other; 1 where either has none."""
    if not element.boxes or not other.boxes:
        return 1.0
    return max(max(_inside(a, b), _inside(b, a)) for a in element.boxes for b in other.boxes)
