"""How alike the text of two Markdown files is, markup and white space folded away by one function for both.

Knows: Markdown's signs. Does not know: who wrote what.
"""

from __future__ import annotations

import html
import re

from rapidfuzz.distance import Levenshtein

_FOLDS = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r"!\[[^\]]*\]\([^)]*\)"), ""),
    (re.compile(r"\[([^\]\n]*)\]\((?:https?|mailto|#)[^)\s]*\)"), r"\1"),
    (re.compile(r"^```.*$", re.MULTILINE), ""),
    (re.compile(r"</?[a-zA-Z][a-zA-Z0-9]*(?:\s[^<>]*)?/?>"), ""),
    (re.compile(r"^[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*:?-*:?[ \t]*$", re.MULTILINE), ""),
    (re.compile(r"^[ \t]*(?:#{1,6}|>|[-*+])[ \t]+", re.MULTILINE), ""),
    (re.compile(r"[|*_`\\]"), ""),
    (re.compile(r"\s+"), ""),
)


def folded(markdown: str) -> str:
    """Markdown without its markup and without white space; case is kept."""
    for pattern, replacement in _FOLDS:
        markdown = pattern.sub(replacement, markdown)
    return html.unescape(markdown)


def similarity(text: str, truth: str) -> float:
    """1 - edit distance / longer length of the folded texts."""
    return float(Levenshtein.normalized_similarity(folded(text), folded(truth)))
