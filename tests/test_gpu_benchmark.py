"""benchmarks/gpu.py runs where it will be needed: without network, PyMuPDF and docling-core, and loses nothing."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# A machine with a GPU that is lent for an hour has torch and transformers; nothing can be fetched there.
MISSING = (
    "pymupdf",
    "fitz",
    "docling_core",
    "docling",
    "doclang",
    "latex2mathml",
    "typer",
    "fastapi",
    "ray",
    "matplotlib",
)
WITHOUT = f"""
import runpy, socket, sys

for name in {MISSING}:
    sys.modules[name] = None

def refuse(*_):
    raise OSError("no network")

socket.socket.connect = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
sys.path.insert(0, {str(ROOT)!r})
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, str(ROOT / "benchmarks/gpu.py"), *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


def test_a_dry_run_passes_on_such_a_machine_and_every_phase_has_figures(tmp_path: Path) -> None:
    """The first run on a GPU is paid for by the minute."""
    done = run("--dry-run", "--save", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert report["rows"] == json.loads(done.stdout.splitlines()[-1])["rows"]
    whats = [(row["phase"], row["what"]) for row in report["rows"]]
    for phase in ("peaks", "resize", "vision", "prefill", "decode", "pages", "memory", "transformers"):
        assert [what for name, what in whats if name == phase and what != "clocks"], phase
    assert not [row for row in report["rows"] if "error" in row]


def test_time_that_is_up_is_said(tmp_path: Path) -> None:
    """What was measured before counts; what is missing is not a failure."""
    done = run("--dry-run", "--minutes", "0", "--phases", "peaks", "decode", "--save", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if "no time is left" in line][:2] == [
        "peaks",
        "decode",
    ]
