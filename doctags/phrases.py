"""Stretches of DocTags that can be read in one step.

Knows: the commonest sequences of tags, as one regular expression. Does not know: where they may stand.
A phrase means exactly what its tokens mean one by one; the parser takes it apart where the place is not an ordinary one.
"""

from __future__ import annotations

import re

from doctags.lexer import CANDIDATE
from doctags.tokens import CELLS, KINDS, LEVELS, NUMBERED, PLACES

_NAMES = "|".join(
    [name for name in KINDS if name not in (*PLACES, *NUMBERED)]
    + [f"section_header_level_{level}" for level in LEVELS if level]
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
NAME, BOX, TEXT, END, CELL_RUN, ROW_END = 1, (2, 3, 4, 5), 6, 7, 8, 9
"""Groups of PHRASE."""

CELL = re.compile(f"<({_CELLS})>([^<]*)")
"""One cell of a run: token and text."""
