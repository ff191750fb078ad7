"""Teaching a network: the loss is the right one, an interruption changes nothing, what is written loads everywhere."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import doctags
from doctags.tree import Page
from smoldocling import checkpoint as checkpoints
from smoldocling.cli import app
from smoldocling.engine.native import Native
from smoldocling.engine.reference import Reference
from smoldocling.engine.sequence import Request
from smoldocling.errors import UnusableInput, UnusableOption
from smoldocling.training import fresh, glyphs, plan, trainer
from smoldocling.training.compose import SMALL, compose
from smoldocling.training.drill import LINES, drill
from smoldocling.training.examples import UNSEEN, Drawn, Drills, Pairs, Reader
from smoldocling.training.learner import IGNORED, Learner, _before
from smoldocling.training.paint import paint, pens
from smoldocling.training.plan import Stage
from smoldocling.training.trainer import Trainer
from smoldocling.vocab import Vocab

MINUTE = fresh.Size(
    tile_px=64, vision_width=32, vision_layers=1, vision_heads=2, text_width=48, text_layers=2, text_heads=3,
    text_kv_heads=1, text_inner=64,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, as training from scratch begins with."""
    return fresh.make(tmp_path_factory.mktemp("new"), MINUTE)


@pytest.fixture(scope="module")
def reader(new: Path) -> Reader:
    return Reader(Vocab(checkpoints.read(new, name="new")))


@pytest.fixture
def learner(new: Path) -> Learner:
    checkpoint = checkpoints.read(new, name="new")
    return Learner(checkpoint, fill_id=Vocab(checkpoint).pad_id, device=CPU, dtype=torch.float32)


def stages(steps: int) -> tuple[Stage, ...]:
    return (
        Stage("letters", "drill", steps, 2, 0.01, 1e-3, see=True, write=False),
        Stage("lines", "lines", steps, 2, 0.01, 1e-3, tower=False),
        Stage("whole", "lines", steps, 2, 0.01, 1e-3, see=True, look=True, drill=2),
    )


def make_trainer(new: Path, folder: Path, reader: Reader, steps: int = 3, **options: Any) -> Trainer:
    sources = {"drill": Drills(reader), "lines": Drawn(reader, LINES, 1)}
    return Trainer(new, folder, stages(steps), sources, **({"keep": 1, "every": 100} | options))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(checkpoints.read(folder, name="made").tensors())


