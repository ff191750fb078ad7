"""The server as an ASGI application: routes, what stands before them, and what is to be cleaned up.

Knows: the parts of this package. Does not know: sockets, signals.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from smoldocling.pipeline import Converter
from smoldocling.serve import chat, convert, page
from smoldocling.serve.guard import Guard, Refused, problem
from smoldocling.serve.jobs import Jobs
from smoldocling.serve.line import Line
from smoldocling.serve.metrics import Metrics
from smoldocling.serve.settings import Settings
from smoldocling.workers.limits import used
from smoldocling.workers.pool import cores

# Documents at a time: their pages share the model's batch, or the processes that read PDFs; a document of one page
# gives an engine one page of its batch.
LEAST_AT_ONCE, MOST_AT_ONCE = 4, 64
SWEEP_SECONDS = 5.0
# After the last work is done, who has asked for it may still come for it.
LINGER_SECONDS = 10.0


class Served:
    """One converter, served. `app` is for uvicorn."""

    def __init__(self, converter: Converter, settings: Settings, model: str) -> None:
        """`model` is what the checkpoint was asked for by."""
        self.settings = settings
        self.stopping = False
        self._folder = tempfile.TemporaryDirectory(prefix="smoldocling-serve-", ignore_cleanup_errors=True)
        self.metrics = Metrics()
        self.line = Line(_at_once(converter), settings.queue)
        self.jobs = Jobs(converter, settings, self.line, self.metrics)
        self._gauges()
        parts = convert.Parts(self.jobs, self.line, settings, self.metrics, Path(self._folder.name))
        app = FastAPI(title="smoldocling", docs_url=None, redoc_url=None, lifespan=self._life)
        app.include_router(convert.routes(parts))
        app.include_router(chat.routes(converter, settings, self.line, self.metrics, chat.names(converter, model)))
        app.include_router(page.routes(settings, converter))
        app.add_api_route("/health", self._health, methods=["GET"])
        app.add_api_route("/metrics", self._metrics, methods=["GET"])
        app.add_exception_handler(HTTPException, _said)
        app.add_exception_handler(Refused, _refused)
        app.add_exception_handler(Exception, _broken)
        app.router.redirect_slashes = False
        self.app = Guard(app, settings, self.metrics, lambda: self.stopping)

    async def drain(self) -> None:
        """Take nothing new, wait for what is being done, and a while for those who come for it."""
        self.stopping = True
        loop = asyncio.get_running_loop()
        while self.line.inside:
            await asyncio.sleep(0.05)
        limit = loop.time() + LINGER_SECONDS
        while self.jobs.unfetched() and loop.time() < limit:
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(self._sweep())
        try:
            yield
        finally:
            sweeping.cancel()
            self.line.close()
            self._folder.cleanup()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await run_in_threadpool(self.jobs.sweep)

    def _gauges(self) -> None:
        for name, value in {
            "working": lambda: self.line.working,
            "waiting": lambda: self.line.inside - self.line.working,
            "jobs": lambda: self.jobs.count,
            "kept_bytes": lambda: self.jobs.kept,
            "memory_bytes": used,
        }.items():
            self.metrics.gauge(name, value)

    async def _health(self) -> Response:
        """Whether it takes work."""
        if self.stopping:
            return JSONResponse({"status": "stopping"}, 503, {"Retry-After": "10"})
        return JSONResponse({"status": "ok", "working": self.line.working})

    async def _metrics(self) -> Response:
        """Counters for Prometheus."""
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")


def _at_once(converter: Converter) -> int:
    reader = converter.reader
    wanted = 2 * cores() if reader is None else getattr(reader.engine, "most", LEAST_AT_ONCE)
    return max(LEAST_AT_ONCE, min(int(wanted), MOST_AT_ONCE))


async def _said(_: Request, error: Exception) -> Response:
    """Errors of the routing."""
    assert isinstance(error, HTTPException), "asked for these only"
    return JSONResponse(problem(error.status_code, str(error.detail)), error.status_code, error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    """What a route does not take."""
    assert isinstance(error, Refused), "asked for these only"
    return JSONResponse(problem(error.status, error.message, code=error.code), error.status, error.headers)


async def _broken(_: Request, error: Exception) -> Response:
    """A mistake of ours. What it was goes into the log."""
    return JSONResponse(problem(500, "a mistake in smoldocling, please report it"), 500)
