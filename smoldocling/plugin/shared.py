"""One converter for everybody in this process who wants the same engine.

Knows: the settings that make an engine. Does not know: Docling, documents.
Law: of equal settings there is one converter at a time, however many threads ask; it goes when nobody holds it.
"""

from __future__ import annotations

import os
import threading
from typing import Any
from weakref import WeakValueDictionary

from smoldocling.pipeline import Converter

_HELD: WeakValueDictionary[str, Converter] = WeakValueDictionary()
_LOADING = threading.RLock()


def converter(**settings: Any) -> Converter:
    """The converter of these keywords, loaded where there is none yet.

    Raises UnusableOption, NoCheckpoint, UnusableCheckpoint.
    """
    model = settings.get("model")
    if isinstance(model, str) and os.path.isdir(model):
        settings["model"] = os.path.realpath(model)
    key = repr(sorted(settings.items()))
    with _LOADING:
        found = _HELD.get(key)
        if found is None:
            found = _HELD[key] = Converter(**settings)
        return found
