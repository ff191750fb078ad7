"""Markdown and HTML to blocks.

Knows: CommonMark with GFM tables and formulas between dollar signs, HTML. Does not know: files, scores. Markup is taken
away, whatever it is; comments, pictures and the addresses of links say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import lxml.html
from lxml import etree
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from converters.markdown import NO_FORMULA
from doctags.tree import Cell
from smoldocling.evaluate.content import Block, Kind, item, table
from smoldocling.evaluate.tabular import latex_blocks

# A dollar sign that begins or ends a formula has no blank inside, and no digit behind its end: "$5 and $6" is money.
_INLINE_FORMULA = re.compile(r"\$(?!\s)((?:\\.|[^$\\])+?)(?<!\s)\$(?!\d)", re.DOTALL)
_FORMULA = re.compile(r"\s*(?:\$\$(.+?)\$\$|\\\[(.+?)\\\])\s*", re.DOTALL)
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HTML_TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL | re.IGNORECASE)
_EMPTY = re.compile(r"\n[ \t\n]*\n")
_HEADINGS = {f"h{level}": level - 1 for level in range(1, 7)}
_UNSEEN = frozenset({"script", "style", "head", "template", "noscript", "svg", "img", "colgroup"})
_INLINE = frozenset(
    "a abbr b bdi bdo cite code data del dfn em i ins kbd label mark q s samp small span strong sub sup time tt u "
    "var".split()
)


def markdown_blocks(text: str) -> tuple[Block, ...]:
    """The blocks of a Markdown document."""
    text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    # an empty line ends HTML in Markdown, but a table goes on until it ends; behind the last end nothing need be sought
    last = text.lower().rfind("</table>") + len("</table>")
    whole = (
        _HTML_TABLE.sub(lambda found: _EMPTY.sub("\n", found.group()), text[:last]) if "<table" in text.lower() else ""
    )
    tokens = _parser().parse(whole + text[last:] if whole else text)
    blocks: list[Block] = []
    place = 0
    level: int | None = None
    in_item = False
    while place < len(tokens):
        token = tokens[place]
        if token.type == "table_open":
            end = _end(tokens, place)
            blocks.append(table(_cells(tokens[place:end])))
            place = end
        elif token.type == "heading_open":
            level = int(token.tag[1]) - 1
        elif token.type == "list_item_open":
            in_item = True
        elif token.type == "inline":
            blocks += _paragraph(token, level, in_item)
            level, in_item = None, False
        elif token.type in {"fence", "code_block"}:
            blocks.append(Block("code", token.content.rstrip("\n")))
        elif token.type == "html_block" and NO_FORMULA in token.content:
            blocks.append(Block("formula", ""))
        elif token.type == "html_block":
            blocks += html_blocks(token.content)
        place += 1
    return tuple(block for block in blocks if block.text or block.cells or block.kind == "formula")


def html_blocks(text: str) -> list[Block]:
    """The blocks of an HTML document, or of a piece of one."""
    try:
        # the encoding of what comes as str is not what the document says it is
        root = lxml.html.fromstring(re.sub(r"\A\s*<\?xml[^>]*\?>", "", text))
    except (etree.ParserError, ValueError):
        return []
    walker = _Walker()
    walker.walk(root)
    walker.flush()
    return walker.blocks


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"])
    parser.inline.ruler.before("escape", "formula", _formula_rule)
    return parser


def _formula_rule(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "$":
        return False
    found = _INLINE_FORMULA.match(state.src, state.pos)
    if found is None or found.end() > state.posMax:
        return False
    if not silent:
        state.push("formula", "", 0).content = found.group(1)
    state.pos = found.end()
    return True


def _paragraph(token: Token, level: int | None, in_item: bool) -> list[Block]:
    """A paragraph; one or several formulas between two dollar signs each stand for themselves."""
    kind: Kind = "item" if in_item else "text"
    if level is not None:
        return [Block("heading", _text(token), level)]
    if "\\begin{tabular}" in token.content:
        return latex_blocks(token.content, _said_inline)
    if "$$" not in token.content and "\\[" not in token.content:
        return [item(_text(token)) if in_item else Block("text", _text(token))]
    blocks, start = [], 0
    for found in _FORMULA.finditer(token.content):
        blocks += _inline(token.content[start : found.start()], kind)
        blocks.append(Block("formula", (found.group(1) or found.group(2)).strip()))
        start = found.end()
    return blocks + _inline(token.content[start:], kind)


def _said_inline(text: str) -> str:
    return " ".join(_text(token) for token in _parser().parseInline(text))


def _inline(text: str, kind: Kind) -> list[Block]:
    return [Block(kind, _text(token)) for token in _parser().parseInline(text)] if text.strip() else []


def _text(token: Token) -> str:
    """What an inline token says, without its markup."""
    parts = []
    for child in token.children or ():
        if child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif child.type == "html_inline":
            parts.append(" " if child.content.lower().startswith("<br") else "")
        elif child.type in {"text", "code_inline", "formula"}:
            parts.append(child.content)
    return "".join(parts).strip()


def _end(tokens: Sequence[Token], start: int) -> int:
    return next(at for at in range(start, len(tokens)) if tokens[at].type == "table_close")


def _cells(tokens: Sequence[Token]) -> list[Cell]:
    cells: list[Cell] = []
    row, column = -1, 0
    for token in tokens:
        if token.type == "tr_open":
            row, column = row + 1, 0
        elif token.type == "inline":
            kind = "column_header" if row == 0 else "data"
            cells.append(Cell(row, column, _text(token), kind="column_header" if kind == "column_header" else "data"))
            column += 1
    return cells


class _Walker:
    """Goes through HTML and collects blocks; text that stands in none is one of its own."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._said: list[str] = []
        self._kind: Kind = "text"
        self._level = 0

    def flush(self) -> None:
        """End the paragraph."""
        text = "".join(self._said).strip()
        if text:
            text = " ".join(text.split())
            level = self._level if self._kind == "heading" else 0
            self.blocks.append(item(text) if self._kind == "item" else Block(self._kind, text, level))
        self._said, self._kind = [], "text"

    def walk(self, element: etree._Element) -> None:
        """An element and what is in it, not what is behind it."""
        # comments and processing instructions have a function for a tag
        tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
        # where there is no picture, our HTML says that there would be one
        if not tag or tag in _UNSEEN or (element.get("class") == "picture" and not len(element)):
            return
        if tag == "br":
            self._said.append("\n")
        elif tag == "math":
            self._math(element)
        elif tag == "pre":
            self._block(Block("code", "".join(map(str, element.itertext())).strip("\n")))
        elif tag == "table":
            self._block(*self._captions(element), table(html_cells(element)))
        elif tag in _INLINE:
            self._inside(element)
        else:
            self.flush()
            if tag in _HEADINGS:
                self._kind, self._level = "heading", _HEADINGS[tag]
            elif tag == "li":
                self._kind = "item"
            self._inside(element)
            self.flush()

    def _inside(self, element: etree._Element) -> None:
        self._said.append(element.text or "")
        for child in element:
            self.walk(child)
            self._said.append(child.tail or "")

    def _block(self, *blocks: Block) -> None:
        self.flush()
        self.blocks += [block for block in blocks if block.text or block.cells]

    def _math(self, element: etree._Element) -> None:
        latex = next((str(note.text or "") for note in element.iter() if _is_tex(note)), None)
        text = latex if latex is not None else " ".join("".join(map(str, element.itertext())).split())
        if element.get("display") == "block":
            self._block(Block("formula", text))
        else:
            self._said.append(text)

    def _captions(self, element: etree._Element) -> list[Block]:
        return [Block("text", text) for caption in element.iter("caption") if (text := said(caption))]


