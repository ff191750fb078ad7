"""What is asked of a stream's documents is found once, within bounds, and in order where that is wanted."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import PurePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.errors import UnreadablePage, UnusableInput
from smoldocling.feed import Fed, Feed, Over
from smoldocling.intake import Intake, Seen, Unopened
from smoldocling.pages.documents import Locked
from smoldocling.pages.sources import Source, Unfit
from smoldocling.selection import Selection
from smoldocling.workers.board import Answer, Order
from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Count, Counted, Cut, Paper, Read, Work
from smoldocling.workers.pool import Reply

LONG = 20.0  # seconds after which a test is stuck


class Shuffled:
    """Hands that answer in any order, in a thread of their own. A document has as many pages as its content has bytes;
    one that begins with ! cannot be opened, one that begins with ? is locked; page 3 always fails.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._waiting: list[tuple[Order, Reply]] = []
        self._changed = threading.Condition()
        self.most = 0
        self.papers: set[str] = set()
        self.asked: list[tuple[str, int]] = []
        self._over = False
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def put(self, order: Order, reply: Reply) -> None:
        with self._changed:
            self._waiting.append((order, reply))
            self.most = max(self.most, len(self._waiting))
            self.papers.add(order.paper.key)
            if isinstance(order.work, Read):
                self.asked.append((order.paper.source.name, order.work.number))
            self._changed.notify_all()

    def forget(self, paper: Paper) -> None:
        with self._changed:
            self.papers.remove(paper.key)  # and not twice

    def withdraw(self, lane: object) -> None:
        with self._changed:
            self._waiting = [(order, reply) for order, reply in self._waiting if order.lane is not lane]

    def close(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._over)
                if self._over:
                    return
            if self._random.random() < 0.3:
                time.sleep(0.0005)  # more may come
            with self._changed:
                if not self._waiting:
                    continue
                order, reply = self._waiting.pop(self._random.randrange(len(self._waiting)))
                reply(self._answer(order))
                self.most = max(self.most, len(self._waiting))

    def _answer(self, order: Order) -> Answer:
        content = order.paper.source.content
        assert isinstance(content, bytes)
        if isinstance(order.work, Count):
            if content.startswith(b"!"):
                return Answer(error=UnusableInput("broken"))
            if content.startswith(b"?") and order.paper.password is None:
                return Answer(error=Locked("locked"))
            return Answer(Counted(len(content), (), None))
        if isinstance(order.work, Read) and order.work.number == 3:
            return Answer(error=UnreadablePage("three"))
        return Answer(order.work)


def intake(hands: Shuffled, window: int, span: int | None, *, follow: bool = False) -> Intake:
    def then(seen: Seen) -> Work | None:
        return Cut(seen.number, None, image=True) if follow and seen.number % 2 else None

    return Intake(Selection(), hands, lambda number: Read(number, None), then, Limits(), window, span)


sources = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([b"", b"!", b"?"]), st.integers(0, 6), st.sets(st.integers(1, 6), max_size=3)),
        st.just(None),
    ),
    max_size=8,
)


