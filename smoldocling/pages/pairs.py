"""Forms: names with their values beside them, which look like a table of two columns and are none.

Knows: grids, doctags.tree. Does not know: where grids come from.
"""

from __future__ import annotations

from doctags.tree import Box, Element
from smoldocling.pages import prose
from smoldocling.pages.cells import Grid, Slot
from smoldocling.pages.ink import Ink

_MAX_NAME = 32
"""Characters in the name of a value; longer first columns are descriptions."""


def is_form(grid: Grid) -> bool:
    """Whether a grid lists names and values: two columns, no headings, values that are not a column of numbers."""
    names = [slot for slot in grid.slots if slot.column == 0]
    values = [slot for slot in grid.slots if slot.column == 1]
    if grid.columns != 2 or len(names) != grid.rows or len(values) != grid.rows or grid.rows > 16:
        return False
    if any(
        slot.kind != "data" or not slot.lines or slot.column_span > 1 or slot.row_span > 1 for slot in names + values
    ):
        return False
    texts = [_text(slot) for slot in values]
    wordy = sum(any(char.isalpha() for char in text) for text in texts)
    return (
        all(len(_text(slot)) <= _MAX_NAME for slot in names) and wordy * 3 >= len(texts) and max(map(len, texts)) <= 60
    )


def region(grid: Grid, ink: Ink, known: frozenset[str], boxes: tuple[Box, ...]) -> Element:
    """A key_value_region: each name linked to its value."""
    children = []
    for number, slot in enumerate(grid.slots):
        lines = prose.rows(slot.lines)
        found = prose.paragraph(lines, ink.links, known)
        place = (ink.place(_bounds(slot)),)
        if slot.column == 0:
            link = Element("link", ref=number + 1)
            children.append(Element("key", found.text, place, ref=number, children=(link,), links=found.links))
        else:
            children.append(Element("value", found.text, place, ref=number, links=found.links))
    return Element("key_value_region", boxes=boxes, children=tuple(children))


def _text(slot: Slot) -> str:
    return " ".join(line.text for line in slot.lines)


def _bounds(slot: Slot) -> tuple[float, float, float, float]:
    return (
        min(line.x0 for line in slot.lines),
        min(line.y0 for line in slot.lines),
        max(line.x1 for line in slot.lines),
        max(line.y1 for line in slot.lines),
    )
