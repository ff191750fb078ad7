"""What each region of a page is, once fonts, places and the whole document are weighed.

Knows: regions, the document's manner. Does not know: reading order, DocTags elements.
The layout model's word counts for something, but it calls short paragraphs headings, numbers formulas and footnotes
footers; each rule below is there because of such a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smoldocling.pages import captions, glyphs, levels, regions, signs
from smoldocling.pages.frame import Rect
from smoldocling.pages.ink import Ink
from smoldocling.pages.manner import MAX_PREFACE, Manner
from smoldocling.pages.regions import Region

_EDGE = 0.085
"""Share of the page height at top and bottom in which a single line can be a page header or footer."""

_FIRST_NUMBERS = frozenset({"0", "1", "I", "A"})


def judged(found: list[Region], ink: Ink, manner: Manner, number: int) -> list[Region]:
    """The regions with their final kinds: those of DocTags, and "section-header", "list-item", "checkbox"."""
    judge = _Judge(ink, manner, number)
    counted = judge.counted(found)
    return judge.one_title(judge.whole_headings([judge.kind(item, counted) for item in counted]))


class _Judge:
    def __init__(self, ink: Ink, manner: Manner, number: int) -> None:
        self._ink = ink
        self._manner = manner
        self._number = number

    def counted(self, found: list[Region]) -> list[Region]:
        """Paragraphs whose number is one above or below that of another one beside them are list items."""
        places: dict[int, list[float]] = {}
        for item in found:
            if (mark := self._count(item)) is not None:
                places.setdefault(mark, []).append(item.rect[0])

        def counts(item: Region) -> bool:
            mark = self._count(item)
            if mark is None:
                return False
            near = places.get(mark - 1, []) + places.get(mark + 1, [])
            return any(abs(left - item.rect[0]) < 8 for left in near)

        return [replace(item, kind="list-item") if counts(item) else item for item in found]

    def _count(self, item: Region) -> int | None:
        """The number that a list item or a paragraph starts with, None for headings."""
        mark = signs.ordinal(item.lines[0]) if item.lines else None
        digits = (mark or "").strip("().[]")
        heading = len(item.text) < 60 and (item.size > self._manner.body + 0.7 or all(row.bold for row in item.lines))
        if item.tag or not digits.isdecimal() or item.kind not in ("list-item", "text", "section-header") or heading:
            return None
        return int(digits)

    def kind(self, item: Region, found: Sequence[Region]) -> Region:
        if item.kind in ("table", "picture"):
            return item
        kind = self._judged(item, found)
        return replace(item, kind=kind)

    def _judged(self, item: Region, found: Sequence[Region]) -> str:
        text = item.text
        if self._is_furniture(item):
            return "page_header" if item.rect[1] < self._ink.height / 2 else "page_footer"
        if item.kind == "rotated":
            edge = item.rect[2] < 0.09 * self._ink.width or item.rect[0] > 0.91 * self._ink.width
            return "page_header" if edge else "text"
        if item.kind == "code" or item.tag in ("section-header", "list-item"):
            return item.kind
        if signs.names_caption(text) or (
            (item.kind == "caption" or item.size < self._manner.body - 0.4) and signs.names_caption(text, loose=True)
        ):
            return "caption"
        if signs.tick(item.lines) is not None:
            return "checkbox"
        if self._is_formula(item):
            return "formula"
        if self._is_footnote(item, found):
            return "footnote"
        if item.kind == "list-item":
            return "list-item"
        # who tags headings leaves none out but the title, and what a template sets in larger type
        untold = not (item.tag and self._manner.top) or item.size > self._manner.body + 0.7
        if untold and self._is_heading(item):
            return "section-header"
        if (
            item.kind == "caption"
            and not signs.speaks_of(text)
            and any(
                other.kind in ("table", "picture") and captions.distance(item.rect, other.rect) < captions.REACH
                for other in found
            )
        ):
            return "caption"
        return "text"

    def _is_furniture(self, item: Region) -> bool:
        """Whether a region is a running head or a page number."""
        y0, y1 = item.rect[1] / self._ink.height, item.rect[3] / self._ink.height
        # chapters that begin at the upper edge look as if "Chapter #" were running there
        if len(item.lines) > 3 or (item.size > self._manner.body + 0.7 and signs.is_chapter_number(item.text)):
            return False
        # the title may run over the other pages, in small type
        title = item.size > self._manner.body + 0.7 and self._is_as_large_as_the_title(item)
        if (y1 < 0.13 or y0 > 0.87) and not title and all(self._manner.is_running(line.text) for line in item.lines):
            return True
        if (y1 < 0.15 or y0 > 0.85) and signs.is_page_number(item.text):
            return True
        if self._is_of_the_body(item):
            return False
        # a footnote near the foot of the page looks like a footer to the model
        noted = 0.5 < y0 < 1 - _EDGE and signs.has_note_mark(item.lines[0]) and len(item.lines[0].words) > 3
        named = item.kind in ("page-header", "page-footer") and not noted
        return named and (y1 < _EDGE or y0 > 1 - _EDGE or (self._manner.pages == 1 and (y1 < 0.13 or y0 > 0.87)))

    def _is_of_the_body(self, item: Region) -> bool:
        """Whether what stands alone at the edge of a page is text: an item, a heading, a last sentence."""
        body = self._manner.body
        sentence = signs.is_sentence(item.text) and not signs.is_notice(item.text)
        heading = item.size > body + 0.7 and (self._heads(item) or self._is_as_large_as_the_title(item))
        item_of_a_list = item.lines[0].words[0].text in glyphs.ITEM_SIGNS
        return item_of_a_list or heading or (sentence and item.size > body - 0.6)

    def _is_as_large_as_the_title(self, item: Region) -> bool:
        title = self._manner.levels.title
        return self._number == 1 and title is not None and item.size > title - 0.3

    def _is_formula(self, item: Region) -> bool:
        words = [word for line in item.lines for word in line.words]
        length = sum(len(word.text) for word in words)
        maths = sum(len(word.text) for word in words if word.style.math)
        operators = glyphs.math_signs(item.text)
        prose_words = sum(len(word.text) > 3 and word.text.isalpha() and not word.style.math for word in words)
        if item.kind == "formula":
            # a step of an algorithm is a sentence with formulas in it
            return prose_words < max(4, 0.2 * len(words)) and (operators > 0 or maths > 0.2 * length)
        if signs.is_formula_number(words[-1].text):
            operators += sum(item.text.count(sign) for sign in "<>")
        return (
            length < 160
            and operators > 0
            and prose_words <= 1
            and (maths > 0.15 * length or operators > 0.12 * length)
            and len(item.lines) <= 4
        )

    def _is_footnote(self, item: Region, found: Sequence[Region]) -> bool:
        """Whether a region is small print with a mark at the foot of its column."""
        body = self._manner.body
        marked = signs.has_note_mark(item.lines[0])
        low = item.rect[1] > 0.5 * self._ink.height
        small = item.size < body - 0.7
        if item.kind == "footnote" and low and (small or marked):
            return True
        if not (marked and small and low):
            return False
        below = [
            other
            for other in found
            if other is not item
            and other.rect[1] > item.rect[1] + 2
            and min(other.rect[2], item.rect[2]) - max(other.rect[0], item.rect[0]) > 0
            and other.kind in regions.TEXT_KINDS
            and other.lines
        ]
        return all(other.size < body - 0.7 or self._is_furniture(other) for other in below)

    def _is_heading(self, item: Region) -> bool:
        text = item.text
        letters = sum(char.isalpha() for char in text)
        if len(item.lines) > 4 or len(text) > 200 or signs.is_source(text):
            return False
        if not letters:  # a version, a date behind it
            return signs.is_numbered(text) and "." in text and item.size > 1.15 * self._manner.body
        if letters < 0.4 * len(text.replace(" ", "")) and (glyphs.math_signs(text) or not signs.is_numbered(text)):
            return False  # a formula, a row of figures
        size, body = item.size, self._manner.body
        bold = all(line.bold for line in item.lines)
        larger = size > body + 0.7
        named = item.kind in ("section-header", "title") or self._is_as_large_as_the_title(item)
        sentence = text.rstrip().endswith((".", ",", ";")) and not signs.is_numbered(text)
        if named:
            return larger or bold or (not sentence and (signs.is_numbered(text) or self._stands_out(item)))
        if sentence or item.kind != "text":
            return False
        if size > 1.3 * body:  # titles of papers run over lines and lines
            return True
        return len(item.lines) <= 3 and (larger or (bold and size > body - 0.6)) and len(text) < 120

    def _stands_out(self, item: Region) -> bool:
        """Whether a heading of body size is set in another way than the body: capitals, italics, another font."""
        style = item.lines[0].style
        return item.text.isupper() or style.italic or item.size > self._manner.body + 0.4

    def whole_headings(self, found: list[Region]) -> list[Region]:
        """Headings that only the width of their column has broken into two, in one piece."""
        result = list(found)
        for item in sorted((i for i in found if i.kind == "section-header"), key=lambda i: i.rect[1]):
            above = next((i for i in result if i.kind == "section-header" and self._goes_on(i, item)), None)
            if above is not None:
                joined = regions.region("section-header", (*above.lines, *item.lines), above.group)
                result = [joined if i is above else i for i in result if i is not item]
        return result

    def _goes_on(self, above: Region, item: Region) -> bool:
        first, last = item.lines[0], above.lines[-1]
        if item is not above and signs.is_chapter_number(above.text):
            return -1 < first.y0 - last.y1 < 3 * item.size and item.size > above.size - 0.3
        if item is above or signs.is_numbered(item.text) or len(above.lines) + len(item.lines) > 4:
            return False
        if (
            abs(above.size - item.size) > 0.3
            or last.bold != first.bold
            or not 0 <= first.y0 - last.y1 < 0.9 * item.size
        ):
            return False
        # there was no room for the next word
        widest = max(other.x1 for other in self._ink.lines if other.upright and _beside(other.rect, last.rect))
        word = first.words[0]
        needed = 0.25 * item.size + word.x1 - word.x0
        least = min(other.x0 for other in self._ink.lines if other.upright and _beside(other.rect, last.rect))
        centred = abs(last.x0 + last.x1 - first.x0 - first.x1) < 6
        return last.x1 - last.x0 + needed > 0.75 * (widest - least) if centred else last.x1 + needed > widest

    def one_title(self, found: list[Region]) -> list[Region]:
        """On the first page, the largest heading in the upper half is the title, if it is the only one of its size."""
        heads = [item for item in found if item.kind == "section-header"]
        size = self._manner.levels.title
        if self._number != 1 or not heads or size is None:
            return found
        best = max(heads, key=lambda item: (item.size, -item.rect[1]))
        above = [item for item in found if item.rect[3] <= best.rect[1] and self._is_running_text(item)]
        if (
            abs(best.size - size) > 0.3
            or best.rect[1] > 0.5 * self._ink.height
            or signs.is_numbered(best.text)
            or len(above) > 1
            or sum(len(item.text) for item in above) > MAX_PREFACE
            or self._heads_sections(best, heads, found)
        ):
            return found
        end = self._end_of_credits(found, best)
        left = min((item.rect[0] for item in found if self._is_running_text(item)), default=float("-inf"))
        return [self._beside_title(item, best, end, left) for item in found]

    def _heads_sections(self, best: Region, heads: Sequence[Region], found: Sequence[Region]) -> bool:
        """Whether headings as large as the first one stand below running text."""
        equal = [item.rect[1] for item in heads if abs(item.size - best.size) < 0.3]
        between = [item for item in found if self._is_running_text(item) and best.rect[1] < item.rect[1] < max(equal)]
        return bool(between) or best.rect[1] > min(equal)

    def _end_of_credits(self, found: list[Region], title: Region) -> float:
        """Where the text begins under a title: at its first heading or paragraph; names and dates stand above it."""
        below = [item for item in found if item.rect[1] >= title.rect[3] - 2]
        begins = [item for item in below if self._is_running_text(item) or item.kind == "code"]
        last = self._ink.height if all(item.kind in ("text", "section-header") for item in below) else float("inf")
        text = min((item.rect[1] for item in begins), default=last)
        headings = [item for item in below if item.kind == "section-header" and item.rect[3] <= text]
        # a paragraph's own heading stands right above it
        own = [item for item in headings if text - item.rect[3] < 2.5 * item.size]
        named = [item for item in headings if levels.is_matter(item.text) or signs.is_numbered(item.text)]
        return min([text, *(item.rect[1] for item in own + named)])

    def _is_running_text(self, item: Region) -> bool:
        """Whether a region is prose."""
        return item.kind in ("text", "list-item") and signs.is_sentence(item.text)

    def _beside_title(self, item: Region, title: Region, end: float, left: float) -> Region:
        """The title as such; names, dates and places between it and the text are no headings.

        left  where the paragraphs begin: what stands there in the type of the later headings is one of them
        """
        if item is title:
            return replace(item, kind="title")
        below = item.rect[1] - title.rect[3]
        near = 0 <= below < 9 * self._manner.body and not all(line.bold for line in item.lines)
        first = item.text.split()[0].rstrip(".") if item.text.split() else ""
        credit = (
            item.kind == "section-header"
            and (near or (below >= 0 and item.rect[3] <= end < float("inf")))
            and first not in _FIRST_NUMBERS  # "13 June" is a date
            and not levels.is_matter(item.text)
            and not (self._heads(item) and abs(item.rect[0] - left) < 2)
        )
        return replace(item, kind="text") if credit else item

    def _heads(self, item: Region) -> bool:
        return self._manner.levels.heads_sections(item.size, all(line.bold for line in item.lines))


def _beside(a: Rect, b: Rect) -> bool:
    """Whether two rectangles share a part of their width."""
    return min(a[2], b[2]) > max(a[0], b[0])