def _is_tex(element: etree._Element) -> bool:
    name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    return name == "annotation" and "tex" in (element.get("encoding") or "")


def said(element: etree._Element) -> str:
    """All text in an element: its paragraphs, one after the other."""
    walker = _Walker()
    walker._inside(element)
    walker.flush()
    return " ".join(block.text for block in walker.blocks)


def html_cells(element: etree._Element) -> list[Cell]:
    """The cells of a table; what one covers pushes others aside, as in a browser. Tables in cells are text."""
    taken: set[tuple[int, int]] = set()
    cells: list[Cell] = []
    rows = [row for row in element.iter("tr") if next(row.iterancestors("table")) is element] or [element]
    for at, row in enumerate(rows):
        column = 0
        for cell in row.iterchildren("td", "th"):
            while (at, column) in taken:
                column += 1
            # a span reaches to the last row at most
            tall = min(_span(cell, "rowspan") or len(rows), len(rows) - at)
            wide = _span(cell, "colspan") or 1
            cells.append(Cell(at, column, said(cell), tall, wide, "column_header" if cell.tag == "th" else "data"))
            taken |= {(at + down, column + right) for down in range(tall) for right in range(wide)}
    return cells


def _span(cell: etree._Element, name: str) -> int:
    digits = re.match(r"\s*(\d{1,4})", cell.get(name) or "1")
    return min(int(digits.group(1)), 1000) if digits else 1
