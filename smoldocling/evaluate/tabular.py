"""LaTeX tables in Markdown, as Nougat, Mathpix and READoc write them.

Knows: tabular, multicolumn, multirow. Does not know: Markdown, files. What it does not understand stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from doctags.tree import Cell
from smoldocling.evaluate.content import Block, table

_TABULAR = re.compile(r"\\begin\{tabular\*?\}(.*?)\\end\{tabular\*?\}", re.DOTALL)
_FRAME = re.compile(r"\\(?:begin|end)\{table\*?\}(?:\[[^\]]*\])?|\\(?:label|vspace|hspace)\{[^}]*\}|\\centering\b")
_RULE = re.compile(r"\\(?:hline|toprule|midrule|bottomrule)\b|\\c(?:line|midrule)(?:\([^)]*\))?\{[^}]*\}")
_SPANS = (
    (re.compile(r"\s*\\multicolumn\s*\{\s*(\d+)\s*\}"), 0),
    (re.compile(r"\s*\\multirow\s*(?:\[[^\]]*\])?\s*\{\s*(-?\d+)\s*\}"), 1),
)
_CAPTION = re.compile(r"\\caption\*?\s*(?:\[[^\]]*\])?(?=\{)")
MOST = 1000
"""No table has more columns or rows; a number gone wrong does."""


def latex_blocks(text: str, said: Callable[[str], str]) -> list[Block]:
    """The tables of a paragraph and what stands between them; `said` takes the markup of a cell away."""
    blocks: list[Block] = []
    start = 0
    # a table that does not end is none; each that is begun before the last end has one
    for found in _TABULAR.finditer(text, 0, text.rfind(r"\end{tabular") + len(r"\end{tabular*}")):
        blocks += _prose(text[start : found.start()], said)
        _, body = _group(found.group(1).lstrip())
        blocks.append(table(_cells(body, said)))
        start = found.end()
    return [*blocks, *_prose(text[start:], said)]


def _prose(text: str, said: Callable[[str], str]) -> list[Block]:
    text = _FRAME.sub(" ", text)
    while caption := _CAPTION.search(text):
        inner, rest = _group(text[caption.end() :])
        text = f"{text[: caption.start()]} {inner} {rest}"
    return [Block("text", found)] if (found := said(text.strip()).strip()) else []


def _group(text: str) -> tuple[str, str]:
    """What the braces at the start of a text hold, and what is behind them."""
    if not text.startswith("{"):
        return "", text
    depth = 0
    for place, char in enumerate(text):
        escaped = place > 0 and text[place - 1] == "\\"
        depth += (char == "{" and not escaped) - (char == "}" and not escaped)
        if not depth:
            return text[1:place], text[place + 1 :]
    return text[1:], ""


def _cells(body: str, said: Callable[[str], str]) -> Iterator[Cell]:
    taken: set[tuple[int, int]] = set()
    rows = _split(_RULE.sub(" ", body), "\\\\")
    while rows and not rows[-1].strip():
        rows.pop()
    for at, row in enumerate(rows):
        column = 0
        for cell in _split(row, "&"):
            wide, tall, text = _spanning(cell)
            if (at, column) in taken:
                # LaTeX leaves an empty cell where one from above reaches into the row
                column += 1
                continue
            tall = min(tall, len(rows) - at)
            yield Cell(at, column, said(text.strip()).strip(), tall, wide)
            taken |= {(at + down, column + right) for down in range(tall) for right in range(wide)}
            column += wide


def _spanning(cell: str) -> tuple[int, int, str]:
    """Columns, rows and text of a cell."""
    spans = [1, 1]
    for pattern, which in _SPANS:
        if found := pattern.match(cell):
            spans[which] = min(max(1, abs(int(found.group(1)))), MOST)
            # the alignment or the width, then the text
            _, rest = _group(cell[found.end() :].lstrip())
            if rest.lstrip().startswith("{"):
                cell, _ = _group(rest.lstrip())
            elif rest.startswith("*"):
                cell, _ = _group(rest[1:].lstrip())
    return spans[0], spans[1], cell


def _split(text: str, by: str) -> list[str]:
    """At `by` outside of braces; an escaped sign is none."""
    parts, depth, start, place = [], 0, 0, 0
    while place < len(text):
        if not depth and text.startswith(by, place):
            parts.append(text[start:place])
            place += len(by)
            start = place
            continue
        if text[place] == "\\":
            place += 2
            continue
        depth = max(0, depth + (text[place] == "{") - (text[place] == "}"))
        place += 1
    return [*parts, text[start:]]
