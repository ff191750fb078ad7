"""Networks that never stop: their pages end early, keep what is good, and say so; other pages do not notice."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pymupdf
import pytest
import torch
from tiny import make_checkpoint
from typer.testing import CliRunner

import doctags
from smoldocling import Converter
from smoldocling import checkpoint as checkpoints
from smoldocling.cli import app
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Generation, Request
from smoldocling.engine.stop import Watch
from smoldocling.loops import Reading, keep
from smoldocling.model.decoder import Span
from smoldocling.pieces import Pieces
from smoldocling.result import PageResult
from smoldocling.vocab import Vocab

HEADING = "<section_header_level_1><loc_50><loc_60><loc_450><loc_90>Hello</section_header_level_1>"
ELEMENT = "<text><loc_51><loc_100><loc_451><loc_130>The quick</text>"
LOOPS = {
    "a token": (f"<doctag>{HEADING}<text><loc_51><loc_100><loc_451><loc_130>The quick over", " over"),
    "an element": (f"<doctag>{HEADING}{ELEMENT}", ELEMENT),
    "two elements": (
        f"<doctag>{HEADING}{ELEMENT}<paragraph><loc_52><loc_140><loc_452><loc_170>world</paragraph>",
        f"{ELEMENT}<paragraph><loc_52><loc_140><loc_452><loc_170>world</paragraph>",
    ),
    "a table's cells": (f"<doctag>{HEADING}<otsl><loc_51><loc_100><loc_451><loc_130><fcel>Year", "<fcel>Year"),
}


@pytest.fixture(scope="module", params=LOOPS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    script, loop = LOOPS[request.param]
    folder = tmp_path_factory.mktemp("loop")
    return str(make_checkpoint(folder, script=script, loop=loop, single_locs=True, heads=3, tile_px=64))


def document(*lines: str) -> bytes:
    pdf = pymupdf.open()
    page = pdf.new_page(width=300, height=400)
    for number, line in enumerate(lines):
        page.insert_text((40, 60 + 60 * number), line, fontsize=20)
    return bytes(pdf.tobytes())


def read(checkpoint: str, **options: object) -> PageResult:
    converter = Converter(model=checkpoint, splits=1, device="cpu", dtype="float32", **options)  # type: ignore[arg-type]
    return converter.convert(document("Hello", "The quick brown fox", "Nobody has read this")).pages[0]


@pytest.mark.parametrize("engine", ["native", "transformers"])
@pytest.mark.parametrize("drafts", [True, False])
def test_a_loop_ends_and_one_copy_of_it_is_kept(checkpoint: str, engine: str, drafts: bool) -> None:
    """Without the rule it would go on to the end of the context, eight thousand ids away."""
    page = read(checkpoint, engine=engine, drafts=drafts, text="model")
    assert page.status == "repeated"
    assert page.tokens < 600
    assert "stopped after" in (page.error or "")
    texts = [element.text for element in page.tree.elements]
    assert texts[0] == "Hello"
    assert len(texts) <= 3
    assert len(set(texts)) == len(texts), "of what was repeated one copy is left"


def test_the_rest_is_taken_from_the_text_layer(checkpoint: str) -> None:
    """What the model never came to is on the page all the same."""
    page = read(checkpoint, engine="native")
    assert page.status == "repeated"
    assert "Nobody has read this" in page.doctags
    assert page.doctags.count("Hello") == 1


def test_the_command_says_which_page_ran_away(checkpoint: str, tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(document("Hello"))
    arguments = ["convert", str(tmp_path / "page.pdf"), "--model", checkpoint, "--splits", "1", "-o", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, "--engine", "native", "--dtype", "float32"])
    assert done.exit_code == 1, "something of the page is missing"
    assert "page 1" in done.output
    assert "stopped after" in done.output
    assert "Hello" in (tmp_path / "page.md").read_text()


class Actors:
    """Takes the place of a network: what a page's colour stands for is written, id by id, whatever is fed beside it."""

    config = SimpleNamespace(kv_numbers=1)

    def __init__(self, scripts: Sequence[Sequence[int]]) -> None:
        self._scripts = scripts
        self._slots: dict[int, tuple[int, int]] = {}

    def cache(self, slots: int, length: int) -> SimpleNamespace:
        return SimpleNamespace(slots=slots, length=length)

    def encode(self, tiles: torch.Tensor) -> torch.Tensor:
        return tiles[:, :1, :1, 0].long()  # (tiles, positions, width), the colour of each tile

    def rows(self, ids: Sequence[int], features: torch.Tensor) -> torch.Tensor:
        return features.repeat(len(ids), 1)

    def prefill(self, x: torch.Tensor, slot: int, start: int, cache: object) -> int:
        self._slots[slot] = (start + len(x), int(x[0, 0]))
        return self._scripts[int(x[0, 0])][0]

    def step(self, ids: Sequence[int], spans: Sequence[Span], cache: object) -> list[int]:
        found = []
        for span in spans:
            rows, colour = self._slots[span.slot]
            found += [self._scripts[colour][span.start + row - rows + 1] for row in range(span.count)]
        return found


