"""The whole `docling` command line with our plugin in it: every road, on real files, against what our library gives.

    python benchmarks/docling_cli.py [--env build/docling] [--data ../shared/data/docling]

Makes an environment of its own, since Docling's command line needs torchvision, and the one on PyPI belongs to PyPI's
own CUDA build of torch: 6 GB. Not in CI for that reason; what it said last is in results/docling-cli.txt. Every command
is printed as it is run. Of each result it is told how many of the words that `smoldocling convert` finds in the same
document are in it (`words`), and how many of its own words those are (`exact`). Both count a word as often as it stands
there, and leave out single digits, which mark lists.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCLING = "docling==2.143.0"
ENGINES = "--layout-engine smoldocling --table-structure-engine smoldocling --ocr-engine smoldocling"
STANDARD = f"docling convert --allow-external-plugins {ENGINES} --to md --to json --image-export-mode placeholder"
VLM = (
    "docling convert --pipeline vlm --vlm-model smoldocling_native --allow-external-plugins --enable-remote-services"
    " --to md --to json --image-export-mode placeholder"
)
# Least share of the library's words that has to come through: where a text runs on, Docling joins what a hyphen parts.
LEAST_WORDS = 0.98
STARTING_SECONDS = 120.0

DESCRIBE = """
import sys
from docling.datamodel.base_models import InputFormat
from docling.datamodel.pipeline_options import PdfPipelineOptions
from docling.document_converter import DocumentConverter, PdfFormatOption
from smoldocling.plugin.layout import SmolDoclingLayoutOptions
from smoldocling.plugin.ocr import SmolDoclingOcrOptions
from smoldocling.plugin.pictures import SmolDoclingPictureOptions
from smoldocling.plugin.tables import SmolDoclingTableOptions

options = PdfPipelineOptions(
    allow_external_plugins=True,
    layout_options=SmolDoclingLayoutOptions(engine="textlayer"),
    table_structure_options=SmolDoclingTableOptions(),
    ocr_options=SmolDoclingOcrOptions(),
    do_picture_description=True,
    picture_description_options=SmolDoclingPictureOptions(model=sys.argv[2], prompt="What is this?", max_new_tokens=40),
)
converter = DocumentConverter(format_options={InputFormat.PDF: PdfFormatOption(pipeline_options=options)})
for picture in converter.convert(sys.argv[1]).document.pictures:
    print(picture.meta.description.created_by.rpartition("/")[2], repr(picture.meta.description.text))
"""


class Bench:
    """An environment with Docling and us in it, a folder for results, and what has gone wrong."""

    def __init__(self, env: Path, out: Path) -> None:
        self.bin = env / "bin"
        self.out = out
        self.wrong = 0
        self.known: dict[Path, Counter[str]] = {}

    def environment(self, **more: str) -> dict[str, str]:
        quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "2"}
        return os.environ | quiet | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"} | more

    def run(self, command: str, *, expected: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run it where the samples are, and tell how it ended."""
        for old in self.out.iterdir():
            old.unlink()
        said = " ".join([*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), command])
        output = ["--output", str(self.out)] if command.startswith("docling convert") else []
        started = time.monotonic()
        done = subprocess.run(
            [*shlex.split(command), *output],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self.environment(**variables),
        )
        seconds = time.monotonic() - started
        self.tell(f"$ {said}")
        self.check(done.returncode == expected, f"exit {done.returncode}, {seconds:.0f} s", done.stderr)
        return done

    def check(self, holds: bool, said: str, why: str = "") -> None:
        """A line of the report; what is wrong is counted, and shown with its reason."""
        self.tell(f"    {'' if holds else 'WRONG: '}{said}")
        if not holds:
            self.wrong += 1
            self.tell("\n".join(f"    | {line}" for line in clean(why).splitlines()[-12:]))

    def tell(self, line: str) -> None:
        print(clean(line).replace(f"{self.bin}{os.sep}", ""), flush=True)

    def library(self, source: Path, *options: str) -> Counter[str]:
        """The words that `smoldocling convert` finds."""
        if source not in self.known:
            command = ["smoldocling", "convert", str(source), "--to", "json", "-o", "-", *options]
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, cwd=ROOT, env=self.environment()
            )
            self.known[source] = words(json.loads(done.stdout)) if done.stdout else Counter()
        return self.known[source]

    def compare(self, source: Path, *options: str, least: float = LEAST_WORDS) -> None:
        """The result of the command that was run last with what the library finds."""
        expected = self.library(source, *options)
        files = [self.out / f"{source.stem}.json", self.out / f"{source.stem}.md"]
        if not all(file.is_file() for file in files):
            self.check(False, f"{source.name}: no result")
            return
        document = json.loads(files[0].read_text(encoding="utf-8"))
        found = words(document)
        both = (found & expected).total()
        share, exact = both / max(1, expected.total()), both / max(1, found.total())
        tables = [table["data"]["table_cells"] for table in document["tables"]]
        spans = sum(cell["row_span"] > 1 or cell["col_span"] > 1 for cells in tables for cell in cells)
        self.check(
            share >= least and bool(files[1].read_text(encoding="utf-8").strip()),
            f"{source.name}: pages {len(document['pages'])}, words {share:.3f} of {expected.total()}, "
            f"exact {exact:.3f}, tables {len(tables)}, cells {sum(map(len, tables))}, merged {spans}",
        )


