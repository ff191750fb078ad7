"""Docling's own pipelines with our engines in their stages."""

from __future__ import annotations

import re
import sys
from collections import Counter
from types import ModuleType
from typing import Any

from docling.datamodel.backend_options import PdfBackendOptions
from docling.datamodel.base_models import InputFormat
from docling.datamodel.document import ConversionResult
from docling.datamodel.pipeline_options import PdfPipelineOptions
from docling.document_converter import DocumentConverter, ImageFormatOption, PdfFormatOption
from docling.models.factories import (
    get_layout_factory,
    get_ocr_factory,
    get_picture_description_factory,
    get_table_structure_factory,
)
from docling.pipeline.standard_pdf_pipeline import StandardPdfPipeline
from docling_core.types.doc import DoclingDocument

FACTORIES = {
    "layout_options": get_layout_factory,
    "table_structure_options": get_table_structure_factory,
    "ocr_options": get_ocr_factory,
    "picture_description_options": get_picture_description_factory,
}


def complete() -> None:
    """Have Docling's lists of engines made where torchvision is not installed.

    Docling's own table engine imports it when it is listed, used or not. There is a torchvision on PyPI for PyPI's own
    torch only, which is 6 GB; benchmarks/docling_cli.py runs with it.
    """
    wanted = ("torchvision", "torchvision.transforms")
    lacking = [name for name in wanted if name not in sys.modules]
    for name in lacking:
        sys.modules[name] = ModuleType(name)
    try:
        for factory in FACTORIES.values():
            for allowed in (True, False):
                factory(allow_external_plugins=allowed)
    finally:
        for name in lacking:
            del sys.modules[name]


def options(**reading: Any) -> dict[str, Any]:
    """Options of the three engines, chosen by their name as the command line does."""
    names = ("layout_options", "table_structure_options", "ocr_options")
    given = {"engine": "textlayer"} | reading
    return {name: FACTORIES[name](allow_external_plugins=True).create_options("smoldocling", **given) for name in names}


def standard(password: str | None = None, stages: dict[str, Any] | None = None, **reading: Any) -> DocumentConverter:
    """Docling's standard pipeline; `reading` is for our engines, `stages` for the pipeline."""
    wanted = PdfPipelineOptions(allow_external_plugins=True, **(options(**reading) | (stages or {})))
    secret = PdfBackendOptions(password=password) if password is not None else None
    return DocumentConverter(
        format_options={
            InputFormat.PDF: PdfFormatOption(
                pipeline_cls=StandardPdfPipeline, pipeline_options=wanted, backend_options=secret
            ),
            InputFormat.IMAGE: ImageFormatOption(pipeline_cls=StandardPdfPipeline, pipeline_options=wanted),
        }
    )


def converted(source: Any, converter: DocumentConverter, **limits: Any) -> ConversionResult:
    """One document; what goes wrong is in the result."""
    return converter.convert(source, raises_on_error=False, **limits)


def words(text: str) -> Counter[str]:
    """All words and numbers, however often; addresses of links are not among them."""
    return Counter(re.findall(r"\w+", re.sub(r"<https?:[^>]*>", " ", text)))


def said(document: DoclingDocument) -> str:
    """Everything that a document says: texts, cells of tables, running heads, the markers of lists."""
    texts = [f"{getattr(text, 'marker', '')} {text.text or text.orig}" for text in document.texts]
    return "\n".join([*texts, *(cell.text for table in document.tables for cell in table.data.table_cells)])
