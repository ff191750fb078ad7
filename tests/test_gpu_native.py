"""The native engine on a device with queues and recordings writes what it writes without, with a real network.

The device is the CPU behind a seam that does its work late and records it operation by operation (late, taping).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import PAGES, by_key, request_for
from late import Late
from tiny import make_checkpoint

from smoldocling import checkpoint
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Generation, Request
from smoldocling.engine.stop import Watch
from smoldocling.errors import UnusableOption
from smoldocling.loops import Reading
from smoldocling.masks import Masks
from smoldocling.pieces import Pieces
from smoldocling.vocab import Vocab

NEW = 40


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """On a busy machine threads wait for each other longer than networks of this size compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp("found"), heads=3)))


@pytest.fixture(scope="module")
def requests(found: Checkpoint) -> list[Request]:
    return [request_for(found, number, NEW - 5 * number) for number in range(len(PAGES))]


def answers(
    found: Checkpoint, asked: Sequence[Request], seam: Late | None, slots: int = 3, **options: Any
) -> dict[int, Generation]:
    engine = Native(found, Vocab(found), device="cpu", dtype="float32", batch_size=slots, **options)
    engine.seam = seam
    return by_key(engine.run(asked))


def alike(some: dict[int, Generation], others: dict[int, Generation], *, steps: bool = True) -> bool:
    """Equal in all but seconds, and steps where guesses decide them."""
    same = {"seconds": 0} if steps else {"seconds": 0, "steps": 0}
    return {key: replace(one, **same) for key, one in some.items()} == {
        key: replace(one, **same) for key, one in others.items()
    }


@pytest.mark.parametrize("slots", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_ids_are_those_of_an_engine_that_waits(
    found: Checkpoint, requests: Sequence[Request], slots: int, seed: int
) -> None:
    """Also how answers end, and how many steps are counted; recordings are played."""
    seam = Late(seed)
    assert alike(
        answers(found, requests, seam, slots, drafts=False), answers(found, requests, None, slots, drafts=False)
    )
    assert seam.played > 10


def test_drafts_change_no_id_there_either(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Right drafts, drafts that are right from the middle on, and wrong ones, in one recording."""
    right = answers(found, requests, None, drafts=False)
    drafts = [right[0].ids, right[1].ids[10:], right[2].ids[::-1], (), right[4].ids[:5]]
    asked = [replace(request, draft=draft) for request, draft in zip(requests, drafts, strict=True)]
    guessed = answers(found, asked, Late(2))
    assert alike(guessed, right, steps=False)
    assert guessed[0].steps < len(right[0].ids) / 2


def test_a_law_is_obeyed_there_too(found: Checkpoint, requests: Sequence[Request]) -> None:
    """A random network breaks it at nearly every id, so nearly all that was found ahead is dropped."""
    law = Masks(Vocab(found), strict=False)
    for drafts in (False, True):
        waiting = answers(found, requests, None, law=law, drafts=drafts)
        assert alike(answers(found, requests, Late(3), law=law, drafts=drafts), waiting, steps=not drafts)
        free = answers(found, requests, None)
        assert all(waiting[key].ids != free[key].ids for key in free)


def test_answers_end_where_they_end(tmp_path: Path) -> None:
    """A stop id in the middle of what was found ahead; and a loop that the watcher notices."""
    script = "<doctag><text>Hello world</text></doctag>"
    scripted = checkpoint.find(str(make_checkpoint(tmp_path / "stops", script=script, heads=3)))
    asked = [request_for(scripted, 4, 60), replace(request_for(scripted, 3, 3), key=7)]
    assert alike(answers(scripted, asked, Late(4), drafts=False), answers(scripted, asked, None, drafts=False))
    looping = checkpoint.find(str(make_checkpoint(tmp_path / "loops", script="<doctag><text>abc", loop="bc", heads=3)))
    asked = [request_for(looping, 4, 300)]
    options = {"drafts": False, "watcher": lambda most: Watch(Reading(Pieces(Vocab(looping))), most)}
    waiting = answers(looping, asked, None, **options)
    assert waiting[4].finish == "repeated"
    assert alike(answers(looping, asked, Late(5), **options), waiting)


def test_keys_and_values_in_8_bits_run_on_both(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Ids may differ: where a number lies between two of 8 bits, the last bit of float32 decides for one of them, and
    a random network makes much of that. What 8 bits cost is in test_gpu_cache.py."""
    for seam in (None, Late(6)):
        narrow = answers(found, requests, seam, drafts=False, cache="float8")
        assert all(len(narrow[one.key].ids) == one.max_new_tokens for one in requests)
    with pytest.raises(UnusableOption, match="auto, float8"):
        answers(found, requests, None, cache="int4")
