"""The scheduler keeps its laws in any company: whoever arrives, however long, whatever fails, however little memory."""

from collections.abc import Sequence as Listed
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.engine.scheduler import PROMPT_ROWS, Encode, Prefill, Scheduler, Sequence, Step, Unit
from smoldocling.engine.sequence import Finish
from smoldocling.engine.speculate import Odds, agreed

STOP, CLOSER = 0, (7, 8)


class Ends:
    """Answers end with the stop id, which is not kept, or with 7 8, which are."""

    stop_ids = frozenset({STOP})
    closer_ids = CLOSER
    pad_id = STOP

    def closes(self, ids: Listed[int]) -> bool:
        return tuple(ids[-2:]) == CLOSER


def ending(script: Listed[int], limit: int) -> tuple[list[int], Finish, int]:
    """What an answer is that would go on like this: ids, how it ends, steps. The slow and obvious way."""
    for steps in range(1, limit + 1):
        if script[steps - 1] == STOP:
            return list(script[: steps - 1]), "stop", steps
        if tuple(script[max(steps - 2, 0) : steps]) == CLOSER:
            return list(script[:steps]), "stop", steps
    return list(script[:limit]), "length", limit


@dataclass(frozen=True)
class Page:
    """What will happen to one page.

    arrives    not before so many units have been done
    fails_at   the unit of its own at which it is dropped
    """

    arrives: int
    tiles: int
    prompt_rows: int
    limit: int
    script: list[int]
    fails_at: int | None
    draft: list[int]


LENGTH = 5000
PAGES = st.lists(
    st.builds(
        Page,
        arrives=st.integers(0, 40),
        tiles=st.integers(0, 5),
        prompt_rows=st.one_of(st.integers(1, 50), st.sampled_from([PROMPT_ROWS, PROMPT_ROWS + 1, 2 * PROMPT_ROWS + 3])),
        limit=st.integers(1, 12),
        script=st.lists(st.one_of(st.integers(1, 8), st.integers(0, 8)), min_size=12, max_size=12),
        fails_at=st.none() | st.integers(0, 12),
        draft=st.lists(st.integers(0, 8), max_size=14),
    ),
    max_size=9,
)


