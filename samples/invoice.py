"""The text and the make-up of invoice.pdf: one page with fields, items and totals."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from flow import GREY, HAIRLINE, Column, running
from press import BLUE, INK, Color, Sheet, Style
from tables import Ruled, place
from truth import Area, Mark, Truth

WIDTH, HEIGHT = 595.0, 842.0
LEFT, TEXT_WIDTH = 64.0, 467.0
MIDDLE = LEFT + 262
SKY: Color = (0.62, 0.74, 0.86)
SMALL = Style("sans", 9.2, 12.6)

ITEMS = (  # what, quantity, unit price
    ("Scanning of loose pages, A4, 300 dpi, grey", 4312, "0.18"),
    ("Flattening and repair of torn pages", 38, "3.50"),
    ("Book cradle for bound ledgers, per day", 6, "45.00"),
    ("Archive boxes, acid-free, with lids", 24, "7.25"),
    ("Courier, return of the originals", 1, "62.40"),
)
VAT = Decimal("0.20")
FIELDS = (
    ("Invoice number", "QS-2047"),
    ("Invoice date", "14 March 2024"),
    ("Your order", "AAT/24/031"),
    ("Delivered", "11 March 2024"),
    ("Due", "13 April 2024"),
)


def money(amount: Decimal) -> str:
    """Two places, thousands apart."""
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def compose(pdf: Any) -> list[Truth]:
    """Add the page to an open PDF and return what stands on it."""
    sheet = Sheet(pdf.new_page(width=WIDTH, height=HEIGHT))
    marks = [logo(sheet, LEFT, 58)]
    sender = Column(sheet, LEFT + 52, 58, 220)
    sender.text(
        "Quire & Stack Digitising\n14 Mill Lane, Aldmoor AM2 7QS\naccounts@quire.example", Style("sans", 9.2, 13)
    )
    title = Column(sheet, LEFT, 60, TEXT_WIDTH)
    title.block("title", "Invoice", Style("bold", 25, 30, BLUE, "right"))
    sheet.stroke([(LEFT, 116), (LEFT + TEXT_WIDTH, 116)], 0.9, BLUE)
    recipient = Column(sheet, LEFT, 142, 220)
    recipient.block("section_header_level_1", "Billed to", Style("bold", 9.2, 12.6, GREY), 7)
    recipient.text("Aldmoor Archive Trust\nRecords Office, Room 12\n3 Weir Street\nAldmoor AM4 2LR", SMALL)
    main = Column(sheet, LEFT, 254, TEXT_WIDTH)
    place(charges(), main, after=26)
    main.block("section_header_level_1", "Payment", Style("bold", 9.2, 12.6, GREY), 7)
    main.text(
        "Please pay within thirty days to Weir Bank, account 20 47 11 03, and quote the invoice number. A page that "
        "has to be scanned again because we cut off its margin is scanned again free of charge.",
        SMALL,
        16,
    )
    main.block("section_header_level_1", "What you receive", Style("bold", 9.2, 12.6, GREY), 7)
    main.items(
        [
            "4,312 images on one disk, named by book and page;",
            "one searchable PDF file for each of the 61 books;",
            "the originals, in the order in which they came to us.",
        ],
        style=SMALL,
    )
    foot = "Quire & Stack Digitising is registered in Aldmoor under number 5120, VAT number AM 204 7110."
    sheet.stroke([(LEFT, 786), (LEFT + TEXT_WIDTH, 786)], 0.4, HAIRLINE)
    footer = running(sheet, "page_footer", LEFT, 802, TEXT_WIDTH, foot)
    marks += [*sender.marks, *title.marks, *recipient.marks, fields(sheet, MIDDLE, 142), *main.marks, footer]
    sheet.close()
    return [Truth(tuple(marks), WIDTH, HEIGHT)]


def charges() -> Ruled:
    """The items and, below them, what they come to."""
    amounts = [quantity * Decimal(price) for _, quantity, price in ITEMS]
    net = sum(amounts, Decimal(0))
    tax = (net * VAT).quantize(Decimal("0.01"), ROUND_HALF_UP)
    rows = [
        [str(number), what, f"{quantity:,}", price, money(amount)]
        for number, ((what, quantity, price), amount) in enumerate(zip(ITEMS, amounts, strict=True), 1)
    ]
    return Ruled(
        [
            ["No.", "Description", "Quantity", "Unit price", "Amount (EUR)"],
            *rows,
            ["Subtotal", "<", "<", "<", money(net)],
            ["VAT 20%", "<", "<", "<", money(tax)],
            ["Total due", "<", "<", "<", money(net + tax)],
        ],
        [34, 221, 62, 66, 84],
        ["left", "left", "right", "right", "right"],
        strong=frozenset({len(ITEMS) + 3}),
        style=Style("sans", 9.2, 12),
        pad=5.4,
    )


def fields(sheet: Sheet, x: float, top: float) -> Mark:
    """Keys on the left, their values on the right; each key names the value it belongs to."""
    size, leading, indent = 9.2, 15.2, 92.0
    children = []
    for number, (key, value) in enumerate(FIELDS):
        baseline = top + 0.718 * size + leading * number
        key_area = sheet.write(x, baseline, key, "sans", size, GREY)
        value_area = sheet.write(x + indent, baseline, value, "bold" if key == "Due" else "sans", size, INK)
        children += [
            Mark(f"key_{2 * number}", (key_area,), f"{key}<link_{2 * number + 1}>"),
            Mark(f"value_{2 * number + 1}", (value_area,), value),
        ]
    return Mark("key_value_region", tuple(area for child in children for area in child.areas), "", tuple(children))


def logo(sheet: Sheet, x: float, top: float) -> Mark:
    """Three sheets of paper, one on the other."""
    for shift, color in ((0, SKY), (6, (0.36, 0.53, 0.71)), (12, BLUE)):
        sheet.shade(Area(x + shift, top + shift, x + shift + 25, top + shift + 25), color)
    for line, length in enumerate((15, 15, 9)):
        y = top + 19 + 5.5 * line
        sheet.stroke([(x + 17, y), (x + 17 + length, y)], 1.6, (1, 1, 1))
    return Mark("picture", (Area(x, top, x + 37, top + 37),), "<logo>")
