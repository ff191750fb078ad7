"""What an earlier call of `convert` has left: whether a document need not be converted again.

Knows: names of outputs, times of files, the mark of a missing page. Does not know: how documents are converted.
Law: only what is whole is kept: every format is there, none is older than the document, and no page is missing in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from smoldocling.output import FORMATS
from smoldocling.pages.sources import Source

# As smoldocling.layer writes it, whatever a format puts before the brackets.
_MISSING = re.compile(rb"\[page \d+ is missing: ")


def outputs(source: Source, folder: Path, place: PurePath, formats: Sequence[str]) -> list[Path] | None:
    """The files that the document was converted to, in full; None where it must be converted (again)."""
    if not isinstance(source.content, Path):
        return None
    target = folder / place
    files = [target.with_name(target.name + FORMATS[name][0]) for name in formats]
    try:
        changed = source.content.stat().st_mtime_ns
        if any(file.stat().st_mtime_ns < changed or _MISSING.search(file.read_bytes()) for file in files):
            return None
    except OSError:
        return None
    return files