def test_a_new_checkpoint_is_seen_and_written_alike_by_all_engines(new: Path, reader: Reader) -> None:
    """It is of the family in every file: our engine, transformers' processor and model class."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(new)
    model = AutoModelForImageTextToText.from_pretrained(new, dtype=torch.float32)
    page = Image.fromarray(paint(compose(SMALL, 1))).convert("RGB")
    message = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Convert this page to docling."}]}
    ]
    inputs = processor(
        text=processor.apply_chat_template(message, add_generation_prompt=True), images=[page], return_tensors="pt"
    )
    theirs = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0, inputs["input_ids"].shape[1] :].tolist()
    example = reader.example(page, "", 2)
    assert inputs["input_ids"][0].tolist() == list(example.prompt)
    found = checkpoints.read(new, name="new")
    request = Request(0, example.tiles, example.prompt, 12)
    for kind in (Native, Reference):
        (answer,) = kind(found, Vocab(found), device="cpu", dtype="float32").run([request])  # type: ignore[attr-defined]
        assert list(answer.ids) == theirs[: len(answer.ids)]
        assert answer.ids


def test_every_tag_and_location_is_one_token(new: Path) -> None:
    vocab = Vocab(checkpoints.read(new, name="new"))
    text = doctags.write(Page(compose(SMALL, 3).elements))
    for token in doctags.lexer.tokens(text):
        if token.tag:
            assert len(vocab.tag_ids(token.text)) == 1, token.text
    assert vocab.decode(vocab.encode(text)) == text


def test_the_loss_is_the_one_that_transformers_computes(learner: Learner, reader: Reader) -> None:
    """The same model class, with its own forward, its own masks and labels: a shifted target would show."""
    examples = list(_first(Drawn(reader, LINES, 1).taught(0), 2)) + list(_first(Drawn(reader, SMALL, 2).taught(0), 1))
    for each in examples:
        batch = learner.collate([each])
        pixels = torch.from_numpy(each.tiles).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        labels = torch.full_like(batch.ids, IGNORED)
        labels[:, 1:] = batch.targets[:, :-1]
        # One id more, since transformers shifts the labels itself.
        ids = torch.cat([batch.ids, torch.tensor([[each.answer[-1]]])], 1)
        labels = torch.cat([labels, batch.targets[:, -1:]], 1)
        with torch.no_grad():
            theirs = learner.model(input_ids=ids, pixel_values=pixels, labels=labels).loss
            ours = learner.losses(batch, see=False).answer
        assert ours is not None
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


def test_a_location_beside_the_right_one_is_nearly_right(new: Path) -> None:
    """501 words that have nothing to do with each other would each have to be learnt by themselves."""
    checkpoint = checkpoints.read(new, name="new")
    located = Learner(checkpoint, fill_id=0, device=CPU, dtype=torch.float32, locations=range(100, 601))
    vocab = located.model.config.text_config.vocab_size

    def loss(written: int, wanted: int) -> float:
        logits = torch.zeros(1, vocab)
        logits[0, written] = 9.0
        return located._answer_loss(logits, torch.tensor([wanted])).item()

    assert loss(350, 350) < loss(352, 350) < loss(356, 350) < loss(500, 350)
    assert loss(350, 352) == pytest.approx(loss(352, 350), abs=1e-4)
    sure = torch.full((1, vocab), -30.0)
    sure[0, 100:601] = located._near[250].log().clamp_min(-30)
    assert located._answer_loss(sure, torch.tensor([350])).item() == pytest.approx(0, abs=1e-3)


def test_an_id_that_is_no_location_costs_what_it_costs_everywhere(new: Path) -> None:
    """Tags and letters have no neighbours."""
    checkpoint = checkpoints.read(new, name="new")
    located = Learner(checkpoint, fill_id=0, device=CPU, dtype=torch.float32, locations=range(100, 601))
    logits = torch.randn(7, located.model.config.text_config.vocab_size)
    targets = torch.arange(7)
    assert located._answer_loss(logits, targets).item() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, targets).item(), abs=1e-5
    )


def test_where_the_last_letter_was_read_is_the_known_place_before() -> None:
    """Ids that are read nowhere are passed over; the first has none before it."""
    places = np.array([[-1, 7, -1, 8, 8, -1, 9], [-1, -1, -1, -1, 5, -1, -1]])
    before = [[-1, -1, -1, 7, 8, -1, 8], [-1] * 7]
    assert _before(places).tolist() == before


def test_pages_of_one_batch_do_not_see_each_other(learner: Learner, reader: Reader) -> None:
    """Short and long, one tile and five: the loss of a batch is that of its pages, id by id."""
    examples = list(_first(Drawn(reader, LINES, 1).taught(5), 1)) + list(_first(Drawn(reader, SMALL, 2).taught(5), 2))
    with torch.no_grad():
        together = learner.losses(learner.collate(examples), see=False).answer
        alone = [learner.losses(learner.collate([each]), see=False).answer for each in examples]
    counts = [len(each.answer) for each in examples]
    assert together is not None
    mean = sum(loss.item() * count for loss, count in zip(alone, counts, strict=True) if loss is not None) / sum(counts)
    assert together.item() == pytest.approx(mean, rel=1e-4)


def test_letters_are_told_where_their_ink_is() -> None:
    """A label without ink, or ink without a label, would teach the tower to see what is not there."""
    sheet = replace(drill(7), width=256.0, height=256.0)  # so that a patch has 16 pixels
    page = paint(sheet)
    side, scale = 8, 2
    (found,) = glyphs.labels(sheet, 1, 1, side, scale)
    patch = 256 // (side * scale)
    told = 0
    for position, spots in enumerate(found):
        for spot, number in enumerate(spots):
            if number:
                told += 1
                quarter, _ = divmod(spot, glyphs.SPOTS)
                y = (position // side * scale + quarter // scale) * patch
                x = (position % side * scale + quarter % scale) * patch
                # A letter's middle lies in the patch; its ink is there or right beside, as that of a comma is.
                around = page[max(y - patch, 0) : y + 2 * patch, max(x - patch // 2, 0) : x + patch + patch // 2]
                assert around.min() < 128, glyphs.LETTERS[number - 1]
    letters = [char for run in sheet.runs for char, _, _ in pens(run) if char in glyphs.NUMBERS]
    assert len(letters) * 0.97 <= told <= len(letters)


def test_training_lowers_the_loss(new: Path, reader: Reader, tmp_path: Path) -> None:
    """On a handful of steps: gradients reach what they should, and rates have the right sign."""
    make_trainer(new, tmp_path, reader, steps=40).run()
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    for stage, loss in (("letters", "letters"), ("lines", "answer")):
        values = [record[loss] for record in records if record["stage"] == stage and loss in record]
        assert values[-1] < values[0], stage


def test_a_stage_leaves_alone_what_shall_not_learn(new: Path, reader: Reader, tmp_path: Path) -> None:
    sources = {"lines": Drawn(reader, LINES, 1)}
    stage = Stage("lines", "lines", 2, 2, 0.01, 1e-3, tower=False)
    Trainer(new, tmp_path, (stage,), sources, keep=1).run()
    before, after = weights(new), weights(tmp_path)
    changed = {name for name in before if not torch.equal(before[name].bfloat16(), after[name])}
    assert changed
    assert not [name for name in changed if "vision_model" in name or "connector" in name]


class Cut(Exception):
    """The power fails."""


def test_an_interruption_changes_nothing(
    new: Path, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in every stage, the same command again ends with the same weights to the last bit."""
    make_trainer(new, tmp_path / "whole", reader).run()
    monkeypatch.setattr(trainer, "SAVE_SECONDS", -1.0)
    cuts = iter((2, 1, 3))

    def interrupted() -> None:
        left = next(cuts, None)

        def tick(stage: str, done: int, expected: int) -> None:
            nonlocal left
            if left is not None:
                left -= 1
                if left < 0:
                    raise Cut

        make_trainer(new, tmp_path / "cut", reader, tick=tick).run()

    for _ in range(3):
        with pytest.raises(Cut):
            interrupted()
    interrupted()
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_step_in_parts_is_the_same_step(new: Path, reader: Reader, tmp_path: Path) -> None:
    """Pages have answers of many lengths: parts count by what they hold, not by how many they are."""
    stage = Stage("whole", "lines", 1, 5, see=True, look=True)
    gradients = []
    for accumulate in (1, 2, 5):
        made = make_trainer(new, tmp_path / str(accumulate), reader, accumulate=accumulate)
        checkpoint = checkpoints.read(new, name="new")
        torch.manual_seed(0)  # of the head that reads letters
        made._learner = Learner(checkpoint, fill_id=Vocab(checkpoint).pad_id, device=CPU, dtype=torch.float32)
        made._gradients(list(_first(Drawn(reader, LINES, 1).taught(3), 5)), stage)
        gradients.append([weight.grad for _, weight in made._learner.parts(stage.parts)])
    for other in gradients[1:]:
        assert all(torch.allclose(one, two, rtol=1e-3, atol=1e-6) for one, two in zip(gradients[0], other, strict=True))


