"""A real server for the tests, on a free port of this machine, and a client that sees everything that comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3

from smoldocling.pipeline import Converter
from smoldocling.serve.app import Served
from smoldocling.serve.command import Server, bound
from smoldocling.serve.settings import Settings

PATIENCE_S = 120.0


@dataclass
class Reply:
    """What a server has answered."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def error(self) -> str:
        return str(self.json["error"]["message"])


@dataclass
class Client:
    """One who asks."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, maxsize=64))

    def ask(self, method: str, path: str, **options: Any) -> Reply:
        options["headers"] = self.headers | options.get("headers", {})
        reply = self.pool.request(method, self.url + path, timeout=60.0, redirect=False, **options)
        return Reply(reply.status, reply.headers, reply.data)

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def convert(self, data: bytes, name: str = "a.pdf", **fields: Any) -> Reply:
        """Send a document as a form."""
        listed = [
            (key, one) for key, value in fields.items() for one in (value if isinstance(value, list) else [value])
        ]
        return self.ask("POST", "/v1/convert", fields=[("file", (name, data)), *listed])

    def job(self, data: bytes, name: str = "a.pdf", **fields: Any) -> dict[str, Any]:
        """Have it done later."""
        reply = self.convert(data, name, wait="false", **fields)
        assert reply.status == 202, reply.body
        return dict(reply.json)

    def over(self, job: dict[str, Any]) -> dict[str, Any]:
        """Wait until it is over."""
        deadline = time.monotonic() + PATIENCE_S
        while (job := self.get(f"/v1/jobs/{job['id']}").json)["state"] in ("queued", "running"):
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        return job


@dataclass
class Running:
    """A server that runs in a thread of this process."""

    converter: Converter
    served: Served
    url: str
    server: Server
    thread: threading.Thread

    @property
    def client(self) -> Client:
        return Client(self.url)


@contextmanager
def serving(converter: Converter, model: str = "smoldocling", **options: Any) -> Iterator[Running]:
    """Serve a converter. `options` are those of Settings."""
    settings = Settings(port=0, **options)
    listening = bound(settings)
    served = Served(converter, settings, model)
    ready = threading.Event()
    server = Server(served, ready.set)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), name="served")
    thread.start()
    try:
        assert ready.wait(PATIENCE_S), "the server never began"
        yield Running(converter, served, f"http://127.0.0.1:{listening.getsockname()[1]}", server, thread)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()
        assert not thread.is_alive(), "the server never ended"


def until(holds: Any, what: str) -> None:
    """Wait for something that others do."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)
