"""Our engines in the stages of Docling's standard pipeline: one reading of a page for all of them."""

from __future__ import annotations

import gc
import logging
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import plugin_stages
import pymupdf
import pytest
from docling.backend.image_backend import ImageDocumentBackend
from docling.datamodel.accelerator_options import AcceleratorOptions
from docling.datamodel.base_models import Cluster, ConversionStatus, InputFormat, LayoutPrediction, Page
from docling.datamodel.document import ConversionResult, InputDocument
from docling.datamodel.pipeline_options import OcrMode, PdfPipelineOptions
from docling.document_converter import DocumentConverter, PdfFormatOption
from docling.pipeline.standard_pdf_pipeline import StandardPdfPipeline
from docling.utils.pipeline_cache import create_pipeline_options_hash
from docling_core.types.doc import BoundingBox, DocItemLabel, DoclingDocument, Size
from make import PROSE, image_bytes, pdf
from plugin_docling import docling, stream
from plugin_stages import FACTORIES, converted, options, said, standard, words
from serving import until
from tiny import make_checkpoint

import smoldocling
from doctags.tree import GRID
from smoldocling.plugin import pagecache
from smoldocling.plugin.ocr import SmolDoclingOcr, SmolDoclingOcrOptions
from smoldocling.plugin.pictures import SmolDoclingPictureOptions
from smoldocling.result import PageResult

pytestmark = [
    # Docling's standard pipeline reads options that Docling has given up
    pytest.mark.filterwarnings("ignore:This field is deprecated. Use `generate_page_images:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`force_full_page_ocr` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Field `annotations` is deprecated:DeprecationWarning"),
]
ROOT = Path(__file__).resolve().parent.parent
# tiny.make_checkpoint wires a network to write this; each of its tokens may occur once only
SCRIPT = (
    "<doctag><text><loc_50><loc_60><loc_450><loc_90>Hello</text>"
    "<otsl><loc_100><loc_101><loc_400><loc_300><ched>quick<lcel><nl></otsl></doctag>"
)


@pytest.fixture(scope="module", autouse=True)
def _complete() -> None:
    plugin_stages.complete()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A real network that writes SCRIPT whatever it sees."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64, script=SCRIPT, single_locs=True))


@pytest.fixture(scope="module")
def pages_read() -> list[int]:
    """The pages that were read for `report`; below zero those for which the file had to be opened anew."""
    return []


@pytest.fixture(scope="module")
def report(pages_read: list[int]) -> ConversionResult:
    """The sample report after Docling's standard pipeline with our engines in all its stages."""
    keep = pagecache.Conversion._keep

    def counted(self: pagecache.Conversion, page: PageResult) -> None:
        pages_read.append(page.number)
        keep(self, page)

    def again(self: pagecache.Conversion, pages: list[Page], *rest: Any) -> dict[int, PageResult]:
        pages_read.extend(-page.page_no for page in pages)
        return alone(self, pages, *rest)

    alone = pagecache.Conversion._alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pagecache.Conversion, "_keep", counted)
        patch.setattr(pagecache.Conversion, "_alone", again)
        return converted(ROOT / "samples" / "report.pdf", standard())


def model(checkpoint: str) -> dict[str, object]:
    return {"model": checkpoint, "engine": "native", "splits": 2, "dtype": "float32", "text": "model"}


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=ROOT, timeout=120
    )


def test_docling_finds_the_engines_by_the_name_that_people_type():
    """Through the entry point of the installed package, as the command line does."""
    (found,) = [one for one in entry_points(group="docling") if one.name == "smoldocling"]
    assert found.value == "smoldocling.plugin.engines"
    for factory in FACTORIES.values():
        assert "smoldocling" in factory(allow_external_plugins=True).registered_kind
        assert "smoldocling" not in factory(allow_external_plugins=False).registered_kind


def test_without_leave_docling_says_that_there_is_no_such_engine(samples):
    """Docling's own message, and nothing of ours is run."""
    wanted = PdfPipelineOptions(allow_external_plugins=False, **options())
    converter = DocumentConverter(
        format_options={InputFormat.PDF: PdfFormatOption(pipeline_cls=StandardPdfPipeline, pipeline_options=wanted)}
    )
    with pytest.raises(RuntimeError, match="No class found with the name 'smoldocling'"):
        converter.initialize_pipeline(InputFormat.PDF)


def test_importing_the_plugin_loads_nothing():
    """Docling imports it at every start, also of somebody who converts a web page."""
    done = run("import sys; import smoldocling.plugin.engines; print(*sys.modules)")
    assert not done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= sys.stdlib_module_names | {
        "__main__",
        "smoldocling",
        "__editable___smoldocling_0_1_0_finder",
        "_distutils_hack",
    }


