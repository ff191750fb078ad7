"""DocTags trees to Markdown, HTML, text and DoclingDocument JSON.

Knows: doctags.tree. Does not know: where a tree comes from or where its output goes. Importing it loads no third party:
each function brings in what it needs when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from converters.pictures import Picture, picture_elements

if TYPE_CHECKING:
    from converters.html import to_html
    from converters.json import to_docling, to_json
    from converters.markdown import to_markdown
    from converters.text import to_text

__all__ = ["Picture", "picture_elements", "to_docling", "to_html", "to_json", "to_markdown", "to_text"]

_HOMES = {
    "to_docling": "converters.json",
    "to_html": "converters.html",
    "to_json": "converters.json",
    "to_markdown": "converters.markdown",
    "to_text": "converters.text",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
