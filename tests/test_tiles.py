"""Tiles are what the model was trained on: other ports of this family failed on exactly this."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from smoldocling.errors import UnreadablePage
from smoldocling.pages import tiles

SHAPES = {  # width, height
    "portrait": (612, 792),
    "landscape": (1180, 700),
    "square": (501, 501),
    "one pixel": (1, 1),
    "sliver": (3, 700),
    "strip": (1260, 21),
}
sides = st.integers(1, 300)


def noise(width: int, height: int) -> Image.Image:
    """Every pixel different from its neighbours: no resampling error can hide."""
    rng = np.random.default_rng(width * 10_000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def theirs(image: Image.Image, splits: int, tile_px: int, **settings: object) -> tiles.Tiles:
    """What transformers' processor makes of the same image, before it turns bytes into floats."""
    processor = Idefics3ImageProcessorPil(
        size={"longest_edge": splits * tile_px}, max_image_size={"longest_edge": tile_px}
    )
    bare = {"do_rescale": False, "do_normalize": False} | settings
    made = processor(image, return_row_col_info=True, return_tensors="np", **bare)
    return tiles.Tiles(made["pixel_values"][0].transpose(0, 2, 3, 1), made["rows"][0][0], made["cols"][0][0])


def assert_same(ours: tiles.Tiles, expected: tiles.Tiles) -> None:
    assert (ours.rows, ours.columns) == (expected.rows, expected.columns)
    np.testing.assert_array_equal(ours.pixels, expected.pixels)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("tile_px", "splits"), [(512, 1), (512, 4), (512, 5), (384, 2), (384, 3), (384, 6)])
def test_tiles_are_the_processors_byte_for_byte(shape: str, tile_px: int, splits: int) -> None:
    """The two tile sizes of the family's models, on every shape of page."""
    image = noise(*SHAPES[shape])
    assert_same(tiles.split(image, splits=splits, tile_px=tile_px), theirs(image, splits, tile_px))


@given(sides, sides, st.integers(1, 6), st.sampled_from([14, 64]))
@example(192, 59, 3, 64)  # 192 / (192 / 59) is 58.99..., and 59 exactly
@example(187, 192, 3, 64)
def test_tiles_are_the_processors_for_every_size(width: int, height: int, splits: int, tile_px: int) -> None:
    """Sizes are computed in floating point: some pair of sides would show another order of operations."""
    image = noise(width, height)
    assert_same(tiles.split(image, splits=splits, tile_px=tile_px), theirs(image, splits, tile_px))


def test_the_processors_floats_go_back_to_the_same_bytes() -> None:
    """Rescaling and normalising lose nothing, so bytes can stand for what the model sees."""
    floats = theirs(noise(200, 300), 3, 64, do_rescale=True, do_normalize=True, image_mean=0.5, image_std=0.5).pixels
    bytes_again = np.rint((floats * 0.5 + 0.5) * 255).astype(np.uint8)
    np.testing.assert_array_equal(bytes_again, tiles.split(noise(200, 300), splits=3, tile_px=64).pixels)


@given(st.floats(0.5, 20_000), st.floats(0.5, 20_000), st.integers(1, 6))
def test_a_page_rendered_at_render_size_is_not_resized_first(width_pt: float, height_pt: float, splits: int) -> None:
    """That is what rendering straight at this size is for: no blur, no time."""
    width, height = tiles.render_size(width_pt, height_pt, splits=splits, tile_px=16)
    image = noise(width, height)
    assert_same(tiles.split(image, splits=splits, tile_px=16), theirs(image, splits, 16, do_resize=False))


@given(sides, sides, st.integers(1, 6))
def test_the_grid_has_splits_tiles_along_the_long_side(width: int, height: int, splits: int) -> None:
    """The prompt names rows and columns 1 to 6; a larger grid would be spelt in words the model never saw."""
    cut = tiles.split(noise(width, height), splits=splits, tile_px=8)
    assert max(cut.rows, cut.columns) == (splits if splits > 1 else 0)
    assert cut.pixels.shape == (cut.rows * cut.columns + 1, 8, 8, 3)


