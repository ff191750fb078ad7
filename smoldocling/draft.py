"""What a page's own text layer says that the model will write: a text layer to token ids.

Knows: trees, how the published models spell them. Does not know: tensors, engines, how a draft is used.
Law: if the text layer is right and the model reads without a mistake, the draft is the model's answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import doctags
from doctags import lexer
from doctags.tokens import KINDS, NUMBERED
from doctags.tree import GRID, Box, Cell, Element, Page
from smoldocling import sense

if TYPE_CHECKING:
    from smoldocling.pages.textlayer import Reading
    from smoldocling.pages.words import Words
    from smoldocling.vocab import Vocab

# With pictures on more of the page than this, what is written in them may be longer than all that the file says.
MOST_PICTURES = 0.25


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of checkpoints writes, beyond the tags that its vocabulary has.

    sign    a token that its chat template is made of
    lead    what it writes before <doctag>
    nested  lists stand in lists
    """

    name: str
    sign: str
    lead: str = ""
    nested: bool = True


# SmolDocling's template ends in "Assistant:", and its answers go on with a blank (docling-core's page_with_pic.dt).
DIALECTS = (
    Dialect("granite", "<|start_of_role|>"),
    Dialect("smoldocling", "", lead=" ", nested=False),
)

# Docling wrote the texts that these models learnt from, and it writes one sign where typography has several.
PLAIN_SIGNS = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ₀₁₂₃₄₅₆₇₈₉", "0123456789+-=()n0123456789", strict=True)),
        "\u2022": "\u00b7",
        "\u2044": "/",
        "\u2026": "...",
        "\u00a0": " ",
        "\u00ad": "",
    }
)

LABELS = {"code": "unknown", "picture": "other", "chart": "other"}
"""Kind of element -> the class or language of one that the text layer knows none for: the models always write one."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model is believed to write for a page.

    ids     the whole answer, `</doctag>` at its end
    extra   words that stand on the page but not in the answer, as the labels of a figure: parts of it may be written
    length  how many ids the answer has at most, if the model writes all of that; None where there is more to see than
            the text layer says
    """

    ids: tuple[int, ...]
    extra: tuple[int, ...] = ()
    length: int | None = None


def draft(reading: Reading, vocab: Vocab) -> Draft | None:
    """The draft of one page for one checkpoint; None where there is no text layer that makes sense."""
    if reading.kind != "text" or reading.words is None or sense.doubt(reading.words) is not None:
        return None
    ids = vocab.spell(pieces(spelt(reading.page, vocab)))
    extra = vocab.plain("\n".join(_left_over(reading.page, reading.words)).translate(PLAIN_SIGNS))
    drawn = sum(_area(element.box) for element in reading.page.elements if element.kind == "picture")
    length = None if drawn > MOST_PICTURES * GRID * GRID else len(ids) + len(extra)
    return Draft(ids, extra, length)


def spelt(page: Page, vocab: Vocab) -> str:
    """The text layer's page as DocTags in the words of one checkpoint; text that is spelt like a tag is guarded."""
    dialect = next(row for row in DIALECTS if not row.sign or vocab.has(row.sign))
    writer = _Writer(dialect, vocab)
    return dialect.lead + doctags.write(Page(tuple(writer.elements(page.elements))))


class _Writer:
    """Trees as a model sees them."""

    def __init__(self, dialect: Dialect, vocab: Vocab) -> None:
        self._dialect = dialect
        # a vocabulary without any tag spells them all
        self._unknown = {kind for kind in KINDS if not vocab.has(f"<{kind}>")} if vocab.has("<text>") else set()
        # numbered tags are never one id: headings are known to all, keys and values where their region is
        self._unknown -= {"section_header"} if "key_value_region" in self._unknown else set(NUMBERED)

    def elements(self, elements: Iterable[Element]) -> Iterator[Element]:
        for element in elements:
            if element.kind in self._unknown:
                yield from self._unwrapped(element)
            elif element.kind in ("ordered_list", "unordered_list") and not self._dialect.nested:
                yield replace(element, children=tuple(self._flat(element)))
            else:
                yield self._element(element)

    def _element(self, element: Element) -> Element:
        return replace(
            element,
            text=element.text.translate(PLAIN_SIGNS),
            label=element.label or LABELS.get(element.kind),
            cells=tuple(self._cell(cell) for cell in element.cells),
            children=tuple(self.elements(element.children)),
        )

    def _cell(self, cell: Cell) -> Cell:
        """The models write no boxes for cells."""
        children = tuple(self.elements(cell.children))
        return replace(cell, text=cell.text.translate(PLAIN_SIGNS), box=None, children=children)

    def _unwrapped(self, element: Element) -> Iterator[Element]:
        """Its content without its tag."""
        if element.text:
            yield Element("text", element.text.translate(PLAIN_SIGNS), element.boxes)
        yield from self.elements(child for child in element.children if child.kind != "link")

    def _flat(self, items: Element) -> Iterator[Element]:
        """The items of a list and of the lists in them, in order."""
        for item in items.children:
            inner = [child for child in item.children if child.kind in ("ordered_list", "unordered_list")]
            others = tuple(child for child in item.children if child not in inner)
            yield self._element(replace(item, children=others))
            for deeper in inner:
                yield from self._flat(deeper)


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Tags and texts of canonical DocTags; a class or language is a tag only where one may stand."""
    label = ""
    for token in lexer.tokens(text):
        role = token.tag.role if token.tag else ""
        if role in ("class", "language") and role != label:
            role = ""
        yield token.text, bool(role)
        if role == "open" and token.tag is not None:
            label = KINDS[token.tag.kind].label
        elif role != "loc":
            label = ""


def _left_over(page: Page, words: Words) -> Iterator[str]:
    """Lines of the text layer of which most words are not in the tree."""
    told = Counter(word for text in _texts(page.elements) for word in text.split())
    line: list[str] = []
    missing = 0
    at = -1
    for word in words.all:
        if word.line != at:
            if missing * 2 > len(line):
                yield " ".join(line)
            line, missing, at = [], 0, word.line
        line.append(word.text)
        if told[word.text] > 0:
            told[word.text] -= 1
        else:
            missing += 1
    if missing * 2 > len(line):
        yield " ".join(line)


def _texts(elements: Iterable[Element]) -> Iterator[str]:
    for element in elements:
        yield element.text
        for cell in element.cells:
            yield cell.text
            yield from _texts(cell.children)
        yield from _texts(element.children)


def _area(box: Box | None) -> int:
    return (box.x1 - box.x0) * (box.y1 - box.y0) if box else 0
