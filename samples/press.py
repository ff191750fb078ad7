"""A small press: words become lines, lines become ink, and the ink's areas come back.

Knows: faces, glyph widths, line breaking, one page of a PDF. Does not know: what an element is, or what it is called.
Text may hold `*emphasis*`, `[words](uri)` and `|` where a word may be broken; `plain` takes them out.
Every space is a real character, also in justified lines, so that the text layer reads as it was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import pymupdf
from truth import Area

Color = tuple[float, float, float]
INK: Color = (0.11, 0.12, 0.14)
BLUE: Color = (0.09, 0.27, 0.45)

FACES = {  # name: (PyMuPDF's own font, ascender, descender, its emphasis); heights are Adobe's for the base-14 metrics
    "serif": ("tiro", 0.683, 0.217, "italic"),
    "italic": ("tiit", 0.683, 0.217, "serif"),
    "sans": ("helv", 0.718, 0.207, "bold"),
    "bold": ("hebo", 0.718, 0.207, "sans"),
    "mono": ("cour", 0.629, 0.157, "monobold"),
    "monobold": ("cobo", 0.629, 0.157, "mono"),
}
MARKUP = re.compile(r"\*(?P<emphasis>[^*]+)\*|\[(?P<linked>[^\]]+)\]\((?P<uri>[^)]+)\)|(?P<plain>[^*\[]+)")
HYPHEN_COST = 0.1
TIGHTEST_SPACE = 0.85


@dataclass(frozen=True, slots=True)
class Style:
    """How a block is set; sizes in points."""

    face: str = "serif"
    size: float = 10.0
    leading: float = 13.6
    color: Color = INK
    align: Literal["left", "justify", "center", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters in one face, without a space."""

    text: str
    face: str
    uri: str | None


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a line cannot break: a word, or a part of one that ends where a hyphen may come."""

    pieces: tuple[Piece, ...]
    splits_word: bool


@cache
def font(face: str) -> Any:
    """The PyMuPDF font of a face."""
    return pymupdf.Font(FACES[face][0])


def measure(text: str, face: str, size: float) -> float:
    """Width of a string in points."""
    return float(font(face).text_length(shaped(text, face), size))


def shaped(text: str, face: str) -> str:
    """The glyphs that stand for a text: book faces join f with i and l."""
    return text.replace("fi", "ﬁ").replace("fl", "ﬂ") if face in ("serif", "italic") else text


def plain(text: str) -> str:
    """A text as a reader sees it, without the press's markup."""
    return "".join(match["emphasis"] or match["linked"] or match["plain"] for match in MARKUP.finditer(text)).replace(
        "|", ""
    )


def fragments(text: str, face: str) -> list[Fragment]:
    """Cut marked-up text where a line may end."""
    result: list[Fragment] = []
    pieces: list[Piece] = []
    for match in MARKUP.finditer(text):
        run_face = FACES[face][3] if match["emphasis"] else face
        for part in re.split(r"([ |])", match["emphasis"] or match["linked"] or match["plain"]):
            if part in (" ", "|"):
                result.append(Fragment(tuple(pieces), part == "|"))
                pieces = []
            elif part:
                pieces.append(Piece(part, run_face, match["uri"]))
    return [*result, Fragment(tuple(pieces), False)]


def break_lines(parts: list[Fragment], style: Style, width: float) -> list[list[Fragment]]:
    """Choose the breaks that make the spaces of the whole block most even (after Knuth and Plass, 1981)."""
    space, hyphen = measure(" ", style.face, style.size), measure("-", style.face, style.size)
    widths = [sum(measure(p.text, p.face, style.size) for p in part.pieces) for part in parts]
    cost, back = [0.0] + [math.inf] * len(parts), [0] * (len(parts) + 1)
    for end in range(1, len(parts) + 1):
        natural, gaps = hyphen if parts[end - 1].splits_word else 0.0, 0
        for start in range(end - 1, -1, -1):
            if start < end - 1 and not parts[start].splits_word:
                natural, gaps = natural + space, gaps + 1
            natural += widths[start]
            slack = width - natural
            if slack < (-gaps * space * (1 - TIGHTEST_SPACE) if style.align == "justify" else 0) and start < end - 1:
                break
            loose = 0.0 if end == len(parts) and slack >= 0 else (slack / (space * max(gaps, 1))) ** 2
            total = cost[start] + loose + (HYPHEN_COST if parts[end - 1].splits_word else 0)
            if total < cost[end]:
                cost[end], back[end] = total, start
    stops = [len(parts)]
    while stops[-1]:
        stops.append(back[stops[-1]])
    return [parts[start:end] for start, end in pairwise(reversed(stops))]


