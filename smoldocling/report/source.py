"""The DocTags of a page, line by line: elements and problems are marked where they stand.

Knows: offsets, lines. Does not know: who wrote the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from converters.characters import legal
from smoldocling.report.anatomy import Anatomy
from smoldocling.report.build import Node, add

# What a model writes may hold control characters; they are shown as the signs that Unicode has for them.
_VISIBLE = {code: 0x2400 + code for code in range(32) if code not in (9, 10)}
# What is wrong may be the whole page; its beginning is what one wants to see.
LONGEST_MARK = 200


def mark_id(prefix: str, start: int) -> str:
    """The anchor of what is wrong at that offset."""
    return f"q{prefix}-{start}"


def write(parent: Node, anatomy: Anatomy, prefix: str, homes: Mapping[str, str | None]) -> None:
    """Append the text: a span for each line, in it one for each stretch of an element, and marks for problems."""
    text = anatomy.text
    owners, wrong = dict(anatomy.owners), _wrong(anatomy)
    lines = {match.end() for match in re.finditer("\n", text)}
    cuts = sorted({0, len(text), *lines, *owners, *wrong, *wrong.values()})
    number = anatomy.line
    row = add(parent, "span", class_="line", data_n=str(number))
    key: str | None = None
    wrong_until = 0
    for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True):
        if start in lines:
            number += 1
            row = add(parent, "span", class_="line", data_n=str(number))
        key = owners.get(start, key)
        wrong_until = wrong.get(start, wrong_until)
        piece = text[start:end].removesuffix("\n").translate(_VISIBLE)
        holder = row if key is None else add(row, "span", data_e=key, data_t=homes[key])
        if start in wrong or start < wrong_until:
            add(holder, "mark", piece, id=mark_id(prefix, start) if start in wrong else None, tabindex="-1")
        elif key is None:
            add(holder, "span", piece)
        else:
            holder.text = legal(piece)


def _wrong(anatomy: Anatomy) -> dict[int, int]:
    """Where something wrong begins -> where to stop marking it; no two overlap."""
    reach: dict[int, int] = {}
    for trouble in anatomy.problems:
        if trouble.span is not None:
            start, end = trouble.span
            reach[start] = max(end, reach.get(start, start))
    starts = sorted(reach)
    following = [*starts, len(anatomy.text)][1:]
    return {
        start: min(reach[start], start + LONGEST_MARK, after) for start, after in zip(starts, following, strict=True)
    }
