"""The page's image with a box around each element, drawn in the image's own coordinates.

Knows: boxes, colours. Does not know: the text beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from doctags.tree import GRID, Box
from smoldocling.report.anatomy import Part
from smoldocling.report.build import Node, add, percent
from smoldocling.report.kinds import group_of, name_of
from smoldocling.result import PageResult

# DIN A4 in points, for pages that never said how large they are.
A4 = (595.0, 842.0)
# So much of an element's text is read out with its kind.
LONGEST_LABEL = 80
# Text of which the page has less than this was not read there.
DOUBTFUL = 0.5
# A box without area is still something to point at.
SMALLEST = 2.0


def draw(
    parent: Node,
    page: PageResult,
    parts: tuple[Part, ...],
    homes: Mapping[str, str | None],
    shown: Mapping[str, str],
) -> None:
    """Append the image and its boxes.

    homes  an element's key -> the key under which its text is found, if any
    shown  that key -> the id of the text
    """
    width, height = _size(page)
    sheet = add(parent, "div", class_="sheet")
    if page.image is not None:
        # The address holds some hundred thousand characters of ours; looking for illegal ones would be slow.
        image = add(sheet, "img", alt=f"Image of page {page.number}", loading="lazy", decoding="async")
        image.set("src", page.image.data_uri)
        image.set("width", str(page.image.width_px))
        image.set("height", str(page.image.height_px))
    drawing = add(
        sheet,
        "svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        preserveAspectRatio="none",
        role="group",
        aria_label=f"Elements of page {page.number}; up and down arrows move between them",
    )
    scored = [(part, page.scores.get(place)) for place, part in enumerate(parts)]
    boxed = [(part, score) for part, score in scored if part.element.boxes and part.element.kind != "link"]
    for number, (part, score) in enumerate(boxed):
        home = homes[part.key]
        link = add(
            drawing,
            "a",
            class_="box doubt" if score is not None and score < DOUBTFUL else "box",
            id=f"b{part.key}",
            href=f"#{shown[home]}" if home else f"#b{part.key}",
            tabindex="0" if number == 0 else "-1",
            data_e=part.key,
            data_t=home,
            data_g=group_of(part.element.kind).name,
            aria_label=_label(number + 1, part, score),
        )
        # Models put several elements into one place; one rectangle for the same box twice is enough.
        for box, _ in groupby(part.element.boxes):
            _rectangle(link, box, width / GRID, height / GRID)


def _size(page: PageResult) -> tuple[float, float]:
    if page.image is not None:
        return float(page.image.width_px), float(page.image.height_px)
    width, height = page.tree.size or A4
    return (width, height) if width > 0 and height > 0 else A4


def _label(number: int, part: Part, score: float | None) -> str:
    element = part.element
    name = name_of(element.kind)
    if element.kind == "section_header":
        name += f" {element.level or 1}"
    if score is not None and score < 1:
        name += f", {percent(score)} on the page"
    said = " ".join(element.text.split())
    if len(said) > LONGEST_LABEL:
        said = said[: LONGEST_LABEL - 1].rstrip() + "…"
    return f"{number}. {name}: {said}" if said else f"{number}. {name}"


def _rectangle(parent: Node, box: Box, across: float, down: float) -> None:
    left, right = sorted(min(max(x, 0), GRID) for x in (box.x0, box.x1))
    top, bottom = sorted(min(max(y, 0), GRID) for y in (box.y0, box.y1))
    add(
        parent,
        "rect",
        x=f"{left * across:.2f}",
        y=f"{top * down:.2f}",
        width=f"{max((right - left) * across, SMALLEST):.2f}",
        height=f"{max((bottom - top) * down, SMALLEST):.2f}",
    )
