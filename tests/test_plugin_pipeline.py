"""Our engine in real Docling: whatever happens to a page, the rest of the document is there and the page is named."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pymupdf
import pytest
from docling.datamodel.base_models import (
    ConversionStatus,
    FailureCategory,
    InputFormat,
    PageConfidenceScores,
    VlmStopReason,
)
from docling.datamodel.document import ConversionAssets
from docling.datamodel.progress import ConversionProgressEvent, PageCompletedProgress
from docling.datamodel.settings import BatchConcurrencySettings, DebugSettings, scoped
from docling.exceptions import ConversionError
from docling_core.transforms.chunker.hybrid_chunker import HybridChunker
from docling_core.transforms.chunker.tokenizer.huggingface import HuggingFaceTokenizer
from docling_core.types.doc import DoclingDocument
from make import PROSE, image_bytes, pdf
from PIL import Image
from plugin_docling import BACKENDS, SHORT, answering, docling, figure, one_page_hangs, places, said, stream
from specimens import all_sorts, read
from tiny import make_checkpoint
from transformers import AutoTokenizer

from smoldocling.pipeline import Converter
from smoldocling.plugin import facts, shared
from smoldocling.result import INCOMPLETE

ROOT = Path(__file__).resolve().parent.parent
# tiny.make_checkpoint wires a network to write this; each of its tokens may occur once only
SCRIPT = (
    "<doctag><title><loc_50><loc_60><loc_450><loc_90>Hello</title>"
    "<picture><loc_100><loc_101><loc_400><loc_300></picture>"
    "<text><loc_51><loc_310><loc_451><loc_401>quick</text></doctag>"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A real network that writes SCRIPT whatever it sees."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64, script=SCRIPT, single_locs=True))


def model(checkpoint: str, **options: object) -> dict[str, object]:
    """Options under which that network's own words come out."""
    return {"model": checkpoint, "engine": "native", "splits": 2, "dtype": "float32", "text": "model"} | options


def test_two_pdfs_and_an_image_without_a_model(samples):
    """Of an image, only a model can read the text; that is said, and costs nobody else."""
    names = ["report.pdf", "invoice.pdf", "scan.png"]
    results = list(docling().convert_all([samples / name for name in names], raises_on_error=False))
    assert [result.status.value for result in results] == ["success", "success", "failure"]
    for name, result in zip(names, results, strict=True):
        assert DoclingDocument.model_validate_json(result.document.model_dump_json()) == result.document
        assert result.document.name == Path(name).stem
        assert result.document.origin.filename == name
        assert places(result) <= set(result.document.pages)
        assert [page.page_no for page in result.pages] == list(result.document.pages)
    assert results[0].document.origin.mimetype == "application/pdf"
    assert results[0].document.pages[1].size.as_tuple() == results[0].pages[0].size.as_tuple() == (595.0, 842.0)
    assert results[0].document.export_to_markdown().startswith("# Nine Decades of River Levels")
    assert results[2].document.origin.mimetype == "image/png"
    assert said(results[2]) == [("document_backend", "backend_failure", 1)]
    assert "needs a model" in results[2].errors[0].error_message


def test_two_pdfs_and_an_image_with_the_sample_checkpoint(samples):
    """What comes out of Docling is what our own library gives, plus where it came from."""
    options = {"model": str(samples / "tiny"), "engine": "native", "dtype": "float32", "max_new_tokens": 900}
    given = [stream(pdf(PROSE), "a.pdf"), stream(pdf(PROSE[:80]), "b.pdf"), samples / "leaflet.png"]
    results = list(docling(**options).convert_all(given, raises_on_error=False))
    ours = Converter(**options, workers=2, pictures=False)
    for result, source in zip(results, [pdf(PROSE), pdf(PROSE[:80]), samples / "leaflet.png"], strict=True):
        expected = ours.convert(source)
        document = expected.document.model_copy(update={"name": result.document.name, "origin": result.document.origin})
        assert result.document == document
        assert [page.predictions.vlm_response.text for page in result.pages] == [page.raw for page in expected.pages]
    assert results[2].status is ConversionStatus.SUCCESS
    assert "Kettle music hotel" in results[2].document.export_to_markdown()


def test_page_numbers_follow_the_range(samples):
    """Docling's own DocTags road once numbered pages 5 and 6 as 1 and 2."""
    result = docling().convert(samples / "report.pdf", page_range=(2, 99))
    assert list(result.document.pages) == [page.page_no for page in result.pages] == [2, 3]
    assert places(result) == {2, 3}
    everything = docling().convert(samples / "report.pdf").document
    second = everything.export_to_text(page_no=2)
    assert second
    assert result.document.export_to_text(page_no=2) == second


