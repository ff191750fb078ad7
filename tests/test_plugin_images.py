"""What Docling draws and describes: page images, pictures and cells from the backend that the user has chosen."""

from __future__ import annotations

import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import pymupdf
import pytest
from docling.backend.docling_parse_backend import ThreadedDoclingParseDocumentBackend
from docling.backend.pypdfium2_backend import PyPdfiumDocumentBackend
from docling.datamodel.base_models import ConversionStatus, InputFormat
from docling.datamodel.document import InputDocument
from docling.datamodel.pipeline_options import PictureDescriptionApiOptions
from make import PROSE, image, image_bytes, pdf
from PIL import Image, ImageChops
from plugin_docling import BACKENDS, answering, docling, figure, said, stream
from tiny import make_checkpoint

# Any network that is wired to write this finds a picture where figure() has its rectangle, which is 100 points wide.
FOUND = (
    "<doctag><picture><loc_187><loc_188><loc_312><loc_313></picture>"
    "<text><loc_20><loc_21><loc_480><loc_90>Hi</text></doctag>"
)


# Docling's own stage fills a field that docling-core has given up.
DEPRECATED = pytest.mark.filterwarnings("ignore:Field .annotations. is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    """A real network that writes FOUND whatever it sees."""
    return str(make_checkpoint(tmp_path_factory.mktemp("checkpoint"), tile_px=64, script=FOUND, single_locs=True))


def model(checkpoint: str, **options: object) -> dict[str, object]:
    return {"model": checkpoint, "engine": "native", "splits": 2, "dtype": "float32", "text": "model"} | options


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox() is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_page_images_are_the_chosen_backends(backend, scale):
    """Somebody who lays boxes over them has chosen it for that."""
    data = figure()
    converter = docling(backend=backend, generate_page_images=True, images_scale=scale)
    result = converter.convert(stream(data))
    alone = InputDocument(BytesIO(data), InputFormat.PDF, backend, filename="a.pdf")._backend
    pages = [page.get_page_image(scale=scale) for page in alone.iter_pages()]
    item = result.document.pages[1]
    assert item.image.size.as_tuple() == pages[0].size == (400 * scale, 400 * scale)
    assert item.image.dpi == 72 * scale
    assert same(item.image.pil_image, pages[0])
    assert same(result.pages[0].image, pages[0]), "Docling's own page still has it"
    assert result.status is ConversionStatus.SUCCESS


@pytest.mark.parametrize("backend", BACKENDS)
def test_pictures_are_cut_out_of_the_backends_pages(checkpoint, backend):
    """At the resolution that was asked for, where the model has found them."""
    converter = docling(backend=backend, **model(checkpoint), generate_picture_images=True, images_scale=2.0)
    result = converter.convert(stream(figure()))
    (picture,) = result.document.pictures
    cut = picture.get_image(result.document)
    assert cut.size == (200, 200)
    assert all(abs(value - 128) < 9 for value in cut.convert("RGB").getpixel((100, 100)))
    assert picture.image.dpi == 144
    assert result.document.pages[1].image is None, "nobody has asked for that"
    assert result.pages[0].image is None


def test_nothing_is_drawn_that_nobody_asked_for(checkpoint, monkeypatch):
    """Docling's parser would read and draw all pages when it is closed: twice the work, and all of the hostile ones."""
    drawn = 0
    real = ThreadedDoclingParseDocumentBackend.__init__

    def opened(self, *args, **options):
        real(self, *args, **options)
        take = self.parser.get_task

        def taken():
            nonlocal drawn
            drawn += 1
            return take()

        self.parser.get_task = taken

    monkeypatch.setattr(ThreadedDoclingParseDocumentBackend, "__init__", opened)
    result = docling().convert(stream(pdf(PROSE, PROSE)))
    assert result.status is ConversionStatus.SUCCESS
    assert drawn == 0
    docling(generate_page_images=True).convert(stream(pdf(PROSE, PROSE)))
    assert drawn == 2


def test_a_file_that_ends_doclings_parser_ends_nothing_here(shared_data):
    """It takes the whole process with it as soon as it is closed, although nobody has asked it for a page."""
    file = shared_data / "hostile" / "pdfjs" / "test_pdfs_bitmap-mmr.pdf"
    code = (
        "from plugin_docling import *\n"
        f"result = docling().convert({str(file)!r}, raises_on_error=False)\n"
        "print(result.errors[0].error_message)"
    )
    tests = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=tests, capture_output=True, text=True, check=True)
    assert done.stdout == "the page is an image without text: a scan; it needs a model\n"


