"""The fused kernels find what plain torch finds, and a row never depends on its company.

Here they run in Triton's interpreter, on a GPU as they are. Without Triton there is nothing to test: it is not among
the project's requirements, torch brings it where there is a GPU.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

GPU = torch.cuda.is_available()
if not GPU:
    os.environ["TRITON_INTERPRET"] = "1"  # read when Triton is imported
pytest.importorskip("triton", reason="needs Triton, whose interpreter needs no GPU: pip install triton")

from smoldocling.model.cache import NARROW, Cache  # noqa: E402 - only now is Triton as it must be
from smoldocling.model.config import Config  # noqa: E402
from smoldocling.model.cuda import fused  # noqa: E402
from smoldocling.model.cuda.fused import Fused, FusedParts  # noqa: E402
from smoldocling.model.cuda.plain import Plain  # noqa: E402
from smoldocling.model.decoder import Layer, Text, _rotations  # noqa: E402
from smoldocling.model.linear import Plain as Matrix  # noqa: E402
from smoldocling.model.parts import Parts  # noqa: E402

DEVICE = torch.device("cuda" if GPU else "cpu")
KINDS = [torch.float32, torch.float16, torch.bfloat16]
# As odd as the real ones, since the interpreter is slow as small as can be: heads of three, a width that is no power of
# two, a vocabulary that no block divides.
CONFIG = Config(
    **{"vision_width": 32, "vision_inner": 48, "vision_layers": 1, "vision_heads": 2, "vision_eps": 1e-6},
    **{"tile_px": 64, "patch_px": 16, "positions": 4, "joined": 4, "width": 96, "inner": 64, "layers": 1},
    **{"heads": 6, "kv_heads": 2, "head_dim": 32, "vocab_size": 75, "context_length": 80, "rope_theta": 1e4},
    **{"eps": 1e-5, "image_token_id": 5, "tied_head": False},
)
SPAN = 32
LENGTH = 80
SLOTS = 4


def text(kind: torch.dtype) -> Text:
    random = torch.Generator().manual_seed(1)

    def numbers(*shape: int, size: float = 0.08) -> torch.Tensor:
        return (torch.randn(shape, generator=random) * size).to(DEVICE, kind)

    width, inner, q, kv = CONFIG.width, CONFIG.inner, CONFIG.heads * CONFIG.head_dim, CONFIG.kv_heads * CONFIG.head_dim
    layers = tuple(
        Layer(
            attention_norm=1 + numbers(width).float(),
            qkv=Matrix(numbers(q + 2 * kv, width)),
            out=Matrix(numbers(width, q)),
            inner_norm=1 + numbers(width).float(),
            gate_up=Matrix(numbers(2 * inner, width)),
            down=Matrix(numbers(width, inner)),
        )
        for _ in range(CONFIG.layers)
    )
    cosines, sines = _rotations(CONFIG)
    embedding, norm, head = (
        numbers(CONFIG.vocab_size, width, size=1.0),
        1 + numbers(width).float(),
        numbers(CONFIG.vocab_size, width),
    )
    return Text(embedding, layers, norm, Matrix(head), cosines.to(DEVICE), sines.to(DEVICE))


TEXTS = {kind: text(kind) for kind in KINDS}


def kernels(kind: torch.dtype) -> Fused:
    return Fused(CONFIG, TEXTS[kind], wide=not GPU, span=SPAN)


def cache_of(kind: torch.dtype, written: int = LENGTH) -> Cache:
    """Noise in all slots up to a position, behind it what is no number."""
    cache = Cache(CONFIG, SLOTS, LENGTH, kind, DEVICE)
    for number, scale in enumerate(cache.scales or ()):
        scale.copy_(2.0 ** (torch.arange(scale.numel()) % 3 - 3 - number).view(scale.shape))
    noise = torch.Generator().manual_seed(2)
    for part in (cache.keys, cache.values):
        part.copy_((torch.randn(part.shape, generator=noise) * (8 if kind == NARROW else 1)).to(kind))
        part[:, :, :, written:] = torch.nan
    return cache


def rows_of(sequences: Sequence[tuple[int, int]], each: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, slots, positions of `each` rows of sequences (slot, start)."""
    places = [(slot, start + row) for slot, start in sequences for row in range(each)]
    tokens = [(17 * slot + 5 * position) % CONFIG.vocab_size for slot, position in places]
    return tuple(torch.tensor(one, device=DEVICE) for one in (tokens, *zip(*places, strict=True)))  # type: ignore


