"""Prose that stays prose in Markdown, with no more backslashes than that takes.

Knows: CommonMark and the GFM extensions, paragraph by paragraph. Does not know: blocks, documents.
Law: a CommonMark parser reads back exactly the prose, and only the markup that was given as markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html.entities import html5

PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|([A-Za-z][A-Za-z0-9]{1,31}));")
_TICKS = re.compile("`+")
_MATH = re.compile(r"\$(?=\S)[^$]*?(?<=\S)\$(?![0-9])")

# What opens a block at the start of a line: the pattern, and the group whose characters lose their meaning.
_LINE_STARTS: tuple[re.Pattern[str], ...] = (
    re.compile(r"(#)#{0,5}(?:[ \t]|$)"),  # heading
    re.compile(r"(>)"),  # quotation
    re.compile(r"([-+*])(?:[ \t]|$)"),  # bullet
    re.compile(r"[0-9]{1,9}([.)])(?:[ \t]|$)"),  # number
    # Rule or underline. Possessive, because a model may write a line of ten thousand underscores.
    re.compile(r"(\*++)[ \t*]*+$|(_++)[ \t_]*+$|(-)[ \t-]*+$"),
    re.compile(r"(~{3,})"),  # fence; one of backticks is the business of code spans
)
# What a line does to the line before it: underline it as a heading, or make a table of both.
_LATER_LINES: tuple[re.Pattern[str], ...] = (
    re.compile(r"(=)=*[ \t]*$"),
    re.compile(r"([|:-])[|:\- \t]*$"),
)
_FENCE = re.compile(r"(?m)^`{3,}")
_CLOSING_HASHES = re.compile(r"(?:^|[ \t])(#+)$")
_TICK_BOX = re.compile(r"\[[ xX]\](?:\s|$)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a paragraph: prose to be escaped, or markup to be kept. `in_link` is prose between a link's brackets."""

    text: str
    markup: bool = False
    in_link: bool = False


def escape(pieces: Sequence[Piece], *, place: str = "paragraph") -> str:
    """One paragraph of Markdown. `place` is "paragraph", "item", "heading" or "cell": where it will stand."""
    text = "".join(piece.text for piece in pieces)
    prose = [not piece.markup for piece in pieces for _ in piece.text]
    marks = _inline_marks(text, prose, pieces)
    if place in {"paragraph", "item"}:
        marks |= _line_marks(text)
    if place == "item" and _TICK_BOX.match(text):
        marks.add(0)
    if place == "heading" and (hashes := _CLOSING_HASHES.search(text)):
        marks.add(hashes.start(1))
    marked = "".join("\\" + char if i in marks and prose[i] else char for i, char in enumerate(text))
    return marked.replace("|", "\\|") if place == "cell" else marked


def _inline_marks(text: str, prose: list[bool], pieces: Sequence[Piece]) -> set[int]:
    marks = _link_brackets(pieces)
    markup = "".join(piece.text for piece in pieces if piece.markup)
    for index, char in enumerate(text):
        after = text[index + 1 : index + 2]
        if (
            (char == "\\" and (after in {"", "\n"} or after in PUNCTUATION))
            or (char == "<" and after != "" and (after in "/!?" or (after.isascii() and after.isalpha())))
            or (char == "]" and after == "(")
            or (char == "!" and after == "[" and not prose[index + 1])
            or (char == "&" and _is_entity(text, index))
        ):
            marks.add(index)
    ticks = [found.group() for found in _TICKS.finditer(text)]
    if len(set(ticks)) < len(ticks) or _FENCE.search(text) or "`" in markup:
        marks.update(_all(text, "`"))
    if "$" in markup or "$$" in text or _MATH.search(text):
        marks.update(_all(text, "$"))
    if text.startswith("[") and "]:" in text:
        marks.add(0)
    for char in "*_~":
        marks.update(_all(text, char) if char * 2 in markup else _emphasis(text, char))
    return marks


def _is_entity(text: str, index: int) -> bool:
    found = _ENTITY.match(text, index)
    return found is not None and (found.group(1) is None or f"{found.group(1)};" in html5)


def _link_brackets(pieces: Sequence[Piece]) -> set[int]:
    marks: set[int] = set()
    start = 0
    for piece in pieces:
        if piece.in_link:
            marks.update(start + i for i, char in enumerate(piece.text) if char in "[]")
        start += len(piece.text)
    return marks


def _all(text: str, char: str) -> set[int]:
    return {index for index, found in enumerate(text) if found == char}


def _emphasis(text: str, char: str) -> set[int]:
    """The delimiters that could open or close emphasis, if any two of them could pair.

    The rules for what can open and close are CommonMark's, a little wider: punctuation is not looked at, because its
    definition differs between versions.
    """
    opened = paired = False
    found: set[int] = set()
    for run in re.finditer(re.escape(char) + "+", text):
        before, after = text[run.start() - 1 : run.start()] if run.start() else "", text[run.end() : run.end() + 1]
        opens, closes = not (after == "" or after.isspace()), not (before == "" or before.isspace())
        if char == "_":
            opens, closes = opens and not before.isalnum(), closes and not after.isalnum()
        if opens or closes:
            found.update(range(*run.span()))
        paired = paired or (opened and closes)
        opened = opened or opens
    return found if paired else set()


def _line_marks(text: str) -> set[int]:
    marks: set[int] = set()
    start = 0
    for number, line in enumerate(text.split("\n")):
        for pattern in (*_LINE_STARTS, *(_LATER_LINES if number else ())):
            if found := pattern.match(line):
                marks.update(
                    start + index
                    for group in range(1, pattern.groups + 1)
                    for index in range(*found.span(group))
                    if index >= 0
                )
        start += len(line) + 1
    return marks
