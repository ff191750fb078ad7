"""Real Docling with our pipeline in it, and the documents that its tests convert."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import bombs
import pymupdf
from docling.backend.docling_parse_backend import ThreadedDoclingParseDocumentBackend
from docling.backend.image_backend import ImageDocumentBackend
from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
from docling.datamodel.backend_options import PdfBackendOptions
from docling.datamodel.base_models import DocumentStream, InputFormat
from docling.datamodel.document import ConversionResult
from docling.document_converter import DocumentConverter, FormatOption
from make import PROSE, pdf
from PIL import Image

from smoldocling.plugin import SmolDoclingOptions, SmolDoclingPipeline

# Every backend that Docling has for PDFs.
BACKENDS = [ThreadedDoclingParseDocumentBackend, PyPdfiumDocumentBackend]
# Seconds that a page may take where one is made to take for ever.
SHORT = 2.0


def docling(
    *, backend: type = ThreadedDoclingParseDocumentBackend, password: str | None = None, **options: Any
) -> DocumentConverter:
    """A DocumentConverter whose PDFs and images go through our pipeline; textlayer, unless options say otherwise."""
    wanted = SmolDoclingOptions(**{"engine": "textlayer", "workers": 2} | options)
    secret = PdfBackendOptions(password=password) if password is not None else None
    return DocumentConverter(
        format_options={
            InputFormat.PDF: FormatOption(
                pipeline_cls=SmolDoclingPipeline, pipeline_options=wanted, backend=backend, backend_options=secret
            ),
            InputFormat.IMAGE: FormatOption(
                pipeline_cls=SmolDoclingPipeline, pipeline_options=wanted, backend=ImageDocumentBackend
            ),
        }
    )


def stream(data: bytes, name: str = "a.pdf") -> DocumentStream:
    """Bytes as Docling takes them."""
    return DocumentStream(name=name, stream=io.BytesIO(data))


def one_page_hangs() -> bytes:
    """Three pages, of which nobody can read the second in a reasonable time."""
    document = pymupdf.open(stream=pdf(PROSE, PROSE))
    with pymupdf.open(stream=bombs.nested_forms()) as bomb:
        document.insert_pdf(bomb, start_at=1)
    return bytes(document.tobytes())


def said(result: ConversionResult) -> list[tuple[str, str, int | None]]:
    """Component, category and page of all errors."""
    return [(error.component_type.value, error.category.value, error.page_no) for error in result.errors]


def places(result: ConversionResult) -> set[int]:
    """The pages that items of the document are said to be on."""
    items: Iterable[Any] = (item for item, _ in result.document.iterate_items())
    return {place.page_no for item in items for place in getattr(item, "prov", ())}


@contextmanager
def answering(answer: Callable[[Image.Image], str | None]) -> Iterator[str]:
    """The address of a server of chat completions that looks at an image and answers; None: an error, not an answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, "application/json", json.dumps({"object": "list", "data": [{"id": "smoldocling"}]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            parts = {part["type"]: part for part in body["messages"][-1]["content"]}
            data = parts["image_url"]["image_url"]["url"].partition(",")[2]
            said = answer(Image.open(io.BytesIO(base64.b64decode(data))))
            if said is None:
                self._send(400, "application/json", json.dumps({"error": {"message": "no luck"}}))
            elif body.get("stream"):
                piece = {"choices": [{"index": 0, "delta": {"content": said}, "finish_reason": "stop"}]}
                self._send(200, "text/event-stream", f"data: {json.dumps(piece)}\n\ndata: [DONE]\n\n")
            else:
                choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                whole = {"id": "1", "model": "m", "choices": [choice], "created": 0, "usage": usage}
                self._send(200, "application/json", json.dumps(whole))

        def _send(self, status: int, kind: str, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def figure(shade: float = 0.5, words: str = PROSE) -> bytes:
    """A page with a filled rectangle between its lines: 100 x 100 points in the middle."""
    document = pymupdf.open()
    page = document.new_page(width=400, height=400)
    page.insert_textbox(pymupdf.Rect(40, 20, 360, 140), words, fontsize=10)
    page.draw_rect(pymupdf.Rect(150, 150, 250, 250), fill=(shade, shade, shade), color=None)
    return bytes(document.tobytes())
