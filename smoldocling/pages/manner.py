"""What the whole document says about its headings: body size, heading styles, outline, running heads, words.

Knows: a sample of the pages, the PDF's outline. Does not know: the page that is being read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymupdf

from smoldocling.pages import glyphs
from smoldocling.pages.glyphs import SOFT_HYPHEN

SAMPLE = 24
"""Pages looked at; more of them change neither the body size nor the running heads."""

_SMALLER = 0.9
"""Points by which a numbered heading may be smaller than the others of its depth."""

_MARGIN = 0.12
"""Share of the page height at the top and at the bottom in which running heads stand."""

_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s+\S")
# Front and back matter stands at the top level, whatever its type is.
_MATTER = re.compile(
    r"(?:abstract|references|bibliography|acknowledge?ments?|appendix|contents|table of contents|introduction|"
    r"conclusions?|summary|literature|zusammenfassung|literatur|inhalt|résumé|bibliographie)$",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a document is set.

    body     font size of most characters, points           styles   heading styles (size, bold), largest first
    depths   heading styles that come with numbers -> their depth
    numbered depth of numbered headings -> their font size
    outline  text of an outline entry -> its level, from 1  running  texts that recur in the margins, digits as "#"
    words    lower-case words, hyphened ones included       pages    number of pages that were looked at
    """

    body: float
    styles: tuple[tuple[float, bool], ...]
    depths: dict[tuple[float, bool], int]
    numbered: dict[int, float]
    outline: dict[str, int]
    running: frozenset[str]
    words: frozenset[str]
    pages: int

    def level(self, text: str, size: float, bold: bool) -> int:
        """The level of a section header, 1..6."""
        noted = self.outline.get(folded(text))
        if noted is not None:
            return max(1, min(6, noted))
        number = _NUMBER.match(text)
        depth = number.group(1).count(".") + 1 if number else 0
        # a heading that is clearly smaller than others with such a number counts something else: questions, steps
        if depth and size > self.numbered.get(depth, 0.0) - _SMALLER:
            return min(6, depth)
        if self.is_matter(text):
            return 1
        if (size, bold) in self.depths:
            return min(6, self.depths[size, bold])
        for rank, (other, heavy) in enumerate(self.styles):
            if abs(other - size) < 0.75 and heavy == bold:
                return min(6, rank + 1)
        return min(6, 1 + sum(other > size + 0.75 for other, _ in self.styles))

    def is_matter(self, text: str) -> bool:
        """Whether a text is the name of front or back matter: an abstract, the references."""
        return bool(_MATTER.match(text))

    def is_running(self, text: str) -> bool:
        """Whether a text stands in the margin of several pages."""
        return furniture_key(text) in self.running


def folded(text: str) -> str:
    """A heading's text for comparison: no spaces, no case, no leading number."""
    return re.sub(r"[\W_]+", "", re.sub(r"^[\dIVXA-Z]{1,4}(?:\.\d+)*[.)]?\s+", "", text)).lower()


def furniture_key(text: str) -> str:
    """A running head's text for comparison: page numbers differ from page to page."""
    return _DIGITS.sub("#", "".join(text.split())).lower()


def study(document: pymupdf.Document) -> Manner:
    """Looks at a sample of the pages; pages that cannot be read do not count."""
    count = document.page_count
    step = max(1, count / SAMPLE)
    numbers = sorted({int(i * step) for i in range(min(count, SAMPLE))} | ({1, 2} if count > 3 else set()))
    sizes = Counter[float]()
    styles = Counter[tuple[float, bool]]()
    margins = Counter[str]()
    depths: dict[tuple[float, bool], Counter[int]] = {}
    words: set[str] = set()
    for number in numbers:
        try:
            page = document[number]
            raw = page.get_text("dict", flags=pymupdf.TEXT_PRESERVE_LIGATURES | pymupdf.TEXT_MEDIABOX_CLIP)
            height = float(page.rect.height)
        except Exception:  # a damaged page says nothing about the others; reading it reports the damage
            continue
        margins.update(_margin_texts(raw, height))
        for block in raw["blocks"]:
            rows = ["".join(span["text"] for span in line["spans"]) for line in block.get("lines", ())]
            words |= whole_words(rows)
            for line in block.get("lines", ()):
                for span in line["spans"]:
                    sizes[round(span["size"] * 2) / 2] += len(span["text"].strip())
            style, text = _heading_style(block)
            if style is not None:
                styles[style] += 1
                counted = _NUMBER.match(text)
                if counted:
                    depths.setdefault(style, Counter())[counted.group(1).count(".") + 1] += 1
    body = sizes.most_common(1)[0][0] if sizes else 10.0
    repeated = max(2, round(0.25 * len(numbers)))
    return Manner(
        body=body,
        styles=_ranked(styles, body),
        numbered=_sizes_by_depth(depths),
        depths={style: counts.most_common(1)[0][0] for style, counts in depths.items()},
        outline=_outline(document),
        running=frozenset(text for text, times in margins.items() if times >= repeated),
        words=frozenset(words),
        pages=count,
    )


