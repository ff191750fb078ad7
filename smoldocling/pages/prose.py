"""How lines become running text.

Knows: rows, hyphens, spaces between scripts, code indentation, links. Does not know: what the text is part of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from doctags.tree import Link
from smoldocling.pages import glyphs
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Line, Word

_HYPHENS = ("-", "\u2010")
_DASHES = ("—", "–", "/")

# A line that breaks after one of these keeps its hyphen; all others are taken for syllables.
_KEPT_PREFIXES = frozenset(["cross", "half", "multi", "non", "quasi", "self", "semi", "well"])


@dataclass(frozen=True, slots=True)
class Prose:
    """Text and the links on it."""

    text: str
    links: tuple[Link, ...] = ()


def rows(lines: Sequence[Line]) -> list[Line]:
    """Lines of one column with the pieces of each row joined, top to bottom."""
    rtl = is_rtl(lines)
    result: list[list[Line]] = []
    for line in sorted(lines, key=lambda item: (item.y0 + item.y1) / 2):
        for row in reversed(result[-3:]):
            top, bottom = _extent(row)
            overlap = min(bottom, line.y1) - max(top, line.y0)
            if overlap > 0.5 * min(bottom - top, line.height) and not _stands_below(row, line):
                row.append(line)
                break
        else:
            result.append([line])
    return [_row(pieces, rtl) for pieces in result]


def is_rtl(lines: Sequence[Line]) -> bool:
    """Whether most letters of some lines are written from right to left."""
    text = "".join(line.text for line in lines)
    return sum(map(glyphs.is_rtl, text)) * 2 > sum(char.isalpha() for char in text) > 0


def _extent(row: list[Line]) -> tuple[float, float]:
    """Top and bottom of the tallest piece of a row."""
    tallest = max(row, key=lambda line: line.style.size)
    return tallest.y0, tallest.y1


def _stands_below(row: list[Line], line: Line) -> bool:
    """Whether a line overlaps the row's text sideways, so that it cannot be a part of the same row."""
    return any(
        min(piece.x1, line.x1) - max(piece.x0, line.x0) > 0.5 * min(piece.x1 - piece.x0, line.x1 - line.x0)
        and abs(piece.baseline - line.baseline) > 0.4 * min(piece.style.size, line.style.size)
        for piece in row
    )


def _row(pieces: list[Line], rtl: bool) -> Line:
    if len(pieces) == 1:
        return pieces[0]
    pieces = sorted(pieces, key=lambda line: -line.x1 if rtl else line.x0)
    words: list[Word] = list(pieces[0].words)
    for before, after in pairwise(pieces):
        gap = before.x0 - after.x1 if rtl else after.x0 - before.x1
        if gap < 0.12 * max(before.style.size, after.style.size) and not before.open:
            first = after.words[0]
            words[-1] = _glued(words[-1], first)
            words += after.words[1:]
        else:
            words += after.words
    main = max(pieces, key=lambda line: len(line.text))
    return replace(
        main,
        words=tuple(words),
        x0=min(line.x0 for line in pieces),
        y0=min(line.y0 for line in pieces),
        x1=max(line.x1 for line in pieces),
        y1=max(line.y1 for line in pieces),
        open=pieces[-1].open,
    )


def _glued(left: Word, right: Word) -> Word:
    return replace(
        left,
        text=left.text + right.text,
        x0=min(left.x0, right.x0),
        y0=min(left.y0, right.y0),
        x1=max(left.x1, right.x1),
        y1=max(left.y1, right.y1),
        raw=left.raw + right.raw,
    )


def paragraph(
    lines: Sequence[Line], links: Sequence[tuple[Rect, str]] = (), known: frozenset[str] = frozenset()
) -> Prose:
    """The running text of rows. `known` are words of the document, lower case: they decide about hyphens."""
    text = ""
    placed: list[tuple[int, int, Word]] = []
    spaced = any(line.open for line in lines[:-1])
    for index, line in enumerate(lines):
        if index:
            text = _joint(text, line, lines[index - 1].open, spaced, known)
        for position, word in enumerate(line.words):
            if position:
                text += " "
            placed.append((len(text), len(text) + len(word.text), word))
            text += word.text
    text, shift = _without_soft_hyphens(text)
    return Prose(text, _links(placed, links, text, shift))


def _joint(text: str, line: Line, opened: bool, spaced: bool, known: frozenset[str]) -> str:
    """The text so far, ready for the words of the next row."""
    start = line.words[0].text
    last, first = text[-1], start[0]
    if last == glyphs.SOFT_HYPHEN:
        return text[:-1]
    if last in _HYPHENS and len(text) > 1 and text[-2].isalpha():
        return text if _keeps_hyphen(text, start, known) else text[:-1]
    if last in _HYPHENS and text[-2:-1].isdigit() and first.isdigit():
        return text
    if last in _DASHES and len(text) > 1 and not text[-2].isspace() and not opened:
        return text
    if glyphs.is_cjk(last) and glyphs.is_cjk(first):
        return text
    if glyphs.is_hangul(last) and glyphs.is_hangul(first) and spaced and not opened:
        # this paragraph shows where spaces stand at the ends of its rows; here is none
        return text
    return text + " "


