"""One converter for everybody in this process who wants the same engine.

Knows: the settings that make an engine. Does not know: Docling, documents.
Law: of equal settings there is one engine at a time, however many threads ask; it goes when nobody holds it, or a
converter made from it, any more.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
from pathlib import Path
from typing import Any, Unpack
from weakref import WeakValueDictionary

from smoldocling import layer
from smoldocling.errors import NoCheckpoint
from smoldocling.hub import SHORT_NAMES
from smoldocling.pipeline import Converter
from smoldocling.wanted import Wishes

_log = logging.getLogger(__name__)
READ_BY = "pages are read by the engine %r: %s"


class _Shared(Converter):
    """Is held by the converters that are made from it, so that who asks next finds it."""

    _made_from: Converter | None = None

    def with_options(self, **wishes: Unpack[Wishes]) -> Converter:
        made = super().with_options(**wishes)
        assert isinstance(made, _Shared), "a copy is of the same class"
        made._made_from = self
        return made


_HELD: WeakValueDictionary[str, Converter] = WeakValueDictionary()
_LOADING = threading.Lock()
_SETTINGS = inspect.signature(Converter)


def converter(**settings: Any) -> Converter:
    """The converter of these keywords, loaded where there is none yet.

    Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
    """
    whole = _SETTINGS.bind(**settings)
    whole.apply_defaults()
    if whole.arguments["server"] is None and is_folder(whole.arguments["model"]):
        whole.arguments["model"] = os.path.realpath(whole.arguments["model"])
    key = repr(sorted(whole.arguments.items()))
    with _LOADING:
        found = _HELD.get(key)
        if found is None:
            found = _HELD[key] = _Shared(**whole.arguments)
        return found


def chosen(model: str, engine: str, artifacts_path: Path | None) -> dict[str, str]:
    """Model and engine, as `converter` takes them: where Docling's folder of models lacks the model, "auto" is the text
    layer, and one line says so. Raises NoCheckpoint for other engines."""
    if engine == layer.ENGINE:
        return {"model": model, "engine": engine}
    try:
        return {"model": located(model, artifacts_path), "engine": engine}
    except NoCheckpoint as error:
        if engine != "auto":
            raise
        _log.warning(READ_BY, layer.ENGINE, error.reason)
        return {"model": model, "engine": layer.ENGINE}


def located(model: str, artifacts_path: Path | None) -> str:
    """The model, or its folder where Docling has all models in one; there, no network is asked. Raises NoCheckpoint."""
    if artifacts_path is None or is_folder(model):
        return model
    folder = artifacts_path / SHORT_NAMES.get(model, model).replace("/", "--")
    if not folder.is_dir():
        raise NoCheckpoint(
            f"{model} is not in artifacts_path: there is no {folder}",
            f"'hf download {SHORT_NAMES.get(model, model)} --local-dir {folder}' fetches it where there is a network,"
            " or use the textlayer engine",
        )
    return str(folder)


def is_folder(model: str) -> bool:
    """Whether a model's name is a folder's; a short name is not, even where there is a folder of that name."""
    return model not in SHORT_NAMES and os.path.isdir(model)
