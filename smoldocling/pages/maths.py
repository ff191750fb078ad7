"""What a displayed formula says, as LaTeX: its letters and signs, and which of them stand above, below or over a bar.

Knows: the places, sizes and fonts of characters, bars. Does not know: regions, pages, DocTags.
Nothing is guessed: each token is a character of the text layer or a place that it has on paper. One token, one space,
as the published checkpoints write formulas. What does not fit together gives None, and the characters are left as
they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from smoldocling.pages import signs
from smoldocling.pages.frame import Rect
from smoldocling.pages.lines import Glyph, Line
from smoldocling.pages.symbols import ACCENTS, BIG, FUNCTIONS, LIMITED, PRIME, SIGNS

_AXIS = 0.25
"""Font sizes from the baseline up to where bars, fractions and tall brackets have their middle."""

_UP, _DOWN = 0.72, 0.2
"""Font sizes that letters reach above and below the baseline."""

_BEYOND = 8.0
"""Points by which a bar may be longer than what stands over it."""

_MAX_GLYPHS = 400
"""More characters than this are no formula, and each bar looks at all of them."""

# Fonts whose signs hang below their origin instead of standing on it.
_HANGING = re.compile(r"(?:^|\+)(?:cm|lm|tx|px)ex", re.IGNORECASE)
_CALLIGRAPHIC = re.compile(r"(?:^|\+)(?:cmsy|lmmathsy|eusm|rsfs|mtsy)", re.IGNORECASE)
_ITALIC = re.compile(r"(?:^|\+)(?:cmmi|lmmi|txmi|pxmi|mtmi|rmtmi)", re.IGNORECASE)
_BLACKBOARD = re.compile(r"(?:^|\+)(?:msbm|bbm|bbold|dsrom)", re.IGNORECASE)

_TALL = ("hanging", "big", "accent")
"""Roles of pieces whose height and size say nothing about the line they stand on."""

Place = Literal["line", "raised", "lowered"]


@dataclass(frozen=True, slots=True)
class _Piece:
    """Something with a place of its own: a sign, or a fraction, a root and what is in it.

    tex   its tokens    base  its baseline, y in points    size  font size of its main letters
    role  letter, styled (a letter of another alphabet), digit, sign, big (∑), hanging (a tall bracket), accent, or
          whole (made of several pieces)
    """

    tex: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    role: str
    char: str = ""
    upright: bool = False

    @property
    def middle(self) -> float:
        return (self.x0 + self.x1) / 2


@dataclass(slots=True)
class _Slot:
    """A piece of the line with what stands right above and below it."""

    piece: _Piece
    raised: list[_Piece] = field(default_factory=list)
    lowered: list[_Piece] = field(default_factory=list)


_BRACKETS = frozenset("()[]{}|‖")


def _size(pieces: Sequence[_Piece]) -> float:
    """The font size of the letters; sums and brackets are made as tall as what they hold."""
    plain = [p.size for p in pieces if p.role not in _TALL and p.char not in _BRACKETS]
    return max(plain or [p.size for p in pieces])


class _Unreadable(Exception):
    """These characters do not make a formula that can be told from their places alone."""


def latex(lines: Sequence[Line], strokes: Sequence[Rect], shapes: Sequence[Rect] = ()) -> str | None:
    """The formula in some rows, None where its places do not say enough.

    `strokes` are lines, some of them its bars; `shapes` are the bounds of other drawings, some of them its roots.
    """
    glyphs = [glyph for line in lines for word in line.words for glyph in word.glyphs if glyph.text.strip()]
    if not glyphs or len(glyphs) > _MAX_GLYPHS or any("\ufffd" in glyph.text for glyph in glyphs):
        return None
    pieces = [piece for glyph in glyphs for piece in _pieces(glyph)]
    left, right = min(p.x0 for p in pieces), max(p.x1 for p in pieces)
    top, bottom = min(p.y0 for p in pieces), max(p.y1 for p in pieces)
    bars = [
        s
        for s in strokes
        if _is_bar(s) and left - _BEYOND <= s[0] and s[2] <= right + _BEYOND and top - 3 <= s[1] <= bottom + 3
    ]
    for root, bar in _drawn_roots(pieces, shapes):
        pieces.append(root)
        bars.append(bar)
    try:
        rows = [_numbered(row) for row in _rows(pieces, bars)]
    except _Unreadable:
        return None
    return r" \\ ".join(row for row in rows if row) or None


def _is_bar(stroke: Rect) -> bool:
    return stroke[2] - stroke[0] > 2.5 and stroke[3] - stroke[1] < 2


def _pieces(glyph: Glyph) -> list[_Piece]:
    """One character, or the letters of a ligature, as pieces."""
    hanging = bool(_HANGING.search(glyph.style.font))
    height = 1.2 * glyph.size if hanging else 0.0
    step = (glyph.x1 - glyph.x0) / len(glyph.text)
    found = []
    for place, char in enumerate(glyph.text):
        tex, role = _spelt(char, glyph)
        if hanging and role != "accent":
            role = "big" if char in BIG else "hanging"
        found.append(
            _Piece(
                tex,
                glyph.x0 + place * step,
                glyph.baseline if hanging else glyph.baseline - _UP * glyph.size,
                glyph.x0 + (place + 1) * step,
                glyph.baseline + height if hanging else glyph.baseline + _DOWN * glyph.size,
                glyph.baseline,
                glyph.size,
                role,
                char,
                upright=not glyph.style.italic and not _ITALIC.search(glyph.style.font),
            )
        )
    return found


def _spelt(char: str, glyph: Glyph) -> tuple[str, str]:
    """A character's token and its role."""
    if char in ACCENTS:
        return ACCENTS[char], "accent"
    if char in BIG:
        return BIG[char], "big"
    if char in SIGNS:
        return SIGNS[char], "sign"
    plain = unicodedata.normalize("NFKC", char)
    if plain in SIGNS:  # letters of mathematical alphabets: 𝛼
        return SIGNS[plain], "sign"
    if len(plain) == 1 and plain.isascii() and plain.isalpha():
        if _CALLIGRAPHIC.search(glyph.style.font) and plain.isupper():
            return rf"\mathcal {{ {plain} }}", "styled"
        if _BLACKBOARD.search(glyph.style.font):
            return rf"\mathbb {{ {plain} }}", "styled"
        return (rf"\mathbf {{ {plain} }}", "styled") if glyph.style.bold else (plain, "letter")
    if plain.isdecimal():
        return plain, "digit"
    if char in "{}%#&$_":
        return "\\" + char, "sign"
    return char, "sign"


