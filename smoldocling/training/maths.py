"""Formulas that nobody meant: LaTeX, and the same with real fractions, roots and scripts.

Knows: a grammar of formulas, faces. Does not know: pages, elements.
LaTeX is written as the published checkpoints write it: one token, one space (`\\frac { a } { b }`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from smoldocling.training.block import Mark, moved
from smoldocling.training.faces import Face
from smoldocling.training.sheet import ASCENT, DESCENT, Bar, Run, Stroke

GREEK = {
    r"\alpha": "α",
    r"\beta": "β",
    r"\gamma": "γ",
    r"\delta": "δ",
    r"\epsilon": "ε",
    r"\theta": "θ",
    r"\lambda": "λ",
    r"\mu": "μ",
    r"\pi": "π",
    r"\rho": "ρ",
    r"\sigma": "σ",
    r"\tau": "τ",
    r"\omega": "ω",
    r"\Delta": "Δ",
    r"\Sigma": "Σ",
    r"\Omega": "Ω",
}
OPERATORS = {"+": "+", "-": "−", r"\cdot": "·", r"\times": "×", r"\pm": "±"}
RELATIONS = {"=": "=", "<": "<", ">": ">", r"\leq": "≤", r"\geq": "≥", r"\neq": "≠", r"\approx": "≈", r"\in": "∈"}
BIG = {r"\sum": "∑", r"\prod": "∏", r"\int": "∫"}
OTHERS = {r"\infty": "∞", r"\partial": "∂", r"\rightarrow": "→", r"\forall": "∀"}
SIGNS = {**GREEK, **OPERATORS, **RELATIONS, **BIG, **OTHERS}
"""LaTeX to the character that is drawn. Every other token that is no structure is drawn as it is written."""

FUNCTIONS = {rf"\{name}": name for name in ("sin", "cos", "tan", "log", "ln", "exp", "max", "min")}

# Sizes and shifts of scripts and fractions in ems, about those of Computer Modern (The TeXbook, appendix G).
SCRIPT, RAISED, LOWERED, AXIS, RULE = 0.7, 0.40, 0.18, 0.25, 0.045


@dataclass(frozen=True, slots=True)
class Piece:
    """Something set on a baseline: ink around the origin, extents in points, and its LaTeX."""

    width: float
    ascent: float
    descent: float
    marks: tuple[Mark, ...]
    latex: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Maths:
    """What formulas are set with: upright and slanted letters, and a random number generator."""

    random: Random
    upright: Face
    slanted: Face

    def equation(self, size: float) -> Piece:
        """One displayed formula."""
        left = self.random.choice((self._variable, self._function, self._scripted))(size)
        relation = self._sign(self.random.choices(list(RELATIONS), (12, 1, 1, 1, 1, 1, 1, 1))[0], size, 0.28)
        parts = [left, relation, self._expression(size, 2)]
        if self.random.random() < 0.2:
            parts += [self._sign("=", size, 0.28), self._expression(size, 1)]
        return _row(parts)

    def numbered(self, piece: Piece, number: int, size: float, measure: float) -> Piece:
        """A formula in the middle of a measure with its number at the right end."""
        label = _row([self._upright(char, size) for char in (*"(", *str(number), *")")])
        left = (measure - piece.width) / 2
        marks = [moved(mark, left, 0) for mark in piece.marks]
        marks += [moved(mark, measure - label.width, 0) for mark in label.marks]
        latex = (*piece.latex, r"\quad", *label.latex)
        ends = max(piece.ascent, label.ascent), max(piece.descent, label.descent)
        return Piece(measure, *ends, tuple(marks), latex)

    # The grammar. `depth` says how much may still be nested.

    def _expression(self, size: float, depth: int) -> Piece:
        parts = [self._term(size, depth)]
        while len(parts) < 6 and self.random.random() < 0.55:
            parts += [self._sign(self.random.choice(list(OPERATORS)), size, 0.22), self._term(size, depth)]
        return _row(parts)

    def _term(self, size: float, depth: int) -> Piece:
        flat: list[tuple[Callable[[float], Piece], int]] = [
            (self._variable, 5),
            (self._scripted, 5),
            (self._coefficient, 3),
            (self._function, 2),
            (self._number, 2),
        ]
        nested: list[tuple[Callable[[float, int], Piece], int]] = [
            (self._fraction, 5),
            (self._root, 2),
            (self._big, 3),
            (self._bracketed, 3),
        ]
        if depth and self.random.random() < 0.55:
            makers, weights = zip(*nested, strict=True)
            made: Piece = self.random.choices(makers, weights)[0](size, depth - 1)
            return made
        plain, shares = zip(*flat, strict=True)
        simple: Piece = self.random.choices(plain, shares)[0](size)
        return simple

    def _variable(self, size: float) -> Piece:
        if self.random.random() < 0.3:
            token = self.random.choice(list(GREEK))
            return _glyphs(GREEK[token], (token,), self.slanted, size)
        letter = self.random.choice("abcdefghkmnpqrstuvwxyzABCDEFGHKLMNPQRSTVXY")
        return _glyphs(letter, (letter,), self.slanted, size)

    def _number(self, size: float) -> Piece:
        return self._digits(str(self.random.choice((self.random.randrange(10), self.random.randrange(100)))), size)

    def _digits(self, digits: str, size: float) -> Piece:
        return _row([self._upright(char, size) for char in digits])

    def _coefficient(self, size: float) -> Piece:
        return _row([self._digits(str(self.random.randrange(2, 20)), size), self._variable(size)])

    def _scripted(self, size: float) -> Piece:
        base = self._variable(size)
        low = self._index(size * SCRIPT) if self.random.random() < 0.55 else None
        high = self._index(size * SCRIPT) if low is None or self.random.random() < 0.3 else None
        return _scripts(base, low, high, size)

    def _index(self, size: float) -> Piece:
        kind = self.random.randrange(4)
        if kind == 0:
            return self._digits(str(self.random.randrange(10)), size)
        if kind == 1:
            return _row(
                [self._variable(size), self._sign(self.random.choice("+-"), size, 0.0), self._upright("1", size)]
            )
        return self._variable(size)

    def _function(self, size: float) -> Piece:
        if self.random.random() < 0.5:
            token = self.random.choice(list(FUNCTIONS))
            name = _glyphs(FUNCTIONS[token], (token,), self.upright, size)
            return _row([name, _space(0.17 * size), self._variable(size)])
        letter = self.random.choice("fghFGPQ")
        inner = [self._upright("(", size), self._variable(size)]
        if self.random.random() < 0.4:
            inner += [self._upright(",", size), _space(0.17 * size), self._variable(size)]
        return _row([_glyphs(letter, (letter,), self.slanted, size), *inner, self._upright(")", size)])

    def _fraction(self, size: float, depth: int) -> Piece:
        inner = size if depth else size * 0.85
        over, under = self._expression(inner, min(depth, 1)), self._expression(inner, 0)
        width = max(over.width, under.width) + 0.2 * size
        axis, rule, clear = AXIS * size, max(RULE * size, 0.4), 0.16 * size
        up, down = axis + rule / 2 + clear + over.descent, -axis + rule / 2 + clear + under.ascent
        marks = [moved(mark, (width - over.width) / 2, -up) for mark in over.marks]
        marks += [moved(mark, (width - under.width) / 2, down) for mark in under.marks]
        marks.append(Bar((0.0, -axis - rule / 2, width, -axis + rule / 2)))
        latex = (r"\frac", "{", *over.latex, "}", "{", *under.latex, "}")
        side = 0.08 * size
        return _padded(Piece(width, up + over.ascent, down + under.descent, tuple(marks), latex), side, side)

    def _root(self, size: float, depth: int) -> Piece:
        inner = self._expression(size, depth)
        top, low, hook = -inner.ascent - 0.12 * size, inner.descent, 0.55 * size
        points = (
            (0.0, -0.3 * size),
            (0.14 * size, -0.38 * size),
            (0.32 * size, low),
            (hook, top),
            (hook + inner.width, top),
        )
        sign = Stroke(points, max(RULE * size, 0.5))
        marks = (sign, *(moved(mark, hook, 0) for mark in inner.marks))
        latex = (r"\sqrt", "{", *inner.latex, "}")
        return _padded(Piece(hook + inner.width, -top + 0.05 * size, low, marks, latex), 0.05 * size, 0.08 * size)

    def _big(self, size: float, depth: int) -> Piece:
        token = self.random.choice(list(BIG))
        sign = _centred(_glyphs(BIG[token], (token,), self.upright, size * (2.0 if token == r"\int" else 1.5)), size)
        low_size = size * SCRIPT
        variable = self.random.choice("ijkn")
        start = [
            _glyphs(variable, (variable,), self.slanted, low_size),
            self._sign("=", low_size, 0.0),
            self._number(low_size),
        ]
        low = self._index(low_size) if token == r"\int" else _row(start)
        infinite = _glyphs("∞", (r"\infty",), self.upright, low_size)
        high = self.random.choice((self._variable(low_size), infinite))
        if token == r"\int":
            whole = _scripts(_narrowed(sign, 0.5 * size), low, high, size)
        else:
            whole = _limits(sign, low, high, size)
        return _row([_padded(whole, 0.05 * size, 0.15 * size), self._term(size, min(depth, 1))])

    def _bracketed(self, size: float, depth: int) -> Piece:
        inner = self._expression(size, depth)
        tall = inner.ascent + inner.descent > 1.35 * size
        grown = size * min((inner.ascent + inner.descent) / (0.95 * size), 3.0) if tall else size
        left, right = (
            _centred(self._upright(char, grown), size) if tall else self._upright(char, grown) for char in "()"
        )
        if tall:
            left, right = replace(left, latex=(r"\left", "(")), replace(right, latex=(r"\right", ")"))
        whole = _row([left, inner, right])
        if self.random.random() < 0.3:
            return _scripts(whole, None, self._index(size * SCRIPT), size)
        return whole

    def _upright(self, char: str, size: float) -> Piece:
        return _glyphs(char, (char,), self.upright, size)

    def _sign(self, token: str, size: float, side: float) -> Piece:
        return _padded(_glyphs(SIGNS.get(token, token), (token,), self.upright, size), side * size, side * size)


def drawn(latex: str) -> str:
    """The characters that a formula's LaTeX puts on the page, in order."""
    structure = {"{", "}", "^", "_", r"\frac", r"\sqrt", r"\left", r"\right", r"\quad"}
    tokens = (token for token in latex.split(" ") if token not in structure)
    return "".join(SIGNS.get(token, FUNCTIONS.get(token, token)) for token in tokens)


