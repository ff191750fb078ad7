"""Whatever fails, whenever, and however little memory there is: every page is answered once, with its own answer.

The network is a bookkeeper here: it keeps what was put into each slot, and the id that follows depends on all of it and
on the order, so that a row of another page, a row too many or one that is missing gives other ids.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_checkpoint

from smoldocling import checkpoint
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Finish, Generation, Request
from smoldocling.model.decoder import Span

IMAGE_ID, STOP, CLOSER, VOCAB, TILE_PX, POSITIONS = 5, 0, 7, 12, 64, 1
CONTEXT = 60


class Ends:
    """One id that is not kept ends an answer, or one that is."""

    stop_ids = frozenset({STOP})
    closer_ids = (CLOSER,)
    pad_id = STOP

    def closes(self, ids: Sequence[int]) -> bool:
        return ids[-1] == CLOSER


def following(rows: Sequence[tuple[int, int]]) -> int:
    return zlib.crc32(repr(rows).encode()) % VOCAB


@dataclass
class Books:
    """What lies in the slots: rows of (id, feature)."""

    slots: int
    length: int
    rows: dict[int, list[tuple[int, int]]] = field(default_factory=dict)


class Bookkeeper:
    """Takes the place of a Network."""

    config = SimpleNamespace(kv_numbers=1)

    def __init__(self, trouble: Callable[[], Exception | None]) -> None:
        self._trouble = trouble
        self.books: Books | None = None

    def _meet_trouble(self) -> None:
        error = self._trouble()
        if error:
            raise error

    def cache(self, slots: int, length: int) -> Books:
        self._meet_trouble()
        self.books = Books(slots, length)
        return self.books

    def encode(self, tiles: torch.Tensor) -> torch.Tensor:
        self._meet_trouble()
        return tiles[:, :1, :1, 0].long()  # (tiles, POSITIONS, width), the colour of each tile

    def rows(self, ids: Sequence[int], features: torch.Tensor) -> torch.Tensor:
        numbers = torch.tensor(ids)
        colours = torch.full((len(ids),), -1)
        colours[numbers == IMAGE_ID] = features[:, 0]
        return torch.stack([numbers, colours], 1)

    def prefill(self, x: torch.Tensor, slot: int, start: int, cache: Books) -> int:
        rows = self._write(cache, slot, start, [(token, colour) for token, colour in x.tolist()])
        self._meet_trouble()
        return following(rows)

    def step(self, ids: Sequence[int], spans: Sequence[Span], cache: Books) -> list[int]:
        assert len({span.slot for span in spans}) == len(spans)
        places = [(span.slot, span.start + row) for span in spans for row in range(span.count)]
        found = [
            following(self._write(cache, slot, start, [(token, -1)]))
            for token, (slot, start) in zip(ids, places, strict=True)
        ]
        self._meet_trouble()  # after the slots have been written to
        return found

    def _write(self, cache: Books, slot: int, start: int, new: list[tuple[int, int]]) -> list[tuple[int, int]]:
        assert cache is self.books, "slots that were given up are not used"
        assert 0 <= slot < cache.slots
        rows = cache.rows.setdefault(slot, [])
        assert start <= len(rows), "positions before a row have been written"
        rows[start:] = new
        assert len(rows) <= cache.length
        return rows


def right(request: Request, context: int) -> tuple[tuple[int, ...], Finish, int]:
    """The answer to one request, the slow and obvious way."""
    colours = iter(request.tiles[:, 0, 0, 0].tolist())
    rows = [(token, next(colours) if token == IMAGE_ID else -1) for token in request.ids]
    limit = min(request.max_new_tokens, context - len(request.ids))
    written: list[int] = []
    for steps in range(1, limit + 1):
        token = following(rows)
        if token == STOP:
            return tuple(written), "stop", steps
        written.append(token)
        rows.append((token, -1))
        if token == CLOSER:
            return tuple(written), "stop", steps
    return tuple(written), "length", limit


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Native:
    """A real engine, whose network will be taken out."""
    found = checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp("found"), tile_px=TILE_PX)))
    small = replace(found, image_token_id=IMAGE_ID, context_length=CONTEXT)
    assert small.image_seq_len == POSITIONS
    return Native(small, Ends(), device="cpu", dtype="float32")


@st.composite
def request_of(draw: st.DrawFn) -> Request:
    colours = draw(st.lists(st.integers(0, 6), min_size=1, max_size=5))
    text = draw(st.lists(st.integers(6, 11), min_size=1, max_size=8))
    ids = (*text, *[IMAGE_ID] * len(colours), *text)
    tiles = np.zeros((len(colours), TILE_PX, TILE_PX, 3), np.uint8)
    tiles[:] = np.array(colours, np.uint8)[:, None, None, None]
    return Request(0, tiles, ids, draw(st.integers(1, 45)))


def drafted(request: Request, kind: str) -> Request:
    """With a draft that is right, or nearly, or wrong."""
    answer = right(request, CONTEXT)[0]
    drafts = {"right": answer, "late": answer[2:], "wrong": answer[::-1], "none": ()}
    return replace(request, draft=drafts[kind])


DRAFTED = st.builds(drafted, request_of(), st.sampled_from(["right", "late", "wrong", "none"]))
REQUESTS = st.lists(DRAFTED, max_size=8).map(
    lambda requests: [replace(request, key=key) for key, request in enumerate(requests)]
)
ERRORS = {"bad": RuntimeError("bad"), "full": MemoryError("full")}
# At which calls of the network there is trouble, and which.
TROUBLE = st.dictionaries(st.integers(0, 90), st.sampled_from(sorted(ERRORS)), max_size=8)
SLOTS = st.integers(1, 6)


def answers_of(
    engine: Native, requests: Sequence[Request], slots: int, trouble: dict[int, str]
) -> dict[int, Generation]:
    calls = iter(range(10**6))
    engine.network = Bookkeeper(lambda: ERRORS.get(trouble.get(next(calls), "")))  # type: ignore[assignment]
    engine.known.clear()
    engine.measured, engine.most, engine.batch_size = False, slots, slots
    listed = list(engine.run(requests))
    assert sorted(answer.key for answer in listed) == list(range(len(requests))), "each is answered once"
    return {answer.key: answer for answer in listed}


def is_right(answer: Generation, request: Request) -> bool:
    """Ids and how they end; guesses may have saved steps."""
    ids, finish, steps = right(request, CONTEXT)
    return (answer.ids, answer.finish) == (ids, finish) and 1 <= answer.steps <= steps


@given(REQUESTS, SLOTS)
@settings(deadline=None)
def test_without_trouble_every_answer_is_right(engine: Native, requests: list[Request], slots: int) -> None:
    """The bookkeeper notices every row that is not where it belongs."""
    answers = answers_of(engine, requests, slots, {})
    for request in requests:
        answer = answers[request.key]
        assert is_right(answer, request)


@given(REQUESTS, SLOTS, TROUBLE)
@settings(max_examples=300, deadline=None)
def test_whatever_fails_the_other_answers_are_right(
    engine: Native, requests: list[Request], slots: int, trouble: dict[int, str]
) -> None:
    """Errors of a page, errors that pass, and memory that runs out, in any order, also one within another's repair."""
    answers = answers_of(engine, requests, slots, trouble)
    failed = [answer for answer in answers.values() if answer.finish == "error"]
    assert len(failed) <= len(trouble)
    for request in requests:
        answer = answers[request.key]
        if answer in failed:
            assert (answer.ids, answer.steps) == ((), 0)
            assert answer.error in ("RuntimeError: bad", "MemoryError: full")
        else:
            assert is_right(answer, request)


@given(REQUESTS, SLOTS, st.sets(st.integers(0, 60), max_size=2))
@settings(deadline=None)
def test_memory_that_is_short_now_and_then_costs_no_page_while_there_is_more_than_one_slot(
    engine: Native, requests: list[Request], slots: int, full: set[int]
) -> None:
    """Each time half of the slots are left; a page is given up only when it was alone."""
    answers = answers_of(engine, requests, slots, dict.fromkeys(full, "full"))
    if slots >= 4:
        assert not [answer for answer in answers.values() if answer.finish == "error"]
