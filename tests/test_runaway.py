"""Networks that never stop: their pages end early, keep what is good, and say so; other pages do not notice."""

import io
from pathlib import Path

import pymupdf
import pytest
from tiny import make_checkpoint
from typer.testing import CliRunner

from smoldocling import Converter
from smoldocling.cli import app
from smoldocling.result import PageResult

HEADING = "<section_header_level_1><loc_50><loc_60><loc_450><loc_90>Hello</section_header_level_1>"
ELEMENT = "<text><loc_51><loc_100><loc_451><loc_130>The quick</text>"
LOOPS = {
    "a token": (f"<doctag>{HEADING}<text><loc_51><loc_100><loc_451><loc_130>The quick over", " over"),
    "an element": (f"<doctag>{HEADING}{ELEMENT}", ELEMENT),
    "two elements": (
        f"<doctag>{HEADING}{ELEMENT}<paragraph><loc_52><loc_140><loc_452><loc_170>world</paragraph>",
        f"{ELEMENT}<paragraph><loc_52><loc_140><loc_452><loc_170>world</paragraph>",
    ),
    "a table's cells": (f"<doctag>{HEADING}<otsl><loc_51><loc_100><loc_451><loc_130><fcel>Year", "<fcel>Year"),
}


@pytest.fixture(scope="module", params=LOOPS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    script, loop = LOOPS[request.param]
    folder = tmp_path_factory.mktemp("loop")
    return str(make_checkpoint(folder, script=script, loop=loop, single_locs=True, heads=3, tile_px=64))


def document(*lines: str) -> bytes:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    for number, line in enumerate(lines):
        page.insert_text((40, 60 + 60 * number), line, fontsize=20)
    return bytes(pdf.tobytes())


def read(checkpoint: str, **options: object) -> PageResult:
    converter = Converter(model=checkpoint, splits=1, device="cpu", dtype="float32", **options)  # type: ignore[arg-type]
    return converter.convert(document("Hello", "The quick brown fox", "Nobody has read this")).pages[0]


@pytest.mark.parametrize("engine", ["native", "transformers"])
@pytest.mark.parametrize("drafts", [True, False])
def test_a_loop_ends_and_one_copy_of_it_is_kept(checkpoint: str, engine: str, drafts: bool) -> None:
    """Without the rule it would go on to the end of the context, eight thousand ids away."""
    page = read(checkpoint, engine=engine, drafts=drafts, text="model")
    assert page.status == "repeated"
    assert page.tokens < 600
    assert "stopped after" in (page.error or "")
    texts = [element.text for element in page.tree.elements]
    assert texts[0] == "Hello"
    assert len(texts) <= 3
    assert len(set(texts)) == len(texts), "of what was repeated one copy is left"


def test_the_rest_is_taken_from_the_text_layer(checkpoint: str) -> None:
    """What the model never came to is on the page all the same."""
    page = read(checkpoint, engine="native")
    assert page.status == "repeated"
    assert "Nobody has read this" in page.doctags
    assert page.doctags.count("Hello") == 1


def test_the_command_says_which_page_ran_away(checkpoint: str, tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(document("Hello"))
    arguments = ["convert", str(tmp_path / "page.pdf"), "--model", checkpoint, "--splits", "1", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, "--engine", "native", "--dtype", "float32"])
    assert done.exit_code == 1, "something of the page is missing"
    assert "page 1" in done.output
    assert "stopped after" in done.output
    assert "Hello" in (tmp_path / "page.md").read_text()


def test_neighbours_do_not_notice(tmp_path: Path) -> None:
    """Pages of random networks, some of which repeat themselves: alone or together, each is what it is."""
    folder = str(make_checkpoint(tmp_path / "random", heads=3, tile_px=64, seed=5))
    pages = [document(f"Page {number}", "some words", "x" * number) for number in range(1, 7)]
    options = {"model": folder, "splits": 2, "device": "cpu", "dtype": "float32", "max_new_tokens": 300}
    together = Converter(**options, batch_size=6)  # type: ignore[arg-type]
    alone = Converter(**options, batch_size=1)  # type: ignore[arg-type]
    results = {result.name: result for result in together.documents(map(named, range(6), pages))}
    for number, page in enumerate(pages):
        one = alone.convert(named(number, page)).pages[0]
        other = results[f"{number}.pdf"].pages[0]
        assert (one.raw, one.status, one.tokens, one.error) == (other.raw, other.status, other.tokens, other.error)


def named(number: int, data: bytes) -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = f"{number}.pdf"
    return file
