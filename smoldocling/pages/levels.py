"""At which level a heading stands: by the outline of the file, by its number, by its type, in this order.

Knows: texts, sizes and weights of what may be headings. Does not know: pages, regions, PDF.
A number counts only where the document counts sections: those go up, and 2.3.1 stands below 2.3. Versions in a list of
changes go down and stand below nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Style = tuple[float, bool]
"""Font size in points, whether it is bold."""

_SMALLER = 0.9
"""Points by which a numbered heading may be smaller than the others of its depth."""

_DECIMAL = re.compile(r"(?:§ ?)?(\d{1,3}(?:\.\d{1,3})*)\.?\s+\S")
_APPENDED = re.compile(r"(?:Appendix |Annex )?([A-Z](?:\.\d{1,3})+)\.?\s+\S")
_ROMAN = re.compile(r"(?:X{0,2}(?:IX|IV|V?I{1,3})|X{1,2}|X{0,2}V)\.\s+\S")
_LETTER = re.compile(r"[A-Z]\.\s+\S")
_DIVISION = re.compile(r"(?:Part|Chapter|Appendix|Annex|Kapitel|Teil|Anhang|Chapitre)\s+(?:\d+|[A-Z]|[IVX]+)\b", re.I)
# Front and back matter stands at the top level of a document that counts its sections, whatever its type is.
_MATTER = re.compile(
    r"(?:abstract|references|bibliography|acknowledge?ments?|appendix|appendices|contents|table of contents|"
    r"key ?words|literature|zusammenfassung|literatur(?:verzeichnis)?|inhalt(?:sverzeichnis)?|résumé|"
    r"bibliographie)\s*[:.—–]?$",
    re.IGNORECASE,
)
_CHAPTERS = re.compile(r"(?:introduction|conclusions?|summary|discussion|einleitung|fazit)\s*[:.]?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be a heading: page from 0, text, type.

    early  above the first paragraph of its document        alone  with white above and below
    """

    page: int
    text: str
    style: Style
    early: bool = False
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Levels:
    """What a document says about its headings.

    outline   folded text of an outline entry -> its level, from 1      styles  types of headings, largest first
    depths    types that come with numbers -> their depth               roman   whether its sections are I., II., ...
    numbered  depth of section numbers -> their font size
    title     font size of its title, None where the largest type of its first page heads sections, too
    sections  types of headings below the first paragraph
    """

    outline: Mapping[str, int]
    styles: tuple[Style, ...] = ()
    depths: Mapping[Style, int] | None = None
    numbered: Mapping[int, float] | None = None
    roman: bool = False
    title: float | None = None
    sections: frozenset[Style] = frozenset()

    def of(self, text: str, size: float, bold: bool) -> int:
        """The level of a section header, 1..6."""
        return max(1, min(6, self._level(text, size, bold)))

    def _level(self, text: str, size: float, bold: bool) -> int:
        noted = self.outline.get(folded(text))
        if noted is not None:
            return noted
        numbered, depths = self.numbered or {}, self.depths or {}
        if self.roman and (_ROMAN.match(text) or _LETTER.match(text)):
            return 1 if _ROMAN.match(text) else 2
        if _DIVISION.match(text):
            return 1
        count = depth(text)
        # a heading that is clearly smaller than others with such a number counts something else: questions, steps
        if count in numbered and size > numbered[count] - _SMALLER:
            return count
        if count > 1 and count not in numbered and count - 1 in numbered and (size, bold) not in depths:
            return count
        if numbered and is_matter(text) and (size, bold) not in depths:
            return 1
        if numbered and _MATTER.match(text):
            return 1
        if (size, bold) in depths:
            return depths[size, bold]
        for rank, (other, heavy) in enumerate(self.styles):
            if abs(other - size) < 0.75 and heavy == bold:
                return rank + 1
        return 1 if is_matter(text) else 1 + sum(other > size + 0.75 for other, _ in self.styles)

    def counts(self, text: str) -> bool:
        """Whether a text has a number of the depths that the document's sections have."""
        return depth(text) in (self.numbered or {})

    def heads_sections(self, size: float, bold: bool) -> bool:
        """Whether headings below the first paragraph are set in this type."""
        return any(abs(other - size) < 0.3 and heavy == bold for other, heavy in self.sections)


def depth(text: str) -> int:
    """How many numbers a heading's own number has, 0 without one; chapters and appendices count as one."""
    if _DIVISION.match(text):
        return 1
    found = _DECIMAL.match(text) or _APPENDED.match(text)
    return found.group(1).count(".") + 1 if found else 0


def is_matter(text: str) -> bool:
    """Whether a text is the name of front or back matter: an abstract, the references."""
    return bool(_MATTER.match(text) or _CHAPTERS.match(text))


