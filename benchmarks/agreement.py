"""How well a model's text is checked against the page: true DocTags, spoiled in known ways, beside their PDFs.

    python benchmarks/agreement.py samples ../shared/data/docling

Each folder holds pairs of NAME.pdf and NAME.dt. Printed are how much of the true text is confirmed, how many false
warnings there are, and how much of what was spoiled is found or mended.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pymupdf

# a script beside this one is called doctags and must not be found in the package's place
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import doctags  # noqa: E402 - only now can it be found
from doctags.tree import GRID, Box, Element, Page  # noqa: E402
from smoldocling.pages.textlayer import Reader, Reading  # noqa: E402
from smoldocling.reconcile import Checked, TextName, reconcile  # noqa: E402

SEED = 7
ROUNDS = 5
# Nothing of this is in the documents; it is what models are known to make up, and ordinary prose.
INVENTED = (
    "The Book of the Dead is a collection of ancient Egyptian funerary texts.",
    "Participants were randomly assigned to one of three treatment groups before the interview.",
    "She walked along the harbour every morning until the boats came home.",
    "Revenue increased by 14 percent compared with the previous quarter.",
    "Please contact our customer service department for further assistance.",
)
WORDS = "harbour velvet quantum orchard lantern 7391 marble turbine saffron 58.25 glacier violin pepper anchor".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Sheet:
    """A page, its truth, and the text that stands for what a model wrote."""

    name: str
    tree: Page
    reading: Reading


def sheets(folders: list[Path]) -> Iterator[Sheet]:
    for truth in sorted(path for folder in folders for path in folder.glob("*.dt")):
        pdf = truth.with_suffix(".pdf")
        if pdf.exists():
            reader = Reader(pymupdf.open(pdf))
            for number, page in enumerate(doctags.parse(truth.read_text(encoding="utf-8")).pages):
                yield Sheet(f"{truth.stem} {number + 1}", page, reader.read(number))


def checked(sheet: Sheet, tree: Page, text: TextName = "auto") -> tuple[Checked, str]:
    """The spoiled tree as a model would have written it, and what came of it."""
    raw = doctags.write(tree)
    return reconcile(doctags.parse(raw).pages[0], sheet.reading, text, raw), raw


def each_text(tree: Page, change: Callable[[Element], Element]) -> Page:
    """The page with every element that owns text changed."""

    def inside(element: Element) -> Element:
        children = tuple(map(inside, element.children))
        element = replace(element, children=children)
        return change(element) if len(element.text.split()) > 3 and element.kind not in ("formula", "code") else element

    return replace(tree, elements=tuple(map(inside, tree.elements)))


def sentence(tree: Page, dice: random.Random) -> tuple[Page, str]:
    """One invented sentence, in the middle of an element or as one of its own."""
    made = dice.choice(INVENTED)
    at = dice.randrange(len(tree.elements) + 1)
    if dice.random() < 0.5:
        y = dice.randrange(20, 440)
        new = Element("text", made, (Box(60, y, 440, y + 20),))
        return replace(tree, elements=(*tree.elements[:at], new, *tree.elements[at:])), made
    done = False

    def change(element: Element) -> Element:
        nonlocal done
        if done or dice.random() < 0.6:
            return element
        done = True
        words = element.text.split(" ")
        cut = dice.randrange(len(words) + 1)
        return replace(element, text=" ".join([*words[:cut], made, *words[cut:]]))

    changed = each_text(tree, change)
    if done:
        return changed, made
    return replace(tree, elements=(*tree.elements, Element("text", made, (Box(60, 460, 440, 470),)))), made


def words(tree: Page, dice: random.Random) -> tuple[Page, Counter[str]]:
    """One word in thirty replaced by another."""
    put: Counter[str] = Counter()

    def change(element: Element) -> Element:
        row = element.text.split(" ")
        for at, word in enumerate(row):
            if word.isalpha() and len(word) > 3 and dice.random() < 1 / 30:
                row[at] = dice.choice(WORDS)
                put[row[at]] += 1
        return replace(element, text=" ".join(row))

    return each_text(tree, change), put


def letters(tree: Page, dice: random.Random) -> tuple[Page, int]:
    """One letter misread in one word in thirty."""
    count = 0

    def change(element: Element) -> Element:
        nonlocal count
        row = element.text.split(" ")
        for at, word in enumerate(row):
            if len(word) > 2 and word.isascii() and word.isalnum() and dice.random() < 1 / 30:
                place = dice.randrange(len(word))
                letter = dice.choice([one for one in LETTERS if one != word[place]])
                row[at] = word[:place] + letter + word[place + 1 :]
                count += 1
        return replace(element, text=" ".join(row))

    return each_text(tree, change), count


def moved(tree: Page, dice: random.Random, by: int) -> Page:
    """Every side of every box moved by up to so many units."""

    def side(value: int) -> int:
        return min(max(value + dice.randint(-by, by), 0), GRID)

    def change(element: Element) -> Element:
        boxes = tuple(Box(side(box.x0), side(box.y0), side(box.x1), side(box.y1)) for box in element.boxes)
        return replace(element, boxes=boxes, children=tuple(map(change, element.children)))

    return replace(tree, elements=tuple(map(change, tree.elements)))


def garbage(tree: Page, dice: random.Random) -> Page:
    """Every letter and digit another one."""

    def spoilt(text: str) -> str:
        return "".join(dice.choice(LETTERS) if char.isalnum() else char for char in text)

    def change(element: Element) -> Element:
        cells = tuple(replace(cell, text=spoilt(cell.text)) for cell in element.cells)
        return replace(element, text=spoilt(element.text), cells=cells, children=tuple(map(change, element.children)))

    return replace(tree, elements=tuple(map(change, tree.elements)))


def differing(one: Page, other: Page) -> int:
    """Words of the texts of two trees of one shape that differ."""
    return sum(
        a != b
        for first, second in zip(_texts(one.elements), _texts(other.elements), strict=True)
        for a, b in zip(first.split(), second.split(), strict=False)
    )


def _texts(elements: tuple[Element, ...]) -> Iterator[str]:
    for element in elements:
        yield element.text
        yield from (cell.text for cell in element.cells)
        yield from _texts(element.children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    pages = list(sheets(parser.parse_args().folders))
    dice = random.Random(SEED)
    tally: Counter[str] = Counter()
    for sheet in pages:
        started = time.perf_counter()
        result, _ = checked(sheet, sheet.tree)
        spent = time.perf_counter() - started
        kinds = Counter(problem.kind for problem in result.problems)
        agreement = "none" if result.agreement is None else f"{result.agreement:.4f}"
        warned = dict(kinds) or "no warnings"
        print(f"{sheet.name:<32} agreement {agreement}  {1000 * spent:4.0f} ms  {warned} {result.note or ''}")
        for problem in result.problems:
            print(f"    {problem.kind}: {problem.message}")
        if result.agreement is None:
            continue
        tally["changed by auto"] += differing(sheet.tree, result.tree)
        for _ in range(ROUNDS):
            _spoil(sheet, dice, tally)
    print()
    for what, (part, whole) in {
        "invented sentences reported": ("sentences found", "sentences"),
        "replaced words reported": ("words found", "words"),
        "misread letters: words put right by auto": ("letters mended", "letters"),
        "pages with a false warning, boxes off by up to 3": ("moved 3 warned", "moved 3"),
        "pages with a false warning, boxes off by up to 8": ("moved 8 warned", "moved 8"),
    }.items():
        share = tally[part] / tally[whole] if tally[whole] else 0.0
        print(f"{what:<52}{share:7.1%}  ({tally[part]} of {tally[whole]})")
    print(
        f"{'words that auto changed though they were right':<52}{tally['changed by auto'] + tally['letters harmed']:7}"
    )
    print(f"{'highest agreement of random letters':<52}{tally['garbage'] / 1000:7.3f}")


def _spoil(sheet: Sheet, dice: random.Random, tally: Counter[str]) -> None:
    tree, made = sentence(sheet.tree, dice)
    result, raw = checked(sheet, tree)
    at = raw.index(made)
    tally["sentences"] += 1
    hit = any(p.kind == "invented" and p.start < at + len(made) and p.end > at for p in result.problems)
    tally["sentences found"] += hit
    tree, put = words(sheet.tree, dice)
    result, raw = checked(sheet, tree)
    told = Counter(word for p in result.problems if p.kind == "invented" for word in raw[p.start : p.end].split())
    tally["words"] += put.total()
    tally["words found"] += (put & told).total()
    tree, count = letters(sheet.tree, dice)
    result, _ = checked(sheet, tree)
    wrong = differing(sheet.tree, result.tree)
    tally["letters"] += count
    tally["letters mended"] += count - min(count, wrong)
    tally["letters harmed"] += max(0, wrong - count)
    for by in (3, 8):
        result, _ = checked(sheet, moved(sheet.tree, dice, by))
        tally[f"moved {by}"] += 1
        tally[f"moved {by} warned"] += bool(result.problems)
    result, _ = checked(sheet, garbage(sheet.tree, dice))
    tally["garbage"] = max(tally["garbage"], round(1000 * (result.agreement or 0.0)))


if __name__ == "__main__":
    sys.exit(main())