def test_more_than_six_splits_break_our_own_law() -> None:
    """Options are checked where users give them; here it is a mistake of ours."""
    with pytest.raises(AssertionError, match="6 x 6"):
        tiles.split(noise(9, 9), splits=7, tile_px=8)


def test_an_array_is_cut_like_the_image_it_holds() -> None:
    """Rendered pages come as arrays, also as views into larger ones."""
    image = noise(90, 120)
    wide = np.zeros((120, 100, 3), dtype=np.uint8)
    wide[:, :90] = np.asarray(image)
    expected = tiles.split(image, splits=3, tile_px=32)
    assert_same(tiles.split(wide[:, :90], splits=3, tile_px=32), expected)


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
GREY = Image.fromarray(RAMP)
BIG_END_FIRST = Image.frombytes("I;16B", GREY.size, (RAMP * np.uint16(257)).astype(">u2").tobytes())


def rgba(colour: tuple[int, int, int], alpha: int) -> Image.Image:
    return Image.new("RGBA", (16, 16), (*colour, alpha))


def palette(*, transparent: bool) -> Image.Image:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 200, 10, 20])
    if transparent:
        image.info["transparency"] = 1
    return image


def solid(*colour: int) -> Image.Image:
    return Image.new("RGB", (16, 16), colour)


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        pytest.param(GREY, GREY.convert("RGB"), id="grey"),
        pytest.param(Image.fromarray(RAMP.astype(np.uint16) * 257), GREY.convert("RGB"), id="16 bits"),
        pytest.param(BIG_END_FIRST, GREY.convert("RGB"), id="16 bits, big end first"),
        pytest.param(Image.fromarray(RAMP.astype(np.int32) * 257), GREY.convert("RGB"), id="32 bits holding 16"),
        pytest.param(Image.fromarray(RAMP.astype(np.int32)), GREY.convert("RGB"), id="32 bits holding 8"),
        pytest.param(Image.fromarray((RAMP / 255).astype(np.float32)), GREY.convert("RGB"), id="floats up to one"),
        pytest.param(Image.fromarray(RAMP.astype(np.float32)), GREY.convert("RGB"), id="floats up to 255"),
        pytest.param(Image.fromarray(RAMP.astype(np.float32) * 2e6 - 9), GREY.convert("RGB"), id="floats of any range"),
        pytest.param(Image.new("F", (16, 16), -4.0), solid(0, 0, 0), id="one float below zero"),
        pytest.param(rgba((0, 0, 0), 0), solid(255, 255, 255), id="fully transparent"),
        pytest.param(rgba((255, 0, 0), 51), solid(255, 204, 204), id="a fifth of red on white"),
        pytest.param(Image.new("LA", (16, 16), (0, 0)), solid(255, 255, 255), id="transparent grey"),
        pytest.param(palette(transparent=False), solid(200, 10, 20), id="palette"),
        pytest.param(palette(transparent=True), solid(255, 255, 255), id="palette with a transparent entry"),
        pytest.param(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), solid(255, 255, 255), id="no ink"),
        pytest.param(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), solid(255, 0, 0), id="red in inks"),
        pytest.param(Image.new("LAB", (16, 16), (255, 128, 128)), solid(255, 255, 255), id="white in Lab"),
        pytest.param(Image.new("1", (16, 16), 1), solid(255, 255, 255), id="one bit"),
        pytest.param(solid(9, 8, 7).convert("HSV"), solid(9, 8, 7), id="hue, saturation, value"),
    ],
)
def test_every_kind_of_image_is_seen_as_a_person_sees_it(image: Image.Image, seen: Image.Image) -> None:
    """Scanners write 16 bits, browsers transparency, printers inks; clipping or a black background hides the text."""
    ours = tiles.split(image, splits=2, tile_px=16).pixels.astype(int)
    expected = tiles.split(seen, splits=2, tile_px=16).pixels.astype(int)
    assert np.abs(ours - expected).max() <= (3 if image.mode in ("HSV", "LAB") else 0)


def test_an_image_without_pixels_is_an_unreadable_page() -> None:
    """PIL can make one, and dividing by its height must not be the user's error message."""
    with pytest.raises(UnreadablePage, match="0 x 7 pixels"):
        tiles.split(Image.new("RGB", (0, 7)), splits=2, tile_px=16)
