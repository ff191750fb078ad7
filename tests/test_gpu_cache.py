"""Keys and values in 8 bits: rounded as float8_e4m3fn rounds, by scales that belong to their own sequence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gpu_steps import load, prompt
from tiny import make_checkpoint

from smoldocling.model.cache import HEADROOM, LARGEST, NARROW, Cache
from smoldocling.model.decoder import Span
from smoldocling.model.network import Network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return load(make_checkpoint(tmp_path_factory.mktemp("cache"), heads=3))


@settings(deadline=None)
@given(st.integers(0, 99), st.floats(-30, 30), st.integers(1, 9))
def test_what_comes_out_is_what_went_in_to_a_sixteenth(network: Network, seed: int, size: float, rows: int) -> None:
    """Three bits behind the leading one, whatever the size of a head's numbers; the smallest lose more."""
    config, random = network.config, torch.Generator().manual_seed(seed)
    cache = Cache(config, 2, 16, NARROW, CPU)
    shape = (config.kv_heads, rows, config.head_dim)
    keys, values = (torch.randn(shape, generator=random) * 2**size for _ in range(2))
    cache.squeeze(1, 0, 0, keys, values)
    for went, came in zip((keys, values), cache.opened(1, 0, rows, torch.float32), strict=True):
        scale = went.abs().amax((1, 2), keepdim=True) * HEADROOM / LARGEST * 2
        assert ((came - went).abs() <= went.abs() / 16 + scale * 2.0**-10).all()


def test_rows_that_come_later_are_cut_off_and_never_no_number(network: Network) -> None:
    """float8_e4m3fn has no infinity: 449 would be none."""
    config = network.config
    cache = Cache(config, 1, 8, NARROW, CPU)
    ones = torch.ones(config.kv_heads, 1, config.head_dim)
    cache.squeeze(0, 0, 0, ones, ones)
    cache.squeeze(0, 0, 1, ones * HEADROOM, ones * 1e6)
    keys, values = cache.opened(0, 0, 2, torch.float32)
    assert torch.equal(keys[:, 1], ones[:, 0] * HEADROOM)
    assert values.isfinite().all()
    assert (values[:, 1] >= HEADROOM).all()


def test_a_prompt_of_nothing_but_zeros_has_a_scale(network: Network) -> None:
    """Padding of a network that was cut down."""
    config = network.config
    cache = Cache(config, 1, 8, NARROW, CPU)
    nothing = torch.zeros(config.kv_heads, 2, config.head_dim)
    cache.squeeze(0, 0, 0, nothing, nothing)
    assert all(torch.equal(part, nothing) for part in cache.opened(0, 0, 2, torch.float32))


def test_a_slot_holds_nothing_of_who_was_there_before_not_even_a_scale(network: Network) -> None:
    """Else a page would depend on the one before it."""
    found = []
    for before in (None, 5):
        cache = network.cache(1, 64, NARROW)
        for seed in (before, 3):
            if seed is not None:
                ids = prompt(seed) if seed == 3 else prompt(seed)[::-1]
                network.prefill(network.rows(ids, torch.empty(0, network.config.width)), 0, 0, cache)
        logits = torch.empty(1, network.config.vocab_size)
        network.step([7], [Span(0, len(prompt(3)), 1)], cache, logits)
        found.append(logits)
    assert torch.equal(*found)


def test_logits_stay_near_those_of_the_full_precision(network: Network) -> None:
    """Of a random network with large weights, which makes much of little; what a trained one loses is in NOTES.md."""
    rows = network.rows([*range(40)], torch.empty(0, network.config.width))
    logits = []
    for dtype in (None, NARROW):
        cache = network.cache(1, 64, dtype)
        network.prefill(rows, 0, 0, cache)
        logits.append(torch.empty(1, network.config.vocab_size))
        network.step([7], [Span(0, 40, 1)], cache, logits[-1])
    assert float((logits[1] - logits[0]).norm() / logits[0].norm()) < 0.3
    assert not torch.equal(*logits)