def _glyphs(text: str, latex: tuple[str, ...], face: Face, size: float) -> Piece:
    run = Run(text, 0.0, 0.0, face, size)
    return Piece(face.width(text) * size, ASCENT * size, DESCENT * size, (run,), latex)


def _space(width: float) -> Piece:
    return Piece(width, 0.0, 0.0, (), ())


def _padded(piece: Piece, left: float, right: float) -> Piece:
    marks = tuple(moved(mark, left, 0) for mark in piece.marks)
    return replace(piece, width=piece.width + left + right, marks=marks)


def _narrowed(piece: Piece, side: float) -> Piece:
    """Without the white that its font leaves on both sides."""
    marks = tuple(moved(mark, -side, 0) for mark in piece.marks)
    return replace(piece, width=piece.width - 2 * side, marks=marks)


def _centred(piece: Piece, size: float) -> Piece:
    """With its middle on the axis of signs of that size."""
    drop = (piece.ascent - piece.descent) / 2 - AXIS * size
    marks = tuple(moved(mark, 0, drop) for mark in piece.marks)
    return replace(piece, marks=marks, ascent=piece.ascent - drop, descent=piece.descent + drop)


def _row(pieces: Sequence[Piece]) -> Piece:
    marks: list[Mark] = []
    x = 0.0
    for piece in pieces:
        marks += [moved(mark, x, 0) for mark in piece.marks]
        x += piece.width
    latex = tuple(token for piece in pieces for token in piece.latex)
    return Piece(x, max(piece.ascent for piece in pieces), max(piece.descent for piece in pieces), tuple(marks), latex)


