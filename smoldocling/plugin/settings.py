"""Options that the layout, table and OCR engines have in common, and the converter that they stand for.

Knows: our keywords, Docling's accelerator and artifacts. Does not know: pages, what the engines make of them.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Literal

from docling.datamodel.accelerator_options import AcceleratorOptions
from pydantic import BaseModel, Field, field_validator

from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.pipeline import Converter
from smoldocling.plugin import environment, shared


class ReadingOptions(BaseModel):
    """Who reads the pages. Whichever of the three engines comes to a page first reads it for the others, too."""

    model: Annotated[
        str,
        Field(
            default_factory=environment.model,
            validate_default=True,
            description="Checkpoint: a folder, a hub id, or a short name (smoldocling, granite-docling). With "
            "artifacts_path, hub ids and short names are looked for there and nowhere else.",
        ),
    ]
    engine: Annotated[
        Literal["auto", "native", "transformers", "textlayer"],
        Field(
            default_factory=environment.engine,
            validate_default=True,
            description="Who reads the pages: native and transformers run the model, textlayer takes the text of "
            "born-digital pages without any; auto is the first of these that can be had.",
        ),
    ]
    splits: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_SPLITS,
            description="Image tiles along a page's long side. None: 5, or the model's own where that is less than 4.",
        ),
    ] = None
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16", "int8"],
        Field(description="In which numbers the model is computed; int8 is for the native engine."),
    ] = "auto"
    text: Annotated[
        Literal["auto", "model", "page"],
        Field(
            description="Whose characters a page gets that the model has read: auto takes the file's where only single "
            "ones differ, page wherever the file has some, model never."
        ),
    ] = "auto"

    @field_validator("model", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        return str(given) if isinstance(given, Path) else given


class Reader:
    """Options, and the converter that they stand for: loaded when it is first asked for, shared by the process."""

    def __init__(
        self, options: ReadingOptions, artifacts_path: Path | None, accelerator_options: AcceleratorOptions
    ) -> None:
        self._options = options
        self._artifacts = artifacts_path
        self._device = device(accelerator_options)
        self._converter: Converter | None = None
        self._loading = threading.Lock()

    def converter(self) -> Converter:
        """Raises UnusableOption, NoCheckpoint, UnusableCheckpoint."""
        with self._loading:
            if self._converter is None:
                options = self._options
                self._converter = shared.converter(
                    **shared.chosen(options.model, options.engine, self._artifacts),
                    splits=options.splits,
                    dtype=options.dtype,
                    device=self._device,
                ).with_options(text=options.text, pictures=False)
            return self._converter


def device(options: AcceleratorOptions) -> str:
    """What Docling's --device says, in torch's words."""
    return str(getattr(options.device, "value", options.device))
