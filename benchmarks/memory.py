"""Memory of one page in flight, in a process of its own.

    python benchmarks/memory.py CHECKPOINT --dtype bfloat16 --tokens 800

Prints one line of JSON in MB: `base` is resident before the weights are loaded, with interpreter and libraries there;
`peak` is the highest since the process began, so `beyond` is peak - base. Of the highest that was sampled, `anonymous`
and `files` say how much beyond the base was the process's own, and how much pages of files that the system can take
back (the checkpoint, which is mapped). Linux only.
Knows: one engine at a time, what the kernel counts. Does not know: time.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import threading
from pathlib import Path

if __name__ == "__main__":  # a script beside this one is called doctags and must not be found in the package's place
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import numpy as np

from benchmarks.page import Endless, letter
from smoldocling import checkpoint
from smoldocling.engine.native import Native
from smoldocling.engine.reference import Reference
from smoldocling.vocab import Vocab

ENGINES = {engine.name: engine for engine in (Native, Reference)}
SAMPLE_SECONDS = 0.002


def main() -> None:
    """Loads, writes one page, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--engine", choices=ENGINES, default=Native.name)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--tokens", type=int, default=800)
    arguments = parser.parse_args()
    found = checkpoint.read(arguments.checkpoint, name="benchmark")
    request = letter(Vocab(found), np.random.default_rng(0), 0, arguments.tokens)
    if arguments.engine == Reference.name:
        importlib.import_module("transformers.models.idefics3.modeling_idefics3")  # a library like the others
    base = _status()
    watch = _Watch()
    engine = ENGINES[arguments.engine](found, Endless(), device="cpu", dtype=arguments.dtype, batch_size=1)
    loaded = _status()
    [answer] = engine.run([request])
    highest, peak = watch.stop(), _status()["VmHWM"]
    assert len(answer.ids) == arguments.tokens, answer.error
    figures = {
        "base": base["VmRSS"],
        "loaded": loaded["VmRSS"] - base["VmRSS"],
        "peak": peak,
        "beyond": peak - base["VmRSS"],
        "anonymous": highest["RssAnon"] - base["RssAnon"],
        "files": highest["RssFile"] - base["RssFile"],
    }
    print(json.dumps({name: round(value / 1e6) for name, value in figures.items()}))


class _Watch(threading.Thread):
    """Looks at the memory all the time, since the kernel keeps the highest sum and not what it was made of."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._done = threading.Event()
        self._highest = _status()
        self.start()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._highest = max(self._highest, _status(), key=lambda status: status["VmRSS"])

    def stop(self) -> dict[str, int]:
        self._done.set()
        self.join()
        return self._highest


def _status() -> dict[str, int]:
    """Bytes, by the kernel's names."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return {words[0].rstrip(":"): int(words[1]) << 10 for words in map(str.split, lines) if words[2:] == ["kB"]}


if __name__ == "__main__":
    main()
