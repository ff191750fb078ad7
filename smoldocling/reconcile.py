"""The model's text against the words that the file itself has on the page.

Knows: trees, the page's words, how two texts compare. Does not know: engines, who wrote the tree, output.
Laws: without leave to change, the tree that came is the tree that comes back; doing it twice changes nothing more; text
that the page confirms in full is never changed where only misread characters shall be.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from doctags.tree import GRID, Box, Cell, Element, Page, Problem
from smoldocling import compare, sense
from smoldocling.compare import Alignment, Piece
from smoldocling.result import walk

if TYPE_CHECKING:
    from smoldocling.pages.textlayer import Reading
    from smoldocling.pages.words import PlacedWord, Words

TextName = Literal["auto", "model", "page"]

# Grid units by which a model's box may be off: the height of a line of small print.
MARGIN = 6.0
# A box may also end a row or two too early; rows are so many times as far apart as words are high, at most.
ROWS_BEYOND, LEADING = 2, 1.5
# A word in two boxes belongs to the smaller one; models' boxes end at the ink, which is in the middle of this.
EDGE = 1.0
# So many letters in a row are not on a page by chance.
PHRASE = 15
# From this agreement on, what differs has been misread, not made up.
SURE = 0.8
# Fewer letters than this may be missing for many reasons. Invisible text comes from text recognition, which errs too.
FEWEST_INVENTED, FEWEST_BESIDE_RECOGNITION = 4, 20
# A formula's signs stand in any order; below this share it is another formula.
OTHER_FORMULA, LEAST_SYMBOLS = 0.3, 10

UNCHECKED = frozenset({"picture", "chart", "smiles", "link"})
"""What these hold is not read from the page's characters, but from what it shows."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A page that has been compared.

    tree       the page, with the characters of the text layer where they were asked for
    agreement  share of the page's text that the text layer confirms, 0 to 1; None without one that is to be believed
    scores     the same for single elements, by their place among all elements, parents first (`walk`)
    problems   elements, or parts of them, that are nowhere on the page, or not where their box is
    note       why a text layer that is there was left alone
    """

    tree: Page
    agreement: float | None = None
    scores: Mapping[int, float] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    note: str | None = None


def reconcile(tree: Page, reading: Reading | None, text: TextName = "auto", raw: str = "") -> Checked:
    """Compare a page that a model wrote with its text layer.

    text  "auto": take the page's characters where single ones differ; "page": wherever there are some; "model": never
    raw   what the model wrote; problems have their places in it
    """
    if reading is None or reading.words is None:
        garbage = reading is not None and reading.kind == "garbage"
        return Checked(tree, note=_left_alone("most of its characters have no known meaning") if garbage else None)
    doubt = sense.doubt(reading.words)
    if doubt is not None:
        return Checked(tree, note=_left_alone(doubt))
    page = _Printed(reading)
    units = list(_units(tree))
    verdicts = page.judge(units)
    agreement = _share(verdicts)
    if agreement is not None:
        doubt = sense.contradiction(reading.words, (unit.text for unit in units), agreement)
        if doubt is not None:
            return Checked(tree, note=_left_alone(doubt))
    return Checked(
        tree=tree if text == "model" else _Mending(page, verdicts, text).page(tree),
        agreement=agreement,
        scores=_by_element(verdicts),
        problems=tuple(_problems(verdicts, raw, _fewest(reading.words))),
    )


def _left_alone(reason: str) -> str:
    return f"the text layer is left alone: {reason}"


@dataclass(frozen=True, slots=True)
class _Unit:
    """A text that is compared as one: an element's own, or a table's cells in order.

    texts  its parts: one, or one for each cell
    """

    place: int
    element: Element
    texts: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the page says about a unit.

    pieces     of all its texts; `homes` says of which
    page       the pieces of the page under its box
    credit     for each piece, counting what stands elsewhere on the page too; None: it cannot be checked
    here       how much of its text is under its box, 0 to 1
    """

    unit: _Unit
    pieces: tuple[Piece, ...] = ()
    homes: tuple[int, ...] = ()
    page: tuple[Piece, ...] = ()
    alignment: Alignment | None = None
    credit: tuple[float, ...] | None = None
    here: float = 0.0

    @property
    def weight(self) -> int:
        return sum(len(piece.folded) for piece in self.pieces)

    @property
    def score(self) -> float | None:
        if self.credit is None or not self.pieces:
            return None
        return _weighed(self.pieces, self.credit)


def _units(tree: Page) -> Iterator[_Unit]:
    for place, element in enumerate(walk(tree)):
        if element.kind in UNCHECKED:
            continue
        texts = (*([element.text] if element.text.strip() else []), *(cell.text for cell in element.cells))
        if any(map(str.strip, texts)):
            yield _Unit(place, element, texts)


