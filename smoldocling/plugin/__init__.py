"""The engine inside Docling.

The names below are loaded when they are first used: Docling imports its plugins at every start, and nobody who converts
a web page with it is to wait for PyMuPDF and torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smoldocling.plugin.options import SmolDoclingOptions
    from smoldocling.plugin.pipeline import SmolDoclingPipeline

__all__ = ["SmolDoclingOptions", "SmolDoclingPipeline"]

_HOMES = {
    "SmolDoclingOptions": "smoldocling.plugin.options",
    "SmolDoclingPipeline": "smoldocling.plugin.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "docling":
            raise
        raise ModuleNotFoundError(
            "Docling is not installed; pip install 'smoldocling[docling]'", name=error.name
        ) from error
