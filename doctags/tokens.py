"""Every tag of DocTags, one row each.

Knows: how tags are spelt, what each is for, which dialect writes it. Does not know: which may stand where (grammar).
Only what is listed here is a tag; `<` anywhere else is text. A new tag is a new row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from doctags.tree import GRID

Role = Literal["open", "close", "cell", "row", "loc", "class", "language", "link", "page", "root", "unroot", "frame"]
TextMode = Literal["own", "text", "list_item", "caption"]
LabelMode = Literal["class", "language", ""]
DialectName = Literal["granite", "smoldocling"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of element.

    name    as in the tree
    text    where characters directly inside it go. "own": to the element itself (behind a child: to a child of kind
            "text"); any other: they should not be there, and go to a child of that kind
    family  a closing tag of the same family closes it where none of its own comes
    cells   may hold <fcel>, <nl> and so on directly
    label   what may stand between its boxes and its content
    lines   canonical form puts a line break behind each of its children
    smoldocling  SmolDocling-256M-preview knows the tag too
    """

    name: str
    text: TextMode = "own"
    family: str = ""
    cells: bool = False
    label: LabelMode = ""
    lines: bool = False
    smoldocling: bool = True


# fmt: off
KINDS: dict[str, Kind] = {kind.name: kind for kind in (
    Kind("title",               family="heading"),
    Kind("section_header",      family="heading"),
    Kind("text",                family="prose"),
    Kind("paragraph",           family="prose"),
    Kind("reference"),
    Kind("handwritten_text",    smoldocling=False),
    Kind("footnote"),
    Kind("caption"),
    Kind("page_header",         family="furniture"),
    Kind("page_footer",         family="furniture"),
    Kind("checkbox_selected",   family="checkbox"),
    Kind("checkbox_unselected", family="checkbox"),
    Kind("formula"),
    Kind("code",                label="language"),
    Kind("smiles"),
    Kind("ordered_list",        "list_item", family="list", lines=True),
    Kind("unordered_list",      "list_item", family="list", lines=True),
    Kind("list_item"),
    Kind("inline",              "text", lines=True, smoldocling=False),
    Kind("otsl",                "caption", family="table", cells=True),
    Kind("document_index",      "caption", family="table", cells=True),
    Kind("picture",             "caption", family="picture", cells=True, label="class"),
    Kind("chart",               "caption", family="picture", cells=True, label="class"),
    Kind("key_value_region",    "text"),
    Kind("key",                 family="entry"),
    Kind("value",               family="entry"),
    Kind("form",                "text", lines=True),
    Kind("group",               "text", lines=True, smoldocling=False),
    Kind("references",          "text", lines=True, smoldocling=False),
    Kind("link",                "text"),
    # The next two are places, not tags: a page, and a table cell from its token to the next.
    Kind("page",                "text", lines=True),
    Kind("cell"),
)}
# fmt: on

PLACES = ("page", "cell")
"""Kinds that are no elements."""
NUMBERED = ("section_header", "key", "value", "link")
"""Kinds whose tags carry a number."""

ALIASES = {"table": "otsl"}
"""Tag names that docling-core lists, but never writes, and the kind that they stand for."""

LEVELS = range(7)
"""<section_header_level_N>: docling-core lists 0..5, its reader takes 1..6, granite has 1..6. 0 is read as 1."""

CELLS: dict[str, str] = {
    "fcel": "full cell",
    "ecel": "empty cell",
    "lcel": "continues the cell on its left",
    "ucel": "continues the cell above",
    "xcel": "continues the cell above on the left",
    "ched": "column header",
    "rhed": "row header",
    "srow": "section row",
}
CELL_ALIASES = {"data": "fcel", "column_header": "ched", "row_header": "rhed", "shed": "srow"}
"""Names that docling-core keeps from an older format."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CLASSES = _names("""
    bar_chart box_plot flow_chart line_chart pie_chart scatter_plot table full_page_image page_thumbnail photograph
    chemistry_structure bar_code icon logo qr_code signature stamp engineering_drawing screenshot_from_computer
    screenshot_from_manual geographical_map topographical_map calendar crossword_puzzle music other
    cad_drawing chart decoration electrical_diagram map heatmap illustration infographic chemistry_markush_structure
    chemistry_molecular_structure natural_image person picture_group remote_sensing scatter_chart screenshot
    stacked_bar_chart stratigraphic_chart ui_element
    line dot_line vbar_categorical hbar_categorical
