"""What is taught in which order: stages as rows of a table.

Knows: names of data and of parts of the network, rates. Does not know: tensors, files.
The order from scratch, found by trying (NOTES.md): see letters, then read a few lines, then pages, then all at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from smoldocling.errors import UnusableOption
from smoldocling.training.compose import DOMAINS

WARMUP_STEPS = 30
# The last part of a stage goes slower and slower, down to this share of its rate.
DECAY_FROM, DECAY_TO = 0.6, 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """
    data     "drill", "lines", a domain of drawn pages, or "" for the user's pairs
    steps    how many
    batch    pages of one step
    rate     of matrices, by Muon; 0: they are taught like everything else
    rest     of everything else, by AdamW
    see      letters are taught: to be found in the tower's positions
    look     it is taught where to look for each id of the answer
    write    answers are taught
    tower    tower and connector learn
    drill    tiles full of print beside each step's pages, for letters alone
    """

    name: str
    data: str
    steps: int
    batch: int = 8
    rate: float = 0.0
    rest: float = 1e-4
    see: bool = False
    look: bool = False
    write: bool = True
    tower: bool = True
    drill: int = 0

    @property
    def parts(self) -> tuple[str, ...]:
        """Of the network, those that learn."""
        return (
            *(("tower",) if self.tower else ()),
            *(("decoder",) if self.write else ()),
            *(("letters",) if self.see else ()),
        )

    def pace(self, step: int, done: float) -> float:
        """What the rates are multiplied with when a share `done` of the stage lies behind."""
        slower = 1.0 if done <= DECAY_FROM else 1 - (1 - DECAY_TO) * (done - DECAY_FROM) / (1 - DECAY_FROM)
        return min(1.0, (step + 1) / WARMUP_STEPS) * slower


SCRATCH = (
    Stage("letters", "drill", 13000, 12, 0.02, 3e-3, see=True, write=False),
    Stage("lines", "lines", 1200, 8, 0.02, 3e-3, look=True, tower=False),
    Stage("pages", "small", 2400, 4, 0.02, 3e-3, look=True, tower=False),
    Stage("whole", "small", 1800, 4, 0.01, 1e-3, see=True, look=True, drill=8),
)


def scratch(data: str) -> tuple[Stage, ...]:
    """For a network that knows nothing. `data` is the domain that it shall read in the end."""
    return tuple(replace(stage, data=data) if stage.data == "small" else stage for stage in SCRATCH)


def fine(data: str, steps: int, batch: int, rate: float) -> tuple[Stage, ...]:
    """For a network that reads already; `data` is a domain, or "" for pairs. Raises UnusableOption."""
    if steps < 1 or batch < 1 or not 0 < rate < 1:
        raise UnusableOption(f"steps {steps}, batch {batch}, rate {rate}: steps and batch from 1, a rate below 1")
    if data and data not in DOMAINS:
        raise UnusableOption(f"data {data!r}: a folder of pairs, or one of {', '.join(DOMAINS)}")
    return (Stage("fine", data, steps, batch, 0.0, rate),)
