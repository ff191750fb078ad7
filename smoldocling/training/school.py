"""One call of `train`: options to a plan, data and a trainer; then the card and the plot.

Knows: what may be asked for. Does not know: terminals, exits, how training works.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from smoldocling import checkpoint as checkpoints
from smoldocling.errors import UnusableOption
from smoldocling.progress import Progress
from smoldocling.training import card, fresh, plan, plot
from smoldocling.training.compose import DOMAINS
from smoldocling.training.drill import LINES
from smoldocling.training.examples import Drawn, Drills, Pairs, Reader, Source
from smoldocling.training.scores import Total
from smoldocling.training.trainer import LOG, Trainer
from smoldocling.vocab import Vocab

NEW = "new"
# Of fine-tuning, where nobody says otherwise; where minutes are given, they end it.
STEPS, BATCH, RATE = 1000, 8, 1e-4
ENDLESS = 10**9
BEGINNING = "beginning"
"""Where the random weights of a new network are kept, in the result's folder."""


def train(
    data: str,
    model: str,
    folder: Path,
    shown: Progress,
    *,
    steps: int | None,
    minutes: float | None,
    batch: int | None,
    rate: float | None,
    splits: int | None,
    lora: int | None,
    accumulate: int,
    device: str,
    seed: int,
    command: Sequence[str],
) -> Total | None:
    """Train and write the checkpoint. Raises UnusableOption, UnusableInput, UnusableCheckpoint, NoCheckpoint."""
    domain = data if data in DOMAINS else ""
    if model == NEW and not domain:
        raise UnusableOption(f"model {NEW}: a new network learns from drawn pages: {', '.join(DOMAINS)}")
    if model == NEW and lora:
        raise UnusableOption(f"lora {lora}: a new network has nothing that could be kept; leave it out")
    if model == NEW and (steps, batch, rate) != (None, None, None):
        raise UnusableOption(
            f"model {NEW}: steps, batch size and rate of a new network are in its plan; leave them out"
        )
    if not domain and not Path(data).is_dir():
        raise UnusableOption(f"data {data!r}: a folder of NAME.png beside NAME.dt, or one of {', '.join(DOMAINS)}")
    if model == NEW:
        base = folder / BEGINNING
        base = base if base.is_dir() else fresh.make(base, seed=seed)
        stages = plan.scratch(data)
    else:
        base = checkpoints.find(model).folder
        stages = plan.fine(
            domain, steps or (ENDLESS if minutes else STEPS), batch or BATCH, RATE if rate is None else rate
        )
    checkpoint = checkpoints.read(base, name=model)
    reader = Reader(Vocab(checkpoint))
    sources: dict[str, Source] = {
        name: Drawn(reader, each, splits or checkpoint.splits) for name, each in DOMAINS.items()
    }
    sources |= {"drill": Drills(reader), "lines": Drawn(reader, LINES, 1)}
    if not domain:
        sources[""] = Pairs(reader, Path(data), splits or checkpoint.splits, seed)
    started = time.monotonic()

    def tick(stage: str, done: int, expected: int) -> None:
        if minutes:  # they end the stage, however many steps that will be
            share = min(1.0, (time.monotonic() - started) / (60 * minutes))
            expected = min(expected, round(done / share)) if share else expected
        shown.tick(done, expected, "steps")

    trainer = Trainer(
        base,
        folder,
        stages,
        sources,
        seconds=60 * minutes if minutes else None,
        device=device,
        lora=lora,
        accumulate=accumulate,
        seed=seed,
        tick=tick,
        say=shown.line,
    )
    total = trainer.run()
    told = f"pages of the domain {domain}" if domain else f"pairs of `{Path(data).name}`"
    card.write(folder, base=model, command=shlex.join(command), data=told, pages=trainer.pages, total=total)
    plot.draw(folder / LOG, folder / "log.png")
    return total
