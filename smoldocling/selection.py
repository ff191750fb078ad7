"""Which pages of a document are wanted: "1-3,7" and the like.

Knows: page numbers from 1. Does not know: documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from smoldocling.errors import UnusableOption

_PART = re.compile(r"(?P<first>\d{1,9})(?P<to>-(?P<last>\d{1,9})?)?")


@dataclass(frozen=True, slots=True)
class Selection:
    """Ranges of page numbers, both ends included; `None` as the end means the last page. No ranges means all pages."""

    ranges: tuple[tuple[int, int | None], ...] = ()

    def numbers(self, page_count: int) -> list[int]:
        """The wanted numbers in ascending order. A single page that is not there is among them; a range is clipped."""
        if not self.ranges:
            return list(range(1, page_count + 1))
        wanted: set[int] = set()
        for first, last in self.ranges:
            if first == last:
                wanted.add(first)
            else:
                wanted.update(range(first, min(last or page_count, page_count) + 1))
        return sorted(wanted)


def parse(pages: str | Iterable[int] | None) -> Selection:
    """Read "1-3,7", "5-" (to the end) or an iterable of numbers. Raises UnusableOption."""
    if pages is None:
        return Selection()
    if not isinstance(pages, str):
        numbers = list(pages) if isinstance(pages, Iterable) else [pages]
        if not numbers or not all(type(number) is int for number in numbers):
            raise UnusableOption(f"pages {pages!r}: whole numbers from 1, or a text like 1-3,7 or 5-")
        return Selection(tuple(_range(number, number) for number in numbers))
    return Selection(tuple(_parse_part(part.strip(), pages) for part in pages.split(",")))


def _parse_part(part: str, whole: str) -> tuple[int, int | None]:
    match = _PART.fullmatch(part)
    if match is None:
        raise UnusableOption(f"pages {whole!r}: {part!r} is no page or range; write for example 1-3,7 or 5-")
    first = int(match["first"])
    if not match["to"]:
        return _range(first, first)
    return _range(first, int(match["last"]) if match["last"] else None)


def _range(first: int, last: int | None) -> tuple[int, int | None]:
    if first < 1:
        raise UnusableOption(f"pages: {first} is no page number; pages are numbered from 1")
    if last is not None and last < first:
        raise UnusableOption(f"pages: the range {first}-{last} ends before it begins")
    return first, last
