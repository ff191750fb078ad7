"""What the whole document says about its headings: body size, heading styles, outline, running heads, words.

Knows: a sample of the pages, the PDF's outline. Does not know: the page that is being read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pymupdf

from smoldocling.pages import glyphs, levels, signs, tags
from smoldocling.pages.glyphs import SOFT_HYPHEN
from smoldocling.pages.levels import Candidate, Levels, Style
from smoldocling.pages.lines import type_size

SAMPLE = 24
"""Pages looked at; more of them change neither the body size nor the running heads."""

_MARGIN = 0.12
"""Share of the page height at the top and at the bottom in which running heads stand."""

MAX_PREFACE = 250
"""Characters of one paragraph above a title: a journal's name and address, a notice of where it will appear."""

# So many times as many characters in listings as elsewhere: the size of a document's text is that of its listings.
_MOSTLY_CODE = 5
# Rows and characters of the longest heading.
_MOST_ROWS, _LONGEST = 4, 160

# An entry of a table of contents ends with its page.
_ENTRY = re.compile(r"(?:\. ?){3,}|\s\d{1,3}$")
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a document is set.

    body     font size of most characters, points           levels   what it says about its headings
    running  texts that recur in the margins, digits as "#" words    lower-case words, hyphened ones included
    pages    number of pages that were looked at
    top      the level of tagged headings that is the first below the title; 0 where no tag is to be believed
    """

    body: float
    levels: Levels
    running: frozenset[str]
    words: frozenset[str]
    pages: int
    top: int = 0

    def is_running(self, text: str) -> bool:
        """Whether a text stands in the margin of several pages."""
        return furniture_key(text) in self.running


def furniture_key(text: str) -> str:
    """A running head's text for comparison: page numbers differ from page to page."""
    return _DIGITS.sub("#", "".join(text.split())).lower()


def study(document: pymupdf.Document) -> Manner:
    """Looks at a sample of the pages; pages that cannot be read do not count."""
    count = document.page_count
    step = max(1, count / SAMPLE)
    numbers = sorted({int(i * step) for i in range(min(count, SAMPLE))} | ({1, 2} if count > 3 else set()))
    sizes, codes = Counter[float](), Counter[float]()
    margins = Counter[str]()
    heads: list[Candidate] = []
    words: set[str] = set()
    prose: list[int] = []  # lengths of the first page's paragraphs
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
                    kind = codes if glyphs.is_mono(span["font"], span["flags"]) else sizes
                    kind[round(type_size(span, line["dir"]) * 2) / 2] += len(span["text"].strip())
            heads += _heads(block, number, early=not number and len(prose) < 2 and sum(prose) <= MAX_PREFACE)
            if not number and signs.is_sentence(" ".join(rows)):
                prose.append(sum(map(len, rows)))
    if codes.total() > _MOSTLY_CODE * sizes.total():
        sizes += codes
    body = sizes.most_common(1)[0][0] if sizes else 10.0
    repeated = max(2, round(0.25 * len(numbers)))
    running = frozenset(text for text, times in margins.items() if times >= repeated)
    heads = [
        item
        for item in heads
        if not item.page or signs.is_chapter_number(item.text) or furniture_key(item.text) not in running
    ]
    learnt = levels.learn(heads, body, _outline(document), not prose)
    top = tags.top(document, numbers, learnt.title is not None)
    return Manner(body, learnt, running, frozenset(words), count, top)


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


def _heads(block: dict[str, Any], page: int, early: bool) -> Iterator[Candidate]:
    """What may be headings in a block: few rows of one type that are no sentence."""
    rows = [
        (row, style) for line in block.get("lines", ()) if (row := _spans(line)) and (style := _style(row, line["dir"]))
    ]
    for style, group in groupby(rows, key=lambda row: row[1]):
        pieces = [row for row, _ in group]
        text = " ".join(span["text"].strip() for row in pieces for span in row)
        letters = sum(char.isalpha() for char in text)
        numbered = levels.depth(text) > 0
        if (
            len(pieces) <= _MOST_ROWS
            and len(text) <= _LONGEST
            and (letters >= max(3, 0.5 * len(text.replace(" ", ""))) or numbered)
            and not text.endswith((",", ";", "-", "."))
            and not _ENTRY.search(text)
        ):
            yield Candidate(page, text, style, early, len(pieces) == len(rows))


def _spans(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [span for span in line["spans"] if span["text"].strip()]


def _style(spans: Sequence[dict[str, Any]], direction: tuple[float, float]) -> Style:
    """The size of a row's largest type, and whether all of the row is bold."""
    sizes = [round(type_size(span, direction) * 2) / 2 for span in spans]
    return max(sizes), all(glyphs.is_bold(span["font"], span["flags"]) for span in spans)


def _outline(document: pymupdf.Document) -> list[tuple[int, str]]:
    try:
        entries = document.get_toc(simple=True)
    except Exception:  # a damaged outline is no reason to refuse the pages
        return []
    return [(int(level), str(title)) for level, title, *_ in entries]
