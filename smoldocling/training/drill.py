"""What is taught before whole pages: what letters look like, and to write the few lines of one tile down.

Knows: words, faces, small pages. Does not know: how a network learns. A drill is a tile full of print: six times the
letters of a page on as many pixels. Sizes and faces change from line to line, and some words are none, so that no
letter can be guessed from its neighbours.
"""

from __future__ import annotations

from random import Random

from smoldocling.training import words
from smoldocling.training.compose import Domain
from smoldocling.training.faces import family
from smoldocling.training.glyphs import LETTERS
from smoldocling.training.sheet import Run, Sheet

SIDE = 256.0
SIZES = (22, 36)
FAMILIES = ("sans",)
MARKS = ".,:;?!)%"
OPENERS = "•–("

# A few lines of large print, on pages of one tile: four times the pages in the same time.
LINES = Domain(
    "lines",
    (256, 256),
    (256, 256),
    (23, 28),
    {"section_header": 2, "text": 5, "list": 2},
    (2, 3),
    FAMILIES,
    lines=(1, 2),
    margin=(8, 24),
)


def drill(seed: int) -> Sheet:
    """The tile of that seed: `SIDE` points square, no elements."""
    random = Random(f"drill {seed}")
    runs: list[Run] = []
    y = random.uniform(-10, 10)
    while True:
        size = float(random.randint(*SIZES))
        chosen = family(random.choice(FAMILIES))
        face = random.choice((chosen.plain, chosen.bold))
        y += size * random.uniform(1.0, 1.3)
        if y + 0.25 * size > SIDE:
            return Sheet(SIDE, SIDE, tuple(runs), (), ())
        x, text = random.uniform(0, 24), ""
        while x + face.width(wider := f"{text} {_word(random)}".lstrip()) * size <= SIDE - 2:
            text = wider
        if text and y > 0.8 * size:
            runs.append(Run(text, x, y, face, size))


def _word(random: Random) -> str:
    makers = (words.word, words.word, words.coined, words.number, words.name, _noise)
    made = random.choice(makers)(random)
    if random.random() < 0.1:
        made += random.choice(MARKS)
    return random.choice(OPENERS) + made if random.random() < 0.03 else made


def _noise(random: Random) -> str:
    return "".join(random.choice(LETTERS[:-2]) for _ in range(random.randint(1, 6)))
