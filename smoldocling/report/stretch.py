"""Which part of a DocTags text is a page's, where several pages stand in one text.

Knows: offsets. Does not know: HTML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from smoldocling.result import PageResult


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a text, and the number of the line on which it begins."""

    text: str
    start: int = 0
    line: int = 1


def stretches(pages: Sequence[PageResult]) -> Iterator[Stretch]:
    """What to show of each page's DocTags.

    All of it; where neighbours share one text, from the page's first element to that of the next, so that each
    character is shown once. Where no text was written, the one that we would write.
    """
    for _, group in groupby(pages, key=lambda page: id(page.raw)):
        sharing = list(group)
        raw = sharing[0].raw
        if raw is None:
            yield from (Stretch(page.doctags) for page in sharing)
            continue
        start, line = 0, 1
        for following in [*sharing[1:], None]:
            end = len(raw) if following is None else max(start, _first(following))
            yield Stretch(raw[start:end], start, line)
            line += raw.count("\n", start, end)
            start = end


def _first(page: PageResult) -> int:
    return min((element.span[0] for element in page.tree.elements if element.span is not None), default=0)