def _margin_texts(raw: dict[str, Any], height: float) -> set[str]:
    """The texts of a page's margins, each once."""
    found: set[str] = set()
    for block in raw["blocks"]:
        for line in block.get("lines", ()):
            y = (line["bbox"][1] + line["bbox"][3]) / 2
            if not _MARGIN * height <= y <= (1 - _MARGIN) * height:
                key = furniture_key("".join(span["text"] for span in line["spans"]))
                if key:
                    found.add(key)
    return found


def whole_words(rows: Sequence[str]) -> set[str]:
    """The words of some rows in lower case, without those that the end of a row may have cut."""
    found: set[str] = set()
    cut = False
    for row in rows:
        words = _WORD.findall(row.replace(SOFT_HYPHEN, ""))
        ends_cut = row.rstrip().endswith(("-", SOFT_HYPHEN))
        found.update(word.lower() for word in words[cut : len(words) - ends_cut])
        cut = ends_cut
    return found


def _heading_style(block: dict[str, Any]) -> tuple[tuple[float, bool] | None, str]:
    """Size and weight of a block that could be a heading, few rows in one style that are no sentence, and its text."""
    lines = block.get("lines", ())
    spans = [span for line in lines for span in line["spans"] if span["text"].strip()]
    text = " ".join(span["text"].strip() for span in spans)
    letters = sum(char.isalpha() for char in text)
    if not 3 <= letters <= 120 or letters < 0.5 * len(text.replace(" ", "")) or len(lines) > 4:
        return None, text
    sizes = {round(span["size"] * 2) / 2 for span in spans}
    if max(sizes) - min(sizes) > 1 or text.endswith((".", ",", ";", "-")):
        return None, text
    return (max(sizes), all(glyphs.is_bold(span["font"], span["flags"]) for span in spans)), text


def _ranked(styles: Counter[tuple[float, bool]], body: float) -> tuple[tuple[float, bool], ...]:
    """Styles that set headings apart from the body, largest first, near sizes joined."""
    ranked: list[tuple[float, bool]] = []
    for size, bold in sorted(styles, reverse=True):
        apart = size > body + 0.7 or (bold and size > body - 0.6)
        if apart and not (ranked and ranked[-1][0] - size <= 0.6 and ranked[-1][1] == bold):
            ranked.append((size, bold))
    return tuple(ranked)


def _sizes_by_depth(depths: dict[tuple[float, bool], Counter[int]]) -> dict[int, float]:
    """The font size of most headings with numbers of each depth, of the larger ones where there are as many."""
    sizes: dict[int, Counter[float]] = {}
    for (size, _), counts in depths.items():
        for depth, times in counts.items():
            sizes.setdefault(depth, Counter())[size] += times
    return {depth: max(counts, key=lambda size: (counts[size], size)) for depth, counts in sizes.items()}


def _outline(document: pymupdf.Document) -> dict[str, int]:
    try:
        entries = document.get_toc(simple=True)
    except Exception:  # a damaged outline is no reason to refuse the pages
        return {}
    lowest = min((int(level) for level, *_ in entries), default=1)
    return {folded(str(title)): int(level) - lowest + 1 for level, title, *_ in entries if folded(str(title))}
