"""What the first words of a line say it is: a list item, a caption, a footnote, a page number, a statement of code.

Knows: words and how documents in several languages mark things. Does not know: regions, pages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smoldocling.pages import glyphs
from smoldocling.pages.lines import Line

_NUMBERED = re.compile(
    r"(?:\d{1,2}(?:\.\d{1,2}){0,4}\.?|[A-Z]\.|[IVX]{1,5}\.|§ ?\d+|Appendix [A-Z]|Chapter \d+|Annex [A-Z0-9]+)"
    r"(?:\s+\S|$)"
)
_CHAPTER = re.compile(
    r"(?:Chapter|Part|Appendix|Annex|Kapitel|Teil|Anhang|Chapitre|Partie|Annexe|Capítulo|Hoofdstuk) "
    r"(?:\d{1,3}|[IVXLC]{1,6}|[A-Z])[.:]?$",
    re.IGNORECASE,
)
_CAPTION = re.compile(
    r"(?:(?:Supplementary |Extended Data )?"
    r"(?:Figure|Fig|FIG|FIGURE|Table|TABLE|Tab|Listing|Algorithm|Scheme|Chart|Plate|Box|Abbildung|Abb|Tabelle|Tableau|"
    r"Figura|Tabla|Graphique|Graph|Exhibit|Diagram|Map)\.? ?"
    r"(?:[A-Z]{0,2}[.\-]?\d+(?:[.\-]\d+)*[a-z]?|[IVX]+)\s*(?:[.:|–—-]|\(|$)|[\[<(]?(?:그림|표|図|表|图|圖)\s?\d+[\]>)]?)"
)
_CAPTION_WORDS = re.compile(
    r"(?:Figure|Fig|FIG|FIGURE|Table|TABLE|Listing|Algorithm|Abbildung|Tabelle|Tableau|Figura|Tabla|Graph|Chart)\.? ?"
    r"(?:[A-Z]?\.?\d+(?:[.\-]\d+)*|[IVX]+)\b"
)
# So long a text is a paragraph, however it ends; shorter ones need so many words that are no names.
_LONG_PROSE, _FEWEST_SMALL = 400, 4
_SOURCE = re.compile(r"(?:Sources?|Notes?|Quelle|Fuente|Fonte|NB|N\.B\.)\s?:", re.IGNORECASE)
_NOTICE = re.compile(r"©|\(c\) ?\d{4}|copyright|all rights|licen[cs]e|doi[:. ]|https?://|www\.|preprint|arxiv", re.I)
_ORDERED = re.compile(
    r"(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})\)|(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})\.|\[\d{1,3}\]|[①-⑳])$"
)
# "C. Andrieu, A. Doucet, and", "A. Bull.", "J.-P. van der Ice (2010)": an entry of a bibliography.
_AUTHOR = re.compile(
    r"[A-Z](?:[-.][A-Z])*\.(?:[ -]?[A-Z]\.)* (?:(?:van|von|de|der|den|del|da|di|la|le|el|al) )*"
    r"[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?"
    r"(?:, (?:and |& |[A-Z](?:[-.][A-Z])*\.)| and [A-Z]\.| et al|\. [A-Z]|,? \(?\d{4})"
)
_STATEMENT = re.compile(r"[;{}=()\[\]]|^\s*(?:\$|>>>|#)\s|\s--?\w")
# What programs are called by, and how rows of scripts begin.
_COMMAND = re.compile(
    r"\s*(?:\$ |sudo )?(?:(?:pip|pipx|python|uv|uvx|poetry|conda|npm|npx|yarn|pnpm|cargo|rustup|go|gem|git|docker|"
    r"kubectl|brew|apt|apt-get|dnf|yum|make|cmake|curl|wget|cd|mkdir|export|source|bash)\d?(?:\.\d+)? [\w.\-/\"'@~]|"
    r"import \w[\w.]*(?: as \w+)?$|from [\w.]+ import \w)"
)
_ADDRESS = re.compile(r"\w@\w|https?://|www\.")
_NOTE = re.compile(r"(?:\d{1,3}|[*∗†‡§¶#]{1,3}|[a-z])[).]?$")
_FORMULA_NUMBER = re.compile(r"\((?:[A-Z]\.?)?\d{1,3}(?:\.\d{1,3})*[a-z]?\)$")
_PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|p\.)\s*)?[-–—]?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*[-–—]?(?:\s*(?:of|/|von|de)\s*\d{1,4})?$",
    re.IGNORECASE,
)


def bullet(line: Line) -> str | None:
    """The bullet at the start of a line, None without one."""
    first = line.words[0].text
    if len(line.words) > 1 and all(char in glyphs.BULLETS for char in first) and len(first) <= 3:
        return first
    if len(first) > 1 and first[0] in "•◦▪●○■◆►▶➢➔❖✓" and not first[1].isdigit():
        return first[0]
    return None


def ordinal(line: Line) -> str | None:
    """The number or letter that counts a line as a list item, None without one. Initials of a name count nothing."""
    first = line.words[0].text
    if len(line.words) < 2 or not _ORDERED.match(first):
        return None
    return None if first[0].isupper() and _AUTHOR.match(line.text) else first


def is_numbered(text: str) -> bool:
    """Whether a text starts like a numbered heading."""
    return bool(_NUMBERED.match(text))


def is_chapter_number(text: str) -> bool:
    """Whether a text is nothing but the number of a chapter, whose name stands below it."""
    return bool(_CHAPTER.match(text))


def names_caption(text: str, loose: bool = False) -> bool:
    """Whether a text starts like a caption: "Figure 3: ..."; `loose` takes "Figure 3 Overview" too."""
    return bool(_CAPTION.match(text)) or (loose and bool(_CAPTION_WORDS.match(text)) and not speaks_of(text))


def speaks_of(text: str) -> bool:
    """Whether a text is a sentence about a table or figure: "Table 3 shows"."""
    found = _CAPTION_WORDS.match(text)
    return found is not None and bool(re.match(r"\s+[a-z]+\s", text[found.end() :]))


def is_page_number(text: str) -> bool:
    """Whether a text is nothing but a page number."""
    return bool(_PAGE_NUMBER.match(text.strip()))


def has_note_mark(line: Line) -> bool:
    """Whether a line starts like a footnote: a raised number, a star, "1)"."""
    first = line.words[0]
    return bool(_NOTE.match(first.text)) or (first.raised and first.text[0].isdigit()) or first.text[0] in "*∗†‡§¶"


def is_formula_number(text: str) -> bool:
    """Whether a text is the number of a formula: (3), (2.14a), (A.1)."""
    return bool(_FORMULA_NUMBER.match(text))


def is_sentence(text: str) -> bool:
    """Whether a text is prose: it ends as sentences do and is more than names and places."""
    ended = text.rstrip(" )\"'\u201d\u2019").endswith((".", "!", "?", ":", "。", "！", "？", "؟"))
    words = [word for word in text.split() if word[0].isalpha()]
    if len(text) > _LONG_PROSE:
        return True
    small = sum(word[0].islower() or not word[0].isupper() for word in words)
    return ended and (small >= max(_FEWEST_SMALL, 0.5 * len(words)) or (len(text) > 30 and not text[0].isascii()))


def is_notice(text: str) -> bool:
    """Whether a text says whose a page is and where it is to be found, as in margins."""
    return bool(_NOTICE.search(text))


def is_source(text: str) -> bool:
    """Whether a text starts like the note under a table: "Source: ..."."""
    return bool(_SOURCE.match(text))


def is_statement(text: str) -> bool:
    """Whether a single monospaced row is written like code; addresses are set in such type too."""
    return bool(_COMMAND.match(text)) or (bool(_STATEMENT.search(text)) and not _ADDRESS.search(text))


def is_lone_marker(line: Line) -> bool:
    """Whether a line is nothing but the marker of a list item."""
    text = line.text
    return len(line.words) == 1 and (is_bullets(text) or bool(_ORDERED.match(text)))


def is_bullets(text: str) -> bool:
    """Whether a text is nothing but bullets."""
    return all(char in glyphs.BULLETS for char in text)


def tick(lines: Sequence[Line]) -> bool | None:
    """Whether the box before a text is ticked; None without a box or without a text."""
    if not lines or (len(lines[0].words) == 1 and len(lines[0].words[0].text) == 1):
        return None
    return glyphs.checkbox(lines[0].words[0].text[0])
