"""What it takes to disturb `smoldocling corpus`: its results must be those of a run that nobody disturbed.

    python benchmarks/kills.py --kills 20 --pages 300
    python benchmarks/kills.py --only disk          on a file system of 1 MB where one can be mounted (root), and with
                                                    a limit on the size of files

    kill    SIGKILL to all its processes at random moments, continued each time
    disk    a disk that is full, with a little more room each time
    worker  SIGKILL to a worker process, again and again
    hang    SIGSTOP to a worker process, now and then

One line for each, and exit status 1 where the results differ by a byte.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pyarrow.parquet as pq

from benchmarks.papers import plain
from benchmarks.watch import Disturber, start

PAGES_EACH = 10
OPTIONS = ["--engine", "textlayer", "--shard-pages", "40", "--to", "md", "--timeout", "5"]


def main() -> None:
    """Disturbs and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pages", type=int, default=300)
    parser.add_argument("--workers", default="1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=TESTS)
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        plain(arguments.pages, PAGES_EACH, folder / "in")
        twin = (folder / "in" / "plain-00000.pdf").read_bytes()
        (folder / "in" / "twin.pdf").write_bytes(twin)
        case = Case(folder, arguments)
        begun = time.monotonic()
        case.run(folder / "plain")
        seconds = time.monotonic() - begun
        case.truth = written(folder / "plain")
        case.seconds = seconds
        print(f"undisturbed: {pages(folder / 'plain')} pages in {seconds:.1f} s")
        for name, test in TESTS.items():
            if arguments.only in (None, name):
                out, told = test(case)
                same = written(out) == case.truth
                failed |= not same
                print(f"{name}: {told}; {pages(out)} pages; {'the same bytes' if same else 'OTHER BYTES'}", flush=True)
    sys.exit(failed)


class Case:
    """The documents, and what becomes of them."""

    truth: dict[str, bytes]
    seconds: float

    def __init__(self, folder: Path, arguments: argparse.Namespace) -> None:
        self.folder, self.kills = folder, arguments.kills
        self.random = random.Random(arguments.seed)
        self.options = [*OPTIONS, "--workers", arguments.workers]

    def start(self, out: Path, before: str = ""):
        """Begin a run, or go on with it."""
        return start(["corpus", self.folder / "in", "-o", out, *self.options], self.folder / "said", before)

    def run(self, out: Path, before: str = "") -> int:
        """The same, to its end."""
        return self.start(out, before).process.wait()

    def go_on(self, out: Path) -> None:
        """The last time: it has to succeed."""
        status = self.run(out)
        assert status == 0, (self.folder / "said").read_text()


def killed(case: Case) -> tuple[Path, str]:
    """All processes, at any moment."""
    out = case.folder / "killed"
    hits, moments = 0, []
    while hits < case.kills:
        command = case.start(out)
        moment = case.random.uniform(0.2, max(1.0, 0.7 * case.seconds))
        if command.kill(moment):
            hits += 1
            moments.append(moment)
        elif (out / "documents.parquet").exists():
            break
    case.go_on(out)
    done = f"{hits} kills after {min(moments):.1f} to {max(moments):.1f} s"
    return out, done


def full(case: Case) -> tuple[Path, str]:
    """A small file system, or the nearest that there is."""
    out = case.folder / "full"
    out.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", out], capture_output=True, check=False
        ).returncode
        == 0
    )
    ended, limit = 0, 64
    while True:
        before = "" if mounted else f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit << 8},) * 2)"
        status = case.run(out, before)
        if status == 0:
            break
        said = (case.folder / "said").read_text()
        assert status == 1, said
        assert "the same command goes on" in said, said
        assert "Traceback" not in said, said
        ended += 1
        limit += 64
        if mounted:
            subprocess.run(["mount", "-o", f"remount,size={limit}k", out], check=True)
    told = f"{ended} ends on a {'tmpfs' if mounted else 'limit of the size of files'} up to {limit} kB"
    if mounted:
        copied = case.folder / "full-copy"
        subprocess.run(["cp", "-a", out, copied], check=True)
        subprocess.run(["umount", out], check=True)
        out = copied
    return out, told


def disturbed(number: signal.Signals, more: int, times: int) -> Callable[[Case], tuple[Path, str]]:
    """A worker at a time."""

    def test(case: Case) -> tuple[Path, str]:
        out = case.folder / number.name
        command = case.start(out)
        disturber = Disturber(command, number, out / ".corpus" / "journal", more, times)
        disturber.start()
        status = command.process.wait()
        disturber.join()
        assert status == 0, (case.folder / "said").read_text()
        return out, f"{disturber.hits} times {number.name} to a worker"

    return test


def written(folder: Path) -> dict[str, bytes]:
    """All but how long pages took, and the workshop."""
    files = (path for path in folder.rglob("*") if path.is_file())
    shown = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: data for name, data in shown.items() if not name.startswith((".corpus", "timings"))}


def pages(folder: Path) -> int:
    """Rows; each must be there once."""
    rows = pq.read_table(folder / "pages", columns=["path", "page"]).to_pylist()
    assert len({(row["path"], row["page"]) for row in rows}) == len(rows), "a page is doubled"
    return len(rows)


TESTS: dict[str, Callable[[Case], tuple[Path, str]]] = {
    "kill": killed,
    "disk": full,
    "worker": disturbed(signal.SIGKILL, 20_000, 10),
    "hang": disturbed(signal.SIGSTOP, 60_000, 2),
}


if __name__ == "__main__":
    main()
