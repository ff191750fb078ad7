"""Tiles made on the device are those that Pillow makes, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from smoldocling.model.cuda import lanczos
from smoldocling.pages import tiles

sides = st.integers(1, 90)


def noise(seed: int, width: int, height: int, *, hard: bool = False) -> np.ndarray:
    """Bytes of every value, or black and white only, where the filter overshoots most."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 2, (height, width, 3)) * 255 if hard else random.integers(0, 256, (height, width, 3))
    return pixels.astype(np.uint8)


def by_pillow(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


@settings(deadline=None, max_examples=300)
@given(sides, sides, sides, sides, st.integers(0, 99), st.booleans())
def test_resizing_is_pillows_to_the_last_bit(
    width: int, height: int, new_width: int, new_height: int, seed: int, hard: bool
) -> None:
    """A wrong filter is hard to see and makes a network of this family write nonsense."""
    pixels = noise(seed, width, height, hard=hard)
    found = lanczos.resized(torch.from_numpy(pixels), new_width, new_height)
    assert np.array_equal(found.numpy(), by_pillow(pixels, new_width, new_height))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1978, 2560), (2048, 2560)), ((2048, 2560), (512, 512)), ((612, 792), (1978, 2560)), ((3000, 17), (2560, 512))],
)
def test_resizing_is_pillows_at_the_sizes_of_pages(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Weights of long sides are where another order of operations would show."""
    pixels = noise(7, *size, hard=True)[:, :, :1].repeat(3, 2)
    found = lanczos.resized(torch.from_numpy(pixels), *wanted)
    assert np.array_equal(found.numpy(), by_pillow(pixels, *wanted))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 6), st.sampled_from([16, 42]), st.integers(0, 9))
def test_a_page_is_cut_as_the_host_cuts_it(width: int, height: int, splits: int, tile_px: int, seed: int) -> None:
    """Features are those of the same tiles, wherever they were cut."""
    pixels = noise(seed, width, height)
    wanted = tiles.split(pixels, splits=splits, tile_px=tile_px)
    page = np.array(tiles.fitted(pixels, splits=splits, tile_px=tile_px))
    assert np.array_equal(lanczos.cut(torch.from_numpy(page), tile_px).numpy(), wanted.pixels)
    rows, columns = lanczos.grid(page.shape[0], page.shape[1], tile_px)
    assert (rows, columns) == (wanted.rows or 1, wanted.columns or 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("wanted", [(2048, 2560), (512, 512), (700, 3000)])
def test_on_a_gpu_it_is_pillows_too(wanted: tuple[int, int]) -> None:
    """Whole numbers leave no room for a device of its own opinion."""
    pixels = noise(3, 1978, 2560, hard=True)
    found = lanczos.resized(torch.from_numpy(pixels).cuda(), *wanted)
    assert np.array_equal(found.cpu().numpy(), by_pillow(pixels, *wanted))