PLACES = st.lists(
    st.tuples(st.integers(0, SLOTS - 1), st.integers(0, LENGTH - 6)),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one[0],
)


@settings(deadline=None, max_examples=2 if not GPU else 50)
@given(PLACES, st.sampled_from([1, 5]))
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_plain_one(kind: torch.dtype, sequences: list[tuple[int, int]], each: int) -> None:
    """To the rounding of the precision: rows, what they leave in the cache, and the ids."""
    rows = rows_of(sequences, each)
    plain, caches = Plain(CONFIG, TEXTS[kind], Parts()), (cache_of(kind), cache_of(kind))
    wanted = plain.hidden(*rows, each, caches[0]).float()
    found = kernels(kind).hidden(*rows, each, caches[1]).float()
    assert float(((found - wanted).norm(dim=1) / wanted.norm(dim=1)).max()) < fused.TOLERANCE[kind] / 4
    for one, other in ((caches[0].keys, caches[1].keys), (caches[0].values, caches[1].values)):
        torch.testing.assert_close(one.float(), other.float(), rtol=0.05, atol=fused.TOLERANCE[kind])
    if kind == torch.float32:
        assert kernels(kind).best(wanted).tolist() == plain.logits(wanted).argmax(-1).tolist()


def test_a_row_does_not_depend_on_its_company() -> None:
    """With it a step that checks guesses finds what steps without guesses find.

    In the interpreter to the rounding only: numpy's products depend on where in its block a row lies.
    """
    kind, each, sequences = torch.bfloat16 if GPU else torch.float32, 5, [(1, SPAN - 2), (3, 9)]
    body = kernels(kind)
    found = body.hidden(*rows_of(sequences, each), each, cache_of(kind))
    ids = body.best(found)
    for number, (slot, start) in enumerate(sequences):
        alone = cache_of(kind)
        for row in range(3):
            tokens, slots, positions = (one[row : row + 1] for one in rows_of([(slot, start)], each))
            x = body.hidden(tokens, slots, positions, 1, alone)
            torch.testing.assert_close(x[0], found[number * each + row])
            if GPU:
                assert torch.equal(x[0], found[number * each + row])
                assert body.best(x).tolist() == [int(ids[number * each + row])]


@pytest.mark.parametrize("each", [1, 5])
def test_with_keys_and_values_in_8_bits_it_is_the_plain_one_too(each: int) -> None:
    """Scales of each slot and head, for what is read and for what is written."""
    rows = rows_of([(1, 40), (3, 2)], each)
    kind = torch.float32
    caches = cache_of(NARROW), cache_of(NARROW)
    wanted = Plain(CONFIG, TEXTS[kind], Parts()).hidden(*rows, each, caches[0])
    found = kernels(kind).hidden(*rows, each, caches[1])
    # The interpreter rounds 1.99 to 1 in 8 bits, where a carry is lost; that is one number in thirty.
    assert float((found - wanted).norm() / wanted.norm()) < (0.01 if GPU else 0.05)
    for one, other in ((caches[0].keys, caches[1].keys), (caches[0].values, caches[1].values)):
        differ = one.float() != other.float()
        slots, positions = rows[1].tolist(), rows[2].tolist()
        for slot, position in zip(slots, positions, strict=True):
            assert float(differ[0, slot, :, position].float().mean()) < (0.03 if GPU else 0.15)
            differ[0, slot, :, position] = False
        assert not differ.any(), "nothing else is written"


