"""Which table, picture or listing a caption belongs to.

Knows: regions and their kinds. Does not know: text beyond its first words, DocTags.
"""

from __future__ import annotations

from collections.abc import Sequence

from smoldocling.pages.frame import Rect
from smoldocling.pages.regions import Region

REACH = 40.0
"""Points between a caption and what it belongs to."""


def owners(found: Sequence[Region]) -> dict[int, list[Region]]:
    """For tables, pictures and listings, by identity, the captions that belong to them: the nearest on the page."""
    found_owners: dict[int, list[Region]] = {}
    for caption in (item for item in found if item.kind == "caption"):
        wanted = ("table",) if is_for_table(caption.text) else ("picture", "code", "table")
        near = [
            (distance(caption.rect, item.rect), place)
            for place, item in enumerate(found)
            if item.kind in wanted and id(item) not in found_owners
        ]
        white, place = min(near, default=(float("inf"), -1))
        if white < REACH:
            found_owners.setdefault(id(found[place]), []).append(caption)
    return found_owners


def is_for_table(text: str) -> bool:
    """Whether a caption names a table."""
    return text.lstrip("[<(").lower().startswith(("tab", "표", "表"))


def distance(a: Rect, b: Rect) -> float:
    """Vertical white between two rectangles, large if they do not stand above each other."""
    if min(a[2], b[2]) - max(a[0], b[0]) < 0.2 * min(a[2] - a[0], b[2] - b[0]):
        return float("inf")
    return max(0.0, max(a[1], b[1]) - min(a[3], b[3]))
