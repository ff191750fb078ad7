"""Characters to tokens, with their offsets.

Knows: what a tag looks like, what a guarded tag is. Does not know: what tags mean or where they may stand.
Total: whatever is not a known tag is text, and the tokens' spans cover the source without gap or overlap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from doctags.tokens import GUARD, Tag, lookup

# The longest tag name has 29 characters; a longer run between brackets cannot be one.
CANDIDATE = re.compile(rf"<{GUARD}*[^<>\s{GUARD}]{{1,32}}>")


class Token(NamedTuple):
    """A tag (`tag` is not None) or a stretch of text; `start:end` are offsets in the source.

    `text` is as in the source, but for a guarded tag, which has lost one guard.
    """

    tag: Tag | None
    text: str
    start: int
    end: int


def tokens(source: str, offset: int = 0) -> Iterator[Token]:
    """Split `source` into tags and text. `offset` is added to every span.

    Two text tokens may follow each other; they are one text.
    """
    done = 0
    for match in CANDIDATE.finditer(source):
        spelling = match.group()
        tag = lookup(spelling)
        if tag is None:
            spelling = unguarded(spelling)
            if not spelling:
                continue
        start, end = match.span()
        if start > done:
            yield Token(None, source[done:start], offset + done, offset + start)
        yield Token(tag, spelling, offset + start, offset + end)
        done = end
    if done < len(source):
        yield Token(None, source[done:], offset + done, offset + len(source))


def unguarded(candidate: str) -> str:
    """A guarded tag without its first guard; "" where it is no guarded tag."""
    if candidate[1] != GUARD or lookup(candidate.replace(GUARD, "")) is None:
        return ""
    return "<" + candidate[2:]


def guarded(text: str, label: str = "") -> str:
    """Text that reads as itself: whatever in it looks like a tag gets a guard, whatever has guards gets one more.

    Classes and languages are tags only where one may stand; `label` says which of the two may stand here ("" neither).
    `tokens` undoes it: the text of all tokens of `guarded(text)`, joined, is `text`.
    """
    return CANDIDATE.sub(lambda match: _guard(match.group(), label), text) if "<" in text else text


def _guard(candidate: str, label: str) -> str:
    tag = lookup(candidate.replace(GUARD, ""))
    if tag is None or (candidate[1] != GUARD and tag.role in ("class", "language") and tag.role != label):
        return candidate
    return f"<{GUARD}{candidate[1:]}"


class Feeder:
    """Cuts a stream of chunks where no tag can straddle the cut.

    Linear: a chunk without `>` completes no tag and is only put aside.
    """

    def __init__(self) -> None:
        self._aside: list[str] = []

    def feed(self, chunk: str) -> str:
        """What can be read now: all up to the last `<` that is still without its `>`."""
        if ">" not in chunk:
            self._aside.append(chunk)
            return ""
        last = chunk.rfind("<")
        end = last if last > chunk.rfind(">") else len(chunk)
        source = "".join((*self._aside, chunk[:end]))
        self._aside = [chunk[end:]]
        return source

    def close(self) -> str:
        """The rest."""
        return "".join(self._aside)
