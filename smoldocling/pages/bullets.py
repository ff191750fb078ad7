"""Bullets and tick boxes that are drawn and not written, put where they would stand as characters.

Knows: lines, small marks. Does not know: lists, regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line, Word

MOST = 400
"""Marks of that size on a page beyond which they are a diagram's."""

# In font sizes of the text: the side of a bullet, the white behind it.
_LABEL = 4.0  # between a tick box and what it is about
_SIDES, _WHITE = (0.15, 0.8), (0.15, 2.5)


def bulleted(lines: Sequence[Line], dots: Sequence[tuple[Rect, str]]) -> tuple[list[Line], list[Rect]]:
    """The lines with the bullets that stand before them as their first words; the places of these bullets."""
    if not 0 < len(dots) <= MOST:
        return list(lines), []
    result: list[Line] = []
    used: list[Rect] = []
    for line in lines:
        found = [dot for dot in dots if line.upright and _belongs(dot[0], line)] if _is_text(line) else []
        # two marks beside each other are no bullets but a drawing's
        if len(found) != 1 or any(_between(found[0][0], line, other) for other in lines):
            result.append(line)
            continue
        rect, sign = found[0]
        used.append(rect)
        word = Word(sign, *rect, line.style, line.baseline, raw=(sign, rect[0], rect[2], line.baseline))
        result.append(replace(line, words=(word, *line.words), x0=rect[0]))
    return result, used


def boxed(lines: Sequence[Line], boxes: Sequence[tuple[Rect, str]]) -> list[Line]:
    """The lines with a form's tick boxes as first words of what they are about: what stands right of them, else left.

    A tick that is a character of its own is part of its box.
    """
    result = [line for line in lines if not any(_holds(box, line) for box, _ in boxes)]
    for box, sign in boxes:
        level = [line for line in result if line.upright and box[1] <= (line.y0 + line.y1) / 2 <= box[3]]
        right = [line for line in level if -1 <= line.x0 - box[2] < _LABEL * line.style.size]
        left = [line for line in level if -1 <= box[0] - line.x1 < _LABEL * line.style.size]
        line = min(right, key=lambda line: line.x0, default=None) or max(left, key=lambda line: line.x1, default=None)
        if line is not None:
            word = Word(sign, *box, line.style, line.baseline, raw=(sign, box[0], box[2], line.baseline))
            ticked = replace(line, words=(word, *line.words), x0=min(box[0], line.x0), x1=max(box[2], line.x1))
            result = [ticked if other is line else other for other in result]
    return result


def _holds(box: Rect, line: Line) -> bool:
    x, y = (line.x0 + line.x1) / 2, (line.y0 + line.y1) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3] and len(line.text) == 1


def without(rects: Sequence[Rect], used: Sequence[Rect]) -> list[Rect]:
    """Marks that are no part of a bullet."""
    if not used:
        return list(rects)
    return [rect for rect in rects if not any(_within(rect, dot) for dot in used)]


def _is_text(line: Line) -> bool:
    """Whether a line is more than the number beside the sign of a chart's legend."""
    return any(char.isalpha() for char in line.text)


def _belongs(dot: Rect, line: Line) -> bool:
    """Whether a mark stands where the bullet of a line would: before it, at half the height of its small letters."""
    size = line.style.size
    middle = (dot[1] + dot[3]) / 2
    return (
        _SIDES[0] * size <= dot[3] - dot[1] <= _SIDES[1] * size
        and line.baseline - 0.6 * size <= middle <= line.baseline - 0.1 * size
        and _WHITE[0] * size <= line.x0 - dot[2] <= _WHITE[1] * size
    )


def _between(dot: Rect, line: Line, other: Line) -> bool:
    """Whether another line of the same row stands on the left of this one, so that the mark is inside the text."""
    level = min(other.y1, line.y1) - max(other.y0, line.y0) > 0.3 * line.height
    return other is not line and level and line.x0 - 4 * line.style.size < other.x1 <= line.x0


def _within(rect: Rect, dot: Rect) -> bool:
    return dot[0] - 0.5 <= rect[0] and rect[2] <= dot[2] + 0.5 and dot[1] - 0.5 <= rect[1] and rect[3] <= dot[3] + 0.5
