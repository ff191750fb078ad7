"""PDF pages and page images to DocTags, Markdown, HTML and JSON.

The names below are loaded when they are first used: `import smoldocling` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smoldocling.errors import SmolDoclingError
    from smoldocling.pipeline import Converter, convert
    from smoldocling.result import PageResult, Result

__all__ = ["Converter", "PageResult", "Result", "SmolDoclingError", "convert"]

_HOME = {
    "Converter": "smoldocling.pipeline",
    "PageResult": "smoldocling.result",
    "Result": "smoldocling.result",
    "SmolDoclingError": "smoldocling.errors",
    "convert": "smoldocling.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
