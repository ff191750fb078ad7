"""`/`: one self-contained page to drop a file on.

Knows: its files. Does not know: jobs.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from smoldocling.pipeline import Converter
from smoldocling.serve.settings import Settings


def routes(settings: Settings, converter: Converter) -> APIRouter:
    """The route."""
    router = APIRouter()
    style, script = _asset("page.css"), _asset("page.js")
    facts = {
        "key": settings.api_key is not None,
        "bytes": settings.max_bytes,
        "pages": settings.max_pages,
        "model": converter.engine != "textlayer",
    }
    body = (
        _asset("page.html")
        .replace("{{style}}", style)
        .replace("{{script}}", script)
        .replace("{{facts}}", html.escape(json.dumps(facts)))
        .replace("{{engine}}", html.escape(converter.checkpoint or "text layer"))
        .replace("{{most}}", f"{settings.max_bytes // 2**20 or 1:,} MB and {settings.max_pages:,} pages")
    )
    policy = (
        f"default-src 'none'; connect-src 'self'; frame-src 'self'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    @router.get("/")
    async def show() -> Response:
        """The page."""
        return Response(body, media_type="text/html", headers={"Content-Security-Policy": policy})

    return router


def _asset(name: str) -> str:
    return files("smoldocling.serve").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
