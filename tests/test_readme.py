"""The README makes no claim that a command does not show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from smoldocling.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
# No test may reach for a hub; the README's commands must work on a closed network too.
CLOSED = {**os.environ, "HF_HUB_OFFLINE": "1", "SMOLDOCLING_PASSWORD": ""}


def blocks(language: str, section: str) -> list[str]:
    """Fenced blocks of one language in one section. What looks like a heading within a block is none."""
    fenced = re.compile(r"^## ([^\n]*)$|^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    found, here = [], ""
    for heading, kind, text in (match.groups() for match in re.finditer(fenced, README)):
        here = heading or here
        if here == section and kind == language:
            found.append(text)
    return found


def test_quick_start_is_two_commands():
    """CI runs exactly these in fresh clones."""
    assert blocks("bash", "Quick start") == [
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt . "
        "&& .venv/bin/smoldocling convert samples/report.pdf -o out\n",
        "python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[test]' && .venv/bin/pytest\n",
    ]


def test_the_transcript_is_what_happens(tmp_path):
    """Word for word but for the seconds."""
    (transcript,) = blocks("console", "What it looks like")
    command, *said = transcript.splitlines()
    arguments = command.removeprefix("$ smoldocling ").replace("-o out", f"-o {tmp_path}").split()
    done = subprocess.run(
        [sys.executable, "-m", "smoldocling", *arguments],
        cwd=ROOT,
        env=CLOSED,
        capture_output=True,
        text=True,
        check=True,
    )

    def timeless(lines: list[str]) -> list[str]:
        return [re.sub(r"\d+(\.\d+)?(e[+-]\d+)? (s|pages/s)\b", r"N \3", line) for line in lines]

    assert timeless(done.stderr.replace(str(tmp_path), "out").splitlines()) == timeless(said)


def test_the_sample_checkpoint_reads_the_sample_page():
    """Pixels in, Markdown out, on a closed network."""
    (transcript,) = blocks("console", "A model that reads, offline")
    command, _, said = transcript.partition("\n")
    arguments = command.removeprefix("$ smoldocling ").split()
    done = subprocess.run(
        [sys.executable, "-m", "smoldocling", *arguments],
        cwd=ROOT,
        env=CLOSED,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == said


def test_the_library_lines_run(tmp_path):
    """As they stand."""
    (code,) = blocks("python", "As a library")
    home = {**CLOSED, "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=home, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("# Nine Decades of River Levels")
    assert done.stdout.splitlines()[-1] == "samples/report.pdf 3 textlayer None 0"


def test_the_example_inside_docling_runs_as_it_stands():
    """What somebody with Docling copies first."""
    (code,) = blocks("python", "In Docling")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=CLOSED, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["success", "3", "1"]


@pytest.mark.parametrize(
    "path", re.findall(r"`((?:smoldocling|doctags|converters|samples|tests|benchmarks|docs)/[\w./]*)`", README)
)
def test_every_path_that_is_named_is_there(path):
    """A file map that lies is worse than none."""
    assert (ROOT / path).exists()


def test_the_commands_that_make_pages_and_train_are_taken(tmp_path):
    """Making pages is quick, and is done; training is not, so its options are parsed."""
    (transcript,) = blocks("console", "Making pages, training a checkpoint")
    commands = [line.removeprefix("$ smoldocling ").partition("#")[0].split() for line in transcript.splitlines()]
    assert [command[0] for command in commands] == ["synth", "synth", "train", "train"]
    for command in commands[:2]:
        command[command.index("-o") + 1] = str(tmp_path / command[-1])
        subprocess.run([sys.executable, "-m", "smoldocling", *command], cwd=ROOT, env=CLOSED, check=True, text=True)
    assert len(list((tmp_path / "pages").glob("*.png"))) == len(list((tmp_path / "pages").glob("*.dt"))) == 1000
    assert len(list((tmp_path / "pairs").glob("*.dt"))) == 3
    for _, *arguments in commands[2:]:
        train = typer.main.get_command(app).commands["train"]
        assert train.make_context("train", arguments).params["model"] in ("smoldocling", "new")
