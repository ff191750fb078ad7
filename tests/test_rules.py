"""What an engine is told beside the pages: a law of what may be written, and somebody who notices a runaway."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from asking import PAGES, by_key, request_for
from tiny import make_checkpoint

import doctags
from smoldocling import checkpoint
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.native import Native
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Generation, Request
from smoldocling.engine.stop import Watch
from smoldocling.loops import Reading
from smoldocling.masks import Masks
from smoldocling.pieces import Pieces
from smoldocling.vocab import Vocab

NEW = 160
KINDS: dict[str, dict[str, Any]] = {
    "tags of one id": {"heads": 3, "seed": 1},
    "locations of one id": {"heads": 3, "seed": 2, "single_locs": True},
    "tags of several ids": {"heads": 3, "seed": 3, "tags": False},
    "granite": {"heads": 3, "seed": 4, "style": "granite"},
}


@pytest.fixture(scope="module", params=KINDS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp("found"), **KINDS[request.param])))


def requests(found: Checkpoint, new: int = NEW) -> list[Request]:
    return [request_for(found, number, new) for number in range(len(PAGES))]


def answers(
    kind: type[Native] | type[Reference], found: Checkpoint, asked: list[Request], **rules: Any
) -> dict[int, Generation]:
    return by_key(kind(found, Vocab(found), device="cpu", dtype="float32", batch_size=3, **rules).run(asked))


def watcher(found: Checkpoint) -> Callable[[int | None], Watch]:
    pieces = Pieces(Vocab(found))
    return lambda most: Watch(Reading(pieces), most)


@pytest.mark.parametrize("strict", [False, True])
def test_a_random_network_under_a_law_writes_valid_doctags(found: Checkpoint, strict: bool) -> None:
    """The worst author there is: without the law nothing that it writes means anything."""
    vocab = Vocab(found)
    law = Masks(vocab, strict=strict)
    for answer in answers(Native, found, requests(found), law=law).values():
        problems = doctags.validate(vocab.decode(answer.ids))
        assert not [problem for problem in problems if strict or problem.severity == "error"], problems


def test_both_engines_obey_the_law_alike(found: Checkpoint) -> None:
    """transformers is the oracle here too: a mask on its logits, a row at a time."""
    law = Masks(Vocab(found), strict=True)
    asked = requests(found, 60)
    ours = answers(Native, found, asked, law=law)
    theirs = answers(Reference, found, asked, law=law)
    assert {key: (each.ids, each.finish) for key, each in ours.items()} == {
        key: (each.ids, each.finish) for key, each in theirs.items()
    }


def test_a_law_and_drafts_go_together(found: Checkpoint) -> None:
    """Guesses are checked under the law: the ids are those of one id a step."""
    law = Masks(Vocab(found), strict=False)
    plain = answers(Native, found, requests(found), law=law, drafts=False)
    asked = [replace(each, draft=plain[each.key].ids) for each in requests(found)]
    drafted = answers(Native, found, asked, law=law)
    assert {key: each.ids for key, each in drafted.items()} == {key: each.ids for key, each in plain.items()}
    assert sum(each.steps for each in drafted.values()) < sum(each.steps for each in plain.values())


def test_what_the_law_forces_takes_no_step_of_its_own(found: Checkpoint) -> None:
    """Without any draft: the syntax of tags that are spelt in several ids, and what must close."""
    law = Masks(Vocab(found), strict=True)
    plain = answers(Native, found, requests(found), law=law, drafts=False)
    guessed = answers(Native, found, requests(found), law=law)
    assert {key: each.ids for key, each in guessed.items()} == {key: each.ids for key, each in plain.items()}
    assert sum(each.steps for each in guessed.values()) < sum(each.steps for each in plain.values())


def test_a_limit_too_short_for_any_valid_answer_is_kept_all_the_same(found: Checkpoint) -> None:
    law = Masks(Vocab(found), strict=True)
    for kind in (Native, Reference):
        for answer in answers(kind, found, requests(found, 1), law=law).values():
            assert len(answer.ids) == 1


@pytest.mark.parametrize("kind", [Native, Reference])
def test_an_answer_that_is_far_too_long_is_stopped_and_nobody_else_notices(
    found: Checkpoint, kind: type[Native] | type[Reference]
) -> None:
    """Every second page is given a length; the others are what they are without anybody watching."""
    free = answers(Native, found, requests(found))
    asked = [replace(each, most=20 + each.key if each.key % 2 else None) for each in requests(found)]
    watched = answers(kind, found, asked, watcher=watcher(found))
    for key, each in watched.items():
        if key % 2:
            assert (each.finish, each.ids) == ("long", free[key].ids[: 21 + key])
            assert each.stop is not None
        else:
            assert (each.finish, each.ids, each.stop) == (free[key].finish, free[key].ids, None)
