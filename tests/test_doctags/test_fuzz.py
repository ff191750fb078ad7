"""Real outputs, damaged at random: nothing raises, nothing is lost, everything written reads the same.

SMOLDOCLING_FUZZ_SECONDS says how long to go on; `python benchmarks/doctags.py --fuzz N` damages N texts.
"""

import os
import random
import time

from conftest import SHARED_DATA
from doctags_cases import NAMES, damaged, real_outputs, source, survives

SECONDS = float(os.environ.get("SMOLDOCLING_FUZZ_SECONDS", "3"))


def test_damaged_outputs_survive() -> None:
    """Seeds are new each time; a failure says which text it was. Without the shared data only fixtures are damaged."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    originals = [*map(source, NAMES), *real_outputs(SHARED_DATA)]
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        text = damaged(chance, originals)
        assert survives(chance, text), f"seed {seed}: {text!r}"