def test_another_plan_in_the_same_folder_is_refused(new: Path, reader: Reader, tmp_path: Path) -> None:
    make_trainer(new, tmp_path, reader, steps=1).run()
    with pytest.raises(UnusableOption, match="another plan"):
        make_trainer(new, tmp_path, reader, steps=2).run()


def test_time_that_is_up_ends_training_with_a_checkpoint(new: Path, reader: Reader, tmp_path: Path) -> None:
    make_trainer(new, tmp_path, reader, steps=10**6, seconds=0.5).run()
    assert weights(tmp_path).keys() == weights(new).keys()


def test_adapters_learn_and_are_worked_in(learner: Learner, reader: Reader) -> None:
    """What is saved writes as the network with its adapters does, under the names that the family has."""
    names = set(learner.merged())
    batch = learner.collate(list(_first(Drawn(reader, LINES, 1).taught(0), 2)))
    learner.adapt(4)
    assert set(learner.merged()) == names
    weights = [weight for _, weight in learner.parts(("tower", "decoder"))]
    assert 0 < sum(weight.numel() for weight in weights) < 0.5 * sum(weight.numel() for weight in learner.parameters())
    optimizer = torch.optim.AdamW(weights, lr=0.01)
    for _ in range(3):
        loss = learner.losses(batch, see=False).answer
        assert loss is not None
        torch.autograd.backward([loss])
        optimizer.step()
    merged = learner.merged()
    with torch.no_grad():
        adapted = learner.losses(batch, see=False).answer
    for layer in [module for module in learner.model.modules() if hasattr(module, "lora_A")]:
        layer.merge()
    with torch.no_grad():
        worked_in = learner.losses(batch, see=False).answer
    assert adapted is not None
    assert worked_in is not None
    assert worked_in.item() == pytest.approx(adapted.item(), rel=1e-4)
    state = {name.replace(".base_layer", ""): weight for name, weight in learner.model.state_dict().items()}
    assert merged.keys() == names
    assert all(torch.allclose(merged[name], state[name]) for name in merged)


