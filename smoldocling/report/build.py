"""Small words for building HTML with lxml.

Knows: lxml, and which characters HTML can hold. Does not know: what a report is.
"""

from __future__ import annotations

from lxml import etree

from converters.characters import legal

Node = etree._Element


def add(parent: Node, tag: str, text: str | None = None, /, **attributes: str | None) -> Node:
    """Append an element. `_` in a name stands for `-` ("aria_label"), one at the end for nothing ("class_").

    An attribute that is None is left out; text and values may hold anything.
    """
    node = etree.SubElement(parent, tag)
    for name, value in attributes.items():
        if value is not None:
            node.set(name.rstrip("_").replace("_", "-"), legal(value))
    if text is not None:
        node.text = legal(text)
    return node


def plural(count: int, noun: str) -> str:
    """ "1 page", "2 pages"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def lasting(seconds: float) -> str:
    """ "0.35 s", "12 s", "3 min 20 s"."""
    if seconds >= 90:
        return f"{int(seconds // 60)} min {int(seconds % 60)} s"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def percent(share: float) -> str:
    """ "98 %"; all and nothing are only what is all and nothing."""
    return f"{min(max(round(100 * share), share > 0), 99 + (share == 1))} %"
