"""Words and lines of a page's text layer, without what nobody can see.

Knows: PyMuPDF's raw text, fonts, hidden text. Does not know: paragraphs, columns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import pymupdf

from smoldocling.pages import glyphs
from smoldocling.pages.frame import Frame, Rect, quarter
from smoldocling.pages.unseen import Hidden

FLAGS = (
    pymupdf.TEXT_PRESERVE_LIGATURES
    | pymupdf.TEXT_PRESERVE_WHITESPACE
    | pymupdf.TEXT_MEDIABOX_CLIP
    | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
)
"""How PyMuPDF has to extract the raw text."""

_UNKNOWN = 128  # char_flags: the font does not say which characters its codes stand for; the codes come instead
_PAINTED = 16 | 32  # char_flags: the span is filled or stroked
_SUPERSCRIPT = 1  # flags: the span stands above the baseline
_CONTROLS = frozenset("\x03\x07\x08")  # where a layout program indents or ends a style; nothing is drawn
_OPENING, _CLOSING = frozenset("([{“‘"), frozenset(")]},.;:!?”’")
_WHITE = 0xF8  # from here on a colour channel counts as paper
_MIN_SIZE = 1.5  # points; smaller text cannot be read by a person, only by a machine
_OF_HEIGHT = 0.72  # the font size as a share of the height of its characters' boxes
_LEAST_PLAIN = 0.2  # share of a line's characters
_ASCENT, _DESCENT = 0.78, 0.22  # font sizes above and below the baseline that letters reach; accents a little more


@dataclass(frozen=True, slots=True)
class Style:
    """How a run of characters is set; size in points."""

    font: str
    size: float
    bold: bool
    italic: bool
    mono: bool
    math: bool
    color: int


_Char = tuple[str, Any, Style, bool, str]
"""As it is read, MuPDF's record, its style, whether it is raised, as it would be read on the line."""


