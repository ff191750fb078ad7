"""In which order the regions of a page are read.

Knows: rectangles. Does not know: what is in them.
Method: the strip of white that parts the most text is the gutter. What lies across it, as headings and wide figures do,
cuts the page into sections from top to bottom; in each of them one side is read before the other, and each side by the
same rule again. So a gap between two paragraphs never tears columns apart, and one wide figure never joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smoldocling.pages.frame import Rect

MIN_GUTTER = 5.0
"""Points of white between two columns."""

MAX_PAUSE = 32.0
"""Points of white across all columns after which the reader starts again on the left."""

_MAX_PLACES = 60
"""Places for a gutter that are tried; a page has a few columns, a drawing's labels have hundreds of left edges."""

# Boxes of neighbouring lines overlap a little because ascenders and descenders are part of them.
_SLACK = 0.2


@dataclass(frozen=True, slots=True)
class _Split:
    """A gutter: sections from top to bottom, each either read side by side or, if it lies across, as it is."""

    sections: tuple[tuple[list[int], list[int], list[int]], ...]
    parted: float


def reading_order(rects: list[Rect], rtl: bool = False) -> list[int]:
    """Indices of the rectangles as a person reads them; with `rtl` the right column comes first."""
    slim = [_slimmed(rect) for rect in rects]
    return _ordered(list(range(len(rects))), slim, rtl)


def _slimmed(rect: Rect) -> Rect:
    x0, y0, x1, y1 = rect
    slack = min(_SLACK * (y1 - y0), 2.5)
    return (x0, y0 + slack, x1, y1 - slack)


def _ordered(items: list[int], rects: list[Rect], rtl: bool) -> list[int]:
    if len(items) < 2:
        return items
    split = _best_split(items, rects)
    if split is not None:
        return [item for section in split.sections for item in _section(section, rects, rtl)]
    parts = _runs(items, rects, 0.0)
    if len(parts) > 1:
        return [item for part in parts for item in _ordered(part, rects, rtl)]
    return _stacked(items, rects, rtl)


def _section(section: tuple[list[int], list[int], list[int]], rects: list[Rect], rtl: bool) -> list[int]:
    across, left, right = section
    result = _ordered(across, rects, rtl)
    lefts, rights = set(left), set(right)
    stages: list[list[int]] = []
    for part in _runs(left + right, rects, MAX_PAUSE):
        # where one column simply goes on, nothing starts again
        alone = lefts.isdisjoint(part) or rights.isdisjoint(part)
        if stages and (alone or lefts.isdisjoint(stages[-1]) or rights.isdisjoint(stages[-1])):
            stages[-1] += part
        else:
            stages.append(part)
    for stage in stages:
        sides = [item for item in stage if item in lefts], [item for item in stage if item in rights]
        first, second = sides[::-1] if rtl else sides
        result += _ordered(first, rects, rtl) + _ordered(second, rects, rtl)
    return result


def _runs(items: list[int], rects: list[Rect], gap: float) -> list[list[int]]:
    """Items from top to bottom, grouped where they touch or come closer than `gap`."""
    groups: list[list[int]] = []
    end = float("-inf")
    for item in sorted(items, key=lambda i: rects[i][1]):
        if groups and rects[item][1] < end + gap:
            groups[-1].append(item)
        else:
            groups.append([item])
        end = max(end, rects[item][3])
    return groups


def _best_split(items: list[int], rects: list[Rect]) -> _Split | None:
    """The gutter with the most text side by side, None where nothing stands beside anything."""
    edges = sorted({rects[item][0] for item in items})[1:]
    if len(edges) > _MAX_PLACES:
        edges = edges[:: len(edges) // _MAX_PLACES + 1]
    best: tuple[tuple[float, int, float], _Split] | None = None
    for edge in edges:
        left = [item for item in items if rects[item][2] <= edge - MIN_GUTTER]
        right = [item for item in items if rects[item][0] >= edge]
        if not left or not right:
            continue
        split = _split(items, left, right, rects)
        width = edge - max(rects[item][2] for item in left)
        merit = (split.parted, len(left) + len(right), width)
        if split.parted > 0 and (best is None or merit > best[0]):
            best = (merit, split)
    return best[1] if best else None


def _split(items: list[int], left: list[int], right: list[int], rects: list[Rect]) -> _Split:
    sides = {**dict.fromkeys(left, 1), **dict.fromkeys(right, 2)}
    across = [item for item in items if item not in sides]
    blocks: list[tuple[float, float, list[int]]] = []
    for item in sorted(across, key=lambda i: rects[i][1]):
        top, bottom = rects[item][1], rects[item][3]
        if blocks and top < blocks[-1][1]:
            blocks[-1] = (blocks[-1][0], max(blocks[-1][1], bottom), [*blocks[-1][2], item])
        else:
            blocks.append((top, bottom, [item]))
    # between the blocks, and above the first and below the last
    between: list[tuple[list[int], list[int]]] = [([], []) for _ in range(len(blocks) + 1)]
    for item, side in sides.items():
        middle = (rects[item][1] + rects[item][3]) / 2
        place = sum(bottom < middle for _, bottom, _ in blocks)
        if place < len(blocks) and blocks[place][0] <= middle:
            blocks[place][2].append(item)
        else:
            between[place][side - 1].append(item)
    sections: list[tuple[list[int], list[int], list[int]]] = []
    parted = 0.0
    for place, (lefts, rights) in enumerate(between):
        if place:
            sections.append((blocks[place - 1][2], [], []))
        if lefts or rights:
            sections.append(([], lefts, rights))
        parted += _beside(lefts, rights, rects)
    return _Split(tuple(sections), parted)


def _beside(left: Sequence[int], right: Sequence[int], rects: list[Rect]) -> float:
    """Points of height at which something stands on both sides."""
    total = 0.0
    ours, theirs = _covered(left, rects), _covered(right, rects)
    for top, bottom in ours:
        total += sum(max(0.0, min(bottom, low) - max(top, high)) for high, low in theirs)
    return total


def _covered(items: Sequence[int], rects: list[Rect]) -> list[tuple[float, float]]:
    """Stretches of the vertical that some items cover, joined where less than a pause lies between them."""
    stretches: list[tuple[float, float]] = []
    for top, bottom in sorted((rects[item][1], rects[item][3]) for item in items):
        if stretches and top <= stretches[-1][1] + MAX_PAUSE:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], bottom))
        else:
            stretches.append((top, bottom))
    return stretches


def _stacked(items: list[int], rects: list[Rect], rtl: bool) -> list[int]:
    """Items that no cut separates: by their middle, then by their side."""
    return sorted(items, key=lambda i: (round(rects[i][1] + rects[i][3]), -rects[i][2] if rtl else rects[i][0]))
