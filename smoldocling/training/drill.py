"""What is taught before whole pages: what letters look like, and to write the few lines of one tile down.

Knows: words, faces, small pages. Does not know: how a network learns. A drill is a tile full of print: six times the
letters of a page on as many pixels. Size and face change from line to line, and some words are none, so that no
letter can be guessed from its neighbours.
"""

from __future__ import annotations

from random import Random

from smoldocling.training import words
from smoldocling.training.compose import Domain
from smoldocling.training.faces import builtin
from smoldocling.training.glyphs import LETTERS
from smoldocling.training.sheet import Run, Sheet

SIDES = (248, 256)
# As the small domain is set: text, heads of tables, headings; and how often.
TYPES = (("", 26, 6), ("-bold", 26, 1), ("-bold", 32, 2))
MARKS = ".,:;?!)%"
OPENERS = "•–("

# A few lines of large print, on pages of one tile: four times the pages in the same time.
LINES = Domain(
    "lines",
    SIDES,
    SIDES,
    (26, 26),
    {"section_header": 2, "text": 5, "list": 2},
    (2, 3),
    ("sans",),
    lines=(1, 2),
    margin=(8, 24),
)


def drill(seed: int) -> Sheet:
    """The tile of that seed: `SIDES` points, which becomes one tile; no elements."""
    random = Random(f"drill {seed}")
    wide, high = (float(random.randint(*SIDES)) for _ in range(2))
    runs: list[Run] = []
    y = random.uniform(-10, 10)
    while True:
        style, size = random.choices([kind[:2] for kind in TYPES], [kind[2] for kind in TYPES])[0]
        face = builtin(f"sans{style}")
        y += size * random.uniform(1.0, 1.3)
        if y + 0.25 * size > high:
            return Sheet(wide, high, tuple(runs), (), ())
        x, text = random.uniform(0, 24), ""
        while x + face.width(wider := f"{text} {_word(random)}".lstrip()) * size <= wide - 2:
            text = wider
        if text and y > 0.8 * size:
            runs.append(Run(text, x, y, face, float(size)))


def _word(random: Random) -> str:
    makers = 2 * (words.word, words.word, words.coined, words.number, words.name) + (_noise,)
    made = random.choice(makers)(random)
    if random.random() < 0.1:
        made += random.choice(MARKS)
    return random.choice(OPENERS) + made if random.random() < 0.03 else made


def _noise(random: Random) -> str:
    return "".join(random.choice(LETTERS[:-2]) for _ in range(random.randint(1, 6)))
