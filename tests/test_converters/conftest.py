"""Golden files: the reader of the outputs is a person, so a change to them is shown to one.

REFRESH_GOLDENS=1 writes what the converters say now; the diff is then reviewed like any other.
"""

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture
def matches_golden():
    def check(name: str, found: str) -> None:
        path = GOLDEN / name
        if os.environ.get("REFRESH_GOLDENS") == "1":
            path.parent.mkdir(exist_ok=True)
            path.write_text(found, encoding="utf-8")
        assert path.exists(), f"no golden file {name}; REFRESH_GOLDENS=1 writes it"
        assert found == path.read_text(encoding="utf-8")

    return check
