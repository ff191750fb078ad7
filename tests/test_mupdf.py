"""PyMuPDF is used by one thread at a time, whoever converts what."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from make import PROSE, pdf

from smoldocling.pages.mupdf import ALONE
from smoldocling.pipeline import Converter
from smoldocling.result import Result

# A finalizer is a single call into MuPDF, and during that PyMuPDF holds the interpreter's own lock.
MAY_COME_ANY_TIME = ("__del__", "__repr__")


@pytest.fixture
def strays(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What of PyMuPDF was called by a thread whose turn it was not."""
    found: list[str] = []

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*arguments: object, **options: object) -> object:
            if not ALONE._is_owned():  # type: ignore[attr-defined]
                found.append(name)
            return call(*arguments, **options)

        return watch

    for kind in (pymupdf.Document, pymupdf.Page, pymupdf.DisplayList, pymupdf.Pixmap, pymupdf.TextPage):
        for name, member in list(vars(kind).items()):
            whole = f"{kind.__name__}.{name}"
            if isinstance(member, property):
                monkeypatch.setattr(kind, name, property(watched(whole, member.fget), member.fset))
            elif isinstance(member, types.FunctionType) and name not in MAY_COME_ANY_TIME:
                monkeypatch.setattr(kind, name, watched(whole, member))
    return found


def test_nobody_uses_pymupdf_out_of_turn(strays: list[str], samples: Path, shared_data: Path) -> None:
    """Opening, unlocking, reading, drawing, closing; damage, blank pages, pages that are not there."""
    with ALONE:
        rotated = pymupdf.open(stream=pdf(PROSE))
        rotated[0].set_rotation(90)
        made = [rotated.tobytes(), pdf(PROSE, "", password="x"), pdf(PROSE)[:-400], b"%PDF nothing"]
    files = [samples / "report.pdf", shared_data / "docling" / "picture_classification.pdf"]
    converter = Converter(engine="textlayer", password=lambda _: "x", page_images=True, pages="1,2,99")
    pages = list(converter.stream([*made, *files]))
    assert {"textlayer", "failed"} <= {page.status for page in pages}
    assert any(page.pictures for page in pages)
    assert strays == []


def test_a_question_for_a_password_leaves_others_their_turn() -> None:
    """A person may think for a minute, and other streams of the program go on."""
    free: list[bool] = []

    def password(_: str) -> str:
        thread = threading.Thread(target=lambda: free.append(ALONE.acquire(timeout=5)) or ALONE.release())
        thread.start()
        thread.join()
        return "x"

    list(Converter(engine="textlayer", password=password).stream(pdf(PROSE, password="x")))
    assert free == [True]


def test_threads_read_what_one_thread_reads(samples: Path, shared_data: Path) -> None:
    """Text, figures and pictures of whole pages of the same real documents, each in another order."""
    names = ("right_to_left_01", "picture_classification", "2305.03393v1-pg9")
    files = [samples / "invoice.pdf", *(shared_data / "docling" / f"{name}.pdf" for name in names)]
    converters = [Converter(engine="textlayer", page_images=True) for _ in range(2)]
    alone = everything(converters[0].documents(files))
    together: list[dict[str, object]] = [{}, {}]

    def work(n: int) -> None:
        together[n] = everything(converters[n].documents(files[::-1] if n else files))

    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(usual)
    assert together == [alone, alone]
    assert len(alone) == len(files)


def everything(results: Any) -> dict[str, object]:
    """A document's pages with everything that is in them."""

    def pages(result: Result) -> list[object]:
        return [(page.doctags, page.image, page.pictures, page.error) for page in result.pages]

    return {result.name: pages(result) for result in results}
