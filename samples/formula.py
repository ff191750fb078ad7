"""One display formula, set by hand: the mean error of the pages.

Knows: where each glyph of this formula goes, and its LaTeX. Does not know: any other formula.
"""

from __future__ import annotations

from flow import hull
from press import Sheet, measure
from truth import Area, Mark

SIZE, SMALL, SUBSCRIPT = 11.0, 7.6, 7.5
LATEX = r"\bar{e} = \frac{1000}{P} \sum_{i=1}^{P} \frac{d(t_i, c_i)}{|t_i|}"

Glyphs = list[tuple[str, str]]
"""Strings and their faces; `subscript` is a small italic below the line."""

INDEX = ("i", "subscript")
DISTANCE: Glyphs = [
    *[("d", "italic"), ("(", "serif"), ("t", "italic"), INDEX, (", ", "serif")],
    *[("c", "italic"), INDEX, (")", "serif")],
]
LENGTH: Glyphs = [("|", "serif"), ("t", "italic"), INDEX, ("|", "serif")]


def formula(sheet: Sheet, middle: float, top: float) -> Mark:
    """Set the formula around `middle`; its fraction bars lie on one axis."""
    axis = top + 18.5
    x = middle - 60
    sheet.stroke([(x + 0.6, axis - 4), (x + 5.2, axis - 4)], 0.5)
    areas = [
        sheet.write(x, axis + 3.6, "e", "italic", SIZE),
        sheet.write(x + 9.5, axis + 3.6, "=", "serif", SIZE),
        *fraction(sheet, x + 35, axis, 27, [("1000", "serif")], [("P", "italic")]),
        sheet.write(x + 53, axis + 6.5, "∑", "serif", 21),
        sheet.write(x + 58.4, axis - 13.6, "P", "italic", SMALL),
        sheet.write(x + 55.4, axis + 18.6, "i", "italic", SMALL),
        sheet.write(x + 59, axis + 18.6, "=", "serif", SMALL),
        sheet.write(x + 64.6, axis + 18.6, "1", "serif", SMALL),
        *fraction(sheet, x + 97, axis, 44, DISTANCE, LENGTH),
    ]
    return Mark("formula", (hull(areas),), LATEX)


def fraction(sheet: Sheet, middle: float, axis: float, width: float, above: Glyphs, below: Glyphs) -> list[Area]:
    """Set one fraction and return where its bar and its glyphs lie."""
    bar = Area(middle - width / 2, axis, middle + width / 2, axis)
    sheet.stroke([(bar.x0, axis), (bar.x1, axis)], 0.5)
    areas = [bar]
    for glyphs, baseline in ((above, axis - 4.2), (below, axis + 11.2)):
        runs = [(t, "italic", SUBSCRIPT, 2.0) if face == "subscript" else (t, face, SIZE, 0.0) for t, face in glyphs]
        x = middle - sum(measure(text, face, size) for text, face, size, _ in runs) / 2
        for text, face, size, drop in runs:
            areas.append(sheet.write(x, baseline + drop, text, face, size))
            x += measure(text, face, size)
    return areas
