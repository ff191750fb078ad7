"""Whole answers: what the network writes, id by id, is what transformers' generate writes, whatever runs beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from shapes import FEW_WORDS, needs_kernels, network, normalised, oracle, threads, tiles, words

from smoldocling.model.cache import Cache
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network

STEPS = 300
# Tiles of each page and words behind them: the longest prompt is 50 times the shortest.
PAGES = [(3, 40), (0, 7), (1, 150), (2, 90), (0, 300), (1, 2)]
# Ids that each page is given before its slot goes to another.
LENGTHS = [200, 60, 30, 120, 90, 40]

# Several positions for each tile, and a random network that is never in doubt (see `spoken`).
SHAPE = replace(FEW_WORDS, tile_px=256)
SEED = 4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with threads(1), torch.no_grad():
        yield


@dataclass(frozen=True, slots=True)
class Spoken:
    """What transformers writes: STEPS ids for each page."""

    prompts: list[list[int]]
    pixels: list[torch.Tensor]
    answers: list[list[int]]
    networks: dict[bool, Network]


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    """All pages as one batch of `generate`, padded on the left, as a user of transformers would run them.

    Between ids whose logits are equal to the last digits, rounding would decide: that shows nothing, so there are none.
    """
    model = oracle(SHAPE, SEED)
    pixels = [tiles(SHAPE, count, number) for number, (count, _) in enumerate(PAGES)]
    prompts = [
        [SHAPE.image_token_id] * (count * SHAPE.tile_positions) + words(SHAPE, length, number)
        for number, (count, length) in enumerate(PAGES)
    ]
    longest = max(map(len, prompts))
    padded = torch.zeros(len(PAGES), max(map(len, pixels)), 3, SHAPE.tile_px, SHAPE.tile_px)
    for page, cut in zip(padded, pixels, strict=True):
        if len(cut):
            page[: len(cut)] = normalised(cut)[0]
    out = model.generate(
        input_ids=torch.tensor([[2] * (longest - len(prompt)) + prompt for prompt in prompts]),
        attention_mask=torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]),
        pixel_values=padded,
        max_new_tokens=STEPS,
        do_sample=False,
        eos_token_id=None,
        return_dict_in_generate=True,
        output_logits=True,
    )
    first, second = torch.stack(out.logits).topk(2).values.unbind(-1)
    assert (first - second).min() > 1e-4, "another seed is needed: rounding may decide between two ids"
    answers = out.sequences[:, longest:].tolist()
    assert all(len(set(answer)) > STEPS / 2 for answer in answers), "a page that repeats itself shows little"
    networks = {compiled: network(SHAPE, model, compiled=compiled) for compiled in (True, False)}
    return Spoken(prompts, pixels, answers, networks)


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def net(request: pytest.FixtureRequest, spoken: Spoken) -> Network:
    if request.param:
        needs_kernels(spoken.networks[True])
    return spoken.networks[request.param]


def spoilt_cache(net: Network, slots: int) -> Cache:
    """Whatever reads what was not written writes nonsense from there on."""
    cache = net.cache(slots, max(tiles * SHAPE.tile_positions + count for tiles, count in PAGES) + STEPS)
    cache.keys.fill_(torch.nan)
    cache.values.fill_(torch.nan)
    return cache


@dataclass(slots=True)
class Page:
    """One that is being written."""

    number: int
    length: int
    position: int
    written: list[int] = field(default_factory=list)


def begin(net: Network, spoken: Spoken, number: int, length: int, slot: int, cache: Cache) -> Page:
    pixels = spoken.pixels[number]
    features = net.encode(pixels).flatten(0, 1) if len(pixels) else torch.empty(0, SHAPE.width)
    rows = net.rows(spoken.prompts[number], features)
    return Page(number, length, len(rows), [net.prefill(rows, slot, 0, cache)])


def write(net: Network, spoken: Spoken, pages: Sequence[tuple[int, int]], slots: int) -> list[list[int]]:
    """Pages (number and length) in their order, each as soon as a slot is free, all that are there in one step."""
    cache, waiting = spoilt_cache(net, slots), deque(pages)
    free, running, done = deque(reversed(range(slots))), {}, {}
    while waiting or running:
        while free and waiting:
            slot = free.popleft()
            running[slot] = begin(net, spoken, *waiting.popleft(), slot, cache)
        spans = [Span(slot, page.position, 1) for slot, page in running.items()]
        found = net.step([page.written[-1] for page in running.values()], spans, cache)
        for (slot, page), best in zip(list(running.items()), found, strict=True):
            page.position += 1
            page.written.append(best)
            if len(page.written) >= page.length:
                done[page.number] = page.written
                free.append(slot)
                del running[slot]
    return [done[number] for number, _ in pages]


def test_a_page_alone_is_written_as_transformers_writes_it(spoken: Spoken, net: Network) -> None:
    """Step by step, behind the longest prompt without an image."""
    assert write(net, spoken, [(4, STEPS)], 1) == [spoken.answers[4]]


def test_pages_in_company_are_written_as_transformers_writes_them(spoken: Spoken, net: Network) -> None:
    """Six pages of different lengths, from the first id to the last beside each other."""
    assert write(net, spoken, [(number, STEPS) for number in range(len(PAGES))], len(PAGES)) == spoken.answers


def test_a_page_in_a_recycled_slot_is_written_as_in_a_new_one(spoken: Spoken, net: Network) -> None:
    """Pages come and go at different times, long ones after short ones and the other way round."""
    expected = [answer[:length] for answer, length in zip(spoken.answers, LENGTHS, strict=True)]
    assert write(net, spoken, list(enumerate(LENGTHS)), 2) == expected


def test_guesses_change_nothing(spoken: Spoken, net: Network) -> None:
    """Several ids fed at once, of which the network confirms some: the answer is the same, and what the wrong ones left
    in the cache is never seen."""
    generator = torch.Generator().manual_seed(0)
    cache = spoilt_cache(net, 2)
    pages = {slot: begin(net, spoken, number, STEPS, slot, cache) for slot, number in enumerate((3, 2))}
    while min(len(page.written) for page in pages.values()) < STEPS:
        ids, spans = [], []
        for slot, page in pages.items():
            right, count = torch.randint(0, 5, (2,), generator=generator).tolist()
            guessed = spoken.answers[page.number][len(page.written) :][:right] + [5] * count
            ids += [page.written[-1], *guessed]
            spans.append(Span(slot, page.position, 1 + len(guessed)))
        found = iter(net.step(ids, spans, cache))
        fed = iter(ids)
        for span, page in zip(spans, pages.values(), strict=True):
            best = [next(found) for _ in range(span.count)]
            guesses = [next(fed) for _ in range(span.count)][1:]
            kept = next((place for place, guess in enumerate(guesses) if guess != best[place]), len(guesses))
            page.written += best[: kept + 1]
            page.position += kept + 1
    for page in pages.values():
        assert page.written[:STEPS] == spoken.answers[page.number]