def _rows(pieces: list[_Piece], bars: list[Rect]) -> list[tuple[list[_Piece], list[Rect]]]:
    """The rows of a formula of several rows, told apart by white across all of it."""
    spans = [(p.y0, p.y1, p) for p in pieces]
    size = _size(pieces)
    groups: list[tuple[float, float, list[_Piece]]] = []
    marks: list[tuple[float, float, _Piece | None]] = [
        *spans,
        *((bar[1] - 0.45 * size, bar[3] + 0.45 * size, None) for bar in bars),
    ]
    for top, bottom, piece in sorted(marks, key=lambda mark: mark[0]):
        own = [piece] if piece is not None else []
        if groups and top <= groups[-1][1] + 0.12 * size:
            groups[-1] = (groups[-1][0], max(groups[-1][1], bottom), groups[-1][2] + own)
        else:
            groups.append((top, bottom, own))
    # limits stand apart from their sign, but no row has small letters only
    joined: list[tuple[float, float, list[_Piece]]] = []
    for top, bottom, own in groups:
        small = all(p.size < 0.85 * size or p.role in _TALL for p in own)
        before_small = bool(joined) and all(p.size < 0.85 * size or p.role in ("hanging", "big") for p in joined[-1][2])
        if joined and (before_small or (small and top - joined[-1][1] < 0.6 * size)):
            joined[-1] = (joined[-1][0], bottom, joined[-1][2] + own)
        else:
            joined.append((top, bottom, own))
    return [(own, [bar for bar in bars if top - 3 <= bar[1] <= bottom + 3]) for top, bottom, own in joined if own]


def _is_small(pieces: Sequence[_Piece], size: float) -> bool:
    """Whether nothing of full size is among some pieces."""
    return all(p.size < 0.85 * size or p.role in _TALL for p in pieces)


def _numbered(row: tuple[list[_Piece], list[Rect]]) -> str:
    """A row whose number, if it has one, stands behind it."""
    pieces, bars = row
    size = _size(pieces)
    in_order = sorted(pieces, key=lambda p: p.x0)
    reach = in_order[0].x1
    for place, (before, after) in enumerate(pairwise(in_order)):
        reach = max(reach, before.x1)
        tail = in_order[place + 1 :]
        if after.x0 - reach > 1.5 * size and signs.is_formula_number("".join(p.char for p in tail)):
            return rf"{_tokens(in_order[: place + 1], bars)} \quad {' '.join(p.char for p in tail)}"
    return _tokens(pieces, bars)


