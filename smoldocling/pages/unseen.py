"""Text that is in the file and that nobody sees on the page, and why: a known way to slip words to a machine.

Knows: PyMuPDF, in which order things are painted, layers that are switched off. Does not know: paragraphs, problems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import pymupdf

from smoldocling.pages.frame import Frame, Rect, turned_by

if TYPE_CHECKING:
    from smoldocling.pages.lines import Line

Why = Literal["tiny", "unpainted", "transparent", "pale", "covered", "outside", "layer"]

_PHRASES: dict[Why, str] = {
    "pale": "in the colour of their ground",
    "unpainted": "not painted",
    "transparent": "transparent",
    "covered": "covered by something else",
    "tiny": "too small to be read",
    "outside": "outside the page",
    "layer": "in a layer that is switched off",
}

# Characters of hidden text that are quoted.
_QUOTED = 80
# Levels of a colour channel that nobody tells apart.
_ALIKE = 6
# Images from this share of the page on are the page itself, and the text under them is what was read from them.
_WHOLE = 0.5
_PAINTED = frozenset({"fill-path", "fill-image", "fill-shade"})
_WRITTEN = frozenset({"fill-text", "stroke-text"})
# Points; no smaller area covers a word.
_LEAST = 4.0
# Pixels a point when it is looked whether something is to be seen.
_ZOOM = 1.4
# Layers are switched one by one; a plan of a building has hundreds.
_MOST_LAYERS = 50

Log = Sequence[tuple[str, Rect]]
"""What is painted on a page, in order: kind and rectangle in the coordinates of the page before its /Rotate."""


class Drawn(NamedTuple):
    """What may hide text, in the frame: pictures without transparent parts, painted areas with colours in order."""

    images: Sequence[Rect]
    paints: Sequence[tuple[Rect, int]]


@dataclass(frozen=True, slots=True)
class Hidden:
    """Words that cannot be seen."""

    why: Why
    text: str

    @property
    def words(self) -> int:
        """How many."""
        return len(self.text.split())


def said(hidden: Iterable[Hidden]) -> str | None:
    """What there is to say of hidden text in one line, None without any."""
    found = [item for item in hidden if item.words]
    total = sum(item.words for item in found)
    if not total:
        return None
    counts = Counter[Why]()
    for item in found:
        counts[item.why] += item.words
    reasons = ", ".join(f"{counts[why]} {phrase}" for why, phrase in _PHRASES.items() if counts[why])
    if len(counts) == 1:
        reasons = _PHRASES[next(iter(counts))]
    text = " ".join(" ".join(item.text for item in found).split())
    quoted = text if len(text) <= _QUOTED else text[:_QUOTED].rsplit(" ", 1)[0] + " ..."
    words = "1 word" if total == 1 else f"{total:,} words"
    return f'{words} hidden on the page {"was" if total == 1 else "were"} left out ({reasons}): "{quoted}"'


def apart(
    page: pymupdf.Page, lines: Sequence[Line], log: Log, drawn: Drawn, frame: Frame, turn: int
) -> tuple[list[Line], list[Hidden]]:
    """The lines that can be seen, and those over which something is painted or which have the colour of their ground.

    turn  clockwise quarters from the displayed page to the frame
    """
    written = [(place, frame.turned(rect)) for place, (kind, rect) in enumerate(log) if kind in _WRITTEN]
    first = min((place for place, _ in written), default=0)
    painted = [
        (place, kind, frame.turned(rect))
        for place, (kind, rect) in enumerate(log)
        if kind in _PAINTED and place > first and rect[2] - rect[0] > _LEAST and rect[3] - rect[1] > _LEAST
    ]
    is_bare = _Glance(page, frame, turn).is_bare
    seen: list[Line] = []
    hidden: list[Hidden] = []
    for line in lines:
        over = _over(line, painted, written) if painted and not line.hidden else []
        if over and (is_bare(line.rect) or _under_image(line, over, frame, drawn.images)):
            hidden.append(Hidden("covered", line.text))
        elif not line.hidden and _is_camouflaged(line, drawn.paints) and is_bare(line.rect):
            hidden.append(Hidden("pale", line.text))
        else:
            seen.append(line)
    return seen, hidden


def _is_camouflaged(line: Line, paints: Sequence[tuple[Rect, int]]) -> bool:
    """Whether the last area that is painted in the place of a line has the line's colour."""
    colour = next((colour for rect, colour in reversed(paints) if _holds(rect, line.rect)), None)
    return colour is not None and all(
        abs((colour >> shift & 255) - (line.style.color >> shift & 255)) <= _ALIKE for shift in (0, 8, 16)
    )


