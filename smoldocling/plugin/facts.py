"""What Docling hears of a page that we have read: errors, predictions, confidence.

Knows: our results, Docling's records. Does not know: pipelines, backends, engines.
Laws: whatever is missing from a page is an error item that names the page. A page is no worse in the report than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from docling.datamodel.base_models import (
    ConfidenceReport,
    DoclingComponentType,
    ErrorItem,
    FailureCategory,
    PageConfidenceScores,
    VlmPrediction,
    VlmStopReason,
)
from docling.models.stages.page_preprocessing.page_preprocessing_model import (
    PagePreprocessingModel,
    PagePreprocessingOptions,
)

from smoldocling.layer import ENGINE as TEXT_LAYER
from smoldocling.result import CONTRADICTED, INCOMPLETE, PageResult, walk

STOPS = {
    "ok": VlmStopReason.END_OF_SEQUENCE,
    "retried": VlmStopReason.END_OF_SEQUENCE,
    "truncated": VlmStopReason.LENGTH,
    "repeated": VlmStopReason.STOP_SEQUENCE,
    "failed": VlmStopReason.INFERENCE_ERROR,
}
# Docling's report takes the worst tenth of a document for how well its text was parsed.
WORST = 0.1
_QUALITY = PagePreprocessingModel(options=PagePreprocessingOptions(images_scale=None))


def errors(page: PageResult) -> list[ErrorItem]:
    """What is missing from a page."""
    if page.error is None and page.status not in INCOMPLETE:
        return []
    # a page without a size has never been opened
    unread = page.status == "failed" and (page.engine == TEXT_LAYER or page.tree.size is None)
    module, message = f"smoldocling.{page.engine}", page.error or page.status
    return [_of_file(module, message, page.number) if unread else of_model(module, message, page.number)]


def of_document(message: str) -> ErrorItem:
    """What is wrong with the file as a whole."""
    return _of_file("smoldocling.pages", message, None)


def of_model(module: str, message: str, number: int | None = None) -> ErrorItem:
    """What a model has failed to do."""
    return ErrorItem(
        component_type=DoclingComponentType.MODEL,
        module_name=module,
        error_message=message,
        category=FailureCategory.INFERENCE_FAILURE,
        page_no=number,
    )


def _of_file(module: str, message: str, number: int | None) -> ErrorItem:
    return ErrorItem(
        component_type=DoclingComponentType.DOCUMENT_BACKEND,
        module_name=module,
        error_message=message,
        category=FailureCategory.BACKEND_FAILURE,
        page_no=number,
    )


def prediction(page: PageResult) -> VlmPrediction | None:
    """What the model wrote, tag for tag, before anything was repaired; None where no model was asked."""
    if page.raw is None:
        return None
    return VlmPrediction(
        text=page.raw,
        generation_time=page.seconds,
        num_tokens=page.tokens,
        stop_reason=STOPS.get(page.status, VlmStopReason.UNSPECIFIED),
        error_message=page.error,
    )


def scores(page: PageResult) -> PageConfidenceScores | None:
    """How far the page can be trusted; None where nobody can tell.

    layout  share of what the model wrote that stood there as valid DocTags, without repair
    ocr     share of the model's text that the page's own text confirms
    table   the same for its tables alone
    parse   Docling's measure of the file's own text, where that is what was read

    Of a failed page, what it would have is 0.
    """
    if page.status == "failed":
        return PageConfidenceScores(**{"parse_score" if page.engine == TEXT_LAYER else "ocr_score": 0.0})
    elements = list(walk(page.tree))
    if page.engine == TEXT_LAYER:
        rated = [_QUALITY.rate_text_quality(one.text) for one in elements if one.text.strip()]
        return PageConfidenceScores(parse_score=float(np.quantile(rated, WORST))) if rated else None
    if page.raw is None or not elements:
        return None
    mistakes = sum(problem.kind not in CONTRADICTED for problem in page.problems)
    found = PageConfidenceScores(layout_score=max(0.0, 1 - mistakes / len(elements)))
    if page.agreement is not None:
        found.ocr_score = page.agreement
    tables = [page.scores[n] for n, one in enumerate(elements) if one.kind == "otsl" and n in page.scores]
    if tables:
        found.table_score = float(np.mean(tables))
    return found


def report(pages: Iterable[PageResult]) -> ConfidenceReport:
    """How far the document can be trusted, put together as Docling does it."""
    found = {page.number: one for page in pages if (one := scores(page)) is not None}
    whole = ConfidenceReport()
    whole.pages.update(found)
    whole.layout_score = _over([one.layout_score for one in found.values()])
    whole.ocr_score = _over([one.ocr_score for one in found.values()])
    whole.table_score = _over([one.table_score for one in found.values()])
    whole.parse_score = _over([one.parse_score for one in found.values()], WORST)
    return whole


def _over(values: Sequence[float], quantile: float | None = None) -> float:
    """The mean or a quantile of those that are known."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan")
    return float(np.mean(known) if quantile is None else np.quantile(known, quantile))
