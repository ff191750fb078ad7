"""The documents of one stream, on their way through the workers: opened, and the pages in them that were asked for.

Knows: which pages are wanted, passwords, documents by their papers, who carries out orders. Does not know: what is
ordered of a page, engines, results.
Laws: every page that was asked for is found, missed or skipped exactly once, and every source that cannot be opened is
told of once. At most `window` orders are on their way, and so many documents ahead of them. What is found has a ticket,
counted from 0 without gaps; with a `span`, in the order of the sources and their pages, and then at most so many more
than have been handed on. A document is given back when its last page is done.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from PIL import Image

from smoldocling.errors import UnusableInput
from smoldocling.feed import Fed, Feed, Over
from smoldocling.layer import reason
from smoldocling.pages import documents, sources
from smoldocling.selection import Selection
from smoldocling.workers.board import Answer, Order
from smoldocling.workers.limits import Limits
from smoldocling.workers.orders import Count, Counted, Paper, Work
from smoldocling.workers.pool import Here, Reply

_PAPERS = itertools.count()


class Hands(Protocol):
    """Who carries out orders: a pool of processes, or this one."""

    def put(self, order: Order, reply: Reply) -> None:
        """Have it done."""
        ...

    def forget(self, paper: Paper) -> None:
        """Nothing more is wanted of a document."""
        ...

    def withdraw(self, lane: object) -> None:
        """Nothing more is wanted by a lane."""
        ...


class Job:
    """One document on its way through; `left` pages of `numbers` are not done yet.

    alone  why its pages are read without a look at the others, where they are
    """

    def __init__(
        self, source: sources.Source, paper: Paper, counted: Counted, numbers: list[int], alone: str | None
    ) -> None:
        self.source = source
        self.paper = paper
        self.warnings = counted.warnings
        self.numbers = numbers
        self.alone = alone
        self.left = len(numbers)

    @property
    def tries(self) -> int:
        """How many workers a page may cost. Of a single page, the look through the document was the first."""
        return 1 if self.alone is not None and len(self.numbers) == 1 else 2

    @property
    def done(self) -> bool:
        """Whether that was its last page."""
        return self.left == 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A page, what came of the order for it, and of the one that followed from that, if any."""

    ticket: int
    job: Job
    number: int
    answer: Answer
    more: Answer | None = None


@dataclass(frozen=True, slots=True)
class Unopened:
    """A source that could not be opened."""

    ticket: int
    unfit: sources.Unfit


Found = Seen | Unopened


@dataclass(slots=True)
class _Place:
    """A source in the queue: being opened as long as there is neither a job nor a reason."""

    source: sources.Source | sources.Unfit
    paper: Paper | None = None
    job: Job | None = None
    unfit: sources.Unfit | None = None
    next: int = 0
    asked: bool = False

    @property
    def ready(self) -> bool:
        return self.job is not None or self.unfit is not None


@dataclass(frozen=True, slots=True)
class _Opened:
    place: _Place
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Told:
    """Something for the maker to wake up for."""

    left: bool = False


@dataclass(frozen=True, slots=True)
class _Followed:
    seen: Seen


_Mail = Fed[sources.Source | sources.Unfit] | Over | _Opened | Seen | _Followed | _Told


