"""Which caption belongs to which table, picture or code, and whether it stands above or below.

Knows: doctags.tree. Does not know: blocks, formats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from converters.pictures import PICTURE_KINDS
from doctags.tree import Element

TABLE_KINDS = frozenset({"otsl", "table", "document_index"})

# What may own a caption, and how the captions of its kind begin.
_OWNERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(TABLE_KINDS, frozenset({"tab"})),
    **dict.fromkeys(PICTURE_KINDS, frozenset({"fig", "cha", "pla", "abb", "sch"})),
    "code": frozenset({"lis", "alg", "cod"}),
}
# "Table 2: ..." is a caption whatever the model called it; "Table 2 shows" is not.
_NUMBERED_CAPTION = re.compile(r"\s*(?:Tab(?:le|\.)|Fig(?:ure|\.)|Listing|Chart)\s*[0-9]+\s*[.:]\s", re.IGNORECASE)


def caption_first(element: Element, captions: tuple[Element, ...], *, default: bool) -> bool:
    """Whether the caption stands above its owner on the page."""
    caption = captions[0].box if captions else None
    if caption is None or element.box is None or caption == element.box:
        return default
    return caption.y0 < element.box.y0


def _lacks_caption(element: Element) -> bool:
    is_owner = element.kind in _OWNERS and (bool(element.cells) or element.kind not in TABLE_KINDS)
    return is_owner and not element.captions


def _is_caption(element: Element) -> bool:
    return element.kind == "caption" or (element.kind == "text" and _NUMBERED_CAPTION.match(element.text) is not None)


def with_captions(elements: Sequence[Element]) -> list[tuple[Element, tuple[Element, ...]]]:
    """Neighbouring elements, each with the captions beside it that have no owner; those no longer stand alone."""
    """Elements, each with the captions beside it that have no owner."""
    lent: dict[int, list[Element]] = {}
    given: set[int] = set()
    for index, element in enumerate(elements):
        beside = [place for place in (index - 1, index + 1) if 0 <= place < len(elements)]
        takers = [place for place in beside if _lacks_caption(elements[place])]
        if not takers or not _is_caption(element):
            continue
        word = element.text.strip()[:3].lower()
        owner = next((place for place in takers if word in _OWNERS[elements[place].kind]), takers[0])
        lent.setdefault(owner, []).append(element)
        given.add(index)
    return [(e, tuple(lent.get(index, ()))) for index, e in enumerate(elements) if index not in given]
