"""What a PDF page holds, as words and marks in an upright frame.

Knows: PyMuPDF, rotation, hidden text. Does not know: paragraphs, tables, DocTags.
Frame: points, origin top left, the page turned so that most of its text runs from left to right. `Ink.place` brings a
rectangle of the frame onto the page as it is displayed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pymupdf

from doctags.tree import GRID, Box
from smoldocling.pages import glyphs

Rect = tuple[float, float, float, float]

_FLAGS = pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_MEDIABOX_CLIP
_FLAGS = (
    pymupdf.TEXT_PRESERVE_LIGATURES
    | pymupdf.TEXT_PRESERVE_WHITESPACE
    | pymupdf.TEXT_MEDIABOX_CLIP
    | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE
)
_UNKNOWN = 128  # char_flags: the font does not say which characters its codes stand for; the codes come instead
_PAINTED = 16 | 32  # char_flags: the span is filled or stroked
_SUPERSCRIPT = 1  # flags: the span stands above the baseline
_WHITE = 0xF8  # from here on a colour channel counts as paper
_MIN_SIZE = 1.5  # points; smaller text cannot be read by a person, only by a machine
_ASCENT, _DESCENT = 0.78, 0.22  # font sizes above and below the baseline that letters reach; accents a little more
_MAX_DRAWINGS = 20_000  # maps and CAD plans have more paths than a table ever needs
_THIN = 3.0  # points; a narrower rectangle is a line


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


@dataclass(frozen=True, slots=True)
class Word:
    """Characters without a space between them. `raised` counts the leading ones that stand above the baseline."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    style: Style
    baseline: float
    raised: bool = False

    @property
    def rect(self) -> Rect:
        """Its rectangle in the frame."""
        return (self.x0, self.y0, self.x1, self.y1)


@dataclass(frozen=True, slots=True)
class Line:
    """Words on one baseline in reading order, as MuPDF found them; `open` if a space follows the last word."""

    words: tuple[Word, ...]
    x0: float
    y0: float
    x1: float
    y1: float
    baseline: float
    style: Style
    open: bool = False
    upright: bool = True

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


@dataclass(frozen=True, slots=True)
class Ink:
    """All marks of one page in the upright frame (points).

    strokes   horizontal and vertical lines, edges of rectangles too      fills   painted areas that are not white
    shapes    everything else that is drawn: curves, slanted lines        links   rectangles with their web addresses
    turn      clockwise quarters from the displayed page to the frame     size    width and height as displayed
    quarters  clockwise quarters from the page as it lies in the file, before its /Rotate, to the frame
    broken    how many of the `characters` have no known meaning
    """

    lines: tuple[Line, ...]
    images: tuple[Rect, ...]
    fills: tuple[Rect, ...]
    strokes: tuple[Rect, ...]
    shapes: tuple[Rect, ...]
    links: tuple[tuple[Rect, str], ...]
    width: float
    height: float
    turn: int
    quarters: int
    broken: int
    characters: int
    size: tuple[float, float]

    def displayed(self, rect: Rect) -> Rect:
        """A rectangle of the frame in points of the displayed page."""
        return _turned(rect, -self.turn, self.width, self.height)

    def place(self, rect: Rect) -> Box:
        """A rectangle of the frame on the 0..500 grid of the displayed page."""
        x0, y0, x1, y1 = self.displayed(rect)
        width, height = self.size
        xs = sorted((_grid(x0, width), _grid(x1, width)))
        ys = sorted((_grid(y0, height), _grid(y1, height)))
        return Box(xs[0], ys[0], xs[1], ys[1])


def _grid(value: float, extent: float) -> int:
    if not math.isfinite(value) or extent <= 0:
        return 0
    return max(0, min(GRID, round(GRID * value / extent)))


def _turned(rect: Rect, turn: int, width: float, height: float) -> Rect:
    """A rectangle after turning its width x height page clockwise by `turn` quarters."""
    x0, y0, x1, y1 = rect
    match turn % 4:
        case 1:
            return (height - y1, x0, height - y0, x1)
        case 2:
            return (width - x1, height - y1, width - x0, height - y0)
        case 3:
            return (y0, width - x1, y1, width - x0)
    return rect


def _quarter(direction: tuple[float, float]) -> int:
    """Clockwise quarters by which a text direction deviates from left to right."""
    dx, dy = direction
    if abs(dx) >= abs(dy):
        return 0 if dx >= 0 else 2
    return 1 if dy > 0 else 3