class Glyph(NamedTuple):
    """One character as it is set: its sides and baseline in points; raised digits are plain ones here."""

    text: str
    x0: float
    x1: float
    baseline: float
    style: Style

    @property
    def size(self) -> float:
        """Font size, points."""
        return self.style.size


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without a space between them. `raised`: the first of them stand above the baseline.

    raw     for each character: as it is read on the line, its left and right side and its baseline, in the
            coordinates of the file, one after the other: a page has thousands; `glyphs` reads them
    styles  their styles where not all are `style`
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    style: Style
    baseline: float
    raised: bool = False
    raw: tuple[str | float, ...] = field(default=(), compare=False, repr=False)
    styles: tuple[Style, ...] = field(default=(), compare=False, repr=False)

    @property
    def rect(self) -> Rect:
        """Its rectangle in the frame."""
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def glyphs(self) -> list[Glyph]:
        """Its characters one by one; in the frame only where the page is not turned."""
        texts, lefts, rights, baselines = (self.raw[start::4] for start in range(4))
        styles = self.styles or (self.style,) * len(texts)
        return [
            Glyph(str(text), float(x0), float(x1), float(y), style)
            for text, x0, x1, y, style in zip(texts, lefts, rights, baselines, styles, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one baseline in reading order, as MuPDF found them; `open` if a space follows the last word.

    hidden  not painted: what text recognition put under the picture of a page
    """

    words: tuple[Word, ...]
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    style: Style
    open: bool = False
    upright: bool = True
    hidden: bool = False

    @property
    def text(self) -> str:
        """Its words with single spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def rect(self) -> Rect:
        """Its rectangle in the frame."""
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def height(self) -> float:
        """Its height in points."""
        return self.y1 - self.y0

    @property
    def bold(self) -> bool:
        """Whether every word is bold."""
        return all(word.style.bold for word in self.words)


def main_direction(rows: list[Any], default: int) -> int:
    """Clockwise quarters by which most characters run off the horizontal of the unrotated page."""
    turns = Counter[int]()
    for row in rows:
        turns[quarter(row["dir"])] += sum(len(span["chars"]) for span in row["spans"])
    return turns.most_common(1)[0][0] if turns else default


def type_size(span: Any, direction: tuple[float, float]) -> float:
    """The font size of a span in points; fonts of type 3 have units of their own, so that only their height tells."""
    size = float(span["size"])
    if size >= _MIN_SIZE and not span["font"].startswith("Type3"):
        return size
    x0, y0, x1, y1 = span["bbox"]
    return max(size, _OF_HEIGHT * (float(y1 - y0) if abs(direction[0]) > abs(direction[1]) else float(x1 - x0)))


class Seen(NamedTuple):
    """The visible lines of a page, how many of their characters have no meaning, and what is hidden beside them."""

    lines: list[Line]
    broken: int
    characters: int
    hidden: list[Hidden]


def visible_lines(rows: list[Any], direction: int, frame: Frame, backgrounds: Callable[[], list[Rect]]) -> Seen:
    """What of the rows of a page can be seen. `backgrounds` are places that are not as white as paper."""
    styles: dict[tuple[Any, ...], Style] = {}
    # in a font that has a map, only single codes are unknown: those of empty boxes
    mapped = {span["font"] for row in rows for span in row["spans"] if not span["char_flags"] & _UNKNOWN}
    visible: list[Line] = []
    ghosts: list[Line] = []  # painted with render mode 3: OCR text under a scan, or hidden
    pale: list[Line] = []  # white: on paper hidden, on a dark ground not
    hidden: list[Hidden] = []
    for row in rows:
        dx, dy = row["dir"]
        slanted = min(abs(dx), abs(dy)) > 0.17
        upright = not slanted and quarter((dx, dy)) == direction
        groups: dict[str, list[Any]] = {}
        for span in row["spans"]:
            groups.setdefault(_fate(span, row["dir"]), []).append(span)
        if set(groups) - {"gap"} == {"ink"}:
            groups = {"ink": row["spans"]}
        for fate, bin_ in (("ink", visible), ("ghost", ghosts), ("pale", pale)):
            line = _line(groups[fate], upright, frame, styles, mapped, row["dir"]) if fate in groups else None
            if line is not None:
                bin_.append(line)
        for why in _UNSEEN & groups.keys():
            line = _line(groups[why], upright, frame, styles, mapped, row["dir"])
            hidden += [Hidden(why, line.text)] if line is not None else []
    if pale or (ghosts and visible):
        grounds = backgrounds()
        hidden += [Hidden("pale", line.text) for line in pale if not _covered(line.rect, grounds)]
        visible += [line for line in pale if _covered(line.rect, grounds)]
    if ghosts and visible:
        # next to visible text, only what lies under a picture can be the text of that picture
        taken = [line.rect for line in visible]
        under = [line for line in ghosts if _covered(line.rect, grounds)]
        hidden += [Hidden("unpainted", line.text) for line in ghosts if not _covered(line.rect, grounds)]
        ghosts = [line for line in under if not _covered(line.rect, taken)]
    visible += [replace(line, hidden=True) for line in ghosts]
    text = "".join(word.text for line in visible for word in line.words)
    return Seen(visible, sum(map(glyphs.is_broken, text)), len(text), hidden)


_UNSEEN: frozenset[Literal["tiny", "transparent"]] = frozenset({"tiny", "transparent"})


def _fate(span: Any, direction: tuple[float, float]) -> str:
    """What becomes of a span: "ink", "ghost" (invisible), "pale" (white), "gap" (spaces only) or why it is unseen."""
    if all(char["c"].isspace() for char in span["chars"]):
        return "gap"
    if span["size"] < _MIN_SIZE and type_size(span, direction) < _MIN_SIZE:
        return "tiny"
    if not span["char_flags"] & _PAINTED:
        return "ghost"
    if span["alpha"] == 0:
        return "transparent"
    color = span["color"]
    if min(color >> 16 & 255, color >> 8 & 255, color & 255) >= _WHITE:
        return "pale"
    return "ink"


def _line(
    spans: list[Any],
    upright: bool,
    frame: Frame,
    styles: dict[tuple[Any, ...], Style],
    mapped: set[str],
    direction: tuple[float, float],
) -> Line | None:
    """The words of some spans of one row, None if nothing of it is on the page."""
    words: list[Word] = []
    chars: list[_Char] = []
    rtl = any(glyphs.is_rtl(char["c"]) for span in spans for char in span["chars"])
    last = ""
    paddings = _paddings(spans)
    for span in spans:
        font = span["font"]
        size = type_size(span, direction)
        key = (font, size, span["flags"], span["color"])
        style = styles.get(key)
        if style is None:
            style = styles[key] = _style(span, size)
        raised = bool(span["flags"] & _SUPERSCRIPT)
        # "10" and a raised "6" must not read as 106; a run that has no raised form as a whole stays as it is
        high = raised and all(char["c"] in glyphs.SUPERSCRIPTS or char["c"].isspace() for char in span["chars"])
        unknown = bool(span["char_flags"] & _UNKNOWN) and font not in mapped
        for char in span["chars"]:
            if char["c"] in _CONTROLS and not unknown:
                _close(words, chars, rtl, upright, frame)
                continue
            if id(char) in paddings:
                continue
            # a space that MuPDF adds has no code of its own
            coded = unknown and not char["synthetic"]
            last = glyphs.from_code(char["c"], font) if coded else glyphs.clean(char["c"], font)
            plain = last
            if high:
                last = glyphs.SUPERSCRIPTS.get(last, last)
            if last == " " or not last:
                if last:
                    _close(words, chars, rtl, upright, frame)
                continue
            if last in glyphs.ITEM_SIGNS:
                _close(words, chars, rtl, upright, frame)
            chars.append((last, char, style, raised, plain))
    _close(words, chars, rtl, upright, frame)
    if not words:
        return None
    dominant = Counter[Style]()
    for word in words:
        dominant[word.style] += len(word.text)
    return Line(
        words=tuple(words),
        x0=min(word.x0 for word in words),
        y0=min(word.y0 for word in words),
        x1=max(word.x1 for word in words),
        y1=max(word.y1 for word in words),
        baseline=max(word.baseline for word in words if not word.raised)
        if not all(word.raised for word in words)
        else words[0].baseline,
        style=_style_of(dominant),
        open=last == " ",
        upright=upright,
    )


def _paddings(spans: list[Any]) -> set[int]:
    """Spaces by identity that MuPDF sees between code inside a sentence and its comma: the white around its ground."""
    monos = [glyphs.is_mono(span["font"], span["flags"]) for span in spans]
    if all(monos) or not any(monos):
        return set()
    flat = [(char, mono) for span, mono in zip(spans, monos, strict=True) for char in span["chars"]]
    return {
        id(char)
        for (before, code), (char, _), (after, next_code) in zip(flat, flat[1:], flat[2:], strict=False)
        if char["synthetic"]
        and (
            (code and not next_code and after["c"] in _CLOSING) or (next_code and not code and before["c"] in _OPENING)
        )
    }


def _close(words: list[Word], chars: list[_Char], rtl: bool, upright: bool, frame: Frame) -> None:
    """Moves the collected characters into a word if it lies on the page."""
    if not chars:
        return
    boxes = [char["bbox"] for _, char, *_ in chars]
    rect = frame.turned(
        (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    )
    if frame.shows(rect):
        if rtl:
            text = "".join(
                glyphs.mirrored_ligatures([(text, char["bbox"][2] - char["bbox"][0]) for text, char, *_ in chars])
            )
        else:
            text = "".join([text for text, *_ in chars])
            if not glyphs.ACCENTS.isdisjoint(text):
                text = glyphs.accented([(text, *char["bbox"][::2]) for text, char, *_ in chars])
        first = chars[0]
        plain = next((item for item in chars if not item[3]), first)
        x, y = plain[1]["origin"]
        baseline = frame.turned((x, y, x, y))[3]
        words.append(
            Word(
                text,
                *_slim(rect, baseline, plain[2].size, upright),
                plain[2],
                baseline,
                first[3],
                *_raw(chars, plain[2]),
            )
        )
    chars.clear()


def _raw(chars: list[_Char], style: Style) -> tuple[tuple[str | float, ...], tuple[Style, ...]]:
    flat: list[str | float] = []
    for _, char, _, _, text in chars:
        box = char["bbox"]
        flat += (text, box[0], box[2], char["origin"][1])
    mixed = any(item[2] is not style for item in chars)
    return tuple(flat), tuple([item[2] for item in chars]) if mixed else ()


def _slim(rect: Rect, baseline: float, size: float, upright: bool) -> Rect:
    """The rectangle of a word without the white that its font adds above and below the letters."""
    x0, y0, x1, y1 = rect
    if not upright:
        return rect
    top, bottom = max(y0, baseline - _ASCENT * size), min(y1, baseline + _DESCENT * size)
    return (x0, top, x1, bottom) if top < bottom else rect


def _style_of(lengths: Counter[Style]) -> Style:
    """The style of most characters; code in a sentence or a heading, however long, does not make it code."""
    plain = Counter({style: length for style, length in lengths.items() if not style.mono})
    return (plain if plain.total() > _LEAST_PLAIN * lengths.total() else lengths).most_common(1)[0][0]


def _style(span: Any, size: float) -> Style:
    font, flags = str(span["font"]), int(span["flags"])
    return Style(
        font=font,
        size=round(size * 2) / 2,
        bold=glyphs.is_bold(font, flags),
        italic=bool(flags & 2),
        mono=glyphs.is_mono(font, flags),
        math=glyphs.is_math(font),
        color=int(span["color"]),
    )


def _covered(rect: Rect, grounds: list[Rect]) -> bool:
    """Whether the middle of a rectangle lies on one of the others."""
    x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
    return any(ground[0] <= x <= ground[2] and ground[1] <= y <= ground[3] for ground in grounds)