def words(document: dict) -> Counter[str]:
    """All words of a DoclingDocument, those of tables and running heads among them; of a formula, what was written."""
    texts = [text["text"] or text["orig"] for text in document["texts"]]
    texts += [cell["text"] for table in document["tables"] for cell in table["data"]["table_cells"]]
    return Counter(re.findall(r"[^\W\d_]+|\d{2,}", "\n".join(texts)))


def clean(text: str) -> str:
    """Without the paths of this machine."""
    here = sorted({str(ROOT), str(ROOT.parent), tempfile.gettempdir(), sys.prefix, str(Path.home())}, key=len)
    for path in reversed(here):
        text = text.replace(path + "/", "")
    return re.sub(r"\btmp\w{8}/", "", text)


def made(env: Path) -> None:
    """The environment: made once, our package anew each time."""
    pip = [str(env / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not (env / "bin" / "docling").exists():
        venv.create(env, with_pip=True)
        subprocess.run([*pip, DOCLING, f"{ROOT}[serve]"], check=True, stdout=sys.stderr)
    subprocess.run([*pip, "--no-deps", "--force-reinstall", str(ROOT)], check=True, stdout=sys.stderr)


def serving(bench: Bench, options: str) -> subprocess.Popen[str]:
    """A server on Docling's port, ready to be asked."""
    bench.tell(f"$ smoldocling serve {options} &")
    server = subprocess.Popen(
        ["smoldocling", "serve", *shlex.split(options)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=bench.environment(),
    )
    assert server.stderr is not None
    deadline = time.monotonic() + STARTING_SECONDS
    for line in server.stderr:
        if "http://" in line or time.monotonic() > deadline:
            break
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", type=Path, default=ROOT / "build" / "docling", help="where Docling is installed")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "docling", help="more PDFs")
    given = parser.parse_args()
    made(given.env.resolve())
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "describe.py").write_text(DESCRIBE, encoding="utf-8")
        (Path(folder) / "out").mkdir()
        bench = Bench(given.env.resolve(), Path(folder) / "out")
        roads(bench, given.data)
    print(f"\n{bench.wrong} wrong" if bench.wrong else "\nall as it should be")
    sys.exit(1 if bench.wrong else 0)


def roads(bench: Bench, data: Path) -> None:
    """Every road once."""
    python = bench.bin / "python"
    versions = subprocess.run(
        [
            python,
            "-c",
            "from importlib.metadata import version as v\nfor n in ('docling', 'docling-core', 'torch', "
            "'torchvision', 'smoldocling'): print(n, v(n))",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    bench.tell(", ".join(versions.stdout.splitlines()) + "\n")

    listed = bench.run("docling options layout smoldocling --allow-external-plugins")
    keys = [key for key in ("model", "engine", "splits", "dtype", "text") if key in listed.stdout]
    bench.check(len(keys) == 5, f"options: {', '.join(keys)}", listed.stdout)

    paths = [ROOT / "samples/report.pdf", ROOT / "samples/invoice.pdf", *sorted(data.glob("*.pdf"))]
    names = " ".join(os.path.relpath(path, ROOT) for path in paths)
    bench.run(f"{STANDARD} {names}", SMOLDOCLING_ENGINE="textlayer")
    for path in paths:
        bench.compare(path, "--engine", "textlayer")

    bench.run(f"{STANDARD} samples/scan.png", expected=1, SMOLDOCLING_ENGINE="textlayer")
    bench.run(f"{STANDARD} samples/leaflet.png", SMOLDOCLING_MODEL="samples/tiny", SMOLDOCLING_ENGINE="native")
    bench.compare(ROOT / "samples/leaflet.png", "--model", "samples/tiny", "--engine", "native")
    bench.run(f"{STANDARD} --layout-option model=samples/tiny --layout-option engine=native samples/leaflet.png")
    bench.compare(ROOT / "samples/leaflet.png")
    refused = bench.run(f"{STANDARD.replace('--allow-external-plugins ', '')} samples/invoice.pdf", expected=2)
    bench.check(
        "smoldocling" in refused.stderr, "without leave, Docling says that there is no such engine", refused.stderr
    )

    script = bench.out.parent / "describe.py"
    described = bench.run(f"python {script} samples/report.pdf samples/tiny")
    bench.check(described.stdout.startswith("tiny "), f"described: {described.stdout.strip()[:120]}", described.stderr)

    server = serving(bench, "--model samples/tiny --engine native")
    try:
        bench.run(f"{VLM} samples/leaflet.png", SMOLDOCLING_MODEL="samples/tiny")
        bench.compare(ROOT / "samples/leaflet.png", least=0.9)
        forgotten = bench.run(f"{VLM} samples/leaflet.png", expected=1)
        told = " ".join((forgotten.stdout + forgotten.stderr).split())
        bench.check("there is no model" in told, "and why is told: there is no model of that name", told)
    finally:
        server.send_signal(signal.SIGTERM)
        bench.check(server.wait(60) == 0, "the server ends with exit 0")


if __name__ == "__main__":
    main()
