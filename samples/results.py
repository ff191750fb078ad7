"""The numbers of the invented campaign, as table 1 and as figure 1 of the report."""

from __future__ import annotations

from dataclasses import dataclass

from flow import GREY, HAIRLINE, Column, hull
from press import BLUE, INK, Color, measure
from tables import ABOVE, LEFT, Ruled
from truth import Area, Mark

PAPER: Color = (1, 1, 1)
SAND: Color = (0.83, 0.66, 0.36)
SERIES = ("First pass", SAND), ("After checks", BLUE)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of page: errors per 1,000 characters and tables kept in per cent, each before and after the checks."""

    source: str
    name: str
    pages: int
    errors: tuple[float, float]
    kept: tuple[int, int]


KINDS = (
    Kind("Computer", "Bulletins", 212, (0.4, 0.3), (97, 99)),
    Kind(ABOVE, "Spreadsheets", 148, (0.9, 0.6), (92, 98)),
    Kind("Scanner", "Typed letters", 318, (11.8, 4.1), (88, 95)),
    Kind(ABOVE, "Printed forms", 274, (14.2, 5.0), (79, 93)),
    Kind(ABOVE, "Ledger pages", 248, (23.6, 9.7), (61, 84)),
)


def results() -> Ruled:
    """Table 1; its last row is computed from the others."""
    total = sum(kind.pages for kind in KINDS)
    errors = [f"{sum(kind.pages * kind.errors[at] for kind in KINDS) / total:.1f}" for at in (0, 1)]
    kept = [f"{sum(kind.pages * kind.kept[at] for kind in KINDS) / total:.0f}" for at in (0, 1)]
    body = [
        [kind.source, kind.name, str(kind.pages), *(f"{rate:.1f}" for rate in kind.errors), *map(str, kind.kept)]
        for kind in KINDS
    ]
    return Ruled(
        [
            ["Source", "Kind of page", "Pages", "Errors per 1,000 characters", LEFT, "Tables kept (%)", LEFT],
            [ABOVE, ABOVE, ABOVE, "First pass", "After checks", "First pass", "After checks"],
            *body,
            ["All pages", LEFT, f"{total:,}", *errors, *kept],
        ],
        [62, 89, 48, 67, 67, 67, 67],
        ["left", "left", "right", "right", "right", "right", "right"],
        head=2,
        strong=frozenset({7}),
    )


def chart(column: Column) -> Mark:
    """Figure 1: two bars for each kind of page, on the numbers of table 1."""
    sheet, label = column.sheet, 8.0
    left, right = column.x + 34.0, column.x + column.width - 6
    top, bottom, highest = column.y + 26, column.y + 186, 25.0
    step = (right - left) / len(KINDS)
    areas = [sheet.write(column.x + 8, column.y + 8, "Errors per 1,000 characters", "sans", label, GREY)]
    for mark in range(0, 26, 5):
        y = bottom - (bottom - top) * mark / highest
        sheet.stroke([(left, y), (right, y)], 0.4 if mark else 0.8, HAIRLINE if mark else INK)
        areas.append(sheet.write(left - 6 - measure(str(mark), "sans", label), y + 2.8, str(mark), "sans", label, GREY))
    for at, kind in enumerate(KINDS):
        middle = left + step * (at + 0.5)
        for shift, value, (_, color) in zip((-25.0, 1.0), kind.errors, SERIES, strict=True):
            y = bottom - (bottom - top) * value / highest
            sheet.shade(Area(middle + shift, y, middle + shift + 24, bottom - 0.4), color)
            sheet.shade(Area(middle + shift, y - 11, middle + shift + 24, y), PAPER)  # no grid line through the number
            x = middle + shift + 12 - measure(f"{value}", "sans", 7.4) / 2
            areas.append(sheet.write(x, y - 3.5, f"{value}", "sans", 7.4))
        areas.append(sheet.write(middle - measure(kind.name, "sans", label) / 2, bottom + 13, kind.name, "sans", label))
    x = right - 132
    for name, color in SERIES:
        sheet.shade(Area(x, column.y + 1.4, x + 8, column.y + 9), color)
        areas.append(sheet.write(x + 12, column.y + 8, name, "sans", label, GREY))
        x += 62
    column.y = bottom + 26
    caption = column.caption(
        "Figure 1. Errors by kind of page. The checks help most where the page itself is hardest to read.", 4
    )
    return Mark("picture", (hull([*areas, Area(left, top, right, bottom)]),), "<bar_chart>", (caption,))
