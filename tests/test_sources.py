"""Every input gives a document or a reason; pages come upright and at the right size."""

import io
from pathlib import Path, PurePath

import numpy as np
import pytest
from make import PROSE, image, image_bytes, pdf, pdf_of_no_pages
from PIL import Image

from smoldocling.errors import UnreadablePage, UnusableInput
from smoldocling.pages.documents import Document
from smoldocling.pages.sources import Source, Unfit, expand


def opened(content: bytes | Path | Image.Image, **options) -> Document:
    return Document(Source("x", PurePath("x"), content), **options)


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_folder_is_read_recursively_and_mirrored(tmp_path):
    """Output names follow from where a file lies below the folder that was given."""
    write(tmp_path / "a.pdf", b"1")
    write(tmp_path / "sub" / "b.PNG", b"1")
    write(tmp_path / "sub" / "deep" / "c.tiff", b"1")
    write(tmp_path / "notes.txt", b"1")
    write(tmp_path / ".hidden.pdf", b"1")
    write(tmp_path / "a_artifacts" / "page-0001-picture-01.png", b"1")
    found = list(expand([tmp_path]))
    assert [source.place for source in found] == [PurePath("a"), PurePath("sub/b"), PurePath("sub/deep/c")]


def test_globs_files_and_folders_mix_and_nothing_is_taken_twice(tmp_path):
    """A shell that does not expand patterns, and a folder that holds a file named already."""
    one, two = write(tmp_path / "one.pdf", b"1"), write(tmp_path / "two.pdf", b"1")
    found = list(expand([str(two), str(tmp_path / "*.pdf"), tmp_path]))
    assert [source.content for source in found] == [two, one]


def test_a_name_with_brackets_is_a_file_before_it_is_a_pattern(tmp_path):
    """People have such files."""
    path = write(tmp_path / "scan[1].pdf", b"1")
    assert [source.content for source in expand([path])] == [path]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "nope.pdf", "no such file"),
        (lambda folder: folder / "*.pdf", "no file matches"),
        (lambda folder: folder, "holds no documents"),
        (lambda folder: "nul\0.pdf", "no such file"),
        (lambda folder: io.StringIO("text"), "gives str"),
    ],
)
def test_what_is_no_document_says_why(tmp_path, make, reason):
    """Nothing is skipped in silence."""
    (found,) = expand([make(tmp_path)])
    assert isinstance(found, Unfit)
    assert reason in found.error


def test_bytes_streams_and_images_are_documents():
    """ETL jobs do not have files."""
    data = pdf(PROSE)
    named = io.BytesIO(data)
    named.name = "some/where/report.pdf"
    found = list(expand([data, io.BytesIO(data), named, image()]))
    assert [str(source.place) for source in found] == ["document", "document", "report", "image"]
    assert [Document(source).page_count for source in found] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"Dear Sir or Madam,\nplease find enclosed", "neither a PDF nor an image.*'Dear Sir or "),
        (pdf(PROSE)[:300], "damaged PDF"),
        (b"%PDF-1.7\n", "damaged PDF"),
        (pdf_of_no_pages(), "no pages"),
        (pdf(PROSE, password="secret"), "give --password"),
    ],
)
def test_what_cannot_be_opened_says_why(data, reason):
    """One line, for the person who has to find the right file."""
    with pytest.raises(UnusableInput, match=reason) as caught:
        opened(data).page(1).pixels(10, 10)
    assert "\n" not in str(caught.value)