@dataclass
class Run:
    """Plays an engine: takes pages as the scheduler wants them, does its units, keeps books of all."""

    pages: list[Page]
    slots: int
    full_at: frozenset[int] = frozenset()
    """Units before which memory runs out."""
    scheduler: Scheduler = field(default_factory=lambda: Scheduler(Ends()))
    units: list[Unit] = field(default_factory=list)
    others_ran: list[bool] = field(default_factory=list)
    """For each unit, whether a sequence was running when it was chosen."""
    sequences: dict[int, Sequence] = field(default_factory=dict)
    begun: list[list[int]] = field(default_factory=lambda: [[]])
    """Keys in the order in which they got a slot, a new list each time that memory has run out."""
    own: dict[int, list[tuple[int, int] | str]] = field(default_factory=dict)
    """What was done to each page since it last got a slot."""
    left: dict[int, tuple[list[int], Finish | None, int]] = field(default_factory=dict)

    def play(self) -> None:
        waiting = list(enumerate(self.pages))
        while waiting or self.scheduler.in_flight:
            if waiting and self.scheduler.hungry and waiting[0][1].arrives <= len(self.units):
                self.add(*waiting.pop(0))
            if self.scheduler.blocked:
                self.scheduler.open(self.slots, LENGTH)
            unit = self.scheduler.next()
            self.check()
            if unit is None:
                assert not self.scheduler.in_flight, "there is work, and nobody is blocked"
                assert len(self.units) < 10_000, "a page that has arrived is never wanted"
                self.units.append(Step(()))  # time passes until the next page arrives
                self.others_ran.append(False)
                continue
            self.others_ran.append(
                any(sequence.written for sequence in self.sequences.values() if sequence.slot is not None)
            )
            self.units.append(unit)
            if len(self.units) in self.full_at:
                self.slots = max(1, self.slots // 2)
                self.scheduler.close()
                self.begun.append([])
                self.own |= {key: [] for key in self.own if key not in self.left}
            else:
                self.do(unit)

    def add(self, key: int, page: Page) -> None:
        in_flight = [each for each in self.sequences.values() if each.key not in self.left]
        assert len(in_flight) < self.slots
        assert all(each.written for each in in_flight), "the tiles of one page at a time are the engine's memory"
        self.sequences[key] = Sequence(key, 0.0, page.prompt_rows, page.limit, page.tiles, draft=tuple(page.draft))
        self.own[key] = []
        self.scheduler.add(self.sequences[key])

    def do(self, unit: Unit) -> None:
        if isinstance(unit, Step):
            for feed in unit.feeds:
                if not self.failed(feed.sequence, "step"):
                    assert feed.ids[0] == feed.sequence.written[-1]
                    assert feed.sequence.position == feed.sequence.prompt_rows + len(feed.sequence.written) - 1
                    assert feed.sequence.position + len(feed.ids) <= feed.sequence.needs, "rows stay in the slot"
                    self.accept(feed.sequence, feed.guessed)
            return
        sequence = unit.sequence
        if sequence.key not in self.begun[-1]:
            self.begun[-1].append(sequence.key)
        if isinstance(unit, Encode):
            if not self.failed(sequence, "encode"):
                self.scheduler.encoded(sequence, sequence.tiles_left - 1)
        elif not self.failed(sequence, (unit.start, unit.stop)):
            self.scheduler.prefilled(sequence, unit.stop)
            if unit.last:
                self.accept(sequence)

    def failed(self, sequence: Sequence, what: tuple[int, int] | str) -> bool:
        done = self.own[sequence.key]
        if len(done) == self.pages[sequence.key].fails_at:
            self.scheduler.drop(sequence)
            self.leaves(sequence, None)
            return True
        done.append(what)
        return False

    def accept(self, sequence: Sequence, guessed: tuple[int, ...] = ()) -> None:
        script, done = self.pages[sequence.key].script, len(sequence.written)
        found = script[done : done + len(guessed) + 1]
        finish = self.scheduler.accept(sequence, agreed(guessed, found))
        if finish:
            self.leaves(sequence, finish)

    def leaves(self, sequence: Sequence, finish: Finish | None) -> None:
        assert sequence.key not in self.left, "a page leaves once"
        assert sequence.slot is None
        self.left[sequence.key] = (sequence.written, finish, sequence.steps)

    def check(self) -> None:
        owned = [sequence.slot for sequence in self.sequences.values() if sequence.slot is not None]
        assert len(owned) == len(set(owned)), "a slot has one owner"
        assert all(0 <= slot < self.slots for slot in owned)
        assert self.scheduler.in_flight == len(self.sequences) - len(self.left), "nobody is lost"
        assert sum(not sequence.written for sequence in self.sequences.values() if sequence.slot is not None) <= 1


def played(pages: list[Page], slots: int, full_at: frozenset[int] = frozenset(), odds: Odds | None = None) -> Run:
    run = Run(pages, slots, full_at, Scheduler(Ends(), odds))
    run.play()
    return run


SLOTS = st.integers(1, 6)
FULL_AT = st.frozensets(st.integers(1, 120), max_size=4)


@given(PAGES, SLOTS, FULL_AT)
@settings(deadline=None)
def test_every_page_leaves_once_with_its_own_answer(pages: list[Page], slots: int, full_at: frozenset[int]) -> None:
    """Also when memory runs out and work begins again, and when pages fail at any unit."""
    run = played(pages, slots, full_at)
    assert sorted(run.left) == list(range(len(pages)))
    for key, (ids, finish, steps) in run.left.items():
        if finish is not None:
            assert (ids, finish, steps) == ending(pages[key].script, pages[key].limit)
        else:
            assert pages[key].fails_at == len(run.own[key])


@given(PAGES, SLOTS, FULL_AT)
@settings(deadline=None)
def test_guesses_change_no_answer(pages: list[Page], slots: int, full_at: frozenset[int]) -> None:
    """Right drafts, wrong ones, drafts that hold ends of answers, in any company: fewer steps is all they do."""
    run = played(pages, slots, full_at, Odds())
    for key, (ids, finish, steps) in run.left.items():
        if finish is not None:
            right, how, most = ending(pages[key].script, pages[key].limit)
            assert (ids, finish) == (right, how)
            assert steps <= most


@given(PAGES, SLOTS, FULL_AT)
@settings(deadline=None)
def test_pages_are_begun_in_the_order_of_arrival(pages: list[Page], slots: int, full_at: frozenset[int]) -> None:
    """Somebody waits for each of them. Those that were put back keep their places: whoever was first is first again."""
    run = played(pages, slots, full_at)
    for begun in run.begun:
        assert begun == sorted(begun)
    assert sorted({key for begun in run.begun for key in begun}) == list(range(len(pages)))


@given(PAGES, SLOTS, FULL_AT)
@settings(deadline=None)
def test_nobody_starves(pages: list[Page], slots: int, full_at: frozenset[int]) -> None:
    """A new page holds up the others by one unit a step, and others hold up a new page by one step a unit."""
    run = played(pages, slots, full_at)
    for before, unit, ran in zip(run.units, run.units[1:], run.others_ran[1:], strict=False):
        assert isinstance(before, Step) or isinstance(unit, Step) or not ran


@given(PAGES, SLOTS)
@settings(max_examples=50, deadline=None)
def test_a_step_feeds_everybody_who_runs(pages: list[Page], slots: int) -> None:
    """Weights are read once a step, whoever takes part."""
    run = Run(pages, slots)
    real = run.do

    def do(unit: Unit) -> None:
        if isinstance(unit, Step):
            running = {key for key, each in run.sequences.items() if each.slot is not None and each.written}
            assert [feed.sequence.key for feed in unit.feeds] == sorted(running)
        real(unit)

    run.do = do  # type: ignore[method-assign]
    run.play()


@given(PAGES, SLOTS)
@settings(deadline=None)
def test_the_cut_of_a_prompt_depends_on_that_prompt_alone(pages: list[Page], slots: int) -> None:
    """Another cut is another order of sums: the same page would not be the same to the last bit."""
    together = played(pages, slots)
    for key, page in enumerate(pages):
        alone = played([page], 1)
        assert together.own[key] == alone.own[0]
        cut = [what for what in alone.own[0] if isinstance(what, tuple)]
        rows = [row for start, stop in cut for row in range(start, stop)]
        assert rows == list(range(len(rows)))


def test_a_page_longer_than_the_slots_waits_for_longer_ones() -> None:
    """Slots of a GPU are as long as the pages so far have needed."""
    scheduler = Scheduler(Ends())
    short, long = Sequence(0, 0.0, 10, 5, 0), Sequence(1, 0.0, 10, 50, 0)
    scheduler.add(short)
    assert scheduler.blocked is short, "there are no slots at all"
    scheduler.open(2, short.needs)
    scheduler.accept(scheduler.next().sequence, [1])  # type: ignore[union-attr]
    assert scheduler.hungry
    scheduler.add(long)
    assert scheduler.blocked is None, "its turn comes when the others are done"
    while isinstance(unit := scheduler.next(), Step):
        assert [feed.sequence for feed in unit.feeds] == [short]
        scheduler.accept(short, [1])
    assert len(short.written) == 5
    assert scheduler.blocked is long
    scheduler.open(1, long.needs)
    assert scheduler.next() == Prefill(long, 0, 10)