""")
"""Picture classes: docling's classifier, its older form, and the names from the plots that SmolDocling learnt on."""

LANGUAGES = _names("""
    Ada Awk Bash bc C C# C++ CMake COBOL CSS Ceylon Clojure Crystal Cuda Cython D Dart dc Dockerfile Elixir Erlang
    FORTRAN Forth Go HTML Haskell Haxe Java JavaScript Julia Kotlin Lisp Lua Matlab MoonScript Nim OCaml ObjectiveC
    Octave PHP Pascal Perl Prolog Python Racket Ruby Rust SML SQL Scala Scheme Swift TypeScript unknown VisualBasic XML
    YAML
""")

FRAMES = (
    "end_of_utterance",
    "|end_of_text|",
    "|im_start|",
    "|im_end|",
    "|endoftext|",
    "|start_of_role|",
    "|end_of_role|",
    "|pad|",
)
"""What the models' chat templates put around an answer."""

PREFIX = "Assistant:"
"""What SmolDocling's chat template leaves in front of <doctag>."""

LAYOUT = " \t\r\n"
"""White space that stands between tags for the reader's sake."""

GUARD = "\u2060"
"""WORD JOINER, invisible. Behind the `<` of what would be a tag it makes it text; reading takes one away again."""

MAX_NUMBER_DIGITS = 9
"""A longer number is no number of a key, and <loc_...> with it is text."""


@dataclass(frozen=True, slots=True, eq=False)
class Tag:
    """One spelling.

    spelling  with its angle brackets
    role      what the parser does with it
    kind      of the element that it opens or closes; the cell's name, the class, the language; else ""
    number    level, or the N of loc, key, value, link
    """

    spelling: str
    role: Role
    kind: str = ""
    number: int | None = None


def _rows() -> Iterator[Tag]:
    for name in CLASSES:
        yield Tag(f"<{name}>", "class", name)
    for name in LANGUAGES:
        yield Tag(f"<_{name}_>", "language", name)
    for name in CELLS:
        yield Tag(f"<{name}>", "cell", name)
    for name, cell in CELL_ALIASES.items():
        yield Tag(f"<{name}>", "cell", cell)
    for name in FRAMES:
        yield Tag(f"<{name}>", "frame")
    for number in range(GRID + 1):
        yield Tag(f"<loc_{number}>", "loc", number=number)
    for level in LEVELS:
        yield from _pair(f"section_header_level_{level}", "section_header", max(level, 1))
    # These come after the classes: <table> and <chart> are both, and the parser asks for a class where one may stand.
    for kind in KINDS:
        if kind not in (*PLACES, *NUMBERED):
            yield from _pair(kind, kind)
    for name, kind in ALIASES.items():
        yield from _pair(name, kind)
    yield Tag("<nl>", "row")
    yield Tag("<page_break>", "page")
    yield Tag("</page_break>", "close", "page_break")
    yield Tag("<doctag>", "root")
    yield Tag("</doctag>", "unroot")


def _pair(name: str, kind: str, number: int | None = None) -> tuple[Tag, Tag]:
    return Tag(f"<{name}>", "open", kind, number), Tag(f"</{name}>", "close", kind, number)


TAGS: dict[str, Tag] = {tag.spelling: tag for tag in _rows()}
"""Every tag but the numbered ones of which there are too many to list."""

_NUMBERED = re.compile(rf"<(/?)(loc|key|value|link)_([0-9]{{1,{MAX_NUMBER_DIGITS}}})>")


@lru_cache(maxsize=4096)
def _numbered(spelling: str) -> Tag | None:
    match = _NUMBERED.fullmatch(spelling)
    if match is None:
        return None
    slash, name, digits = match.groups()
    if name in ("loc", "link"):
        return (
            None
            if slash
            else Tag(spelling, "loc" if name == "loc" else "link", "" if name == "loc" else "link", int(digits))
        )
    return Tag(spelling, "close" if slash else "open", name, int(digits))


def lookup(spelling: str) -> Tag | None:
    """The tag of that spelling, or None where it is text."""
    tag = TAGS.get(spelling)
    return _numbered(spelling) if tag is None else tag


def spell(kind: str, number: int | None = None) -> str:
    """The name inside the tags of an element of that kind: spell("section_header", 2) == "section_header_level_2"."""
    if kind == "section_header":
        return f"section_header_level_{number or 1}"
    return f"{kind}_{number or 0}" if kind in NUMBERED else kind