def test_a_half_image_is_an_unreadable_page():
    """Pillow notices only when it decodes."""
    for kind in ("JPEG", "PNG"):
        data = image_bytes(kind, image(900, 900))
        with opened(data[: len(data) // 2]) as document, pytest.raises(UnreadablePage, match="unreadable image"):
            document.page(1)


def test_passwords_right_wrong_and_asked_for():
    """A wrong password is another mistake than none."""
    data = pdf(PROSE, password="secret")
    assert opened(data, password="secret").page_count == 1
    assert opened(data, password=lambda name: "secret").page_count == 1
    with pytest.raises(UnusableInput, match="wrong"):
        opened(data, password="guess")
    with pytest.raises(UnusableInput, match="give --password"):
        opened(data, password=lambda name: None)


def test_a_truncated_pdf_gives_what_it_has_and_a_warning():
    """Most of a document is worth having, and worth knowing to be not all of it."""
    data = pdf(*[f"{PROSE} {n}" for n in range(20)])
    with opened(data[: len(data) - 400]) as document:
        assert document.page_count > 0
        assert "cut short" in document.warnings[0]


def test_a_whole_pdf_has_no_warnings():
    """The counterpart."""
    with opened(pdf(PROSE)) as document:
        assert document.warnings == []


def test_no_such_page_says_how_many_there_are():
    """Page numbers start at 1."""
    with opened(pdf(PROSE, PROSE)) as document:
        for number in (0, 3):
            with pytest.raises(UnreadablePage, match="2 pages"):
                document.page(number)


def test_every_frame_of_a_tiff_is_a_page():
    """Scanners write them; other formats' frames are animation."""
    frames = [image(200, 300), image(300, 200), image(100, 100, "1")]
    with opened(image_bytes("TIFF", *frames)) as document:
        assert document.page_count == 3
        shapes = [document.page(number).pixels(1, 1).shape[:2] for number in (1, 2, 3, 1)]
    assert shapes == [(300, 200), (200, 300), (100, 100), (300, 200)]


def test_a_photo_is_turned_upright():
    """Phones write the turn into the EXIF data only."""
    picture = image(400, 200)
    exif = picture.getexif()
    exif[0x0112] = 6  # turn a quarter to the right
    with opened(image_bytes("JPEG", picture, exif=exif)) as document:
        assert document.page(1).pixels(1, 1).shape[:2] == (400, 200)


def test_image_resolution_gives_the_size_in_points():
    """A page scanned at 150 dpi is as large as the paper was; a nonsense resolution counts as none."""
    with opened(image_bytes("PNG", image(1275, 1650), dpi=(150, 150))) as document:
        assert document.page(1).size == pytest.approx((612, 792), abs=0.1)
    with opened(image_bytes("PNG", image(100, 200), dpi=(1, 1))) as document:
        assert document.page(1).size == (100, 200)


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch):
    """A few kilobytes may unpack to gigabytes."""
    monkeypatch.setattr("smoldocling.pages.documents.MAX_PIXELS", 1000)
    with opened(image_bytes("PNG")) as document, pytest.raises(UnreadablePage, match="300 x 400 pixels"):
        document.page(1)


@pytest.mark.parametrize("size", [(1811, 2560), (37, 51), (512, 300)])
def test_a_page_renders_at_exactly_the_size_asked_for(size):
    """The tiles rely on it: another pixel would mean another resize."""
    width, height = size
    with opened(pdf(PROSE)) as document:
        pixels = document.page(1).pixels(width, height)
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8
    assert pixels.max() == 255
    assert pixels.min() < 255


def test_a_crop_shows_the_part_that_was_asked_for():
    """The upper half of the page holds the text, the lower half nothing."""
    with opened(pdf(PROSE)) as document:
        page = document.page(1)
        upper, lower = page.crop((0, 0, 1, 0.5), 72), page.crop((0, 0.5, 1, 1), 72)
    assert upper.shape == (421, 595, 3)
    assert upper.min() < 128
    assert lower.min() == 255


def test_crops_of_images_are_cut_from_their_own_pixels():
    """Never resampled."""
    picture = image(300, 400)
    with opened(picture) as document:
        assert np.array_equal(
            document.page(1).crop((0.5, 0.25, 1, 0.5), 72), np.asarray(picture.crop((150, 100, 300, 200)))
        )
