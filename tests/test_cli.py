"""The command line as a user meets it: what is written, what is said, and the exit status."""

import inspect
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from make import PROSE, image, image_bytes, pdf, pdf_of_no_pages
from tiny import make_checkpoint
from typer.testing import CliRunner, Result

import doctags
from smoldocling import Converter
from smoldocling.cli import app
from smoldocling.options import READING

# Every test says which engine it wants; none may look for a hub.
TEXT = ["--engine", "textlayer"]
ALL_FORMATS = [word for name in ("md", "html", "json", "doctags", "text") for word in ("--to", name)]


def run(*arguments: object, **options) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.pdf"
    path.write_bytes(pdf(PROSE, PROSE + " Second.", ""))
    return path


def test_convert_writes_every_format(tmp_path, report):
    """The contract of `--to` and the names of the files."""
    out = tmp_path / "out"
    result = run("convert", report, "-o", out, *TEXT, *ALL_FORMATS)
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(out)) == ["report.dt", "report.html", "report.json", "report.md", "report.txt"]
    assert "tide gauge" in (out / "report.md").read_text()
    assert doctags.validate((out / "report.dt").read_text()) == ()
    assert result.stdout == ""
    assert f"{report}: 3 pages -> {out}/report.md" in result.stderr


def test_markdown_is_the_default_and_the_current_folder_the_place(tmp_path, report, monkeypatch):
    """The shortest call does the obvious."""
    monkeypatch.chdir(tmp_path)
    assert run("convert", report, *TEXT).exit_code == 0
    assert (tmp_path / "report.md").exists()


def test_standard_input_to_standard_output(report):
    """As a filter in a pipe, with nothing but data on stdout."""
    result = run("convert", "-", "-o", "-", *TEXT, input=report.read_bytes())
    assert result.exit_code == 0
    assert result.stdout.startswith("The tide gauge")