@pytest.mark.parametrize("backend", BACKENDS)
def test_passwords(backend):
    """Docling's backend asks for it; whoever has opened the document there has opened it for us."""
    locked = pdf(PROSE, password="pier")
    opened = docling(backend=backend, password="pier").convert(stream(locked))
    assert opened.status is ConversionStatus.SUCCESS
    assert "tide gauge" in opened.document.export_to_text()
    for wrong in ("quay", None):
        result = docling(backend=backend, password=wrong).convert(stream(locked), raises_on_error=False)
        assert result.status is ConversionStatus.FAILURE
        assert result.errors


def test_a_page_that_hangs_is_a_partial_result():
    """One bad page of a thousand must not cost the other 999; and it must be found again."""
    began = time.monotonic()
    events: list[ConversionProgressEvent] = []
    result = docling(timeout=SHORT).convert(stream(one_page_hangs()), progress_callback=events.append)
    assert time.monotonic() - began < 60, "Docling's backend has not been asked to read it, either"
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert said(result) == [("document_backend", "backend_failure", 2)]
    assert result.errors[0].error_message == "took longer than 2 s"
    assert result.errors[0].module_name == "smoldocling.textlayer"
    assert list(result.document.pages) == [page.page_no for page in result.pages] == [1, 2, 3]
    texts = [result.document.export_to_text(page_no=number) for number in (1, 3)]
    assert texts[0] == texts[1]
    assert "tide gauge" in texts[0]
    assert "[page 2 is missing: took longer than 2 s]" in result.document.export_to_markdown()
    done = {event.page_no: event.success for event in events if isinstance(event, PageCompletedProgress)}
    assert done == {1: True, 2: False, 3: True}
    assert result.confidence.pages[2].parse_score == 0.0
    assert result.confidence.pages[1].parse_score == 1.0


