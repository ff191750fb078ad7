"""What models and docling really wrote."""

from pathlib import Path

import pytest
from doctags_cases import real_outputs, texts, visible

import doctags
from doctags.lexer import tokens
from doctags.tokens import PREFIX


@pytest.fixture(scope="module")
def outputs(shared_data: Path) -> list[str]:
    """DocTags of twelve documents."""
    found = real_outputs(shared_data)
    assert len(found) >= 12
    return found


def test_no_character_of_real_outputs_is_lost_or_moved(outputs: list[str]) -> None:
    """All text, in the order in which it was written."""
    for output in outputs:
        said = "".join(token.text for token in tokens(output) if token.tag is None).removeprefix(f"{PREFIX} ")
        assert visible("".join(texts(doctags.parse(output)))) == visible(said)


def test_real_outputs_have_no_errors(outputs: list[str]) -> None:
    """What was written well is not complained about."""
    for output in outputs:
        assert [problem for problem in doctags.validate(output) if problem.severity == "error"] == []


def test_canonical_form_is_what_docling_writes(shared_data: Path) -> None:
    """Not a character differs, white space included: drafts and training data look like what the models learnt."""
    for path in sorted(shared_data.glob("docling/*.dt")):
        written = path.read_text(encoding="utf-8").strip()
        assert doctags.write(doctags.parse(written)) == written, path.name
