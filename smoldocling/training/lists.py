"""Lists: bulleted or counted, with lists inside them, or of works that are cited.

Knows: one page's style and a random number generator. Does not know: where on the page a list will stand.
A counted item's text has its number, as the published checkpoints write it; a bullet is not written.
"""

from __future__ import annotations

from random import Random

from smoldocling.training import speech
from smoldocling.training.block import Block, Mark, Part
from smoldocling.training.faces import builtin
from smoldocling.training.prose import areas, broken, narrow, set_lines, text_of
from smoldocling.training.sheet import ASCENT, Run
from smoldocling.training.style import COUNTS, DINGBATS, Style, half_points

NESTED = (0.22, 0.1, 0.0)
"""How often an item at each depth has a list of its own."""


def listed(random: Random, style: Style, measure: float, room: float) -> Block | None:
    """Items, some with a list of their own, as many as fit into `room`; None where none does."""
    return _Lister(random, style, measure, room).block()


class _Lister:
    """One list on its way; `y` is where the next item starts."""

    def __init__(self, random: Random, style: Style, measure: float, room: float) -> None:
        self.random, self.style, self.measure, self.room = random, style, measure, room
        self.cited = random.random() < 0.08
        self.air = random.choice((0.0, 0.0, 0.3)) * style.size
        self.marks: list[Mark] = []
        self.y = 0.0

    def block(self) -> Block | None:
        ordered = self.cited or self.random.random() < 0.45
        part = self._list(self.random.randint(2, 7), ordered, 0)
        return Block(self.y, tuple(self.marks), (part,)) if part else None

    def _list(self, count: int, ordered: bool, depth: int) -> Part | None:
        items = []
        for number in range(1, count + 1):
            marker = self._marker(number, ordered, depth)
            item = self._item(marker, ordered, depth)
            if item is None:
                break
            items.append(item)
        return Part("ordered_list" if ordered else "unordered_list", children=tuple(items)) if items else None

    def _marker(self, number: int, ordered: bool, depth: int) -> str:
        if self.cited:
            return f"[{number}]"
        return COUNTS[self.style.counts[depth]](number) if ordered else self.style.bullets[depth]

    def _item(self, marker: str, ordered: bool, depth: int) -> Part | None:
        random, type_ = self.random, self.style.item
        left = depth * self.style.list_indent * type_.size
        indent = left + (self.style.list_indent + (1.2 if self.cited else 0.4 if ordered else 0.0)) * type_.size
        measure = self.measure - indent
        said = type_.words((speech.reference if self.cited else speech.entry)(random))
        lines = broken(narrow(said, type_, measure), type_, measure)
        height = type_.height(len(lines))
        if self.y + height > self.room:
            return None
        runs = [self._sign(marker, left), *set_lines(lines, type_, measure, indent, self.y)]
        self.marks += runs
        self.y += height + (type_.leading - 1.0) * type_.size + self.air
        inner = None
        if not self.cited and random.random() < NESTED[depth]:
            inner = self._list(random.randint(1, 3), random.random() < 0.4, depth + 1)
        text = f"{marker} {text_of(lines)}" if ordered else text_of(lines)
        return Part("list_item", text, areas(runs), children=(inner,) if inner else ())

    def _sign(self, marker: str, left: float) -> Run:
        size, face = self.style.size, self.style.body.plain
        y = self.y + ASCENT * size
        if marker in DINGBATS:
            return Run(marker, left, y, builtin("dingbats"), half_points(size * 0.75))
        return Run(marker, left, y, face, size)
