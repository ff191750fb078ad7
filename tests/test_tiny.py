"""The sample checkpoint really reads: pixels in, the right DocTags out, on pages that it has never been shown."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import doctags
from smoldocling import Converter
from smoldocling.result import PageResult
from smoldocling.training import scores
from smoldocling.training.synth import Pair, Series

TINY = Path(__file__).parent.parent / "samples" / "tiny"
SAMPLE = TINY.parent / "leaflet.png"
PAGES = 20
# Of what `benchmarks/tiny.py` measures on 200 pages; twenty vary more.
MOST_CHARACTER_ERROR, LEAST_TAGS, MOST_BOX_ERROR, LEAST_VALID = 0.1, 0.8, 8.0, 0.95


def unseen(count: int, *, pdf: bool = False) -> list[Pair]:
    """Pages of a seed that nothing was taught with."""
    series = Series("small", 1, pdf=pdf)
    return [series.pair(number) for number in range(count)]


def read(pairs: list[Pair], **options: object) -> list[PageResult]:
    files = []
    for pair in pairs:
        file = io.BytesIO(pair.data)
        file.name = pair.name + pair.suffix
        files.append(file)
    converter = Converter(model=str(TINY), text="model", workers=0, **options)  # type: ignore[arg-type]
    found = {page.source: page for page in converter.stream(files)}
    return [found[pair.name + pair.suffix] for pair in pairs]


def test_unseen_pages_are_read() -> None:
    """The whole road: a random network would have all characters wrong."""
    pairs = unseen(PAGES)
    pages = read(pairs, engine="native")
    total = scores.total([scores.score(page.raw or "", pair.doctags) for page, pair in zip(pages, pairs, strict=True)])
    assert total.character_error <= MOST_CHARACTER_ERROR, total
    assert total.tags >= LEAST_TAGS, total
    assert total.box_error <= MOST_BOX_ERROR, total
    assert total.valid >= LEAST_VALID, total


def test_transformers_writes_the_same() -> None:
    """The checkpoint is one of the family: two engines, the same ids."""
    pairs = unseen(4)
    ours, theirs = (read(pairs, engine=engine, dtype="float32") for engine in ("native", "transformers"))
    assert [page.raw for page in ours] == [page.raw for page in theirs]
    assert all(page.raw for page in ours)


def test_drafts_change_nothing_on_pages_that_are_really_read() -> None:
    """A text layer that the model agrees with, and one whose boxes and lists it writes in another way."""
    pairs = unseen(4, pdf=True)
    drafted, plain = (read(pairs, engine="native", dtype="float32", drafts=drafts) for drafts in (True, False))
    assert [page.raw for page in drafted] == [page.raw for page in plain]
    assert sum(page.steps for page in drafted) <= sum(page.steps for page in plain)


def test_sample_page_is_read_without_a_mistake() -> None:
    """The page that the README shows."""
    page = Converter(model=str(TINY), engine="native", workers=0).convert(SAMPLE).pages[0]
    true = doctags.parse(SAMPLE.with_suffix(".dt").read_text()).pages[0]
    assert [(one.kind, one.text) for one in page.tree.elements] == [(one.kind, one.text) for one in true.elements]


@pytest.mark.parametrize("name", ["README.md", "config.json", "tokenizer.json", "model.safetensors"])
def test_checkpoint_travels_with_the_project(name: str) -> None:
    """No more than 20 MB in all, and a card that says what it is."""
    assert (TINY / name).is_file()
    assert sum(path.stat().st_size for path in TINY.iterdir()) <= 20_000_000