@settings(max_examples=120, deadline=None)
@given(
    sources,
    st.integers(1, 7),
    st.none() | st.integers(1, 6),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 12),
    st.integers(0, 99),
)
def test_every_page_is_found_once_and_in_order_on_request(
    plan: list[Any], window: int, span: int | None, follow: bool, breaks: bool, leaves: int | None, seed: int
) -> None:
    """Documents of any length that open or not, pages that fail, are skipped or need more, answers in any order."""
    hands = Shuffled(seed)
    wanted: list[tuple[str, int]] = []
    given_: list[Source | Unfit] = []
    for n, entry in enumerate(plan):
        if entry is None:
            given_.append(Unfit(f"{n}", "unfit"))
            wanted.append((f"{n}", 0))
            continue
        mark, pages, skip = entry
        content = mark + b"x" * pages
        given_.append(Source(f"{n}", PurePath(f"{n}"), content, skip=frozenset(skip)))
        if mark == b"!" or not content:
            wanted.append((f"{n}", 0))
        else:
            wanted += [(f"{n}", number) for number in range(1, len(content) + 1) if number not in skip]

    def taken() -> Iterator[Source | Unfit]:
        yield from given_
        if breaks:
            raise LookupError("the database went away")

    found: list[tuple[str, int]] = []
    tickets: list[int] = []
    raised = False
    stream = intake(hands, window, span, follow=follow)
    held: dict[int, Seen | Unopened] = {}
    try:
        with closing(stream.pages(taken(), lambda name: "open sesame")) as pages:
            for thing in itertools.islice(pages, leaves):
                tickets.append(thing.ticket)
                held[thing.ticket] = thing
                assert span is None or max(tickets) - len(found) < span + len(plan)
                while len(found) in held:
                    one = held.pop(len(found))
                    stream.handed_on()
                    if isinstance(one, Unopened):
                        found.append((one.unfit.name, 0))
                        continue
                    found.append((one.job.source.name, one.number))
                    assert (one.answer.error is not None) == (one.number == 3)
                    assert (one.more is not None) == (follow and bool(one.number % 2))
                    stream.finish(one.job)
    except LookupError:
        raised = True
    stream.close()
    hands.close()
    assert sorted(tickets) == sorted(set(tickets))
    assert hands.most <= window
    assert hands.papers == set(), "every document is given back"
    whole = leaves is None or leaves > len(wanted)
    if whole:
        assert raised == breaks
        assert sorted(found) == sorted(wanted)
        assert tickets == [*range(len(wanted))] or sorted(tickets) == [*range(len(wanted))]
    if span is not None:
        assert found == wanted[: len(found)]
        assert hands.asked == sorted(hands.asked), "pages are asked for in their order"


def test_a_source_that_hangs_holds_back_no_page_and_nobody_who_leaves() -> None:
    """Inputs may come from a queue that stays empty for a day."""
    go_on = threading.Event()

    def taken() -> Iterator[Source]:
        yield Source("a", PurePath("a"), b"xxxx")
        assert go_on.wait(LONG)

    hands = Shuffled(0)
    stream = intake(hands, 3, None)
    pages = stream.pages(taken(), None)
    assert len([next(pages) for _ in range(4)]) == 4
    begun = time.monotonic()
    pages.close()
    assert time.monotonic() - begun < 1.0
    go_on.set()
    hands.close()


def test_documents_are_taken_no_faster_than_their_pages_are_wanted() -> None:
    """An endless supply must not end in memory."""
    hands = Shuffled(0)
    taken = itertools.count()
    stream = intake(hands, 4, None)
    pages = stream.pages((Source(f"{n}", PurePath(f"{n}"), b"x") for n in taken), None)
    for _ in range(50):
        stream.finish(next(pages).job)  # type: ignore[union-attr]
    assert next(taken) < 50 + 3 * 4
    pages.close()
    stream.close()
    hands.close()


def test_who_waits_for_a_page_is_woken_when_nobody_wants_it_any_more() -> None:
    """A caller that leaves must not wait until the slowest page is done."""

    class Silent(Shuffled):
        def _answer(self, order: Order) -> Answer:
            time.sleep(0.05)
            return super()._answer(order)

    hands = Silent(0)
    stream = intake(hands, 2, None)
    pages = stream.pages([Source("a", PurePath("a"), b"xxxxxxxx")], None)
    next(pages)
    threading.Timer(0.02, stream.wake).start()
    assert len(list(pages)) < 7
    hands.close()


@pytest.mark.parametrize("ends", ["is over", "raises", "is stopped"])
def test_a_feed_takes_what_is_asked_for_and_no_more(ends: str) -> None:
    """The caller's iterator may be a queue whose things are gone once they are taken."""
    told: list[Fed[int] | Over] = []
    taken: list[int] = []

    def things() -> Iterator[int]:
        for n in range(3):
            taken.append(n)
            yield n
        if ends == "raises":
            raise LookupError("gone")

    feed = Feed(things(), told.append)
    for count in range(1, 3):
        feed.more()
        limit = time.monotonic() + LONG
        while len(told) < count and time.monotonic() < limit:
            time.sleep(0.001)
        assert taken == [*range(count)]
    if ends != "is stopped":
        feed.more()
        feed.more()
        limit = time.monotonic() + LONG
        while len(told) < 4 and time.monotonic() < limit:
            time.sleep(0.001)
        assert [one.thing for one in told if isinstance(one, Fed)] == [0, 1, 2]
        last = told[-1]
        assert isinstance(last, Over)
        assert isinstance(last.error, LookupError) == (ends == "raises")
    feed.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "smoldocling-inputs"]