BAD = {
    "missing.pdf": (None, "no such file"),
    "empty.pdf": (b"", "the file is empty"),
    "letter.pdf": (b"Dear Sir or Madam", "neither a PDF nor an image"),
    "nothing.pdf": (pdf_of_no_pages(), "the PDF has no pages"),
    "locked.pdf": (pdf(PROSE, password="1234"), "give its password"),
    "cut.pdf": (pdf(*[f"{PROSE} {n}" for n in range(9)])[:-400], "cut short"),
    "stump.pdf": (pdf(PROSE)[:200], "damaged PDF"),
    "broken.png": (image_bytes("PNG", image(900, 900))[:2000], "unreadable image"),
    "folder": ("folder", "holds no documents"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_costs_only_itself(tmp_path, report, name):
    """Exit status 1, the file and the reason named, the other file of the call converted."""
    content, reason = BAD[name]
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    result = run("convert", path, report, "-o", tmp_path / "out", *TEXT)
    about = [line for line in result.stderr.splitlines() if line.startswith(f"{path}: ") and " -> " not in line]
    assert len(about) == 1, result.stderr
    assert reason in about[0]
    assert result.exit_code == 1
    assert (tmp_path / "out" / "report.md").exists()


def test_a_wrong_password_is_said_to_be_wrong(tmp_path, report):
    """And an unlocked file of the same call does not mind it."""
    path = tmp_path / "locked.pdf"
    path.write_bytes(pdf(PROSE, password="1234"))
    wrong = run("convert", path, report, "-o", tmp_path, "--password", "4321", *TEXT)
    assert wrong.exit_code == 1
    assert f"{path}: password-protected PDF: the password is wrong" in wrong.stderr
    right = run("convert", path, "-o", tmp_path, *TEXT, env={"SMOLDOCLING_PASSWORD": "1234"})
    assert right.exit_code == 0
    assert "tide gauge" in (tmp_path / "locked.md").read_text()


def test_a_page_that_is_not_there(tmp_path, report):
    """Alone it leaves nothing to convert; beside others it costs only itself."""
    other = tmp_path / "long.pdf"
    other.write_bytes(pdf(*[PROSE] * 9))
    result = run("convert", report, other, "--pages", "9", "-o", tmp_path / "out", *TEXT)
    assert result.exit_code == 1
    assert f"{report}: there is no page 9: the document has 3 pages" in result.stderr
    assert os.listdir(tmp_path / "out") == ["long.md"]
    result = run("convert", report, "--pages", "1,9", "-o", "-", *TEXT)
    assert result.exit_code == 1
    assert "page 9: failed" in result.stderr
    assert "page 9 is missing" in result.stdout


def test_an_output_folder_that_cannot_be_written(tmp_path, report):
    """Said before the work begins, in one line."""
    result = run("convert", report, "-o", report, *TEXT)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [f"error: {report}: the output folder cannot be written: it is a file"]


def test_nothing_converted_is_exit_status_3(tmp_path):
    """A script must be able to tell it from a partial success."""
    result = run("convert", tmp_path / "a.pdf", tmp_path / "b.pdf", "-o", tmp_path, *TEXT)
    assert result.exit_code == 3
    assert len([line for line in result.stderr.splitlines() if "no such file" in line]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--to", "docx"],
        ["--pages", "a-b"],
        ["--splits", "7"],
        ["--batch-size", "0"],
        ["--batch-size", "many"],
        ["--workers", "-1"],
        ["--workers", "²"],
        ["-o", "-", "--to", "md", "--to", "html"],
        ["-o", "-", "--json"],
        ["--engine", "guess"],
        ["--nope"],
    ],
)
def test_a_wrong_command_line_is_exit_status_2(report, arguments):
    """And nothing is read or written."""
    sources = [report] if arguments else []
    assert run("convert", *sources, *arguments).exit_code == 2
    assert os.listdir(report.parent) == ["report.pdf"]


def test_what_another_command_takes_is_sent_there(tmp_path):
    """DocTags and documents look alike in a folder listing."""
    (tmp_path / "a.dt").write_text("<doctag><text>a</text></doctag>")
    (tmp_path / "a.pdf").write_bytes(pdf(PROSE) + b"\xff")
    assert "smoldocling render" in run("convert", tmp_path / "a.dt", "-o", tmp_path, *TEXT, "--workers", "0").stderr
    assert "smoldocling convert" in run("render", tmp_path / "a.pdf").stderr
    assert "smoldocling convert" in run("validate", tmp_path / "a.pdf").stderr


def test_the_version_is_told():
    """For bug reports: that of the package that is installed."""
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"smoldocling {version('smoldocling')}\n")


@pytest.mark.parametrize("command", ["convert", "corpus", "serve"])
def test_options_about_reading_are_those_of_every_command_that_reads(command):
    """Whoever knows those of convert knows those of corpus and serve; and each is a keyword of Converter."""
    shown = run(command, "--help").stdout
    assert [name for name in READING if f"--{name.replace('_', '-')} " not in shown] == []
    assert READING.keys() - inspect.signature(Converter).parameters.keys() == {"no_drafts"}


def test_a_scan_without_a_model_is_not_silently_empty(tmp_path):
    """The reader must know that there was something to read."""
    path = tmp_path / "scan.png"
    path.write_bytes(image_bytes("PNG"))
    result = run("convert", path, "-o", tmp_path / "out", *TEXT)
    assert result.exit_code == 3
    assert f"{path}: page 1: failed: an image has no text layer, so it needs a model" in result.stderr