def read(page: pymupdf.Page) -> Ink:
    """Words, rulings, images and links of a page.

    Raises whatever PyMuPDF raises for a damaged page.
    """
    rotation = (page.rotation // 90) % 4
    display = (float(page.rect.width), float(page.rect.height))
    plain = display if rotation % 2 == 0 else (display[1], display[0])
    raw = page.get_text("rawdict", flags=_FLAGS)
    rows = [line for block in raw["blocks"] for line in block.get("lines", ())]
    direction = _main_direction(rows, (-rotation) % 4)
    # text, drawings and links come in the coordinates of the page before its /Rotate
    frame = _Frame((-direction) % 4, *plain)
    images = [frame.turned(info["bbox"]) for info in page.get_image_info()]
    images = [rect for rect in images if frame.shows(rect)]
    marks = _drawings(page, frame)
    lines, broken, characters = _lines(rows, direction, frame, lambda: _backgrounds(page, frame, images, marks.fills))
    return Ink(
        lines=tuple(lines),
        images=tuple(images),
        fills=tuple(marks.fills),
        strokes=tuple(marks.strokes),
        shapes=tuple(marks.shapes),
        links=tuple(_links(page, frame)),
        width=frame.width,
        height=frame.height,
        turn=(frame.quarters - rotation) % 4,
        quarters=frame.quarters,
        broken=broken,
        characters=characters,
        size=display,
    )


class _Frame:
    """The upright frame of a page whose unrotated size is `plain_width` x `plain_height` points."""

    def __init__(self, quarters: int, plain_width: float, plain_height: float) -> None:
        self.quarters = quarters
        self._plain = (plain_width, plain_height)
        self.width, self.height = self._plain if quarters % 2 == 0 else (plain_height, plain_width)

    def turned(self, rect: Any) -> Rect:
        x0, y0, x1, y1 = rect
        x0, y0, x1, y1 = _turned((x0, y0, x1, y1), self.quarters, *self._plain)
        return (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))

    def shows(self, rect: Rect) -> bool:
        """Whether a rectangle's centre lies on the page."""
        x, y = (rect[0] + rect[2]) / 2, (rect[1] + rect[3]) / 2
        return 0 <= x <= self.width and 0 <= y <= self.height


def _main_direction(rows: list[Any], default: int) -> int:
    """Clockwise quarters by which most characters run off the horizontal of the unrotated page."""
    turns = Counter[int]()
    for row in rows:
        turns[_quarter(row["dir"])] += sum(len(span["chars"]) for span in row["spans"])
    return turns.most_common(1)[0][0] if turns else default


def _lines(
    rows: list[Any], direction: int, frame: _Frame, backgrounds: Callable[[], list[Rect]]
) -> tuple[list[Line], int, int]:
    """Visible lines, the number of characters without meaning among theirs, and the number of all their characters."""
    styles: dict[tuple[Any, ...], Style] = {}
    visible: list[Line] = []
    ghosts: list[Line] = []  # painted with render mode 3: OCR text under a scan, or hidden
    pale: list[Line] = []  # white: on paper hidden, on a dark ground not
    for row in rows:
        dx, dy = row["dir"]
        slanted = min(abs(dx), abs(dy)) > 0.17
        upright = not slanted and _quarter((dx, dy)) == direction
        groups: dict[str, list[Any]] = {}
        for span in row["spans"]:
            groups.setdefault(_fate(span), []).append(span)
        if set(groups) - {"gap"} == {"ink"}:
            groups = {"ink": row["spans"]}
        for fate, bin_ in (("ink", visible), ("ghost", ghosts), ("pale", pale)):
            line = _line(groups[fate], upright, frame, styles) if fate in groups else None
            if line is not None:
                bin_.append(line)
    if pale or (ghosts and visible):
        grounds = backgrounds()
        visible += [line for line in pale if _covered(line.rect, grounds)]
    if ghosts and visible:
        # next to visible text, only what lies under a picture can be the text of that picture
        ghosts = [line for line in ghosts if _covered(line.rect, grounds)]
        taken = [line.rect for line in visible]
        ghosts = [line for line in ghosts if not _covered(line.rect, taken)]
    visible += ghosts
    text = "".join(word.text for line in visible for word in line.words)
    return visible, sum(map(glyphs.is_broken, text)), len(text)


def _fate(span: Any) -> str:
    """What becomes of a span: "ink", "ghost" (invisible), "pale" (white), "gap" (spaces only) or "hidden"."""
    if all(char["c"].isspace() for char in span["chars"]):
        return "gap"
    if span["size"] < _MIN_SIZE:
        return "hidden"
    if not span["char_flags"] & _PAINTED:
        return "ghost"
    if span["alpha"] == 0:
        return "hidden"
    color = span["color"]
    if min(color >> 16 & 255, color >> 8 & 255, color & 255) >= _WHITE:
        return "pale"
    return "ink"


