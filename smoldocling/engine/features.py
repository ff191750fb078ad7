"""Tiles on their way to features. Equal tiles are encoded once, on one page and across pages.

Knows: tiles as bytes, features as tensors. Does not know: how tiles are encoded, whose turn it is.
Law: a page's features are those of its own tiles in their order, whatever was encoded before and whatever is forgotten.
It rests on the vision tower's: what a tile becomes depends on that tile alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

# White tiles are the common case and are used on nearly every page, so they stay. The rest is for letterheads, forms
# and slides that repeat within a document: 24 whole pages of the 256M network in bfloat16, at 74 KB a tile.
KNOWN_BYTES = 32 << 20

# 128 bits: among 2^40 tiles, fifty billion pages, the chance of two that are wrongly taken for equal is 1e-15.
DIGEST_BYTES = 16

Encoder = Callable[[torch.Tensor], torch.Tensor]
"""uint8 (tiles, T, T, 3) -> (tiles, positions, width)"""


class Known:
    """Features of tiles that were seen lately, by what was on the tile; the least recently used are forgotten first."""

    def __init__(self, most_bytes: int = KNOWN_BYTES) -> None:
        self._left = most_bytes
        self._features: OrderedDict[bytes, torch.Tensor] = OrderedDict()

    def get(self, digest: bytes) -> torch.Tensor | None:
        """(positions, width), if they are known."""
        found = self._features.get(digest)
        if found is not None:
            self._features.move_to_end(digest)
        return found

    def put(self, digest: bytes, features: torch.Tensor) -> None:
        """(positions, width), in memory of their own."""
        assert digest not in self._features, "a tile that is known is not encoded"
        self._features[digest] = features
        self._left -= features.nbytes
        while self._left < 0:
            self._left += self._features.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget all: memory is wanted."""
        while self._features:
            self._left += self._features.popitem()[1].nbytes


class Picture:
    """The tiles of one page and what has become of them. A page of pixels is let go when the last of it is encoded."""

    def __init__(self, tiles: npt.NDArray[np.uint8]) -> None:
        """uint8 (tiles, T, T, 3), at least one"""
        self._digests = [_digest(tile) for tile in tiles]
        self._tiles = dict(zip(self._digests, tiles, strict=True))
        self._features: dict[bytes, torch.Tensor] = {}

    def recall(self, known: Known) -> int:
        """Take over the features that are known. How many different tiles are left to be encoded."""
        for digest in list(self._tiles):
            features = known.get(digest)
            if features is not None:
                self._have(digest, features)
        return len(self._tiles)

    def encode(self, most: int, encoder: Encoder, known: Known) -> int:
        """Encode the next few tiles, in the order of the page. How many are left."""
        digests = list(self._tiles)[:most]
        tiles = torch.from_numpy(np.stack([self._tiles[digest] for digest in digests]))
        for digest, features in zip(digests, encoder(tiles).unbind(), strict=True):  # (positions, width)
            own = features.clone()  # a view would keep its neighbours alive
            known.put(digest, own)
            self._have(digest, own)
        return len(self._tiles)

    def features(self) -> torch.Tensor:
        """(tiles * positions, width), in the order of the page."""
        assert not self._tiles, "all tiles are encoded before the prompt is made"
        return torch.cat([self._features[digest] for digest in self._digests])

    def _have(self, digest: bytes, features: torch.Tensor) -> None:
        self._features[digest] = features
        del self._tiles[digest]


def _digest(tile: npt.NDArray[np.uint8]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(tile).data, digest_size=DIGEST_BYTES).digest()
