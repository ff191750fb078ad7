"""Tiles: how they are cut, where their patches stand, what pixels mean, and that no tile sees another."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import (
    FEW_WORDS,
    SMOLDOCLING,
    SMOLVLM_2B,
    TINY,
    Shape,
    half,
    network,
    normalised,
    oracle,
    threads,
    tiles,
)
from transformers import Idefics3ForConditionalGeneration

from smoldocling.model.network import Network
from smoldocling.model.vision import Pixels

TOLERANCE = 1e-4

# Towers of the family at their real widths; the text network behind them plays no part.
_FEW = {"vocab": FEW_WORDS.vocab, "image_token_id": FEW_WORDS.image_token_id, "layers": 1, "vision_layers": 1}
TOWER = replace(SMOLDOCLING, **_FEW)
SMALL_TILES = replace(TOWER, tile_px=256)
SMALL_TILES_2B = replace(SMOLVLM_2B, **_FEW, tile_px=210, width=576, inner=1536, heads=9, kv_heads=3)

PRECISIONS = {
    "float32": (torch.float32, False),
    "bfloat16": (torch.bfloat16, False),
    "int8": (torch.float32, True),
    "int8-bfloat16": (torch.bfloat16, True),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with threads(1), torch.no_grad():
        yield
    tower_oracle.cache_clear()


@functools.cache
def tower_oracle(tower: Shape) -> Idefics3ForConditionalGeneration:
    return oracle(tower)


def features(model: Idefics3ForConditionalGeneration, cut: torch.Tensor, pixels: Pixels | None = None) -> torch.Tensor:
    """transformers': (tiles, positions, width)."""
    (found,) = model.model.get_image_features(normalised(cut, pixels), return_dict=True).pooler_output
    return found.unflatten(0, (len(cut), -1))


def largest(difference: torch.Tensor) -> float:
    return difference.abs().max().item()


def rms(difference: torch.Tensor) -> float:
    return difference.float().square().mean().sqrt().item()


@pytest.mark.parametrize("patches", range(1, 41))
def test_every_patch_has_the_position_that_transformers_gives_it(patches: int) -> None:
    """A place on the tile becomes a row of the table by comparing float32 fractions, whose rounding decides for sides
    such as the 27 patches of the 2B (384 / 14). Every row of the table is another random vector, so a patch that got a
    neighbour's would differ by about one, ten thousand times what is allowed."""
    shape = replace(TINY, tile_px=4 * patches, patch_px=4, joined=1)
    model, cut = oracle(shape), tiles(shape, 1, patches)
    assert largest(network(shape, model).encode(cut) - features(model, cut)) < TOLERANCE


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 33), st.integers(1, 33), st.integers(0, 3))
def test_a_tile_may_have_another_size_than_the_table(patches: int, positions: int, rest: int) -> None:
    """`max_image_size` and `image_size` stand in different files. The table is then looked up at fractions, and pixels
    that are no whole patch are not seen, as in 384 / 14."""
    shape = replace(TINY, tile_px=4 * positions, patch_px=4, joined=1)
    tile_px = 4 * patches + rest
    model, cut = oracle(shape), tiles(replace(shape, tile_px=tile_px), 1, patches)
    net = network(shape, model, tile_px=tile_px)
    assert net.config.tile_positions == patches**2
    assert largest(net.encode(cut) - features(model, cut)) < TOLERANCE


@pytest.mark.parametrize(("tile_px", "patch_px", "joined"), [(70, 16, 4), (75, 14, 5), (96, 16, 2), (97, 8, 3)])
def test_patches_are_joined_as_in_transformers(tile_px: int, patch_px: int, joined: int) -> None:
    """Pixel shuffle has an order of rows, columns and numbers that is easy to get wrong and hard to see."""
    shape = replace(TINY, tile_px=tile_px, patch_px=patch_px, joined=joined)
    model, cut = oracle(shape), tiles(shape, 2)
    net = network(shape, model)
    assert net.config.tile_positions == shape.tile_positions
    assert largest(net.encode(cut) - features(model, cut)) < TOLERANCE


@pytest.mark.parametrize(
    "pixels",
    [
        Pixels(1 / 255, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        Pixels(0.00392156862745098, (0.1, 0.5, 0.9), (1.0, 0.25, 2.0)),
        Pixels(1 / 127.5, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        Pixels(1.0, (127.5, 100.0, 150.0), (127.5, 60.0, 40.0)),
    ],
    ids=["clip", "each-its-own", "to-one", "not-rescaled"],
)
def test_pixels_mean_what_the_checkpoint_says(pixels: Pixels) -> None:
    """Normalisation is folded into the weights, for each channel; in bfloat16 that may not cost more than it costs
    transformers to round the normalised pixels (a quarter more, as in test_model_parity)."""
    shape = TOWER
    model, cut = tower_oracle(shape), tiles(shape, 1)
    cut[0, :64, :64] = torch.tensor([0, 128, 255], dtype=torch.uint8)
    exact = features(model, cut, pixels)
    assert largest(network(shape, model, pixels=pixels).encode(cut) - exact) < TOLERANCE
    allowed = 1.25 * rms(features(half(model, torch.bfloat16), cut, pixels) - exact)
    assert rms(network(shape, model, pixels=pixels, dtype=torch.bfloat16).encode(cut) - exact) < allowed


def test_extreme_tiles_are_encoded() -> None:
    """White, black and grey pages: rows without any difference between patches, and int8 rows with nothing to scale."""
    shape = TOWER
    model = tower_oracle(shape)
    cut = torch.stack(
        [torch.full((shape.tile_px, shape.tile_px, 3), value, dtype=torch.uint8) for value in (255, 0, 128)]
    )
    exact = features(model, cut)
    assert largest(network(shape, model).encode(cut) - exact) < TOLERANCE
    assert rms(network(shape, model, eights=True).encode(cut) - exact) < 0.05


@pytest.mark.parametrize("precision", PRECISIONS.values(), ids=PRECISIONS)
@pytest.mark.parametrize(
    ("tower", "compiled"),
    [(TOWER, True), (SMALL_TILES, False), (SMALL_TILES_2B, True)],
    ids=["compiled", "plain", "compiled-2B"],
)
def test_a_tile_has_the_same_features_in_any_company(
    tower: Shape, compiled: bool, precision: tuple[torch.dtype, bool]
) -> None:
    """To the last bit, so that equal tiles can be encoded once, and a page does not depend on those around it: alone,
    beside others in another place, on one thread or two."""
    dtype, eights = precision
    net = network(tower, tower_oracle(tower), dtype=dtype, eights=eights, compiled=compiled)
    cut = tiles(tower, 3)
    cut[2] = cut[0]
    together = net.encode(cut)
    assert torch.equal(together[0], together[2])
    assert not torch.equal(together[0], together[1])
    assert torch.equal(net.encode(cut[1:2]), together[1:2])
    with threads(2 if compiled else 1):  # plain torch wakes its threads for each of many small operations
        assert torch.equal(net.encode(cut[[1, 0]]), together[[1, 0]])


def test_tiles_are_not_changed() -> None:
    """They belong to the caller, who may need them again, and may be a view of something larger."""
    net: Network = network(TINY, oracle(TINY))
    page = tiles(replace(TINY, tile_px=128), 1)
    before = page.clone()
    view = page[:, 32:96, 32:96]
    assert torch.equal(net.encode(view), net.encode(view.contiguous()))
    assert torch.equal(page, before)
