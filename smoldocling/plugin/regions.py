"""A page that we have read, as the regions that Docling's stages hand on: a label, a box, a text or a grid.

Knows: our results, the blocks that all formats share, Docling's labels. Does not know: engines, Docling's records.
Laws: all of the page's text is in the regions, once, in the order in which it is read; every region has a box with an
area.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from docling_core.types.doc import DocItemLabel

from converters.blocks import Block, Code, Fields, Figure, Formula, Grid, Heading, Item, Listing, Paragraph, Runs
from converters.blocks import Source as Origin
from converters.blocks import Table as TableBlock
from converters.latex import bare
from converters.outline import outline
from converters.text import slot_text
from doctags.tree import GRID, Box
from smoldocling.result import PageResult, walk

# Labels that Docling's assembly knows; what is not among them it would drop, titles among it.
ROLES = {
    "caption": DocItemLabel.CAPTION,
    "footnote": DocItemLabel.FOOTNOTE,
    "page_header": DocItemLabel.PAGE_HEADER,
    "page_footer": DocItemLabel.PAGE_FOOTER,
    "text": DocItemLabel.TEXT,
    "reference": DocItemLabel.TEXT,
    "handwritten_text": DocItemLabel.TEXT,
}
# Those of them that it puts into a picture; all others become text there.
INSIDE = {label: label for label in (DocItemLabel.LIST_ITEM, DocItemLabel.SECTION_HEADER, DocItemLabel.FOOTNOTE)}
PAGE = Box(0, 0, GRID, GRID)


@dataclass(frozen=True, slots=True)
class Region:
    """A place on the page.

    box    on the grid of 0..500
    text   of anything but tables, which have a `grid`
    score  share of it that the page's own text confirms, 0 to 1; that of the page where nobody knows, 1 failing that
    inner  what lies in a picture or in a region of keys and values
    """

    label: DocItemLabel
    box: Box
    text: str = ""
    grid: Grid | None = None
    score: float = 1.0
    inner: tuple[Region, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """A region that may have no box yet."""

    region: Region
    boxed: bool


def regions(page: PageResult) -> tuple[Region, ...]:
    """The regions of a page, running heads included."""
    elements = list(walk(page.tree))
    scores = dict.fromkeys(map(id, elements), 1.0 if page.agreement is None else page.agreement)
    scores |= {id(elements[n]): score for n, score in page.scores.items()}
    return _placed([found for block in outline(page.tree, furniture=True) for found in _of(block, scores)])


def flat(found: Iterable[Region]) -> Iterator[Region]:
    """Regions and what lies in them."""
    for region in found:
        yield region
        yield from flat(region.inner)


def said(runs: Runs) -> str:
    """The runs as one text, formulas between dollar signs."""
    return "".join(f"${bare(run.text)}$" if run.kind == "formula" else run.text for run in runs)


def _of(block: Block, scores: dict[int, float]) -> Iterator[_Found]:
    """The regions of one block: mostly one, with those of its captions around it."""

    def made(
        label: DocItemLabel,
        origins: Sequence[Origin],
        text: str = "",
        grid: Grid | None = None,
    ) -> _Found:
        box = next((box for origin in origins for box in origin.element.boxes), None)
        score = min((scores.get(id(origin.element), 1.0) for origin in origins), default=1.0)
        return _Found(Region(label, box or PAGE, text, grid, score), box is not None)

    def captioned(owner: _Found, captions: Iterable[Paragraph], first: bool) -> list[_Found]:
        below = [found for caption in captions for found in _of(caption, scores)]
        return [*below, owner] if first else [owner, *below]

    match block:
        case Heading():
            yield made(DocItemLabel.SECTION_HEADER, block.sources, said(block.runs))
        case Paragraph():
            yield made(ROLES[block.role], block.sources, said(block.runs))
        case Listing():
            for item in block.items:
                yield made(_item_label(item), item.sources, _item_text(item))
                for inner in item.blocks:
                    yield from _of(inner, scores)
        case TableBlock():
            label = DocItemLabel.DOCUMENT_INDEX if block.is_index else DocItemLabel.TABLE
            yield from captioned(made(label, block.sources, grid=block.grid), block.captions, block.caption_first)
        case Figure():
            inside = [found for inner in block.blocks for found in _of(inner, scores)]
            drawn = [*block.smiles, *_rows(block.grid)]
            inside += [_Found(Region(DocItemLabel.TEXT, PAGE, text), boxed=False) for text in drawn]
            figure = made(DocItemLabel.PICTURE, block.sources)
            box = figure.region.box
            figure = replace(figure, region=replace(figure.region, inner=_texts(_placed(inside, box))))
            yield from captioned(figure, block.captions, block.caption_first)
        case Code():
            yield from captioned(
                made(DocItemLabel.CODE, block.sources, block.text), block.captions, block.caption_first
            )
        case Formula():
            yield from captioned(
                made(DocItemLabel.FORMULA, block.sources, bare(block.latex)), block.captions, block.caption_first
            )
        case Fields():
            parts = [
                made(DocItemLabel.TEXT, (Origin(0, part.element),), said(part.runs))
                for field in block.fields
                for part in (block.parts[place] for place in field.places)
            ]
            region = made(DocItemLabel.KEY_VALUE_REGION, block.sources)
            yield replace(region, region=replace(region.region, inner=_placed(parts, region.region.box)))


def _item_label(item: Item) -> DocItemLabel:
    if item.marker.kind != "box":
        return DocItemLabel.LIST_ITEM
    return DocItemLabel.CHECKBOX_SELECTED if item.marker.checked else DocItemLabel.CHECKBOX_UNSELECTED


def _item_text(item: Item) -> str:
    """With its number in front: Docling looks for it there."""
    text = said(item.runs)
    return f"{item.marker.text} {text}".strip() if item.marker.kind in ("number", "label") else text


def _rows(grid: Grid | None) -> Iterator[str]:
    """What a chart shows, row by row."""
    for row in range(grid.rows if grid is not None else 0):
        assert grid is not None, "it has rows"
        yield " | ".join(slot_text(slot) for slot in grid.slots if slot.row == row)


def _texts(inside: Iterable[Region]) -> tuple[Region, ...]:
    """What lies in a picture, as texts: Docling's assembly puts nothing else there."""
    found: list[Region] = []
    for region in inside:
        if region.grid is not None:
            found += [replace(region, label=DocItemLabel.TEXT, text=row, grid=None) for row in _rows(region.grid)]
        elif region.text:
            found.append(replace(region, label=INSIDE.get(region.label, DocItemLabel.TEXT)))
        found += _texts(region.inner)
    return tuple(found)


