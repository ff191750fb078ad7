"""The server as a process: sockets, signals, the end.

Knows: uvicorn. Does not know: what is served.
Law: the first SIGTERM or Ctrl-C lets everything finish that has been taken; a second one ends at once.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType

import python_multipart  # noqa: F401 - starlette misses it only when a form comes
import uvicorn

from smoldocling.errors import UnusableOption
from smoldocling.pipeline import Converter
from smoldocling.serve.app import Served
from smoldocling.serve.patience import Patient
from smoldocling.serve.settings import Settings

# Connections, and requests on them. Beyond that uvicorn answers 503 itself.
MOST_CONNECTIONS = 2048
KEEP_ALIVE_SECONDS = 30
# Answers that are being sent when there is nothing left to do.
LAST_SECONDS = 30


def serve(converter: Converter, settings: Settings, model: str, say: Callable[[str], None]) -> None:
    """Serve until a signal comes. `say` is told where, when there is somebody to listen. Raises UnusableOption."""
    listening = bound(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    place = f"http://{host}:{listening.getsockname()[1]}"
    if not settings.loopback and settings.api_key is None:
        say(f"note: whoever reaches {settings.host} may use this server; --api-key asks for a key")
    served = Served(converter, settings, model)
    ready = partial(say, f"serving {converter.checkpoint or converter.engine} on {place}")
    Server(served, ready).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn's, with an end that waits. `ready` is called when there is somebody to listen."""

    def __init__(self, served: Served, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                served.app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http=Patient,
                ws="none",
                lifespan="on",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=LAST_SECONDS,
            )
        )
        self._served = served
        self._ready = ready
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self.started:
            self._loop = asyncio.get_running_loop()
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal."""
        if self._served.stopping or not self.started:
            self.should_exit = self.force_exit = True
            return
        self._served.stopping = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        self._draining = self._loop.create_task(self._served.drain())
        self._draining.add_done_callback(lambda _: setattr(self, "should_exit", True))


def bound(settings: Settings) -> socket.socket:
    """A socket where the settings want it. Raises UnusableOption."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        raise UnusableOption(f"{settings.host}:{settings.port}: cannot listen there: {reason}") from error
    return listening
