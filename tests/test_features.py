"""Tiles are encoded once, features are those of the page's own tiles, and memory for them has a bound."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.engine.features import Known, Picture

# A page as the colours of its tiles: few, so that they repeat within a page and across pages.
PAGES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), max_size=8)
FEATURE_BYTES = 2 * 3 * 4


def encoder(seen: list[int]):
    """Features that tell which tile they were made of."""

    def encode(tiles: torch.Tensor) -> torch.Tensor:
        colours = tiles[:, 0, 0, 0]
        seen.extend(colours.tolist())
        return colours[:, None, None].float().expand(-1, 2, 3).clone()

    return encode


def tiles_of(colours: list[int]) -> np.ndarray:
    return np.broadcast_to(np.array(colours, np.uint8)[:, None, None, None], (len(colours), 4, 4, 3))


@given(PAGES, st.integers(1, 5), st.integers(0, 12))
@settings(deadline=None)
def test_features_are_those_of_the_pages_own_tiles(pages: list[list[int]], most: int, room: int) -> None:
    """Whatever was encoded before, however many at once, and however soon it is forgotten."""
    known, seen = Known(room * FEATURE_BYTES), []
    for colours in pages:
        before = len(seen)
        picture = Picture(tiles_of(colours))
        left = picture.recall(known)
        while left:
            smaller = picture.encode(most, encoder(seen), known)
            assert smaller == max(left - most, 0)
            left = smaller
        expected = torch.tensor(colours).repeat_interleave(2)[:, None].expand(-1, 3).float()
        assert torch.equal(picture.features(), expected)  # (tiles * positions, width)
        assert len(set(seen[before:])) == len(seen[before:]), "once on a page, even if it is forgotten at once"
        assert sum(features.nbytes for features in known._features.values()) <= room * FEATURE_BYTES
    if room >= 10:
        assert sorted(seen) == sorted({colour for colours in pages for colour in colours})


def test_what_is_used_is_kept() -> None:
    """The white tile is on every page, however many others have come since."""
    known, seen = Known(2 * FEATURE_BYTES), []
    for colours in ([255, 1], [255, 2], [255, 3], [255, 4]):
        picture = Picture(tiles_of(colours))
        picture.recall(known)
        picture.encode(9, encoder(seen), known)
    assert seen == [255, 1, 2, 3, 4]
    known.clear()
    assert known.get(b"") is None
    assert Picture(tiles_of([255])).recall(known) == 1


def test_one_pixel_makes_another_tile() -> None:
    """A full stop on a blank tile is not nothing."""
    tiles = np.full((2, 64, 64, 3), 255, np.uint8)
    tiles[1, 63, 63, 2] = 254
    assert Picture(tiles).recall(Known()) == 2
