"""What the code languages of DocTags are called elsewhere.

Knows: names. Does not know: formats. A language is a row only if its other name is not its own in lower case.
"""

from __future__ import annotations

import re

_FENCE_NAMES = {
    "C++": "cpp",
    "C#": "csharp",
    "VisualBasic": "vb",
}
_SAFE = re.compile(r"[A-Za-z0-9+#.-]{1,40}")


def fence_name(language: str | None) -> str:
    """What follows a Markdown fence and `language-` in HTML: lower case, "" where unknown or not a name at all."""
    if language is None or not _SAFE.fullmatch(language):
        return ""
    return _FENCE_NAMES.get(language, language.lower())
