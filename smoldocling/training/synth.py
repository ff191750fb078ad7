"""Numbered pages with their exact DocTags, as files.

Knows: domains, seeds, names of files. Does not know: how pages are made and drawn.
Law: the pair with number k depends on domain, seed, k and the options alone, not on how many others are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import doctags
from smoldocling.output import put
from smoldocling.training import disturb, png
from smoldocling.training.compose import DOMAINS, Domain, compose
from smoldocling.training.faces import Family
from smoldocling.training.page import Paper
from smoldocling.training.paint import paint

POINTS_PER_INCH = 72.0
# Seeds of pages are seed and number side by side in decimal; nobody makes more pages with one seed.
MAX_PAGES = 10**9


@dataclass(frozen=True, slots=True)
class Pair:
    """A page and what it says: NAME + suffix holds `data`, NAME.dt the DocTags."""

    name: str
    suffix: str
    data: bytes
    doctags: str


@dataclass(frozen=True, slots=True)
class Series:
    """Endless numbered pages.

    domain     one of DOMAINS
    pdf        born-digital PDFs with a text layer instead of PNG images
    disturbed  share of the images that look scanned, 0..1; None is the domain's own
    fonts      families to set pages in; none are the domain's own
    """

    domain: str
    seed: int
    pdf: bool = False
    disturbed: float | None = None
    fonts: tuple[Family, ...] = ()

    def pair(self, number: int) -> Pair:
        """Page `number`, from 0."""
        domain = DOMAINS[self.domain]
        name = f"{self.domain}-{self.seed}-{number:06}"
        harm = None if self.pdf else self._harm(name, domain)
        sheet = compose(domain, page_seed(self.seed, number), tilt=harm.tilt if harm else 0.0, fonts=self.fonts)
        text = doctags.write(doctags.Document((doctags.Page(sheet.elements),)))
        if self.pdf:
            from smoldocling.training.press import press

            return Pair(name, ".pdf", press(sheet), text)
        pixels = paint(sheet, domain.scale)
        if harm:
            pixels = disturb.disturb(pixels, harm)
        return Pair(name, ".png", png.encode(pixels, POINTS_PER_INCH * domain.scale), text)

    def _harm(self, name: str, domain: Domain | Paper) -> disturb.Harm | None:
        random = Random(f"disturbed {name}")
        share = domain.disturbed if self.disturbed is None else self.disturbed
        return disturb.harm(random, domain.scale) if random.random() < share else None


def page_seed(seed: int, number: int) -> int:
    """What `compose` is given for page `number` of a series."""
    return seed * MAX_PAGES + number


def keep(pair: Pair, folder: Path) -> None:
    """Write both files, the DocTags last: where they are, the page is. Raises UnwritableOutput."""
    put(folder / (pair.name + pair.suffix), pair.data)
    put(folder / (pair.name + ".dt"), pair.doctags.encode("utf-8"))
