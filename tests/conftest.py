"""What all tests share: where the larger test data lies, if it is there."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def samples() -> Path:
    """The project's own sample documents."""
    return ROOT / "samples"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """PDFs with ground truth, real DocTags and hostile files, kept outside the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the test data in {SHARED_DATA}, which is not part of the repository")
    return SHARED_DATA
