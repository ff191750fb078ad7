"""Which table, picture or listing a caption belongs to.

Knows: regions and their kinds. Does not know: text beyond its first words, DocTags.
"""

from __future__ import annotations

from collections.abc import Sequence

from smoldocling.pages.frame import Rect
from smoldocling.pages.regions import Region, region

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


def whole(found: Sequence[Region]) -> list[Region]:
    """The regions with captions of tables in one piece: their last lines may have been taken for rows of the table."""
    result = list(found)
    for caption in [item for item in found if item.lines and is_for_table(item.text)]:
        tail = next((item for item in result if item.kind == "text" and _goes_on(caption, item, found)), None)
        if tail is not None:
            longer = region(caption.kind, (*caption.lines, *tail.lines), caption.group)
            result = [longer if item is caption else item for item in result if item is not tail]
    return result


def _goes_on(caption: Region, item: Region, found: Sequence[Region]) -> bool:
    """Whether a text is the rest of a caption: in its type, right below it and right above a table."""
    size = caption.size
    if abs(item.size - size) > 0.3 or not -1 < item.rect[1] - caption.rect[3] < 0.6 * size:
        return False
    if distance(caption.rect, item.rect) == float("inf"):
        return False
    return any(
        other.kind == "table" and -1 < other.rect[1] - item.rect[3] < size and distance(item.rect, other.rect) < REACH
        for other in found
    )


def is_for_table(text: str) -> bool:
    """Whether a caption names a table."""
    return text.lstrip("[<(").lower().startswith(("tab", "표", "表"))


def distance(a: Rect, b: Rect) -> float:
    """Vertical white between two rectangles, large if they do not stand above each other."""
    if min(a[2], b[2]) - max(a[0], b[0]) < 0.2 * min(a[2] - a[0], b[2] - b[0]):
        return float("inf")
    return max(0.0, max(a[1], b[1]) - min(a[3], b[3]))
