"""What a network is taught with: a page as tiles, what it is asked, what it should answer.

Knows: pairs of files, drawn pages, a checkpoint's vocabulary. Does not know: tensors, how a network learns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

import doctags
from doctags.tree import Page
from smoldocling.errors import UnusableInput
from smoldocling.pages import tiles
from smoldocling.training import glyphs
from smoldocling.training.compose import Domain, compose
from smoldocling.training.drill import drill
from smoldocling.training.faces import Pixels
from smoldocling.training.page import Paper
from smoldocling.training.paint import paint
from smoldocling.training.sheet import Sheet
from smoldocling.vocab import Vocab

IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
# One of so many pairs is kept to be judged with, and never taught.
HELD_BACK = 20
# Drawn pages that are judged with have numbers from here on; training does not get so far.
UNSEEN = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One page.

    tiles   uint8, (tiles, T, T, 3), the whole view last
    prompt  ids of the question, with a placeholder for each position of the image
    answer  ids of the page's DocTags and the id that ends an answer
    text    the page's DocTags
    glyphs  which letters lie where, see glyphs.labels; None for pages that nobody has drawn
    places  for each id of the answer the row of the prompt that it is read from, or -1; () for such pages
    """

    tiles: npt.NDArray[np.uint8]
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    text: str
    glyphs: npt.NDArray[np.int64] | None = None
    places: tuple[int, ...] = ()


class Source(Protocol):
    """Where examples come from: the same ones for the same seed, on and on."""

    def taught(self, start: int) -> Iterator[Example]:
        """From the `start`-th on, without end."""
        ...

    def unseen(self, count: int) -> list[Example]:
        """At most so many that are never taught."""
        ...


class Reader:
    """Pages to examples, as one checkpoint sees and writes them."""

    def __init__(self, vocab: Vocab) -> None:
        self._vocab = vocab
        self._end = min(vocab.checkpoint.end_ids, default=min(vocab.stop_ids))

    def example(self, image: Image.Image | Pixels, text: str, splits: int, drawing: Sheet | None = None) -> Example:
        """`drawing` is the sheet that the image was painted from, if it was."""
        checkpoint = self._vocab.checkpoint
        cut = tiles.split(
            Image.fromarray(image) if isinstance(image, np.ndarray) else image,
            splits=splits,
            tile_px=checkpoint.tile_px,
        )
        prompt = self._vocab.prompt_ids(cut.rows, cut.columns)
        answer = (*self._vocab.encode(text), self._end)
        if drawing is None:
            return Example(cut.pixels, prompt, answer, text)
        scale = checkpoint.scale_factor
        side = checkpoint.tile_px // checkpoint.patch_px // scale
        grid = max(cut.rows, 1), max(cut.columns, 1)
        spelt = [self._vocab.decode([token]) for token in answer]
        rows = [row for row, token in enumerate(prompt) if token == checkpoint.image_token_id]
        return Example(
            cut.pixels,
            prompt,
            answer,
            text,
            glyphs.labels(drawing, *grid, side, scale),
            tuple(rows[place] if place >= 0 else -1 for place in glyphs.places(drawing, spelt, *grid, side)),
        )


class Drawn:
    """Pages of a domain, drawn as they are asked for."""

    def __init__(self, reader: Reader, domain: Domain | Paper, splits: int) -> None:
        """splits  tiles along the long side; 1: every page is one tile"""
        self._reader = reader
        self._domain = domain
        self._splits = splits

    def taught(self, start: int) -> Iterator[Example]:
        number = start
        while True:
            yield self._page(number)
            number += 1

    def unseen(self, count: int) -> list[Example]:
        return [self._page(UNSEEN + number) for number in range(count)]

    def _page(self, number: int) -> Example:
        sheet = compose(self._domain, number)
        text = doctags.write(Page(sheet.elements))
        return self._reader.example(paint(sheet, self._domain.scale), text, self._splits, sheet)


class Drills:
    """Tiles to learn letters with. Nothing is to be written about them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def taught(self, start: int) -> Iterator[Example]:
        number = start
        while True:
            sheet = drill(number)
            yield self._reader.example(paint(sheet), "", 1, sheet)
            number += 1

    def unseen(self, count: int) -> list[Example]:
        return []


class Pairs:
    """NAME.png (or another image) beside NAME.dt, in a folder and the folders below it."""

    def __init__(self, reader: Reader, folder: Path, splits: int, seed: int = 0) -> None:
        """Raises UnusableInput where there are no pairs."""
        self._reader = reader
        self._splits = splits
        self._seed = seed
        texts = {path.with_suffix(""): path for path in folder.rglob("*.dt")}
        images = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGES]
        pairs = [(path, texts[path.with_suffix("")]) for path in images if path.with_suffix("") in texts]
        if not pairs:
            raise UnusableInput(
                f"{folder} holds no pairs: NAME.png beside NAME.dt is needed, as `smoldocling synth` writes them"
            )
        Random(seed).shuffle(pairs)
        kept = max(1, len(pairs) // HELD_BACK) if len(pairs) > 1 else 0
        self._unseen, self._taught = pairs[:kept], pairs[kept:]

    def __len__(self) -> int:
        return len(self._taught)

    def taught(self, start: int) -> Iterator[Example]:
        """Every pair once, then every pair again in another order."""
        turn, skip = divmod(start, len(self._taught))
        while True:
            order = Random(f"{self._seed} {turn}").sample(self._taught, len(self._taught))
            for image, text in order[skip:]:
                yield self._read(image, text)
            turn, skip = turn + 1, 0

    def unseen(self, count: int) -> list[Example]:
        return [self._read(image, text) for image, text in self._unseen[:count]]

    def _read(self, image: Path, text: Path) -> Example:
        try:
            with Image.open(image) as opened:
                page = opened.convert("RGB")
            return self._reader.example(page, text.read_text(encoding="utf-8").strip("\n"), self._splits)
        except (OSError, UnidentifiedImageError, UnicodeDecodeError) as error:
            raise UnusableInput(f"{image}: cannot be read: {' '.join(str(error).split())}") from error
