"""The compiled step: the same numbers as plain torch, and every row to the last bit the same in any company.

The second is what drafts rest on: a guess is confirmed by a step of several rows and must be what single rows would
say. Steps here begin behind a history of random keys and values, because attention is cut into pieces of positions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import (
    FEW_WORDS,
    ONE_QUERY_A_KEY,
    SMOLVLM_500M,
    TINY,
    WIDEST_HEADS,
    Shape,
    needs_kernels,
    network,
    oracle,
    tensors,
    threads,
    words,
)

from smoldocling.model.cache import Cache
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network

# Pieces of attention have 256 positions: before, at and behind their ends, and three of them.
STARTS = (0, 1, 15, 16, 250, 255, 256, 257, 511, 700)
WIDE = replace(
    SMOLVLM_500M, vocab=515, image_token_id=513, tile_px=64, vision_width=32, vision_inner=48, vision_heads=2
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to compute."""

    dtype: torch.dtype = torch.float32
    eights: bool = False
    threads: int = 1
    compiled: bool = True


FLOAT = Kind()
PRECISIONS = {
    "float32": FLOAT,
    "bfloat16": Kind(torch.bfloat16),
    "int8": Kind(eights=True),
    "int8-bfloat16": Kind(torch.bfloat16, eights=True),
}
every_precision = pytest.mark.parametrize("kind", PRECISIONS.values(), ids=PRECISIONS)


@functools.cache
def weights(shape: Shape) -> dict[str, torch.Tensor]:
    return tensors(oracle(shape))


@functools.cache
def made(shape: Shape, kind: Kind) -> Network:
    """Ours with random weights. The step keeps the number of threads that torch has while it is made."""
    with threads(kind.threads):
        return network(shape, weights(shape), dtype=kind.dtype, eights=kind.eights, compiled=kind.compiled)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with threads(1), torch.no_grad():
        needs_kernels(made(TINY, FLOAT))
        yield
    made.cache_clear()
    weights.cache_clear()


@dataclass(frozen=True, slots=True)
class Fed:
    """A sequence that gets `ids` behind `start` positions of random history."""

    number: int
    start: int
    ids: tuple[int, ...]


# Whether a sequence takes part in a step, with how many ids, and how many wrong guesses behind them.
Turn = tuple[bool, int, int]


def sequences(shape: Shape, starts: Sequence[int], count: int) -> list[Fed]:
    return [Fed(number, start, tuple(words(shape, count, number))) for number, start in enumerate(starts)]


def remember(net: Network, sequence: Fed, slot: int, cache: Cache, loudness: float = 1.0) -> None:
    """Write a sequence's history into a slot."""
    generator = torch.Generator().manual_seed(sequence.number)
    layers, _, kv_heads, _, head_dim = cache.keys.shape
    for held, scale in ((cache.keys, loudness), (cache.values, 1.0)):
        drawn = torch.randn(layers, sequence.start, kv_heads, head_dim, generator=generator)
        held[:, slot, :, : sequence.start] = (drawn * scale).transpose(1, 2).to(net.dtype)


def spoilt_cache(net: Network, slots: int, length: int) -> Cache:
    cache = net.cache(slots, length)
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    return cache


def alone(net: Network, sequence: Fed) -> torch.Tensor:
    """Logits (ids, vocab) of a sequence that has the network for itself, one id after the other."""
    cache = spoilt_cache(net, 1, sequence.start + len(sequence.ids))
    remember(net, sequence, 0, cache)
    logits = torch.empty(len(sequence.ids), net.config.vocab_size)
    for place, (name, row) in enumerate(zip(sequence.ids, logits, strict=True)):
        (best,) = net.step([name], [Span(0, sequence.start + place, 1)], cache, row[None])
        assert best == row.argmax()
    return logits


def together(net: Network, fed: Sequence[Fed], slots: Sequence[int], turns: Iterator[Turn]) -> list[torch.Tensor]:
    """Logits of each sequence, all in one cache; a turn for each sequence at each step."""
    wrong = 3
    cache = spoilt_cache(net, max(slots) + 2, max(s.start + len(s.ids) for s in fed) + 4)
    for sequence, slot in zip(fed, slots, strict=True):
        remember(net, sequence, slot, cache)
    logits = [torch.empty(len(sequence.ids), net.config.vocab_size) for sequence in fed]
    done = [0] * len(fed)
    while any(place < len(sequence.ids) for place, sequence in zip(done, fed, strict=True)):
        ids: list[int] = []
        spans: list[Span] = []
        parts: list[tuple[int, int, int]] = []
        for which, sequence in enumerate(fed):
            takes_part, count, guesses = next(turns)
            right = sequence.ids[done[which] :][:count]
            if right and takes_part:
                spans.append(Span(slots[which], sequence.start + done[which], len(right) + guesses))
                parts.append((which, len(ids), len(right)))
                ids += [*right, *[wrong] * guesses]
        if not ids:
            continue
        found = torch.empty(len(ids), net.config.vocab_size)
        best = net.step(ids, spans, cache, found)
        assert best == found.argmax(-1).tolist()
        for which, first, count in parts:
            logits[which][done[which] : done[which] + count] = found[first : first + count]
            done[which] += count
    return logits


