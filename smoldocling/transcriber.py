"""A page to a request for the engine, and what the engine wrote to a page.

Knows: tiles, prompts, drafts, ids, the grammar. Does not know: documents, order, failures of other pages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import doctags
from smoldocling import checkpoint, loops
from smoldocling.errors import UnknownNetwork, UnreadablePage, UnusableOption
from smoldocling.result import PageResult, Status
from smoldocling.views import Tiled

if TYPE_CHECKING:
    from smoldocling.engine.native import Native
    from smoldocling.engine.reference import Reference
    from smoldocling.engine.sequence import Engine, Generation, Request
    from smoldocling.pages.textlayer import Reading
    from smoldocling.pages.tiles import Tiles
    from smoldocling.vocab import Vocab

# Tiles along the long side that documents are read with, as the authors of the model family advise.
DOCUMENT_SPLITS = 5
# A checkpoint that was taught with fewer has never seen the places of more.
LEAST_TAUGHT = 4
# An answer longer than this many times its draft, and so many ids, has run away.
MOST_TIMES, MOST_MORE = 3, 400


class Transcriber:
    """An engine with the two things that stand between it and pages: the tokenizer and the tiles."""

    def __init__(
        self,
        engine: Engine,
        vocab: Vocab,
        splits: int,
        max_new_tokens: int | None,
        drafts: bool,
        without_native: str | None = None,
    ) -> None:
        """
        drafts          give the engine what the text layer says
        without_native  why it is not the native engine although that was asked for
        """
        self.without_native = without_native
        self.engine = engine
        self.vocab = vocab
        self._splits = splits
        self._max_new_tokens = max_new_tokens
        self._drafts = drafts

    @property
    def checkpoint(self) -> str:
        """name@revision where it has one."""
        found = self.vocab.checkpoint
        return f"{found.name}@{found.revision}" if found.revision else found.name

    @property
    def view(self) -> Tiled:
        """How pages are drawn for `request`."""
        return Tiled(self._splits, self.vocab.checkpoint.tile_px)

    def request(self, key: int, cut: Tiles, reading: Reading | None) -> Request:
        """What the engine needs to know of a page.

        cut      the page as `view` draws it
        reading  the page's text layer
        """
        from smoldocling.draft import Draft, draft
        from smoldocling.engine.sequence import Request

        ids = self.vocab.prompt_ids(cut.rows, cut.columns)
        room = self.vocab.checkpoint.context_length - len(ids)
        if room <= 0:
            raise UnusableOption(
                f"splits={self._splits}: the prompt of {len(ids)} tokens fills the model's context of "
                f"{self.vocab.checkpoint.context_length}; take fewer splits"
            )
        believed = (draft(reading, self.vocab) if reading is not None else None) or Draft(())
        return Request(
            key,
            cut.pixels,
            ids,
            min(room, self._max_new_tokens or room),
            believed.ids + believed.extra if self._drafts else (),
            None if believed.length is None else MOST_TIMES * believed.length + MOST_MORE,
        )

    def page(self, source: str, number: int, size: tuple[float, float], generation: Generation) -> PageResult:
        """The page that the model wrote. Raises UnreadablePage where it wrote none."""
        if generation.finish == "error":
            raise UnreadablePage(generation.error or "the engine gave no reason")
        raw, status, error = self._kept(generation)
        result = transcribed(source, number, size, raw, self.engine.name)
        return replace(
            result,
            status=status,
            error=error,
            tokens=len(generation.ids),
            steps=generation.steps,
            seconds=generation.seconds,
        )

    def _kept(self, generation: Generation) -> tuple[str, Status, str | None]:
        """What is kept of an answer, and what became of it. One that ran away is cut back to its last good element."""
        count = len(generation.ids)
        if generation.stop is None:
            cut = generation.finish == "length"
            text = self.vocab.decode(generation.ids)
            return text, "truncated" if cut else "ok", f"cut off after {count} tokens" if cut else None
        text = loops.keep(self.vocab.decode(generation.ids[: generation.stop.start]))
        status: Status = "repeated" if generation.stop.kind == "repeated" else "truncated"
        return text, status, f"stopped after {count} tokens: {generation.stop.reason}"


def transcribed(source: str, number: int, size: tuple[float, float], raw: str, engine: str) -> PageResult:
    """The page that an answer describes."""
    elements = tuple(element for part in doctags.parse(raw).pages for element in part.elements)
    return PageResult(
        source=source,
        number=number,
        status="ok",
        tree=doctags.Page(elements, number=number, size=size),
        engine=engine,
        problems=doctags.validate(raw),
        raw=raw,
    )


def load(
    name: str,
    engine: Literal["auto", "native", "transformers"],
    splits: int | None,
    device: str,
    dtype: str,
    batch_size: int | Literal["auto"],
    max_new_tokens: int | None,
    *,
    drafts: bool,
    constrain: bool,
) -> Transcriber:
    """Find the checkpoint and load it. Raises NoCheckpoint, UnusableCheckpoint, UnusableOption.

    engine     "auto" is "native", and "transformers" for networks that the native engine does not compute
    splits     None: DOCUMENT_SPLITS, or the checkpoint's own where it was taught with fewer than LEAST_TAUGHT
    drafts     guess several ids a step; transformers guesses none
    constrain  forbid all that the validator has anything to say about; else only what changes no valid answer
    """
    found = checkpoint.find(name)
    # only now: torch and transformers take seconds to import, for nothing where there is no checkpoint
    from smoldocling.engine.stop import Watch
    from smoldocling.masks import Masks
    from smoldocling.vocab import Vocab

    vocab = Vocab(found)
    law = Masks(vocab, strict=constrain)
    tiles = splits or (DOCUMENT_SPLITS if found.splits >= LEAST_TAUGHT else found.splits)
    options: dict[str, Any] = {
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "law": law,
        "watcher": lambda most: Watch(loops.Reading(law.pieces), most),
    }

    def transcriber(made: Native | Reference, *, unknown: str | None = None) -> Transcriber:
        return Transcriber(made, vocab, tiles, max_new_tokens, drafts, unknown)

    unknown = None
    if engine != "transformers":
        from smoldocling.engine.native import Native

        try:
            return transcriber(Native(found, vocab, drafts=drafts, **options))
        except UnknownNetwork as error:
            if engine == "native":
                raise
            unknown = str(error)
    from smoldocling.engine.reference import Reference

    return transcriber(Reference(found, vocab, **options), unknown=unknown)
