"""An option does what it says, or is refused with a reason; none is ignored."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import pytest
from docling.backend.csv_backend import CsvDocumentBackend
from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import InputFormat
from docling.datamodel.pipeline_options import PaginatedPipelineOptions, PdfPipelineOptions
from docling.document_converter import DocumentConverter, FormatOption, PdfFormatOption
from docling.exceptions import OperationNotAllowed
from docling.utils.pipeline_cache import create_pipeline_options_hash
from plugin_docling import docling, stream
from pydantic import ValidationError

from smoldocling.errors import NoCheckpoint, UnusableOption
from smoldocling.pipeline import Converter
from smoldocling.plugin import SmolDoclingOptions, SmolDoclingPipeline
from smoldocling.plugin.options import ELSEWHERE

# Keywords of Converter that Docling decides: the document's, or what is drawn of it.
DOCLINGS = {"pages", "password", "pictures", "page_images"}


def test_every_keyword_of_ours_is_an_option_with_the_same_default():
    """Who knows one knows the other; a new keyword must not be forgotten here."""
    ours = {name: one.default for name, one in inspect.signature(Converter).parameters.items()}
    fields = SmolDoclingOptions.model_fields
    assert ours.keys() - DOCLINGS <= fields.keys()
    assert {name: fields[name].default for name in ours.keys() - DOCLINGS} == {
        name: default for name, default in ours.items() if name not in DOCLINGS
    }


def test_every_option_is_described():
    """Docling's documentation and its server are made from these texts."""
    assert all(field.description for field in SmolDoclingOptions.model_fields.values())
    assert SmolDoclingOptions.model_fields.keys() > PaginatedPipelineOptions.model_fields.keys()


@pytest.mark.parametrize("option", [{"modle": "x"}, {"engine": "vllm"}, {"splits": 7}, {"workers": -1}, {"timeout": 0}])
@pytest.mark.parametrize("assigned", [False, True])
def test_what_cannot_be_is_refused_at_once(option, assigned):
    """Docling's users write options both ways."""
    (name, value), options = *option.items(), SmolDoclingOptions()
    give = (lambda: setattr(options, name, value)) if assigned else (lambda: SmolDoclingOptions(**option))
    with pytest.raises(ValueError, match=name):  # pydantic's ValidationError is one
        give()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_options_of_other_pipelines_are_refused_with_a_reason(name):
    """They would be ignored, and nobody would know."""
    with pytest.raises(ValidationError) as caught:
        SmolDoclingOptions(**{name: True})
    assert f"{name} is no option of this pipeline: {ELSEWHERE[name]}" in str(caught.value)


def test_options_of_another_pipeline_are_refused():
    """Docling hands on whatever it is given."""
    option = PdfFormatOption(pipeline_cls=SmolDoclingPipeline, pipeline_options=PdfPipelineOptions())
    converter = DocumentConverter(format_options={InputFormat.PDF: option})
    with pytest.raises(UnusableOption, match="PdfPipelineOptions given; SmolDoclingPipeline takes SmolDoclingOptions"):
        converter.initialize_pipeline(InputFormat.PDF)


def test_a_backend_without_pages_is_refused():
    """There is nothing to draw in Markdown."""
    options = SmolDoclingOptions(engine="textlayer")
    option = FormatOption(pipeline_cls=SmolDoclingPipeline, pipeline_options=options, backend=CsvDocumentBackend)
    converter = DocumentConverter(format_options={InputFormat.CSV: option})
    result = converter.convert(stream(b"a,b\n1,2\n", "a.csv"), raises_on_error=False)
    assert result.errors[0].error_message.startswith("backend CsvDocumentBackend: it has no pages to draw")


def test_pages_are_not_sent_anywhere_unless_that_is_allowed():
    """Docling's own promise."""
    with pytest.raises(OperationNotAllowed, match="enable_remote_services=True"):
        docling(engine="auto", server="http://127.0.0.1:9").initialize_pipeline(InputFormat.PDF)


def test_different_options_are_different_pipelines():
    """Docling keeps pipelines by a hash of their options."""
    given = [
        {},
        {"model": "granite-docling"},
        {"engine": "textlayer"},
        {"text": "page"},
        {"timeout": 3},
        {"workers": 0},
    ]
    assert len({create_pipeline_options_hash(SmolDoclingOptions(**one)) for one in given}) == len(given)
    assert create_pipeline_options_hash(SmolDoclingOptions()) == create_pipeline_options_hash(SmolDoclingOptions())


def test_a_model_is_looked_for_in_the_artifacts_path_only(tmp_path, samples):
    """As `docling-tools models download-hf-repo` leaves it there; a closed machine must not ask a hub."""
    shutil.copytree(samples / "tiny", tmp_path / "acme--reader")
    options = {"engine": "native", "artifacts_path": tmp_path, "dtype": "float32"}
    converter = docling(model="acme/reader", **options)
    converter.initialize_pipeline(InputFormat.PDF)
    pipeline = converter._get_pipeline(InputFormat.PDF)
    assert pipeline._converter.checkpoint == str((tmp_path / "acme--reader").resolve())
    with pytest.raises(NoCheckpoint, match="docling-project--SmolDocling-256M-preview"):
        docling(model="smoldocling", **options).initialize_pipeline(InputFormat.PDF)


def test_without_a_checkpoint_auto_reads_the_text_and_says_so(tmp_path, caplog):
    """Never in silence."""
    converter = docling(engine="auto", artifacts_path=tmp_path)
    converter.initialize_pipeline(InputFormat.PDF)
    assert converter._get_pipeline(InputFormat.PDF)._converter.engine == "textlayer"
    assert "pages are read by the engine 'textlayer': " in caplog.text


def test_doclings_device_is_taken_where_none_of_ours_is_given(samples):
    """One word in Docling's options, and it holds for all of its models."""

    def load(**options: object) -> None:
        given = {"engine": "native", "model": str(samples / "tiny"), "dtype": "float32"} | options
        docling(**given).initialize_pipeline(InputFormat.PDF)

    load(accelerator_options=AcceleratorOptions(device="cpu"))
    with pytest.raises(UnusableOption, match="device 'xpu' cannot be used here"):
        load(accelerator_options=AcceleratorOptions(device="xpu"))
    load(accelerator_options=AcceleratorOptions(device="xpu"), device="cpu")


def test_a_folder_may_be_a_path(samples):
    """That is what people have at hand."""
    assert SmolDoclingOptions(model=Path(samples / "tiny")).model == str(samples / "tiny")
