"""What lies between the large products: the compiled pieces against their definition in torch."""

import ctypes
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.model import kernels
from smoldocling.model.linear import Int8, Int8Weights
from smoldocling.model.parts import Compiled, Parts

KINDS = [torch.float32, torch.bfloat16]
# Half a unit in the last place of the result, twice: both sides round once from nearly the same float32.
CLOSE = {torch.float32: {"rtol": 2e-6, "atol": 2e-6}, torch.bfloat16: {"rtol": 2**-7, "atol": 1e-6}}

torch_parts = Parts()


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    library = kernels.library()
    if library is None:
        pytest.skip("no C compiler with OpenMP")
    return Compiled(library)


def numbers(*shape: int, kind: torch.dtype = torch.float32, scale: float = 3.0, seed: int = 0) -> torch.Tensor:
    return (torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale).to(kind)


rows_and_widths = st.tuples(st.integers(1, 40), st.integers(1, 12).map(lambda n: n * kernels.LANES))


@given(rows_and_widths, st.sampled_from(KINDS), st.booleans(), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_norms(compiled, shape, kind, biased, added, seed):
    """Layer norm with a bias, root mean square without; the sum of x and delta stays in x."""
    weight, bias = numbers(shape[1], seed=seed), numbers(shape[1], seed=seed + 1) if biased else None
    delta = numbers(*shape, kind=kind, seed=seed + 2) if added else None
    x, y = (numbers(*shape, kind=kind, seed=seed + 3) for _ in range(2))
    found, wanted = compiled.normed(x, delta, weight, bias, 1e-5), torch_parts.normed(y, delta, weight, bias, 1e-5)
    torch.testing.assert_close(found, wanted, rtol=CLOSE[kind]["rtol"], atol=2e-5 if kind == torch.float32 else 2e-2)
    assert x.equal(y)


@given(st.integers(1, 30), st.integers(1, 300), st.sampled_from(KINDS), st.integers(0, 4), st.data())
@settings(max_examples=80, deadline=None)
def test_softmax(compiled, rows, columns, kind, group, data):
    """Every row sees what it may see, and nothing else; shares add up to 1."""
    first = data.draw(st.integers(0, columns - 1))
    scores = numbers(rows, columns, kind=kind, scale=data.draw(st.sampled_from([0.1, 3.0, 40.0])), seed=rows)
    found, wanted = (parts.softmax(scores.clone(), group, first if group else 0) for parts in (compiled, torch_parts))
    torch.testing.assert_close(found, wanted, rtol=CLOSE[kind]["rtol"] * 4, atol=1e-6)
    if group:
        for row in range(rows):
            assert not found[row, first + row // group + 1 :].any()


@given(rows_and_widths, st.sampled_from(KINDS), st.sampled_from([1.0, 30.0, 1000.0]))
@settings(max_examples=40, deadline=None)
def test_gates(compiled, shape, kind, scale):
    """Also where e^-x is beyond what a float can hold."""
    x = numbers(shape[0], 2 * shape[1], kind=kind, scale=scale)
    wide = torch_parts.gated(x.float())
    torch.testing.assert_close(
        compiled.gated(x).float(), wide, rtol=2**-7 if kind == torch.bfloat16 else 1e-5, atol=1e-5
    )


@given(st.integers(1, 20), st.sampled_from([(9, 3), (4, 4), (6, 1)]), st.sampled_from(KINDS), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_rotary_positions(compiled, rows, heads, kind, start):
    """Queries, keys and values of each row at its position; the rest of the slot is left alone."""
    count, kv_heads = heads
    angles = numbers(64, 16)
    x = numbers(rows, count + 2 * kv_heads, 32, kind=kind)
    slots = [torch.full((2, kv_heads, 64, 32), math.nan, dtype=kind) for _ in range(2)]
    found, wanted = (
        parts.turned(x, count, start, angles.cos(), angles.sin(), *slot)
        for parts, slot in zip((compiled, torch_parts), slots, strict=True)
    )
    tolerance = {"rtol": 2**-7, "atol": 2e-2} if kind == torch.bfloat16 else CLOSE[kind]
    torch.testing.assert_close(found, wanted, **tolerance)
    torch.testing.assert_close(*slots, **tolerance, equal_nan=True)
    assert slots[0][:, :, :start].isnan().all()
    assert slots[0][:, :, start + rows :].isnan().all()


@given(rows_and_widths, st.sampled_from(KINDS), st.sampled_from([0.0, 1e-3, 1.0, 1e4]))
@settings(max_examples=40, deadline=None)
def test_rows_in_eight_bits(compiled, shape, kind, scale):
    """No number is off by more than half a step, a row of zeros is zeros; near the half both neighbours are right."""
    x = numbers(*shape, kind=kind, scale=scale)
    (found, found_scale), (wanted, wanted_scale) = compiled.quantised(x), torch_parts.quantised(x)
    assert ((found.int() - wanted.int()).abs() <= 1).all()
    torch.testing.assert_close(found_scale, wanted_scale, rtol=1e-6, atol=0)
    for eights in (found, wanted):
        error = (eights.float() * wanted_scale[:, None] - x.float()).abs()
        assert (error <= wanted_scale[:, None] * 0.5001).all()


@given(rows_and_widths, st.sampled_from(KINDS), st.booleans(), st.sampled_from(["none", "gelu"]))
@settings(max_examples=40, deadline=None)
def test_sums_of_eight_bits_become_numbers(compiled, shape, kind, biased, activation):
    sums = (numbers(*shape) * 3000).int()
    row_scale, scale = numbers(shape[0]).abs() / 1000, numbers(shape[1]).abs()
    bias = numbers(shape[1], seed=5) if biased else None
    found, wanted = (
        parts.rescaled(sums, row_scale, scale, bias, activation, kind) for parts in (compiled, torch_parts)
    )
    torch.testing.assert_close(found, wanted, rtol=CLOSE[kind]["rtol"], atol=1e-5)


@given(st.integers(1, 30), st.sampled_from([Int8, Int8Weights]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_products_in_eight_bits(rows, kind, gelu):
    """The error is what the steps of both sides explain: a sum of independent half steps, four times its spread."""
    inputs, outputs = 96, 48
    x, weight = numbers(rows, inputs), numbers(outputs, inputs, seed=1)
    linear = Int8(weight, None, torch_parts) if kind is Int8 else Int8Weights(weight)
    wanted = torch.nn.functional.linear(x, weight)
    step = weight.abs().amax(1) / 127
    spread = x.square().sum(1).sqrt()[:, None] * step
    if kind is Int8:
        spread = spread + (x.abs().amax(1) / 127)[:, None] * weight.square().sum(1).sqrt()
    error = (linear(x) - wanted).abs()
    assert (error <= 4 * spread / math.sqrt(12)).all()
    if gelu:
        close = torch.nn.functional.gelu(linear(x), approximate="tanh")
        torch.testing.assert_close(linear(x, "gelu"), close, rtol=1e-5, atol=1e-5)


def test_rows_too_long_for_the_compiled_softmax_are_still_done(compiled):
    """Nobody's context is that long today, and a limit in C must not become a wrong page."""
    scores = numbers(2, 20000)
    torch.testing.assert_close(compiled.softmax(scores.clone()), torch.softmax(scores, -1))


def test_without_a_compiler_there_are_no_kernels(monkeypatch, tmp_path):
    """And a compiler that fails is no reason to fail."""
    monkeypatch.setattr(kernels, "COMPILERS", ())
    monkeypatch.setenv("CC", "")
    kernels.library.cache_clear()
    assert kernels.library() is None
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    kernels.library.cache_clear()
    assert kernels.library() is None
    kernels.library.cache_clear()


def test_kernels_are_compiled_once(compiled, monkeypatch, tmp_path):
    """The second process finds the first one's work; a changed source or processor is another file."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels.library.cache_clear()
    assert isinstance(kernels.library(), ctypes.CDLL)
    (made,) = (tmp_path / "smoldocling").iterdir()
    before = made.stat().st_mtime_ns
    kernels.library.cache_clear()
    assert isinstance(kernels.library(), ctypes.CDLL)
    assert made.stat().st_mtime_ns == before
    kernels.library.cache_clear()