def _placed(found: Sequence[_Found], within: Box = PAGE) -> tuple[Region, ...]:
    """The regions with boxes for all: one without lies between the one before it and the one behind it."""
    placed: list[Region] = []
    n = 0
    while n < len(found):
        if found[n].boxed:
            placed.append(replace(found[n].region, box=solid(found[n].region.box)))
            n += 1
            continue
        end = next((k for k in range(n, len(found)) if found[k].boxed), len(found))
        top = placed[-1].box.y1 if placed else within.y0
        bottom = found[end].region.box.y0 if end < len(found) else within.y1
        placed.extend(_strips([one.region for one in found[n:end]], within, top, max(top, bottom)))
        n = end
    return tuple(placed)


def _strips(lost: Sequence[Region], within: Box, top: int, bottom: int) -> Iterator[Region]:
    """Regions without boxes, one below the other."""
    for k, region in enumerate(lost):
        upper, lower = (top + (bottom - top) * step // len(lost) for step in (k, k + 1))
        yield replace(region, box=solid(Box(within.x0, upper, within.x1, lower)))


def solid(box: Box) -> Box:
    """The box the right way round, on the page, and no thinner than a step of the grid."""
    x0, x1 = _sides(box.x0, box.x1)
    y0, y1 = _sides(box.y0, box.y1)
    return Box(x0, y0, x1, y1)


def _sides(a: int, b: int) -> tuple[int, int]:
    low, high = (min(max(side, 0), GRID) for side in sorted((a, b)))
    if low == high:
        low, high = (low - 1, high) if high == GRID else (low, high + 1)
    return low, high
