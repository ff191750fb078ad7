"""What a page is in the end: what the model wrote, or failed to write, beside what the page's text layer says.

Knows: the engine's answers, text layers, results. Does not know: documents, processes, pictures.
Law: a page whose text layer can be believed is never failed for the model's sake, unless only the model is wanted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import doctags
from smoldocling import layer
from smoldocling.result import PageResult, Status, walk

if TYPE_CHECKING:
    from smoldocling.desk import Outcome
    from smoldocling.pages.textlayer import Reading
    from smoldocling.remote import Remote
    from smoldocling.transcriber import Transcriber
    from smoldocling.workers.orders import Looked

TextName = Literal["auto", "model", "page"]
# The model stopped in the middle of such a page.
CUT_SHORT: frozenset[Status] = frozenset({"truncated", "repeated"})


def verdict(
    model: Transcriber | Remote, text: TextName, source: str, number: int, looked: Looked, outcome: Outcome
) -> PageResult:
    """The page. A mistake of ours costs that page, and says whose it was."""
    name = model.engine.name
    if looked.error is not None:
        return layer.missing(source, number, looked.error, name, looked.size)
    if outcome is None:
        empty = doctags.Page(number=number, size=looked.size)
        return PageResult(source, number, "blank", empty, name, layer.hidden(looked.reading))
    try:
        if isinstance(outcome, Exception):
            raise outcome
        return _compared(model.page(source, number, looked.size, outcome), looked.reading, text)
    except Exception as error:
        why = layer.reason(error)
        reading = looked.reading
        if reading is None or reading.kind != "text" or text == "model":
            return layer.missing(source, number, why, name, looked.size)
        return _answered(source, number, reading, why)


def _answered(source: str, number: int, reading: Reading, why: str) -> PageResult:
    """The page as its text layer has it, since the model has not read it."""
    return PageResult(
        source=source,
        number=number,
        status="textlayer",
        tree=reading.page,
        engine=layer.ENGINE,
        problems=layer.problems(reading),
        error=f"the model failed: {why}; read from the text layer",
    )


def _compared(page: PageResult, reading: Reading | None, text: TextName) -> PageResult:
    """A page that the model wrote, beside its text layer."""
    from smoldocling.reconcile import reconcile

    checked = reconcile(page.tree, reading, text, page.raw or "")
    page = replace(
        page,
        tree=checked.tree,
        agreement=checked.agreement,
        scores=checked.scores,
        note=checked.note,
        problems=tuple(
            sorted(layer.hidden(reading) + page.problems + checked.problems, key=lambda problem: problem.start)
        ),
    )
    believed = reading is not None and reading.kind == "text" and checked.note is None
    if believed and text != "model" and page.status in CUT_SHORT:
        assert reading is not None, "what is believed has been read"
        return _filled(page, reading)
    return page


def _filled(page: PageResult, reading: Reading) -> PageResult:
    """A page that the model did not finish, with what its text layer says of the rest."""
    from smoldocling.fill import fill

    whole = fill(page.tree, reading.page)
    if whole == page.tree:
        return page
    scores = {id(element): page.scores[n] for n, element in enumerate(walk(page.tree)) if n in page.scores}
    return replace(
        page,
        tree=whole,
        scores={n: scores[id(element)] for n, element in enumerate(walk(whole)) if id(element) in scores},
        error=f"{page.error}; the rest is taken from the text layer",
    )
