"""`/v1/convert` and `/v1/jobs`: a file in, its document out, at once or later.

Knows: forms, jobs, formats. Does not know: how documents are read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from smoldocling import selection
from smoldocling.errors import UnusableOption
from smoldocling.output import FORMATS, Look
from smoldocling.result import Result
from smoldocling.serve.formats import REPORT, facts, headers, named, rendered
from smoldocling.serve.guard import Refused, problem
from smoldocling.serve.jobs import Job, Jobs, Trouble, Wish, told
from smoldocling.serve.line import Full, Line, Place
from smoldocling.serve.metrics import Metrics
from smoldocling.serve.settings import Settings

FIELDS = ("file", "to", "pages", "password", "wait", "furniture", "page_break", "images")
# More fields than there are, longer than any of them needs to be.
MOST_FIELDS, MOST_FIELD_BYTES = 32, 16_384
STATUS = {"unreadable": 422, "too_many_pages": 413, "too_large": 413, "cancelled": 409, "timeout": 504, "internal": 500}
WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with. `folder` holds what has been sent, as long as it is needed."""

    jobs: Jobs
    line: Line
    settings: Settings
    metrics: Metrics
    folder: Path


@dataclass(frozen=True, slots=True)
class Order:
    """A form that has been understood."""

    wish: Wish
    to: tuple[str, ...]


def routes(parts: Parts) -> APIRouter:
    """The routes."""
    router = APIRouter()

    @router.post("/v1/convert")
    async def convert(request: Request) -> Response:
        """Convert a document. See docs/serve.md."""
        place = entered(parts.line)
        try:
            order = await _order(request, parts)
            try:
                job = parts.jobs.start(place, order.wish)
            except UnusableOption as error:
                raise Refused(400, str(error)) from error
        finally:
            place.leave()
        if order.wish.kept:
            headers = {"Location": f"/v1/jobs/{job.key}"}
            return JSONResponse(told(parts.jobs, job, parts.settings), 202, headers)
        try:
            await _waited(request, job, parts)
            return await _answer(job, order, parts)
        finally:
            parts.jobs.forget(job)

    @router.get("/v1/jobs/{key}")
    async def status(key: str) -> Response:
        """How far a job is."""
        return JSONResponse(told(parts.jobs, _found(parts.jobs.find(key)), parts.settings))

    @router.delete("/v1/jobs/{key}")
    async def cancel(key: str) -> Response:
        """Stop a job, and forget its result."""
        job = _found(parts.jobs.find(key))
        parts.jobs.cancel(job)
        parts.jobs.forget(job)
        return JSONResponse(told(parts.jobs, job, parts.settings))

    @router.get("/v1/jobs/{key}/result")
    async def result(key: str, to: str = "md") -> Response:
        """What came of a job."""
        job = _found(parts.jobs.find(key))
        if to not in FORMATS:
            raise Refused(400, _unknown(to))
        found = await _result(job, parts)
        return Response(await run_in_threadpool(rendered, found, to, job.wish.look), headers=headers(found, to))

    @router.get("/report/{view}")
    async def report(view: str) -> Response:
        """The report of a job, to be looked at."""
        job = _found(parts.jobs.seen(view))
        found = await _result(job, parts)
        body = await run_in_threadpool(rendered, found, "report", job.wish.look)
        return Response(body, media_type="text/html", headers={"Content-Security-Policy": REPORT})

    return router


def entered(line: Line) -> Place:
    """A place in the line. Raises Refused."""
    try:
        return line.enter()
    except Full as error:
        raise Refused(429, str(error), Retry_After=str(error.seconds)) from error


def _found(job: Job | None) -> Job:
    if job is None:
        raise Refused(404, "there is no such job; results are kept for a while only")
    return job


async def _result(job: Job, parts: Parts) -> Result:
    """Raises Refused where there is none."""
    found = await run_in_threadpool(parts.jobs.result, job)
    if found is not None:
        return found
    if job.trouble is not None:
        raise Refused(STATUS[job.trouble.code], job.trouble.message, code=job.trouble.code)
    raise Refused(409, "it is not done yet", Retry_After="1")


