"""The preset for `docling --pipeline vlm --vlm-model smoldocling_native`: pages read by `smoldocling serve`.

Knows: Docling's presets, the server's address. Does not know: engines.
"""

from __future__ import annotations

from docling.datamodel.pipeline_options import VlmConvertOptions
from docling.datamodel.pipeline_options_vlm_model import ResponseFormat
from docling.datamodel.stage_model_specs import StageModelPreset, VlmModelSpec
from docling.datamodel.vlm_engine_options import ApiVlmEngineOptions
from docling.models.inference_engines.vlm.base import VlmEngineType
from docling.models.utils.generation_utils import GenerationStopper
from pydantic import AnyUrl

from smoldocling.plugin import environment

PRESET = "smoldocling_native"
# As the models were taught; smoldocling.vocab has it too, but importing that takes too long for every start of Docling.
PROMPT = "Convert this page to docling."
# 144 dpi, as the models were trained with.
SCALE = 2.0
# The server gives no more than the model has room for.
MAX_NEW_TOKENS = 8192
PATH = "/v1/chat/completions"
# A dense page takes a processor some minutes, and waits for its turn behind the pages of others.
TIMEOUT_SECONDS = 600.0
# Docling asks for as many pages at a time as --page-batch-size says; the server has them in one batch.
CONCURRENCY = 16


class Streamed(GenerationStopper):
    """Stops nothing. Where there is a stopper, Docling has answers streamed, and a server that streams says from time
    to time that it is still at work: else Docling gives a page up after a minute."""

    def should_stop(self, s: str) -> bool:
        """Never: the server's engine has its own rules for answers that run away."""
        return False

    def lookback_tokens(self) -> int:
        """What is not looked at need not be put together."""
        return 1


def register() -> None:
    """Make the preset known to Docling, once."""
    if PRESET not in VlmConvertOptions.list_preset_ids():
        VlmConvertOptions.register_preset(preset())


def preset() -> StageModelPreset:
    """The preset; the model's name is what the environment says now."""
    return StageModelPreset(
        preset_id=PRESET,
        name="SmolDocling, served by smoldocling",
        description="A DocTags model behind `smoldocling serve`; needs --enable-remote-services",
        model_spec=VlmModelSpec(
            name="SmolDocling",
            default_repo_id=environment.model(),
            prompt=PROMPT,
            response_format=ResponseFormat.DOCTAGS,
            supported_engines={kind for kind in VlmEngineType if VlmEngineType.is_api_variant(kind)},
            stop_strings=["</doctag>", "<end_of_utterance>"],
            max_new_tokens=MAX_NEW_TOKENS,
            extra_generation_config={"custom_stopping_criteria": [Streamed]},
        ),
        scale=SCALE,
        # the one of Docling's engines that looks where `smoldocling serve` listens
        default_engine_type=VlmEngineType.API_LMSTUDIO,
    )


def server(address: str, api_key: str | None = None, *, concurrency: int = CONCURRENCY) -> ApiVlmEngineOptions:
    """Another server for the preset: `VlmConvertOptions.from_preset(PRESET, engine_options=server("http://..."))`.

    address      with or without /v1
    concurrency  pages that are asked for at a time; Docling's own default is one
    """
    return ApiVlmEngineOptions(
        engine_type=VlmEngineType.API_LMSTUDIO,
        url=AnyUrl(address.rstrip("/").removesuffix(PATH).removesuffix("/v1") + PATH),
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=TIMEOUT_SECONDS,
        concurrency=concurrency,
    )
