"""A result as an HTTP body: in one format, or several as JSON.

Knows: formats, media types, names of files. Does not know: jobs, requests.
Law: what a document says is never run as script in the server's origin, whatever a browser makes of it.
"""

from __future__ import annotations

import re
import threading
from typing import Any
from urllib.parse import quote

from smoldocling.output import FORMATS, Look
from smoldocling.result import Result

MEDIA = {
    "md": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "doctags": "text/plain; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "report": "text/html; charset=utf-8",
}
# No script, no form, nothing loaded, and an origin of its own.
CLOSED = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
# The report's own policy allows its one script, by its hash; this one gives it an origin of its own, too.
REPORT = (
    "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# Rendering takes memory, several times what it makes.
_TURNS = threading.BoundedSemaphore(2)
_LONGEST_NAME = 200


def rendered(result: Result, to: str, look: Look) -> bytes:
    """The result in that format; figures are inside where the format can have them inside, else left out."""
    with _TURNS:
        text = result.json if to == "json" else FORMATS[to][1](result, {}, look)
        return text.encode("utf-8", "replace")


def headers(result: Result, to: str) -> dict[str, str]:
    """How that body is to be sent: as a file to be kept, under the document's name."""
    return {
        "Content-Type": MEDIA[to],
        "Content-Disposition": _attachment(result.title + FORMATS[to][0]),
        "Content-Security-Policy": CLOSED,
        "X-Document-Status": result.status,
    }


def facts(result: Result) -> dict[str, Any]:
    """The result without its text."""
    return {
        "name": result.name,
        "status": result.status,
        "warnings": list(result.warnings),
        "pages": [
            {
                "page": page.number,
                "status": page.status,
                "engine": page.engine,
                "error": page.error,
                "note": page.note,
                "seconds": round(page.seconds, 3),
                "tokens": page.tokens,
                "agreement": page.agreement,
                "problems": len(page.problems),
            }
            for page in result.pages
        ],
    }


def named(given: str | None) -> str:
    """What a client calls its file, as a name and nothing more: no folders, no control characters, not too long."""
    last = re.split(r"[/\\]", given or "")[-1]
    clean = "".join(letter for letter in last if letter.isprintable()).strip().lstrip(".")
    if len(clean) > _LONGEST_NAME:
        stem, dot, suffix = clean.rpartition(".")
        short = f"{stem[: _LONGEST_NAME - 10]}{dot}{suffix[:9]}"
        clean = short if dot else clean[:_LONGEST_NAME]
    return clean or "document"


def _attachment(name: str) -> str:
    """RFC 6266: a plain name for old readers, the whole one for others."""
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}"