def _scripts(base: Piece, low: Piece | None, high: Piece | None, size: float) -> Piece:
    x, marks, latex = base.width + 0.04 * size, list(base.marks), list(base.latex)
    ascent, descent, width = base.ascent, base.descent, 0.0
    if low:
        drop = max(LOWERED * size, base.descent - 0.1 * size)
        marks += [moved(mark, x, drop) for mark in low.marks]
        latex += ["_", "{", *low.latex, "}"]
        descent, width = max(descent, drop + low.descent), max(width, low.width)
    if high:
        rise = max(RAISED * size, base.ascent - 0.35 * size)
        marks += [moved(mark, x, -rise) for mark in high.marks]
        latex += ["^", "{", *high.latex, "}"]
        ascent, width = max(ascent, rise + high.ascent), max(width, high.width)
    return Piece(x + width, ascent, descent, tuple(marks), tuple(latex))


def _limits(sign: Piece, low: Piece, high: Piece, size: float) -> Piece:
    """A big operator with one below and one above it."""
    width = max(sign.width, low.width, high.width)
    down, up = sign.descent + low.ascent + 0.02 * size, sign.ascent + high.descent + 0.02 * size
    marks = [moved(mark, (width - sign.width) / 2, 0) for mark in sign.marks]
    marks += [moved(mark, (width - low.width) / 2, down) for mark in low.marks]
    marks += [moved(mark, (width - high.width) / 2, -up) for mark in high.marks]
    latex = (*sign.latex, "_", "{", *low.latex, "}", "^", "{", *high.latex, "}")
    return Piece(width, up + high.ascent, down + low.descent, tuple(marks), latex)
