"""convert --resume: what is whole is left alone, everything else is converted again under the same name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from make import PROSE, image_bytes, pdf
from typer.testing import CliRunner

from smoldocling.cli import app


def convert(folder: Path, *options: str) -> tuple[int, dict[str, str]]:
    """Exit status, and what became of each document by its name."""
    command = ["convert", str(folder), "-o", str(folder / "out"), "--engine", "textlayer", "--workers", "0"]
    done = CliRunner().invoke(app, [*command, "--resume", "--json", *options])
    rows = json.loads(done.stdout)["documents"]
    return done.exit_code, {Path(row["source"]).name: row["status"] for row in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents of the same name, and one half of whose pages need a model."""
    (tmp_path / "a.pdf").write_bytes(pdf(PROSE))
    (tmp_path / "b.pdf").write_bytes(pdf(PROSE, PROSE))
    (tmp_path / "b.png").write_bytes(image_bytes("PNG"))
    return tmp_path


def test_what_is_whole_is_not_converted_again(folder: Path) -> None:
    """The second call costs nothing, says so, and changes no file."""
    assert convert(folder) == (1, {"a.pdf": "ok", "b.pdf": "ok", "b.png": "failed"})
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    assert convert(folder) == (1, {"a.pdf": "skipped", "b.pdf": "skipped", "b.png": "failed"})
    (folder / "b.png").unlink()
    assert convert(folder) == (0, {"a.pdf": "skipped", "b.pdf": "skipped"})
    assert {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()} == before


def test_what_is_not_whole_is_converted_again(folder: Path) -> None:
    """A format that is not there, a document that has changed since, a page that is missing."""
    convert(folder)
    assert convert(folder, "--to", "md", "--to", "text")[1]["a.pdf"] == "ok"
    os.utime(folder / "a.pdf", ns=(2**62, 2**62))
    assert convert(folder)[1] == {"a.pdf": "ok", "b.pdf": "skipped", "b.png": "failed"}
    (folder / "out" / "b.md").write_text("One.\n\n\\[page 2 is missing: took longer than 30 s\\]\n")
    assert convert(folder)[1]["b.pdf"] == "ok"


def test_names_are_those_of_the_first_call(folder: Path) -> None:
    """Or what was converted before would be overwritten by its neighbour."""
    (folder / "a.tif").write_bytes(pdf(PROSE.upper()))
    convert(folder)
    whole = {path.name: path.read_text() for path in (folder / "out").iterdir()}
    assert {"a.md", "a-2.md"} <= set(whole)
    (folder / "out" / "a-2.md").unlink()
    convert(folder)
    assert {path.name: path.read_text() for path in (folder / "out").iterdir()} == whole


def test_resume_needs_a_folder() -> None:
    """stdout keeps nothing."""
    done = CliRunner().invoke(app, ["convert", "x.pdf", "--resume", "-o", "-"])
    assert done.exit_code == 2
    assert "--resume" in done.output
