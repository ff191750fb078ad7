"""One converter for everybody in this process who wants the same engine.

Knows: the settings that make an engine. Does not know: Docling, documents.
Law: of equal settings there is one converter at a time, however many threads ask; it goes when nobody holds it.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakValueDictionary

from smoldocling.hub import SHORT_NAMES
from smoldocling.pipeline import Converter

_HELD: WeakValueDictionary[str, Converter] = WeakValueDictionary()
_LOADING = threading.RLock()


def converter(**settings: Any) -> Converter:
    """The converter of these keywords, loaded where there is none yet.

    Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
    """
    model = settings.get("model")
    if model is not None and settings.get("server") is None and is_folder(model):
        settings["model"] = os.path.realpath(model)
    key = repr(sorted(settings.items()))
    with _LOADING:
        found = _HELD.get(key)
        if found is None:
            found = _HELD[key] = Converter(**settings)
        return found


def is_folder(model: str) -> bool:
    """Whether a model's name is a folder's; a short name is not, even where there is a folder of that name."""
    return model not in SHORT_NAMES and os.path.isdir(model)