def test_auto_says_in_one_line_that_it_reads_the_text_layer(tmp_path, report):
    """Without a checkpoint and without a hub, in seconds."""
    closed = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "empty")}
    environment = {**os.environ, **closed}
    done = subprocess.run(
        [sys.executable, "-m", "smoldocling", "convert", report, "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert "docling-project/SmolDocling-256M-preview" in notes[0]
    assert "text layer" in notes[0]
    insisting = run("convert", report, "-o", tmp_path, "--engine", "transformers", env=closed)
    assert insisting.exit_code == 3
    assert "docling-project/SmolDocling-256M-preview" in insisting.stderr


def test_a_folder_is_mirrored_and_equal_names_do_not_collide(tmp_path):
    """Two reports of two departments."""
    for name in ("in/a/report.pdf", "in/b/report.pdf"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(pdf(PROSE))
    out = tmp_path / "out"
    assert run("convert", tmp_path / "in", "-o", out / "tree", *TEXT).exit_code == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.md")) == ["tree/a/report.md", "tree/b/report.md"]
    files = [tmp_path / "in/a/report.pdf", tmp_path / "in/b/report.pdf"]
    assert run("convert", *files, "-o", out / "flat", *TEXT).exit_code == 0
    assert sorted(os.listdir(out / "flat")) == ["report-2.md", "report.md"]


def test_json_is_a_summary_for_machines(tmp_path, report):
    """Everything that the talk says, and more, with nothing else on stdout."""
    missing = tmp_path / "missing.pdf"
    result = run("convert", report, missing, "-o", tmp_path, "--json", *TEXT)
    summary = json.loads(result.stdout)
    assert [document["status"] for document in summary["documents"]] == ["ok", "failed"]
    assert summary["documents"][1]["error"] == "no such file or folder"
    pages = summary["documents"][0]["pages"]
    assert [(page["number"], page["status"]) for page in pages] == [(1, "textlayer"), (2, "textlayer"), (3, "blank")]
    assert summary["documents"][0]["outputs"] == [str(tmp_path / "report.md")]


def test_validate_names_the_place_of_a_problem(tmp_path):
    """In the form that editors jump to."""
    good, bad = tmp_path / "good.dt", tmp_path / "bad.dt"
    good.write_text("<doctag><text><loc_1><loc_2><loc_3><loc_4>Fine.</text></doctag>")
    bad.write_text("<doctag><text><loc_1><loc_2><loc_3><loc_4>Fine.</text>\n<otsl><fcel>a<fcel>b<nl><fcel>c")
    assert run("validate", good).exit_code == 0
    result = run("validate", good, bad)
    assert result.exit_code == 1
    assert all(line.startswith(f"{bad}:2:") for line in result.stdout.splitlines())
    assert {problem["file"] for problem in json.loads(run("validate", bad, "--json").stdout)} == {str(bad)}
    fixed = run("validate", bad, "--fix")
    assert fixed.exit_code == 1
    assert run("validate", bad).exit_code == 0
    assert "a" in bad.read_text()


def test_validate_and_render_name_files_that_they_cannot_read(tmp_path):
    """A binary file, a missing one."""
    binary = tmp_path / "binary.dt"
    binary.write_bytes(b"\xff\xfe\x00")
    for command in ("validate", "render"):
        result = run(command, binary, tmp_path / "missing.dt")
        assert result.exit_code in (1, 3)
        assert f"{binary}: not a text file" in result.stderr
        assert "missing.dt: no such file" in result.stderr


def test_render_turns_doctags_into_the_other_formats(tmp_path):
    """DocTags that somebody has already."""
    path = tmp_path / "page.dt"
    path.write_text("<doctag><title>A title</title><text>Some text.</text></doctag>")
    assert run("render", path).stdout == "# A title\n\nSome text.\n"
    assert run("render", path, "--to", "html", "--to", "json", "-o", tmp_path / "out").exit_code == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["page.html", "page.json"]


def test_doctor_says_what_would_run(tmp_path):
    """Without a checkpoint it is the text layer."""
    result = run("doctor", env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    assert result.exit_code == 0
    assert "text layer" in result.stdout
    assert "pymupdf" in result.stdout


def test_interrupted_is_exit_status_130_and_leaves_whole_files_only(tmp_path):
    """Control-C in the middle of a long run."""
    for n in range(60):
        (tmp_path / f"{n}.pdf").write_bytes(pdf(*[f"{PROSE} {n} {page}" for page in range(10)]))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "smoldocling", "convert", tmp_path, "-o", out, *TEXT]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        first = running.stderr.readline()
        running.send_signal(2)
        rest = running.stderr.read()
    assert running.returncode == 130, first + rest
    assert "interrupted" in rest
    assert "Traceback" not in rest
    written = list(out.iterdir())
    assert written
    assert all(path.suffix == ".md" and path.read_text().endswith("\n") for path in written)


def test_interrupted_in_the_middle_of_a_page_is_exit_status_130_too(tmp_path):
    """The model works in a thread, and Python aborts when it ends while a thread is in torch."""
    (tmp_path / "model").mkdir()
    model = make_checkpoint(tmp_path / "model", tile_px=64)
    for n in range(300):  # a minute of work
        (tmp_path / f"{n:03}.pdf").write_bytes(pdf(PROSE if n else ""))  # a blank page comes out at once
    options = ["--engine", "transformers", "--model", model, "--splits", "2", "--device", "cpu", "--dtype", "float32"]
    command = [sys.executable, "-m", "smoldocling", "convert", tmp_path, "-o", tmp_path / "out", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        # a slow machine also says how far it is
        first = next(line for line in running.stderr if " pages/s" not in line)
        time.sleep(0.5)
        begun = time.monotonic()
        running.send_signal(2)
        rest = running.stderr.read()
    assert "000.pdf: 1 page -> " in first
    assert running.returncode == 130, first + rest
    assert time.monotonic() - begun < 10
    *pages, last = rest.splitlines()
    assert last.startswith("interrupted; ")
    assert all(".pdf: 1 page -> " in line for line in pages if " pages/s" not in line)


def test_page_breaks_and_furniture_on_request(tmp_path, samples):
    """Running heads are noise to most readers, and evidence to some."""
    plain = run("convert", samples / "report.pdf", "-o", "-", *TEXT).stdout
    full = run(
        "convert", samples / "report.pdf", "-o", "-", "--furniture", "--page-break", "-----8<-----", *TEXT
    ).stdout
    assert "Technical Report 7" not in plain
    assert full.count("Technical Report 7") == 3
    assert full.splitlines().count("-----8<-----") == 2


def test_render_takes_the_picture_of_the_page(tmp_path, samples):
    """Figures are cut out of it, and the report shows it."""
    result = run(
        "render", samples / "scan.dt", "--image", samples / "scan.png", "--to", "report", "--to", "md", "-o", tmp_path
    )
    assert result.exit_code == 0, result.stderr
    assert "data:image/webp;base64," in (tmp_path / "scan.report.html").read_text()
    assert len(os.listdir(tmp_path / "scan_artifacts")) == 1
    assert "scan_artifacts/page-0001-picture-01.png" in (tmp_path / "scan.md").read_text()
    assert run("render", samples / "scan.dt", "--image", tmp_path / "no.png").exit_code == 3


def shell(command: str, **options) -> subprocess.CompletedProcess[str]:
    line = command.replace("smoldocling", f"{sys.executable} -m smoldocling")
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60, **options)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("smoldocling convert report.pdf --engine textlayer -o - > /dev/full", 1),
        ("smoldocling convert report.pdf --engine textlayer -o out --json > /dev/full", 1),
        ("smoldocling convert report.pdf --engine textlayer -o out <&-", 0),
        ("smoldocling convert report.pdf --engine textlayer -o out 2>&-", 0),
        ("smoldocling convert missing.pdf report.pdf --engine textlayer -o out 2> >(true)", 1),
        ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 smoldocling render page.dt", 0),
        ("PYTHONIOENCODING=ascii smoldocling validate page.dt", 1),
    ],
)
def test_odd_streams_cost_no_data_and_no_traceback(report, command, code):
    """Full disks, services without standard streams, terminals without Unicode, readers that went away."""
    (report.parent / "page.dt").write_text(
        "<doctag><text>caf\u00e9 \u6771</text><caption>\u6771</caption><otsl><fcel>\u6771"
    )
    done = shell(command, cwd=report.parent)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if " out" in command:
        assert (report.parent / "out" / "report.md").exists()


def test_fix_of_standard_input_goes_to_standard_output():
    """As a filter; the problems go to stderr."""
    result = run("validate", "--fix", "-", input="<doctag><text>a")
    assert doctags.parse(result.stdout) == doctags.parse("<doctag><text>a</text></doctag>")
    assert doctags.validate(result.stdout) == ()
    assert "-:1:" in result.stderr
