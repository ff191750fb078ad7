"""Text as blocks: paragraphs, headings, titles, notes, running heads.

Knows: one page's style and a random number generator. Does not know: where on the page a block will stand.
Makers of what stands in columns take the width that they may fill and the height that is left; None: nothing fits.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from smoldocling.training import speech, words
from smoldocling.training.block import Block, Part, set_block, stacked
from smoldocling.training.prose import Align, Type, Word, areas, broken, lines_in, narrow, set_lines, text_of
from smoldocling.training.sheet import ASCENT, Bar, Run
from smoldocling.training.style import NOTE_SIGNS, Style, half_points


class Pieces:
    """Makes blocks in one style; counts headings, remembers the signs of notes."""

    def __init__(self, random: Random, style: Style) -> None:
        self.random, self.style = random, style
        self._sections = [random.randrange(1, 9), random.randrange(4), random.randrange(3)]
        self._level = random.choice((0, 1))
        self._marks: list[str] = []

    def space(self, kind: str) -> float:
        """Below a block of that kind, in points."""
        style = self.style
        if kind == "section_header":
            return style.size * 0.4
        return style.size * (style.spacing if kind == "text" else max(style.spacing, 0.6) + 0.4)

    # Text.

    def text(self, measure: float, room: float) -> Block | None:
        """A paragraph that fits into `room`."""
        type_ = self.style.text
        most = lines_in(room, type_)
        if most < 1:
            return None
        wanted = min(self.random.randint(1, 9), most)
        said: list[Word] = []
        while len(broken(said, type_, measure)) < wanted:
            sentence = narrow(type_.words(speech.statement(self.random)), type_, measure - type_.first)
            sentence = self._varied(sentence)
            if said and len(broken([*said, *sentence], type_, measure)) > most:
                break
            said += sentence
        lines = broken(said, type_, measure)[:most]
        return set_block("text", lines, type_, measure)

    def _varied(self, said: list[Word]) -> list[Word]:
        """A sentence with some words bold or slanted, one perhaps with the mark of a note."""
        body = self.style.body
        if self.random.random() < 0.12:
            face = self.random.choice((body.italic, body.bold))
            start = self.random.randrange(len(said))
            end = start + self.random.randint(1, 4)
            said = [Word(word.text, face if start <= at < end else word.face) for at, word in enumerate(said)]
        if self._marks and self.random.random() < 0.6:
            spot = self.random.randrange(len(said))
            said[spot] = Word(said[spot].text + self._marks.pop(0), said[spot].face)
        return said

    def section_header(self, measure: float, room: float) -> Block | None:
        """A heading, where at least two lines of text have room below it."""
        level = self._next_level()
        counts = [*self._sections[: level - 1], self._sections[level - 1] + 1, *[0] * (3 - level)]
        type_ = self.style.heading(level)
        number = self._number(counts[:level])
        said = [
            *(type_.words(number) if number else []),
            *narrow(type_.words(speech.heading(self.random)), type_, measure),
        ]
        above = 0.5 * self.style.size
        block = set_block("section_header", broken(said, type_, measure)[:3], type_, measure, level=level)
        if above + block.height + self.space("section_header") + self.style.text.height(2) > room:
            return None
        self._sections, self._level = counts, level
        return stacked([(0.0, above, block)])

    def _next_level(self) -> int:
        deepest = min(self._level + 1, 3)
        return self.random.choices((1, 2, 3)[:deepest], (4, 4, 3)[:deepest])[0]

    def _number(self, counts: list[int]) -> str:
        dotted = ".".join(map(str, counts))
        match self.style.numbering:
            case "1.1":
                return dotted
            case "1.1.":
                return dotted + "."
            case "A.1":
                return ".".join([chr(64 + min(counts[0], 26)), *map(str, counts[1:])]) + (
                    "." if len(counts) == 1 else ""
                )
        return ""

    def line(self, text: str, type_: Type, kind: str, place: str, most: float, measure: float) -> Block | None:
        """One line of a running head or foot at its place in the measure; None where it is wider than `most`."""
        width = type_.face.width(text) * type_.size
        if width > most:
            return None
        align: Align = "center" if place == "center" else "right" if place == "right" else "left"
        return set_block(kind, [type_.words(text)], replace(type_, align=align), measure)

    def opening(self, measure: float) -> list[tuple[Block, float]]:
        """Title, who wrote it and when, what it is about; each with the space below it."""
        random, style = self.random, self.style
        align: Align = random.choice(("center", "left"))
        title = Type(
            style.heads.bold, half_points(style.size * random.uniform(1.6, 2.4)), 1.15, align, gray=style.head_gray
        )
        plain = Type(style.body.plain, style.size, 1.2, align)
        said = narrow(title.words(words.phrase(random, 3, 10)), title, measure)
        blocks = [(set_block("title", broken(said, title, measure), title, measure), style.size)]
        people = ", ".join(speech.person(random) for _ in range(random.randint(1, 4)))
        for part, often in ((people, 0.8), (speech.address(random), 0.5), (speech.date(random), 0.4)):
            if random.random() < often:
                blocks.append(
                    (set_block("text", broken(plain.words(part), plain, measure), plain, measure), 0.4 * style.size)
                )
        if random.random() < 0.4:
            blocks += self._abstract(measure)
        return blocks

    def _abstract(self, measure: float) -> list[tuple[Block, float]]:
        size, inset = self.style.size, self.random.choice((0.0, 0.08)) * measure
        head = replace(self.style.heading(3), align="center" if inset else "left")
        type_ = replace(self.style.text, first=0.0)
        said = " ".join(speech.statement(self.random) for _ in range(self.random.randint(2, 5)))
        name = self.random.choice(("Abstract", "Summary", "ABSTRACT"))
        over = set_block("section_header", [head.words(name)], head, measure, level=1)
        under = set_block("text", broken(type_.words(said), type_, measure - 2 * inset), type_, measure - 2 * inset)
        return [(over, 0.3 * size), (stacked([(inset, 0.0, under)]), size)]

    def notes(self, measure: float) -> Block:
        """Footnotes below a short rule; those with a sign get it put into a text as well."""
        random, type_ = self.random, self.style.small
        signs = random.random() < 0.5
        blocks: list[tuple[float, float, Block]] = []
        y, first = 0.6 * type_.size, random.randrange(1, 40)
        for number in range(random.choice((1, 1, 2, 3))):
            mark = NOTE_SIGNS[number] if signs else str(first + number)
            if signs:
                self._marks.append(mark)
            block = self._note(mark, measure, type_)
            blocks.append((0.0, y, block))
            y += block.height + 0.2 * type_.size
        rule = Block(0.0, (Bar((0.0, 0.0, min(0.35 * measure, 110.0), 0.5)),), ())
        return stacked([(0.0, 0.0, rule), *blocks])

    def _note(self, mark: str, measure: float, type_: Type) -> Block:
        raised = Run(mark, 0.0, (ASCENT - 0.33) * type_.size, type_.face, half_points(0.7 * type_.size))
        indented = replace(type_, first=raised.area[2] + 0.3 * type_.size)
        lines = broken(
            narrow(indented.words(speech.statement(self.random)), indented, 0.9 * measure), indented, measure
        )
        runs = [raised, *set_lines(lines, indented, measure)]
        part = Part("footnote", f"{mark} {text_of(lines)}", areas(runs))
        return Block(type_.height(len(lines)), tuple(runs), (part,))