def _keeps_hyphen(text: str, start: str, known: frozenset[str]) -> bool:
    left = _last_letters(text[:-1])
    right = _first_letters(start)
    if not right or not right[0].islower():
        return True
    joined, hyphened = (left + right).lower(), f"{left}-{right}".lower()
    if hyphened in known:
        return True
    if joined in known:
        return False
    if min(len(left), len(right)) > 2 and left.lower() in known and right.lower() in known:
        return True
    return left.lower() in _KEPT_PREFIXES or left.isupper() or "-" in text.rsplit(maxsplit=1)[-1][:-1]


def _last_letters(text: str) -> str:
    index = len(text)
    while index and text[index - 1].isalpha():
        index -= 1
    return text[index:]


def _first_letters(text: str) -> str:
    index = 0
    while index < len(text) and text[index].isalpha():
        index += 1
    return text[:index]


def _without_soft_hyphens(text: str) -> tuple[str, list[int]]:
    """The text without soft hyphens and the places where they stood."""
    if glyphs.SOFT_HYPHEN not in text:
        return text, []
    places = [index for index, char in enumerate(text) if char == glyphs.SOFT_HYPHEN]
    return text.replace(glyphs.SOFT_HYPHEN, ""), places


def _links(
    placed: list[tuple[int, int, Word]], links: Sequence[tuple[Rect, str]], text: str, removed: list[int]
) -> tuple[Link, ...]:
    """Links whose rectangles lie on words, as character ranges; neighbours with one address are joined."""
    found: list[Link] = []
    if not links:
        return ()
    for start, end, word in placed:
        x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
        uri = next((uri for rect, uri in links if rect[0] <= x <= rect[2] and rect[1] <= y <= rect[3]), None)
        if uri is None:
            continue
        first = start - sum(place < start for place in removed)
        last = min(end - sum(place < end for place in removed), len(text))
        if found and found[-1].uri == uri and first - found[-1].end <= 1:
            found[-1] = Link(found[-1].start, last, uri)
        elif last > first:
            found.append(Link(first, last, uri))
    return tuple(found)


def listing(lines: Sequence[Line]) -> str:
    """Rows of code with their line breaks and their indentation in columns."""
    widths = sorted((word.x1 - word.x0) / len(word.text) for line in lines for word in line.words)
    column = widths[len(widths) // 2] if widths else 1.0
    column = column if column > 0 else 1.0
    left = min(line.x0 for line in lines)
    pitches = sorted(b.baseline - a.baseline for a, b in pairwise(lines) if b.baseline > a.baseline)
    pitch = pitches[len(pitches) // 2] if pitches else 0.0
    result: list[str] = []
    for index, line in enumerate(lines):
        if index and pitch and line.baseline - lines[index - 1].baseline > 1.7 * pitch:
            result.append("")
        text = " " * round((line.words[0].x0 - left) / column) + line.words[0].text
        for before, word in pairwise(line.words):
            gap = (word.x0 - before.x1) / column
            # justified listings stretch their spaces; a gap of columns is meant
            text += " " * (1 if gap < 2.5 else round(gap)) + word.text
        result.append(text)
    return "\n".join(result)


# The first language of which one row matches; a row is a sign that no other language of the table shows.
_LANGUAGES = (
    (
        "Python",
        r"^\s*(?:def \w+\(.*\).*:|from [\w.]+ import |import \w+(?: as \w+)?$|class \w+(?:\(.*\))?:|if __name__)",
    ),
    ("Java", r"\b(?:public (?:static|class|interface|void)|System\.out\.print|private (?:final |static )?\w+ \w+)"),
    ("C++", r"#include <(?:iostream|vector|string|map|memory)>|\bstd::|\bcout <<|\btemplate ?<"),
    ("C", r"^\s*#(?:include|define)\b|\bint main\(|\bprintf\("),
    ("JavaScript", r"\bfunction\s*\w*\s*\(|\bconsole\.log\(|=> ?\{|\b(?:const|let) \w+ ="),
    ("Go", r"^\s*(?:package \w+$|func (?:\(.*\) )?\w+\()|:= "),
    ("Rust", r"\bfn \w+(?:<.*>)?\(|\blet mut |\bimpl\b.*\{"),
    ("SQL", r"^\s*(?:SELECT\b.*|INSERT INTO |CREATE TABLE |UPDATE \w+ SET )"),
    ("PHP", r"<\?php"),
    ("XML", r"<\?xml"),
    ("HTML", r"<(?:!DOCTYPE html|html|body|div|table)\b"),
    ("Awk", r"^\s*#!.*awk"),
    ("Bash", r"^\s*(?:#!.*\b(?:ba)?sh|\$ \w+|sudo |echo |export \w+=)"),
)
_SIGNS = tuple((name, re.compile(pattern, re.MULTILINE)) for name, pattern in _LANGUAGES)


def language(code: str) -> str | None:
    """The programming language of a listing where a row of it gives it away."""
    return next((name for name, sign in _SIGNS if sign.search(code)), None)
