"""What these models can be asked about a page: the instructions that they were taught with.

Knows: sentences, and the tags that their answers need. Does not know: prompts as ids, pages.
Source: the model cards of SmolDocling-256M-preview and granite-docling-258M.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smoldocling.vocab import PAGE_INSTRUCTION, Vocab

_BOX = r"(?:<loc_(?:\d{1,2}|[1-4]\d\d|500)>){4}"


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of instruction: how it looks, which ones are meant, and the tags that its answer needs."""

    shown: str
    pattern: str
    tags: tuple[str, ...]


def _plain(sentence: str, tag: str) -> Task:
    return Task(sentence, re.escape(sentence), (tag,))


TASKS = (
    _plain(PAGE_INSTRUCTION, "<doctag>"),
    _plain("Convert chart to table.", "<chart>"),
    _plain("Convert formula to LaTeX.", "<formula>"),
    _plain("Convert code to text.", "<code>"),
    _plain("Convert table to OTSL.", "<otsl>"),
    Task(
        "OCR the text in a specific location: <loc_155><loc_233><loc_206><loc_237>",
        rf"OCR the text in a specific location: {_BOX}",
        ("<text>",),
    ),
    Task("Identify element at: <loc_247><loc_482><loc_252><loc_486>", rf"Identify element at: {_BOX}", ("<text>",)),
    Task(
        "Find all 'text' elements on the page, retrieve all section headers.",
        r"Find all '[a-z_]{1,40}' elements on the page, retrieve all section headers\.",
        ("<text>",),
    ),
    Task(
        "Detect footer elements on the page.",
        r"Detect [a-z_ ]{1,40} elements(?: on the page)?\.?",
        ("<page_footer>",),
    ),
)


def known(vocab: Vocab) -> list[Task]:
    """What a checkpoint can answer: its vocabulary has the tags."""
    return [task for task in TASKS if task.shown == PAGE_INSTRUCTION or all(map(vocab.has, task.tags))]


def understood(instruction: str, vocab: Vocab) -> str | None:
    """The instruction as the model knows it; None for one that it was not taught."""
    plain = " ".join(instruction.split())
    return plain if any(re.fullmatch(task.pattern, plain) for task in known(vocab)) else None
