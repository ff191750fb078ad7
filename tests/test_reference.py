"""The reference engine writes what transformers writes, and one page never changes another."""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import NEW_TOKENS, PAGES, by_key, noise, request_for
from safetensors.torch import load_file, save_file
from tiny import Style, make_checkpoint
from transformers import AutoModelForImageTextToText, AutoProcessor, Idefics3ForConditionalGeneration

from smoldocling import checkpoint
from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.inbox import Inbox
from smoldocling.engine.reference import FILL_SECONDS, Reference, choose_dtype, float_of_byte
from smoldocling.engine.sequence import Generation, Request
from smoldocling.errors import UnusableCheckpoint, UnusableOption
from smoldocling.vocab import PAGE_INSTRUCTION, Vocab

STYLES: tuple[Style, ...] = ("smoldocling", "granite")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """On a busy machine threads wait for each other longer than networks of this size compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def engine_for(found: Checkpoint, batch_size: int = len(PAGES)) -> Reference:
    return Reference(found, Vocab(found), device="cpu", dtype="float32", batch_size=batch_size)


@contextmanager
def count_steps() -> Iterator[list[int]]:
    """How many times the network was run, whoever ran it."""
    steps = [0]

    def count(module: torch.nn.Module, *_: object) -> None:
        steps[0] += isinstance(module, Idefics3ForConditionalGeneration)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(count)
    yield steps
    hook.remove()


def write_one(found: Checkpoint) -> tuple[str, Generation]:
    """The text of one page's answer; no step may be spent on it after it has ended."""
    engine = engine_for(found)
    with count_steps() as steps:
        (answer,) = engine.run([request_for(found, 0)])
    assert steps == [answer.steps]
    return Vocab(found).decode(answer.ids), answer


@pytest.fixture(scope="module", params=STYLES)
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return checkpoint.find(str(make_checkpoint(tmp_path_factory.mktemp(request.param), style=request.param)))


@pytest.fixture(scope="module")
def requests(found: Checkpoint) -> list[Request]:
    return [request_for(found, number) for number in range(len(PAGES))]


@pytest.fixture(scope="module")
def alone(found: Checkpoint, requests: Sequence[Request]) -> dict[int, Generation]:
    """What each page gives in a batch of its own."""
    return by_key(engine_for(found, batch_size=1).run(requests))


