"""What stands between texts: tables and figures with their captions, formulas, listings.

Knows: one page's style and a random number generator. Does not know: where on the page they will stand.
Every maker takes the width that it may fill and the height that is left; None: nothing can be made of that.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from smoldocling.training import charts, grids, speech
from smoldocling.training.block import Block, Mark, Part, extent, moved, set_block, stacked
from smoldocling.training.faces import builtin
from smoldocling.training.listing import code
from smoldocling.training.maths import Maths
from smoldocling.training.prose import Type, Word, areas, broken, lines_in, narrow
from smoldocling.training.sheet import ASCENT, Bar, Run, Stroke
from smoldocling.training.style import Style, half_points


class Exhibits:
    """Makes them in one style; counts figures, tables and formulas."""

    def __init__(self, random: Random, style: Style) -> None:
        self.random, self.style = random, style
        self._counts = {
            "figure": random.randrange(1, 30),
            "table": random.randrange(1, 20),
            "formula": random.randrange(1, 40),
        }

    def table(self, measure: float, room: float) -> Block | None:
        """A table as large as measure and room allow."""
        random, size = self.random, half_points(self.style.size * self.random.choice((0.8, 0.9, 1.0)))
        most_columns = max(2, min(8, int(measure / (6.0 * size))))
        most_rows = int(room / (1.6 * size)) - 3
        if most_rows < 2:
            return None
        content = grids.grid(
            random, random.randint(2, min(most_rows, random.choice((4, 8, 14)))), random.randint(2, most_columns)
        )
        block = grids.layout(random, content, self.style.body, size, measure)
        if block is None:
            return None
        right = block.parts[0].area[0][2]
        shift = (measure - right) / 2 if random.random() < 0.5 else 0.0
        return self._captioned(stacked([(shift, 0.0, block)]), "table", measure, above=self.style.captions_above)

    def figure(self, measure: float, room: float) -> Block | None:
        """A figure between a wide and a square one."""
        random = self.random
        width = measure * random.uniform(0.55, 1.0)
        height = width * random.uniform(0.35, 0.9)
        least = 5 * self.style.size
        height = min(height, max(room - 4 * self.style.size, 0.0), 260.0)
        if height < least:
            return None
        block = charts.figure(random, self.style.heads.plain, width, height)
        return self._captioned(stacked([((measure - width) / 2, 0.0, block)]), "figure", measure, above=False)

    def _captioned(self, block: Block, kind: str, measure: float, *, above: bool) -> Block:
        random, style = self.random, self.style
        if random.random() < 0.2:
            return block
        self._counts[kind] += 1
        prefix = style.prefixes[0 if kind == "figure" else 1]
        name = f"{prefix} {self._counts[kind]}{style.separator}".rstrip(" ")
        type_ = replace(style.small, align=style.caption_align)
        bold = style.body.bold if style.caption_bold else style.body.plain
        said = [
            *(Word(word, bold) for word in name.split(" ")),
            *narrow(type_.words(speech.caption(random)), type_, measure),
        ]
        caption = set_block("caption", broken(said, type_, measure), type_, measure)
        space = 0.5 * style.size
        places = [(0.0, caption.height + space, block), (0.0, 0.0, caption)]
        if not above:
            places = [(0.0, 0.0, block), (0.0, block.height + space, caption)]
        whole = stacked(places)
        owner, owned = sorted(whole.parts, key=lambda part: part.kind == "caption")
        return replace(whole, parts=(replace(owner, children=(owned,)),))

    # Formulas and code.

    def formula(self, measure: float, room: float) -> Block | None:
        """A displayed formula, perhaps with its number."""
        random, style = self.random, self.style
        maths = Maths(random, builtin("serif"), builtin("serif-italic"))
        size = half_points(style.size * random.uniform(1.0, 1.2))
        numbered = random.random() < 0.5
        piece = next(
            (made for made in (maths.equation(size) for _ in range(4)) if made.width < measure - 7 * size * numbered),
            None,
        )
        if piece is None or piece.ascent + piece.descent > room:
            return None
        if numbered:
            self._counts["formula"] += 1
            piece = maths.numbered(piece, self._counts["formula"], size, measure)
        shift = 0.0 if numbered else (measure - piece.width) / 2
        marks = tuple(moved(mark, shift, piece.ascent) for mark in piece.marks)
        part = Part("formula", " ".join(piece.latex), (extent(marks),))
        return Block(piece.ascent + piece.descent, marks, (part,))

    def code(self, measure: float, room: float) -> Block | None:
        """A listing on paper, on a shade or in a frame."""
        random, style = self.random, self.style
        face, size = (
            builtin(random.choice(("mono", "mono", "mono-bold"))),
            half_points(style.size * random.uniform(0.75, 0.95)),
        )
        type_ = Type(face, size, random.uniform(1.05, 1.3))
        ground = random.choice(("paper", "shade", "frame"))
        pad = 0.0 if ground == "paper" else 0.6 * size
        most = lines_in(room - 2 * pad, type_)
        width = int((measure - 2 * pad) / (face.advance("x") * size))
        if most < 4 or width < 30:
            return None
        label, text = code(random, random.randint(3, min(most, 18)), width)
        rows = text.split("\n")[:most]
        step = face.advance(" ") * size
        runs = [
            Run(
                row.lstrip(" "),
                pad + (len(row) - len(row.lstrip(" "))) * step,
                pad + (at * type_.leading + ASCENT) * size,
                face,
                size,
            )
            for at, row in enumerate(rows)
        ]
        height = type_.height(len(rows)) + 2 * pad
        part = Part("code", "\n".join(rows), areas(runs), label=label)
        return Block(height, (*_ground(ground, measure, height), *runs), (part,))


def _ground(kind: str, width: float, height: float) -> list[Mark]:
    if kind == "shade":
        return [Bar((0.0, 0.0, width, height), 238)]
    if kind == "frame":
        return [Stroke(((0.0, 0.0), (width, 0.0), (width, height), (0.0, height), (0.0, 0.0)), 0.5, 90)]
    return []
