"""One question about one page image: another instruction than a document's, its own limit, and somebody who listens.

Knows: prompts, requests, generations. Does not know: clients, chat.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import doctags
from smoldocling.errors import UnreadablePage, UnusableOption
from smoldocling.result import PageResult
from smoldocling.transcriber import Transcriber
from smoldocling.vocab import PAGE_INSTRUCTION

if TYPE_CHECKING:
    from smoldocling.engine.ear import Ear
    from smoldocling.engine.sequence import Generation, Request
    from smoldocling.pages.textlayer import Reading
    from smoldocling.pages.tiles import Tiles


class Asked(Transcriber):
    """The model with a question of its own, for one page.

    prompt_tokens  of the question
    generation     what came of it, when it is done
    failed         why the engine has none
    """

    def __init__(self, model: Transcriber, instruction: str, most: int | None, ear: Ear) -> None:
        super().__init__(model.engine, model.vocab, model.view.splits, most, drafts=False)
        self._instruction = instruction
        self._ear = ear
        self.prompt_tokens = 0
        self.generation: Generation | None = None
        self.failed: str | None = None

    def request(self, key: int, cut: Tiles, reading: Reading | None) -> Request:
        """What the engine needs to know. Raises UnusableOption where there is no room for an answer."""
        made = super().request(key, cut, None)
        ids = self.vocab.prompt_ids(cut.rows, cut.columns, self._instruction)
        room = self.vocab.checkpoint.context_length - len(ids)
        if room <= 0:
            raise UnusableOption(f"the prompt of {len(ids)} tokens leaves no room for an answer")
        self.prompt_tokens = len(ids)
        return replace(
            made,
            ids=ids,
            max_new_tokens=min(made.max_new_tokens, room),
            lawful=self._instruction == PAGE_INSTRUCTION,
            ear=self._ear,
        )

    def page(self, source: str, number: int, size: tuple[float, float], generation: Generation) -> PageResult:
        """What was written stays in `generation`. Raises UnreadablePage where nothing was."""
        if generation.finish == "error":
            self.failed = generation.error or "the engine gave no reason"
            raise UnreadablePage(self.failed)
        self.generation = generation
        tree = doctags.Page(number=number, size=size)
        return PageResult(source, number, "ok", tree, engine=self.engine.name, tokens=len(generation.ids))
