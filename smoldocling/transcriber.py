"""A page to a request for the engine, and what the engine wrote to a page.

Knows: tiles, prompts, ids, the grammar. Does not know: documents, order, failures of other pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import doctags
from smoldocling import checkpoint
from smoldocling.errors import UnknownNetwork, UnreadablePage, UnusableOption
from smoldocling.pages.documents import SourcePage
from smoldocling.result import PageResult, Status

if TYPE_CHECKING:
    from smoldocling.engine.native import Native
    from smoldocling.engine.reference import Reference
    from smoldocling.engine.sequence import Engine, Generation, Request
    from smoldocling.vocab import Vocab


class Transcriber:
    """An engine with the two things that stand between it and pages: the tokenizer and the tiles."""

    def __init__(
        self, engine: Engine, vocab: Vocab, splits: int, max_new_tokens: int | None, without_native: str | None = None
    ) -> None:
        """without_native  why it is not the native engine although that was asked for"""
        self.without_native = without_native
        self.engine = engine
        self.vocab = vocab
        self._splits = splits
        self._max_new_tokens = max_new_tokens

    def request(self, key: int, page: SourcePage) -> Request | None:
        """What the engine needs to know of a page; None for a page with nothing on it. Raises UnreadablePage."""
        from smoldocling.engine.sequence import Request
        from smoldocling.pages import tiles

        tile_px = self.vocab.checkpoint.tile_px
        pixels = page.pixels(*tiles.render_size(*page.size, splits=self._splits, tile_px=tile_px))
        cut = tiles.split(pixels, splits=self._splits, tile_px=tile_px)
        if cut.pixels.min() == cut.pixels.max():
            return None
        ids = self.vocab.prompt_ids(cut.rows, cut.columns)
        room = self.vocab.checkpoint.context_length - len(ids)
        if room <= 0:
            raise UnusableOption(
                f"splits={self._splits}: the prompt of {len(ids)} tokens fills the model's context of "
                f"{self.vocab.checkpoint.context_length}; take fewer splits"
            )
        return Request(key, cut.pixels, ids, min(room, self._max_new_tokens or room))

    def page(self, source: str, page: SourcePage, generation: Generation) -> PageResult:
        """The page that the model wrote. Raises UnreadablePage where it wrote none."""
        if generation.finish == "error":
            raise UnreadablePage(generation.error or "the engine gave no reason")
        raw = self.vocab.decode(generation.ids)
        elements = tuple(element for part in doctags.parse(raw).pages for element in part.elements)
        status: Status = "truncated" if generation.finish == "length" else "ok"
        return PageResult(
            source=source,
            number=page.number,
            status=status,
            tree=doctags.Page(elements, number=page.number, size=page.size),
            engine=self.engine.name,
            problems=doctags.validate(raw),
            raw=raw,
            error=f"cut off after {len(generation.ids)} tokens" if status == "truncated" else None,
            tokens=len(generation.ids),
            steps=generation.steps,
            seconds=generation.seconds,
        )


def load(
    name: str,
    engine: Literal["auto", "native", "transformers"],
    splits: int,
    device: str,
    dtype: str,
    batch_size: int | Literal["auto"],
    max_new_tokens: int | None,
) -> Transcriber:
    """Find the checkpoint and load it. Raises NoCheckpoint, UnusableCheckpoint, UnusableOption.

    engine  "auto" is "native", and "transformers" for networks that the native engine does not compute
    """
    found = checkpoint.find(name)
    # only now: torch and transformers take seconds to import, for nothing where there is no checkpoint
    from smoldocling.vocab import Vocab

    vocab = Vocab(found)

    def transcriber(kind: type[Native] | type[Reference], *, unknown: str | None = None) -> Transcriber:
        made = kind(found, vocab, device=device, dtype=dtype, batch_size=batch_size)
        return Transcriber(made, vocab, splits, max_new_tokens, unknown)

    unknown = None
    if engine != "transformers":
        from smoldocling.engine.native import Native

        try:
            return transcriber(Native)
        except UnknownNetwork as error:
            if engine == "native":
                raise
            unknown = str(error)
    from smoldocling.engine.reference import Reference

    return transcriber(Reference, unknown=unknown)