@pytest.mark.parametrize("backend", BACKENDS)
def test_cells_are_the_backends(backend):
    """They are there for whoever asks, with its own coordinates."""
    result = docling(backend=backend, generate_parsed_pages=True).convert(stream(pdf(PROSE)))
    assert "tide gauge" in " ".join(cell.text for cell in result.pages[0].cells)
    assert docling(backend=backend).convert(stream(pdf(PROSE))).pages[0].cells == []


def test_a_range_is_drawn_under_its_own_numbers():
    """And only that."""
    data = stream(pdf("one " * 30, "two " * 30, "three " * 30))
    result = docling(generate_page_images=True, generate_parsed_pages=True).convert(data, page_range=(2, 3))
    assert [page.page_no for page in result.pages] == [2, 3]
    assert [page.cells[0].text.split()[0] for page in result.pages] == ["two", "three"]
    assert all(page.image is not None for page in result.document.pages.values())


class Drawless(PyPdfiumDocumentBackend):
    """Cannot draw the second page."""

    def load_page(self, page_no):
        if page_no == 1:
            raise RuntimeError("no ink")
        return super().load_page(page_no)


def test_a_page_that_cannot_be_drawn_keeps_its_text():
    """An image less is no reason for a page less."""
    result = docling(backend=Drawless, generate_page_images=True).convert(stream(pdf(PROSE, PROSE, PROSE)))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert said(result) == [("document_backend", "backend_failure", 2)]
    assert result.errors[0].module_name == "Drawless"
    assert result.errors[0].error_message == "page 2 has been read, but not drawn: no ink"
    assert [page.image is not None for page in result.document.pages.values()] == [True, False, True]
    assert "tide gauge" in result.document.export_to_text(page_no=2)


class Disguised(PyPdfiumDocumentBackend):
    """Opens PDFs that nobody else can read: every byte is another."""

    def __init__(self, in_doc, path_or_stream, options=None):
        plain = bytes(byte ^ 0xFF for byte in path_or_stream.getvalue())
        super().__init__(in_doc, BytesIO(plain), options)
        self.path_or_stream = path_or_stream


def test_what_only_the_backend_can_open_is_read_as_it_draws_it(checkpoint):
    """Docling has backends for other containers, and so may its users."""
    hidden = bytes(byte ^ 0xFF for byte in pdf(PROSE, PROSE, "", PROSE))
    converter = docling(backend=Disguised, **model(checkpoint), generate_picture_images=True)
    result = converter.convert(stream(hidden), page_range=(2, 4))
    assert result.status is ConversionStatus.SUCCESS
    assert list(result.document.pages) == [page.page_no for page in result.pages] == [2, 3, 4]
    assert {place.page_no for picture in result.document.pictures for place in picture.prov} == {2, 4}
    assert all(page.size.as_tuple() == (595, 842) for page in result.document.pages.values())
    assert all(picture.image is not None for picture in result.document.pictures)
    assert result.document.export_to_text(page_no=3) == ""


