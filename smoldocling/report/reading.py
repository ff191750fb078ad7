"""What was read on a page: its elements as HTML, each node marked with the element that it shows.

Knows: the HTML of converters. Does not know: boxes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from converters import Picture
from converters.html import append_blocks
from converters.outline import outline
from doctags.tree import Element
from smoldocling.report.anatomy import Part
from smoldocling.report.build import Node
from smoldocling.report.kinds import group_of
from smoldocling.result import PageResult

_LISTS = frozenset({"ordered_list", "unordered_list"})


def write(parent: Node, page: PageResult, parts: tuple[Part, ...]) -> dict[str, str]:
    """Append the page's text. Returns the keys of the elements that are shown, each with the id of its first node."""
    keys: dict[int, Part] = {}
    for part in reversed(parts):
        keys[id(part.element)] = part
    shown: dict[str, str] = {}

    def mark(node: Node, elements: Sequence[Element]) -> None:
        marked = [keys[id(element)] for element in elements if id(element) in keys]
        # A list without a box is nothing that one could point at; its items are.
        marked = [part for part in marked if part.element.boxes or part.element.kind not in _LISTS]
        if not marked:
            return
        names = list(dict.fromkeys([*node.get("data-e", "").split(), *(part.key for part in marked)]))
        node.set("data-e", " ".join(names))
        node.set("data-g", group_of(marked[0].element.kind).name)
        node.set("tabindex", "-1")
        new = [name for name in names if name not in shown]
        if new and node.get("id") is None:
            node.set("id", f"t{new[0]}")
        shown.update(dict.fromkeys(new, node.get("id", "")))

    pictures: dict[tuple[int, int], Picture] = {
        (page.tree.number, n): crop.at(crop.data_uri) for n, crop in page.pictures.items()
    }
    append_blocks(parent, outline(page.tree, pictures=pictures, furniture=True), mark)
    for image in parent.iter("img"):
        image.set("loading", "lazy")
        image.set("decoding", "async")
    for link in parent.iter("a"):
        link.set("target", "_blank")
        link.set("rel", "noopener noreferrer")
    first = next((node for node in parent.iter() if node.get("data-e")), None)
    if first is not None:
        first.set("tabindex", "0")
    return shown


def homes(parts: tuple[Part, ...], shown: Mapping[str, str]) -> dict[str, str | None]:
    """The key under which each element's text is found: its own, or that of the nearest element around it."""
    found: dict[str, str | None] = {}
    for part in parts:
        around = found[parts[part.parent].key] if part.parent is not None else None
        found[part.key] = part.key if part.key in shown else around
    return found
