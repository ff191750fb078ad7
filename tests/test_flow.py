"""Three stages at a time: nothing is lost or comes twice, nobody waits without need, and no thread stays behind."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.desk import AHEAD, BEHIND, Desk
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.sequence import Generation, Request
from smoldocling.flow import Flow

TILES = np.zeros((1, 1, 1, 3), np.uint8)
LONG = 20.0  # seconds after which a test is stuck


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """The law that every test here ends with. Threads take turns a hundred times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)
    assert ours() == []


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("smoldocling")]


def answer(request: Request) -> Generation:
    return Generation(request.key, (request.key,), "stop", 1, 0.0)


def batches(size: int) -> Callable[[Iterable[Request]], Iterator[Generation]]:
    """The simplest engine: knows nothing of inboxes, and waits until its batch is full."""

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        source = iter(requests)
        while batch := list(itertools.islice(source, size)):
            yield from (answer(request) for request in reversed(batch))

    return run


@dataclass
class Slots:
    """Continuous batching as the native engine does it. Every third request takes one step, the others `length` more or
    twice that.
    """

    slots: int = 2
    pause: float = 0.0
    length: int = 1
    misdeeds: dict[int, str] = field(default_factory=dict)
    taken: int = 0
    steps: int = 0
    closed_in: list[str] = field(default_factory=list)

    def run(self, requests: Iterable[Request]) -> Iterator[Generation]:
        inbox = Inbox.of(requests)
        now: dict[int, tuple[Request, int]] = {}
        try:
            while not inbox.abandoned:
                while len(now) < self.slots and (request := inbox.take(0 if now else math.inf)) is not None:
                    self.taken += 1
                    now[request.key] = (request, request.key % 3 * self.length)
                if not now:
                    return
                self.steps += 1
                time.sleep(self.pause)
                match self.misdeeds.pop(self.steps, None):
                    case "raise":
                        raise RuntimeError("out of luck")
                    case "stop":
                        return
                    case "twice":
                        yield from [answer(next(iter(now.values()))[0])] * 2
                    case "stranger":
                        yield Generation(-7, (), "stop", 0, 0.0)
                for key, (request, left) in list(now.items()):
                    if left:
                        now[key] = (request, left - 1)
                    else:
                        del now[key]
                        yield answer(request)
        finally:
            self.closed_in.append(threading.current_thread().name)


Made = Generator[tuple[Any, Request | None]]


def making(desk: Desk[Any], things: Iterable[tuple[Any, bool]]) -> Callable[[Flow[Any]], Made]:
    """Makes a request for each thing that comes with True."""

    def make(flow: Flow[Any]) -> Made:
        for thing, asks in things:
            yield thing, Request(next(desk.keys), TILES, (1,), 1) if asks else None

    return make


def started(desk: Desk[Any], things: Iterable[tuple[Any, bool]]) -> Generator[tuple[Any, Any]]:
    return Flow(desk, making(desk, things)).results()


plans = st.fixed_dictionaries(
    {
        "things": st.lists(st.booleans(), max_size=25),
        "slots": st.integers(1, 5),
        "misdeeds": st.dictionaries(st.integers(1, 12), st.sampled_from(["raise", "stop", "twice", "stranger"])),
        "breaks": st.booleans(),
        "leaves": st.none() | st.integers(0, 12),
        "pauses": st.tuples(*[st.sampled_from([0.0, 0.0, 0.001])] * 3),
    }
)


@settings(max_examples=150, deadline=None)
@given(plans)
def test_everything_comes_out_once_whoever_is_slow_or_fails(plan: dict[str, Any]) -> None:
    """Makers that raise, engines that do, that stop early or answer twice, callers that leave."""
    slow_maker, slow_engine, slow_caller = plan["pauses"]
    engine = Slots(plan["slots"], slow_engine, dict(plan["misdeeds"]))
    desk: Desk[int] = Desk(engine.run)
    asked = most_ahead = 0

    def things() -> Iterator[tuple[int, bool]]:
        nonlocal asked, most_ahead
        for n, asks in enumerate(plan["things"]):
            time.sleep(slow_maker)
            asked += asks
            most_ahead = max(most_ahead, asked - engine.taken)
            yield n, asks
        if plan["breaks"]:
            raise LookupError("the database went away")

    seen: list[int] = []
    raised = False
    with closing(started(desk, things())) as results:
        try:
            for thing, outcome in itertools.islice(results, plan["leaves"]):
                time.sleep(slow_caller)
                seen.append(thing)
                assert (outcome is not None) == plan["things"][thing]
        except LookupError:
            raised = True
    assert len(set(seen)) == len(seen)
    if plan["leaves"] is None or plan["leaves"] > len(plan["things"]):
        assert sorted(seen) == list(range(len(plan["things"])))
        assert raised == plan["breaks"]
    # requests that the desk takes in place of an engine that takes nothing are none of the engine's
    if not plan["misdeeds"]:
        assert most_ahead <= AHEAD
    assert set(engine.closed_in) <= {"smoldocling-engine"}
    assert ours() == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=5), st.booleans(), st.randoms(use_true_random=False))
