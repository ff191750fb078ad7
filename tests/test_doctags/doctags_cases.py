"""What the DocTags tests share: fixtures on paper, random texts, random walks.

A fixture is two files: NAME.dt, a DocTags text, and NAME.tree, its tree as an outline with its problems.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st

import doctags
from doctags import Box, Cell, Document, Element
from doctags.grammar import CLASS, CLASS_TAGS, LANGUAGE, LOC, SPACE, START, TEXT, State
from doctags.lexer import tokens
from doctags.tokens import GUARD, LANGUAGES, LAYOUT, PREFIX, TAGS

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.dt"))


def source(name: str) -> str:
    """The text of a fixture, without the line feed that ends the file."""
    return (FIXTURES / f"{name}.dt").read_text(encoding="utf-8").removesuffix("\n")


def outline(document: Document) -> str:
    """A tree as one line for each element and cell, and one for each problem."""
    lines: list[str] = []
    for page in document.pages:
        lines.append(f"page {page.number}")
        lines += [line for element in page.elements for line in _element(element, "  ")]
    lines += [
        f"{found.severity} {found.kind} {found.line}:{found.column} {found.message}" for found in document.problems
    ]
    return "".join(f"{line}\n" for line in lines)


def _element(element: Element, indent: str) -> Iterator[str]:
    level = f" level={element.level}" if element.level is not None else ""
    label = f" label={element.label}" if element.label is not None else ""
    ref = f" ref={element.ref}" if element.ref is not None else ""
    yield f"{indent}{element.kind}{level}{label}{ref}{_boxes(element.boxes)}{_text(element.text)}"
    for cell in element.cells:
        yield from _cell(cell, f"{indent}  ")
    for child in element.children:
        yield from _element(child, f"{indent}  ")


def _cell(cell: Cell, indent: str) -> Iterator[str]:
    spans = f" {cell.row_span}x{cell.column_span}" if (cell.row_span, cell.column_span) != (1, 1) else ""
    box = _boxes((cell.box,) if cell.box else ())
    yield f"{indent}({cell.row},{cell.column}){spans} {cell.kind}{box}{_text(cell.text)}"
    for child in cell.children:
        yield from _element(child, f"{indent}  ")


def _boxes(boxes: tuple[Box, ...]) -> str:
    return "".join(f" [{box.x0} {box.y0} {box.x1} {box.y1}]" for box in boxes)


def _text(text: str) -> str:
    return f" {json.dumps(text, ensure_ascii=False).replace(GUARD, '(guard)')}" if text else ""


def texts(document: Document) -> Iterator[str]:
    """Every text in a tree, in reading order."""
    for page in document.pages:
        for element in page.elements:
            yield from _texts(element)


def _texts(element: Element) -> Iterator[str]:
    yield element.text
    for cell in element.cells:
        yield cell.text
        for child in cell.children:
            yield from _texts(child)
    for child in element.children:
        yield from _texts(child)


def _words(text: str) -> list[str]:
    return text.split()


_TAGS = [tag.spelling for tag in TAGS.values() if tag.role not in ("loc", "class", "language")]
_COMMON = _words("""
    <doctag> </doctag> <page_break> <text> </text> <section_header_level_1> </section_header_level_2> <list_item>
    </list_item> <unordered_list> </unordered_list> <ordered_list> </ordered_list> <otsl> </otsl> <fcel> <ecel> <ched>
    <lcel> <ucel> <xcel> <nl> <caption> </caption> <picture> </picture> <inline> </inline> <code> </code> <formula>
    </formula> <key_value_region> </key_value_region> <key_1> </key_1> <value_2> </value_2> <link_2> <link_9> <chart>
    <other> <table> <map> <bar_chart> <_Python_> <_C++_>
    <loc_0> <loc_7> <loc_123> <loc_500> <loc_501> <loc_1><loc_2><loc_30><loc_40> <loc_5><loc_6><loc_7><loc_8>
