"""Every input gives a document or a reason; pages come upright and at the right size."""

import io
import os
from pathlib import Path, PurePath

import numpy as np
import pytest
from make import PROSE, image, image_bytes, pdf, pdf_of_no_pages
from PIL import Image, ImageCms, PngImagePlugin

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


class Closed(io.BytesIO):
    def read(self, _: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("item", ["", Closed(), b"", io.BytesIO()])
def test_whatever_is_handed_in_nothing_raises(item, tmp_path):
    """The documents behind it would be lost."""
    good = write(tmp_path / "good.pdf", pdf(PROSE))
    found = list(expand([item, good]))
    assert len(found) == 2
    assert found[1].content == good


def test_a_single_input_is_one_document(tmp_path):
    """A string is not its letters: "/" would be a folder, and everything below it would be converted."""
    good = write(tmp_path / "good.pdf", pdf(PROSE))
    for single in (str(good), good, good.read_bytes(), io.BytesIO(good.read_bytes()), image()):
        assert len(list(expand(single))) == 1


def test_pipes_and_broken_links_in_a_folder_are_named(tmp_path):
    """Reading a pipe waits forever."""
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "link.pdf").symlink_to(tmp_path / "gone.pdf")
    write(tmp_path / "real.pdf", b"1")
    found = list(expand([tmp_path]))
    assert [type(source) for source in found] == [Unfit, Unfit, Source]


def test_folders_behind_links_are_read_once(tmp_path):
    """And a link back up ends."""
    write(tmp_path / "in" / "a" / "x.pdf", b"1")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
    write(tmp_path / "other" / "y.pdf", b"1")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "other")
    assert [str(source.place) for source in expand([tmp_path / "in"])] == ["a/x", "other/y"]


def test_devices_are_not_read(tmp_path):
    """They never end."""
    with pytest.raises(UnusableInput, match="device"):
        opened(Path("/dev/zero"))


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
        (pdf(PROSE)[:300], "damaged PDF: nothing can be made out in it"),
        (b"%PDF-1.7\n", "damaged PDF: nothing can be made out in it"),
        (pdf_of_no_pages(), "no pages"),
        (pdf(PROSE, password="secret"), "give its password"),
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
    with pytest.raises(UnusableInput, match="give its password"):
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


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"]
)
def test_every_mode_shows_the_same_colours(mode):
    """A red square on white paper, or a grey one where there is no colour, for model, figures and report alike."""
    paper = Image.new("RGB", (60, 40), "white")
    paper.paste((200, 30, 30), (10, 10, 30, 30))
    if mode in ("I", "I;16", "F"):
        picture = paper.convert("L").convert("I").point(lambda value: value * 257).convert(mode)
    elif mode == "LAB":
        picture = ImageCms.profileToProfile(
            paper, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    elif mode == "PA":
        picture = paper.convert("P").convert("PA")
    else:
        picture = paper.convert(mode)
    with opened(picture) as document:
        page = document.page(1)
        for pixels in (page.pixels(60, 40), page.crop((0, 0, 1, 1), 72)):
            assert pixels.shape == (40, 60, 3)
            assert pixels[2, 2].min() > 250
            red, green, blue = (int(value) for value in pixels[20, 20])
            assert (red > 190 and max(green, blue) < 60) or red == green == blue < 130


def test_transparent_paper_is_white():
    """Black letters on a transparent ground would be a black page."""
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    with opened(picture) as document:
        assert document.page(1).pixels(1, 1).min() == 255
        assert document.page(1).crop((0, 0, 1, 1), 72).min() == 255


def test_every_frame_of_an_image_object_is_a_page():
    """Handed in as an object it has as many pages as the file."""
    data = image_bytes("TIFF", image(200, 300), image(300, 200))
    with opened(Image.open(io.BytesIO(data))) as document:
        assert document.page_count == 2


def test_a_tiff_that_breaks_off_keeps_the_frames_before():
    """With a warning, not an exception in the middle of a long run."""
    data = image_bytes("TIFF", *[image(400 + n, 300) for n in range(4)])
    for end in range(len(data) - 1, len(data) // 3, -len(data) // 40):
        try:
            document = opened(data[:end])
        except UnusableInput:
            continue
        with document:
            assert 1 <= document.page_count <= 4
            assert document.page_count == 4 or "damaged TIFF" in document.warnings[0]


@pytest.mark.parametrize("dpi", [300, ("a", "b"), (float("nan"), 1), (float("inf"), 300), None, (0, 0), (1, 2, 3)])
def test_a_senseless_resolution_is_none(dpi):
    """Metadata is written by anything."""
    picture = image(100, 200)
    picture.info["dpi"] = dpi
    with opened(picture) as document:
        assert document.page(1).size == (100, 200)


def test_an_image_that_speaks_of_pdf_is_an_image():
    """A comment in the first kilobyte."""
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "made from a file that began with %PDF-1.4")
    with opened(image_bytes("PNG", pnginfo=comment)) as document:
        assert document.page(1).pixels(1, 1).shape == (400, 300, 3)


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
