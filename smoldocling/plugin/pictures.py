"""Pictures described in words, by any checkpoint of the SmolVLM family that can be asked freely.

Knows: Docling's picture stage, questions about one image. Does not know: documents, where pictures come from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Annotated, ClassVar, Literal

from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.pipeline_options import PictureDescriptionBaseOptions
from docling.models.picture_description_base_model import PictureDescriptionBaseModel
from PIL import Image
from pydantic import Field

from smoldocling.engine.ear import Ear
from smoldocling.pages.sources import Source
from smoldocling.pages.tiles import MAX_SPLITS
from smoldocling.pipeline import Converter
from smoldocling.plugin import environment, shared
from smoldocling.plugin.settings import device
from smoldocling.serve.asked import Asked
from smoldocling.transcriber import Transcriber

_log = logging.getLogger(__name__)


class SmolDoclingPictureOptions(PictureDescriptionBaseOptions):
    """Options of the picture engine."""

    kind: ClassVar[str] = "smoldocling"

    model: Annotated[
        str,
        Field(
            default_factory=environment.picture_model,
            description="Checkpoint of the Idefics3 architecture: a folder or a hub id. With artifacts_path, hub ids "
            "are looked for there and nowhere else.",
        ),
    ]
    prompt: Annotated[str, Field(description="What is asked about each picture.")] = (
        "Describe this image in a few sentences."
    )
    max_new_tokens: Annotated[int, Field(ge=1, description="The description is cut after so many ids.")] = 200
    splits: Annotated[
        int | None,
        Field(ge=1, le=MAX_SPLITS, description="Image tiles along a picture's long side. None: the model's own."),
    ] = None
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16", "int8"],
        Field(description="In which numbers the model is computed."),
    ] = "auto"


class SmolDoclingPictures(PictureDescriptionBaseModel):
    """`picture_description_options=SmolDoclingPictureOptions()`. Raises what keeps the checkpoint from being loaded."""

    def __init__(
        self,
        *,
        enabled: bool,
        enable_remote_services: bool,
        artifacts_path: Path | str | None,
        options: SmolDoclingPictureOptions,
        accelerator_options: AcceleratorOptions,
    ) -> None:
        super().__init__(
            enabled=enabled,
            enable_remote_services=enable_remote_services,
            artifacts_path=artifacts_path,
            options=options,
            accelerator_options=accelerator_options,
        )
        self.options: SmolDoclingPictureOptions
        if enabled:
            self._load(None if artifacts_path is None else Path(artifacts_path), device(accelerator_options))

    @classmethod
    def get_options_type(cls) -> type[SmolDoclingPictureOptions]:
        """Docling chooses the engine by the class of its options."""
        return SmolDoclingPictureOptions

    def _load(self, artifacts: Path | None, where: str) -> None:
        options = self.options
        made = shared.converter(
            model=shared.located(options.model, artifacts),
            engine="native",
            splits=options.splits,
            dtype=options.dtype,
            device=where,
        )
        self._converter = made.with_options(text="model", pictures=False)
        self.provenance = made.checkpoint or options.model

    def _annotate_images(self, images: Iterable[Image.Image]) -> Iterable[str]:
        """A description of each, in order; "" of a blank one, and of one that could not be described."""
        waiting = list(images)
        if not waiting:
            return
        # a thread each: the engine has them in one batch
        with ThreadPoolExecutor(len(waiting)) as threads:
            yield from threads.map(self._described, waiting)

    def _described(self, image: Image.Image) -> str:
        reader = self._converter.reader
        assert isinstance(reader, Transcriber), "the native engine is one"
        question = Asked(reader, self.options.prompt, self.options.max_new_tokens, Ear())
        asking: Converter = self._converter.with_reader(question)
        for page in asking.stream([Source("picture", PurePath("picture"), image)]):
            if page.error is not None:
                _log.warning("a picture could not be described: %s", page.error)
        return "" if question.generation is None else reader.vocab.decode(question.generation.ids).strip()
