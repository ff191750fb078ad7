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
from smoldocling.pages.lines import Glyph, Line, Word

# Empty rows of a listing that are kept; more of them are a gap between two pieces of it.
_MOST_EMPTY = 3
# Columns by which words of a listing may miss its columns where each space is as wide as a letter.
_OFF_GRID = 0.15

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
        styles=tuple(mark.style for word in (left, right) for mark in word.glyphs),
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
    if not opened and _goes_on(text, start):
        return text
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


# An address that breaks at the end of a row does so behind one of its own signs or before one.
_ADDRESS = re.compile(r"(?:https?:|www\.|doi\.org/)\S*$", re.IGNORECASE)
_ADDRESS_SIGNS = frozenset("/-_=&?%#~+")


def _goes_on(text: str, start: str) -> bool:
    """Whether an address goes on in the next row."""
    found = _ADDRESS.search(text, max(0, len(text) - 300))
    if found is None:
        return False
    if text[-1] in _ADDRESS_SIGNS or start[0] in _ADDRESS_SIGNS or found.group().lower() == "www.":
        return True
    # what follows a full stop may be the next sentence; a word with signs of addresses in it is none
    return (text[-1].isalnum() or text[-1] == ".") and start[0].isalnum() and bool({"/", "_", "="} & set(start))


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
        hit = _linked(word, links)
        if hit is None:
            continue
        uri, head, tail = hit
        first = start + head - sum(place < start + head for place in removed)
        last = min(end - tail - sum(place < end - tail for place in removed), len(text))
        if found and found[-1].uri == uri and first - found[-1].end <= 1:
            found[-1] = Link(found[-1].start, last, uri)
        elif last > first:
            found.append(Link(first, last, uri))
    return tuple(found)


def _linked(word: Word, links: Sequence[tuple[Rect, str]]) -> tuple[str, int, int] | None:
    """The address that a word leads to, and how many of its first and last characters are beside the link."""
    y = (word.y0 + word.y1) / 2
    beside = [(rect, uri) for rect, uri in links if rect[1] <= y <= rect[3] and rect[0] < word.x1 and word.x0 < rect[2]]
    if not beside:
        return None
    rect, uri = max(beside, key=lambda link: min(link[0][2], word.x1) - max(link[0][0], word.x0))
    middle = (word.x0 + word.x1) / 2
    marks = word.glyphs
    if sum(len(mark.text) for mark in marks) != len(word.text) or not _runs_right(word, marks):
        return (uri, 0, 0) if rect[0] <= middle <= rect[2] else None
    inside = [rect[0] <= (mark.x0 + mark.x1) / 2 <= rect[2] for mark in marks]
    if not any(inside):
        return None
    first, last = inside.index(True), len(inside) - 1 - inside[::-1].index(True)
    head = sum(len(mark.text) for mark in marks[:first])
    tail = sum(len(mark.text) for mark in marks[last + 1 :])
    return uri, head, tail


def _runs_right(word: Word, marks: Sequence[Glyph]) -> bool:
    """Whether the characters of a word follow each other from left to right: not on turned pages, not in Arabic."""
    placed = bool(marks) and abs(marks[0].x0 - word.x0) < 1 and abs(marks[-1].x1 - word.x1) < 1
    return placed and all(a.x0 <= b.x0 for a, b in pairwise(marks))


def listing(lines: Sequence[Line]) -> str:
    """Rows of code with their line breaks and their indentation in columns."""
    widths = sorted((word.x1 - word.x0) / len(word.text) for line in lines for word in line.words)
    column = widths[len(widths) // 2] if widths else 1.0
    column = column if column > 0 else 1.0
    left = min(line.x0 for line in lines)
    pitches = sorted(b.baseline - a.baseline for a, b in pairwise(lines) if b.baseline > a.baseline)
    # with empty rows between them, baselines are several pitches apart
    pitch = pitches[(len(pitches) - 1) // 4] if pitches else 0.0
    gaps = [(word.x0 - before.x1) / column for line in lines for before, word in pairwise(line.words)]
    exact = all(abs(gap - round(gap)) < _OFF_GRID for gap in gaps)
    result: list[str] = []
    for index, line in enumerate(lines):
        if index and pitch:
            empty = round((line.baseline - lines[index - 1].baseline) / pitch - 0.2) - 1
            result += [""] * min(max(0, empty), _MOST_EMPTY)
        text = " " * round((line.words[0].x0 - left) / column) + line.words[0].text
        for before, word in pairwise(line.words):
            gap = (word.x0 - before.x1) / column
            # justified listings stretch their spaces; a gap of columns is meant
            text += " " * (1 if gap < 2.5 and not exact else max(1, round(gap))) + word.text
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
    ("Rust", r"\bfn \w+(?:<.*>)?\(|\blet mut |\bimpl\b.*\{"),
    ("JavaScript", r"\bfunction\s*\w*\s*\(|\bconsole\.log\(|=> ?\{|\b(?:const|let) \w+ ="),
    ("Go", r"^\s*(?:package \w+$|func (?:\(.*\) )?\w+\()|:= "),
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
