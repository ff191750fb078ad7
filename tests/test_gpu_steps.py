"""Recorded steps find what one step after the other finds, whatever size they were recorded in."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from taping import Tape
from tiny import make_checkpoint

from smoldocling import checkpoint
from smoldocling.model.cuda import steps as recorded
from smoldocling.model.cuda.steps import MOST_AHEAD, Rows, filled, widths
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network
from smoldocling.model.vision import Pixels

CPU = torch.device("cpu")
LENGTH = 96


@pytest.fixture(scope="module", params=[6, 3])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Plain torch throughout, heads of 8 and of 16 numbers."""
    return load(make_checkpoint(tmp_path_factory.mktemp("steps"), heads=request.param))


def load(folder: Path, **options: object) -> Network:
    found = checkpoint.find(str(folder))
    pixels = Pixels(found.rescale, found.mean, found.std)
    chosen = {"device": CPU, "dtype": torch.float32, "compiled": False, **options}
    return Network(found.config, found.tensors(), found.tile_px, pixels, **chosen)


def prompt(seed: int) -> list[int]:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 400, (5 + 7 * (seed % 4),), generator=random).tolist()


def begun(network: Network, slots: Sequence[int], count: int, length: int = LENGTH):
    """A cache full of what is no number, with a prompt in each of these slots; and the first id of each."""
    cache = network.cache(count, length)
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    none = torch.empty(0, network.config.width, device=network.device)
    first = [network.prefill(network.rows(prompt(slot), none), slot, 0, cache) for slot in slots]
    return cache, first


def one_by_one(network: Network, slot: int, ids: int, length: int = LENGTH) -> list[int]:
    """What a sequence writes alone, step by step."""
    cache, [token] = begun(network, [slot], slot + 1, length)
    written = [token]
    for position in range(len(prompt(slot)), len(prompt(slot)) + ids - 1):
        written += network.step(written[-1:], [Span(slot, position, 1)], cache)
    return written


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_steps_ahead_are_steps_one_by_one(network: Network, data: st.DataObject) -> None:
    """The host learns of ids several steps later; they must be the ones that it would have fed."""
    slots = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True))
    paces = data.draw(st.lists(st.integers(1, MOST_AHEAD), min_size=1, max_size=4))
    cache, first = begun(network, slots, 6)
    steps = network.steps(cache, Tape())
    written = {slot: [token] for slot, token in zip(slots, first, strict=True)}
    for ahead in paces:
        rows = [Rows(slot, len(prompt(slot)) + len(ids) - 1, ids[-1:]) for slot, ids in written.items()]
        found = steps.run(rows, ahead)[:, : len(slots), 0]
        for number, slot in enumerate(slots):
            written[slot] += found[:, number].tolist()
    for slot, ids in written.items():
        assert ids == one_by_one(network, slot, len(ids))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_guesses_are_checked_as_one_by_one(network: Network, data: st.DataObject) -> None:
    """Rows of different counts share a recording, and the rows that fill it up change nothing."""
    slots = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    cache, _ = begun(network, slots, 6)
    steps = network.steps(cache, Tape())
    rows, wanted = [], []
    for slot in slots:
        right = one_by_one(network, slot, 12)
        guesses = data.draw(st.integers(0, 9))
        wrong = data.draw(st.integers(0, 9))
        fed = [(token + 1) % 400 if spot == wrong + 1 else token for spot, token in enumerate(right[: guesses + 1])]
        rows.append(Rows(slot, len(prompt(slot)), fed))
        wanted.append(right[1 : min(guesses, wrong) + 2])
    found = steps.run(rows)[0]
    for number, ids in enumerate(wanted):
        assert found[number, : len(ids)].tolist() == ids
    # and what the next step sees is right again, though rows behind a wrong guess were written
    after = [Rows(row.slot, row.start + len(ids), ids[-1:]) for row, ids in zip(rows, wanted, strict=True)]
    found = steps.run(after)[0]
    for number, (row, ids) in enumerate(zip(after, wanted, strict=True)):
        assert found[number, 0] == one_by_one(network, row.slot, len(ids) + 2)[-1]


def test_a_size_is_recorded_once_and_played_from_then_on(network: Network) -> None:
    """Recording takes longer than hundreds of steps."""
    cache, first = begun(network, [0, 1, 2], 3)
    tape = Tape()
    steps = network.steps(cache, tape)
    rows = [Rows(slot, len(prompt(slot)), [token]) for slot, token in enumerate(first)]
    for ahead in (1, 4, 2):
        steps.run(rows, ahead)
    assert (tape.recorded, tape.played) == (1, 7)
    steps.run(rows[:1])
    steps.run([Rows(0, rows[0].start, first[:1] * 3)])
    assert tape.recorded == 3


def test_a_tape_refuses_questions_as_capture_does() -> None:
    """Else the tests here would pass with work that no graph can hold."""
    numbers = torch.arange(4)
    for question in (lambda: numbers.sum().item(), lambda: numbers[numbers > 1], numbers.nonzero):
        tape, asked = Tape(), []
        with pytest.raises(RuntimeError, match="capturing"):
            tape.record(lambda: asked.append(question()))  # noqa: B023 - called at once


def test_at_the_end_of_a_slot_nobody_elses_memory_is_written(network: Network) -> None:
    """Who has ended goes on until the host knows; the slot behind belongs to another page."""
    length = len(prompt(0)) + 3
    cache, [token] = begun(network, [0], 2, length)
    steps = network.steps(cache, Tape())
    found = steps.run([Rows(0, len(prompt(0)), [token])], MOST_AHEAD)[:, 0, 0].tolist()
    assert found[:3] == one_by_one(network, 0, 4, length)[1:]
    assert cache.keys[:, 1].isnan().all() and cache.values[:, 1].isnan().all()  # noqa: PT018


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(0, 99), st.lists(st.integers(0, 9), min_size=1, max_size=5)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_what_fills_a_recording_repeats_what_is_there(
    given_rows: list[tuple[int, int, list[int]]], more_sequences: int, more_rows: int
) -> None:
    """A row of its own invention would write into somebody's slot."""
    rows = [Rows(*one) for one in given_rows]
    sequences, each = len(rows) + more_sequences, max(len(one.ids) for one in rows) + more_rows
    numbers = filled(rows, sequences, each)
    count = sequences * each
    tokens, slots, positions = numbers[:count], numbers[count : 2 * count], numbers[2 * count : 3 * count]
    listed = list(zip(slots, positions, tokens, strict=True))
    there = {(one.slot, one.start + spot, token) for one in rows for spot, token in enumerate(one.ids)}
    assert len(numbers) == 3 * count + 1
    assert set(listed) == there
    for number, one in enumerate(rows):
        own = listed[number * each : (number + 1) * each]
        assert [token for _, _, token in own[: len(one.ids)]] == list(one.ids)
        assert [position for _, position, _ in own] == sorted(position for _, position, _ in own)


def test_recordings_are_as_wide_as_the_matrices_of_queries_allow() -> None:
    """With three heads to a key five rows cost what one costs."""
    assert widths(3) == (1, 5, 10)
    assert widths(1) == (1, 16, 32)
    assert recorded.at_least(33, recorded.SEQUENCES) == 48
