"""How a page is drawn for who reads it: cut into tiles for our own engines, as one image for somebody's server.

Knows: open pages, tiles. Does not know: what becomes of the pixels. It is done where the document is open, so that only
what the reader needs comes back.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from smoldocling.pages import tiles

if TYPE_CHECKING:
    from smoldocling.pages.documents import SourcePage

# Paper that was scanned is not quite of one colour.
GRAIN = 24


class View(Protocol):
    """A way to draw pages. It, and what it gives, can be pickled."""

    def of(self, page: SourcePage) -> Any:
        """What the reader gets; None for a page with nothing on it. Raises UnreadablePage."""
        ...


@dataclass(frozen=True, slots=True)
class Tiled:
    """Tiles, `splits` of them along the long side."""

    splits: int
    tile_px: int

    def of(self, page: SourcePage) -> tiles.Tiles | None:
        """uint8 tiles."""
        pixels = page.pixels(*tiles.render_size(*page.size, splits=self.splits, tile_px=self.tile_px))
        cut = tiles.split(pixels, splits=self.splits, tile_px=self.tile_px)
        return cut if int(cut.pixels.max()) - int(cut.pixels.min()) >= GRAIN else None


@dataclass(frozen=True, slots=True)
class Whole:
    """One image, as long as `splits` tiles."""

    splits: int
    tile_px: int

    def of(self, page: SourcePage) -> bytes | None:
        """A PNG."""
        pixels = page.pixels(*tiles.render_size(*page.size, splits=self.splits, tile_px=self.tile_px))
        image = tiles.fitted(pixels, splits=self.splits, tile_px=self.tile_px)
        low, high = image.convert("L").getextrema()
        if cast("int", high) - cast("int", low) < GRAIN:
            return None
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()
