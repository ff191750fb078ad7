"""What single characters of a PDF mean once the font is taken away.

Knows: ligatures, presentation forms, dingbat fonts, bullets, scripts. Does not know: words, lines, pages.
"""

from __future__ import annotations

import re
import unicodedata

SOFT_HYPHEN = "\u00ad"
BULLET = "•"
UNCHECKED = "☐"
CHECKED = "☑"

# Symbol fonts put their glyphs at U+F000 + code; the tables of Wingdings and Symbol say what is drawn there.
_SYMBOL_GLYPHS = {
    0xF06C: "●",
    0xF06E: "■",
    0xF06F: UNCHECKED,
    0xF071: UNCHECKED,
    0xF072: UNCHECKED,
    0xF075: "◆",
    0xF076: "❖",
    0xF077: "◆",
    0xF09F: BULLET,
    0xF0A7: "▪",
    0xF0A8: UNCHECKED,
    0xF0B7: BULLET,
    0xF0D8: "➢",
    0xF0DE: "⇒",
    0xF0E0: "→",
    0xF0E8: "➔",
    0xF0F0: "⇨",
    0xF0FB: "✗",
    0xF0FC: "✓",
    0xF0FD: "☒",
    0xF0FE: CHECKED,
    0xF0D0: "–",
    0xF0AE: "→",
    0xF02D: "-",
    0xF020: " ",
}
_LIGATURES = {
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
}
_DINGBAT_FONT = re.compile(r"dingbat|wingding|webding|monotypesorts", re.IGNORECASE)
_BOLD_FONT = re.compile(r"bold|black|heavy|semibold|demi|(?:^|\+)cm(?:bx|ssbx)|nimbus\w+-medi|-bd\b", re.IGNORECASE)
_MONO_FONT = re.compile(
    r"courier|mono(?!type|ta|logue)|consol|menlo|inconsolata|(?:^|\+)(?:cm|sf)tt|typewriter|fixed|fira ?code|"
    r"source ?code|nimbusmon",
    re.IGNORECASE,
)
_MATH_FONT = re.compile(
    r"(?:^|\+)(?:cm(?:mi|sy|ex)|ms[ab]m|lmmath|eu[fsr]m|stix.*math)|cambria ?math|mtsy|mtmi|math", re.IGNORECASE
)
_MATH_SIGNS = frozenset("=+−±×÷·∑∏∫∂∇√∞≤≥≠≈≡∈∉⊂⊆∪∩∀∃→⇒↔⇔⟨⟩∥⊗⊕∝∼≪≫′")

ITEM_SIGNS = frozenset("•◦▪●○■◆►▶❖")
"""Bullets that are never part of a word."""

BULLETS = frozenset("•◦▪▫●○■□◆◇►▶▸‣⁃∙⦁➢➔❖✓✔✗✘–—-*·→⇒➤◾◼\u2022\u2023")
_CHECKS = {"☐": False, "☑": True, "☒": True, "❏": False, "❐": False, "❑": False, "❒": False, "□": False}

# TeX's extension font has large signs at these codes and never says so.
_EXTENSION_FONT = re.compile(r"(?:^|\+)(?:cm|lm|tx|px)ex", re.IGNORECASE)
_EXTENSION_SIGNS = {
    code: sign
    for sign, codes in {
        "(": (0x00, 0x10, 0x12, 0x20, 0x30, 0xA1, 0xB3, 0xB5, 0xC3),
        ")": (0x01, 0x11, 0x13, 0x21, 0x31, 0xA2, 0xB4, 0xB6, 0xC4),
        "[": (0x02, 0x14, 0x22, 0x68, 0x32, 0xA3, 0xB7),
        "]": (0x03, 0x15, 0x23, 0x69, 0x33, 0xA4, 0xB8),
        "{": (0x08, 0x1A, 0x28, 0x6E, 0x38, 0xA9, 0xBD),
        "}": (0x09, 0x1B, 0x29, 0x6F, 0x39, 0xAA, 0xBE),
        "|": (0x0C, 0x0D, 0x36, 0x37),
        "∑": (0x50, 0x58),
        "∏": (0x51, 0x59),
        "∫": (0x52, 0x5A),
        "⋃": (0x53, 0x5B),
        "⋂": (0x54, 0x5C),
        "√": (0x70, 0x71, 0x72, 0x73, 0x74),
        "ˆ": (0x62, 0x63, 0x64),
        "˜": (0x65, 0x66, 0x67),
    }.items()
    for code in codes
}

CIRCLE = "\u20dd"
ACCENTS = frozenset("´`¨ˆ˜¯ˇ˚˘˙˝^~¸" + CIRCLE)
_COMBINING = dict(
    zip(
        "´`¨ˆ˜¯ˇ˚˘˙˝^~¸",
        "\u0301\u0300\u0308\u0302\u0303\u0304\u030c\u030a\u0306\u0307\u030b\u0302\u0303\u0327",
        strict=True,
    )
)
_CIRCLED = {"c": "©", "C": "©", "R": "®", "P": "℗"}