def _over(
    line: Line, painted: Sequence[tuple[int, str, Rect]], written: Sequence[tuple[int, Rect]]
) -> list[tuple[str, Rect]]:
    """What covers a line and is painted after all text in its place."""
    above = [(place, kind, rect) for place, kind, rect in painted if _holds(rect, line.rect)]
    if not above:
        return []
    last = max((place for place, rect in written if _touch(rect, line.rect)), default=len(written) + len(painted))
    return [(kind, rect) for place, kind, rect in above if place > last]


def _holds(outer: Rect, rect: Rect) -> bool:
    """Whether a rectangle lies in another but for its very edges."""
    height, width = 0.2 * (rect[3] - rect[1]), 0.05 * (rect[2] - rect[0])
    return (
        outer[0] <= rect[0] + width
        and outer[2] >= rect[2] - width
        and outer[1] <= rect[1] + height
        and outer[3] >= rect[3] - height
    )


def _touch(a: Rect, b: Rect) -> bool:
    """Whether the middle of `b` lies in `a`."""
    x, y = (b[0] + b[2]) / 2, (b[1] + b[3]) / 2
    return a[0] <= x <= a[2] and a[1] <= y <= a[3]


class _Glance:
    """A page as it is seen, piece by piece."""

    def __init__(self, page: pymupdf.Page, frame: Frame, turn: int) -> None:
        self._page, self._frame, self._turn = page, frame, turn
        self._shown: pymupdf.DisplayList | None = None

    def is_bare(self, rect: Rect) -> bool:
        """Whether nothing but one colour is to be seen in a place of the frame."""
        if self._shown is None:
            self._shown = self._page.get_displaylist()
        clip = pymupdf.Rect(turned_by(rect, -self._turn, self._frame.width, self._frame.height))
        zoom = pymupdf.Matrix(_ZOOM, _ZOOM)
        samples = self._shown.get_pixmap(matrix=zoom, clip=clip, colorspace=pymupdf.csRGB, alpha=0).samples
        return bool(samples) and all(max(samples[n::3]) - min(samples[n::3]) <= _ALIKE for n in range(3))


def _under_image(line: Line, over: Sequence[tuple[str, Rect]], frame: Frame, images: Sequence[Rect]) -> bool:
    """Whether a picture lies over a line that is a part of the page: text under the picture of a page is that page."""
    most = _WHOLE * frame.width * frame.height
    return any(
        kind == "fill-image" and any(_area(image) < most and _holds(image, line.rect) for image in images)
        for kind, _ in over
    )


def _area(rect: Rect) -> float:
    return max(0.0, rect[2] - rect[0]) * max(0.0, rect[3] - rect[1])


def outside(page: pymupdf.Page, log: Log) -> list[Hidden]:
    """Text beside the page: nobody sees it, on paper or on a screen."""
    x0, y0, x1, y1 = _sheet(page)
    if all(x0 <= (r[0] + r[2]) / 2 <= x1 and y0 <= (r[1] + r[3]) / 2 <= y1 for kind, r in log if kind in _WRITTEN):
        return []
    words = page.get_text("words", flags=0, clip=pymupdf.INFINITE_RECT())
    beside = [w[4] for w in words if not (x0 <= (w[0] + w[2]) / 2 <= x1 and y0 <= (w[1] + w[3]) / 2 <= y1)]
    return [Hidden("outside", " ".join(beside))] if beside else []


def _sheet(page: pymupdf.Page) -> Rect:
    """The page before its /Rotate."""
    width, height = page.rect.width, page.rect.height
    return (0.0, 0.0, height, width) if page.rotation % 180 else (0.0, 0.0, width, height)


def switched_off(document: pymupdf.Document, number: int) -> list[Hidden]:
    """Text of page `number`, from 0, in layers that a reader does not show."""
    off = [entry["number"] for entry in document.layer_ui_configs() if not entry["on"] and not entry["locked"]]
    if not off:
        return []
    shown = Counter(word[4] for word in document[number].get_text("words", flags=0))
    try:
        for entry in off[:_MOST_LAYERS]:
            document.set_layer_ui_config(entry, 0)
        found = [word[4] for word in document[number].get_text("words", flags=0)]
    finally:
        for entry in off[:_MOST_LAYERS]:
            document.set_layer_ui_config(entry, 2)
    more: list[str] = []
    for word in found:
        if shown[word]:
            shown[word] -= 1
        else:
            more.append(word)
    return [Hidden("layer", " ".join(more))] if more else []