async def _order(request: Request, parts: Parts) -> Order:
    """The form; its file is on disk then. Raises Refused."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refused(415, "a form (multipart/form-data) with a file in it is taken")
    async with _form(request) as form:
        unknown = sorted(set(form) - set(FIELDS))
        if unknown:
            raise Refused(400, f"{unknown[0][:40]!r}: {', '.join(FIELDS)} are the fields that are taken")
        to = tuple(dict.fromkeys(name for text in _texts(form, "to") for name in text.split(",") if name)) or ("md",)
        for name in to:
            if name not in FORMATS:
                raise Refused(400, _unknown(name))
        files = [one for one in form.getlist("file") if isinstance(one, UploadFile)]
        if len(files) != 1:
            raise Refused(400, "one file is taken, in the field `file`")
        pages = _text(form, "pages")
        try:
            selection.parse(pages)
        except UnusableOption as error:
            raise Refused(400, str(error)) from error
        look = Look(_flag(form, "furniture", False), _text(form, "page_break"))
        images, kept = _flag(form, "images", "report" in to), not _flag(form, "wait", True)
        name, password = named(files[0].filename), _text(form, "password")
        path = await run_in_threadpool(_put_down, files[0], parts)
    return Order(Wish(path, name, pages, password, look, images, kept), to)


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """Raises Refused for what is no form, or broke off."""
    try:
        form = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES)
    except HTTPException as error:
        raise Refused(400, f"the form cannot be read: {error.detail}", Connection="close") from error
    except ClientDisconnect as error:
        raise Refused(400, "the form broke off") from error
    try:
        yield form
    finally:
        await form.close()


def _put_down(file: UploadFile, parts: Parts) -> Path:
    """The file under a name of ours. Raises Refused where it is too large."""
    with tempfile.NamedTemporaryFile(dir=parts.folder, delete=False) as kept:
        path = Path(kept.name)
        try:
            shutil.copyfileobj(file.file, kept, 2**20)
            if kept.tell() > parts.settings.max_bytes:
                raise Refused(413, f"the document is too large: {parts.settings.max_bytes:,} bytes are the limit")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        parts.metrics.count("received_bytes_total", kept.tell())
    return path


def _texts(form: FormData, name: str) -> list[str]:
    given = form.getlist(name)
    if any(isinstance(one, UploadFile) for one in given):
        raise Refused(400, f"{name}: text is taken, not a file")
    return [str(one) for one in given]


def _text(form: FormData, name: str) -> str | None:
    given = _texts(form, name)
    if len(given) > 1:
        raise Refused(400, f"{name}: one is taken")
    return given[0] or None if given else None


def _flag(form: FormData, name: str, otherwise: bool) -> bool:
    given = _text(form, name)
    if given is None:
        return otherwise
    if given.lower() not in WORDS:
        raise Refused(400, f"{name} {given[:40]!r}: true or false is taken")
    return WORDS[given.lower()]


def _unknown(to: str) -> str:
    return f"to {to[:40]!r}: {', '.join(FORMATS)} are the choices"


async def _waited(request: Request, job: Job, parts: Parts) -> None:
    """Until the job is over, its client has hung up, or it takes too long. Then it is stopped. Raises Refused."""
    assert job.future is not None, "it has been started"
    done = asyncio.ensure_future(asyncio.wrap_future(job.future))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({done, gone}, timeout=parts.settings.request_seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not job.over:
            seconds = parts.settings.request_seconds
            why = Trouble("cancelled", "the client has hung up")
            if not gone.done():
                why = Trouble("timeout", f"it took longer than {seconds:g} s; wait=false has no such limit")
            parts.jobs.cancel(job, why)
        gone.cancel()
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        with contextlib.suppress(asyncio.CancelledError):
            await gone


async def _gone(request: Request) -> None:
    """Wait until the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _answer(job: Job, order: Order, parts: Parts) -> Response:
    """What a client that has waited gets."""
    if job.trouble is not None:
        status = STATUS[job.trouble.code]
        return JSONResponse(problem(status, job.trouble.message, code=job.trouble.code), status)
    found = await _result(job, parts)
    if len(order.to) == 1:
        body = await run_in_threadpool(rendered, found, order.to[0], job.wish.look)
        return Response(body, headers=headers(found, order.to[0]))
    content = facts(found)
    content["formats"] = {
        name: (await run_in_threadpool(rendered, found, name, job.wish.look)).decode() for name in order.to
    }
    body = await run_in_threadpool(lambda: json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
    return Response(body, media_type="application/json", headers={"X-Document-Status": found.status})