def _tokens(pieces: Sequence[_Piece], bars: Sequence[Rect]) -> str:
    """The tokens of one stretch of a formula."""
    pieces = _with_bars(list(pieces), list(bars))
    plain = [p for p in pieces if p.role not in _TALL]
    if not plain:
        return " ".join(p.tex for p in sorted(pieces, key=lambda p: p.x0))
    size = _size(plain)
    full = [p.base for p in plain if p.size > 0.85 * size]
    near = Counter(map(round, full)).most_common(1)[0][0]
    bases = sorted(base for base in full if abs(base - near) <= 1)
    return _sequence(_accented(pieces), bases[len(bases) // 2], size)


# bars


def _with_bars(pieces: list[_Piece], bars: list[Rect]) -> list[_Piece]:
    """Pieces with fractions, roots and overlined stretches made one piece each, the widest first."""
    waiting = sorted(bars, key=lambda bar: bar[0] - bar[2])
    while waiting:
        bar = waiting.pop(0)
        inner = [other for other in waiting if bar[0] - 2 <= other[0] and other[2] <= bar[2] + 2]
        over = [p for p in pieces if _spans(bar, p) and _height(p) < bar[1]]
        under = [p for p in pieces if _spans(bar, p) and _height(p) >= bar[1]]
        root = next((p for p in pieces if p.char == "√" and abs(p.x1 - bar[0]) < 0.4 * p.size + 1), None)
        if root is not None and under and abs(root.y0 - bar[1]) < 0.9 * root.size:
            inside = [p for p in under if p is not root and p.y0 > bar[1] - 0.35 * p.size]
            used = [other for other in inner if other[1] > bar[1] + 0.5]
            whole = _whole(rf"\sqrt {{ {_tokens(inside, used)} }}", [*inside, root], inside)
            taken = [*inside, root]
        elif over and under:
            used = inner
            top, low = [o for o in inner if o[1] < bar[1]], [o for o in inner if o[1] >= bar[1]]
            taken = [*over, *under]
            size = max(p.size for p in taken)
            tex = rf"\frac {{ {_tokens(over, top)} }} {{ {_tokens(under, low)} }}"
            whole = replace(_whole(tex, taken, taken), base=bar[1] + _AXIS * size, x0=bar[0], x1=bar[2])
        elif under:
            close = [p for p in under if p.y0 - bar[1] < 0.5 * p.size]
            if not close:
                continue
            used = []
            taken = close
            name = r"\bar" if len(close) == 1 else r"\overline"
            whole = _whole(rf"{name} {{ {_tokens(close, [])} }}", close, close)
        else:
            continue
        pieces = [p for p in pieces if not any(p is other for other in taken)] + [whole]
        waiting = [other for other in waiting if other not in used]
    return pieces


def _spans(bar: Rect, piece: _Piece) -> bool:
    return bar[0] - 1.5 <= piece.middle <= bar[2] + 1.5


def _height(piece: _Piece) -> float:
    """Where a piece counts as standing: signs that hang by their top."""
    return piece.y0 if piece.role in ("hanging", "big") else piece.base - _AXIS * piece.size


def _whole(tex: str, parts: Sequence[_Piece], main: Sequence[_Piece]) -> _Piece:
    if not main:
        raise _Unreadable
    largest = max(main, key=lambda p: p.size)
    return _Piece(
        tex,
        min(p.x0 for p in parts),
        min(p.y0 for p in parts),
        max(p.x1 for p in parts),
        max(p.y1 for p in parts),
        largest.base,
        largest.size,
        "whole",
    )


def _drawn_roots(pieces: Sequence[_Piece], shapes: Sequence[Rect]) -> list[tuple[_Piece, Rect]]:
    """Roots that are drawn in one stroke around what they hold."""
    found = []
    for x0, y0, x1, y1 in shapes:
        held = [p for p in pieces if x0 < p.middle < x1 and y0 <= p.base - 0.3 * p.size <= y1]
        if not held:
            continue
        size, left = _size(held), min(p.x0 for p in held)
        if (
            0.15 * size < left - x0 < 1.5 * size
            and 0.8 * size < y1 - y0 < 5 * size
            and abs(x1 - max(p.x1 for p in held)) < 2 * size
        ):
            sign = _Piece(r"\surd", x0, y0, left - 0.5, y1, held[0].base, size, "sign", "√")
            found.append((sign, (left - 0.5, y0, x1, y0 + 0.5)))
    return found


# accents, limits, scripts


def _accented(pieces: list[_Piece]) -> list[_Piece]:
    """Letters with the accent that is printed over them."""
    result = [p for p in pieces if p.role != "accent"]
    for accent in (p for p in pieces if p.role == "accent"):
        # an accent's box is as tall as its font's; only the side counts
        under = [p for p in result if p.x0 - 1.5 <= accent.middle <= p.x1 + 1.5 and p.role != "big"]
        if not under:
            continue
        letter = min(under, key=lambda p: abs(p.middle - accent.middle))
        place = next(index for index, p in enumerate(result) if p is letter)
        result[place] = replace(letter, tex=f"{accent.tex} {{ {letter.tex} }}", role="whole")
    return result


def _sequence(pieces: list[_Piece], base: float, size: float) -> str:
    """Pieces on a line and around it, left to right."""
    line: list[_Slot] = []
    around: list[tuple[Place, _Piece]] = []
    script: tuple[Place, float, float] | None = None  # the last script's place, its size and where it ends
    for piece in sorted(pieces, key=lambda p: p.x0):
        place = _place(piece, base, size)
        if script is not None and piece.role not in _TALL and piece.size < 0.95 * script[1]:
            # a script's own script may come back to the height of the line
            place = script[0] if -1 < piece.x0 - script[2] < 0.25 * script[1] else place
        if place == "line":
            line.append(_Slot(piece))
            script = None
        else:
            around.append((place, piece))
            own = piece.size if script is None or script[0] != place else max(script[1], piece.size)
            script = (place, own, piece.x1)
    if not line:
        raise _Unreadable
    line = _functions(line)
    for place in ("raised", "lowered"):
        for group in _groups([piece for where, piece in around if where == place], size):
            owner = _owner(group, line, size)
            (owner.raised if place == "raised" else owner.lowered).extend(group)
    return " ".join(_written(slot) for slot in line)


def _place(piece: _Piece, base: float, size: float) -> Place:
    if piece.role in _TALL or (piece.char in _BRACKETS and piece.size > 1.1 * size):
        return "line"
    shift = (piece.base - base) / size
    if piece.role == "whole" and abs(shift) < 0.25:
        return "line"
    if abs(shift) < (0.12 if piece.size < 0.85 * size else 0.3):
        return "line"
    if piece.size > 0.95 * size and abs(shift) > 0.8:
        raise _Unreadable  # a second line of full size: an array, or two formulas
    return "raised" if shift < 0 else "lowered"


def _functions(line: list[_Slot]) -> list[_Slot]:
    """Upright letters side by side as one name: log, max; other words as text."""
    result: list[_Slot] = []
    word: list[_Piece] = []

    def close() -> None:
        name = "".join(p.char for p in word)
        if len(word) > 1:
            tex = FUNCTIONS.get(name, rf"\text {{ {name} }}")
            whole = replace(_whole(tex, word, word), char=name)
            result.append(_Slot(whole))
        else:
            result.extend(_Slot(p) for p in word)
        word.clear()

    for slot in line:
        piece = slot.piece
        fits = piece.role == "letter" and piece.upright
        if word and (not fits or piece.x0 - word[-1].x1 > 0.15 * piece.size):
            close()
        if fits:
            word.append(piece)
        else:
            result.append(slot)
    close()
    return result


def _groups(pieces: Sequence[_Piece], size: float) -> list[list[_Piece]]:
    """Scripts that stand side by side."""
    groups: list[list[_Piece]] = []
    end = float("-inf")
    for piece in pieces:
        if groups and piece.x0 - end < 0.35 * size:
            groups[-1].append(piece)
            end = max(end, piece.x1)
        else:
            groups.append([piece])
            end = piece.x1
    return groups


def _owner(group: Sequence[_Piece], line: Sequence[_Slot], size: float) -> _Slot:
    """Whose script a group is: the sign that it is centred on, or what stands before it."""
    left, right = min(p.x0 for p in group), max(p.x1 for p in group)
    for slot in line:
        piece = slot.piece
        if (piece.role == "big" and piece.char != "∫") or piece.char in LIMITED:
            off = abs((left + right) / 2 - piece.middle)
            if off < 0.35 * size + 0.1 * (right - left) and left < piece.x1:
                return slot
    before = [slot for slot in line if slot.piece.x0 < left + 0.1 * size and slot.piece.middle < (left + right) / 2]
    return before[-1] if before else line[0]


def _written(slot: _Slot) -> str:
    tex = slot.piece.tex
    for sign, scripts in (("_", slot.lowered), ("^", slot.raised)):
        if scripts:
            inner = _tokens(scripts, []).replace("'", PRIME)
            tex += f" {sign} {{ {inner} }}"
    return tex
