"""Small corpora, and what a run made of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from make import PROSE, pdf
from typer.testing import CliRunner, Result

from smoldocling.cli import app

# Two processes less to start: what is tested with these does not depend on who reads the PDFs.
HERE = ("--engine", "textlayer", "--workers", "0")


def corpus(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(app, ["corpus", *map(str, arguments)])


def started(*arguments: object, limit_bytes: int | None = None) -> subprocess.Popen[str]:
    """The command, in processes of its own: a group that can be killed as a whole.

    limit_bytes  no file may grow beyond: a disk that is full, as far as a program can tell
    """
    code = "import sys; from smoldocling.cli import main; main()"
    if limit_bytes is not None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes})); {code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, "corpus", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def killed(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill the whole group after so long; whether it was still at work."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def wait_for(path: Path, seconds: float = 60.0) -> None:
    """Until a file is there and has something in it."""
    limit = time.monotonic() + seconds
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < limit, f"{path} does not come"
        time.sleep(0.01)


def written(folder: Path) -> dict[str, bytes]:
    """All that must be the same after any interruption: everything but how long pages took, and the workshop."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in shown.items() if not name.startswith((".corpus", "timings"))}


def rows(folder: Path, table: str = "pages") -> list[dict]:
    """All rows of a table, in order."""
    return [row for path in sorted((folder / table).iterdir()) for row in pq.read_table(path).to_pylist()]


def documents(folder: Path) -> list[dict]:
    """The table of documents."""
    return pq.read_table(folder / "documents.parquet").to_pylist()


def papers(folder: Path, count: int, pages: int) -> Path:
    """A folder of PDFs, one of which occurs twice and one of which is damaged."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        text = [f"{PROSE} Paper {number}, page {page}." for page in range(pages)]
        (folder / f"paper-{number:03d}.pdf").write_bytes(pdf(*text))
    (folder / "paper-000-again.pdf").write_bytes((folder / "paper-000.pdf").read_bytes())
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.4 and nothing more")
    return folder