def folded(text: str) -> str:
    """A heading's text for comparison: no spaces, no case, no leading number."""
    return re.sub(r"[\W_]+", "", re.sub(r"^[\dIVXA-Z]{1,4}(?:\.\d+)*[.)]?\s+", "", text)).lower()


def _outlined(entries: Sequence[tuple[int, str]], titles: set[str]) -> dict[str, int]:
    """Levels by folded text. Where all other entries stand below the document's title, they are counted without it."""
    lowest = min((level for level, _ in entries), default=1)
    alone = sum(level == lowest for level, _ in entries) == 1 < len(entries) and entries[0][0] == lowest
    if alone and folded(entries[0][1]) in titles:
        lowest += 1
    return {folded(text): max(1, level - lowest + 1) for level, text in entries if folded(text)}


def learn(found: Sequence[Candidate], body: float, outline: Sequence[tuple[int, str]], cover: bool) -> Levels:
    """What the candidates of a document show, top to bottom.

    body     size of most of its characters, points      cover  whether its first page has no running text
    outline  its entries: level and text
    """
    apart = [item for item in found if is_apart(item.style, body)]
    later = [item for item in apart if not item.early]
    title, shared = _title(apart, body)
    if shared and not cover:
        title = None
    counted = _counted(found, body)
    depths: dict[Style, Counter[int]] = {}
    for item in counted:
        depths.setdefault(item.style, Counter())[depth(item.text)] += 1
    titles = {folded(item.text) for item in apart if title is not None and item.style[0] > title - 0.3}
    least = float("inf") if title is None or shared else title - 0.3
    return Levels(
        outline=_outlined(outline, titles),
        styles=_ranked({item.style for item in later or apart if item.style[0] < least}),
        depths={style: counts.most_common(1)[0][0] for style, counts in depths.items()},
        numbered=_sizes_by_depth(depths),
        roman=len({match.group() for item in found if (match := re.match(r"(?:II?I?|IV)\.(?=\s)", item.text))}) > 1,
        title=title,
        sections=frozenset(item.style for item in later if not is_matter(item.text)),
    )


def is_apart(style: Style, body: float) -> bool:
    """Whether type sets a heading apart from text of size `body`."""
    size, bold = style
    return size > body + 0.7 or (bold and size > body - 0.6)


def _title(found: Sequence[Candidate], body: float) -> tuple[float | None, bool]:
    """The largest size of the first page, and whether headings elsewhere that say something else are as large."""
    first = [item for item in found if item.page == 0]
    size = max((item.style[0] for item in first), default=0.0)
    if size < body + 1.5:
        return None, False
    large = [item for item in found if item.style[0] > size - 0.3]
    texts = {folded(item.text) for item in large if item.page == 0 and item.early}
    if not texts:
        return None, False
    return size, any((item.page or not item.early) and folded(item.text) not in texts for item in large)


def _counted(found: Sequence[Candidate], body: float) -> list[Candidate]:
    """The candidates whose numbers are those of sections."""
    numbered = [(item, key) for item in found if (key := _key(item.text))]
    heads = [(item, key) for item, key in numbered if is_apart(item.style, body)]
    ups = sum(a < b for (_, a), (_, b) in pairwise(heads))
    downs = sum(a > b for (_, a), (_, b) in pairwise(heads))
    if downs > ups:
        return []
    keys = {key for _, key in heads}
    plain = {item.style for item in found if not _key(item.text) and not is_matter(item.text) and not item.early}

    def is_section(item: Candidate, key: tuple[int, ...]) -> bool:
        below = any(key[:n] in keys for n in range(1, len(key)))
        if not is_apart(item.style, body):  # a row of the text that starts with a number, unless its section is known
            return below and item.alone
        brothers = {other for other in keys if len(other) == len(key) and other[:-1] == key[:-1]}
        return len(key) == 1 or item.style not in plain or len(brothers) > 1 or below

    return [item for item, key in numbered if is_section(item, key)]


def _key(text: str) -> tuple[int, ...]:
    found = _DECIMAL.match(text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def _ranked(styles: set[Style]) -> tuple[Style, ...]:
    """Largest first, near sizes joined."""
    ranked: list[Style] = []
    for size, bold in sorted(styles, reverse=True):
        if not (ranked and ranked[-1][0] - size <= 0.6 and ranked[-1][1] == bold):
            ranked.append((size, bold))
    return tuple(ranked)


def _sizes_by_depth(depths: Mapping[Style, Counter[int]]) -> dict[int, float]:
    """The font size of most headings with numbers of each depth, of the larger ones where there are as many."""
    sizes: dict[int, Counter[float]] = {}
    for (size, _), counts in depths.items():
        for count, times in counts.items():
            sizes.setdefault(count, Counter())[size] += times
    return {count: max(found, key=lambda size: (found[size], size)) for count, found in sizes.items()}
