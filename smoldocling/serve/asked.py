"""One question about one page image: another instruction than a document's, its own limit, and somebody who listens.

Knows: prompts, requests, generations. Does not know: clients, chat.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import doctags
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Request
from smoldocling.errors import UnreadablePage, UnusableOption
from smoldocling.result import PageResult
from smoldocling.serve.attended import Attended, Attention, Ear
from smoldocling.transcriber import Transcriber
from smoldocling.vocab import PAGE_INSTRUCTION

if TYPE_CHECKING:
    from smoldocling.engine.sequence import Generation
    from smoldocling.pages.textlayer import Reading
    from smoldocling.pages.tiles import Tiles


def attend(model: Transcriber) -> None:
    """Let this model's engine heed who listens, from now on. Transformers' answers are heard when they are done."""
    if type(model.engine) is Native:
        model.engine = Attended.of(model.engine)


def takes_tasks(model: Transcriber) -> bool:
    """Whether it can be asked for something else than pages."""
    return isinstance(model.engine, Attended)


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
        if self._instruction != PAGE_INSTRUCTION:
            # every prompt that was ever made is kept, and clients can think of any number of locations
            self.vocab._prompts.pop((cut.rows, cut.columns, self._instruction), None)
        room = self.vocab.checkpoint.context_length - len(ids)
        if room <= 0:
            raise UnusableOption(f"the prompt of {len(ids)} tokens leaves no room for an answer")
        self.prompt_tokens = len(ids)
        given = {one.name: getattr(made, one.name) for one in fields(Request)}
        given |= {"ids": ids, "max_new_tokens": min(made.max_new_tokens, room)}
        return Attention(**given, ear=self._ear, lawful=self._instruction == PAGE_INSTRUCTION)

    def page(self, source: str, number: int, size: tuple[float, float], generation: Generation) -> PageResult:
        """What was written stays in `generation`. Raises UnreadablePage where nothing was."""
        if generation.finish == "error":
            self.failed = generation.error or "the engine gave no reason"
            raise UnreadablePage(self.failed)
        self.generation = generation
        tree = doctags.Page(number=number, size=size)
        return PageResult(source, number, "ok", tree, engine=self.engine.name, tokens=len(generation.ids))
