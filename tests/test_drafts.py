"""Drafts save steps and change no id: whatever they say, whoever is in the batch, whatever order slots are used in."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from asking import PAGES, by_key, request_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import make_checkpoint

from smoldocling import checkpoint
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.native import Native
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Generation
from smoldocling.engine.speculate import Price
from smoldocling.vocab import Vocab

NEW = 60
# Heads for compiled kernels, twice, and for plain torch.
KINDS: dict[str, dict[str, Any]] = {
    "compiled": {"heads": 3, "seed": 1},
    "compiled-granite": {"heads": 3, "style": "granite", "seed": 2},
    "plain": {"heads": 6, "seed": 3},
}


@pytest.fixture(scope="module", params=KINDS)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp(request.param), **KINDS[request.param])))


@pytest.fixture(scope="module")
def engine(found: Checkpoint) -> Native:
    """One engine for all tests of a kind: what it has learnt of chances and prices may not matter either."""
    return Native(found, Vocab(found), device="cpu", dtype="float32", batch_size=3)


@pytest.fixture(scope="module")
def right(found: Checkpoint) -> dict[int, Generation]:
    """What transformers writes."""
    asked = [request_for(found, number, NEW) for number in range(len(PAGES))]
    return by_key(Reference(found, Vocab(found), device="cpu", dtype="float32").run(asked))


def shifted(ids: Sequence[int], random: Random) -> list[int]:
    cut = random.randrange(len(ids) + 1)
    return [*ids[cut:], *ids[:cut]]


def damaged(ids: Sequence[int], random: Random) -> list[int]:
    """Ids left out, put in, and replaced."""
    draft = list(ids)
    for _ in range(random.randrange(8)):
        spot = random.randrange(len(draft) + 1)
        draft[spot : spot + random.randrange(3)] = [random.choice(ids) for _ in range(random.randrange(3))]
    return draft


DRAFTS = {
    "perfect": lambda ids, random: list(ids),
    "shifted": shifted,
    "damaged": damaged,
    "longer": lambda ids, random: [*ids, *ids],
    "wrong": lambda ids, random: [random.randrange(300) for _ in ids],
    "empty": lambda ids, random: [],
    "one id": lambda ids, random: [ids[0]] * 200,
    "backwards": lambda ids, random: list(ids)[::-1],
    "no token": lambda ids, random: [10**6 + spot for spot, _ in enumerate(ids)],
}


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_are_the_same_with_and_without_drafts(
    found: Checkpoint, engine: Native, right: dict[int, Generation], data: st.DataObject
) -> None:
    """The law of speculation, against transformers."""
    pages = data.draw(st.lists(st.integers(0, len(PAGES) - 1), min_size=1, max_size=6))
    asked, kinds = [], {}
    for key, number in enumerate(pages):
        kind = data.draw(st.sampled_from(sorted(DRAFTS)))
        draft = DRAFTS[kind](right[number].ids, Random(data.draw(st.integers(0, 10**6))))
        limit = data.draw(st.sampled_from([NEW, NEW, 1, 2, 7]))
        asked.append(replace(request_for(found, number, limit), key=key, draft=tuple(draft)))
        kinds[key] = kind
    for key, answer in by_key(engine.run(asked)).items():
        expected = right[pages[key]].ids[: asked[key].max_new_tokens]
        assert answer.ids == expected, kinds[key]
        assert 1 <= answer.steps <= len(expected) + 1


def test_a_perfect_draft_saves_most_steps(found: Checkpoint, engine: Native, right: dict[int, Generation]) -> None:
    """Sixty ids in a step each would be sixty; the first steps ask for few, since nothing is known of the source."""

    class Cheap(Price):
        """Rows cost a hundredth of a step, whatever clocks say: on a busy machine they say anything."""

        def learn(self, rows: int, time: float) -> None: ...

    engine.price = Cheap(1.0, 0.01)
    asked = [replace(request_for(found, number, NEW), draft=right[number].ids) for number in range(len(PAGES))]
    for _ in range(3):  # the engine comes to know its drafts
        answers = by_key(engine.run(asked))
    assert sum(answer.steps for answer in answers.values()) <= sum(len(answer.ids) for answer in right.values()) / 3


def test_without_drafts_every_id_is_a_step(found: Checkpoint, right: dict[int, Generation]) -> None:
    plain = Native(found, Vocab(found), device="cpu", dtype="float32", batch_size=3, drafts=False)
    asked = [replace(request_for(found, number, NEW), draft=right[number].ids) for number in range(len(PAGES))]
    for key, answer in by_key(plain.run(asked)).items():
        assert (answer.ids, answer.steps) == (right[key].ids, right[key].steps)