def test_in_docling_the_plugin_costs_two_small_modules():
    """Where Docling is loaded, the preset is registered, and that needs nothing that Docling has not loaded."""
    done = run(
        "import sys, docling.models.factories; before = set(sys.modules)\n"
        "import smoldocling.plugin.engines\n"
        "print(*(set(sys.modules) - before))\n"
        "from docling.datamodel.pipeline_options import VlmConvertOptions\n"
        "assert 'smoldocling_native' in VlmConvertOptions.list_preset_ids()\n"
    )
    assert not done.returncode, done.stderr
    ours = {"smoldocling", *(f"smoldocling.plugin{part}" for part in ("", ".engines", ".preset", ".environment"))}
    assert set(done.stdout.split()) == ours


def test_a_docling_without_presets_starts_all_the_same(tmp_path):
    """A plugin that raises while it is imported keeps Docling from starting at all."""
    (tmp_path / "docling" / "datamodel").mkdir(parents=True)
    for name in ("__init__", "datamodel/__init__", "datamodel/pipeline_options"):
        (tmp_path / "docling" / f"{name}.py").touch()
    done = run(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import docling.datamodel.pipeline_options, smoldocling.plugin.engines\n"
    )
    assert not done.returncode
    (line,) = done.stderr.splitlines()
    assert "the preset of smoldocling cannot be registered" in line


def test_a_pdf_through_docling_says_what_our_library_says(samples, report):
    """Every word, the headings, the tables with their spans."""
    assert report.status == ConversionStatus.SUCCESS
    assert not report.errors
    document = report.document
    ours = smoldocling.convert(samples / "report.pdf", engine="textlayer", pictures=False)
    known = ours.document
    assert DoclingDocument.model_validate_json(document.model_dump_json()) == document
    headings = [DocItemLabel.TITLE, DocItemLabel.SECTION_HEADER]
    found, expected = ([text.text for text in one.texts if text.label in headings] for one in (document, known))
    assert found == expected
    assert len(document.pictures) == len(known.pictures) == 1
    assert len(document.tables) == len(known.tables) == 1
    grid, expected = (
        [cell.model_copy(update={"bbox": None}) for cell in one.tables[0].data.table_cells] for one in (document, known)
    )
    assert grid == expected
    assert {(cell.row_span, cell.col_span) for cell in grid} >= {(2, 1), (1, 2)}
    captions, expected = ([one.resolve(of).text for one in of.tables[0].captions] for of in (document, known))
    assert captions == expected
    assert words(said(document)) == words(ours.to_text(furniture=True))


def test_each_page_is_read_once_for_all_engines(report, pages_read):
    """The model is what takes the time; three engines are to cost no more than one."""
    assert report.status == ConversionStatus.SUCCESS
    assert pages_read == [1, 2, 3]


def test_nothing_is_kept_of_what_is_done():
    """A server that runs Docling for weeks must not grow."""
    gc.collect()
    before = set(pagecache._CONVERSIONS)
    result = converted(stream(pdf(PROSE, PROSE)), standard())
    (mine,) = set(pagecache._CONVERSIONS) - before
    done = pagecache._CONVERSIONS[mine]
    assert not done._kept
    assert done._stream.stopped
    del done
    del result
    gc.collect()
    assert set(pagecache._CONVERSIONS) <= before


def test_what_has_been_forgotten_is_read_again(checkpoint, monkeypatch):
    """A bound on what is kept may cost time, never content."""
    data = pdf(PROSE, PROSE, PROSE)
    whole = converted(stream(data), standard(**model(checkpoint))).document
    monkeypatch.setattr(pagecache, "MOST_KEPT", 1)
    again = converted(stream(data), standard(**model(checkpoint)))
    assert again.status == ConversionStatus.SUCCESS
    assert again.document == whole
    assert [table.data.table_cells[0].text for table in whole.tables] == ["quick"] * 3


def test_a_scanned_page_is_read_by_the_model(checkpoint, samples):
    """No text layer: layout, recognition and tables all come from what the model wrote."""
    converter = standard(stages={"generate_parsed_pages": True}, **model(checkpoint))
    result = converted(samples / "leaflet.png", converter)
    assert result.status == ConversionStatus.SUCCESS
    assert [text.text for text in result.document.texts] == ["Hello"]
    (table,) = result.document.tables
    assert (table.data.num_rows, table.data.num_cols) == (1, 2)
    (cell,) = table.data.table_cells
    assert (cell.text, cell.col_span, cell.column_header) == ("quick", 2, True)
    page = result.pages[0]
    place = table.prov[0].bbox.to_top_left_origin(page.size.height)
    assert place.as_tuple() == pytest.approx(
        (100 / GRID * page.size.width, 101 / GRID * page.size.height, 0.8 * page.size.width, 0.6 * page.size.height)
    )
    assert [(one.text, one.from_ocr) for one in page.cells] == [("Hello", True), ("quick", True)]


