"""What has been read of the documents that Docling converts just now: each page once, for all of our engines.

Knows: Docling's conversions and pages, our converters. Does not know: what the engines make of a page.
Laws: a page is read once, by whichever engine comes to it first, in as many threads as there may be. What has been read
is kept until it is taken, until MOST_KEPT pages of its document have come after it, or until Docling lets go of the
conversion, whichever is first.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from docling.datamodel.base_models import Page
from docling.datamodel.document import ConversionResult
from docling.pipeline.base_pipeline import get_expected_page_nos

from smoldocling import layer
from smoldocling.errors import UnreadablePage
from smoldocling.pages.sources import Source, Unfit, because
from smoldocling.pipeline import Converter, Stream
from smoldocling.plugin import facts, opened
from smoldocling.plugin.settings import Reader
from smoldocling.result import PageResult

_log = logging.getLogger(__name__)

# More than Docling has on their way between its stages: a hundred in each of three queues (its queue_max_size).
MOST_KEPT = 512
# Longest side of a page that Docling draws for us: six tiles of 512, more than which no model is shown.
DRAWN_PX = 3072

_CONVERSIONS: dict[int, Conversion] = {}
_FINDING = threading.Lock()


class Conversion:
    """One document on its way through Docling's stages. Use `conversion` to get it."""

    def __init__(self, conv_res: ConversionResult) -> None:
        document = conv_res.input
        self._name = document.file.name
        self._numbers = get_expected_page_nos(conv_res)
        self._source = opened.whole(document) if opened.mime(document) is not None else None
        options = getattr(document._backend, "options", None)
        password = getattr(options, "password", None)
        self._password: str | None = password.get_secret_value() if password is not None else None
        self._kept: OrderedDict[int, PageResult] = OrderedDict()
        self._keeping = threading.Lock()
        self._reading = threading.Lock()
        self._stream: Stream | None = None
        self._last = 0
        self._unopened: str | None = None
        self._failed: dict[int, str] = {}
        self._seen: set[int] = set()

    def pages(
        self, conv_res: ConversionResult, pages: Sequence[Page], reader: Reader, *, whole: bool = False
    ) -> list[PageResult]:
        """These pages, read where nobody has read them yet; one that cannot be read is a failed page.

        whole  every page of the document will be asked for, in order: it is read as one

        Raises UnreadablePage with the last page of a document of which none could be read, TimeoutError where Docling's
        time for the document is over, and what keeps the engine from being loaded.
        """
        numbers = [page.page_no for page in pages]
        deadline = conv_res._conversion_deadline
        found = self._among(numbers)
        if len(found) < len(numbers):
            with self._reading:
                found |= self._among(numbers)
                if whole:
                    found |= self._next({n for n in numbers if n not in found}, reader.converter(), deadline)
                found |= self._alone(
                    [page for page in pages if page.page_no not in found], reader.converter(), deadline
                )
        for number in numbers:
            self._heard(conv_res, found[number])
        return [found[number] for number in numbers]

    def forget(self, number: int) -> None:
        """Nobody asks for that page any more."""
        with self._keeping:
            self._kept.pop(number, None)

    def leave(self) -> None:
        """Nobody asks for any page any more. From any thread; it does not wait for the engine."""
        if self._stream is not None:
            self._stream.stop()

    def _among(self, numbers: Sequence[int]) -> dict[int, PageResult]:
        with self._keeping:
            return {number: self._kept[number] for number in numbers if number in self._kept}

    def _keep(self, page: PageResult) -> None:
        with self._keeping:
            self._kept[page.number] = page
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def _next(self, wanted: set[int], converter: Converter, deadline: float | None) -> dict[int, PageResult]:
        """Read on in the document until all these pages have come, or there are no more."""
        wanted = {number for number in wanted if number > self._last}
        if self._source is None or not wanted:
            return {}
        if self._stream is None:
            one = converter.with_options(pages=self._numbers, password=self._password)
            self._stream = one.stream([self._source], ordered=True)
        found: dict[int, PageResult] = {}
        for page in _until(deadline, self._stream):
            if page.number == 0:
                self._give_up(page)
                break
            self._last = page.number
            self._keep(page)
            if page.number in wanted:
                found[page.number] = page
            if len(found) == len(wanted):
                break
        if self._last == self._numbers[-1]:
            self._stream.close()  # its threads need not wait until Docling lets go of the conversion
        return found

    def _alone(self, pages: Sequence[Page], converter: Converter, deadline: float | None) -> dict[int, PageResult]:
        """Read these pages and no other."""
        found: dict[int, PageResult] = {}
        wanted = {page.page_no for page in pages}
        if self._source is not None and wanted:
            here = converter.with_options(pages=wanted, password=self._password)
            for one in _until(deadline, here.stream([self._source])):
                if one.number == 0:
                    self._give_up(one)
                else:
                    found[one.number] = one
        drawn = {str(page.page_no): page for page in pages if page.page_no not in found}
        if drawn:
            for one in _until(deadline, converter.stream(map(_drawn, drawn.values()))):
                found[int(one.source)] = self._numbered(one, drawn[one.source], converter)
        for one in found.values():
            self._keep(one)
        return found

    def _give_up(self, page: PageResult) -> None:
        """The file cannot be opened by us, although Docling could."""
        self._source = None
        self._unopened = page.error
        _log.warning("%s: %s; its pages are read as Docling draws them", page.source, page.error)

    def _numbered(self, one: PageResult, page: Page, converter: Converter) -> PageResult:
        """A page that came as an image of its own, as the page that it is."""
        size = None if page.size is None else (page.size.width, page.size.height)
        if one.status == "failed":
            error = self._unopened if converter.reader is None and self._unopened else one.error or ""
            return layer.missing(self._name, page.page_no, error, one.engine, size)
        tree = replace(one.tree, number=page.page_no, size=size)
        return replace(one, source=self._name, number=page.page_no, tree=tree)

    def _heard(self, conv_res: ConversionResult, page: PageResult) -> None:
        """What there is to say of a page, said once."""
        with self._keeping:
            if page.number in self._seen:
                return
            self._seen.add(page.number)
            if page.status == "failed":
                self._failed[page.number] = page.error or page.status
            nothing = len(self._failed) == len(self._numbers)
        if page.error is not None:
            _log.warning("%s page %d: %s", conv_res.input.file.name, page.number, page.error)
        if nothing:
            raise UnreadablePage(page.error or page.status)
        conv_res.errors.extend(facts.errors(page))