def test_what_mupdf_does_not_open_is_read_as_the_backend_draws_it(checkpoint, shared_data):
    """A PDF in which it finds no page, and PDFium does."""
    file = shared_data / "hostile" / "pdfium" / "testing_resources_bug_552046.pdf"
    result = docling(backend=PyPdfiumDocumentBackend, **model(checkpoint)).convert(file)
    assert result.status is ConversionStatus.SUCCESS
    assert len(result.document.pages) == result.input.page_count > 0
    without = docling(backend=PyPdfiumDocumentBackend).convert(file, raises_on_error=False)
    assert without.status is ConversionStatus.FAILURE
    assert [error.error_message for error in without.errors] == ["the PDF has no pages"]


class Slow(Disguised):
    """Takes its time for every page, and notices when it is closed over one."""

    drawing = False
    broken = False

    def load_page(self, page_no):
        type(self).drawing = True
        time.sleep(2)
        type(self).drawing = False
        return super().load_page(page_no)

    def unload(self):
        type(self).broken |= self.drawing
        super().unload()


def test_a_backend_is_not_closed_over_a_page(checkpoint):
    """PDFium would take the process with it."""
    hidden = bytes(byte ^ 0xFF for byte in pdf(PROSE, PROSE))
    result = docling(backend=Slow, **model(checkpoint), document_timeout=0.5).convert(stream(hidden))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert result.has_timeout_errors()
    assert not Slow.broken


def test_without_a_model_such_a_document_is_a_failure():
    """There are no words in pixels."""
    hidden = bytes(byte ^ 0xFF for byte in pdf(PROSE))
    result = docling(backend=Disguised).convert(stream(hidden), raises_on_error=False)
    assert result.status is ConversionStatus.FAILURE
    assert result.errors[0].page_no == 1
    assert "needs a model" in result.errors[0].error_message


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("TIFF", "tiff"), ("BMP", "bmp"), ("WEBP", "webp")])
def test_all_images_that_docling_takes_are_read(checkpoint, kind, suffix):
    """Ours are fewer; Docling draws the others for us."""
    result = docling(**model(checkpoint)).convert(stream(image_bytes(kind), f"a.{suffix}"))
    assert result.status is ConversionStatus.SUCCESS
    assert result.document.origin.mimetype == f"image/{suffix}"
    assert result.document.texts[0].text == "Hi"
    size = result.document.pages[1].size
    assert size.width / size.height == pytest.approx(3 / 4, rel=1e-3)


@pytest.mark.parametrize(("kind", "suffix"), [("TIFF", "tiff"), ("WEBP", "webp")])
def test_every_frame_is_a_page(checkpoint, kind, suffix):
    """Of TIFFs we count them ourselves, of others Docling does."""
    turned = [image(), image().rotate(90), image().rotate(180)]
    result = docling(**model(checkpoint), generate_page_images=True).convert(
        stream(image_bytes(kind, *turned, **({"lossless": True} if kind == "WEBP" else {})), f"a.{suffix}")
    )
    assert list(result.document.pages) == [1, 2, 3]
    for page, frame in zip(result.document.pages.values(), turned, strict=True):
        assert same(page.image.pil_image, frame)
    assert [picture.prov[0].page_no for picture in result.document.pictures] == [1, 2, 3]


@pytest.fixture
def described(checkpoint):
    """Docling with its own picture description, by a server."""
    seen: list[tuple[int, int]] = []

    def converter(answer, **options):
        def heard(picture):
            seen.append(picture.size)
            return answer(picture)

        manager = answering(heard)
        url = managers.setdefault(manager, manager.__enter__())
        service = PictureDescriptionApiOptions(url=f"{url}/v1/chat/completions", prompt="What is it?", timeout=20)
        return docling(
            **model(checkpoint),
            do_picture_description=True,
            picture_description_options=service,
            enable_remote_services=True,
            **options,
        )

    managers: dict = {}
    converter.seen = seen
    yield converter
    for manager in managers:
        manager.__exit__(None, None, None)


