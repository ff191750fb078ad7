"""What each id of a tokenizer spells, sorted by what it can do to a tag.

Knows: a checkpoint's vocabulary, which spellings are tags, what layout is. Does not know: which tag may stand where.
Half of a UTF-8 character is U+FFFD here: tags are ASCII, so it can be nothing but text.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from doctags.lexer import CANDIDATE
from doctags.tokens import LAYOUT, TAGS, lookup
from smoldocling.errors import UnusableCheckpoint
from smoldocling.vocab import Vocab

_STEMS = ("<key_", "<value_", "<link_")
_INFIXES = {stem[start:end] for stem in _STEMS for start in range(len(stem)) for end in range(start, len(stem) + 1)}
COUNTING = re.compile(rf"(?:{'|'.join(sorted(_INFIXES))})[0-9]*(?:>.*)?", re.DOTALL)
"""What may stand in a tag with a number that is no location."""

_PARTS = {
    tag[start:end]
    for tag in (*TAGS, "</key_", "</value_", "<key_", "<value_", "<link_", *map(str, range(1000)))
    for start in range(len(tag))
    for end in range(start + 1, len(tag) + 1)
}
PART = re.compile(r"[<>/_a-zA-Z0-9|#+]+")
"""What tags are made of. One id may hold the end of a tag and the beginning of the next."""

DEPTH = 100
"""Letters by which a recursion over a text may go down."""

CLOSER = re.compile(r"<(?:/[a-z0-9_]*)?\Z")
"""The beginning of a closing tag, at the end of a text."""


class Pieces:
    """All ids below the network's vocabulary size. Made in one pass over it.

    texts   what the id spells, "" where it stands for nothing: an end, padding, a number without a token
    some    ids that stand for something
    plain   those without any `<` or `>`
    layout  those that are layout only
    located  those that are a location each
    whole   ids that are exactly one tag each, and that tag
    mixed   ids that hold a tag and something more
    heads   other ids by what they spell up to their first `>`, if no `<` is before it: what may end a tag that has
            been begun; with the rest behind that `>`
    leads   ids that are layout and then the beginning of a tag
    tails   ids that are text and then the beginning of a closing tag
    counting  ids that may stand in a tag with a number
    """

    def __init__(self, vocab: Vocab) -> None:
        size = vocab.checkpoint.vocab_size
        self.texts = [vocab.decode((token,)) for token in range(size)]
        self.some, self.plain, self.layout, self.located = (np.zeros(size, np.bool_) for _ in range(4))
        self.whole: dict[int, str] = {}
        self.mixed: list[int] = []
        self.leads: list[int] = []
        self.tails: list[int] = []
        self.counting: list[int] = []
        self.heads: dict[str, list[tuple[int, str]]] = {}
        self._ids: dict[str, list[int]] = {}
        for token, text in enumerate(self.texts):
            if text:
                self._sort(token, text)
        missing = sorted({letter for tag in TAGS for letter in tag} - self._ids.keys())
        if missing:
            path = vocab.checkpoint.folder / "tokenizer.json"
            raise UnusableCheckpoint(f"{path} has no id for {missing[0]!r}, which tags are spelt with")
        self._parts: dict[str, list[str]] = {}
        for text in self._ids:
            if PART.fullmatch(text) and set(text.replace("><", ">\n<").split("\n")) <= _PARTS:
                self._parts.setdefault(text[0], []).append(text)
        self._cover = lru_cache(maxsize=65_536)(self._least)

    def _sort(self, token: int, text: str) -> None:
        self._ids.setdefault(text, []).append(token)
        self.some[token] = True
        if COUNTING.fullmatch(text):
            self.counting.append(token)
        if "<" not in text and ">" not in text:
            self.plain[token] = True
            self.layout[token] = not text.strip(LAYOUT)
            return
        if tag := lookup(text):
            self.whole[token] = text
            self.located[token] = tag.role == "loc"
        elif any(lookup(match.group()) for match in CANDIDATE.finditer(text)):
            self.mixed.append(token)
        else:
            head, bracket, rest = text.partition(">")
            if bracket and "<" not in head:
                self.heads.setdefault(head + bracket, []).append((token, rest))
            if text[0] in LAYOUT and text.lstrip(LAYOUT)[0] == "<":
                self.leads.append(token)
            if text.rfind("<") > 0 and CLOSER.search(text):
                self.tails.append(token)

    def ids(self, text: str) -> list[int]:
        """The ids that spell exactly this."""
        return self._ids.get(text, [])

    def beginnings(self, text: str) -> list[int]:
        """The ids that spell a beginning of this, or all of it."""
        return [token for end in range(1, len(text) + 1) for token in self._ids.get(text[:end], ())]

    def fewest(self, text: str) -> int:
        """The fewest ids that spell some tags."""
        for start in range(len(text) - DEPTH, 0, -DEPTH):  # what comes later first, so that the recursion stays flat
            self._cover(text[start:])
        return self._cover(text)

    def _least(self, text: str) -> int:
        if not text:
            return 0
        return 1 + min(self._cover(text[len(part) :]) for part in self._parts[text[0]] if text.startswith(part))
