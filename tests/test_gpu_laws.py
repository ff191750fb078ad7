"""The laws of the native engine's run (test_native_laws) on a device that does its work late and in any order.

The same bookkeeper stands in for the network: it keeps what was put into each slot, so that work of another page in a
slot, work behind the end of an answer that is not dropped, or work in memory that was given up gives other ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from late import Late
from test_native_laws import (
    CONTEXT,
    ERRORS,
    IMAGE_ID,
    REQUESTS,
    SLOTS,
    TROUBLE,
    Bookkeeper,
    Books,
    engine,
    is_right,
    right,
)

from smoldocling.engine.inbox import Inbox
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Generation, Request
from smoldocling.model.cuda.seam import Seam
from smoldocling.model.cuda.steps import Rows
from smoldocling.model.decoder import Span

__all__ = ["engine"]

LATE = st.builds(Late, st.integers(0, 2**20), st.sampled_from([0.0, 0.3, 0.8]))


class Overlapping(Bookkeeper):
    """The bookkeeper on such a device. Three heads look at one key."""

    def __init__(self, trouble) -> None:
        super().__init__(trouble)
        self.config.heads, self.config.kv_heads = 3, 1
        self.ahead = 0
        self.given_up = False

    def _write(self, cache: Books, slot: int, start: int, new: list[tuple[int, int]]) -> list[tuple[int, int]]:
        # nobody hears of an error in work that is not wanted any more
        self.given_up |= cache is not self.books
        return super()._write(cache, slot, start, new)

    def put(self, x: torch.Tensor, slot: int, start: int, cache: Books) -> torch.Tensor:
        return torch.tensor([self.prefill(x, slot, start, cache)])

    def steps(self, cache: Books, seam: Seam) -> "Overlapping.Steps":
        return Overlapping.Steps(self, cache)

    class Steps:
        def __init__(self, network: "Overlapping", cache: Books) -> None:
            self._network = network
            self._cache = cache

        def run(self, rows: Sequence[Rows], ahead: int = 1) -> torch.Tensor:
            """As steps.Steps: sequences that are filled up, rows that stay at the end of the slot."""
            longest = max(len(one.ids) for one in rows)
            found = torch.zeros(ahead, len(rows) + 3, longest + 2, dtype=torch.int64)
            fed = {number: list(one.ids) for number, one in enumerate(rows)}
            self._network.ahead = max(self._network.ahead, ahead)
            for turn in range(ahead):
                for number, one in enumerate(rows):
                    start = min(one.start + turn, self._cache.length - 1)
                    ids = self._network.step(fed[number], [Span(one.slot, start, len(fed[number]))], self._cache)
                    found[turn, number, : len(ids)] = torch.tensor(ids)
                    fed[number] = ids[-1:]
            return found


@pytest.fixture(autouse=True)
def _as_it_was(engine: Native) -> Iterator[None]:
    yield
    engine.seam = None


def answers_of(
    engine: Native, seam: Late, requests: Sequence[Request] | Inbox, slots: int, trouble: dict[int, str]
) -> dict[int, Generation]:
    calls = iter(range(10**6))
    engine.network = Overlapping(lambda: ERRORS.get(trouble.get(next(calls), "")))  # type: ignore[assignment]
    engine.known.clear()
    engine.measured, engine.most, engine.batch_size, engine.seam = False, slots, slots, seam
    listed = list(engine.run(requests))
    answers = {answer.key: answer for answer in listed}
    assert len(answers) == len(listed), "each is answered once"
    seam.steps.wait()
    seam.pages.wait()
    assert not engine.network.given_up, "nothing is written into memory that was given up"
    return answers


@given(REQUESTS, SLOTS, LATE)
@settings(deadline=None, max_examples=300)
def test_without_trouble_every_answer_is_right(engine: Native, requests: list[Request], slots: int, seam: Late) -> None:
    """Overlap decides when ids are found, never which."""
    answers = answers_of(engine, seam, requests, slots, {})
    assert sorted(answers) == list(range(len(requests)))
    for request in requests:
        assert is_right(answers[request.key], request)


@given(REQUESTS, SLOTS, LATE)
@settings(deadline=None, max_examples=100)
def test_without_drafts_steps_are_counted_as_one_by_one(
    engine: Native, requests: list[Request], slots: int, seam: Late
) -> None:
    """A step that was taken ahead and dropped is not the answer's."""
    odds, engine.odds = engine.odds, None
    try:
        answers = answers_of(engine, seam, requests, slots, {})
    finally:
        engine.odds = odds
    for request in requests:
        answer = answers[request.key]
        assert (answer.ids, answer.finish, answer.steps) == right(request, CONTEXT)


@given(REQUESTS, SLOTS, TROUBLE, LATE)
@settings(deadline=None, max_examples=500)
def test_whatever_fails_the_other_answers_are_right(
    engine: Native, requests: list[Request], slots: int, trouble: dict[int, str], seam: Late
) -> None:
    """Errors that are heard of late, while more of the same page is on its way, and memory that runs out meanwhile."""
    answers = answers_of(engine, seam, requests, slots, trouble)
    assert sorted(answers) == list(range(len(requests)))
    failed = [answer for answer in answers.values() if answer.finish == "error"]
    assert len(failed) <= len(trouble)
    for request in requests:
        answer = answers[request.key]
        if answer in failed:
            assert (answer.ids, answer.steps) == ((), 0)
        else:
            assert is_right(answer, request)


class Leaving(Inbox):
    """Some are not waited for any more after so many looks."""

    def __init__(self, requests: list[Request], patience: dict[int, int]) -> None:
        self._requests = list(requests)
        self._patience = dict(patience)

    def take(self, seconds: float = 0) -> Request | None:
        return self._requests.pop(0) if self._requests else None

    @property
    def abandoned(self) -> bool:
        return False

    def wanted(self, key: int) -> bool:
        self._patience[key] = self._patience.get(key, 10**6) - 1
        return self._patience[key] > 0


@given(REQUESTS, SLOTS, LATE, st.dictionaries(st.integers(0, 8), st.integers(1, 12), max_size=5))
@settings(deadline=None, max_examples=200)
def test_who_leaves_gives_his_slot_back_when_nothing_writes_into_it(
    engine: Native, requests: list[Request], slots: int, seam: Late, patience: dict[int, int]
) -> None:
    """Else the next page in that slot would be written over by steps of the one that has gone."""
    answers = answers_of(engine, seam, Leaving(requests, patience), slots, {})
    for request in requests:
        if request.key in answers:
            assert is_right(answers[request.key], request)
        else:
            assert request.key in patience


def test_steps_are_taken_ahead_where_nobody_guesses(engine: Native) -> None:
    """Else the tests above would pass without any."""
    request = Request(0, _page(), (8, IMAGE_ID, 9), 40)
    requests = [replace(request, key=key, ids=(key % 6 + 6, IMAGE_ID, 9, key)) for key in range(6, 12)]
    requests = [replace(one, key=number) for number, one in enumerate(requests)]
    odds, engine.odds = engine.odds, None
    answers_of(engine, Late(0), requests, 3, {})
    engine.odds = odds
    assert engine.network.ahead > 1


def _page():
    return torch.zeros(1, 64, 64, 3, dtype=torch.uint8).numpy()