def words(line: list[Fragment]) -> Iterator[tuple[Piece, ...]]:
    """The words of a line as they are printed: parts joined, a hyphen where the line ends within a word."""
    pieces: list[Piece] = []
    for part in line:
        for piece in part.pieces:
            if pieces and (pieces[-1].face, pieces[-1].uri) == (piece.face, piece.uri):
                pieces[-1] = replace(pieces[-1], text=pieces[-1].text + piece.text)
            else:
                pieces.append(piece)
        if not part.splits_word:
            yield tuple(pieces)
            pieces = []
    if pieces:
        yield (*pieces[:-1], replace(pieces[-1], text=pieces[-1].text + "-"))


class Sheet:
    """One page under the press."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.width, self.height = float(page.rect.width), float(page.rect.height)
        self._shape = page.new_shape()
        self._faces: set[str] = set()
        self._links: list[tuple[Area, str]] = []

    def write(self, x: float, baseline: float, text: str, face: str, size: float, color: Color = INK) -> Area:
        """Print one string from (x, baseline) on; the area runs from the face's ascender to its descender."""
        _, ascender, descender, _ = FACES[face]
        if face not in self._faces:
            self._faces.add(face)
            self.page.insert_font(fontname=f"F{face}", fontbuffer=font(face).buffer)
        self._shape.insert_text((x, baseline), shaped(text, face), fontname=f"F{face}", fontsize=size, color=color)
        return Area(x, baseline - ascender * size, x + measure(text, face, size), baseline + descender * size)

    def set(self, x: float, top: float, width: float, text: str, style: Style) -> tuple[Area, ...]:
        """Set marked-up text as a block whose first ascender touches `top`; one area for each line.

        A newline in the text forces a line end.
        """
        lines = [
            (line, at == len(broken) - 1)
            for part in text.split("\n")
            for broken in [break_lines(fragments(part, style.face), style, width)]
            for at, line in enumerate(broken)
        ]
        baseline = top + FACES[style.face][1] * style.size
        return tuple(
            self._line(x, baseline + style.leading * number, width, line, style, last)
            for number, (line, last) in enumerate(lines)
        )

    def _line(self, x: float, baseline: float, width: float, line: list[Fragment], style: Style, last: bool) -> Area:
        printed = list(words(line))
        space = measure(" ", style.face, style.size)
        natural = sum(measure(p.text, p.face, style.size) for word in printed for p in word)
        slack = width - natural - space * (len(printed) - 1)
        gap = space
        if style.align == "justify" and len(printed) > 1 and (not last or slack < 0):
            gap += slack / (len(printed) - 1)
        elif style.align in ("center", "right"):
            x += slack / (2 if style.align == "center" else 1)
        at = x
        for number, word in enumerate(printed):
            for place, piece in enumerate(word):
                closes = place == len(word) - 1 and number < len(printed) - 1
                color = BLUE if piece.uri else style.color
                area = self.write(at, baseline, piece.text + " " * closes, piece.face, style.size, color)
                at += measure(piece.text, piece.face, style.size)
                if piece.uri:
                    self._links.append((replace(area, x1=at), piece.uri))
            at += gap if number < len(printed) - 1 else 0
        _, ascender, descender, _ = FACES[style.face]
        return Area(x, baseline - ascender * style.size, at, baseline + descender * style.size)

    def shade(self, area: Area, color: Color) -> None:
        """Fill a rectangle; all shades and strokes lie under all text."""
        self._shape.draw_rect(pymupdf.Rect(area.x0, area.y0, area.x1, area.y1))
        self._shape.finish(fill=color, color=None)

    def stroke(self, points: list[tuple[float, float]], width: float = 0.5, color: Color = INK) -> None:
        """Draw a polyline."""
        self._shape.draw_polyline([pymupdf.Point(*point) for point in points])
        self._shape.finish(color=color, width=width, lineCap=1, lineJoin=1)

    def curve(self, points: list[tuple[float, float]], width: float, color: Color) -> None:
        """Draw Bezier curves: a start, then two controls and an end for each."""
        for at in range(0, len(points) - 3, 3):
            self._shape.draw_bezier(*(pymupdf.Point(*point) for point in points[at : at + 4]))
        self._shape.finish(color=color, width=width, lineCap=1, lineJoin=1, closePath=False)

    def close(self) -> None:
        """Put everything on the page, links last; touching links to one address on one line become one."""
        self._shape.commit()
        merged: list[tuple[Area, str]] = []
        for area, uri in self._links:
            if merged and merged[-1][1] == uri and merged[-1][0].y0 == area.y0:
                merged[-1] = (replace(merged[-1][0], x1=area.x1), uri)
            else:
                merged.append((area, uri))
        for area, uri in merged:
            self.page.insert_link(
                {"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(area.x0, area.y0, area.x1, area.y1), "uri": uri}
            )
