"""Everything that can be wrong with a DocTags text: one row each.

Knows: kinds, severities, messages, and how an offset becomes a line and a column. Does not know: who finds a problem.
An error had to be mended or loses information; a warning is odd, but may be meant.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from doctags.tree import Problem, Severity

# fmt: off
PROBLEMS: dict[str, tuple[Severity, str]] = {
    # found while parsing
    "unclosed":          ("error",   "{0} is never closed; closed here"),
    "stray_close":       ("error",   "{0} closes nothing; left out"),
    "mismatched_close":  ("error",   "{0} where {1} was expected; taken for it"),
    "stray_text":        ("error",   "text directly in {0}; put into {1}"),
    "misplaced":         ("error",   "{0} does not belong here; {1}"),
    "orphan":            ("error",   "{0} outside {1}; put into one"),
    "too_deep":          ("error",   "more than {0} elements in each other; closed {1}"),
    "incomplete_box":    ("error",   "a box of {0} numbers instead of 4; left out"),
    "out_of_range":      ("error",   "location {0} beyond the grid of {1}; moved to its edge"),
    "inverted_box":      ("error",   "box {0} has its corners the wrong way round"),
    "late_box":          ("warning", "a box behind the content of {0}; moved to its front"),
    "unfinished_row":    ("error",   "a table row without <nl>"),
    "empty_row":         ("warning", "a table row without cells; left out"),
    "ragged_row":        ("error",   "a row of {0} cells in a table of {1} columns; filled with empty cells"),
    "folded_row":        ("error",   "a row of {0} cells in a table of {1} columns; continued on further rows"),
    "text_in_blank":     ("warning", "text in <{0}>; taken for a full cell"),
    "orphan_span":       ("error",   "<{0}> has no cell to continue; taken for an empty cell"),
    "no_root":           ("warning", "no <doctag> at the start"),
    "second_root":       ("warning", "another <doctag>; taken for a page break"),
    "trailing":          ("error",   "content behind </doctag>"),
    "broken_page":       ("warning", "<page_break> inside {0}; it is closed on one page and continued on the next"),
    "no_end":            ("warning", "no </doctag> at the end"),
    # found by the validator
    "empty_box":         ("warning", "box {0} has no area"),
    "box_out_of_range":  ("error",   "box {0} leaves the grid of {1}"),
    "missing_box":       ("warning", "{0} has no box, although its neighbours do"),
    "bad_level":         ("error",   "section header of level {0}; levels go from 1 to 6"),
    "unknown_kind":      ("error",   "no element is called {0}"),
    "bad_nesting":       ("error",   "{0} may not stand in {1}"),
    "overlapping_cells": ("error",   "two cells at row {0}, column {1}"),
    "uncovered_slot":    ("error",   "no cell at row {0}, column {1}"),
    "bad_span":          ("error",   "the cell at row {0}, column {1} covers {2} rows and {3} columns"),
    "unknown_language":  ("warning", "{0} is no language that DocTags knows; taken as text"),
    "orphan_caption":    ("warning", "caption without a table, picture, chart or code that it belongs to"),
    "empty_list":        ("warning", "{0} without items"),
    "broken_link":       ("warning", "<link_{0}> leads to no key and no value"),
    "duplicate_ref":     ("warning", "another {0} with number {1}"),
    "duplicate":         ("warning", "the same {0} with the same box as before"),
    "repeated":          ("warning", "the same {0} {1} times in a row; the model may have been in a loop"),
}
# fmt: on


class Lines:
    """Where lines begin in a text that arrives in pieces. A line ends with a line feed."""

    def __init__(self, source: str = "") -> None:
        self._starts = [0]
        self._length = 0
        self.add(source)

    def add(self, chunk: str) -> None:
        """The next piece."""
        base = self._length + 1
        self._starts += [base + match.start() for match in re.finditer("\n", chunk)]
        self._length += len(chunk)

    def problem(self, kind: str, start: int, end: int, *facts: object) -> Problem:
        """That kind of problem at those offsets. `facts` fill the places in its message."""
        severity, message = PROBLEMS[kind]
        line = bisect_right(self._starts, start)
        return Problem(kind, severity, message.format(*facts), line, start - self._starts[line - 1] + 1, start, end)
