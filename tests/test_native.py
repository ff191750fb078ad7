"""The native engine writes what the reference engine writes, and one page never changes another."""

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import PAGES, by_key, request_for
from tiny import make_checkpoint

from smoldocling import checkpoint
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine import native, room, scheduler
from smoldocling.engine.ear import Ear
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.native import Native
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Generation, Request
from smoldocling.errors import UnusableCheckpoint, UnusableOption
from smoldocling.vocab import Vocab

# Both families, tied heads and not, both sizes of patches, and heads for plain torch (6) and for compiled kernels (3).
KINDS: dict[str, dict[str, Any]] = {
    "smoldocling": {"style": "smoldocling"},
    "granite": {"style": "granite"},
    "smoldocling-compiled": {"style": "smoldocling", "heads": 3},
    "granite-compiled-14": {"style": "granite", "heads": 3, "patch_px": 14, "tile_px": 42},
}
LONG, SHORT = 300, 24


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """On a busy machine threads wait for each other longer than networks of this size compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """One checkpoint of each kind."""
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp(request.param), **KINDS[request.param])))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The kind that steps fastest, for all that does not depend on the kind."""
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp("found"), heads=3)))


@pytest.fixture(scope="module")
def requests(found: Checkpoint) -> list[Request]:
    return [request_for(found, number, SHORT) for number in range(len(PAGES))]


@pytest.fixture(scope="module")
def right(found: Checkpoint, requests: Sequence[Request]) -> dict[int, Generation]:
    """What the reference engine makes of them."""
    return by_key(Reference(found, Vocab(found), device="cpu", dtype="float32").run(requests))


def engine_for(found: Checkpoint, batch_size: int = len(PAGES), dtype: str = "float32") -> Native:
    """An engine that takes as many steps as there are ids; test_drafts.py is about the one that takes fewer."""
    return Native(found, Vocab(found), device="cpu", dtype=dtype, batch_size=batch_size, drafts=False)


class Watched:
    """The real network with somebody beside it, who hears what is asked of it and may raise."""

    def __init__(self, engine: Native, hear: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._network = engine.network
        self._hear = hear
        engine.network = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._network, name)
        if name not in ("encode", "rows", "prefill", "step", "cache"):
            return found

        def heard(*args: Any) -> Any:
            self._hear(name, args)
            return found(*args)

        return heard


def same(answers: dict[int, Generation], right: dict[int, Generation]) -> bool:
    """Equal in all but seconds."""
    return {key: replace(answer, seconds=0) for key, answer in answers.items()} == {
        key: replace(answer, seconds=0) for key, answer in right.items()
    }


def test_ids_are_those_of_the_reference_over_hundreds_of_steps(kind: Checkpoint) -> None:
    """Pages of 1 to 26 tiles in one batch, which is prefilled and stepped in turns. One wrong position would show."""
    asked = [request_for(kind, number, LONG) for number in range(len(PAGES))]
    vocab = Vocab(kind)
    right = by_key(Reference(kind, vocab, device="cpu", dtype="float32").run(asked))
    engine = engine_for(kind)
    assert engine.network.native == (kind.config["text_config"]["num_attention_heads"] == 3)
    assert same(by_key(engine.run(asked)), right)
    assert max(len(answer.ids) for answer in right.values()) == LONG
    assert len({answer.ids for answer in right.values()}) == len(PAGES), "pages must differ for this to mean anything"


def test_slots_are_used_again_and_hold_nothing_of_who_was_there_before(kind: Checkpoint) -> None:
    """Seven pages in fewer slots, long prompts first and last, so that rows of others lie behind a page's own."""
    asked = [replace(request_for(kind, number % 5, SHORT + number), key=number) for number in (2, 0, 1, 3, 4, 5, 6)]
    engine = engine_for(kind, batch_size=1)
    alone = {request.key: next(engine.run([request])) for request in asked}
    for batch_size in (1, 2, 3):
        assert same(by_key(engine_for(kind, batch_size).run(asked)), alone)
        assert same(by_key(engine_for(kind, batch_size).run(asked[::-1])), alone)


