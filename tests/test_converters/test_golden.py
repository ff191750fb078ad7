"""What people get to read, in full, for every fixture of the language and every sample document."""

from pathlib import Path

import pytest
from docling_core.types.doc import DocItem, DoclingDocument

import converters
import doctags
from doctags.tree import Document

TESTS = Path(__file__).resolve().parent.parent
SOURCES = sorted([*(TESTS / "test_doctags" / "fixtures").glob("*.dt"), *(TESTS.parent / "samples").glob("*.dt")])


def items(docling: DoclingDocument) -> str:
    """One line an item: what docling-core has, without what its version changes."""
    lines = []
    for item, level in docling.iterate_items(with_groups=True, traverse_pictures=True):
        facts = [str(item.label)]
        facts += [
            f"{name}={value!r}" for name in ("level", "marker", "code_language") if (value := getattr(item, name, None))
        ]
        if isinstance(item, DocItem):
            facts += [
                f"p{p.page_no}@{','.join(f'{side:g}' for side in p.bbox.as_tuple())}#{p.charspan}" for p in item.prov
            ]
        facts += [repr(item.text)] if hasattr(item, "text") else []
        facts += [f"captions={[ref.cref for ref in item.captions]}"] if getattr(item, "captions", None) else []
        facts += [f"meta={item.meta.model_dump(exclude_none=True)}"] if item.meta else []
        lines.append("  " * level + " ".join(facts))
        for cell in item.data.table_cells if hasattr(item, "data") else []:
            flags = "".join(flag[0] for flag in ("column_header", "row_header", "row_section") if getattr(cell, flag))
            rows = f"{cell.start_row_offset_idx}:{cell.end_row_offset_idx}"
            place = f"{rows},{cell.start_col_offset_idx}:{cell.end_col_offset_idx}"
            lines.append("  " * level + f"  [{place}] {flags} {cell.text!r}")
    return "\n".join(lines)


def shown(tree: Document) -> str:
    """All formats of a tree, one below the other; the HTML without its head, which is the same on every page."""
    page = converters.to_html(tree, furniture=True)
    parts = {
        "markdown": converters.to_markdown(tree, page_break="<!-- page break -->"),
        "text": converters.to_text(tree, furniture=True),
        "html": page[page.index("<main>") : page.index("</main>")],
        "docling": items(converters.to_docling(tree)),
    }
    return "".join(f"======== {name}\n{text.rstrip()}\n" for name, text in parts.items())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_outputs_are_as_reviewed(path, matches_golden):
    """A change that nobody meant shows up as a diff that somebody reads."""
    tree = doctags.parse(path.read_text(encoding="utf-8", errors="surrogateescape"))
    matches_golden(f"{path.stem}.txt", shown(tree))
