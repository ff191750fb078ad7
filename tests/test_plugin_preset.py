"""Docling's own pipeline of vision-language models, reading with `smoldocling serve`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docling.datamodel.base_models import ConversionStatus, InputFormat
from docling.datamodel.document import ConversionResult
from docling.datamodel.pipeline_options import VlmConvertOptions, VlmPipelineOptions
from docling.document_converter import DocumentConverter, ImageFormatOption, PdfFormatOption
from docling.pipeline.vlm_pipeline import VlmPipeline
from make import PROSE, pdf
from plugin_docling import stream
from serving import Running, serving
from tiny import make_checkpoint

import doctags
from smoldocling.pipeline import Converter
from smoldocling.plugin.preset import PRESET, preset, register, server
from smoldocling.serve import chat
from smoldocling.vocab import PAGE_INSTRUCTION

ROOT = Path(__file__).resolve().parent.parent
# tiny.make_checkpoint wires a network to write this; each of its tokens may occur once only
SCRIPT = (
    "<doctag><title><loc_50><loc_60><loc_450><loc_90>Hello</title>"
    "<text><loc_51><loc_310><loc_451><loc_401>quick</text></doctag>"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A real network that writes SCRIPT whatever it sees."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64, script=SCRIPT, single_locs=True))


@pytest.fixture(scope="module")
def served(checkpoint: str) -> Iterator[Running]:
    """A real server of it."""
    with serving(Converter(model=checkpoint, engine="native", splits=2, dtype="float32"), checkpoint) as running:
        yield running


@pytest.fixture
def chosen(checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The preset as a shell has it in which SMOLDOCLING_MODEL is set."""
    monkeypatch.setenv("SMOLDOCLING_MODEL", checkpoint)
    monkeypatch.delitem(VlmConvertOptions._presets, PRESET, raising=False)
    register()
    yield
    VlmConvertOptions._presets.pop(PRESET)
    monkeypatch.undo()
    register()


def vlm(url: str, **more: Any) -> DocumentConverter:
    """Docling's pipeline with the preset; only the address is another, since here the port is any that is free."""
    wanted = VlmPipelineOptions(
        enable_remote_services=True,
        vlm_options=VlmConvertOptions.from_preset(PRESET, engine_options=server(url).model_copy(update=more)),
    )
    return DocumentConverter(
        format_options={
            InputFormat.PDF: PdfFormatOption(pipeline_cls=VlmPipeline, pipeline_options=wanted),
            InputFormat.IMAGE: ImageFormatOption(pipeline_cls=VlmPipeline, pipeline_options=wanted),
        }
    )


def converted(source: Any, converter: DocumentConverter) -> ConversionResult:
    return converter.convert(source, raises_on_error=False)


def test_the_preset_looks_where_the_server_listens():
    """`docling` has no option for the address; both sides must have the same default."""
    register()
    register()
    wanted = VlmConvertOptions.from_preset(PRESET)
    assert str(wanted.engine_options.url) == "http://localhost:1234/v1/chat/completions"
    assert wanted.model_spec.prompt == PAGE_INSTRUCTION
    assert wanted.model_spec.default_repo_id == "smoldocling"


def test_the_model_goes_by_the_name_that_the_environment_gives_it(chosen, checkpoint):
    """A server answers to the name that it was started with; Docling's command line cannot say one."""
    assert preset().model_spec.default_repo_id == checkpoint


@pytest.mark.parametrize("address", ["http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/chat/completions"])
def test_any_spelling_of_an_address_will_do(address):
    """People copy it from wherever they find it."""
    options = server(address, "key")
    assert str(options.url) == "http://a:1/v1/chat/completions"
    assert options.headers == {"Authorization": "Bearer key"}


def test_pages_come_back_as_a_document(served, chosen):
    """Docling's own engine asks, our server answers, Docling's own parser makes a document of it."""
    result = converted(stream(pdf(PROSE, PROSE)), vlm(served.url))
    assert result.status == ConversionStatus.SUCCESS, result.errors
    assert [(text.text, text.prov[0].page_no) for text in result.document.texts] == [
        (word, page) for page in (1, 2) for word in ("Hello", "quick")
    ]
    for page in result.pages:
        answer = page.predictions.vlm_response.text
        assert answer == SCRIPT.removesuffix("</doctag>")
        assert not doctags.parse(answer + "</doctag>").problems


def test_an_image_is_read_as_well(served, chosen, samples):
    """Scans are what people have such models for."""
    result = converted(samples / "leaflet.png", vlm(served.url))
    assert result.status == ConversionStatus.SUCCESS, result.errors
    assert [text.text for text in result.document.texts] == ["Hello", "quick"]


def test_a_page_may_take_longer_than_docling_waits_for_a_word(samples, monkeypatch):
    """On a processor a dense page takes minutes, and Docling's command line gives up after one of silence."""
    monkeypatch.setattr(chat, "ALIVE_SECONDS", 0.02)
    silence = 0.1
    reader = Converter(model=str(samples / "tiny"), engine="native", dtype="float32")
    took: list[float] = []
    with serving(reader, "smoldocling") as running:
        register()
        result = converted(samples / "leaflet.png", vlm(running.url, timeout=silence))
        took += [page.predictions.vlm_response.generation_time for page in result.pages]
    assert result.status == ConversionStatus.SUCCESS, result.errors
    assert took[0] > silence
    assert result.document.tables


def test_a_server_that_is_not_there_is_a_failure_and_no_empty_page(chosen):
    """Nobody looks at documents that came out well."""
    result = converted(stream(pdf(PROSE)), vlm("http://127.0.0.1:9"))
    assert result.status != ConversionStatus.SUCCESS
    assert result.errors


def test_a_model_of_another_name_is_told(served, monkeypatch):
    """SMOLDOCLING_MODEL was forgotten: the answer says that there is no such model."""
    register()
    result = converted(stream(pdf(PROSE)), vlm(served.url))
    assert result.status != ConversionStatus.SUCCESS
    assert "there is no model 'smoldocling' here" in result.errors[0].error_message


def test_what_the_documentation_shows_runs_as_it_stands():
    """An address, a key, more than one page at a time: what the command line cannot say."""
    section = (ROOT / "docs" / "docling.md").read_text().split("\n## A preset and a server\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "docs/docling.md", "exec"), names)
    assert names["vlm"].engine_options.concurrency == 16
    names["converter"].initialize_pipeline(InputFormat.PDF)
