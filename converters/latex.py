"""LaTeX as a model writes it, made fit to stand between dollar signs.

Knows: LaTeX source. Does not know: MathML, Markdown beyond its dollar signs.
"""

from __future__ import annotations

import re

_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)"))
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%[^\n]*(?:\n|$)")
_DOLLAR = re.compile(r"(?<!\\)((?:\\\\)*)\$")
_TAIL = re.compile(r"(?<!\\)(?:\\\\)*(\\)$")
# Where Markdown would see a tag, an entity or a link, LaTeX does not care for a space.
_SPACED = (
    (re.compile(r"<(?=[A-Za-z/!?])"), "< "),
    (re.compile(r"&(?=[#A-Za-z])"), "& "),
    (re.compile(r"\](?=[(\[:])"), "] "),
)


def bare(latex: str) -> str:
    """The formula without the delimiters that a model may have written around it."""
    text = latex.strip()
    for start, end in _WRAPPERS:
        if len(text) > len(start + end) and text.startswith(start) and text.endswith(end):
            inner = text[len(start) : -len(end)].strip()
            return inner if start not in inner else text
    return text


def dollar_safe(latex: str) -> str:
    """The formula on one line, with nothing in it that ends `$...$` or is markup where nobody knows of formulas.

    The result means the same to TeX: comments go, a bare dollar becomes `\\$`, a backtick `\\lq`.
    """
    text = " ".join(_COMMENT.sub(r"\1 ", bare(latex)).split())
    text = _DOLLAR.sub(r"\1\\$", text).replace("`", r"\lq ")
    for pattern, spaced in _SPACED:
        text = pattern.sub(spaced, text)
    while tail := _TAIL.search(text):
        text = text[: tail.start(1)].rstrip()
    return text