def random_turns(seed: int) -> Iterator[Turn]:
    generator = torch.Generator().manual_seed(seed)
    while True:
        takes_part, count, guesses = torch.randint(0, 7, (3,), generator=generator).tolist()
        yield takes_part > 1, 1 + count, max(0, guesses - 3)


@every_precision
@pytest.mark.parametrize("shape", [FEW_WORDS, WIDE, ONE_QUERY_A_KEY, WIDEST_HEADS], ids=str)
def test_a_row_is_the_same_in_any_company(shape: Shape, kind: Kind) -> None:
    """Alone in the first slot, id by id; or in another among nine, several ids at once with wrong guesses behind them,
    on one thread or three: not one bit of the logits differs."""
    fed = sequences(shape, STARTS, 5)
    expected = [alone(made(shape, kind), sequence) for sequence in fed]
    assert all(bool(rows.isfinite().all()) for rows in expected)
    slots = [3, 11, 0, 5, 1, 8, 2, 9, 6, 4]
    for count in (1, 3):
        net = made(shape, Kind(kind.dtype, kind.eights, count))
        for rows, same in zip(together(net, fed, slots, random_turns(count)), expected, strict=True):
            assert torch.equal(rows, same)


@every_precision
@settings(max_examples=50, deadline=None)
@given(
    starts=st.lists(st.sampled_from(STARTS) | st.integers(0, 40), min_size=1, max_size=6),
    slots=st.permutations(range(8)),
    turns=st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 3)), max_size=30),
)
def test_no_company_is_found_that_changes_a_row(
    kind: Kind, starts: list[int], slots: list[int], turns: list[Turn]
) -> None:
    """The same for whatever hypothesis can think of, in a network that is quick, on one thread."""
    net = made(TINY, kind)
    fed = sequences(TINY, starts, 6)
    found = together(net, fed, slots[: len(starts)], chain(turns, repeat((True, 6, 0))))
    for sequence, rows in zip(fed, found, strict=True):
        assert torch.equal(rows, alone(net, sequence))


@pytest.mark.parametrize("loudness", [1.0, 8.0], ids=["even", "one-position-takes-all"])
@pytest.mark.parametrize("shape", [FEW_WORDS, WIDE, TINY, ONE_QUERY_A_KEY, WIDEST_HEADS], ids=str)
def test_the_compiled_step_agrees_with_plain_torch(shape: Shape, loudness: float) -> None:
    """Many rows over long histories. Loud keys make the pieces of attention differ by so much that most of them weigh
    nothing."""
    fed = sequences(shape, STARTS, 2)
    found = []
    for compiled in (True, False):
        net = made(shape, Kind(compiled=compiled))
        cache = spoilt_cache(net, len(fed), max(STARTS) + 2)
        for slot, sequence in enumerate(fed):
            remember(net, sequence, slot, cache, loudness)
        logits = torch.empty(2 * len(fed), shape.vocab)
        spans = [Span(slot, sequence.start, 2) for slot, sequence in enumerate(fed)]
        best = net.step([name for sequence in fed for name in sequence.ids], spans, cache, logits)
        assert best == logits.argmax(-1).tolist()
        found.append((logits, cache))
    (ours, our_cache), (plain, plain_cache) = found
    assert (ours - plain).abs().max() < 1e-4
    for slot, sequence in enumerate(fed):
        end = sequence.start + 2
        for left, right in ((our_cache.keys, plain_cache.keys), (our_cache.values, plain_cache.values)):
            assert (left[:, slot, :, :end] - right[:, slot, :, :end]).abs().max() < 1e-4
            assert left[:, slot, :, end:].isnan().all()


def test_nothing_but_its_own_positions_is_written() -> None:
    """A step of some slots leaves every number of the others as it was."""
    net = made(FEW_WORDS, FLOAT)
    cache = spoilt_cache(net, 4, 300)
    net.step([5, 6, 7], [Span(2, 0, 2), Span(0, 0, 1)], cache)
    for held in (cache.keys, cache.values):
        written = ~held.isnan()
        assert written[:, 2, :, :2].all()
        assert written[:, 0, :, :1].all()
        assert int(written.sum()) == 3 * held[0, 0, :, 0].numel() * len(held)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "plain"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_equal_logits_the_lowest_id_is_taken(count: int, compiled: bool) -> None:
    """Also if the others are another thread's."""
    head = weights(FEW_WORDS)["lm_head.weight"]
    repeated = head[:683].repeat(4, 1)[: FEW_WORDS.vocab]
    with threads(count):
        net = network(FEW_WORDS, weights(FEW_WORDS) | {"lm_head.weight": repeated}, compiled=compiled)
    ids = words(FEW_WORDS, 40)
    logits = torch.empty(len(ids), FEW_WORDS.vocab)
    best = net.step(ids, [Span(0, 0, len(ids))], net.cache(1, len(ids)), logits)
    assert best == [int((row == row.max()).nonzero()[0]) for row in logits]
    assert max(best) < 683
