"""Which elements of a page are pictures, in which order, and where their files are.

Knows: doctags.tree. Does not know: how a picture is cut out of a page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from doctags.tree import Element, Page

# Two letters at least: "C:" is a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_NAMELESS = frozenset({"other", "picture_group"})
PICTURE_KINDS = frozenset({"picture", "chart"})


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file: `href` is a path relative to the output or a data URI; `dpi` relates its pixels to the page."""

    href: str
    width_px: int
    height_px: int
    dpi: float

    @property
    def address(self) -> str:
        """`href` as it stands in a document: a path encoded, an address as it is."""
        return self.href if _SCHEME.match(self.href) else quote(self.href, safe="/")


def picture_elements(page: Page) -> list[Element]:
    """The pictures and charts of a page in reading order: an element comes before its cells, those before its children.

    The n-th of them (from 0) is what the key `(page.number, n)` of a `pictures` mapping means.
    """
    found: list[Element] = []
    waiting = list(reversed(page.elements))
    while waiting:
        element = waiting.pop()
        if element.kind in PICTURE_KINDS:
            found.append(element)
        inner = [child for cell in element.cells for child in cell.children]
        waiting.extend(reversed([*inner, *element.children]))
    return found


def alt_text(label: str | None, captions: Sequence[str]) -> str:
    """What to say in place of a picture: its class in words, else its caption, else that it is one.

    >>> alt_text("bar_chart", ["Figure 3: Rainfall"])
    'Bar chart'
    """
    if label is not None and label not in _NAMELESS:
        return label.replace("_", " ").capitalize()
    return " ".join(" ".join(captions).split()) or "Picture"
