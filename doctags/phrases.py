"""Stretches of DocTags that can be read in one step.

Knows: the commonest sequences of tags, as one regular expression. Does not know: where they may stand.
A phrase means exactly what its tokens mean one by one; where the place is no ordinary one, the parser takes it apart.
"""

from __future__ import annotations

import re

from doctags.lexer import CANDIDATE
from doctags.tokens import CELLS, KINDS, NUMBERED, PLACES

_FREQUENT = ("text", "list_item")

_NAMES = "|".join(
    [*_FREQUENT, "section_header_level_[1-6]"]
    + [name for name in KINDS if name not in (*PLACES, *NUMBERED, *_FREQUENT)]
    + ["key_[0-9]{1,4}", "value_[0-9]{1,4}"]
)
_NUMBER = "<loc_([0-9]{1,3})>"
_CELLS = "|".join(CELLS)

# Possessive repetition: where a phrase ends early, nothing is tried twice.
PHRASE = re.compile(
    rf"<({_NAMES})>(?:{_NUMBER * 4})?([^<]*+)(</\1>)?"  # an element: name, its box, its text, its end
    rf"|((?:<(?:{_CELLS})>[^<]*+)++)(<nl>)?"  # cells, the end of their row
    rf"|{CANDIDATE.pattern}"  # anything else that may be a tag
)
ELEMENT, NAME, CELL_RUN, ROW_END = range(1, 8), 1, 8, 9
"""Groups of PHRASE. ELEMENT: name, four numbers, text, closing tag."""

CELL = re.compile(f"<({_CELLS})>([^<]*)")
"""One cell of a run: token and text."""
