"""Painted areas on which code stands: in a sentence, as listings. They are no pictures and no shades of tables.

Knows: lines, painted areas. Does not know: regions, tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line

MOST = 600
"""Painted areas of a page beyond which they are a drawing's."""

# Font sizes between code and the sides of its ground; on its right a listing may leave as much white as it likes.
_PADDING = 2.5


def of_code(grounds: Sequence[Rect], lines: Sequence[Line]) -> list[Rect]:
    """Those of the painted areas on which nothing but monospaced type stands, close to their edges."""
    if len(grounds) > MOST or not any(word.style.mono for line in lines for word in line.words):
        return []
    return [rect for rect in grounds if _carries_code(rect, lines)]


def _carries_code(rect: Rect, lines: Sequence[Line]) -> bool:
    words = [
        word
        for line in lines
        if line.y1 > rect[1] and line.y0 < rect[3] and line.x1 > rect[0] and line.x0 < rect[2]
        for word in line.words
        if rect[0] <= (word.x0 + word.x1) / 2 <= rect[2] and rect[1] <= (word.y0 + word.y1) / 2 <= rect[3]
    ]
    if not words or not all(word.style.mono for word in words):
        return False
    white = _PADDING * words[0].style.size
    return (
        min(word.x0 for word in words) - rect[0] < white
        and min(word.y0 for word in words) - rect[1] < white
        and rect[3] - max(word.y1 for word in words) < white
    )
