"""Who reads PDFs without a model: our reader and its peers, a file to its Markdown.

Knows: how each is called. Does not know: scores, times.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pymupdf

from converters import to_markdown
from doctags.tree import Document
from smoldocling.pages.textlayer import Reader


def ours(path: Path) -> str:
    """By our reader. Raises SmolDoclingError for a document that cannot be read."""
    with pymupdf.open(path) as document:
        reader = Reader(document)
        return to_markdown(Document(tuple(reader.read(index).page for index in range(document.page_count))))


def pymupdf4llm(path: Path, *, furniture: bool = True) -> str:
    """By pymupdf4llm.

    furniture  False: it is told to leave page headers and footers out
    """
    from pymupdf4llm import to_markdown as convert

    options = {} if furniture else {"header": False, "footer": False}
    with contextlib.redirect_stdout(io.StringIO()):
        return str(convert(str(path), **options))


def markitdown(path: Path) -> str:
    """By markitdown."""
    from markitdown import MarkItDown

    with contextlib.redirect_stdout(io.StringIO()):
        return str(MarkItDown(enable_plugins=False).convert(str(path)).markdown)
