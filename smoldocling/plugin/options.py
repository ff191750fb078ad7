"""What can be set in Docling for this engine: Docling's own options for pages, and those of `smoldocling.Converter`.

Knows: Docling's options, our keywords. Does not know: engines, documents.
Law: an option is taken and does what its description says, or is refused; none is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from docling.datamodel.pipeline_options import PaginatedPipelineOptions
from pydantic import ConfigDict, Field, field_validator, model_validator

from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.pipeline import DEFAULT_MODEL, MAX_BATCH, MAX_WORKERS
from smoldocling.wanted import MAX_TIMEOUT
from smoldocling.workers.limits import TIMEOUT_SECONDS

_ITSELF = "the model writes it into the page by itself, so there is no stage to switch on"
_NO_STAGE = "the page is read as a whole, so there is no such stage"
# Options of Docling's other pipelines that people bring along, and why they are not here.
ELSEWHERE = {
    "do_code_enrichment": _ITSELF,
    "do_formula_enrichment": _ITSELF,
    "code_formula_options": _ITSELF,
    "do_table_structure": _ITSELF,
    "table_structure_options": _NO_STAGE,
    "do_ocr": _NO_STAGE,
    "ocr_options": _NO_STAGE,
    "layout_options": _NO_STAGE,
    "generate_table_images": "Docling has given it up; table.get_image(document) cuts a table out of its page image",
    "force_backend_text": "text='page' takes the file's own text wherever there is some",
    "vlm_options": "model=, engine= and server= say who reads the pages",
    "password": "it belongs to the document: PdfFormatOption(backend_options=PdfBackendOptions(password=...))",
}


class SmolDoclingOptions(PaginatedPipelineOptions):
    """Options of `SmolDoclingPipeline`.

    Pipelines with the same model, engine and settings for it share one engine, whatever else their options are.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    kind: ClassVar[str] = "smoldocling"

    model: Annotated[
        str,
        Field(
            description="Checkpoint: a folder, a hub id, or a short name (smoldocling, granite-docling). With "
            "artifacts_path, hub ids and short names are looked for there and nowhere else.",
            examples=["smoldocling", "granite-docling", "./my-checkpoint"],
        ),
    ] = DEFAULT_MODEL
    engine: Annotated[
        Literal["auto", "native", "transformers", "textlayer"],
        Field(
            description="Who reads the pages: native and transformers run the model, textlayer takes the text of "
            "born-digital pages without any; auto is the first of these that can be had."
        ),
    ] = "auto"
    splits: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_SPLITS,
            description="Image tiles along a page's long side. None: 5, or the model's own where that is less than 4.",
        ),
    ] = None
    device: Annotated[
        str,
        Field(description="What the model is computed on; auto takes accelerator_options.device."),
    ] = "auto"
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16", "int8"],
        Field(description="In which numbers; int8 is for the native engine."),
    ] = "auto"
    batch_size: Annotated[
        int | Literal["auto"],
        Field(description="Pages that the engine works on at a time, of all documents together."),
    ] = "auto"
    max_new_tokens: Annotated[
        int | None,
        Field(ge=1, description="Ids that the model may write for a page. None: as many as fit."),
    ] = None
    drafts: Annotated[
        bool,
        Field(description="Check what the page's own text says, several ids a step; the answer is the same."),
    ] = True
    constrain: Annotated[
        bool,
        Field(description="Let the model write valid DocTags only."),
    ] = False
    text: Annotated[
        Literal["auto", "model", "page"],
        Field(
            description="Whose characters a page gets that the model has read: auto takes the file's where only single "
            "ones differ, page wherever the file has some, model never."
        ),
    ] = "auto"
    server: Annotated[
        str | None,
        Field(
            description="Address of an OpenAI-compatible server that has the model; it reads the pages in place of an "
            "engine here. Needs enable_remote_services."
        ),
    ] = None
    workers: Annotated[
        int | Literal["auto"],
        Field(description="Processes that read and draw pages, so that a crash or a hang costs one page; 0: none."),
    ] = "auto"
    timeout: Annotated[
        float,
        Field(
            gt=0,
            lt=MAX_TIMEOUT,
            description="Seconds after which reading one page's file contents is given up; document_timeout is for the "
            "whole document, the model's time included.",
        ),
    ] = TIMEOUT_SECONDS
    generate_parsed_pages: Annotated[
        bool,
        Field(description="Keep the cells that Docling's backend finds on each page, as ConversionResult.pages[i]."),
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _not_from_elsewhere(cls, given: Any) -> Any:
        for name in given if isinstance(given, Mapping) else ():
            if name in ELSEWHERE:
                raise ValueError(f"{name} is no option of this pipeline: {ELSEWHERE[name]}")
        return given

    @field_validator("model", mode="before")
    @classmethod
    def _as_text(cls, given: Any) -> Any:
        return str(given) if isinstance(given, Path) else given

    @field_validator("batch_size")
    @classmethod
    def _possible_batch(cls, given: int | str) -> int | str:
        if given != "auto" and not 1 <= int(given) <= MAX_BATCH:
            raise ValueError(f"'auto' or 1 to {MAX_BATCH}")
        return given

    @field_validator("workers")
    @classmethod
    def _possible_workers(cls, given: int | str) -> int | str:
        if given != "auto" and not 0 <= int(given) <= MAX_WORKERS:
            raise ValueError(f"'auto' or 0 to {MAX_WORKERS}")
        return given