SUPERSCRIPTS = dict(zip("0123456789+-\u2212()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁿ", strict=True))

_ZERO_WIDTH = frozenset("\u200b\u200c\u200d\u2060\ufeff")


def clean(char: str, font: str) -> str:
    """What one extracted character stands for: "" for nothing, several characters for a ligature, U+FFFD if unknown."""
    code = ord(char)
    if 0x20 <= code < 0x7F:
        return char
    if char in _LIGATURES:
        return _LIGATURES[char]
    if 0xE000 <= code <= 0xF8FF:
        return _SYMBOL_GLYPHS.get(code, BULLET if _DINGBAT_FONT.search(font) else char)
    if 0xFB50 <= code <= 0xFDFF or 0xFE70 <= code <= 0xFEFC:
        return unicodedata.normalize("NFKC", char).strip()
    if char in "\t\u00a0\u2002\u2003\u2009\u202f\u3000":
        return " "
    if code < 0xA0 or code == 0xFFFD:
        return BULLET if _DINGBAT_FONT.search(font) else "\ufffd"
    if char in _ZERO_WIDTH or 0xD800 <= code <= 0xDFFF:
        return ""
    return char


def from_code(char: str, font: str) -> str:
    """The character of a font without a character map, of which only the code is known; U+FFFD for most."""
    if _EXTENSION_FONT.search(font):
        # pieces of tall brackets and empty places say nothing
        return _EXTENSION_SIGNS.get(ord(char), "")
    if _DINGBAT_FONT.search(font):
        return BULLET
    return "\ufffd"


def accented(chars: list[tuple[str, float, float]]) -> str:
    """Characters, each with its left and right edge, with accents that are printed over a letter, and circles that are
    printed around one, joined to it."""
    result = ""
    for place, (char, left, right) in enumerate(chars):
        before = chars[place - 1] if place else None
        if before is not None and char == CIRCLE and left <= (before[1] + before[2]) / 2 <= right:
            inside = result[-1:]
            result = result[:-1] + _CIRCLED.get(inside, inside + char)
            continue
        if before is not None and before[0] in _COMBINING and left - 0.5 <= (before[1] + before[2]) / 2 <= right + 0.5:
            letter = {"ı": "i", "ȷ": "j"}.get(char, char)
            whole = unicodedata.normalize("NFC", letter[:1] + _COMBINING[before[0]])
            if len(whole) == 1 and result.endswith(before[0]):
                result = result[:-1] + whole + letter[1:]
                continue
        result += char
    return result


def is_broken(char: str) -> bool:
    """Whether a cleaned character shows that the font's encoding is unknown."""
    return char == "\ufffd" or "\ue000" <= char <= "\uf8ff" or char >= "\U000f0000"


def is_bold(font: str, flags: int) -> bool:
    """Whether the span's font is bold, by PyMuPDF's flag or by its name."""
    return bool(flags & 16) or bool(_BOLD_FONT.search(font))


def is_mono(font: str, flags: int) -> bool:
    """Whether the span's font is monospaced, by PyMuPDF's flag or by its name."""
    return bool(flags & 8) or bool(_MONO_FONT.search(font))


def is_math(font: str) -> bool:
    """Whether the font serves formulas only."""
    return bool(_MATH_FONT.search(font))


def math_signs(text: str) -> int:
    """How many characters of a text are operators of formulas."""
    return sum(char in _MATH_SIGNS for char in text)


def is_rtl(char: str) -> bool:
    """Whether a character is written from right to left."""
    return "\u0590" <= char <= "\u08ff" or "\ufb1d" <= char <= "\ufdff" or "\ufe70" <= char <= "\ufefc"


def is_cjk(char: str) -> bool:
    """Whether a character belongs to a script that is written without spaces (Hangul is written with them)."""
    return (
        "\u2e80" <= char <= "\u30ff"
        or "\u3400" <= char <= "\u9fff"
        or "\uf900" <= char <= "\ufaff"
        or "\uff00" <= char <= "\uff60"
        or "\U00020000" <= char <= "\U0003ffff"
    )


def is_hangul(char: str) -> bool:
    """Whether a character is a Korean syllable."""
    return "\uac00" <= char <= "\ud7a3"


def checkbox(char: str) -> bool | None:
    """True for a ticked box, False for an empty one, None for any other character."""
    return _CHECKS.get(char)


def mirrored_ligatures(chars: list[tuple[str, float]]) -> list[str]:
    """Characters of a right-to-left run in reading order; the input pairs each with its width in points.

    A glyph that stands for several letters (lam-alef) arrives with its letters in visual order: the extra ones first,
    without width. They are turned around.
    """
    result: list[str] = []
    waiting: list[str] = []
    for char, width in chars:
        if width <= 0.01 and is_rtl(char) and unicodedata.category(char) == "Lo":
            waiting.append(char)
            continue
        result.append(char)
        result.extend(reversed(waiting))
        waiting.clear()
    return result + waiting