def test_a_document_that_takes_too_long_keeps_what_has_been_read():
    """The pages that were there in time; and the one that hangs is not waited for."""
    document = pymupdf.open(stream=figure(1))
    for shade in (0, 1):
        with pymupdf.open(stream=figure(shade)) as more:
            document.insert_pdf(more)
    over = threading.Event()

    def answer(page: Image.Image) -> str:
        if page.convert("L").getpixel((page.width // 2, page.height // 2)) < 99:
            over.wait(60)
        return "<doctag><text><loc_9><loc_9><loc_99><loc_99>a light page</text></doctag>"

    with answering(answer) as url:
        converter = docling(
            engine="auto", server=url, enable_remote_services=True, text="model", workers=0, document_timeout=5
        )
        converter.convert(stream(figure(1)))
        began = time.monotonic()
        result = converter.convert(stream(document.tobytes()))
        took = time.monotonic() - began
        over.set()
    assert took < 30
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert result.has_timeout_errors()
    assert said(result) == [("pipeline", "timeout", 2), ("pipeline", "timeout", None)]
    assert result.errors[1].error_message == "document timeout of 5 s: 2 of 3 pages have been read"
    texts = [result.document.export_to_text(page_no=number) for number in (1, 2, 3)]
    assert texts == ["a light page", "[page 2 is missing: not read within the document timeout of 5 s]", "a light page"]


def test_a_worker_that_hangs_is_not_waited_for():
    """Time is up for the document before it is for the page; the next document is read."""
    patient = docling(timeout=60, document_timeout=SHORT)
    began = time.monotonic()
    result = patient.convert(stream(one_page_hangs()))
    assert time.monotonic() - began < 30
    assert result.has_timeout_errors()
    assert docling().convert(stream(pdf(PROSE))).status is ConversionStatus.SUCCESS


def test_no_time_at_all_is_no_failure_either():
    """Docling promises a partial result where time is up, not an exception."""
    result = docling(document_timeout=0).convert(stream(pdf(PROSE, PROSE)))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert [error.page_no for error in result.errors] == [1, 2, None]


def test_nothing_but_failures_is_a_failure(samples):
    """`raises_on_error` is for those who want to hear of it at once."""
    with pytest.raises(ConversionError, match="an image has no text layer"):
        docling().convert(samples / "scan.png")
    good, bad = stream(pdf(PROSE)), samples / "scan.png"
    results = docling().convert_all([bad, good], raises_on_error=False)
    assert [result.status.value for result in results] == ["failure", "success"]


def test_a_file_cut_short_is_a_partial_result():
    """What could be recovered may not be all."""
    data = pdf(PROSE, PROSE)
    result = docling(backend=BACKENDS[1]).convert(stream(data[: data.rindex(b"xref")]), raises_on_error=False)
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert result.errors[0].page_no is None
    assert "cut short" in result.errors[0].error_message
    assert "tide gauge" in result.document.export_to_text()


def test_a_page_that_the_model_did_not_finish_is_no_success(checkpoint):
    """Docling's VLM pipeline learnt that late; the text so far is kept."""
    result = docling(**model(checkpoint, max_new_tokens=9)).convert(stream(image_bytes("PNG"), "a.png"))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert said(result) == [("model", "inference_failure", 1)]
    assert result.errors[0].error_message == "cut off after 9 tokens"
    assert result.pages[0].predictions.vlm_response.stop_reason is VlmStopReason.LENGTH
    assert result.document.texts[0].text == "Hel"


def test_what_the_model_wrote_is_kept_as_docling_keeps_it(checkpoint):
    """Tools that look at `vlm_response` find what they look for."""
    result = docling(**model(checkpoint)).convert(stream(pdf(PROSE)))
    answer = result.pages[0].predictions.vlm_response
    assert answer.text == SCRIPT
    assert answer.num_tokens > 20
    assert answer.generation_time > 0
    assert answer.stop_reason is VlmStopReason.END_OF_SEQUENCE
    # the page's own text says something else
    assert result.confidence.pages[1].ocr_score == 0
    assert result.confidence.pages[1].layout_score == 1
    assert result.confidence.ocr_score == 0


def test_invented_text_is_logged(checkpoint, caplog):
    """It is no error in Docling's sense, and nobody should miss it."""
    docling(**model(checkpoint)).convert(stream(pdf(PROSE), "tides.pdf"))
    assert any(record.levelname == "WARNING" and "tides.pdf page 1: " in record.message for record in caplog.records)


@pytest.mark.parametrize("page", all_sorts().pages, ids=lambda page: f"{page.number}-{page.status}")
def test_whatever_became_of_a_page_is_told_in_doclings_words(page):
    """An error where something is missing, none where nothing is; scores that are shares."""
    errors = facts.errors(page)
    assert [error.page_no for error in errors] == ([page.number] if page.error or page.status in INCOMPLETE else [])
    assert all(error.error_message and error.category is not FailureCategory.UNKNOWN for error in errors)
    scores = facts.scores(page)
    shares = [] if scores is None else [*scores.model_dump(include=set(PageConfidenceScores.model_fields)).values()]
    assert all(0 <= share <= 1 for share in shares if not math.isnan(share)), "NaN: nobody knows"
    assert (facts.prediction(page) is None) == (page.raw is None)


def test_what_had_to_be_repaired_lowers_the_confidence():
    """A page that only looks well is not to be told from one that is, otherwise."""
    good = read("<doctag><text>one</text><text>two</text></doctag>")
    bad = read("<doctag><text>one<text>two</text><lcel></doctag>")
    assert facts.scores(good).layout_score == 1
    assert facts.scores(bad).layout_score < 1


def test_doclings_exporters_and_chunker_run_on_the_result(samples):
    """A document that only validates is of no use to who feeds a search engine."""
    document = docling().convert(samples / "report.pdf").document
    assert document.export_to_markdown().startswith("# Nine Decades")
    assert "<table>" in document.export_to_html()
    assert document.export_to_doctags().startswith("<doctag>")
    assert DoclingDocument.model_validate(document.export_to_dict()) == document
    assert document.tables[0].export_to_dataframe(document).shape[0] > 1
    tokenizer = AutoTokenizer.from_pretrained(samples / "tiny")
    chunker = HybridChunker(tokenizer=HuggingFaceTokenizer(tokenizer=tokenizer, max_tokens=256))
    chunks = list(chunker.chunk(document))
    assert len(chunks) > 3
    assert {place.page_no for chunk in chunks for item in chunk.meta.doc_items for place in item.prov} == {1, 2, 3}
    assert any("1 Why the paper matters" in chunker.contextualize(chunk) for chunk in chunks)


def test_four_threads_give_what_one_gives(checkpoint, samples):
    """One DocumentConverter serves a whole web application."""
    converter = docling(**model(checkpoint))
    given = [pdf(PROSE), pdf(PROSE, "", PROSE), image_bytes("PNG"), (samples / "invoice.pdf").read_bytes()]
    names = ["a.pdf", "b.pdf", "c.png", "d.pdf"]

    def convert(place: int) -> DoclingDocument:
        return converter.convert(stream(given[place], names[place])).document

    alone = [convert(place) for place in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(convert, [*range(4)] * 2))
    assert together == alone * 2


def test_pages_of_several_documents_are_read_together(checkpoint, monkeypatch):
    """One engine, one batch, whoever asks: here through Docling's own threads."""
    converter = docling(**model(checkpoint, batch_size=4))
    converter.initialize_pipeline(InputFormat.PDF)
    (pipeline,) = converter.initialized_pipelines.values()
    engine = pipeline._converter.reader.engine
    together: list[int] = []
    real = pipeline._converter._desk.take

    def take():
        request = real()
        together.append(len(pipeline._converter._desk._taken))
        return request

    monkeypatch.setattr(pipeline._converter._desk, "take", take)
    assert engine.name == "native"
    with scoped(perf=BatchConcurrencySettings(doc_batch_size=4, doc_batch_concurrency=4)):
        results = list(converter.convert_all([stream(pdf(PROSE), f"{n}.pdf") for n in range(8)]))
    assert [result.status for result in results] == [ConversionStatus.SUCCESS] * 8
    assert max(together) > 1


def test_pipelines_with_equal_settings_share_one_engine(checkpoint):
    """Docling makes a pipeline for every set of options; a model a pipeline would fill the memory."""

    def engine(**options: object) -> Converter:
        converter = docling(**model(checkpoint, **options))
        converter.initialize_pipeline(InputFormat.PDF)
        assert converter._get_pipeline(InputFormat.IMAGE) is converter._get_pipeline(InputFormat.PDF)
        return converter._get_pipeline(InputFormat.PDF)._converter

    one = engine(images_scale=1.0)
    assert engine(images_scale=2.0, generate_page_images=True, text="page", document_timeout=9) is one
    assert engine(splits=1) is not one
    assert shared.converter(model=checkpoint, splits=2, engine="native", dtype="float32", workers=2) is one
    known = id(one)
    copied = one.with_options(text="page")
    del one
    gc.collect()
    assert any(id(held) == known for held in _held()), "somebody still uses the engine"
    del copied
    gc.collect()
    assert not any(id(held) == known for held in _held()), "what nobody uses is not kept"


def _held() -> list[Converter]:
    return list(shared._HELD.values())


def test_many_threads_load_one_engine(checkpoint):
    """Ten first requests to a web application must not load ten models."""
    converters = [docling(**model(checkpoint, splits=1, images_scale=1 + n / 10)) for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: one.initialize_pipeline(InputFormat.PDF), converters))
    assert len({id(one._get_pipeline(InputFormat.PDF)._converter) for one in converters}) == 1


def test_works_where_an_event_loop_is_running(samples):
    """In a notebook there is one in the main thread."""

    async def cell() -> str:
        return docling().convert(samples / "invoice.pdf").status.value

    assert asyncio.run(cell()) == "success"


def test_times_are_recorded_where_docling_is_asked_to(samples):
    """Under names that say what they are."""
    with scoped(debug=DebugSettings(profile_pipeline_timings=True)):
        result = docling().convert(samples / "report.pdf")
    assert {"pipeline_total", "doc_build", "doc_assemble", "doc_enrich", "page_read"} <= set(result.timings)
    assert result.timings["page_read"].count == 3
    assert result.timings["page_read"].total() > 0


def test_a_result_can_be_saved_and_loaded(samples, tmp_path):
    """Docling's own archive of a conversion."""
    result = docling(generate_page_images=True).convert(samples / "invoice.pdf")
    result.save(filename=tmp_path / "kept.zip")
    kept = ConversionAssets.load(tmp_path / "kept.zip")
    assert kept.document == result.document
    assert kept.status is ConversionStatus.SUCCESS


def test_what_the_model_fails_on_is_answered_from_the_page_itself():
    """The document is whole, and still somebody should look at the server."""
    with answering(lambda page: None) as url:
        result = docling(engine="auto", server=url, enable_remote_services=True).convert(stream(pdf(PROSE)))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert said(result) == [("model", "inference_failure", 1)]
    assert result.errors[0].error_message.startswith("the model failed: ")
    assert "tide gauge" in result.document.export_to_text()


def test_the_documentation_runs_as_it_stands():
    """Word for word, one block after the other, where no hub can be reached."""
    text = (ROOT / "docs" / "docling.md").read_text().split("\n## Python\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```\n(?:\n```\n(.*?)^```\n)?", text, re.DOTALL | re.MULTILINE)
    code = "print('---')\n".join(block for block, _ in blocks)
    closed = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=closed
    )
    said = done.stdout.split("---\n")
    assert said[0] == blocks[0][1]
    assert said[1] == ""
    assert len(said[2].splitlines()) > 3


def test_the_plugin_loads_nothing_heavy():
    """Docling imports every plugin at every start."""
    code = "import smoldocling.plugin, sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(done.stdout.split()) & {"torch", "docling", "pymupdf", "docling_core", "numpy", "pydantic", "PIL"}


def test_without_docling_it_says_what_to_install():
    """The extra is not installed with the rest."""
    code = (
        "import sys; sys.modules['docling'] = None\n"
        "try:\n    from smoldocling.plugin import SmolDoclingPipeline\n"
        "except ImportError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "Docling is not installed; pip install 'smoldocling[docling]'\n"
