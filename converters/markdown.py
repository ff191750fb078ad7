"""Blocks as CommonMark with GFM tables, as a person would write them.

Knows: blocks. Does not know: trees. Merged cells are HTML tables, because GFM has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from converters.blocks import (
    Block,
    Code,
    Fields,
    Figure,
    Formula,
    Grid,
    Heading,
    Item,
    Listing,
    PageBreak,
    Paragraph,
    Run,
    Runs,
    Slot,
    Table,
    plain,
)
from converters.escape import Piece, escape
from converters.languages import fence_name
from converters.latex import dollar_safe
from converters.outline import outline
from converters.pictures import Picture, alt_text
from doctags.tree import Document, Page

# Docling's placeholders: who reads its Markdown knows them.
NO_PICTURE = "<!-- image -->"
NO_FORMULA = "<!-- formula-not-decoded -->"
# Two lists in a row would be one.
BETWEEN_LISTS = "<!-- -->"

_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9./?=#%:;,~+@_-]+")


def to_markdown(
    document: Document | Page,
    *,
    pictures: Mapping[tuple[int, int], Picture] | None = None,
    furniture: bool = False,
    page_break: str | None = None,
) -> str:
    """The document as Markdown, ending in a newline unless it is empty.

    pictures    (page number, n-th picture of the page) -> its file; others become a comment
    furniture   keep page headers and footers
    page_break  a line to stand between two pages, as it is
    """
    parts: list[tuple[Block, str]] = []
    for block in outline(document, pictures=pictures, furniture=furniture):
        text = (page_break or "") if isinstance(block, PageBreak) else _block(block)
        if text:
            parts.append((block, text))
    return _stacked(parts) + "\n" if parts else ""


def _stacked(parts: Sequence[tuple[Block, str]]) -> str:
    """Blocks with an empty line between them, and a comment between two lists."""
    lines: list[str] = []
    before: Block | None = None
    for block, text in parts:
        if isinstance(before, Listing | Fields) and isinstance(block, Listing | Fields):
            lines.append(BETWEEN_LISTS)
        lines.append(text)
        before = block
    return "\n\n".join(lines)


def _block(block: Block) -> str:
    match block:
        case Heading():
            return "#" * block.level + " " + inline(block.runs, place="heading")
        case Paragraph():
            return inline(block.runs)
        case Listing():
            return _listing(block)
        case Table():
            return _with_captions(block, _grid(block.grid))
        case Figure():
            return _with_captions(block, *_figure(block))
        case Code():
            return _with_captions(block, _fenced(block))
        case Formula():
            latex = dollar_safe(block.latex)
            return _with_captions(block, f"$${latex}$$" if latex else NO_FORMULA)
        case Fields():
            return "\n".join(_field(field.key, field.values) for field in block.fields)
        case PageBreak():
            return ""


def inline(runs: Runs, *, place: str = "paragraph") -> str:
    """A paragraph, heading or cell. Two spaces before a line end keep it."""
    return escape([piece for run in runs for piece in _pieces(run)], place=place).replace("\n", "  \n")


def _pieces(run: Run) -> list[Piece]:
    if run.kind == "code":
        return [Piece(_code_span(run.text), markup=True)]
    if run.kind == "formula":
        latex = dollar_safe(run.text)
        return [Piece(f"${latex}$", markup=True)] if latex else []
    if run.href is None:
        return [Piece(run.text)]
    if run.text == run.href and _PLAIN_URL.fullmatch(run.href):
        return [Piece(f"<{run.href}>", markup=True)]
    lead, text, trail = _padding(run.text)
    link = [Piece("[", markup=True), Piece(text, in_link=True), Piece(f"]({_address(run.href)})", markup=True)]
    return [Piece(lead), *link, Piece(trail)]


def _padding(text: str) -> tuple[str, str, str]:
    inner = text.strip()
    start = text.index(inner)
    return text[:start], inner, text[start + len(inner) :]


def _address(href: str) -> str:
    """A link target that no character of can end or be an entity; what was encoded stays as it was."""
    return quote(href, safe="%/:?#@!'*+,;=~-._&").replace("&", "%26" if ";" in href else "&")


def _code_span(code: str) -> str:
    ticks = "`" * _longer(code, "`")
    pad = " " if code.startswith("`") or code.endswith("`") or (code.strip() and code[0] == code[-1] == " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _longer(text: str, char: str, least: int = 1) -> int:
    return max([least - 1, *map(len, re.findall(re.escape(char) + "+", text))]) + 1


def _fenced(block: Code) -> str:
    fence = "`" * _longer(block.text, "`", 3)
    return f"{fence}{fence_name(block.language)}\n{block.text}\n{fence}"


def _with_captions(block: Table | Figure | Code | Formula, *parts: str) -> str:
    captions = [inline(caption.runs) for caption in block.captions]
    body = [part for part in parts if part]
    return "\n\n".join([*captions, *body] if block.caption_first else [*body, *captions])


def _field(key: Runs, values: Sequence[Runs]) -> str:
    pieces = (
        [Piece("**", markup=True), *(p for run in key for p in _pieces(run)), Piece("**", markup=True)] if key else []
    )
    for number, value in enumerate(values):
        pieces.append(Piece(" " if pieces and not number else ", " if number else ""))
        pieces.extend(piece for run in value for piece in _pieces(run))
    return "- " + escape(pieces, place="item")


def _listing(listing: Listing) -> str:
    parts: list[str] = []
    before: int | None = None
    for item in listing.items:
        number = item.marker.number if item.marker.kind == "number" else None
        if parts:
            # CommonMark counts on by itself; another number needs another list.
            counts_on = before is None or number is None or number == before + 1
            parts.append("\n" if counts_on else f"\n\n{BETWEEN_LISTS}\n\n")
        parts.append(_item(item))
        before = number
    return "".join(parts)


def _item(item: Item) -> str:
    lead = f"{item.marker.text} " if item.marker.kind == "number" else "- "
    pieces = [piece for run in item.runs for piece in _pieces(run)]
    if item.marker.kind == "box":
        pieces.insert(0, Piece("[x] " if item.marker.checked else "[ ] ", markup=True))
    elif item.marker.kind == "label":
        pieces.insert(0, Piece(f"{item.marker.text} "))
    first = escape(pieces, place="item").rstrip().replace("\n", "  \n")
    rest = _stacked([(block, text) for block in item.blocks if (text := _block(block))])
    between = "\n" if item.blocks and _interrupts(item.blocks[0]) else "\n\n"
    body = f"{first}{between}{rest}" if first and rest else first or rest
    return lead + _indented(body, len(lead))


def _interrupts(block: Block) -> bool:
    """Whether a block is seen as a list right below a line of text: a number must be 1 for that, an item not empty."""
    if not isinstance(block, Listing):
        return False
    first = block.items[0]
    return bool(first.runs) and first.marker.number in {None, 1}


def _indented(text: str, width: int) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *(" " * width + line if line else "" for line in others)])


def _grid(grid: Grid) -> str:
    if not grid.slots:
        return ""
    if not grid.is_plain:
        from converters.html import table_markup

        return table_markup(grid)
    rows = [[_cell(slot) for slot in grid.slots if slot.row == row] for row in range(grid.rows)]
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|" + " --- |" * grid.columns, *lines[1:]])


def _cell(slot: Slot) -> str:
    return inline(slot.runs, place="cell")


def _figure(figure: Figure) -> tuple[str, ...]:
    file = NO_PICTURE
    if figure.picture is not None:
        words = alt_text(figure.label, [plain(caption.runs) for caption in figure.captions])
        alt = escape([Piece(words, in_link=True)], place="heading")
        file = f"![{alt}]({_address(figure.picture.address)})"
    molecules = [f"SMILES: {_code_span(smiles)}" for smiles in figure.smiles]
    grid = _grid(figure.grid) if figure.grid else ""
    return (file, *molecules, grid, _stacked([(block, text) for block in figure.blocks if (text := _block(block))]))