def logits_of(engine: Native, requests: Sequence[Request]) -> dict[int, list[torch.Tensor]]:
    """For each prompt, known by its length, the logits of each of its steps."""
    network = engine.network
    step, prefill = network.step, network.prefill
    owners: dict[int, int] = {}
    logits: dict[int, list[torch.Tensor]] = {len(request.ids): [] for request in requests}

    def watched_prefill(x: torch.Tensor, slot: int, start: int, cache: Any) -> int:
        owners[slot] = len(x)
        return prefill(x, slot, start, cache)

    def watched_step(ids: Sequence[int], spans: Sequence[Any], cache: Any) -> list[int]:
        rows = torch.empty(len(ids), network.config.vocab_size)
        found = step(ids, spans, cache, rows)
        for span, row in zip(spans, rows, strict=True):
            logits[owners[span.slot]].append(row)
        return found

    network.step, network.prefill = watched_step, watched_prefill  # type: ignore[method-assign]
    assert len(list(engine.run(requests))) == len(requests)
    return logits


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_in_compiled_kernels_company_does_not_change_a_bit(found: Checkpoint, dtype: str) -> None:
    """Also where ids would hide it: this is what makes a run of a million pages repeatable."""
    asked = [request_for(found, number, SHORT) for number in range(len(PAGES))]
    together = logits_of(engine_for(found, dtype=dtype), asked)
    for request in asked:
        ((length, alone),) = logits_of(engine_for(found, dtype=dtype), [request]).items()
        assert len(alone) > 2
        assert all(torch.equal(*pair) for pair in zip(alone, together[length], strict=True))


