"""Typefaces, and their glyphs as pixels: each drawn once for a size and then copied.

Knows: PyMuPDF's own fonts or a folder of font files, FreeType through Pillow. Does not know: what is written.
Advances are those of the outline, not rounded to pixels, so that a page has the same lines as a picture and as a PDF.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ImageFont

Pixels = npt.NDArray[np.uint8]

BUILTIN = {  # a face's name: PyMuPDF's code for one of the fonts that it brings along
    "sans": "helv",
    "sans-bold": "hebo",
    "sans-italic": "heit",
    "serif": "tiro",
    "serif-bold": "tibo",
    "serif-italic": "tiit",
    "mono": "cour",
    "mono-bold": "cobo",
}

# Advances are measured at a size where rounding them to pixels no longer shows.
UNITS_PX = 1000
# A glyph is drawn at four places within a pixel, which is what makes even spacing of small print.
PHASES = 4
# 8 faces, 40 sizes of 90 glyphs in 4 phases, a few hundred bytes each.
MAX_GLYPHS = 1 << 17


@dataclass(frozen=True, slots=True)
class Glyph:
    """Ink of one character: 0..255, (height, width); `left`, `top` from the pen on the baseline, down is positive."""

    ink: Pixels
    left: int
    top: int


class Face:
    """One typeface. `data` is the font file."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self._advances: dict[str, float] = {}

    def advance(self, char: str) -> float:
        """How far the pen moves, in ems."""
        if char not in self._advances:
            self._advances[char] = self._measure.getlength(char) / UNITS_PX
        return self._advances[char]

    def width(self, text: str) -> float:
        """Of a text, in ems, without kerning."""
        return sum(map(self.advance, text))

    def font(self, size_px: float) -> ImageFont.FreeTypeFont:
        """Pillow's font of that size."""
        return ImageFont.truetype(io.BytesIO(self.data), size_px, layout_engine=ImageFont.Layout.BASIC)

    @cached_property
    def _measure(self) -> ImageFont.FreeTypeFont:
        return self.font(UNITS_PX)

    def __repr__(self) -> str:
        return f"Face({self.name!r})"


@lru_cache(maxsize=None)
def builtin(name: str) -> Face:
    """One of BUILTIN."""
    import pymupdf

    return Face(name, bytes(pymupdf.Font(BUILTIN[name]).buffer))


def from_file(path: Path) -> Face:
    """A TrueType or OpenType file."""
    return Face(path.stem, path.read_bytes())


@lru_cache(maxsize=512)
def _sized(face: Face, size_px: float) -> ImageFont.FreeTypeFont:
    return face.font(size_px)


@lru_cache(maxsize=MAX_GLYPHS)
def glyph(face: Face, char: str, size_px: float, phase: int) -> Glyph | None:
    """The ink of a character whose pen stands `phase` quarters of a pixel right of a pixel's edge; None: no ink."""
    mask, (left, top) = _sized(face, size_px).getmask2(char, mode="L", anchor="ls", start=(phase / PHASES, 0.0))
    width, height = mask.size
    if not width or not height:
        return None
    return Glyph(np.frombuffer(bytes(mask), dtype=np.uint8).reshape(height, width), left, top)