""")
_ODD = [
    "<",
    ">",
    "</",
    "<loc_",
    "<loc_5",
    "vector<int>",
    "a < b",
    "p<0.05",
    "<foo>",
    f"<{GUARD}text>",
    f"<{GUARD * 2}/otsl>",
]
_ODD += [GUARD, " ", "\n", "\t", "\u00a0", "\u3000", "&amp;", "\x00", "\ud800", PREFIX, "x", "two words", "字", "…"]

FRAGMENTS = [*_COMMON * 3, *_TAGS, *_ODD * 2]
"""What texts are drawn from: common tags often, all others sometimes, and much that only looks like a tag."""

ragged_texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=40).map("".join)
"""DocTags fragments in any order: nearly all of it broken in some way."""

cuts = st.lists(st.integers(0, 200), max_size=12)
"""Where to cut a text into chunks."""


def chunks(text: str, at: list[int]) -> list[str]:
    """The text in pieces."""
    edges = [0, *sorted(min(cut, len(text)) for cut in at), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]


def streamed_in(pieces: Iterable[str]) -> Document:
    """The tree of a text that arrives in pieces."""
    parser = doctags.Parser()
    for piece in pieces:
        parser.feed(piece)
    return parser.close()


def walk(chance: random.Random, steps: int, state: State = START) -> tuple[list[str], State]:
    """Go wherever the grammar lets one go. Returns what was written, and where that leads."""
    written: list[str] = []
    for _ in range(steps):
        terminals = sorted(state.allowed())
        if not terminals:
            break
        terminal = chance.choice(terminals)
        if terminal == "</doctag>" and chance.random() < 0.9:
            continue  # else most walks are short
        symbol = spelling(chance, state, terminal)
        state = state.advance(symbol)
        written.append({TEXT: chance.choice(["word", "two words", " 5 < 6 "]), SPACE: "\n"}.get(symbol, symbol))
    return written, state


def spelling(chance: random.Random, state: State, terminal: str) -> str:
    """One spelling of a terminal."""
    if terminal == LOC:
        return f"<loc_{chance.choice(state.locations)}>"
    if terminal == CLASS:
        return chance.choice(sorted(CLASS_TAGS))
    if terminal == LANGUAGE:
        return f"<_{chance.choice(LANGUAGES)}_>"
    return terminal.replace("_N>", f"_{chance.randrange(30)}>")


def visible(text: str) -> str:
    """The characters that are not layout."""
    return "".join(character for character in text if character not in LAYOUT)


def real_outputs(shared: Path) -> list[str]:
    """What models and docling wrote, where it is at hand."""
    return [path.read_text(encoding="utf-8") for path in sorted(shared.glob("do*/*.dt"))]


def damaged(chance: random.Random, originals: list[str], longest: int = 2_000) -> str:
    """A stretch of an original after one to twelve accidents."""
    original = chance.choice(originals)
    begin = chance.randrange(max(len(original) - longest, 1))
    text = original[begin : begin + longest] if chance.random() < 0.8 else original[:longest]
    for _ in range(chance.randint(1, 12)):
        text = _accident(chance, text, originals)
    return text


def _accident(chance: random.Random, text: str, originals: list[str]) -> str:
    at = chance.randint(0, len(text))
    to = min(len(text), at + chance.choice([1, 2, 8, 30, 200]))
    match chance.randrange(8):
        case 0:
            return text[:at] + text[to:]
        case 1:
            return text[:to] + text[at:]
        case 2:
            return text[:at] + chance.choice(FRAGMENTS) + text[at:]
        case 3:
            return text[:at] + chance.choice(FRAGMENTS) + text[to:]
        case 4:
            other = chance.choice(originals)
            start = chance.randint(0, len(other))
            return text[:at] + other[start : start + 100] + text[to:]
        case 5:
            return text[at:to] + text[:at] + text[to:]
        case 6:
            return text.replace(chance.choice(FRAGMENTS), chance.choice(FRAGMENTS), 1)
        case _:
            return text[:at] + chr(chance.choice([0, 10, 60, 62, 47, 0x2060, chance.randrange(0x11_0000)])) + text[at:]


def survives(chance: random.Random, text: str) -> bool:
    """All laws at once for one text."""
    tree = doctags.parse(text)
    some = [chance.randrange(len(text) + 1) for _ in range(chance.randint(0, 40))]
    streamed = streamed_in(chunks(text, some) if chance.random() < 0.7 else [*text])
    canonical = doctags.write(tree, pretty=chance.random() < 0.5)
    doctags.validate(text)
    said = Counter(visible("".join(token.text for token in tokens(text) if token.tag is None).replace(PREFIX, "")))
    return (
        repr(streamed) == repr(tree)
        and doctags.parse(canonical) == tree
        and START.follow(canonical).complete
        and not said - Counter("".join(texts(tree)))
    )