def _line(spans: list[Any], upright: bool, frame: _Frame, styles: dict[tuple[Any, ...], Style]) -> Line | None:
    """The words of some spans of one row, None if nothing of it is on the page."""
    words: list[Word] = []
    chars: list[tuple[str, Any, Style, bool]] = []
    rtl = any(glyphs.is_rtl(char["c"]) for span in spans for char in span["chars"])
    last = ""
    for span in spans:
        font = span["font"]
        key = (font, span["size"], span["flags"], span["color"])
        style = styles.get(key)
        if style is None:
            style = styles[key] = _style(span)
        raised = bool(span["flags"] & _SUPERSCRIPT)
        unknown = bool(span["char_flags"] & _UNKNOWN)
        for char in span["chars"]:
            last = glyphs.from_code(char["c"], font) if unknown else glyphs.clean(char["c"], font)
            if last == " " or not last:
                if last:
                    _close(words, chars, rtl, upright, frame)
                continue
            if last in glyphs.ITEM_SIGNS:
                _close(words, chars, rtl, upright, frame)
            chars.append((last, char, style, raised))
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
        style=dominant.most_common(1)[0][0],
        open=last == " ",
        upright=upright,
    )


def _close(
    words: list[Word], chars: list[tuple[str, Any, Style, bool]], rtl: bool, upright: bool, frame: _Frame
) -> None:
    """Moves the collected characters into a word if it lies on the page."""
    if not chars:
        return
    boxes = [char["bbox"] for _, char, _, _ in chars]
    rect = frame.turned(
        (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    )
    if frame.shows(rect):
        if rtl:
            text = "".join(
                glyphs.mirrored_ligatures([(text, char["bbox"][2] - char["bbox"][0]) for text, char, _, _ in chars])
            )
        else:
            text = "".join([text for text, _, _, _ in chars])
            if not glyphs.ACCENTS.isdisjoint(text):
                text = glyphs.accented([(text, *char["bbox"][::2]) for text, char, _, _ in chars])
        first = chars[0]
        plain = next((item for item in chars if not item[3]), first)
        x, y = plain[1]["origin"]
        baseline = frame.turned((x, y, x, y))[3]
        words.append(Word(text, *_slim(rect, baseline, plain[2].size, upright), plain[2], baseline, first[3]))
    chars.clear()


def _slim(rect: Rect, baseline: float, size: float, upright: bool) -> Rect:
    """The rectangle of a word without the white that its font adds above and below the letters."""
    x0, y0, x1, y1 = rect
    if not upright:
        return rect
    top, bottom = max(y0, baseline - _ASCENT * size), min(y1, baseline + _DESCENT * size)
    return (x0, top, x1, bottom) if top < bottom else rect


def _style(span: Any) -> Style:
    font, flags = str(span["font"]), int(span["flags"])
    return Style(
        font=font,
        size=round(float(span["size"]) * 2) / 2,
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


def _backgrounds(page: pymupdf.Page, frame: _Frame, images: list[Rect], fills: list[Rect]) -> list[Rect]:
    """Areas on which white text can be seen and under which invisible text can make sense."""
    shades = [frame.turned(rect) for kind, rect in page.get_bboxlog() if kind in ("fill-shade", "fill-imgmask")]
    return images + fills + shades


@dataclass(slots=True)
class _Marks:
    fills: list[Rect]
    strokes: list[Rect]
    shapes: list[Rect]


def _drawings(page: pymupdf.Page, frame: _Frame) -> _Marks:
    """What is drawn on the page, sorted into painted areas, axis-parallel lines and everything else."""
    marks = _Marks([], [], [])
    for path in page.get_cdrawings()[:_MAX_DRAWINGS]:
        rect = frame.turned(path["rect"])
        if not frame.shows(rect):
            continue
        width, height = rect[2] - rect[0], rect[3] - rect[1]
        fill = path.get("fill")
        if min(width, height) <= _THIN:
            if max(width, height) > _THIN:
                marks.strokes.append(rect)
            continue
        if fill is not None and min(fill) < 0.97 and (path.get("fill_opacity") or 1) > 0:
            marks.fills.append(rect)
        stroked = path.get("color") is not None and "s" in path["type"]
        for item in path["items"]:
            if item[0] == "re" and (stroked or fill is not None):
                x0, y0, x1, y1 = frame.turned(item[1])
                if min(x1 - x0, y1 - y0) <= _THIN:
                    marks.strokes.append((x0, y0, x1, y1))
                elif stroked:
                    marks.strokes += [(x0, y0, x1, y0), (x0, y1, x1, y1), (x0, y0, x0, y1), (x1, y0, x1, y1)]
            elif item[0] == "l":
                (ax, ay), (bx, by) = item[1], item[2]
                line = frame.turned((min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)))
                if min(line[2] - line[0], line[3] - line[1]) > 1:
                    marks.shapes.append(rect)
                    break
                if stroked:
                    marks.strokes.append(line)
            elif item[0] == "c":
                marks.shapes.append(rect)
                break
    return marks


def _links(page: pymupdf.Page, frame: _Frame) -> list[tuple[Rect, str]]:
    """Rectangles of the page's links to the web, with their addresses."""
    return [
        (frame.turned(link["from"]), str(link["uri"]))
        for link in page.get_links()
        if str(link.get("uri", "")).split(":")[0].lower() in ("http", "https", "mailto")
    ]