@DEPRECATED
def test_pictures_are_described_by_doclings_own_stage(described):
    """On a sharp picture, although none is to be kept."""
    result = described(lambda picture: "a grey square").convert(stream(figure()))
    (picture,) = result.document.pictures
    assert picture.meta.description.text == "a grey square"
    assert picture.image is None
    assert all(abs(side - 200) < 3 for side in described.seen[0]), "144 dpi, as Docling's own pipelines show them"


@DEPRECATED
def test_described_pictures_are_kept_at_the_size_that_was_asked_for(described):
    """One is for the stage, the other for the reader."""
    converter = described(lambda picture: "a grey square", generate_picture_images=True, images_scale=1.0)
    (picture,) = converter.convert(stream(figure())).document.pictures
    assert picture.image.size.as_tuple() == (100, 100)
    assert all(abs(side - 200) < 3 for side in described.seen[0])


@DEPRECATED
def test_each_picture_is_described_beside_a_page_that_is_missing():
    """Docling counts pages from the first that it has; after a gap, it would show another page, or none."""
    document = pymupdf.open(stream=figure(0.9))
    for shade in (0.5, 0):
        with pymupdf.open(stream=figure(shade)) as more:
            document.insert_pdf(more)

    def answer(seen: Image.Image) -> str | None:
        shade = seen.convert("L").getpixel((seen.width // 2, seen.height // 2))
        if seen.width > 300:
            return None if 99 < shade < 150 else FOUND
        return f"shade {round(shade / 25.5)}"

    with answering(answer) as url:
        service = PictureDescriptionApiOptions(url=f"{url}/v1/chat/completions", prompt="What is it?")
        converter = docling(
            engine="auto",
            server=url,
            text="model",
            do_picture_description=True,
            picture_description_options=service,
            enable_remote_services=True,
        )
        result = converter.convert(stream(document.tobytes()))
    assert said(result) == [("model", "inference_failure", 2)]
    assert "no luck" in result.errors[0].error_message
    told = {one.prov[0].page_no: one.meta.description.text for one in result.document.pictures}
    assert told == {1: "shade 9", 3: "shade 0"}


@DEPRECATED
def test_a_service_that_is_down_costs_no_document(checkpoint):
    """Docling says so in its log, and gives what there is."""
    service = PictureDescriptionApiOptions(url="http://127.0.0.1:9/v1/chat/completions", timeout=2)
    converter = docling(
        **model(checkpoint),
        do_picture_description=True,
        picture_description_options=service,
        enable_remote_services=True,
    )
    result = converter.convert(stream(figure()))
    assert result.document.texts[0].text == "Hi"
    assert len(result.document.pictures) == 1


def test_a_stage_that_raises_costs_no_document(checkpoint):
    """Stages of others do."""
    converter = docling(**model(checkpoint))
    converter.initialize_pipeline(InputFormat.PDF)
    pipeline = converter._get_pipeline(InputFormat.PDF)

    class Raising(type(pipeline.enrichment_pipe[0])):
        def __init__(self):
            self.enabled = True

        def __call__(self, doc, element_batch):
            raise ValueError("out of paint")
            yield

    pipeline.enrichment_pipe.append(Raising())
    result = converter.convert(stream(figure()))
    assert result.status is ConversionStatus.PARTIAL_SUCCESS
    assert said(result) == [("model", "inference_failure", None)]
    assert result.errors[0].error_message == "the document is complete, but could not be enriched: out of paint"
    assert result.document.texts[0].text == "Hi"


def test_names_need_not_be_text(samples, tmp_path):
    """A file system takes any bytes for a name; JSON does not."""
    path = tmp_path / "b\udcff.pdf"
    path.write_bytes((samples / "invoice.pdf").read_bytes())
    result = docling(backend=PyPdfiumDocumentBackend, generate_page_images=True).convert(path)
    assert result.status is ConversionStatus.SUCCESS
    assert '"filename":"b?.pdf"' in result.document.model_dump_json()
