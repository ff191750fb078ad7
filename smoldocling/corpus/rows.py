"""A page as a row: plain values, for the journal and the shards.

Knows: results, converters. Does not know: where a page comes from, where its row goes.
"""

from __future__ import annotations

from typing import Any

import converters
import doctags
from smoldocling.result import PageResult

SECONDS_DIGITS = 4
# What can be told of a page that needed a second try is told beside its row: another run may not have needed it.
READ_BY = {"textlayer": "textlayer"}


def row(page: PageResult) -> dict[str, Any]:
    """The columns that are a page's own, and what its document is told by it. A page that is no page has no text."""
    texts: dict[str, str | None] = {"doctags": None, "markdown": None}
    status: str = READ_BY.get(page.engine, "ok") if page.status == "retried" else page.status
    reason = page.error
    if page.number:
        try:
            texts = {"doctags": page.doctags, "markdown": converters.to_markdown(doctags.Document((page.tree,)))}
        except Exception as error:  # a mistake of ours costs this page
            status, reason = "failed", f"a mistake in smoldocling, please report it: {type(error).__name__}: {error}"
    return {
        "page": page.number,
        "of": page.of or 1,
        "status": status,
        "reason": _clean(reason),
        "engine": page.engine,
        **{name: _clean(text) for name, text in texts.items()},
        "problems": [
            {
                "kind": problem.kind,
                "severity": problem.severity,
                "message": _clean(problem.message),
                "line": problem.line,
                "column": problem.column,
            }
            for problem in page.problems
        ],
        "agreement": page.agreement,
        "seconds": round(page.seconds, SECONDS_DIGITS),
        "note": _clean(page.note),
        "warnings": [_clean(warning) for warning in page.warnings],
    }


def _clean(text: str | None) -> str | None:
    """Text as UTF-8 can hold it: PDFs bring halves of characters."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
