"""Where two sequences agree: the longest common subsequence, as matching blocks.

Knows: things that can be compared. Does not know: text.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

# Differences up to which the best alignment is looked for; its time grows with their square, and beyond it two texts
# are not the same text.
MOST_DIFFERENCES = 300

Stretch = tuple[int, int, int, int]
"""start in a, end in a, start in b, end in b"""


def gaps(a: Sequence[Hashable], b: Sequence[Hashable]) -> tuple[list[tuple[int, int]], list[Stretch]]:
    """What agrees and what does not.

    Returns pairs of places at which `a` and `b` hold the same, in order, and the stretches between them.
    """
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    inner = _shortest(inner_a, inner_b)
    if inner is None:
        inner = list(_fast(inner_a, inner_b))
    pairs = [
        *((at, at) for at in range(head)),
        *((head + i, head + j) for i, j in inner),
        *((len(a) - at, len(b) - at) for at in range(tail, 0, -1)),
    ]
    stops = [(-1, -1), *pairs, (len(a), len(b))]
    between = [(i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(stops) if k > i + 1 or m > j + 1]
    return pairs, between


def _shortest(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]] | None:
    """Pairs of the alignment with the fewest insertions and deletions (Myers 1986); None where there are too many."""
    if abs(len(a) - len(b)) > MOST_DIFFERENCES:
        return None
    reach = {1: 0}
    trace: list[dict[int, int]] = []
    for count in range(min(len(a) + len(b), MOST_DIFFERENCES) + 1):
        trace.append(dict(reach))
        for line in range(-count, count + 1, 2):
            down = line == -count or (line != count and reach[line - 1] < reach[line + 1])
            x = reach[line + 1] if down else reach[line - 1] + 1
            while x < len(a) and x - line < len(b) and a[x] == b[x - line]:
                x += 1
            reach[line] = x
            if x >= len(a) and x - line >= len(b):
                return _back(trace, len(a), len(b))
    return None


def _back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    """The pairs along the way that was found, read from its end."""
    pairs: list[tuple[int, int]] = []
    for count in range(len(trace) - 1, -1, -1):
        reach, line = trace[count], x - y
        down = line == -count or (line != count and reach[line - 1] < reach[line + 1])
        before = line + 1 if down else line - 1
        start = reach[before]
        edited = (start if down else start + 1) if count else 0
        while x > edited:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        x, y = start, start - before
    return pairs[::-1]


def _fast(a: Sequence[Hashable], b: Sequence[Hashable]) -> Iterator[tuple[int, int]]:
    """Some common subsequence of two long sequences that share little."""
    for i, j, size in SequenceMatcher(None, a, b).get_matching_blocks():
        yield from ((i + at, j + at) for at in range(size))
