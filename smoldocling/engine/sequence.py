"""What goes into an engine and what comes out: records of numbers.

Knows: token ids and image tiles. Does not know: pages, files, tags, text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from smoldocling.engine.ear import Ear
from smoldocling.engine.stop import Stop

Finish = Literal["stop", "length", "repeated", "long", "enough", "error"]

# `</doctag>` has nine letters, so it cannot be spelt in more ids.
CLOSER_TAIL = 9


@dataclass(frozen=True, slots=True)
class Request:
    """One page to be written down, or one question about it.

    key             the caller's handle; comes back unchanged with the answer
    tiles           uint8, (tiles, T, T, 3), row-major, the global view last
    ids             prompt token ids, image placeholders already expanded
    max_new_tokens  the answer is cut after so many ids
    draft           what the answer is believed to be; an engine may check it instead of guessing id by id
    most            ids that the page can have, None if nobody knows: a longer answer has run away
    lawful          the answer is a page of DocTags; else it is whatever the network writes
    ear             who hears the answer while it is written
    """

    key: int
    tiles: npt.NDArray[np.uint8]
    ids: tuple[int, ...]
    max_new_tokens: int
    draft: tuple[int, ...] = ()
    most: int | None = None
    lawful: bool = True
    ear: Ear | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """The ids that the network wrote for one request: without the prompt, without the stop id, without padding.

    `</doctag>` is an id like any other, although it ends an answer.

    finish   "stop": the model ended by itself; "length": cut at max_new_tokens or at the end of the model's context;
             "repeated", "long": stopped, `stop` says why and from where on; "enough": the ear wants no more;
             "error": `error` says why
    steps    decoder steps that this sequence took part in, the one for the stop id too; with drafts fewer than ids
    seconds  from taking the request in until the answer stood; pages of one batch share that time
    """

    key: int
    ids: tuple[int, ...]
    finish: Finish
    steps: int
    seconds: float
    error: str | None = None
    stop: Stop | None = None


class Ends(Protocol):
    """What ends an answer. An engine is told, since it cannot read; `smoldocling.vocab.Vocab` knows.

    stop_ids    each ends an answer and is no part of it
    closer_ids  end an answer together and are its last part; other ids may spell the same
    pad_id      means nothing
    """

    stop_ids: frozenset[int]
    closer_ids: tuple[int, ...]
    pad_id: int

    def closes(self, ids: Sequence[int]) -> bool:
        """Whether an answer that ends with these ids has just been closed. A tail of CLOSER_TAIL ids is enough."""
        ...


class Engine(Protocol):
    """Anything that turns requests into generations: pulls requests as it has room, yields answers as they are done."""

    name: str

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        """Answer every request exactly once, in any order. A failing request is an answer, not an exception.

        A request whose answer nobody wants any more, as the Inbox says, may be answered or not.

        `requests` may be a list, or a `smoldocling.engine.inbox.Inbox`, which says how not to wait while pages are in
        flight and when to stop early. A request is taken only when there is room for it: from then on its tiles are the
        engine's memory. The run may be closed at any `yield`, in the thread that iterates it.
        """
        ...