def test_more_rows_than_one_block_are_the_same_rows() -> None:
    """33 sequences: two blocks of 32 rows, the last nearly empty."""
    body = kernels(torch.float32)
    sequences = [(number % SLOTS, 3 + number // SLOTS) for number in range(33)]
    tokens, slots, positions = rows_of(sequences, 1)
    found = body.hidden(tokens, slots, positions, 1, cache_of(torch.float32))
    plain = Plain(CONFIG, TEXTS[torch.float32], Parts())
    torch.testing.assert_close(found, plain.hidden(tokens, slots, positions, 1, cache_of(torch.float32)))


@pytest.mark.parametrize("last", [0, SPAN])
def test_what_has_not_been_written_is_not_read(last: int) -> None:
    """Behind a sequence's last position lies what another page left, or nothing at all."""
    rows = rows_of([(2, last)], 1)
    found = kernels(torch.float32).hidden(*rows, 1, cache_of(torch.float32, written=last + 1))
    assert found.isfinite().all()


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_of_equal_logits_the_lowest_id_is_taken_and_of_none_one_that_exists() -> None:
    """An id that has no row would bring down the next step of all pages."""
    body = kernels(torch.float32)
    head = TEXTS[torch.float32].head.weight
    before = head.clone()
    head[:] = 0
    assert body.best(torch.ones(2, CONFIG.width, device=DEVICE)).tolist() == [0, 0]
    head.copy_(before)
    assert body.best(torch.full((1, CONFIG.width), torch.nan, device=DEVICE)).tolist() == [CONFIG.vocab_size - 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("added", [True, False])
def test_norms_and_gates_are_the_plain_ones(kind: torch.dtype, mean: bool, added: bool) -> None:
    """The tower's and the prompt's."""
    random = torch.Generator().manual_seed(3)
    x, delta = (torch.randn(7, 48, generator=random).to(DEVICE, kind) for _ in range(2))
    weight, bias = (torch.randn(48, generator=random).to(DEVICE) for _ in range(2))
    mine, theirs = x.clone(), x.clone()
    found = FusedParts().normed(mine, delta if added else None, weight, bias if mean else None, 1e-6)
    wanted = Parts().normed(theirs, delta if added else None, weight, bias if mean else None, 1e-6)
    # the interpreter cuts bfloat16 off where a device rounds
    near = {"rtol": 2**-7, "atol": 2**-7} if kind == torch.bfloat16 and not GPU else {}
    torch.testing.assert_close(mine, theirs, **near)
    torch.testing.assert_close(found, wanted, **(near and {"rtol": 2**-5, "atol": 2**-5}))
    torch.testing.assert_close(FusedParts().gated(x), functional.silu(x[:, :24]) * x[:, 24:], **near)


def test_the_kernels_are_compared_with_plain_torch_before_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that nobody has seen, with a compiler that nobody has tried."""
    kind = torch.float32
    body = kernels(kind)
    assert fused.fits(CONFIG, TEXTS[kind])
    assert fused.agrees(CONFIG, TEXTS[kind], Parts(), body) is None
    monkeypatch.setattr(body, "hidden", lambda *args: Fused.hidden(body, *args) * 1.001)
    assert "rows differ" in str(fused.agrees(CONFIG, TEXTS[kind], Parts(), body))
    monkeypatch.undo()
    monkeypatch.setattr(body, "best", lambda x: torch.zeros(len(x), dtype=torch.int64, device=DEVICE))
    assert "likeliest" in str(fused.agrees(CONFIG, TEXTS[kind], Parts(), body))


@pytest.mark.parametrize("target", [80, 90])
def test_kernels_compile_for_gpus_that_are_not_here(target: int) -> None:
    """The interpreter takes what the compiler refuses. At the real sizes, down to machine code; on Hopper too no row
    may get the instruction that multiplies 64 of them, since with fewer it would be another one."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("compiling.py")), str(target)],
        check=False,
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"},
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == sorted("add_norm add_product gate gated head join likeliest look qkv".split())
