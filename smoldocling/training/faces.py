"""Typefaces, and their glyphs as pixels: each drawn once for a size and then copied.

Knows: PyMuPDF's own fonts, folders of font files, FreeType through Pillow. Does not know: what is written.
Advances are those of the outline, not rounded to pixels, so that a page has the same lines as a picture and as a PDF.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ImageFont

from smoldocling.errors import UnusableOption

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
    "sans-bold-italic": "hebi",
    "serif-bold-italic": "tibi",
    "mono-italic": "coit",
    "mono-bold-italic": "cobi",
    "dingbats": "zadb",
}
FOLDER = "SMOLDOCLING_FONTS"
"""An environment variable: a folder that `export` filled, for machines without PyMuPDF."""

FONT_FILES = frozenset({".ttf", ".otf"})

EXPORTED = ".font"
# Advances are measured at a size where rounding them to pixels no longer shows.
UNITS_PX = 1000
# Large enough that no two characters look alike by chance.
PROOF_PX = 40
# Unicode will never give it a meaning, so that every font shows its sign for what it does not have.
NO_CHARACTER = "\uffff"
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

    def has(self, char: str) -> bool:
        """Whether the font has a glyph for a character."""
        drawn, _ = self._proof.getmask2(char, mode="L")
        missing, _ = self._proof.getmask2(NO_CHARACTER, mode="L")
        return char.isspace() or (drawn.size, bytes(drawn)) != (missing.size, bytes(missing))

    def font(self, size_px: float) -> ImageFont.FreeTypeFont:
        """Pillow's font of that size."""
        return ImageFont.truetype(io.BytesIO(self.data), size_px, layout_engine=ImageFont.Layout.BASIC)

    @cached_property
    def _measure(self) -> ImageFont.FreeTypeFont:
        return self.font(UNITS_PX)

    @cached_property
    def _proof(self) -> ImageFont.FreeTypeFont:
        return self.font(PROOF_PX)

    def __repr__(self) -> str:
        return f"Face({self.name!r})"


@dataclass(frozen=True, slots=True)
class Family:
    """Four faces that go together."""

    name: str
    plain: Face
    bold: Face
    italic: Face
    bold_italic: Face


@cache
def builtin(name: str) -> Face:
    """One of BUILTIN. Raises UnusableOption where there is neither PyMuPDF nor a folder of exported fonts."""
    folder = os.environ.get(FOLDER)
    if folder:
        try:
            return Face(name, Path(folder, name + EXPORTED).read_bytes())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UnusableOption(f"{FOLDER}={folder}: {name}{EXPORTED} cannot be read: {reason}") from error
    try:
        import pymupdf
    except ImportError:
        raise UnusableOption(f"no fonts: install pymupdf, or set {FOLDER} to a folder of exported fonts") from None
    return Face(name, bytes(pymupdf.Font(BUILTIN[name]).buffer))


def export(folder: Path) -> None:
    """Write PyMuPDF's fonts to a folder, for machines that do not have it (see FOLDER)."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BUILTIN:
        (folder / (name + EXPORTED)).write_bytes(builtin(name).data)


@cache
def family(name: str) -> Family:
    """ "sans", "serif" or "mono"."""
    faces = (builtin(name + style) for style in ("", "-bold", "-italic", "-bold-italic"))
    return Family(name, *faces)


def families(folder: Path, written: str) -> tuple[tuple[Family, ...], tuple[str, ...]]:
    """Families of the font files in a folder and its subfolders, and the names of files left out.

    Left out are files that are no fonts or lack one of the characters in `written`. A family without a bold or italic
    face uses its plain one. Raises UnusableOption where nothing is left.
    """
    found: dict[str, dict[str, Face]] = {}
    unfit = []
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_FILES)
    for path in files:
        try:
            face = Face(path.stem, path.read_bytes())
            name, style = face.font(UNITS_PX).getname()
            if not all(map(face.has, written)):
                unfit.append(path.name)
                continue
        except (OSError, ValueError):
            unfit.append(path.name)
            continue
        found.setdefault(name or path.stem, {}).setdefault(_style(style or ""), face)
    if not found:
        held = f"none of its {len(files)} font files has all the letters that are written" if files else "no font files"
        raise UnusableOption(f"{folder}: {held}; a folder of .ttf or .otf files with Latin letters is taken")
    return tuple(_grouped(name, styles) for name, styles in sorted(found.items())), tuple(unfit)


def _style(name: str) -> str:
    words = name.lower()
    bold = any(sign in words for sign in ("bold", "black", "heavy"))
    italic = any(sign in words for sign in ("italic", "oblique"))
    return ("bold" if bold else "") + ("italic" if italic else "")


def _grouped(name: str, styles: dict[str, Face]) -> Family:
    plain = styles.get("") or next(iter(styles.values()))
    bold, italic = styles.get("bold", plain), styles.get("italic", plain)
    return Family(name, plain, bold, italic, styles.get("bolditalic", bold))


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
