"""What MuPDF says of a file that it cannot read, in words for people who have never heard of it.

Knows: messages. Does not know: documents, pages.
Source: the texts of `fz_throw` and `fz_warn` in MuPDF 1.26's source/pdf, source/fitz and PyMuPDF's own exceptions; and
what 417 damaged files of other engines' tests make them say.
"""

from __future__ import annotations

import re

# The first row that fits decides. What is more particular stands above what may come of it.
_WORDS: tuple[tuple[str, str], ...] = (
    (
        r"encrypt|/Encrypt|crypt|security handler|\baes\b|\brc4\b",
        "its encryption is broken, or of a kind that is not known",
    ),
    (r"page \d+ not in document|cannot find page \d+", "the file does not hold it"),
    (r"cycle in page tree", "its list of pages leads back to itself"),
    (
        r"cycle in|recursi|nest(?:ed|ing)|too deep|stack overflow|too many indirections|too many kids",
        "it contains itself",
    ),
    (r"page tree|invalid number of pages|page objects?\b|no pages", "its list of pages is broken"),
    (r"malloc|calloc|realloc|out of memory|memory limit", "it asks for more memory than there is"),
    (
        r"too (?:large|big|many)|overly large|dimension|exceeds|integer overflow|out of range|invalid pixmap",
        "sizes in it are impossible",
    ),
    (r"zlib|flate|lzw|run ?length|ascii ?(?:85|hex)|brotli|predictor|inflate", "packed data in it are broken"),
    (r"jpeg|jpx|jp2|jbig2|ccitt|dct|fax|codestream|image|pixmap|colou?r ?space|bpc", "a picture in it is broken"),
    (r"font|glyph|cmap|freetype|encoding|cff|truetype", "a font in it is broken"),
    (r"shading|pattern|function|blend|gstate", "a drawing in it is broken"),
    (r"premature|unexpected end|end of (?:file|data|stream)|truncated|eof", "it is cut short"),
    (
        r"failed to open|version marker|repair|xref|trailer|startxref|root|no objects|catalog",
        "nothing can be made out in it; it may have been cut short",
    ),
    (
        r"syntax|expected|keyword|not an? (?:dict|array|name|number|stream|indirect)|object|format error",
        "it is not written as a PDF is",
    ),
)
_TABLE = tuple((re.compile(pattern, re.IGNORECASE), words) for pattern, words in _WORDS)
_NUMBER = re.compile(r"page \d+ not in document")
_CODE = re.compile(r"^code=\d+: *")


def told(error: Exception, said: str = "") -> str:
    """What is wrong, to stand behind "damaged PDF:" or "damaged page:".

    said  what was noticed before: lines of warnings. They decide only where the error says no more than that it failed
    """
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if not (_CODE.match(text) or _NUMBER.search(text) or type(error).__module__.startswith("pymupdf")):
        return text  # that was not MuPDF
    message = _CODE.sub("", text)
    for one in (said, message) if message.lower().startswith("failed to open") else (message,):
        for pattern, words in _TABLE:
            if pattern.search(one):
                return words
    return f"it cannot be read ({message})"