@dataclass
class Intake:
    """The documents of one stream. One thread takes pages in while another one finishes them.

    hands   who opens documents and works on pages
    work    a page's number -> what is to be done with it
    then    a page -> what else is to be done with it, now that this is known
    window  how many orders may be on their way
    span    how many things may have a ticket and not have reached their end; None: as many as others take
    """

    selection: Selection
    hands: Hands
    work: Callable[[int], Work]
    then: Callable[[Seen], Work | None]
    limits: Limits
    window: int
    span: int | None = None
    _here: Here = field(default_factory=Here)
    _mail: SimpleQueue[_Mail] = field(default_factory=SimpleQueue)
    _queue: deque[_Place] = field(default_factory=deque)
    _flying: int = 0
    _tickets: int = 0
    _handed: int = 0
    _papers: dict[str, tuple[Hands, Paper]] = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def pages(self, taken: Iterable[sources.Source | sources.Unfit], password: documents.Password) -> Generator[Found]:
        """What becomes of the sources. Raises what `taken` raises, when all that came before has been found."""
        feed = Feed(taken, self._mail.put)
        over: Over | None = None
        fed = True
        try:
            while True:
                yield from self._ordered_now(password)
                if over is None and fed and self._hungry:
                    feed.more()
                    fed = False
                if over is not None and not self._queue and not self._flying:
                    if over.error is not None:
                        raise over.error
                    return
                match self._mail.get():
                    case Fed(thing):
                        fed = True
                        self._queue.append(_Place(thing))
                    case Over() as over:
                        pass
                    case _Opened(place, answer):
                        self._flying -= 1
                        self._open_now(place, answer, password)
                    case Seen() as seen:
                        work = self.then(seen)
                        if work is None:
                            self._flying -= 1
                            yield seen
                        else:
                            self._order_more(seen, work)
                    case _Followed(seen):
                        self._flying -= 1
                        yield seen
                    case _Told(left):
                        if left:
                            return
        finally:
            feed.stop()
            self.hands.withdraw(self)

    def wake(self) -> None:
        """Nobody wants anything more: `pages` ends."""
        self._mail.put(_Told(left=True))

    def handed_on(self) -> None:
        """One of the things that were found has reached its end."""
        self._handed += 1
        if self.span is not None:
            self._mail.put(_Told())

    def ask(self, job: Job, work: Work) -> Answer:
        """What comes of one thing more, before anything else that is on its way, and wait for it."""
        answers: SimpleQueue[Answer] = SimpleQueue()
        order = Order(job.paper, work, self.limits, object(), urgent=True)
        self.hands_for(job.source).put(order, answers.put)
        return answers.get()

    def hands_for(self, source: sources.Source) -> Hands:
        """An image that the caller has open is no other process's."""
        return self._here if isinstance(source.content, Image.Image) else self.hands

    def finish(self, job: Job) -> None:
        """One page more is done, or will not be."""
        with self._counting:
            job.left -= 1
            done = job.done
        if done:
            self._give_back(job.paper)

    def close(self) -> None:
        """Give back what is still open. Nobody may be taking pages in any more."""
        for _, paper in list(self._papers.values()):
            self._give_back(paper)

    def _give_back(self, paper: Paper) -> None:
        hands, _ = self._papers.pop(paper.key)
        hands.forget(paper)

    @property
    def _hungry(self) -> bool:
        """Whether there is too little to do in sight."""
        ahead = 0
        for place in self._queue:
            ahead += len(place.job.numbers) - place.next if place.job is not None else 1
            if ahead >= self.window:
                return False
        return True

    @property
    def _room(self) -> bool:
        if self._flying >= self.window:
            return False
        return self.span is None or self._tickets - self._handed < self.span

    def _ordered_now(self, password: documents.Password) -> Generator[Found]:
        """Order what there is room for, and give what needs no order."""
        ordered = self.span is not None
        for place in list(self._queue):
            if not place.ready and not place.asked:
                if self._flying >= self.window:
                    return
                self._order_open(place, password if isinstance(password, str) else None)
            if not place.ready:
                if ordered:
                    self._open_ahead(password)
                    return
                continue
            if place.unfit is not None:
                self._queue.remove(place)
                yield Unopened(self._ticket(), place.unfit)
                continue
            if not self._order_pages(place):
                return
            self._queue.remove(place)

    def _open_ahead(self, password: documents.Password) -> None:
        """Have documents opened whose pages must wait."""
        for place in self._queue:
            if self._flying >= self.window:
                return
            if not place.ready and not place.asked:
                self._order_open(place, password if isinstance(password, str) else None)

    def _order_pages(self, place: _Place) -> bool:
        """Order the next pages of a document; whether those were all."""
        job = place.job
        assert job is not None, "it has been opened"
        while place.next < len(job.numbers):
            number = job.numbers[place.next]
            if number in job.source.skip:
                place.next += 1
                self.finish(job)
                continue
            if not self._room:
                return False
            place.next += 1
            ticket = self._ticket()
            self._flying += 1
            order = Order(job.paper, self.work(number), self.limits, self, tries=job.tries)
            self.hands_for(job.source).put(order, partial(self._seen, ticket, job, number))
        return True

    def _order_more(self, seen: Seen, work: Work) -> None:
        """Have something more done with a page that is on its way, while its document is open."""
        order = Order(seen.job.paper, work, self.limits, self, urgent=True)
        self.hands_for(seen.job.source).put(order, lambda answer: self._mail.put(_Followed(replace(seen, more=answer))))

    def _order_open(self, place: _Place, password: str | None) -> None:
        """Have a document opened, or find out why not."""
        place.asked = True
        if isinstance(place.source, sources.Unfit):
            place.unfit = place.source
            return
        try:
            portable = _portable(place.source)
        except Exception as error:
            place.unfit = sources.Unfit(place.source.name, reason(error))
            return
        place.paper = Paper(f"{os.getpid()}-{next(_PAPERS)}", portable, password)
        self._flying += 1
        order = Order(place.paper, Count(), self.limits, self)
        hands = self.hands_for(place.source)
        self._papers[place.paper.key] = hands, place.paper
        hands.put(order, lambda answer: self._mail.put(_Opened(place, answer)))

    def _open_now(self, place: _Place, answer: Answer, password: documents.Password) -> None:
        """A document has been opened, or could not be."""
        assert place.paper is not None, "somebody was to open it"
        source = place.source
        assert isinstance(source, sources.Source), "what is unfit is not opened"
        try:
            if isinstance(answer.error, documents.Locked) and callable(password):
                given = password(source.name)
                if given is not None:
                    self._give_back(place.paper)
                    self._order_open(place, given)
                    return
            if answer.error is not None:
                raise answer.error
            place.job = self._job(source, place.paper, answer)
        except Exception as error:
            self._give_back(place.paper)
            place.unfit = sources.Unfit(source.name, reason(error))

    def _job(self, source: sources.Source, paper: Paper, answer: Answer) -> Job:
        counted: Counted = answer.value
        numbers = self.selection.numbers(counted.page_count)
        if not any(number <= counted.page_count for number in numbers):
            pages = "1 page" if counted.page_count == 1 else f"{counted.page_count} pages"
            asked = f"page {numbers[0]}" if len(numbers) == 1 else "page of those asked for"
            raise UnusableInput(f"there is no {asked}: the document has {pages}")
        return Job(source, replace(paper, manner=counted.manner), counted, numbers, answer.lost)

    def _seen(self, ticket: int, job: Job, number: int, answer: Answer) -> None:
        self._mail.put(Seen(ticket, job, number, answer))

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets - 1


def _portable(source: sources.Source) -> sources.Source:
    """The source as another process finds it: what is no plain file is read here. Raises UnusableInput."""
    content: Any = source.content
    if isinstance(content, os.PathLike):
        real = os.path.realpath(content)
        content = Path(real) if os.path.isfile(real) else documents.read(Path(content))
    return sources.Source(source.name, source.place, content)
