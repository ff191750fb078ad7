"""Blocks as a DoclingDocument, made of docling-core's own classes.

Knows: blocks, docling-core. Does not know: trees beyond where a block comes from.
Law: docling-core validates the result and its own exporters and chunkers run on it, whatever the tree was.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path, PurePosixPath

from docling_core.types.doc import (
    BoundingBox,
    CodeLanguageLabel,
    ContentLayer,
    CoordOrigin,
    DocItemLabel,
    DoclingDocument,
    GraphCell,
    GraphCellLabel,
    GraphData,
    GraphLink,
    GraphLinkLabel,
    GroupLabel,
    ImageRef,
    MoleculeMetaField,
    NodeItem,
    PictureClassificationMetaField,
    PictureClassificationPrediction,
    PictureMeta,
    ProvenanceItem,
    RichTableCell,
    Size,
    TableCell,
    TableData,
    TabularChartMetaField,
    TextItem,
)
from pydantic import AnyUrl

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
    Part,
    Run,
    Runs,
    Slot,
    Source,
    Table,
)
from converters.characters import legal
from converters.latex import bare
from converters.outline import outline
from converters.pictures import Picture
from converters.text import slot_text
from doctags.tokens import CLASSES, LANGUAGES
from doctags.tree import GRID, Box, Document, Page

_LABELS = {
    "text": DocItemLabel.TEXT,
    "caption": DocItemLabel.CAPTION,
    "footnote": DocItemLabel.FOOTNOTE,
    "page_header": DocItemLabel.PAGE_HEADER,
    "page_footer": DocItemLabel.PAGE_FOOTER,
    "reference": DocItemLabel.REFERENCE,
    "handwritten_text": DocItemLabel.HANDWRITTEN_TEXT,
}
_FURNITURE = frozenset({"page_header", "page_footer"})
# What chart data sets called their classes, which the first models still write.
_CLASSES = {
    "line": "line_chart",
    "dot_line": "line_chart",
    "vbar_categorical": "bar_chart",
    "hbar_categorical": "bar_chart",
}
# docling-core's DocTags writer knows these classes and languages and raises at any other.
_KNOWN_CLASSES = frozenset(CLASSES) - _CLASSES.keys()
_LANGUAGES = {label.value: label for label in CodeLanguageLabel if label.value in LANGUAGES}


def to_json(
    document: Document | Page, *, name: str = "document", pictures: Mapping[tuple[int, int], Picture] | None = None
) -> str:
    """The DoclingDocument of `to_docling` as JSON."""
    return to_docling(document, name=name, pictures=pictures).model_dump_json(
        by_alias=True, exclude_none=True, indent=2
    )


def to_docling(
    document: Document | Page, *, name: str = "document", pictures: Mapping[tuple[int, int], Picture] | None = None
) -> DoclingDocument:
    """The document as a DoclingDocument; page headers and footers are in its furniture layer.

    Boxes are in points from the page's top left corner; a page without a size is 500 by 500.
    """
    pages = document.pages if isinstance(document, Document) else (document,)
    builder = _Builder(name, pages)
    builder.blocks(outline(document, pictures=pictures, furniture=True), None)
    return builder.document


def _size(page: Page) -> tuple[float, float]:
    if page.size is None or not all(isfinite(side) and side > 0 for side in page.size):
        return (float(GRID), float(GRID))
    return page.size


class _Builder:
    """Adds blocks to one document."""

    def __init__(self, name: str, pages: Sequence[Page]) -> None:
        self.document = DoclingDocument(name=name)
        self._sizes: dict[int, tuple[float, float]] = {}
        for page in pages:
            if page.number not in self._sizes:
                self._sizes[page.number] = _size(page)
                width, height = self._sizes[page.number]
                self.document.add_page(page_no=page.number, size=Size(width=width, height=height))

    def blocks(self, blocks: Sequence[Block], parent: NodeItem | None) -> None:
        for block in blocks:
            self._block(block, parent)

    def _block(self, block: Block, parent: NodeItem | None) -> None:
        match block:
            case Heading():
                self._heading(block, parent)
            case Paragraph():
                self._paragraph(block, parent)
            case Listing():
                self._listing(block, parent)
            case Table():
                self._table(block, parent)
            case Figure():
                self._figure(block, parent)
            case Code():
                self._code(block, parent)
            case Formula():
                self._formula(block, parent)
            case Fields():
                self._fields(block, parent)
            case PageBreak():
                pass

    def _bbox(self, box: Box, page: int) -> BoundingBox:
        width, height = self._sizes[page]
        left, right = sorted(min(max(x, 0), GRID) * width / GRID for x in (box.x0, box.x1))
        top, bottom = sorted(min(max(y, 0), GRID) * height / GRID for y in (box.y0, box.y1))
        return BoundingBox(l=left, t=top, r=right, b=bottom, coord_origin=CoordOrigin.TOPLEFT)

    def _provs(self, sources: Sequence[Source]) -> list[ProvenanceItem]:
        return [
            ProvenanceItem(page_no=source.page, bbox=self._bbox(box, source.page), charspan=(source.start, source.end))
            for source in sources
            for box in source.element.boxes
        ]

    def _heading(self, block: Heading, parent: NodeItem | None) -> None:
        text = _flat(block.runs)
        if block.level == 1:
            item = self.document.add_title(text=text, parent=parent, hyperlink=_only_link(block.runs))
        else:
            level = block.level - 1
            item = self.document.add_heading(text=text, level=level, parent=parent, hyperlink=_only_link(block.runs))
        item.prov.extend(self._provs(block.sources))

    def _paragraph(self, block: Paragraph, parent: NodeItem | None) -> TextItem | None:
        if block.role == "text" and _is_mixed(block.runs):
            self._inline(block.runs, parent, block.sources)
            return None
        item: TextItem = self.document.add_text(
            label=_LABELS[block.role],
            text=_flat(block.runs),
            orig=_orig(block.sources, _flat(block.runs)),
            parent=parent,
            hyperlink=_only_link(block.runs),
            content_layer=ContentLayer.FURNITURE if block.role in _FURNITURE else None,
        )
        item.prov.extend(self._provs(block.sources))
        return item

    def _inline(self, runs: Runs, parent: NodeItem | None, sources: Sequence[Source]) -> None:
        """A group of what runs on in one line; docling-core puts the spaces between its parts."""
        group = self.document.add_inline_group(parent=parent)
        for run in runs:
            text = run.text.strip()
            if not text:
                continue
            item = self._run(run, text, group)
            item.prov.extend(prov.model_copy(update={"charspan": (0, len(text))}) for prov in self._provs(sources))

    def _run(self, run: Run, text: str, group: NodeItem) -> TextItem:
        item: TextItem
        if run.kind == "code":
            item = self.document.add_code(text=text, code_language=_language(run.label), parent=group)
        elif run.kind == "formula":
            item = self.document.add_formula(text=bare(text), orig=text, parent=group)
        else:
            link = AnyUrl(run.href) if run.href is not None else None
            item = self.document.add_text(label=DocItemLabel.TEXT, text=text, parent=group, hyperlink=link)
        return item

    def _listing(self, block: Listing, parent: NodeItem | None) -> None:
        if all(_is_tick_box(item) for item in block.items):
            for item in block.items:
                self._tick_box(item, parent)
            return
        group = self.document.add_list_group(parent=parent)
        for item in block.items:
            mixed = _is_mixed(item.runs)
            text = "" if mixed else _flat(item.runs)
            entry = self.document.add_list_item(
                text=text,
                orig=_orig(item.sources, text),
                enumerated=item.marker.kind in {"number", "label"},
                marker=item.marker.text or "-",
                parent=group,
                hyperlink=None if mixed else _only_link(item.runs),
            )
            entry.prov.extend(self._provs(item.sources))
            if mixed:
                self._inline(item.runs, entry, item.sources)
            self.blocks(item.blocks, entry)

    def _tick_box(self, item: Item, parent: NodeItem | None) -> None:
        label = DocItemLabel.CHECKBOX_SELECTED if item.marker.checked else DocItemLabel.CHECKBOX_UNSELECTED
        text = _flat(item.runs)
        box = self.document.add_text(label=label, text=text, parent=parent, hyperlink=_only_link(item.runs))
        box.prov.extend(self._provs(item.sources))
        self.blocks(item.blocks, parent)

    def _captions(self, captions: Sequence[Paragraph], parent: NodeItem | None) -> list[TextItem]:
        return [item for caption in captions if (item := self._paragraph(caption, parent)) is not None]

    def _table(self, block: Table, parent: NodeItem | None) -> None:
        label = DocItemLabel.DOCUMENT_INDEX if block.is_index else DocItemLabel.TABLE
        data = TableData(num_rows=block.grid.rows, num_cols=block.grid.columns)
        table = self.document.add_table(data=data, label=label, parent=parent)
        table.prov.extend(self._provs(block.sources))
        table.captions.extend(item.get_ref() for item in self._captions(block.captions, table))
        for slot in block.grid.slots:
            cell = self._cell(slot, block.grid, block.sources)
            if slot.blocks:
                group = self.document.add_group(parent=table, name=f"rich_cell_{slot.row}_{slot.column}")
                if slot.runs:
                    self._paragraph(Paragraph(slot.runs), group)
                self.blocks(slot.blocks, group)
                cell = RichTableCell(**cell.model_dump(), ref=group.get_ref())
            data.table_cells.append(cell)

    def _cell(self, slot: Slot, grid: Grid, sources: Sequence[Source]) -> TableCell:
        in_head = slot.row < grid.header_rows and bool(slot.runs or slot.blocks)
        return TableCell(
            bbox=self._bbox(slot.box, sources[0].page) if slot.box is not None and sources else None,
            row_span=slot.row_span,
            col_span=slot.column_span,
            start_row_offset_idx=slot.row,
            end_row_offset_idx=slot.row + slot.row_span,
            start_col_offset_idx=slot.column,
            end_col_offset_idx=slot.column + slot.column_span,
            text=slot_text(slot),
            column_header=slot.kind == "column_header" or in_head,
            row_header=slot.kind == "row_header",
            row_section=slot.kind == "section",
        )

    def _figure(self, block: Figure, parent: NodeItem | None) -> None:
        picture = self.document.add_picture(image=_image(block.picture), parent=parent)
        picture.prov.extend(self._provs(block.sources))
        picture.meta = self._meta(block)
        picture.captions.extend(item.get_ref() for item in self._captions(block.captions, picture))
        self.blocks(block.blocks, picture)

    def _meta(self, block: Figure) -> PictureMeta | None:
        label = _class_name(block)
        chart = None
        if block.grid is not None and block.grid.slots:
            cells = [self._cell(slot, block.grid, block.sources) for slot in block.grid.slots]
            data = TableData(table_cells=list(cells), num_rows=block.grid.rows, num_cols=block.grid.columns)
            chart = TabularChartMetaField(chart_data=data)
        if label is None and chart is None and not block.smiles:
            return None
        predictions = [PictureClassificationPrediction(class_name=label)] if label is not None else []
        return PictureMeta(
            classification=PictureClassificationMetaField(predictions=predictions) if predictions else None,
            molecule=MoleculeMetaField(smi=".".join(block.smiles)) if block.smiles else None,
            tabular_chart=chart,
        )

    def _code(self, block: Code, parent: NodeItem | None) -> None:
        item = self.document.add_code(text=block.text, code_language=_language(block.language), parent=parent)
        item.prov.extend(self._provs(block.sources))
        item.captions.extend(caption.get_ref() for caption in self._captions(block.captions, item))

    def _formula(self, block: Formula, parent: NodeItem | None) -> None:
        item = self.document.add_formula(text=bare(block.latex), orig=block.latex, parent=parent)
        item.prov.extend(self._provs(block.sources))
        self._captions(block.captions, parent)

    def _fields(self, block: Fields, parent: NodeItem | None) -> None:
        """Keys and values are texts, which every exporter shows, and a graph, which says what belongs where."""
        page = block.sources[0].page
        names = _cell_names(block.parts)
        group = self.document.add_group(label=GroupLabel.KEY_VALUE_AREA, name="key_value_region", parent=parent)
        texts: dict[int, TextItem] = {}
        for place in (place for field in block.fields for place in field.places):
            part = block.parts[place]
            texts[place] = self.document.add_text(label=DocItemLabel.TEXT, text=_flat(part.runs), parent=group)
            texts[place].prov.extend(self._part_provs(part, page))
        cells = [
            self._graph_cell(name, part, page, texts.get(place))
            for place, (name, part) in enumerate(zip(names, block.parts, strict=True))
        ]
        links = [
            GraphLink(label=GraphLinkLabel.TO_VALUE, source_cell_id=names[start], target_cell_id=names[end])
            for start, end in block.links
        ]
        item = self.document.add_key_values(graph=GraphData(cells=cells, links=links), parent=parent)
        item.prov.extend(self._provs(block.sources) or self._around(block.parts, page))

    def _around(self, parts: Sequence[Part], page: int) -> list[ProvenanceItem]:
        """The place of a region without a box: docling-core looks for its page there."""
        boxes = [self._bbox(box, page) for part in parts for box in part.element.boxes]
        if not boxes:
            return []
        return [ProvenanceItem(page_no=page, bbox=BoundingBox.enclosing_bbox(boxes), charspan=(0, 0))]

    def _part_provs(self, part: Part, page: int) -> list[ProvenanceItem]:
        return self._provs((Source(page, part.element, 0, len(_flat(part.runs))),))

    def _graph_cell(self, name: int, part: Part, page: int, item: TextItem | None) -> GraphCell:
        text = _flat(part.runs)
        return GraphCell(
            label=GraphCellLabel.KEY if part.element.kind == "key" else GraphCellLabel.VALUE,
            cell_id=name,
            text=text,
            orig=text,
            prov=next(iter(self._part_provs(part, page)), None),
            item_ref=item.get_ref() if item is not None else None,
        )


def _cell_names(parts: Sequence[Part]) -> list[int]:
    """The numbers of the parts as their tags have them, or counted where two have the same."""
    refs = [part.element.ref for part in parts if part.element.ref is not None]
    return refs if len(set(refs)) == len(parts) else list(range(len(parts)))


def _class_name(block: Figure) -> str | None:
    """The class by docling's names; a chart of no class is one, a class that docling does not know is "other"."""
    label = block.label
    if label is None:
        return "chart" if block.sources and block.sources[0].element.kind == "chart" else None
    label = _CLASSES.get(label, label)
    return label if label in _KNOWN_CLASSES else "other"


