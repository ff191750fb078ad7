"""Rectangles on a page, and how they turn with it.

Knows: points and quarter turns. Does not know: PDF, text.
"""

from __future__ import annotations

from typing import Any

Rect = tuple[float, float, float, float]
"""x0 y0 x1 y1 in points, origin top left."""


def turned_by(rect: Rect, turn: int, width: float, height: float) -> Rect:
    """A rectangle after turning its width x height page clockwise by `turn` quarters."""
    x0, y0, x1, y1 = rect
    match turn % 4:
        case 1:
            return (height - y1, x0, height - y0, x1)
        case 2:
            return (width - x1, height - y1, width - x0, height - y0)
        case 3:
            return (y0, width - x1, y1, width - x0)
    return rect


def quarter(direction: tuple[float, float]) -> int:
    """Clockwise quarters by which a text direction deviates from left to right."""
    dx, dy = direction
    if abs(dx) >= abs(dy):
        return 0 if dx >= 0 else 2
    return 1 if dy > 0 else 3


class Frame:
    """The upright frame of a page whose unrotated size is `plain_width` x `plain_height` points."""

    def __init__(self, quarters: int, plain_width: float, plain_height: float) -> None:
        self.quarters = quarters
        self._plain = (plain_width, plain_height)
        self.width, self.height = self._plain if quarters % 2 == 0 else (plain_height, plain_width)

    def turned(self, rect: Any) -> Rect:
        x0, y0, x1, y1 = rect
        x0, y0, x1, y1 = turned_by((x0, y0, x1, y1), self.quarters, *self._plain)
        return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

    def shows(self, rect: Rect) -> bool:
        """Whether a rectangle's centre lies on the page."""
        x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
        return 0 <= x <= self.width and 0 <= y <= self.height
