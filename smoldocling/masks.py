"""The law of DocTags over one checkpoint's ids: which ids may come next, and which must.

Joins course, spelling and pieces; implements `smoldocling.engine.constrain.Law`. Does not know: networks, tensors.

An id is legal if what it spells can still be completed to valid DocTags within the ids that are left. Two laws:

- the loose one (`strict=False`) takes for valid what the parser need not mend and the validator finds no error in;
- the strict one takes for valid what neither has anything to say about, not even a warning, but for
  `course.UNHEEDED`: three times the same words may be what stands on the page.

Both masks allow every id that leads to a valid text, so neither changes an answer that is valid in its sense: at each
of its steps the mask allows the id that the network prefers. The loose law may therefore be the default. Exceptions are
answers that nobody writes: layout between the numbers of a box, leading zeros, "Assistant:" or a chat template's tokens
within the answer, an <xcel> spelt as another span, a caption in the middle of a row, a second box of a cell; and those
that spell what can only be one text in other ids than the tokenizer would (`<l`, `oc` for `<`, `loc`): there the mask
allows the tokenizer's own ids only, which makes them `forced`, and the text is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from doctags.grammar import LOC, START
from doctags.tokens import LAYOUT, TAGS
from doctags.tree import GRID
from smoldocling.course import Point, Rules
from smoldocling.engine.constrain import Mask
from smoldocling.pieces import Pieces
from smoldocling.spelling import NUMBERS, Where, certain, endings, locations, names, read, samples
from smoldocling.vocab import Vocab

# States, and rules, whose masks are kept. A page has some hundreds; a mask has as many bytes as there are ids.
KEPT = 256

# Where nothing can be completed. Any number of ids is less.
NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class _Choice:
    """A mask, and its id if it has only one."""

    mask: Mask
    only: int | None


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """What rules and a tag begun say about ids.

    sure     legal, whatever else
    special  those of `sure` that do more than to add to a text
    beyond   by the tag that they complete: ids that go on behind it, and how; legal if that is
    asked    others that must be read to be judged
    """

    sure: Mask
    special: tuple[int, ...]
    beyond: tuple[tuple[str, tuple[tuple[int, str], ...]], ...]
    asked: tuple[int, ...]


class Masks:
    """One checkpoint's law, strict or loose. Raises UnusableCheckpoint if its tokenizer cannot spell tags.

    pieces  what the checkpoint's ids spell

    Everything is found out when it is needed first. It may be used by several threads; at worst they work twice.
    """

    def __init__(self, vocab: Vocab, pieces: Pieces | None = None, *, strict: bool) -> None:
        self._vocab = vocab
        self.pieces = pieces or Pieces(vocab)
        self._plain = self.pieces.plain.tobytes()
        self._size = len(self.pieces.texts)
        self._stops = [token for token in sorted(vocab.stop_ids) if token < self._size]
        self._start = Where(Point(strict=strict))
        self._strict = strict
        self._most = max(map(self.pieces.fewest, (*TAGS, "</key_123456789>")))
        self._choices: WeakValueDictionary[bytes, _Choice] = WeakValueDictionary()
        self._choice = lru_cache(maxsize=KEPT)(self._choose)
        self._costs = lru_cache(maxsize=KEPT)(self._count)
        self._way_out = lru_cache(maxsize=4096)(self._measure)
        self._text_base = lru_cache(maxsize=KEPT)(self._make_text_base)
        self._tag_base = lru_cache(maxsize=KEPT)(self._make_tag_base)
        self._canonical = lru_cache(maxsize=8192)(self._encode)
        self._numbers = lru_cache(maxsize=2048)(self._list_numbers)

    @property
    def start(self) -> Where:
        """Before the first id."""
        return self._start

    def advance(self, state: Where, token: int) -> Where:
        """Where we are behind one more id. ValueError for one that may not come."""
        if state.idle and 0 <= token < self._size and self._plain[token]:
            return state
        if token in self._vocab.stop_ids and self._may_stop(state):
            return state
        text = self.pieces.texts[token] if 0 <= token < self._size else ""
        found = read(state, text) if text else None
        if found is None:
            raise ValueError(f"id {token}, which spells {text!r}, may not come here")
        return found

    def mask(self, state: Where, left: int) -> Mask:
        """Which ids may come, (vocabulary,), read-only. A limit below `closing(start)` is not kept to."""
        return self._pick(state, left).mask

    def forced(self, state: Where, left: int) -> tuple[int, ...]:
        """The ids that must come next, whatever comes then."""
        found: list[int] = []
        while left > len(found) and not state.complete:
            only = self._pick(state, left - len(found)).only
            if only is None or only in self._vocab.stop_ids:
                break
            found.append(only)
            state = self.advance(state, only)
        return tuple(found)

    def allows(self, state: Where, ids: Sequence[int], left: int) -> int:
        """How many of these ids may come, one after the other."""
        for count, token in enumerate(ids):
            if not (0 <= token < self._size and count < left and self.mask(state, left - count)[token]):
                return count
            state = self.advance(state, token)
        return len(ids)

    def closing(self, state: Where) -> int:
        """The fewest ids that complete the document."""
        point, begun = state.point, state.pending
        if not begun:
            return 0 if self._may_stop(state) else self._way_out(point, "")
        ends = set() if point.rules.text else {*endings(point.rules, begun)}
        ends |= {tag[len(begun) :] for tag in point.closers if tag.startswith(begun) and point.rules.legal(tag)}
        ways = [self._way_out(point.after(begun + end), end) for end in ends]
        return min([*ways, self._way_out(point, "")] if point.rules.text else ways)

    def _measure(self, point: Point, end: str) -> int:
        """The fewest ids that spell the end of a tag and what completes the document behind it."""
        return self.pieces.fewest(end + "".join(point.closers))

    # --- what may come if there is room, and if there is little ---

    def _pick(self, state: Where, left: int) -> _Choice:
        if left > self._far(state) or left > self.closing(state) + self._reach(state):
            return self._choice(state)
        costs = self._costs(state)
        if left <= costs.min():
            return self._choice(state)
        return self._intern(costs < left)

    def _far(self, state: Where) -> int:
        """No fewer than `closing` and `_reach` together, in less time."""
        return self._most * (8 * state.point.weight + 40)

    def _reach(self, state: Where) -> int:
        """By how much one id can take us further from the end."""
        spots = state.point.state.spots[-2:]
        return self._most * (
            12 * (1 + bool(self.pieces.mixed)) + max((len(spot.above or ()) for spot in spots), default=0)
        )

    def _choose(self, state: Where) -> _Choice:
        if state.complete:
            return self._only(self._stops)
        if must := self._must(state):
            return self._only([must])
        base = self._base(state)
        mask = base.sure
        read_on = [token for token in base.asked if read(state, self.pieces.texts[token])]
        read_on += [token for tag, ways in base.beyond for token in _viable(state.point.after(tag), ways)]
        if read_on:
            mask = mask.copy()
            mask[read_on] = True
        if self._may_stop(state):
            mask = mask.copy()
            mask[self._stops] = True
        return self._intern(mask)

    def _count(self, state: Where) -> npt.NDArray[np.int32]:
        """What `closing` would say behind each id, (vocabulary,); NEVER where that id may not come."""
        costs = np.full(self._size, NEVER, np.int32)
        if state.complete:
            costs[self._stops] = 0
            return costs
        base = self._base(state)
        special = [*base.asked, *base.special, *(token for _, ways in base.beyond for token, _ in ways)]
        if state.point.rules.text:
            said = state.point.said("a")
            assert said is not None, "any text may come"
            costs[base.sure] = self.closing(Where(said))
            closer = said.closers[0]
            begun = state.pending if closer.startswith(state.pending) else ""
            special += [*self.pieces.beginnings(closer[len(begun) :]), *self.pieces.beginnings(closer)]
            special += self.pieces.tails
        elif base.sure.any():
            special += np.flatnonzero(base.sure & ~self.pieces.layout).tolist()
            costs[base.sure & self.pieces.layout] = self.closing(state)
        located = base.sure & self.pieces.located
        if located.any():  # one place is as good as another
            special = [token for token in special if not located[token]]
            costs[located] = self.closing(self.advance(state, int(located.argmax())))
        for token in special:
            found = read(state, self.pieces.texts[token])
            if found is not None:
                costs[token] = self.closing(found)
        if self._may_stop(state):
            costs[self._stops] = 0
        return costs

    def _may_stop(self, state: Where) -> bool:
        """Nothing at all is a valid answer, too, unless a document is asked for."""
        return state.complete or (not self._strict and state.point.state == START and not state.pending)

    def _only(self, tokens: list[int]) -> _Choice:
        mask = np.zeros(self._size, np.bool_)
        mask[tokens] = True
        return self._intern(mask)

    def _intern(self, mask: Mask) -> _Choice:
        key = np.packbits(mask).tobytes()
        choice = self._choices.get(key)
        if choice is None:
            mask.flags.writeable = False
            choice = _Choice(mask, int(mask.argmax()) if np.count_nonzero(mask) == 1 else None)
            self._choices[key] = choice
        return choice

    # --- which ids spell what may come ---

    def _base(self, state: Where) -> _Base:
        rules = state.point.rules
        if not rules.text:
            return self._tag_base(rules, state.pending)
        said = state.point.said(state.pending) if state.pending else state.point
        assert said is not None, "any text may come"
        return self._text_base(rules, state.pending, said.rules)

    def _make_text_base(self, rules: Rules, begun: str, later: Rules) -> _Base:
        """Where text may come: everything but what spells a tag that may not. `later`: if what was begun is text."""
        pieces = self.pieces
        sure = pieces.some.copy()
        sure[pieces.mixed] = False
        beyond, special = [], [*pieces.whole]
        for token, tag in pieces.whole.items():
            sure[token] = later.legal(tag) or later.quotes(tag)
        for head, found in pieces.heads.items() if begun else ():
            ids = [token for token, _ in found]
            if rules.legal(begun + head):
                ways = _ways(found)
                beyond.append((begun + head, ways))
                special += ids
                sure[[token for token, _ in ways]] = False
            elif not rules.quotes(begun + head):
                sure[ids] = False
        return _Base(sure, tuple(token for token in special if sure[token]), tuple(beyond), tuple(pieces.mixed))

    def _make_tag_base(self, rules: Rules, begun: str) -> _Base:
        """Where no text may come: what spells a part of a legal tag, or layout."""
        pieces = self.pieces
        sure = np.zeros(self._size, np.bool_)
        asked = [*pieces.mixed]
        if rules.layout and not begun:
            sure |= pieces.layout
            asked += pieces.leads
        beyond = []
        for tag in names(rules):
            if tag.startswith(begun):
                sure[pieces.beginnings(tag[len(begun) :])] = True
                beyond.append((tag, _ways(pieces.heads.get(tag[len(begun) :], ()))))
        if LOC in rules.allowed:
            numbers = self._numbers(begun)
            sure[numbers.tokens[(numbers.greatest >= rules.least) & (numbers.smallest <= rules.most)]] = True
            beyond += [
                (f"<loc_{number}>", ways) for number, ways in numbers.beyond if rules.least <= number <= rules.most
            ]
        if any(terminal in rules.allowed for terminal in NUMBERS if terminal != LOC):
            asked += pieces.counting
        return _Base(sure, (), tuple((tag, ways) for tag, ways in beyond if ways), tuple(dict.fromkeys(asked)))

    def _list_numbers(self, begun: str) -> _Numbers:
        found: dict[int, list[int]] = {}
        beyond = []
        for number, tag in enumerate(locations(0, GRID)):
            if tag.startswith(begun):
                rest = tag[len(begun) :]
                for token in self.pieces.beginnings(rest):
                    found.setdefault(token, []).append(number)
                beyond.append((number, _ways(self.pieces.heads.get(rest, ()))))
        tokens = np.array([*found], np.int64)
        smallest = np.array([min(numbers) for numbers in found.values()], np.int64)
        greatest = np.array([max(numbers) for numbers in found.values()], np.int64)
        return _Numbers(tokens, smallest, greatest, tuple((number, ways) for number, ways in beyond if ways))

    # --- what must come ---

    def _must(self, state: Where) -> int | None:
        """The id that the tokenizer writes for the only text that may come."""
        text = certain(state)
        if not text:
            return None
        behind = read(state, text)
        assert behind is not None, "what must come may come"
        return self._canonical(state.pending, text, samples(behind))

    def _encode(self, begun: str, text: str, nexts: tuple[str, ...]) -> int | None:
        """The first id of `text` behind `begun`, if the tokenizer has one there whatever comes next."""
        found = {self._first(begun, begun + text + letter, len(begun + text)) for letter in nexts or ("",)}
        return found.pop() if len(found) == 1 else None

    def _first(self, begun: str, source: str, end: int) -> int | None:
        at = 0
        for token in self._vocab.encode(source):
            if at == len(begun):
                return token if at + len(self.pieces.texts[token]) <= end else None
            at += len(self.pieces.texts[token])
        return None


@dataclass(frozen=True, slots=True, eq=False)
class _Numbers:
    """Ids that go on with <loc_N> from a beginning.

    smallest, greatest  the N that each of `tokens` may lead to
    beyond              by N: ids that end the tag and go on
    """

    tokens: npt.NDArray[np.int64]
    smallest: npt.NDArray[np.int64]
    greatest: npt.NDArray[np.int64]
    beyond: tuple[tuple[int, tuple[tuple[int, str], ...]], ...]


def _ways(found: Iterable[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    return tuple((token, rest) for token, rest in found if rest)


def _viable(point: Point, ways: Iterable[tuple[int, str]]) -> Iterator[int]:
    """The ids that may go on as they do behind this point; none of them holds a whole tag."""
    rules, where = point.rules, Where(point)
    if rules.text:
        return (token for token, _ in ways)
    first = f"<{LAYOUT if rules.layout else ''}"
    return (token for token, rest in ways if rest[0] in first and read(where, rest))