@pytest.fixture
def copied(found: Checkpoint, tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may change."""
    return Path(shutil.copytree(found.folder, tmp_path / "copy"))


def transformers_alone(found: Checkpoint, number: int) -> tuple[int, ...]:
    """The ids that transformers' own processor and model give for one image."""
    processor = AutoProcessor.from_pretrained(found.folder)
    model = AutoModelForImageTextToText.from_pretrained(found.folder)
    content = [{"type": "image"}, {"type": "text", "text": PAGE_INSTRUCTION}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    size = {"longest_edge": PAGES[number][2] * found.tile_px}
    inputs = processor(text=prompt, images=[noise(number)], size=size, return_tensors="pt")
    written = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)
    return tuple(written[0, inputs["input_ids"].shape[1] :].tolist())


@pytest.mark.parametrize("number", range(len(PAGES)))
def test_ids_are_those_of_transformers(found: Checkpoint, alone: dict[int, Generation], number: int) -> None:
    """From the image to the last id; this engine is what the faster ones are measured against."""
    assert alone[number].ids == transformers_alone(found, number)


@pytest.mark.parametrize(("mean", "std"), [([0.5] * 3, [0.5] * 3), ([0.481, 0.457, 0.408], [0.268, 0.261, 0.275])])
def test_bytes_become_the_processors_floats_bit_for_bit(
    copied: Path, requests: Sequence[Request], mean: list[float], std: list[float]
) -> None:
    """The order of rescaling and normalising decides the last bit; the family's halves would hide it."""
    settings = json.loads((copied / "preprocessor_config.json").read_text())
    (copied / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": mean, "image_std": std}))
    floats = AutoProcessor.from_pretrained(copied).image_processor(noise(0), return_tensors="np")["pixel_values"][0]
    table = float_of_byte(checkpoint.find(str(copied)))
    ours = np.stack([table[channel][requests[0].tiles[..., channel]] for channel in range(3)], axis=1)
    assert ours.dtype == floats.dtype == np.float32
    np.testing.assert_array_equal(ours, floats)  # (tiles, 3, T, T)


@pytest.mark.parametrize("batch_size", [2, 3, 5])
def test_a_page_does_not_depend_on_its_company(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation], batch_size: int
) -> None:
    """Pages of other lengths in the batch mean padding, which must not be seen."""
    assert len({answer.ids for answer in alone.values()}) == len(PAGES), (
        "the pages must differ for this to mean anything"
    )
    for order in (requests, requests[::-1]):
        together = by_key(engine_for(found, batch_size).run(order))
        assert {key: answer.ids for key, answer in together.items()} == {k: answer.ids for k, answer in alone.items()}


def test_each_page_ends_where_it_ends_and_padding_is_not_counted(
    copied: Path, found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """generate fills rows that are done; counting that as text was a bug elsewhere, as was calling it truncated."""
    ends = [alone[key].ids[place] for key, place in ((0, 3), (1, 11), (2, 0))]
    (copied / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    again = checkpoint.find(str(copied))
    seen_lengths = set()
    for key, answer in by_key(engine_for(again).run(requests)).items():
        full = alone[key].ids
        stop = next((place for place, token in enumerate(full) if token in ends), None)
        seen_lengths.add(stop)
        assert answer.ids == full[:stop]
        assert (answer.finish, answer.steps) == (("length", NEW_TOKENS) if stop is None else ("stop", stop + 1))
    assert len(seen_lengths) > 2, "rows must end at different steps for this to mean anything"


def test_each_page_has_its_own_limit(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """One long page in a batch does not lengthen the others, and a cut page says so."""
    limited = [replace(request, max_new_tokens=3 * request.key + 1) for request in requests]
    for key, answer in by_key(engine_for(found).run(limited)).items():
        assert answer.ids == alone[key].ids[: 3 * key + 1]
        assert (answer.finish, answer.steps) == ("length", 3 * key + 1)


def test_the_context_is_a_limit_too(found: Checkpoint, requests: Sequence[Request]) -> None:
    """Positions beyond it were never trained; running into them writes nonsense without end."""
    longest = max(len(request.ids) for request in requests)
    short = replace(found, context_length=longest + 5)
    answers = by_key(engine_for(short).run(requests))
    assert min(len(answer.ids) for answer in answers.values()) == 5
    full = by_key(engine_for(replace(found, context_length=longest)).run(requests))
    errors = {key for key, answer in full.items() if answer.finish == "error"}
    assert errors == {request.key for request in requests if len(request.ids) == longest}
    assert f"a prompt of {longest} ids fills the context" in str(full[errors.pop()].error)


def test_an_answer_ends_with_the_closing_tag(tmp_path: Path) -> None:
    """`</doctag>` belongs to the text; what the model would write after it does not."""
    script = "<doctag><text><loc_50><loc_60><loc_450><loc_90>Hello</text></doctag> world"
    found = checkpoint.find(str(make_checkpoint(tmp_path, script=script, single_locs=True)))
    text, answer = write_one(found)
    assert text == script.removesuffix(" world")
    assert (answer.finish, answer.steps) == ("stop", len(answer.ids))


def test_a_closing_tag_of_several_ids_ends_an_answer_too(tmp_path: Path) -> None:
    """Checkpoints that were fine-tuned from a plain SmolVLM spell their tags."""
    script = "Hello</doctag> wr"
    found = checkpoint.find(str(make_checkpoint(tmp_path, script=script, tags=False)))
    assert len(Vocab(found).closer_ids) > 1
    text, answer = write_one(found)
    assert text == "Hello</doctag>"
    assert (answer.finish, answer.steps) == ("stop", len(answer.ids))


def test_without_a_closing_tag_the_stop_id_ends_an_answer(tmp_path: Path) -> None:
    """It costs a step and is not part of the answer."""
    found = checkpoint.find(str(make_checkpoint(tmp_path, style="granite", script="<text>Hello world</text>")))
    text, answer = write_one(found)
    assert text == "<text>Hello world</text>"
    assert (answer.finish, answer.steps) == ("stop", len(answer.ids) + 1)


def test_sampling_settings_of_the_checkpoint_are_ignored(
    copied: Path, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """Files on the hub carry temperatures and repetition penalties from chat; a page must come out the same twice."""
    settings = json.loads((copied / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 5.0, "repetition_penalty": 9.0, "no_repeat_ngram_size": 1}
    settings |= {"max_length": 3, "min_new_tokens": 9, "suppress_tokens": list(range(300))}
    (copied / "generation_config.json").write_text(json.dumps(settings))
    answers = by_key(engine_for(checkpoint.find(str(copied))).run(requests))
    assert {key: answer.ids for key, answer in answers.items()} == {key: answer.ids for key, answer in alone.items()}


def test_smolvlm_is_the_same_network_by_another_name(
    copied: Path, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """SmolVLM2 checkpoints say so in config.json; their own processor would need packages that we do not."""
    config = json.loads((copied / "config.json").read_text())
    config |= {"model_type": "smolvlm", "architectures": ["SmolVLMForConditionalGeneration"]}
    config["vision_config"]["model_type"] = "smolvlm_vision"
    (copied / "config.json").write_text(json.dumps(config))
    answers = by_key(engine_for(checkpoint.find(str(copied))).run(requests))
    assert {key: answer.ids for key, answer in answers.items()} == {key: answer.ids for key, answer in alone.items()}


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_one_bad_page_costs_one_page(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation], batch_size: int
) -> None:
    """The others of its batch are written again without it. Two wrongs that cancel out in sum are found as well."""
    bad = [*requests]
    bad[1] = replace(requests[1], tiles=requests[1].tiles[:-1])
    bad[3] = replace(requests[3], tiles=np.concatenate([requests[3].tiles, requests[3].tiles[:1]]))
    for key, answer in by_key(engine_for(found, batch_size).run(bad)).items():
        if key in (1, 3):
            assert (answer.finish, answer.ids) == ("error", ())
            assert "image features" in str(answer.error)
        else:
            assert answer.ids == alone[key].ids


@pytest.mark.parametrize(
    "harm",
    [
        {"tiles": np.zeros((0, 64, 64, 3), np.uint8)},
        {"tiles": np.zeros((17, 64), np.uint8)},
        {"tiles": np.zeros((17, 64, 64, 3), np.float64)},
        {"ids": ()},
    ],
)
def test_a_request_that_makes_no_sense_is_an_answer_that_says_so(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation], harm: dict[str, Any]
) -> None:
    """Whatever fails, and with whatever class, the run goes on."""
    answers = by_key(engine_for(found, batch_size=2).run([replace(requests[0], **harm), requests[4]]))
    assert (answers[0].finish, answers[0].ids) == ("error", ())
    assert answers[0].error
    assert "\n" not in answers[0].error
    assert answers[4].ids == alone[4].ids


class SmallMemory(Reference):
    """A device with room for two pages; for none if one of them has many tiles."""

    def _write(self, batch: Sequence[Request], started: float, inbox: Inbox) -> list[Generation]:
        if len(batch) > 2 or any(len(request.tiles) > 20 for request in batch):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super()._write(batch, started, inbox)


def test_a_batch_too_large_for_memory_is_halved_for_good(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """It would not fit the next time either."""
    engine = SmallMemory(found, Vocab(found), device="cpu", dtype="float32", batch_size=4)
    small = [request for request in requests if len(request.tiles) <= 20]
    assert len(small) == 4
    answers = by_key(engine.run(small))
    assert engine.batch_size == 2
    assert {key: answer.ids for key, answer in answers.items()} == {r.key: alone[r.key].ids for r in small}


def test_a_page_too_large_for_memory_is_an_error_of_that_page(found: Checkpoint, requests: Sequence[Request]) -> None:
    """There is nothing smaller to try."""
    answers = by_key(SmallMemory(found, Vocab(found), device="cpu", dtype="float32", batch_size=4).run(requests))
    large = {request.key for request in requests if len(request.tiles) > 20}
    assert {key for key, answer in answers.items() if answer.finish == "error"} == large
    assert len(large) == 1


def test_requests_are_taken_a_batch_at_a_time(found: Checkpoint, requests: Sequence[Request]) -> None:
    """A folder of a million pages must not be rendered before the first answer."""
    taken = []

    def lazily() -> Iterator[Request]:
        for request in requests:
            taken.append(request.key)
            yield request

    answers = engine_for(found, batch_size=2).run(lazily())
    assert taken == []
    next(answers)
    assert taken == [0, 1]
    assert [answer.key for answer in answers] == [1, 2, 3, 4]


class Slow(Inbox):
    """Requests that come one by one while somebody waits for them; after so many looks nobody wants the answers."""

    def __init__(self, requests: Sequence[Request], looks: int = 10**9) -> None:
        self._requests = list(requests)
        self._looks = looks
        self.waits: list[float] = []

    def take(self, seconds: float = math.inf) -> Request | None:
        self.waits.append(seconds)
        return self._requests.pop(0) if self._requests else None

    @property
    def abandoned(self) -> bool:
        self._looks -= 1
        return self._looks < 0


def test_a_batch_waits_a_moment_for_pages_that_are_still_being_drawn(
    found: Checkpoint, requests: Sequence[Request], alone: dict[int, Generation]
) -> None:
    """Otherwise the first page would be written alone; but no page in hand may wait without limit for another."""
    slow = Slow(requests)
    with count_steps() as steps:
        answers = by_key(engine_for(found, batch_size=3).run(slow))
    assert {key: answer.ids for key, answer in answers.items()} == {key: answer.ids for key, answer in alone.items()}
    assert steps[0] == 2 * NEW_TOKENS
    assert slow.waits == [math.inf, FILL_SECONDS, FILL_SECONDS, math.inf, FILL_SECONDS, FILL_SECONDS, math.inf]


@pytest.mark.parametrize("looks", [0, 3, 9])
def test_a_run_that_nobody_wants_any_more_ends_within_a_layer(
    found: Checkpoint, requests: Sequence[Request], looks: int
) -> None:
    """A batch takes minutes, and somebody has pressed Ctrl-C: in the tower, in the prompt, in an answer."""
    engine = engine_for(found, batch_size=2)
    with count_steps() as steps:
        assert list(engine.run(Slow(requests[:4], looks))) == []
    assert steps[0] <= (looks + 1) // 2, "a step goes through two layers, and none is taken after the last look"
    assert len(list(engine.run(requests))) == len(requests), "the next run is none the worse for it"


def test_a_batch_ends_with_the_last_answer_that_somebody_wants(found: Checkpoint, requests: Sequence[Request]) -> None:
    """One client has left: others get what they would have got; when all have left, nothing is written for nobody."""
    engine, slow = engine_for(found, batch_size=2), Slow(requests[:2])
    right = by_key(engine.run(requests[:2]))
    slow.wanted = lambda key: key != requests[0].key  # type: ignore[method-assign]
    assert by_key(engine.run(slow))[requests[1].key].ids == right[requests[1].key].ids
    slow = Slow(requests[:2])
    slow.wanted = lambda key: False  # type: ignore[method-assign]
    with count_steps() as steps:
        list(engine.run(slow))
    assert steps[0] == 1


def test_no_requests_are_no_answers(found: Checkpoint) -> None:
    """A document may have nothing but blank pages."""
    assert list(engine_for(found).run([])) == []


def test_bfloat16_runs(found: Checkpoint, requests: Sequence[Request]) -> None:
    """The usual precision; its ids may differ where two were as good as equal."""
    answers = by_key(Reference(found, Vocab(found), device="cpu", dtype="bfloat16", batch_size=3).run(requests))
    assert {answer.finish for answer in answers.values()} == {"length"}


def test_weights_that_are_not_there_are_not_made_up(copied: Path) -> None:
    """transformers warns and goes on with random numbers."""
    weights = load_file(copied / "model.safetensors")
    weights.pop("model.text_model.layers.1.mlp.up_proj.weight")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnusableCheckpoint, match=r"lacks 1 of the model's weights, first .*layers\.1\.mlp\.up_proj"):
        engine_for(checkpoint.find(str(copied)))


@pytest.mark.parametrize("change", [{"hidden_size": 96}, {"num_attention_heads": "six"}])
def test_a_config_that_does_not_fit_the_weights_is_named(copied: Path, change: dict[str, Any]) -> None:
    """The loader's own message is a page long."""
    config = json.loads((copied / "config.json").read_text())
    config["text_config"] |= change
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnusableCheckpoint, match="cannot be loaded") as caught:
        engine_for(checkpoint.find(str(copied)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", [{"device": "warp"}, {"device": "cuda:99"}, {"dtype": "int3"}])
def test_a_device_or_dtype_that_is_not_there_is_refused(found: Checkpoint, option: dict[str, str]) -> None:
    """Before any weights are read."""
    with pytest.raises(UnusableOption, match=next(iter(option.values()))):
        Reference(found, Vocab(found), **{"device": "cpu", "dtype": "float32"} | option)


def test_auto_dtype_on_a_cpu_follows_its_instructions() -> None:
    """bfloat16 in software is slower than float32."""
    native = {"amx_bf16", "avx512_bf16"} & {
        name for name, there in torch.cpu.get_capabilities().items() if there is True
    }
    assert choose_dtype("auto", torch.device("cpu")) == (torch.bfloat16 if native else torch.float32)
