"""What stands before every route: who may ask, how much may come in and for how long, and what browsers are told.

Knows: ASGI, headers, bytes, seconds. Does not know: what is asked for.
Laws: a body is counted while it comes in, and no more of it is read than is allowed; those that stay in memory take no
more than IMAGES_BYTES together. A page from elsewhere can neither
read nor start anything here: its name for us is refused (DNS rebinding), and so is what it sends.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smoldocling.serve.metrics import Metrics
from smoldocling.serve.settings import IMAGES_BYTES, MIB, Settings

LOCAL = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
# Whoever has the page may see it; it asks for the key itself. A report has a key of its own in its address.
OPEN = frozenset({"/", "/health"})
OPEN_BELOW = "/report/"
# Bodies that are not written to disk.
HELD = "/v1/chat"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Around a document: the other fields of a form, and boundaries.
AROUND = MIB
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
POLICY = "default-src 'none'; frame-ancestors 'none'"


class Refused(Exception):
    """A request that is answered with that status and no more."""

    def __init__(self, status: int, message: str, *, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Guard:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, stopping: Callable[[], bool]) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._stopping = stopping
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._dress(scope, message)
            await send(message)

        try:
            self._judge(scope)
            with self._room(scope):
                counted = _Counted(receive, self._most(scope), self._settings.upload_seconds)
                await self._app(scope, counted.receive, answer)
        except Refused as refusal:
            if not begun:
                await _refuse(scope, answer, refusal)

    @contextmanager
    def _room(self, scope: Scope) -> Iterator[None]:
        """Memory for a body that is held as a whole: what is announced, else the most. Raises Refused."""
        if not scope["path"].startswith(HELD):
            yield
            return
        length = Headers(scope=scope).get("content-length", "")
        wanted = int(length) if length.isdecimal() else self._most(scope)
        if self._held + wanted > IMAGES_BYTES:
            raise Refused(429, "too many page images at a time; come again in 2 s", Retry_After="2")
        self._held += wanted
        try:
            yield
        finally:
            self._held -= wanted

    def _judge(self, scope: Scope) -> None:
        """Raises Refused."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._settings.loopback and not LOCAL.fullmatch(host):
            raise Refused(403, f"this server is called localhost or 127.0.0.1, not {host[:80]!r}")
        origin = headers.get("origin")
        if scope["method"] not in SAFE and origin is not None and urlsplit(origin).netloc != host:
            raise Refused(403, f"nothing is taken from pages of {origin[:80]!r}")
        path = scope["path"]
        if self._settings.api_key is not None and path not in OPEN and not path.startswith(OPEN_BELOW):
            self._ask_for_key(headers.get("authorization", ""))
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._most(scope):
            raise _too_large(self._most(scope))
        if self._stopping() and scope["method"] == "POST":
            raise Refused(503, "the server is stopping", Retry_After="10")

    def _ask_for_key(self, given: str) -> None:
        scheme, _, key = given.partition(" ")
        wanted = self._settings.api_key or ""
        right = hmac.compare_digest(key.strip().encode("utf-8", "replace"), wanted.encode())
        if scheme.lower() != "bearer" or not right:
            raise Refused(401, "an API key is needed: Authorization: Bearer KEY", WWW_Authenticate="Bearer")

    def _most(self, scope: Scope) -> int:
        """Bytes that a request may have. Images in chat completions are in base64."""
        if scope["path"].startswith(HELD):
            return self._settings.image_bytes * 4 // 3 + AROUND
        return self._settings.max_bytes + AROUND

    def _dress(self, scope: Scope, message: Message) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in ALWAYS.items():
            headers.setdefault(name, value)
        headers.setdefault("Content-Security-Policy", POLICY)
        route = scope.get("route")
        self._metrics.count("requests_total", route=getattr(route, "path", "other"), status=str(message["status"]))


class _Counted:
    """A body on its way in."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._came = 0
        self._limit = time.monotonic() + seconds
        self._whole = False

    async def receive(self) -> Message:
        """The next part. Raises Refused when it is too much, or takes too long."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._limit - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise Refused(408, "the request took too long to arrive", Connection="close") from None
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._came > self._most:
                raise _too_large(self._most)
        return message


def _too_large(most: int) -> Refused:
    return Refused(413, f"the request is too large: {most:,} bytes are the limit", Connection="close")


async def _refuse(scope: Scope, send: Send, refusal: Refused) -> None:
    body = json.dumps(problem(refusal.status, refusal.message)).encode()
    headers = {**refusal.headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "unavailable_error",
    504: "timeout_error",
}


def problem(status: int, message: str, *, code: str | None = None, param: str | None = None) -> dict[str, object]:
    """An error as OpenAI's servers write them; clients of other servers read `error.message`, too."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