def make_pairs(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        sheet = compose(LINES, number)
        Image.fromarray(paint(sheet)).save(folder / f"page{number}.png")
        (folder / f"page{number}.dt").write_text(doctags.write(Page(sheet.elements)), encoding="utf-8")
    return folder


def test_pairs_that_are_judged_with_are_never_taught(reader: Reader, tmp_path: Path) -> None:
    pairs = Pairs(reader, make_pairs(tmp_path / "pairs", 45), 1)
    kept = {each.text for each in pairs.unseen(100)}
    assert len(kept) == 2
    turns = [each.text for each in _first(pairs.taught(0), 3 * len(pairs))]
    assert not kept & set(turns)
    size = len(pairs)
    assert sorted(turns[:size]) == sorted(turns[size : 2 * size]), "every pair once before any comes again"
    assert turns[:size] != turns[size : 2 * size], "in another order"
    assert [each.text for each in _first(pairs.taught(50), 5)] == turns[50:55]


def test_drawn_pages_that_are_judged_with_are_far_from_those_that_are_taught(reader: Reader) -> None:
    drawn = Drawn(reader, LINES, 1)
    assert [each.text for each in drawn.unseen(2)] == [each.text for each in _first(drawn.taught(UNSEEN), 2)]


def test_a_folder_without_pairs_says_what_is_needed(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match=r"NAME\.png beside NAME\.dt"):
        Pairs(reader, tmp_path, 1)


def test_an_image_that_is_none_is_named(reader: Reader, tmp_path: Path) -> None:
    folder = make_pairs(tmp_path / "pairs", 2)
    for path in folder.glob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(UnusableInput, match=r"page\d\.png"):
        next(Pairs(reader, folder, 1).taught(0))


def test_the_command_trains_and_its_result_converts(new: Path, tmp_path: Path) -> None:
    """From pairs on disk to a page of Markdown, as a user does it; the second time there is nothing left to do."""
    pairs = make_pairs(tmp_path / "pairs", 4)
    made = tmp_path / "made"
    arguments = ["train", "--data", str(pairs), "--model", str(new), "-o", str(made), "--steps", "3"]
    for _ in range(2):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(made / "log.png")).std() > 0
    card = (made / "README.md").read_text()
    assert "pairs of `pairs`" in card
    assert "never shown" in card
    page = next(pairs.glob("*.png"))
    converted = CliRunner().invoke(
        app, ["convert", str(page), "--model", str(made), "-o", str(tmp_path), "--max-new-tokens", "5", "--splits", "2"]
    )
    assert (tmp_path / f"{page.stem}.md").is_file(), converted.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "nowhere"], "a folder of NAME.png beside NAME.dt"),
        (["--data", "small", "--model", "new", "--lora", "4"], "leave it out"),
        (["--data", ".", "--model", "new"], "a new network learns from drawn pages"),
        (["--data", "small", "--learning-rate", "3"], "a rate below 1"),
        (["--data", "small", "--model", "new", "--steps", "5"], "are in its plan"),
    ],
)
def test_what_cannot_be_taught_is_said_at_once(
    new: Path, tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", "--model", str(new), "-o", str(tmp_path / "made"), *arguments])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize("steps", [1, 10, 1000])
def test_rates_rise_and_fall(steps: int) -> None:
    stage = Stage("x", "", steps)
    paces = [stage.pace(step, step / steps) for step in range(steps)]
    assert all(0 < pace <= 1 for pace in paces)
    assert steps < 1000 or (max(paces) == 1 and paces[0] < 0.1 and paces[-1] < 0.1)


def test_the_plan_from_scratch_ends_with_the_domain_that_was_asked_for() -> None:
    assert [stage.data for stage in plan.scratch("half")] == ["drill", "lines", "half", "half"]


def _first(examples: Iterator[Any], count: int) -> Iterator[Any]:
    return (next(examples) for _ in range(count))