def _share(verdicts: Iterable[_Verdict]) -> float | None:
    """Share of the checked text that is on the page."""
    total = sure = 0.0
    for verdict in verdicts:
        if (score := verdict.score) is not None:
            total += verdict.weight
            sure += verdict.weight * score
    return sure / total if total else None


def _by_element(verdicts: Iterable[_Verdict]) -> dict[int, float]:
    return {verdict.unit.place: verdict.score for verdict in verdicts if verdict.score is not None}


def _weighed(pieces: Sequence[Piece], credit: Sequence[float]) -> float:
    weights = [len(piece.folded) for piece in pieces]
    return sum(weight * share for weight, share in zip(weights, credit, strict=True)) / sum(weights)


class _Printed:
    """What is printed on the page, by place and as a whole."""

    def __init__(self, reading: Reading) -> None:
        assert reading.words is not None, "a page without words is not compared"
        self.words: Words = reading.words
        self._by_height = sorted(self.words.all, key=lambda word: word.y)
        self._heights = [word.y for word in self._by_height]
        # twice, since neither order is always right: as the file has it, and as running text with hyphens joined
        whole = compare.bare(" ".join(word.text for word in self.words.all))
        told = (part for element in walk(reading.page) for part in (element.text, *(c.text for c in element.cells)))
        self._all = f"{whole} {compare.bare(' '.join(told))}"
        self._known: dict[tuple[Box, ...], list[Piece]] = {}
        self._each = {compare.bare(word.text) for word in self.words.all}

    def judge(self, units: Sequence[_Unit]) -> list[_Verdict]:
        return [self._formula(unit) if unit.element.kind == "formula" else self._text(unit) for unit in units]

    def under(self, boxes: Iterable[Box], margin: float) -> list[PlacedWord]:
        """The words under some boxes."""
        found: dict[tuple[int, int], PlacedWord] = {}
        for box in boxes:
            low = bisect_left(self._heights, box.y0 - margin)
            high = bisect_right(self._heights, box.y1 + margin)
            for word in self._by_height[low:high]:
                if word.inside(box, margin):
                    found[word.line, word.place] = word
        return list(found.values())

    def _printed(self, boxes: tuple[Box, ...]) -> list[Piece]:
        """What is printed in some boxes or near them. A model in a loop writes the same boxes again and again."""
        if boxes not in self._known:
            self._known[boxes] = compare.pieces(" ".join(self.words.in_order(self.under(boxes, MARGIN))))
        return self._known[boxes]

    def _taller(self, boxes: tuple[Box, ...]) -> tuple[Box, ...]:
        """The boxes with the rows above and below them."""
        rows = [word.height for word in self.under(boxes, MARGIN)]
        beyond = ROWS_BEYOND * LEADING * sorted(rows)[len(rows) // 2] if rows else 0.0
        return tuple(
            Box(box.x0, max(0, int(box.y0 - beyond)), box.x1, min(GRID, int(box.y1 + beyond))) for box in boxes
        )

    def _formula(self, unit: _Unit) -> _Verdict:
        there = " ".join(self.words.in_order(self.under(unit.element.boxes, MARGIN)))
        pieces = tuple(compare.pieces(compare.without_latex(unit.text)))
        if not there or compare.is_suspicious(there) or not pieces:
            return _Verdict(unit)
        share = compare.alike(unit.text, there)
        return _Verdict(unit, pieces, credit=(share,) * len(pieces), here=share)

    def _text(self, unit: _Unit) -> _Verdict:
        pieces: list[Piece] = []
        homes: list[int] = []
        for home, text in enumerate(unit.texts):
            found = compare.pieces(compare.without_latex(text) if compare.has_latex(text) else text)
            pieces += found
            homes += [home] * len(found)
        if not pieces:
            return _Verdict(unit)
        there = self._printed(unit.element.boxes)
        alignment = compare.align(pieces, there)
        here = _weighed(pieces, alignment.credit)
        if there and min(alignment.credit) < 0.5:
            more = self._printed(self._taller(unit.element.boxes))
            if len(more) > len(there) and _weighed(pieces, (other := compare.align(pieces, more)).credit) > here:
                there, alignment = more, other
        credit = self._elsewhere(pieces, list(alignment.credit))
        verdict = _Verdict(
            unit,
            tuple(pieces),
            tuple(homes),
            tuple(there),
            alignment,
            tuple(credit),
            here,
        )
        score = verdict.score
        if score is not None and score < SURE and self._is_picture(unit.element.boxes):
            return _Verdict(unit)  # text in a picture is no text in the file
        return verdict

    def _is_picture(self, boxes: Sequence[Box]) -> bool:
        """Whether something is to be seen in the boxes, but no words."""
        letters = sum(len(word.text) for word in self.under(boxes, EDGE))
        return letters < FEWEST_INVENTED and any(map(self.words.is_drawn, boxes))

    def _elsewhere(self, pieces: Sequence[Piece], credit: list[float]) -> list[float]:
        """Credit for what is not under the box, but stands on the page: in phrases, or as a whole."""
        letters = [compare.bare(piece.text) for piece in pieces]
        start = 0
        while start < len(pieces):
            if credit[start] >= 0.5 or not letters[start]:
                start += 1
                continue
            end = self._phrase(letters, start)
            for at in range(start, end):
                credit[at] = 1.0
            start = max(end, start + 1)
        return credit

    def _phrase(self, letters: Sequence[str], start: int) -> int:
        """Behind the longest phrase around `start` that is on the page; `start` where none is."""
        # a short text as a whole is a phrase too
        whole = "".join(letters)
        if len(whole) < PHRASE:
            known = whole in self._each if len(whole) < FEWEST_INVENTED else whole in self._all
            return len(letters) if known else start
        first = start
        while first > 0 and sum(map(len, letters[first:start])) < PHRASE:
            first -= 1
        for begin in range(first, start + 1):
            end, phrase = begin, ""
            while end < len(letters) and (end <= start or len(phrase) < PHRASE):
                phrase += letters[end]
                end += 1
            if len(phrase) >= PHRASE and phrase in self._all:
                while end < len(letters) and phrase + letters[end] in self._all:
                    phrase += letters[end]
                    end += 1
                return end
        return start


class _Mending:
    """Puts the page's characters into the tree."""

    def __init__(self, page: _Printed, verdicts: Sequence[_Verdict], text: TextName) -> None:
        self._page = page
        self._verdicts = {id(verdict.unit.element): verdict for verdict in verdicts}
        self._whole = text == "page"
        self._owned = _owned(page, [verdict.unit for verdict in verdicts]) if self._whole else {}

    def page(self, tree: Page) -> Page:
        return replace(tree, elements=tuple(map(self._element, tree.elements)))

    def _element(self, element: Element) -> Element:
        children = tuple(map(self._element, element.children))
        cells = tuple(replace(cell, children=tuple(map(self._element, cell.children))) for cell in element.cells)
        verdict = self._verdicts.get(id(element))
        if verdict is not None and verdict.credit is not None and element.kind != "formula":
            own = 1 if element.text.strip() else 0
            texts = self._texts(verdict, own)
            cells = tuple(_with(cell, text) for cell, text in zip(cells, texts[own:], strict=True))
            if own and texts[0] != element.text:
                element = replace(element, text=texts[0], links=())
        if children == element.children and cells == element.cells:
            return element
        return replace(element, children=children, cells=cells)

    def _texts(self, verdict: _Verdict, own: int) -> list[str]:
        """The unit's texts, mended."""
        unit = verdict.unit
        texts = [self._mended(verdict, home) for home in range(len(unit.texts))]
        if self._whole and own and verdict.here >= min(0.3, verdict.score or 0.0):
            texts[0] = self._taken(unit, texts[0])
        return texts

    def _taken(self, unit: _Unit, text: str) -> str:
        """All that stands under the element's box; its text as it was where that is nothing or not to be believed."""
        words = self._owned.get(unit.place, [])
        if not words or any(compare.is_suspicious(word.text) for word in words) or compare.has_latex(text):
            return text
        if unit.element.kind == "code":
            return self._page.words.listing(words)
        if unit.element.kind != "list_item":
            return self._page.words.running(words)
        marker, rest = self._page.words.item(words)
        # a list that counts by itself has its numbers in no item's text
        return rest.removeprefix(marker).lstrip() if marker and not text.lstrip().startswith(marker) else rest

    def _mended(self, verdict: _Verdict, home: int) -> str:
        """One of the unit's texts with its misread characters put right."""
        text = verdict.unit.texts[home]
        score = verdict.score
        alignment = verdict.alignment
        if (
            alignment is None
            or score is None
            or not SURE <= score < 1  # what is confirmed stays as it was written
            or self._page.words.hidden > 0.5
            or compare.has_latex(text)
        ):
            return text
        for at in sorted(alignment.twins, reverse=True):
            piece, other = verdict.pieces[at], verdict.page[alignment.twins[at]]
            if verdict.homes[at] != home or not _misread(verdict, at, other):
                continue
            text = text[: piece.start] + other.text + text[piece.end :]
        return text


def _misread(verdict: _Verdict, at: int, other: Piece) -> bool:
    """Whether a written piece is the page's, with single characters read wrongly."""
    piece = verdict.pieces[at]
    if piece.is_word != other.is_word or compare.is_suspicious(other.text):
        return False
    assert verdict.alignment is not None, "twins come from an alignment"
    credit = verdict.alignment.credit
    sides = [place for place in (at - 1, at + 1) if 0 <= place < len(credit)]
    # of a short word little is left to know it by: what stands beside it must be certain
    return len(piece.folded) > 3 or (bool(sides) and all(credit[place] == 1.0 for place in sides))


def _owned(page: _Printed, units: Sequence[_Unit]) -> dict[int, list[PlacedWord]]:
    """The words of each unit: those in its boxes, and in no smaller one."""
    owner: dict[tuple[int, int], tuple[int, int, PlacedWord]] = {}
    for unit in units:
        for box in unit.element.boxes:
            area = (box.x1 - box.x0) * (box.y1 - box.y0)
            for word in page.under([box], EDGE):
                key = (word.line, word.place)
                if key not in owner or area < owner[key][0]:
                    owner[key] = (area, unit.place, word)
    found: dict[int, list[PlacedWord]] = {}
    for _, place, word in owner.values():
        found.setdefault(place, []).append(word)
    return found


def _with(cell: Cell, text: str) -> Cell:
    return cell if text == cell.text else replace(cell, text=text)


# --- what is not on the page ---


def _fewest(words: Words) -> int:
    """How many letters must be missing in a row."""
    return FEWEST_BESIDE_RECOGNITION if words.hidden > 0.5 else FEWEST_INVENTED


def _problems(verdicts: Iterable[_Verdict], raw: str, fewest: int) -> Iterator[Problem]:
    for verdict in verdicts:
        score = verdict.score
        if score is None or verdict.credit is None:
            continue
        if verdict.unit.element.kind == "formula":
            if score < OTHER_FORMULA and compare.symbols(verdict.unit.text) >= LEAST_SYMBOLS:
                yield _problem(
                    "invented",
                    verdict.unit,
                    raw,
                    f"a formula of which little is on the page: {_shown(verdict.unit.text)}",
                )
            continue
        for first, last in _invented(verdict, fewest):
            words = verdict.pieces[first : last + 1]
            text = _shown(" ".join(piece.text for piece in words))
            yield _problem(
                "invented", verdict.unit, raw, f"not on the page, and probably invented: {text}", verdict, first, last
            )
        if verdict.here < 0.2 and score > SURE and verdict.unit.element.boxes and verdict.weight >= PHRASE:
            yield _problem(
                "elsewhere", verdict.unit, raw, f"stands on the page, but not in its box: {_shown(verdict.unit.text)}"
            )


def _invented(verdict: _Verdict, fewest: int) -> Iterator[tuple[int, int]]:
    """Runs of pieces, first and last, that the page has nowhere. Signs, and words that differ a little, are no runs."""
    credit = verdict.credit or ()
    first = last = None
    for at, piece in enumerate(verdict.pieces):
        if not piece.is_word:
            continue
        if credit[at] < 0.5:
            first, last = at if first is None else first, at
            continue
        if first is not None and last is not None:
            yield from _run(verdict, first, last, fewest)
        first = last = None
    if first is not None and last is not None:
        yield from _run(verdict, first, last, fewest)


def _run(verdict: _Verdict, first: int, last: int, fewest: int) -> Iterator[tuple[int, int]]:
    if sum(len(piece.folded) for piece in verdict.pieces[first : last + 1] if piece.is_word) >= fewest:
        yield first, last


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 60 else f'"{line[:59].rstrip()}…"'


def _problem(
    kind: str,
    unit: _Unit,
    raw: str,
    message: str,
    verdict: _Verdict | None = None,
    first: int = 0,
    last: int = 0,
) -> Problem:
    start, end = unit.element.span or (0, 0)
    if verdict is not None:
        start, end = _place(raw, verdict, first, last, start, end)
    line_start = raw.rfind("\n", 0, start) + 1
    line = raw.count("\n", 0, start) + 1
    return Problem(kind, "warning", f"{unit.element.kind}: {message}", line, start - line_start + 1, start, end)


def _place(raw: str, verdict: _Verdict, first: int, last: int, start: int, end: int) -> tuple[int, int]:
    """Where some pieces stand in what the model wrote; the whole element where that cannot be said."""
    text = verdict.unit.texts[verdict.homes[first]]
    if compare.has_latex(text):
        return start, end
    at = start
    for home in range(verdict.homes[first] + 1):
        found = raw.find(verdict.unit.texts[home], at, end)
        if found < 0:
            return start, end
        at = found if home == verdict.homes[first] else found + len(verdict.unit.texts[home])
    closing = (
        last
        if verdict.homes[last] == verdict.homes[first]
        else max(place for place in range(first, last + 1) if verdict.homes[place] == verdict.homes[first])
    )
    return at + verdict.pieces[first].start, at + verdict.pieces[closing].end