def test_the_sample_checkpoint_reads_its_leaflet_in_docling(samples):
    """The network that travels with the project, through the whole of Docling."""
    reading = {"model": str(samples / "tiny"), "engine": "native", "dtype": "float32"}
    result = converted(samples / "leaflet.png", standard(**reading))
    ours = smoldocling.convert(samples / "leaflet.png", **reading).document
    assert result.status == ConversionStatus.SUCCESS
    assert words(said(result.document)) >= words(said(ours))
    assert [table.data.grid for table in result.document.tables] == [table.data.grid for table in ours.tables]


def test_pages_that_have_no_text_cost_only_themselves(caplog):
    """Without a checkpoint, a scan between born-digital pages is named, and marked where it would stand."""
    document = pymupdf.open(stream=pdf(PROSE, PROSE))
    page = document.new_page(pno=1, width=300, height=300)
    page.insert_image(page.rect, stream=image_bytes("PNG"))
    result = converted(stream(document.tobytes()), standard())
    assert result.status == ConversionStatus.PARTIAL_SUCCESS
    assert [(error.page_no, error.category.value) for error in result.errors] == [(2, "backend_failure")]
    assert "[page 2 is missing: " in result.document.export_to_markdown()
    assert len(result.document.pages) == 3
    assert [record.levelno for record in caplog.records if "page 2" in record.message] == [logging.WARNING]


def test_a_document_of_which_nothing_can_be_read_is_a_failure(samples):
    """An empty success would be found out weeks later."""
    result = converted(samples / "scan.png", standard())
    assert result.status == ConversionStatus.FAILURE
    assert "an image has no text layer, so it needs a model" in result.errors[-1].error_message


def test_a_checkpoint_that_is_not_there_is_told_before_anything_is_read(tmp_path):
    """Not after an hour of converting, page by page."""
    with pytest.raises(smoldocling.SmolDoclingError, match="nowhere"):
        standard(engine="native", model=str(tmp_path / "nowhere")).initialize_pipeline(InputFormat.PDF)


def test_a_range_of_pages_keeps_its_numbers():
    """Pages that nobody asked for are not read; those that are keep their place."""
    result = converted(stream(pdf("One.", "Two.", "Three.", "Four.")), standard(), page_range=(2, 3))
    assert result.status == ConversionStatus.SUCCESS
    assert list(result.document.pages) == [2, 3]
    assert [(text.text, text.prov[0].page_no) for text in result.document.texts] == [("Two.", 2), ("Three.", 3)]


def test_a_locked_document_is_read_with_its_password():
    """Docling knows it, and our reader opens the file itself."""
    document = pymupdf.open(stream=pdf(PROSE))
    locked = document.tobytes(encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="own")
    result = converted(stream(locked), standard(password="open"))
    assert result.status == ConversionStatus.SUCCESS
    assert " ".join(PROSE.split())[:60] in " ".join(said(result.document).split())


def test_documents_at_the_same_time_do_not_mix():
    """A server converts many at once; each page belongs to its own document, also where two are the same file."""
    converter = standard()
    texts = [" ".join(PROSE.split()[n:]) for n in (0, 3, 6, 3)]
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda text: converted(stream(pdf(text, text)), converter), texts))
    assert [one.status for one in results] == [ConversionStatus.SUCCESS] * 4
    assert [[text.text for text in one.document.texts] for one in results] == [[text, text] for text in texts]


def test_what_only_docling_can_open_is_read_as_it_draws_it(checkpoint):
    """GIF is no format of ours; the model gets the picture of the page from Docling's backend."""
    result = converted(stream(image_bytes("GIF"), "a.gif"), standard(**model(checkpoint)))
    assert result.status == ConversionStatus.SUCCESS
    assert [text.text for text in result.document.texts] == ["Hello"]


def _page_of(path: Path, found: list[BoundingBox]) -> tuple[ConversionResult, Page]:
    """A page of an image, with text where somebody else's layout engine has found some."""
    document = InputDocument(path, InputFormat.IMAGE, ImageDocumentBackend)
    result = ConversionResult(input=document)
    page = Page(page_no=1)
    page._backend = document._backend.load_page(0)
    page.size = page._backend.get_size()
    page.parsed_page = page._backend.get_segmented_page()
    page.predictions.layout = LayoutPrediction(
        clusters=[Cluster(id=n, label=DocItemLabel.TEXT, bbox=box) for n, box in enumerate(found)]
    )
    return result, page


