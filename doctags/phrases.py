"""Stretches of DocTags that can be read in one step: faster, and nothing else.

Knows: the commonest sequences of tags, as one regular expression, and what to do with them where nothing needs mending.
Does not know: how to mend. A phrase means exactly what its tokens mean one by one; where the place is not an
ordinary one, the parser takes it apart.
"""

from __future__ import annotations

import re

from doctags.grammar import CHILDREN, MAX_DEPTH
from doctags.lexer import CANDIDATE
from doctags.place import Growth, Place
from doctags.table import BLANKS, Slot
from doctags.tokens import CELLS, KINDS, NUMBERED, PLACES, TAGS, lookup
from doctags.tree import GRID, Box, Element

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

_BY_NAME = {spelling[1:-1]: tag for spelling, tag in TAGS.items() if tag.role == "open"}


def take_element(growth: Growth, match: re.Match[str], start: int) -> bool:
    """An element's opening tag, with its box, text and closing tag where they follow at once. False: not here."""
    name, left, top, right, bottom, text, closer = match.group(*ELEMENT)
    tag = _BY_NAME.get(name) or lookup(f"<{name}>")
    assert tag is not None, "every such phrase begins with a tag"
    kind = tag.kind
    place = growth.open[-1]
    if kind not in CHILDREN[place.kind] or len(growth.open) >= MAX_DEPTH:
        return False
    boxes: tuple[Box, ...] = ()
    if left:
        box = Box(int(left), int(top), int(right), int(bottom))
        if not box.x0 <= box.x1 <= GRID or not box.y0 <= box.y1 <= GRID:
            return False
        boxes = (box,)
    if growth.run or growth.numbers:
        growth.settle()
    end = start + match.end() - match.start()
    if closer and KINDS[kind].text == "own":
        level = ref = None
        if tag.number is not None:
            level, ref = (tag.number, None) if kind == "section_header" else (None, tag.number)
        place.add(Element(kind, text, boxes, level, None, ref, (), (), (), (start, end)))
        return True
    inner = Place(kind, name, tag.number, start)
    inner.boxes += boxes
    growth.open.append(inner)
    if text:
        growth.say(text, end - len(closer or "") - len(text))
    if closer:
        growth.settle()
        growth.close_top(end)
    return True


def take_cells(growth: Growth, match: re.Match[str], start: int) -> bool:
    """Cells with nothing but text in them, and the end of their row where it follows. False: not here."""
    in_cell = growth.open[-1].kind == "cell"
    table = growth.open[-2 if in_cell else -1]
    if not table.rule.cells:
        return False
    growth.settle(closing=in_cell)
    if in_cell:
        growth.close_top(start)
    cells = CELL.findall(match[CELL_RUN])
    last = None if match[ROW_END] else cells.pop()  # where its row goes on, more may come into the last
    for token, text in cells:
        end = start + len(token) + 2 + len(text)
        slot = Slot(token, text, None, (), start, end)
        if text and token in BLANKS:
            growth.add_slot(table, slot)
        else:
            table.row.append(slot)
        start = end
    if last is None:
        growth.end_row(table)
    else:
        token, text = last
        growth.open.append(Place("cell", token, None, start, implied=True))
        if text:
            growth.say(text, start + len(token) + 2)
    return True
