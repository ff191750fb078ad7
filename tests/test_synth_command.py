"""`smoldocling synth` as a user meets it: files, names, what is said, exit status; pairs from one's own PDFs."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from make import PROSE, image_bytes, pdf
from PIL import Image
from typer.testing import CliRunner, Result

import doctags
from smoldocling.cli import Pages, app
from smoldocling.training import png
from smoldocling.training.compose import DOMAINS, compose
from smoldocling.training.faces import builtin
from smoldocling.training.paint import paint
from smoldocling.training.synth import Series, page_seed


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["synth", *map(str, arguments)])


def test_pages_and_their_doctags_stand_side_by_side(tmp_path: Path) -> None:
    """The contract of the names, which carry domain, seed and number."""
    result = run("-n", 3, "--seed", 7, "-o", tmp_path / "new" / "folder")
    assert result.exit_code == 0, result.stderr
    names = [f"small-7-00000{number}{suffix}" for number in range(3) for suffix in (".dt", ".png")]
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == names, "and no half-written file"
    assert result.stdout == ""
    assert result.stderr.startswith(f"3 pages -> {tmp_path}/new/folder in ")
    for number in range(3):
        path = tmp_path / "new" / "folder" / f"small-7-00000{number}.png"
        assert doctags.validate(path.with_suffix(".dt").read_text()) == ()
        with Image.open(path) as image:
            assert image.mode == "L"
            assert round(image.info["dpi"][0]) == 72
            assert np.array_equal(np.asarray(image), paint(compose(DOMAINS["small"], page_seed(7, number))))


def test_a_page_does_not_depend_on_how_many_others_are_made(tmp_path: Path) -> None:
    """A set can be extended later without making it again."""
    for count in (2, 4):
        assert run("-n", count, "--seed", 3, "--domain", "half", "-o", tmp_path / str(count)).exit_code == 0
    for path in (tmp_path / "2").iterdir():
        assert path.read_bytes() == (tmp_path / "4" / path.name).read_bytes()


def test_seeds_and_numbers_never_meet() -> None:
    """Training on seed 0 and testing on seed 1 must not share a page."""
    assert len({page_seed(seed, number) for seed in range(30) for number in (*range(30), 999_999_999)}) == 30 * 31


def test_pdf_pages_have_a_text_layer(tmp_path: Path) -> None:
    """`--pdf` is what drafts are tried on."""
    assert run("-n", 1, "--pdf", "-o", tmp_path).exit_code == 0
    assert sorted(os.listdir(tmp_path)) == ["small-0-000000.dt", "small-0-000000.pdf"]
    done = CliRunner().invoke(app, ["convert", str(tmp_path), "-o", "-", "--engine", "textlayer", "--to", "doctags"])
    assert doctags.parse(done.stdout).pages[0].elements


def test_disturbed_pages_are_asked_for_or_part_of_the_domain() -> None:
    """The share is a number between none and all; the plain domains have none unless asked."""
    clean, all_ = Series("small", 1), Series("small", 1, disturbed=1.0)
    assert all(clean.pair(number).data != all_.pair(number).data for number in range(5))
    some, none = Series("page", 1), Series("page", 1, disturbed=0.0)
    changed = sum(some.pair(number).data != none.pair(number).data for number in range(12))
    assert 1 <= changed <= 11


BAD = {
    "no pages": (("-n", 0), 2, "0 is not in the range 1<=x"),
    "no such domain": (("--domain", "poster"), 2, "poster"),
    "share above one": (("--disturbed", 1.5), 2, "0<=x<=1"),
    "own documents without --from": (("mine.pdf",), 2, "mine.pdf: put --from before your own documents"),
    "own documents and --pdf": (("--from", "mine.pdf", "--pdf"), 2, "--from takes your own as they are"),
    "no fonts": (("--fonts", "."), 2, "no font files; a folder of .ttf or .otf files"),
    "nothing there": (("--from", "missing.pdf"), 3, "missing.pdf: skipped: no such file or folder"),
}


@pytest.mark.parametrize(("arguments", "status", "said"), BAD.values(), ids=BAD)
def test_bad_calls_say_what_is_taken(arguments, status, said, tmp_path, monkeypatch) -> None:
    """One line, the right exit status, and nothing written."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, "-o", "out")
    assert result.exit_code == status, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_that_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    """An hour of pages with nowhere to put them helps nobody."""
    (tmp_path / "file").write_text("")
    result = run("-n", 5, "-o", tmp_path / "file")
    assert result.exit_code == 1
    assert "the output folder cannot be written: it is a file" in result.stderr


def test_the_command_line_offers_every_domain() -> None:
    """The list stands twice, because `--help` must not load the domains."""
    assert [str(name) for name in Pages] == list(DOMAINS)


def test_own_fonts(tmp_path: Path) -> None:
    """A folder of fonts, one of which is none."""
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "Own.otf").write_bytes(builtin("mono").data)
    (tmp_path / "fonts" / "empty.ttf").write_bytes(b"")
    result = run("-n", 1, "--fonts", tmp_path / "fonts", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "left out, as they lack letters that are written: empty.ttf" in result.stderr
    (page,) = (tmp_path / "out").glob("*.png")
    assert page.read_bytes() != Series("small", 0).pair(0).data


def test_pairs_from_own_documents(tmp_path: Path) -> None:
    """Every page is a pair or is counted with the reason; what has no text layer cannot be the truth."""
    (tmp_path / "report.pdf").write_bytes(pdf(PROSE, PROSE + " Second."))
    (tmp_path / "scan.png").write_bytes(image_bytes("PNG"))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    out = tmp_path / "out"
    result = run("-o", out, "--from", tmp_path / "report.pdf", tmp_path / "scan.png", tmp_path / "broken.pdf")
    assert result.exit_code == 1, "a document could not be opened"
    assert sorted(os.listdir(out)) == [f"report-000{page}{suffix}" for page in (1, 2) for suffix in (".dt", ".png")]
    assert "tide gauge" in (out / "report-0001.dt").read_text()
    with Image.open(out / "report-0001.png") as image:
        assert image.mode == "RGB"
        assert round(image.info["dpi"][0]) == 144
    assert "scan.png: page 1: skipped: an image has no text layer" in result.stderr
    assert "broken.pdf: skipped: " in result.stderr
    assert "1 page skipped: 1 of images, which have no text layer" in result.stderr


def test_pairs_of_two_documents_with_one_name_do_not_meet(tmp_path: Path) -> None:
    """Folders are full of report.pdf."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "report.pdf").write_bytes(pdf(PROSE + folder))
    result = run("-o", tmp_path / "out", "--from", tmp_path / "a" / "report.pdf", tmp_path / "b" / "report.pdf")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.dt")) == ["report-0001", "report-2-0001"]


def test_scans_and_garbage_are_skipped_with_their_reason(shared_data: Path, tmp_path: Path) -> None:
    """A scan's empty text layer as truth would teach silence."""
    result = run("-o", tmp_path, "--from", shared_data / "scans" / "ocr_test.pdf")
    assert result.exit_code == 3
    assert "page 1: skipped: the page is an image without text" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (40, 300), (30, 20, 3)])
def test_png_files_hold_exactly_the_pixels(shape: tuple[int, ...]) -> None:
    """Our own writer is three times as fast as Pillow's; Pillow reads what it wrote."""
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(png.encode(pixels, 144)))
    assert np.array_equal(np.asarray(image), pixels)
    assert round(image.info["dpi"][1]) == 144