def _recognizer(checkpoint: str, **more: object) -> SmolDoclingOcr:
    return SmolDoclingOcr(
        options=SmolDoclingOcrOptions(**model(checkpoint), **more),
        enabled=True,
        artifacts_path=None,
        accelerator_options=AcceleratorOptions(),
    )


def test_recognition_fills_the_regions_of_another_layout_engine(checkpoint, samples):
    """With Docling's own layout, our words go where it wants some, and nowhere else."""
    size = Size(width=500, height=500)
    result, page = _page_of(samples / "leaflet.png", [])
    size = page.size
    upper = BoundingBox(l=0, t=0, r=size.width, b=0.19 * size.height)
    result, page = _page_of(samples / "leaflet.png", [upper])
    (page,) = _recognizer(checkpoint)(result, [page])
    assert [cell.text for cell in page.cells] == ["Hello"]
    result, page = _page_of(samples / "leaflet.png", [upper])
    (page,) = _recognizer(checkpoint, mode=OcrMode.FULL_PAGE)(result, [page])
    assert [cell.text for cell in page.cells] == ["Hello", "quick"]


def test_other_options_are_another_pipeline():
    """Docling keeps pipelines by what their options say; it must see ours, or the first model would read for all."""
    wanted = [PdfPipelineOptions(allow_external_plugins=True, **options(model=name)) for name in ("a", "b", "a")]
    one, other, again = map(create_pipeline_options_hash, wanted)
    assert one == again != other


def test_when_time_is_up_the_engine_is_given_back(samples):
    """Docling leaves a stage that does not come back to itself; other documents are waiting for the model."""
    before = set(pagecache._CONVERSIONS)
    stages = {"document_timeout": 1.0, "stage_shutdown_timeout_seconds": 0.1}
    converter = standard(stages=stages, model=str(samples / "tiny"), engine="native")
    converter.initialize_pipeline(InputFormat.PDF)
    result = converted(stream(pdf(*[PROSE] * 40)), converter)
    assert result.status == ConversionStatus.PARTIAL_SUCCESS
    assert {error.category.value for error in result.errors} == {"timeout"}
    (mine,) = set(pagecache._CONVERSIONS) - before
    until(lambda: pagecache._CONVERSIONS[mine]._stream.stopped, "the stream is stopped")
    assert len(pagecache._CONVERSIONS[mine]._kept) < 40


def test_recognition_that_has_nothing_to_do_asks_no_model(tmp_path, samples):
    """A born-digital document must not need a checkpoint because some page might have been scanned."""
    nowhere = SmolDoclingOcrOptions(engine="native", model=str(tmp_path / "nowhere"))
    converter = standard(stages={"ocr_options": nowhere})
    assert converted(samples / "invoice.pdf", converter).status == ConversionStatus.SUCCESS


def test_pictures_are_described_by_the_model(samples, tmp_path):
    """Any checkpoint of the family that answers freely; what it says is in the picture's own place."""
    writes = make_checkpoint(tmp_path / "says", tile_px=64, script="Hello quick", single_locs=True)
    wanted = SmolDoclingPictureOptions(model=str(writes), splits=2, dtype="float32", picture_area_threshold=0.0)
    stages = {"do_picture_description": True, "picture_description_options": wanted}
    result = converted(samples / "report.pdf", standard(stages=stages))
    assert result.status == ConversionStatus.SUCCESS, result.errors
    (picture,) = result.document.pictures
    assert picture.meta.description.text == "Hello quick"
    assert picture.meta.description.created_by == str(writes)


def test_what_the_documentation_shows_runs_as_it_stands(samples, monkeypatch, capsys):
    """The options of all engines in one example; people copy it."""
    monkeypatch.chdir(ROOT)
    section = (ROOT / "docs" / "docling.md").read_text().split("\n## Docling's command line\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(code, "docs/docling.md", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_pictures_are_described_in_our_own_pipeline_too(samples):
    """Whoever takes the Python road is not to need a second checkpoint's worth of libraries for this."""
    wanted = SmolDoclingPictureOptions(model=str(samples / "tiny"), dtype="float32", max_new_tokens=3)
    converter = docling(allow_external_plugins=True, do_picture_description=True, picture_description_options=wanted)
    result = converted(samples / "report.pdf", converter)
    assert result.status == ConversionStatus.SUCCESS, result.errors
    assert [picture.meta.description.created_by for picture in result.document.pictures] == [str(samples / "tiny")]