def _is_tick_box(item: Item) -> bool:
    return bool(item.sources) and item.sources[0].element.kind.startswith("checkbox_")


def _is_mixed(runs: Runs) -> bool:
    """Whether the runs need an item each: code, formulas, and links beside other words do."""
    return any(run.kind != "text" for run in runs) or (len(runs) > 1 and any(run.href for run in runs))


def _flat(runs: Runs) -> str:
    """The runs as one text, formulas between dollar signs."""
    return "".join(f"${bare(run.text)}$" if run.kind == "formula" else run.text for run in runs)


def _only_link(runs: Runs) -> AnyUrl | None:
    """The address of a text that is one link as a whole."""
    return AnyUrl(runs[0].href) if len(runs) == 1 and runs[0].href is not None else None


def _orig(sources: Sequence[Source], text: str) -> str:
    """What the source wrote before it was cleaned, where that is all there is to it."""
    written = legal(sources[0].element.text) if len(sources) == 1 else ""
    return written if written.strip() else text


def _language(label: str | None) -> CodeLanguageLabel:
    return _LANGUAGES.get(label or "", CodeLanguageLabel.UNKNOWN)


def _image(picture: Picture | None) -> ImageRef | None:
    if picture is None:
        return None
    if picture.href.startswith("data:"):
        kind = picture.href[5:].partition(";")[0]
        uri: AnyUrl | Path = AnyUrl(picture.href)
    else:
        kind = mimetypes.guess_type(PurePosixPath(picture.href).name)[0] or "image/png"
        uri = Path(picture.href)
    size = Size(width=picture.width_px, height=picture.height_px)
    return ImageRef(mimetype=kind, dpi=round(picture.dpi), size=size, uri=uri)
