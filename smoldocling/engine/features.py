"""Tiles on their way to features. Equal tiles are encoded once, on one page and across pages.

Knows: tiles as bytes, features as tensors. Does not know: how tiles are encoded, whose turn it is.
Law: a page's features are those of its own tiles in their order, whatever was encoded before and whatever is forgotten.
It rests on the vision tower's: what a tile becomes depends on that tile alone.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch

# White tiles are the common case and are used on nearly every page, so they stay. The rest is for letterheads, forms
# and slides that repeat within a document: 24 whole pages of the 256M network in bfloat16, at 74 KB a tile.
KNOWN_BYTES = 32 << 20

# 128 bits: among 2^40 tiles, fifty billion pages, the chance of two that are wrongly taken for equal is 1e-15.
DIGEST_BYTES = 16

Tile = npt.NDArray[np.uint8]

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
        """(positions, width), in memory of their own. Of two pages on their way at once both may have one tile."""
        if digest in self._features:
            return
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

    def __init__(self, tiles: Tile, each: Callable[..., Iterable[bytes]] = map) -> None:
        """
        tiles  uint8 (tiles, T, T, 3), at least one
        each   how something is done with all of them; a digest takes most of a millisecond, and threads may share them
        """
        self._digests = list(each(_digest, tiles))
        self._tiles = dict(zip(self._digests, tiles, strict=True))
        self._features: dict[bytes, torch.Tensor] = {}
        self._sent: set[bytes] = set()

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
        self.take(digests, encoder(tiles), known)
        return len(self._tiles)

    def send(self, most: int) -> dict[bytes, Tile]:
        """The next few tiles that have not been sent yet: they will come back as features, to `take`."""
        unsent = [digest for digest in self._tiles if digest not in self._sent][:most]
        self._sent.update(unsent)
        return {digest: self._tiles[digest] for digest in unsent}

    def take(self, digests: Iterable[bytes], features: torch.Tensor, known: Known) -> None:
        """(tiles, positions, width) of these tiles."""
        for digest, found in zip(digests, features.unbind(), strict=True):  # (positions, width)
            own = found.clone()  # a view would keep its neighbours alive
            known.put(digest, own)
            self._have(digest, own)

    @property
    def left(self) -> int:
        """Different tiles that have neither been encoded nor sent."""
        return len(self._tiles.keys() - self._sent)

    def lose(self) -> None:
        """What was sent does not come back."""
        self._sent.clear()

    def features(self) -> torch.Tensor:
        """(tiles * positions, width), in the order of the page."""
        assert not self._tiles, "all tiles are encoded before the prompt is made"
        return torch.cat([self._features[digest] for digest in self._digests])

    def _have(self, digest: bytes, features: torch.Tensor) -> None:
        self._features[digest] = features
        self._sent.discard(digest)
        del self._tiles[digest]


def _digest(tile: Tile) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(tile).data, digest_size=DIGEST_BYTES).digest()