def moving(number: int) -> str:
    """The same words, ten units further down each time."""
    return f"<text><loc_50><loc_{90 + number}><loc_450><loc_{95 + number}>once more</text>"


RUNAWAYS: dict[str, Callable[[int], str]] = {
    "a word": lambda number: " over",
    "a line": lambda number: "The quick brown fox jumps over the lazy dog. ",
    "an element": lambda number: ELEMENT,
    "an element that moves": moving,
    "a counter": lambda number: f"<text><loc_50><loc_{90 + number}><loc_450><loc_{95 + number}>Line {number}</text>",
}
GOOD = [f"<doctag>{HEADING}<text><loc_5><loc_{n}><loc_70><loc_{80 + n}>Page {n}</text></doctag>" for n in range(3)]


@pytest.mark.parametrize("drafts", [True, False])
@pytest.mark.parametrize("runaway", RUNAWAYS)
def test_neighbours_of_a_runaway_do_not_notice(runaway: str, drafts: bool, tmp_path: Path) -> None:
    """It is stopped soon after its third copy, the good part is kept, and all others are what they are without it."""
    found = checkpoints.find(str(make_checkpoint(tmp_path, single_locs=True, tile_px=64)))
    vocab = Vocab(found)
    begun = vocab.encode(f"<doctag>{HEADING}" + ("" if "<" in RUNAWAYS[runaway](0) else "<text>"))
    copies = [vocab.encode(RUNAWAYS[runaway](number)) for number in range(400)]
    scripts = [*(vocab.encode(text) for text in GOOD), (*begun, *(token for copy in copies for token in copy))]
    pieces = Pieces(vocab)

    def answers(colours: Sequence[int]) -> dict[int, Generation]:
        engine = Native(
            found,
            vocab,
            device="cpu",
            dtype="float32",
            batch_size=4,
            drafts=drafts,
            watcher=lambda most: Watch(Reading(pieces), most),
        )
        engine.network = Actors(scripts)  # type: ignore[assignment]
        side = found.tile_px
        asked = [
            Request(colour, np.full((1, side, side, 3), colour, np.uint8), vocab.prompt_ids(0, 0), 3000)
            for colour in colours
        ]
        return {answer.key: answer for answer in engine.run(asked)}

    together, without = answers([0, 3, 1, 2]), answers([0, 1, 2])
    for colour in range(3):
        assert together[colour].ids == without[colour].ids == tuple(scripts[colour])
        assert together[colour].finish == without[colour].finish == "stop"
    wild = together[3]
    assert wild.stop is not None
    assert wild.finish == "repeated"
    assert len(wild.ids) <= len(begun) + sum(map(len, copies[:3])) + 200
    kept = keep(vocab.decode(wild.ids[: wild.stop.start]))
    assert kept.startswith(f"<doctag>{HEADING}")
    assert not doctags.parse(kept).problems
