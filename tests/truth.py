"""The slow truth about DocTags that are not finished: whether any text at all makes them valid. By search.

It knows parser and validator only, and none of the grammar's states that the masks are made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import doctags
from doctags import lexer, tokens
from doctags.grammar import Spot
from smoldocling.course import UNHEEDED

BEGUN = re.compile(r"<[^<>\s]{0,33}\Z")
NUMBERED = ("<loc_", "<key_", "</key_", "<value_", "</value_", "<link_")
NUMBERS = (*range(0, 12), 99, 100, 250, 498, 499, 500)
NAMES = [tag for tag, known in tokens.TAGS.items() if known.role != "loc"]

# Problems at the end of a text that more text can still heal.
OPEN = {"unclosed", "no_end", "incomplete_box", "unfinished_row", "ragged_row", "orphan_span"}
SETTLED = {"ragged_row", "orphan_span"}  # not if the row has been ended

BOX = "<loc_0><loc_0><loc_500><loc_500>"


# What may have to be written before the next closing tag, so many times at most.
EXTRAS = ("<list_item></list_item>", "<form></form>", BOX)
MOST_EXTRAS = 2
MOST_LOOKS = 400
MOST_STEPS = 40


@dataclass
class Truth:
    """One notion of what is valid."""

    strict: bool
    looks: int = 0

    def finishable(self, text: str) -> bool:
        """Whether it is the beginning of something valid."""
        for end in self._ends(text):
            self.looks = 0
            if self._finish(text + end, 0):
                return True
        return False

    def valid(self, text: str) -> bool:
        """Nothing to mend and nothing to complain of; spelt as everybody does."""
        if not self.strict and not text.strip(tokens.LAYOUT):
            return True
        if text.count("</doctag>") != 1 or not text.endswith("</doctag>") or not as_usual(text):
            return False
        if self.strict:
            return all(problem.kind in UNHEEDED for problem in doctags.validate(text))
        return not doctags.parse(text).problems and all(p.severity != "error" for p in doctags.validate(text))

    def _ends(self, text: str) -> Iterator[str]:
        """What may follow at once: nothing, if all is text so far, or the rest of a tag."""
        yield ""
        match = BEGUN.search(text)
        begun = match.group() if match else ""
        if not begun:
            return
        yield from (name[len(begun) :] for name in NAMES if name.startswith(begun) and name != begun)
        for stem in NUMBERED:
            if stem.startswith(begun):
                yield from (f"{stem[len(begun) :]}{number}>" for number in NUMBERS)
            elif begun.startswith(stem):
                digits = begun[len(stem) :]
                fitting = [str(number) for number in range(501) if str(number).startswith(digits)]
                yield from (f"{number[len(digits) :]}>" for number in fitting if len(number) >= len(digits))

    def _finish(self, text: str, extras: int, depth: int = 0) -> bool:
        self.looks += 1
        if self.looks > MOST_LOOKS or depth > MOST_STEPS:
            return False
        if self.valid(text):
            return True
        problems = doctags.parse(text).problems
        in_row = any(problem.kind == "unfinished_row" for problem in problems)
        if any(problem.kind not in OPEN or (problem.kind in SETTLED and not in_row) for problem in problems):
            return False
        if any(problem.kind in ("unclosed", "unfinished_row") and problem.end < len(text) for problem in problems):
            return False
        steps = [(step, extras) for step in self._steps(text, problems)]
        if self.strict and extras < MOST_EXTRAS:
            more = [(step, extras + 1) for step in (*EXTRAS, *_owed(text))]
            steps = [*more[:1], *steps, *more[1:]] if steps and "list>" in steps[0][0] else [*steps, *more]
        return any(self._finish(text + step, count, depth + 1) for step, count in steps)

    @staticmethod
    def _steps(text: str, problems: tuple[doctags.Problem, ...]) -> tuple[str, ...]:
        if "<doctag>" not in text:
            return ("<doctag>",)
        if "</doctag>" in text:
            return ()
        if any(problem.kind == "incomplete_box" for problem in problems):
            given = text[len(text.rstrip("<loc_0123456789>")) :].count("<loc_") % 4
            return ("<loc_499>",) if given == 1 else ("<loc_500>",)
        unclosed = [problem for problem in problems if problem.kind == "unclosed"]
        name = unclosed[-1].message.partition(">")[0] if unclosed else "<doctag"
        in_row = any(problem.kind == "unfinished_row" for problem in problems)
        return (f"</{name[1:]}>", "<nl>", "<ecel>", "<xcel>") if in_row else (f"</{name[1:]}>",)


def _owed(text: str) -> list[str]:
    """Entries that links of the text lead to."""
    return [f"<key_{number}></key_{number}>" for number in sorted(set(re.findall(r"<link_([0-9]+)>", text)))]


def as_usual(text: str) -> bool:
    """Without what DocTags allow and nobody writes (smoldocling.masks says what)."""
    if re.search(r"<(?:loc|/?key|/?value|link)_0[0-9]+>", text) or text.partition("<doctag>")[0].strip(tokens.LAYOUT):
        return False
    numbers = 0
    places: list[Spot] = []
    for tag, said, _, _ in lexer.tokens(text):
        if tag is None:
            if numbers % 4 and not said.strip():
                return False
            numbers = 0 if said.strip() else numbers
            continue
        numbers = numbers + 1 if tag.role == "loc" else 0
        if numbers > 4 and places and places[-1].row:
            return False
        quoted = bool(places) and places[-1].kind == "code" and tag.kind not in ("code", "caption")
        if tag.role == "frame" or (tag.kind == "caption" and places and places[-1].row):
            return False
        if tag.role == "open" and not (quoted or (places and places[-1].kind == tag.kind == "code")):
            places.append(Spot(tag.kind))
        elif tag.role == "close" and any(place.kind == tag.kind for place in places):
            while places.pop().kind != tag.kind:
                pass
        elif tag.role in ("cell", "row") and places and tokens.KINDS[places[-1].kind].cells:
            spot = places[-1]
            if ("<nl>" if tag.role == "row" else f"<{tag.kind}>") not in spot.cells():
                return False
            ended = tag.role == "row"
            row = (*spot.row, tag.kind)
            places[-1] = Spot(spot.kind, above=spot.row if ended else spot.above, row=() if ended else row)
    return True
