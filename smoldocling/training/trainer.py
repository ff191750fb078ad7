"""Teaching a network, stage by stage, so that it can be interrupted anywhere and goes on from there.

Joins plan, examples and learner. Does not know: the command line. Laws: the same command again goes on where the last
one was cut off, with the same examples in the same order; a folder that is written holds a checkpoint that loads.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from doctags.tree import GRID
from smoldocling import checkpoint as checkpoints
from smoldocling.engine.device import choose_device, choose_dtype
from smoldocling.engine.native import Native
from smoldocling.engine.sequence import Request
from smoldocling.errors import UnusableOption
from smoldocling.training import scores
from smoldocling.training.examples import Example, Source
from smoldocling.training.learner import Learner
from smoldocling.training.plan import Stage
from smoldocling.vocab import Vocab

STATE = "training.pt"
LOG = "log.jsonl"
LOG_STEPS = 20
SAVE_SECONDS = 300.0
# Longest answer that is taken from a network that is still learning.
MOST_IDS = 1024
# What every checkpoint of the family may have beside its weights and its config.
SIDE_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "chat_template.json",
    "chat_template.jinja",
)

Tick = Callable[[str, int, int], None]


@dataclass
class Trainer:
    """
    model     folder of the checkpoint to begin with
    folder    where the result, its log and what is needed to go on are written
    stages    in order
    sources   where each stage's examples come from, by the name of its data
    seconds   stop after so many, the last stage slowing down in time for it; None: when all stages are done
    keep      examples that are judged with now and then, and in the end
    every     steps between two judgements
    lora      rank of adapters that learn in place of the decoder's and tower's matrices; None: these themselves
    accumulate  parts in which a step is computed, one after the other: less memory, the same step
    tick      told after every step: the stage, steps done, steps of the stage
    say       told what a person would want to read now
    """

    model: Path
    folder: Path
    stages: tuple[Stage, ...]
    sources: dict[str, Source]
    seconds: float | None = None
    keep: int = 20
    every: int = 500
    device: str = "auto"
    lora: int | None = None
    accumulate: int = 1
    seed: int = 0
    tick: Tick | None = None
    say: Callable[[str], None] | None = None
    _stage: int = field(default=0, init=False)
    _step: int = field(default=0, init=False)
    _spent: float = field(default=0.0, init=False)

    def run(self) -> scores.Total | None:
        """Train; returns the last judgement. Raises UnusableOption, UnusableCheckpoint, UnusableInput."""
        from transformers.utils import logging

        logging.disable_progress_bar()  # a bar for every judgement says nothing
        torch.manual_seed(self.seed)
        checkpoint = checkpoints.read(self.model, name=str(self.model))
        self._vocab = Vocab(checkpoint)
        device = choose_device(self.device)
        self._learner = Learner(
            checkpoint,
            fill_id=self._vocab.pad_id,
            device=device,
            dtype=choose_dtype("auto", device),
            locations=_locations(self._vocab),
        )
        if self.lora:
            self._learner.adapt(self.lora)
        self.folder.mkdir(parents=True, exist_ok=True)
        optimizers = self._resume()
        self._started = self._saved = time.monotonic() - self._spent
        judged = None
        while self._stage < len(self.stages) and not self._late:
            stage = self.stages[self._stage]
            optimizers = optimizers or self._optimizers(stage)
            judged = self._teach(stage, optimizers)
            optimizers = None
            if not self._late:
                self._stage, self._step = self._stage + 1, 0
                self._save(None)
        self.export()
        return judged or self._judge(self.stages[min(self._stage, len(self.stages) - 1)])

    @property
    def pages(self) -> int:
        """How many have been shown, repeated ones too."""
        over = sum(stage.steps * stage.batch for stage in self.stages[: self._stage])
        now = self.stages[self._stage].batch * self._step if self._stage < len(self.stages) else 0
        return over + now

    @property
    def _late(self) -> bool:
        return self.seconds is not None and time.monotonic() - self._started >= self.seconds

    def _teach(self, stage: Stage, optimizers: list[torch.optim.Optimizer]) -> scores.Total | None:
        """One stage, from the step that it has reached."""
        batches = _batches(self.sources[stage.data].taught(self._step * stage.batch), stage.batch)
        drills = _batches(self.sources["drill"].taught(self._step * stage.drill), stage.drill) if stage.drill else None
        self._learner.train()
        judged, said = None, _Mean()
        while self._step < stage.steps and not self._late:
            pace = stage.pace(self._step, self._done(stage))
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = group["base"] * pace
            said.add(self._gradients(next(batches), stage))
            if drills:
                self._learner.losses(self._learner.collate(next(drills)), see=True, write=False).back()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            self._step += 1
            if self._step % LOG_STEPS == 0:
                self._log({"stage": stage.name, "step": self._step, "pages": self._step * stage.batch} | said.record())
                said = _Mean()
            if self.tick:
                self.tick(stage.name, self._step, stage.steps)
            if time.monotonic() - self._saved > SAVE_SECONDS:
                self._save(optimizers)
            judged = self._judge(stage) if stage.write and self._step % self.every == 0 else None
        return judged

    def _gradients(self, examples: list[Example], stage: Stage) -> list[tuple[str, float, float]]:
        """Gradients of one step, a part of its pages at a time; of each loss its name, mean and weight.

        A loss is a mean over ids, letters or looks; that of a part counts as much as it has of them.
        """
        size = -(-len(examples) // self.accumulate)
        batches = [self._learner.collate(examples[start : start + size]) for start in range(0, len(examples), size)]
        wholes = {name: sum(batch.counts[name] for batch in batches) for name in batches[0].counts}
        told = []
        for batch in batches:
            losses = self._learner.losses(batch, see=stage.see, look=stage.look, write=stage.write, tower=stage.tower)
            parts = {name: batch.counts[name] / max(wholes[name], 1) for name in losses.all}
            torch.autograd.backward([loss * parts[name] for name, loss in losses.all.items()])
            told += [(name, loss.item(), parts[name]) for name, loss in losses.all.items()]
            told.append(("right", losses.right, parts.get("answer", 0.0)))
        return told

    def _done(self, stage: Stage) -> float:
        done = self._step / stage.steps
        if self.seconds is None or self._stage + 1 < len(self.stages):
            return done
        return max(done, min(1.0, (time.monotonic() - self._started) / self.seconds))

    def _optimizers(self, stage: Stage) -> list[torch.optim.Optimizer]:
        """Matrices by Muon where the stage has a rate for them; vectors, embeddings and heads by AdamW."""
        weights = list(self._learner.parts(stage.parts))
        matrices = [w for name, w in weights if stage.rate and w.ndim == 2 and _is_hidden(name)]
        chosen = {id(weight) for weight in matrices}
        others = [weight for _, weight in weights if id(weight) not in chosen]
        made: list[torch.optim.Optimizer] = []
        if matrices:
            made.append(torch.optim.Muon(matrices, lr=stage.rate, weight_decay=0.0, momentum=0.95))
        made.append(torch.optim.AdamW(others, lr=stage.rest, betas=(0.9, 0.95), weight_decay=0.0))
        for optimizer in made:
            for group in optimizer.param_groups:
                group["base"] = group["lr"]
        return made

    def _judge(self, stage: Stage) -> scores.Total | None:
        """Let the network write pages that it has never been taught, and compare."""
        if not stage.write:
            return None
        pages = self.sources[stage.data].unseen(self.keep)
        if not pages:
            return None
        folder = self.folder / "judged"
        self.export(folder)
        total = scores.total(written(folder, pages, self.device))
        shutil.rmtree(folder)
        self._log({"stage": stage.name, "step": self._step, "judged": total.record()})
        if self.say:
            self.say(f"{stage.name}, step {self._step}: {total}")
        self._learner.train()
        return total

    # What is written.

    def export(self, folder: Path | None = None) -> None:
        """The checkpoint as everybody loads it: weights in bfloat16, config, tokenizer, processor."""
        folder = folder or self.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in SIDE_FILES:
            if (self.model / name).is_file() and self.model.resolve() != folder.resolve():
                shutil.copyfile(self.model / name, folder / name)
        model = self._learner.model
        state = {name: weight.to(torch.bfloat16) for name, weight in self._learner.merged().items()}
        before, model.config.dtype = model.config.dtype, torch.bfloat16
        model.save_pretrained(folder, state_dict=state)
        model.config.dtype = before

    def _save(self, optimizers: list[torch.optim.Optimizer] | None) -> None:
        """Everything that is needed to go on; whole or not at all."""
        self._saved = time.monotonic()
        state = {
            "plan": [asdict(stage) for stage in self.stages],
            "stage": self._stage,
            "step": self._step,
            "spent": time.monotonic() - self._started,
            "learner": self._learner.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers] if optimizers else None,
        }
        part = self.folder / f"{STATE}.part"
        torch.save(state, part)
        os.replace(part, self.folder / STATE)

    def _resume(self) -> list[torch.optim.Optimizer] | None:
        """Go on from what was saved, if something was. Raises UnusableOption if that was another plan."""
        path = self.folder / STATE
        if not path.is_file():
            return None
        state = torch.load(path, weights_only=True)
        if state["plan"] != [asdict(stage) for stage in self.stages]:
            raise UnusableOption(f"{path} is of another plan; give the same options again, or another folder")
        self._stage, self._step, self._spent = state["stage"], state["step"], state["spent"]
        self._learner.load_state_dict(state["learner"])
        if state["optimizers"] is None or self._stage >= len(self.stages):
            return None
        optimizers = self._optimizers(self.stages[self._stage])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        return optimizers

    def _log(self, record: dict[str, Any]) -> None:
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"seconds": round(time.monotonic() - self._started, 1)} | record) + "\n")


def written(folder: Path, pages: Sequence[Example], device: str = "auto") -> list[scores.Score]:
    """Scores of a checkpoint on some pages, as the native engine reads them."""
    checkpoint = checkpoints.read(folder, name=str(folder))
    vocab = Vocab(checkpoint)
    engine = Native(checkpoint, vocab, device=device)
    requests = [Request(key, page.tiles, page.prompt, MOST_IDS) for key, page in enumerate(pages)]
    answers = {answer.key: vocab.decode(answer.ids) for answer in engine.run(requests)}
    return [scores.score(answers[key], page.text) for key, page in enumerate(pages)]


def _locations(vocab: Vocab) -> tuple[int, ...]:
    """Ids of <loc_0> to <loc_500>; none where they are spelt in several."""
    spelt = [vocab.tag_ids(f"<loc_{number}>") for number in range(GRID + 1)]
    return tuple(ids[0] for ids in spelt) if all(len(ids) == 1 for ids in spelt) else ()


def _batches(examples: Iterator[Example], size: int) -> Iterator[list[Example]]:
    while batch := list(islice(examples, size)):
        yield batch


def _is_hidden(name: str) -> bool:
    """Matrices from vectors to vectors; an embedding and a head are tables of vectors."""
    return not any(part in name for part in ("embed", "head.", "letters."))


class _Mean:
    """Of some steps."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, told: list[tuple[str, float, float]]) -> None:
        """One step's losses: name, mean of a part of the step, and how much of the step that part is."""
        for name, value, part in told:
            self._sums[name] = self._sums.get(name, 0.0) + value * part
        self._count += 1

    def record(self) -> dict[str, float]:
        return {name: round(value / self._count, 5) for name, value in self._sums.items()}
