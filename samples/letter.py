"""The text and the make-up of the page behind scan.png: a typed letter with a table, a list and a signature."""

from __future__ import annotations

from typing import Any

from flow import Column, hull
from press import Color, Sheet, Style, measure
from tables import Ruled, place
from truth import Area, Mark, Truth

WIDTH, HEIGHT = 595.2, 841.92  # A4 as whole pixels at 150 dots to the inch: 1240 x 1754
LEFT, TEXT_WIDTH = 76.0, 446.0
TYPED = Style("mono", 10.6, 15.2)
PEN: Color = (0.16, 0.18, 0.3)


def compose(pdf: Any) -> Truth:
    """Add the page to an open PDF and return what stands on it."""
    sheet = Sheet(pdf.new_page(width=WIDTH, height=HEIGHT))
    head, foot = "COUNTY GAUGE OFFICE · WEIR HOUSE · ALDMOOR", "In your reply please quote 87/214"
    marks = [centred(sheet, "page_header", 58, head, Style("serif", 12.5))]
    sheet.stroke([(LEFT, 68), (LEFT + TEXT_WIDTH, 68)], 0.8)
    sheet.stroke([(LEFT, 70.4), (LEFT + TEXT_WIDTH, 70.4)], 0.4)
    column = Column(sheet, LEFT, 96, TEXT_WIDTH, marks)
    column.text("9 November 1987", Style("mono", 10.6, 15.2, align="right"), 10)
    column.text("Mrs E. Lindqvist\nKeeper of the Lower Gauge\nAldmoor Bridge", TYPED, 30)
    column.block("section_header_level_1", "Three readings in doubt", Style("monobold", 11.6, 15), 14)
    column.text("Dear Mrs Lindqvist,", TYPED, 13)
    column.text(
        "Your book for October has been entered. Three readings could not be taken as they stand, because they "
        "differ from the upper gauge by more than the river can rise or fall in the two miles between us.",
        TYPED,
        18,
    )
    place(readings(), column, after=22)
    column.text("Before we correct anything, please tell us", TYPED, 12)
    column.items(
        [
            "whether the staff was cleaned after the flood of the second;",
            "who read it on the eleventh, when you were away;",
            "whether 203 may stand for 153, as the weather of that week suggests.",
        ],
        style=TYPED,
        after=13,
    )
    column.text(
        "Nothing will be struck out. A figure in doubt stays in the book, with the doubt written beside it, so that "
        "those who come after us can judge for themselves.",
        TYPED,
        13,
    )
    column.text("Yours sincerely,", TYPED, 10)
    marks.append(signature(sheet, LEFT + 4, column.y))
    column.y += 44
    column.text("A. Marchetti, Registrar of Levels", TYPED)
    marks.append(centred(sheet, "page_footer", 800, foot, Style("serif", 9.6)))
    sheet.close()
    return Truth(tuple(marks), WIDTH, HEIGHT)


def centred(sheet: Sheet, tag: str, baseline: float, text: str, style: Style) -> Mark:
    """One printed line in the middle of the page."""
    x = (WIDTH - measure(text, style.face, style.size)) / 2
    return Mark(tag, (sheet.write(x, baseline, text, style.face, style.size),), text)


def readings() -> Ruled:
    """The readings in doubt, in centimetres."""
    pairs = (("4 October", 142, 97), ("11 October", 88, 131), ("26 October", 203, 151))
    return Ruled(
        [
            ["Date", "Your book", "Upper gauge", "Difference"],
            *([day, f"{own} cm", f"{other} cm", f"{own - other:+d} cm"] for day, own, other in pairs),
        ],
        [116, 108, 112, 110],
        ["left", "right", "right", "right"],
        style=Style("mono", 10.2, 13),
        pad=4.0,
    )


def signature(sheet: Sheet, x: float, top: float) -> Mark:
    """A name in pen, as curves."""
    strokes = (
        [(2, 32), (10, 20), (17, 4), (21, 2), (25, 0), (22, 20), (26, 31)],
        [(8, 21), (16, 18), (26, 18), (34, 20)],
        [
            (44, 32), (46, 14), (52, 3), (54, 6), (57, 11), (55, 26), (58, 26), (62, 26), (64, 6), (68, 5),
            (72, 4), (68, 28), (73, 30), (78, 31), (80, 18), (85, 19), (88, 20), (80, 31), (86, 30), (92, 29),
            (94, 18), (97, 20), (99, 22), (96, 31), (101, 29), (106, 27), (107, 19), (111, 20), (114, 21),
            (107, 31), (114, 29), (122, 27), (128, 2), (130, 4), (132, 7), (122, 30), (128, 29), (134, 28),
            (136, 18), (140, 20), (143, 22), (138, 30), (150, 26), (160, 22), (172, 24), (186, 20),
        ],
    )  # fmt: skip
    for stroke in strokes:
        sheet.curve([(x + dx, top + dy) for dx, dy in stroke], 1.1, PEN)
    ink = [Area(x + dx, top + dy, x + dx, top + dy) for stroke in strokes for dx, dy in stroke[::3]]
    return Mark("picture", (hull(ink),), "<signature>")