def conversion(conv_res: ConversionResult) -> Conversion:
    """The conversion that this result is going to be of; it is let go of together with the result."""
    with _FINDING:
        found = _CONVERSIONS.get(id(conv_res))
        if found is None:
            found = _CONVERSIONS[id(conv_res)] = Conversion(conv_res)
            weakref.finalize(conv_res, _over, id(conv_res)).atexit = False
        return found


def _over(key: int) -> None:
    gone = _CONVERSIONS.pop(key, None)
    if gone is not None:
        gone.leave()


def _until(deadline: float | None, stream: Stream) -> Iterator[PageResult]:
    """The pages of a stream, up to that time of time.monotonic: then the engine is given back. Raises TimeoutError."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    clock = None if left is None else threading.Timer(left, stream.stop)
    if clock is not None:
        clock.daemon = True
        clock.start()
    try:
        # `yield from` would close the stream with this, and who breaks off here goes on later
        for page in stream:  # noqa: UP028
            yield page
    finally:
        if clock is not None:
            clock.cancel()
    if stream.stopped:
        raise TimeoutError("the time for the document is over")


def _drawn(page: Page) -> Source | Unfit:
    """The page as Docling's backend draws it, under its number as its name."""
    name = str(page.page_no)
    try:
        assert page._backend is not None, "it has been opened"
        assert page.size is not None, "it has been opened"
        scale = DRAWN_PX / max(page.size.width, page.size.height)
        image = page._backend.get_page_image(scale=scale).convert("RGB")
    except Exception as error:  # backends are other people's
        return Unfit(name, because(error))
    return Source(name, PurePath(name), image)