def test_streams_in_any_company_get_what_is_theirs(lengths: list[int], batched: bool, random: Any) -> None:
    """Read in turns by one thread: neither a stream that nobody reads from may hold up the others, nor an engine that
    waits for its batch to fill.
    """
    desk: Desk[tuple[int, int]] = Desk(batches(3) if batched else Slots(3).run)
    seen: dict[int, list[int]] = {n: [] for n in range(len(lengths))}
    streams = {
        n: started(desk, [((n, k), random.random() < 0.7) for k in range(length)]) for n, length in enumerate(lengths)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smoldocling.desk.HOLDING_SECONDS", 0.005)
        while streams:
            n = random.choice(list(streams))
            found = next(streams[n], None)
            if found is None:
                streams.pop(n)
            else:
                assert found[0][0] == n
                seen[n].append(found[0][1])
    assert [sorted(found) for found in seen.values()] == [list(range(length)) for length in lengths]


def test_a_stream_can_be_read_within_another_and_nobody_waits_for_the_reader_of_neither() -> None:
    """`for page in converter.stream(a): converter.convert(b)`, while `a` has more than the desk holds behind."""
    engine = Slots(3)
    desk: Desk[int] = Desk(engine.run)
    outer = started(desk, [(n, True) for n in range(100)])
    next(outer)
    for _ in range(3):
        assert sorted(thing for thing, _ in started(desk, [(n, True) for n in range(20)])) == list(range(20))
    assert engine.taken <= 3 * 20 + 1 + BEHIND + 3, "the outer stream goes on only as it is read"
    assert len(list(outer)) == 99


def test_threads_share_one_engine() -> None:
    """Two jobs of a server; both are in one batch, and the engine never runs twice at a time."""
    running = 0
    engine = Slots(4, pause=0.001)

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        nonlocal running
        running += 1
        assert running == 1
        yield from engine.run(requests)
        running -= 1

    desk: Desk[int] = Desk(run)
    seen: list[list[int]] = [[], [], []]

    def work(n: int) -> None:
        for _ in range(3):
            seen[n] += sorted(thing for thing, _ in started(desk, [(k, True) for k in range(15)]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert seen == [list(range(15)) * 3] * 3
    assert engine.steps < 9 * 15 * 2 / 2, "pages of several streams are written together"


def test_so_many_are_made_ahead_and_no_more_and_streams_take_turns() -> None:
    """A page of 21 tiles is 16.5 MB. A long job must not make a short one wait for all of it."""
    made: dict[str, int] = {"a": 0, "b": 0}
    taken: list[str] = []
    go_on, both = threading.Event(), threading.Event()

    def things(name: str) -> Iterator[tuple[str, bool]]:
        for _ in range(20):
            made[name] += 1
            if min(made.values()) == AHEAD:
                both.set()
            yield name, True

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        for request in requests:
            taken.append(desk._taken[request.key][1])
            assert go_on.wait(LONG)
            yield answer(request)

    desk: Desk[str] = Desk(run)
    found: dict[str, int] = {"a": 0, "b": 0}

    def read(name: str) -> None:
        for thing, _ in started(desk, things(name)):
            found[thing] += 1

    threads = [threading.Thread(target=read, args=(name,)) for name in made]
    for thread in threads:
        thread.start()
    assert both.wait(LONG)
    time.sleep(0.05)  # whoever goes too far has the time to do so
    assert sorted(made.values()) == [AHEAD, AHEAD + 1], "and one is with the engine"
    go_on.set()
    for thread in threads:
        thread.join(LONG)
    assert found == {"a": 20, "b": 20}
    # the first was taken before there was a second stream
    assert all(one != after for one, after in itertools.pairwise(taken[1 : 2 * AHEAD]))


def test_what_needs_no_engine_comes_out_while_it_is_busy() -> None:
    """A locked file is known to be locked at once, not when a page has been written down for a minute."""
    go_on = threading.Event()

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        for request in requests:
            assert go_on.wait(LONG)
            yield answer(request)

    results = started(Desk(run), [("page", True), ("locked", False), ("missing", False)])
    assert [next(results)[0], next(results)[0]] == ["locked", "missing"]
    go_on.set()
    assert [thing for thing, _ in results] == ["page"]


def test_a_maker_that_waits_for_something_else_is_woken_when_the_caller_leaves() -> None:
    """Pages come from processes, and one that is never answered must not keep anybody."""
    answers: SimpleQueue[str | None] = SimpleQueue()

    def make(flow: Flow[str]) -> Made:
        yield "first", None
        while (thing := answers.get()) is not None:
            yield thing, None

    results = Flow(Desk(Slots(4).run), make, lambda: answers.put(None)).results()
    assert next(results)[0] == "first"
    results.close()
    assert ours() == []


def test_nobody_spins_while_there_is_nothing_to_do() -> None:
    """An idle stream costs no processor."""
    go_on = threading.Event()

    def things() -> Iterator[tuple[str, bool]]:
        yield "first", True
        assert go_on.wait(LONG)
        yield "second", True

    results = started(Desk(Slots(4).run), things())
    next(results)
    threading.Timer(0.4, go_on.set).start()
    before = time.process_time()
    assert next(results)[0] == "second"
    assert time.process_time() - before < 0.1
    results.close()


@pytest.mark.parametrize("way", ["break", "raise", "Ctrl-C", "let go"])
def test_however_the_caller_leaves_the_engine_is_closed_in_its_own_thread(way: str) -> None:
    """Tensors, CUDA graphs and files belong to the thread that made them. And at once: a page may take a minute."""
    engine = Slots(2, pause=0.01, length=10**6)
    desk: Desk[int] = Desk(engine.run)

    def leave() -> None:
        for _ in started(desk, ((n, True) for n in itertools.count())):
            match way:
                case "break":
                    break
                case "raise":
                    raise ValueError
                case "Ctrl-C":
                    raise KeyboardInterrupt
                case _:
                    return

    begun = time.monotonic()
    with suppress(ValueError, KeyboardInterrupt):
        leave()
    assert engine.closed_in == ["smoldocling-engine"]
    assert ours() == []
    assert time.monotonic() - begun < 1.0


def test_a_stream_that_is_not_read_starts_nothing() -> None:
    """Generators start with the first `next`."""
    engine = Slots()
    started(Desk(engine.run), [(1, True)]).close()
    assert (engine.taken, ours()) == (0, [])


def test_one_who_leaves_does_not_stop_the_others() -> None:
    """A client of a server hangs up."""
    engine = Slots(2, pause=0.001)
    desk: Desk[int] = Desk(engine.run)
    stays, leaves = (started(desk, [(n, True) for n in range(30)]) for _ in range(2))
    seen = [next(stays)[0]]
    next(leaves)
    leaves.close()
    seen += [thing for thing, _ in stays]
    assert sorted(seen) == list(range(30))
    assert len(engine.closed_in) == 1, "it was one run"


def test_a_question_is_put_to_the_callers_thread() -> None:
    """A password is asked for at the terminal, which belongs to the main thread, as does Ctrl-C."""
    asked_in = []

    def question() -> str:
        asked_in.append(threading.current_thread())
        return "sesame"

    def make(flow: Flow[str]) -> Made:
        yield flow.ask(question), None
        with pytest.raises(ZeroDivisionError):
            flow.ask(lambda: 1 // 0)
        yield "still there", None

    assert [thing for thing, _ in Flow(Desk(Slots().run), make).results()] == ["sesame", "still there"]
    assert asked_in == [threading.current_thread()]


def test_ctrl_c_at_a_question_ends_everything() -> None:
    """Where else would one press it."""

    def question() -> str:
        raise KeyboardInterrupt

    def make(flow: Flow[str]) -> Made:
        yield flow.ask(question), None

    with pytest.raises(KeyboardInterrupt):
        next(Flow(Desk(Slots().run), make).results())


def test_a_question_that_nobody_will_answer_is_given_up() -> None:
    """The caller left while it was being asked."""
    asking = threading.Event()

    def make(flow: Flow[str]) -> Made:
        yield "first", None
        asking.set()
        flow.ask(lambda: pytest.fail("nobody is there to ask"))

    results = Flow(Desk(Slots().run), make).results()
    next(results)
    assert asking.wait(LONG)
    results.close()


def test_an_engine_that_ends_the_program_ends_it_in_the_callers_thread() -> None:
    """SystemExit in another thread would be swallowed, and the caller would wait for ever."""

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        for request in requests:
            yield answer(request)
            raise SystemExit(3)

    desk: Desk[int] = Desk(run)
    results = started(desk, [(n, True) for n in range(3)])
    with pytest.raises(SystemExit, match="3"):
        list(results)
    with pytest.raises(SystemExit, match="3"):  # another stream gets another thread
        list(started(desk, [(n, True) for n in range(3)]))


@pytest.mark.parametrize("raises", [False, True])
def test_an_engine_that_takes_nothing_fails_one_request_at_a_time_and_ends(raises: bool) -> None:
    """It would take nothing the next time either."""

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        if raises:
            raise RuntimeError("dead")
        return iter(())

    found = list(started(Desk(run), [(n, True) for n in range(9)]))
    assert sorted(thing for thing, _ in found) == list(range(9))
    assert {str(outcome) for _, outcome in found} == {"dead" if raises else "the engine gave no answer"}


def test_who_comes_when_an_engine_has_heard_that_this_is_all_is_served_by_its_next_run() -> None:
    """An engine may rely on that word: it may have let its memory go."""
    heard, gone_on = threading.Event(), threading.Event()
    runs = []

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        runs.append(0)
        inbox = Inbox.of(requests)
        while (request := inbox.take()) is not None:
            runs[-1] += 1
            yield answer(request)
        heard.set()
        assert gone_on.wait(LONG)
        assert inbox.take() is None
        assert inbox.take(0) is None

    desk: Desk[int] = Desk(run)
    first = started(desk, [(1, True), (2, True)])
    next(first), next(first)
    assert heard.wait(LONG)
    second = started(desk, [(3, True)])
    threading.Timer(0.05, gone_on.set).start()
    assert [thing for thing, _ in second] == [3]
    assert list(first) == []
    assert runs == [2, 1]


def test_what_a_stream_that_has_ended_asked_for_is_wanted_no_more() -> None:
    """Of several streams one is closed in the middle: the engine hears that, while it works for the others."""
    seen: dict[int, bool] = {}
    taken, left = threading.Event(), threading.Event()

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        inbox = Inbox.of(requests)
        both = [inbox.take(), inbox.take()]
        taken.set()
        assert left.wait(LONG)
        for request in both:
            assert request is not None
            seen[request.key] = inbox.wanted(request.key)
            yield answer(request)
        while (request := inbox.take()) is not None:
            yield answer(request)

    desk: Desk[int] = Desk(run)
    flows = [Flow(desk, making(desk, [(n, True)])) for n in (0, 1)]
    got: list[list[Any]] = [[], []]
    threads = [threading.Thread(target=lambda n=n: got[n].extend(flows[n].results())) for n in (0, 1)]
    for thread in threads:
        thread.start()
    assert taken.wait(LONG)
    flows[0].leave()
    left.set()
    for thread in threads:
        thread.join(LONG)
    assert [len(answers) for answers in got] == [0, 1]
    assert sorted(seen.values()) == [False, True]


def test_a_take_with_a_limit_waits_so_long_and_no_longer() -> None:
    """To fill a batch, an engine waits a little; with pages in flight not at all."""
    waited: dict[float, float] = {}
    go_on = threading.Event()

    def run(requests: Iterable[Request]) -> Iterator[Generation]:
        inbox = Inbox.of(requests)
        request = inbox.take()
        assert request is not None
        for seconds in (0, 0.1):
            begun = time.monotonic()
            assert inbox.take(seconds) is None
            waited[seconds] = time.monotonic() - begun
        go_on.set()
        assert inbox.take(LONG) is None, "at its end a stream makes nobody wait"
        yield answer(request)

    def things() -> Iterator[tuple[int, bool]]:
        yield 1, True
        assert go_on.wait(LONG)

    begun = time.monotonic()
    assert len(list(started(Desk(run), things()))) == 1
    assert waited[0] < 0.05
    assert 0.1 <= waited[0.1] < 1.0
    assert time.monotonic() - begun < LONG / 2


def test_any_iterable_is_an_inbox_that_has_everything_at_hand() -> None:
    """Engines are called with lists by tests, benchmarks and users."""
    requests = [Request(key, TILES, (1,), 1) for key in range(5)]
    for given_ in (requests, iter(requests), Inbox.of(requests)):
        assert [generation.key for generation in Slots(2).run(given_)] == [0, 1, 3, 2, 4]
    inbox = Inbox.of(iter(requests))
    assert [inbox.take(0), *inbox] == requests
    assert (inbox.take(), inbox.take(0), inbox.abandoned) == (None, None, False)


LEFT_OPEN = """
import atexit, itertools, sys
sys.path.insert(0, "tests")
atexit.register(lambda: print(*engine.closed_in))  # what is registered first is called last
import test_flow
engine = test_flow.Slots(2, pause=0.01)
results = test_flow.started(test_flow.Desk(engine.run), ((n, True) for n in itertools.count()))
next(results)
"""


def test_a_program_that_ends_in_the_middle_of_a_stream_stops_the_engine_first() -> None:
    """Python waits for ever for a thread that is no daemon, and aborts if a daemon is in torch."""
    command = [sys.executable, "-c", LEFT_OPEN]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=LONG, check=True)
    assert (done.stdout, done.stderr) == ("smoldocling-engine\n", "")
