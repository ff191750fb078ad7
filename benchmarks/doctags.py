"""The DocTags parser beside docling-core's, on the same texts in the same run.

    python benchmarks/doctags.py              files, growth, hostile shapes
    python benchmarks/doctags.py --fuzz N     N damaged outputs instead; says how many survived

Ours returns the tree and all problems; theirs is DoclingDocument.load_from_doctags without page images, which saves it
the cropping and encoding of pictures. Times are process time, the best of several turns taken alternately.
"""

from __future__ import annotations

import argparse
import platform
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# This file bears the package's name, and Python looks beside a script first: here, and in the scripts beside this one.
# Whoever asks for `doctags` and gets this file shall have the package all the same.
sys.modules.pop("doctags", None)
beside, sys.path[0] = sys.path[0], str(ROOT)
import doctags  # noqa: E402

sys.path[0] = beside

SHARED = ROOT.parent / "shared" / "data"
MEGABYTE = 1_000_000


def seconds(work: Callable[[], object]) -> float:
    """Process time of one call."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def theirs(text: str) -> object:
    """docling-core's reading of a text, page by page as its pipeline does it."""
    from docling_core.types.doc.doctags import DocTagsDocument, DocTagsPage
    from docling_core.types.doc.document import DoclingDocument

    pages = [DocTagsPage(tokens=page) for page in text.split("<page_break>")]
    return DoclingDocument.load_from_doctags(DocTagsDocument(pages=pages))


def compare(paths: Sequence[Path], turns: int) -> None:
    """One line a file: milliseconds per megabyte, and how many times faster."""
    print(f"{'file':36} {'kB':>6} {'ours ms/MB':>11} {'docling-core':>13} {'ratio':>6}")
    sums = [0.0, 0.0]
    size = 0.0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        mine, other = best(text, turns)
        kilobytes = len(text.encode()) / 1_000
        per = 1_000_000 / kilobytes  # seconds to milliseconds per megabyte
        print(f"{path.name:36} {kilobytes:6.1f} {mine * per:11.1f} {other * per:13.1f} {other / mine:6.1f}")
        sums[0] += mine
        sums[1] += other
        size += kilobytes
    per = 1_000_000 / size
    print(f"{'all':36} {size:6.1f} {sums[0] * per:11.1f} {sums[1] * per:13.1f} {sums[1] / sums[0]:6.1f}")


def best(text: str, turns: int) -> tuple[float, float]:
    """The shortest time of each side."""
    repeat = max(1, 40_000 // len(text))  # process time is coarse
    pairs = [
        (
            seconds(lambda: [doctags.parse(text) for _ in range(repeat)]),
            seconds(lambda: [theirs(text) for _ in range(repeat)]),
        )
        for _ in range(turns)
    ]
    return min(pair[0] for pair in pairs) / repeat, min(pair[1] for pair in pairs) / repeat


def grow(texts: Sequence[str]) -> None:
    """The same pages again and again: time per megabyte must not rise."""
    print("\nreal pages, repeated")
    for megabytes in (0.5, 5, 50):
        pages = "<page_break>\n".join(texts).replace("<doctag>", "").replace("</doctag>", "")
        text = f"<doctag>{pages * max(1, round(megabytes * MEGABYTE / len(pages.encode())))}</doctag>"
        size = len(text.encode()) / MEGABYTE
        took = seconds(lambda text=text: doctags.parse(text))  # type: ignore[misc]
        print(f"{size:8.1f} MB {took:8.2f} s {took / size * 1_000:8.1f} ms/MB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(f"{'':8} peak memory of this process {peak:.0f} MB")


def hostile() -> None:
    """Shapes that invite quadratic work or deep recursion: ten times the tags must cost about ten times the time."""
    print(f"\n{'hostile shape':44} {'10 thousand':>12} {'100 thousand':>13} {'ratio':>6}")
    for shape in (
        "<text>x",
        "<list_item>x",
        "<unordered_list><list_item>x",
        "<otsl><fcel>x",
        "<fcel>x",
        "</text>",
        "< ",
    ):
        texts = [f"<doctag>{shape * count}" for count in (10_000, 100_000)]
        few, many = (seconds(lambda text=text: doctags.parse(text)) for text in texts)  # type: ignore[misc]
        print(f"{shape:44} {few:10.2f} s {many:11.2f} s {many / few:6.1f}")


def fuzz(count: int, texts: Sequence[str]) -> int:
    """Damage real outputs; each must survive all laws. Returns the exit code."""
    sys.path.append(str(ROOT / "tests" / "test_doctags"))
    from doctags_cases import NAMES, damaged, source, survives

    seed = random.randrange(2**32)
    chance = random.Random(seed)
    originals = [*map(source, NAMES), *texts]
    begin = time.monotonic()
    for number in range(count):
        text = damaged(chance, originals)
        if not survives(chance, text):
            print(f"seed {seed}, number {number}: {text!r}")
            return 1
    print(f"{count} damaged outputs survived in {time.monotonic() - begin:.0f} s (seed {seed})")
    return 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--fuzz", type=int, metavar="N", help="damage N outputs instead")
    options.add_argument("--turns", type=int, default=7, help="take the best of so many (default 7)")
    given = options.parse_args()
    paths = sorted(SHARED.glob("do*/*.dt")) or sorted((ROOT / "samples").glob("**/*.dt"))
    texts = [path.read_text(encoding="utf-8") for path in paths]
    if given.fuzz:
        return fuzz(given.fuzz, texts)
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    compare(paths, given.turns)
    grow(texts)
    hostile()
    return 0


if __name__ == "__main__":
    sys.exit(main())