def test_answers_come_in_order_of_completion(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """A short page does not wait for a long one that came before it."""
    limited = [replace(request, max_new_tokens=200 - 40 * request.key) for request in requests]
    answers = list(engine_for(found).run(limited))
    assert [answer.key for answer in answers] == [4, 3, 2, 1, 0]
    for answer in answers:
        assert answer.ids[:SHORT] == right[answer.key].ids
        assert (answer.finish, answer.steps) == ("length", 200 - 40 * answer.key)


def test_the_context_is_a_limit_too(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Positions beyond it were never trained; the last one of a slot is used all the same."""
    longest = max(len(request.ids) for request in requests)
    for context in (longest + 5, longest + 1, longest):
        short = replace(found, context_length=context)
        reference = by_key(Reference(short, Vocab(short), device="cpu", dtype="float32").run(requests))
        assert same(by_key(engine_for(short).run(requests)), reference)
    assert [answer.finish for answer in reference.values()].count("error") == 1


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("<doctag><text><loc_50><loc_60><loc_450><loc_90>Hello</text></doctag> world", {"single_locs": True}),
        ("Hello</doctag> wr", {"tags": False}),
        ("<text>Hello world</text>", {"style": "granite"}),
    ],
)
def test_answers_end_where_they_end(tmp_path: Path, script: str, options: dict[str, Any]) -> None:
    """With `</doctag>` in one id or in several, which is kept, or with a stop id, which is not."""
    scripted = checkpoint.find(str(make_checkpoint(tmp_path, script=script, **options)))
    asked = [request_for(scripted, 0)]
    reference = by_key(Reference(scripted, Vocab(scripted), device="cpu", dtype="float32").run(asked))
    answers = by_key(engine_for(scripted).run(asked))
    assert same(answers, reference)
    assert answers[0].finish == "stop"
    assert Vocab(scripted).decode(answers[0].ids) == script.partition("</doctag>")[0] + script.partition("</doctag>")[1]


# Requests that cannot be answered


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_one_bad_page_costs_one_page(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], batch_size: int
) -> None:
    """And is answered in the words of the reference engine."""
    bad = [*requests]
    bad[1] = replace(requests[1], tiles=requests[1].tiles[:-1])
    bad[3] = replace(requests[3], tiles=np.concatenate([requests[3].tiles, requests[3].tiles[:1]]))
    reference = by_key(Reference(found, Vocab(found), device="cpu", dtype="float32").run(bad))
    answers = by_key(engine_for(found, batch_size).run(bad))
    assert same(answers, reference)
    assert {key for key, answer in answers.items() if answer.finish == "error"} == {1, 3}


@pytest.mark.parametrize(
    "harm",
    [
        {"tiles": np.zeros((0, 64, 64, 3), np.uint8)},
        {"tiles": np.zeros((0, 64, 64, 3), np.uint8), "ids": (1, 2)},
        {"tiles": np.zeros((17, 64), np.uint8)},
        {"tiles": np.zeros((17, 64, 64, 3), np.float64)},
        {"tiles": np.zeros((17, 128, 128, 3), np.uint8)},
        {"tiles": np.uint8(3)},
        {"ids": ()},
        {"max_new_tokens": 0},
    ],
)
def test_a_request_that_makes_no_sense_is_an_answer_that_says_so(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], harm: dict[str, Any]
) -> None:
    """Whatever fails, and with whatever class, the run goes on."""
    asked = [replace(requests[0], **harm), requests[4], replace(requests[0], key=7, **harm)]
    answers = by_key(engine_for(found, batch_size=2).run(asked))
    for key in (0, 7):
        assert (answers[key].finish, answers[key].ids, answers[key].steps) == ("error", (), 0)
        assert answers[key].error
        assert "\n" not in answers[key].error
    assert answers[4].ids == right[4].ids


def test_an_id_that_the_network_does_not_have_costs_that_page(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """It is found when the prompt is put into the slot; the slot is free for the next one."""
    harmed = replace(requests[1], ids=(*requests[1].ids[:-1], found.vocab_size))
    answers = by_key(engine_for(found, batch_size=1).run([requests[0], harmed, requests[3]]))
    assert "IndexError" in str(answers[1].error)
    assert {key: answers[key].ids for key in (0, 3)} == {key: right[key].ids for key in (0, 3)}


# Failures while the network runs


@pytest.mark.parametrize("where", ["encode", "rows", "prefill", "step"])
def test_a_failure_costs_the_page_that_it_belongs_to(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], where: str
) -> None:
    """A step in which one page fails is done again without it, and nobody else is a bit different."""
    engine = engine_for(found)
    length = len(requests[2].ids)

    def hear(name: str, args: tuple[Any, ...]) -> None:
        concerned = {
            "encode": lambda tiles: any(np.array_equal(tile, tiles[0]) for tile in requests[2].tiles[5:6]),
            "rows": lambda ids, _: len(ids) == length,
            "prefill": lambda x, *_: len(x) == length,
            "step": lambda _, spans, __: any(length + 3 == span.start and span.slot == 2 for span in spans),
        }
        if name == where and concerned[name](*args):
            raise RuntimeError("the page\nis bad")

    Watched(engine, hear)
    answers = by_key(engine.run(requests))
    broken = answers.pop(2)
    assert (broken.finish, broken.ids, broken.steps) == ("error", (), 0)
    assert broken.error == "RuntimeError: the page is bad"
    assert same(answers, {key: answer for key, answer in right.items() if key != 2})


def test_a_step_that_fails_once_is_done_again(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """What was written into the slots before it failed is overwritten."""
    engine = engine_for(found)
    failed = []

    def hear(name: str, args: tuple[Any, ...]) -> None:
        if name == "step" and len(args[1]) > 1 and not failed:
            failed.append(name)
            raise RuntimeError("something passing")

    Watched(engine, hear)
    assert same(by_key(engine.run(requests)), right)
    assert failed


@pytest.mark.parametrize("where", ["encode", "rows", "prefill", "step", "cache"])
@pytest.mark.parametrize("error", [MemoryError("no memory for a step"), torch.OutOfMemoryError("CUDA out of memory")])
def test_out_of_memory_halves_the_slots_for_good(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], where: str, error: Exception
) -> None:
    """The pages in flight begin again, in their order; the next run does not try it again."""
    engine = engine_for(found, batch_size=5)
    made = []

    def hear(name: str, args: tuple[Any, ...]) -> None:
        if name == "cache":
            made.append(args[0])
        if name == where and made[-1] > 2:
            raise error

    Watched(engine, hear)
    assert same(by_key(engine.run(requests)), right)
    assert made == [5, 2]
    assert engine.batch_size == 2
    assert same(by_key(engine.run(requests)), right)
    assert made == [5, 2, 2]


def test_a_page_too_large_for_memory_is_an_error_of_that_page(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """When it has failed alone, the number of slots is known not to be the cause, and the others have them back."""
    engine = engine_for(found, batch_size=4)
    made = []

    def hear(name: str, args: tuple[Any, ...]) -> None:
        if name == "cache":
            made.append(args[0])
        if name == "prefill" and len(args[0]) == len(requests[2].ids):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    Watched(engine, hear)
    answers = by_key(engine.run(requests))
    assert "can't allocate memory" in str(answers.pop(2).error)
    assert same(answers, {key: answer for key, answer in right.items() if key != 2})
    assert made == [4, 2, 1, 4]
    assert engine.batch_size == 4


def test_slots_that_never_fit_are_an_error_of_every_page(found: Checkpoint, requests: Sequence[Request]) -> None:
    """The run ends all the same."""
    engine = engine_for(found, batch_size=4)

    def hear(name: str, _: tuple[Any, ...]) -> None:
        if name == "cache":
            raise MemoryError("not one")

    Watched(engine, hear)
    answers = by_key(engine.run(requests))
    assert [answer.error for answer in answers.values()] == ["MemoryError: not one"] * len(requests)


# What a run takes, and when


class Box(Inbox):
    """Requests that come when the test says so."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.requests = [*requests]
        self.waits: list[float] = []
        self.gone = False
        self.left: set[int] = set()

    def wanted(self, key: int) -> bool:
        return key not in self.left

    def take(self, seconds: float = math.inf) -> Request | None:
        self.waits.append(seconds)
        return self.requests.pop(0) if self.requests else None

    @property
    def abandoned(self) -> bool:
        return self.gone


def test_an_abandoned_run_ends_within_one_unit(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Ctrl-C, or a browser that has gone: nobody waits for pages that nobody wants."""
    units = [name for name in ("encode", "prefill", "step") for _ in range(1)]
    for unit in units:
        engine, box, after = engine_for(found), Box(requests), []

        def hear(name: str, _: tuple[Any, ...], unit: str = unit, box: Box = box, after: list[str] = after) -> None:
            if box.gone:
                after.append(name)
            box.gone |= name == unit

        Watched(engine, hear)
        assert list(engine.run(box)) == []
        assert box.gone
        assert after == []


def test_who_has_left_frees_the_slot_and_changes_nothing_for_others(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """A browser tab is closed: its page takes no more steps, whether it is written, prepared, or waits."""
    for unit in ("encode", "prefill", "step"):
        engine, box, units = engine_for(found, batch_size=2), Box(requests), []

        def hear(name: str, _: tuple[Any, ...], unit: str = unit, box: Box = box, units: list[str] = units) -> None:
            units.append(name)
            if units.count(unit) == 2:
                box.left.add(requests[1].key)

        Watched(engine, hear)
        answers = by_key(engine.run(box))
        assert answers.keys() == right.keys() - box.left
        assert len(box.left) == 1
        assert all(answer.ids == right[key].ids for key, answer in answers.items())


def test_an_ear_hears_all_ids_and_ends_the_answer_when_it_has_enough(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation]
) -> None:
    """Streams are made of this; and a text that is to stop an answer is noticed by who listens."""
    second = requests[1].key
    for engine in (engine_for(found), Reference(found, Vocab(found), device="cpu", dtype="float32")):
        heard: dict[int, list[int]] = {request.key: [] for request in requests}
        ears = {request.key: Ear(heard[request.key].extend) for request in requests}
        ears[second].enough = 3
        answers = by_key(engine.run([replace(request, ear=ears[request.key]) for request in requests]))
        assert {key: tuple(ids) for key, ids in heard.items()} == {key: answer.ids for key, answer in answers.items()}
        assert (answers[second].finish, answers[second].ids) == ("enough", right[second].ids[:3])
        rest = answers.keys() - {second}
        assert {key: answers[key].ids for key in rest} == {key: right[key].ids for key in rest}


def test_an_inbox_is_not_waited_for_while_pages_are_in_flight(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Rendering may be slower than writing; then the pages at hand are written meanwhile."""
    box = Box(requests[:2])
    assert len(list(engine_for(found).run(box))) == 2
    assert box.waits[0] == box.waits[-1] == math.inf
    assert set(box.waits[1:-1]) == {0}


def test_requests_are_taken_when_they_can_be_worked_on(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Tiles are large, so only those of the page that is being encoded are here; and pages in flight have a bound."""
    taken: list[int] = []
    tiles: dict[int, weakref.ref[Any]] = {}
    engine = engine_for(found, batch_size=2)

    def lazily() -> Iterator[Request]:
        for request in requests:
            own = request.tiles.copy()
            tiles[request.key] = weakref.ref(own)
            taken.append(request.key)
            yield replace(request, tiles=own)
            del own

    def hear(name: str, _: tuple[Any, ...]) -> None:
        if name == "prefill":
            assert all(tile() is None for key, tile in tiles.items())

    Watched(engine, hear)
    answers = engine.run(lazily())
    assert taken == []
    for count, _ in enumerate(answers, 1):
        assert len(taken) - count < 2
    assert taken == [0, 1, 2, 3, 4]


def test_no_requests_are_no_answers(found: Checkpoint) -> None:
    """A document may have nothing but blank pages."""
    assert list(engine_for(found).run([])) == []


def test_a_run_that_is_closed_gives_up_its_slots(found: Checkpoint, requests: Sequence[Request]) -> None:
    """And the engine is as good as new."""
    engine = engine_for(found)
    caches = []
    cache = engine.network.cache

    def watched(*args: int) -> Any:
        made = cache(*args)
        caches.append(weakref.ref(made.keys))
        return made

    engine.network.cache = watched  # type: ignore[method-assign]
    answers = engine.run(requests)
    first = next(answers)
    assert caches[0]() is not None
    answers.close()  # type: ignore[attr-defined]
    assert caches[0]() is None
    assert first.ids == by_key(engine.run(requests))[first.key].ids


# Tiles


def test_equal_tiles_are_encoded_once(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Half of a page's tiles may be blank margin, and a form is the same on every page."""
    blank = requests[0].tiles.copy()
    blank[2:9] = 255
    other = np.full_like(requests[1].tiles, 255)
    other[0] = blank[0]
    asked = [replace(requests[0], tiles=blank), replace(requests[1], tiles=other)]
    engine, encoded = engine_for(found), []
    Watched(engine, lambda name, args: encoded.append(len(args[0])) if name == "encode" else None)
    answers = by_key(engine.run(asked))
    assert sum(encoded) == len(blank) - 6
    by_key(engine.run(asked))
    assert sum(encoded) == len(blank) - 6, "known in the next run too"
    assert {key: answer.ids for key, answer in answers.items()} == {
        key: answer.ids
        for key, answer in by_key(Reference(found, Vocab(found), device="cpu", dtype="float32").run(asked)).items()
    }


@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_size_of_units_changes_nothing(
    found: Checkpoint,
    requests: Sequence[Request],
    right: dict[int, Generation],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """Of tiles and of rows of a prompt: they are matters of speed."""
    monkeypatch.setitem(native.UNIT_TILES, "cpu", most)
    monkeypatch.setattr(scheduler, "PROMPT_ROWS", 10 * most)
    assert same(by_key(engine_for(found).run(requests)), right)


# Memory and precision


def test_slots_that_reserve_their_memory_are_as_long_as_pages_need(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the whole context for each page would be half of the pages; a longer page gets longer slots."""
    monkeypatch.setattr(room, "reserves_all", lambda _: True)
    monkeypatch.setattr(native, "LENGTH_STEP", 64)
    engine, made = engine_for(found), []
    Watched(engine, lambda name, args: made.append(args) if name == "cache" else None)
    asked = [requests[4], requests[3], requests[2], requests[0]]
    assert same(by_key(engine.run(asked)), {request.key: right[request.key] for request in asked})
    needs = [len(request.ids) + SHORT - 1 for request in asked]
    assert made == [(5, 64), (5, math.ceil(max(needs) / 64) * 64)]
    assert math.ceil(needs[0] / 64) == math.ceil(needs[1] / 64) == 1


def test_a_machine_with_little_memory_writes_fewer_pages_at_a_time(
    found: Checkpoint, requests: Sequence[Request], right: dict[int, Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least one, whatever is free. Who gives a number of pages gets it."""
    made: list[int] = []
    page_bytes = 4096 * 2 * 2 * 1 * 16 * 4  # positions, keys and values, layers, kv_heads, head_dim, float32
    for free, batch_size, slots in [
        (1 << 40, "auto", 16),
        (3 * page_bytes, "auto", 3),
        (page_bytes // 2, "auto", 1),
        (1, 2, 2),
    ]:
        monkeypatch.setattr(room, "available_bytes", lambda free=free: int(free / room.CPU_SHARE))
        engine = Native(found, Vocab(found), device="cpu", dtype="float32", batch_size=batch_size)  # type: ignore[arg-type]
        Watched(engine, lambda name, args: made.append(args[0]) if name == "cache" else None)
        assert same(by_key(engine.run(requests)), right)
        assert made.pop() == slots


@pytest.mark.parametrize("dtype", ["auto", "bfloat16", "int8"])
def test_smaller_precisions_run(found: Checkpoint, requests: Sequence[Request], dtype: str) -> None:
    """Their ids may differ where two were as good as equal."""
    answers = by_key(engine_for(found, batch_size=3, dtype=dtype).run(requests))
    assert not {"error"} & {answer.finish for answer in answers.values()}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("batch_size", [2, "auto"])
def test_on_a_gpu_ids_are_those_of_the_reference_there(
    found: Checkpoint, requests: Sequence[Request], batch_size: Any
) -> None:
    """Tiles in units of eight, slots that reserve their memory, and how many there is room for."""
    vocab = Vocab(found)
    reference = by_key(Reference(found, vocab, device="cuda", dtype="float32").run(requests))
    engine = Native(found, vocab, device="cuda", dtype="float32", batch_size=batch_size)
    assert same(by_key(engine.run(requests)), reference)
    assert engine.batch_size == (room.MOST_PAGES["cuda"] if batch_size == "auto" else batch_size)


@pytest.mark.parametrize("option", [{"device": "warp"}, {"device": "cuda:99"}, {"dtype": "int3"}])
def test_a_device_or_dtype_that_is_not_there_is_refused(found: Checkpoint, option: dict[str, str]) -> None:
    """Before any weights are read."""
    with pytest.raises(UnusableOption, match=next(iter(option.values()))):
        Native(found, Vocab(found), **{"device": "cpu", "dtype": "float32"} | option)  # type: ignore[arg-type]


def test_another_network_is_refused_with_what_to_try(found: Checkpoint) -> None:
    """The reference engine may be able to run it."""
    config = dict(found.config) | {"text_config": dict(found.config["text_config"]) | {"model_type": "mamba"}}
    with pytest.raises(UnusableCheckpoint, match="try --engine transformers"):
        engine_for(replace(found, config=config))
