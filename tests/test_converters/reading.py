"""How the tests read Markdown back: markdown-it with tables, strikethrough and, as an option, dollar math."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from converters.blocks import (
    Block,
    Code,
    Fields,
    Figure,
    Formula,
    Grid,
    Heading,
    Listing,
    Paragraph,
    Runs,
    Table,
    plain,
)
from converters.latex import dollar_safe
from converters.pictures import alt_text


def _math(state: StateInline, silent: bool) -> bool:
    """`$$...$$` and `$...$` as pandoc and GitHub read them; a backslash keeps a dollar from closing."""
    if state.src[state.pos] != "$":
        return False
    mark = "$$" if state.src.startswith("$$", state.pos) else "$"
    start = at = state.pos + len(mark)
    while at < state.posMax and not state.src.startswith(mark, at):
        at += 2 if state.src[at] == "\\" else 1
    content = state.src[start:at]
    if at >= state.posMax or not content:
        return False
    after = state.src[at + 1 : at + 2]
    if mark == "$" and (content[0].isspace() or content[-1].isspace() or after.isdigit()):
        return False
    if not silent:
        state.push("math", "", 0).content = content
    state.pos = at + len(mark)
    return True


def reader(*, math: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    if math:
        parser.inline.ruler.before("escape", "math", _math)
    return parser


@dataclass
class Reading:
    """What is in a Markdown text, or what should be."""

    headings: Counter[tuple[int, str]] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    code: Counter[str] = field(default_factory=Counter)
    math: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    items: int = 0
    tables: int = 0
    strong: int = 0
    html: Counter[str] = field(default_factory=Counter)
    odd: Counter[str] = field(default_factory=Counter)


BLOCK_TOKENS = ("paragraph", "bullet_list", "ordered_list", "list_item", "table", "thead", "tbody", "tr", "th", "td")
EXPECTED_TOKENS = frozenset(
    {f"{name}_open" for name in (*BLOCK_TOKENS, "heading", "link", "strong")}
    | {"inline", "fence", "html_block", "text", "code_inline", "math", "image", "hardbreak"}
)


def read(markdown: str, *, math: bool = True) -> Reading:
    found = Reading()
    tokens = reader(math=math).parse(markdown)
    level = None
    for token in tokens:
        found.odd[token.type] += token.type not in EXPECTED_TOKENS and not token.type.endswith("_close")
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "inline":
            text = _inline(token.children or [], found)
            if level is not None:
                found.headings[level, text] += 1
            elif text:
                found.words[text] += 1
            level = None
        elif token.type == "fence":
            found.code[token.content.removesuffix("\n")] += 1
        elif token.type == "html_block":
            found.html[token.content.split("\n")[0]] += 1
        found.items += token.type == "list_item_open"
        found.tables += token.type == "table_open"
    found.odd += Counter()
    return found


def _inline(children: Iterable[Token], found: Reading) -> str:
    text = ""
    for token in children:
        found.odd[token.type] += token.type not in EXPECTED_TOKENS and not token.type.endswith("_close")
        if token.type == "math":
            found.math[token.content] += 1
        elif token.type == "link_open":
            found.links[str(token.attrs["href"])] += 1
        elif token.type == "image":
            found.images[token.content] += 1
        elif token.type == "strong_open":
            found.strong += 1
        if token.type in {"text", "code_inline"}:
            text += token.content
        elif token.type in {"hardbreak", "softbreak"}:
            text += "\n"
        elif token.type == "math":
            text += "$"
    return text


def expected(blocks: Iterable[Block]) -> Reading:
    """What a reader should find in the Markdown of these blocks."""
    reading = Reading()
    for block in blocks:
        _expect(block, reading)
    for counter in (reading.words, reading.headings):
        for key in [key for key in counter if not (key if isinstance(key, str) else True)]:
            del counter[key]
    return reading


def _expect(block: Block, reading: Reading) -> None:
    match block:
        case Heading():
            reading.headings[block.level, _said(block.runs, reading)] += 1
        case Paragraph():
            reading.words[_said(block.runs, reading)] += 1
        case Listing():
            _expect_items(block, reading)
        case Table():
            _expect_grid(block.grid, reading)
        case Figure():
            _expect_figure(block, reading)
        case Code():
            reading.code[block.text] += 1
        case Formula() if latex := dollar_safe(block.latex):
            reading.math[latex] += 1
            reading.words["$"] += 1
        case Formula():
            reading.html["<!-- formula-not-decoded -->"] += 1
        case Fields():
            for entry in block.fields:
                reading.items += 1
                reading.strong += bool(entry.key)
                key, values = _said(entry.key, reading), ", ".join(_said(value, reading) for value in entry.values)
                reading.words[" ".join(part for part in (key, values) if part)] += 1
    if isinstance(block, Table | Figure | Code | Formula):
        for caption in block.captions:
            reading.words[_said(caption.runs, reading)] += 1


def _expect_items(block: Listing, reading: Reading) -> None:
    for item in block.items:
        reading.items += 1
        marker = {"label": item.marker.text, "box": "[x]" if item.marker.checked else "[ ]"}.get(item.marker.kind, "")
        reading.words[" ".join(part for part in (marker, _said(item.runs, reading)) if part)] += 1
        for inner in item.blocks:
            _expect(inner, reading)


def _expect_figure(block: Figure, reading: Reading) -> None:
    if block.picture is None:
        reading.html["<!-- image -->"] += 1
    else:
        reading.images[alt_text(block.label, [plain(caption.runs) for caption in block.captions])] += 1
    for smiles in block.smiles:
        reading.words[f"SMILES: {smiles}"] += 1
    if block.grid is not None:
        _expect_grid(block.grid, reading)
    for inner in block.blocks:
        _expect(inner, reading)


def _expect_grid(grid: Grid, reading: Reading) -> None:
    if not grid.slots:
        return
    if not grid.is_plain:
        reading.html["<table>"] += 1
        return
    reading.tables += 1
    for slot in grid.slots:
        reading.words[_said(slot.runs, reading)] += 1


def _said(runs: Runs, reading: Reading) -> str:
    text = ""
    for run in runs:
        if run.kind != "formula":
            text += run.text
        elif latex := dollar_safe(run.text):
            reading.math[latex] += 1
            text += "$"
    return text
