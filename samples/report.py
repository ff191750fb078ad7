"""The text and the make-up of report.pdf: three pages on an invented measurement campaign."""

from __future__ import annotations

from typing import Any

from flow import GREY, HAIRLINE, Column, running
from formula import formula
from press import BLUE, Sheet, Style
from results import chart, results
from tables import place
from truth import Area, Mark, Truth

WIDTH, HEIGHT = 595.0, 842.0
LEFT, TEXT_WIDTH = 64.0, 467.0
TOP, FOOT = 76.0, 804.0
GUTTER = 21.0

CODE = '''def error_rate(pages):
    """Edits per 1,000 characters."""
    total = 0.0
    for true, found in pages:
        edits = distance(true, found)
        total += edits / len(true)
    return 1000 * total / len(pages)'''


def compose(pdf: Any) -> list[Truth]:
    """Add the three pages to an open PDF and return what stands on them."""
    pages = []
    for number, body in enumerate((first, second, third), 1):
        sheet = Sheet(pdf.new_page(width=WIDTH, height=HEIGHT))
        head = running(sheet, "page_header", LEFT, 46, TEXT_WIDTH, "Aldmoor Archive Trust · Technical Report 7")
        sheet.stroke([(LEFT, 53), (LEFT + TEXT_WIDTH, 53)], 0.4, HAIRLINE)
        marks = body(sheet)
        foot = running(sheet, "page_footer", LEFT, FOOT, TEXT_WIDTH, f"Page {number} of 3", "right")
        sheet.close()
        pages.append(Truth((head, *marks, foot), WIDTH, HEIGHT))
    return pages


def first(sheet: Sheet) -> list[Mark]:
    """Title, summary, nested list, link and footnote."""
    column = Column(sheet, LEFT, TOP + 8, TEXT_WIDTH)
    column.heading(0, "Nine Decades of River Levels,\nRead Back from Paper")
    column.text("Ines Halloran, Tomas Brandt and Yuki Aoyama", Style("sans", 10, 13, GREY), 14)
    top = column.y
    column.x, column.width = LEFT + 14, TEXT_WIDTH - 14
    column.text(
        "Between 1911 and 2003 the keepers of the Aldmoor river gauges filed 4,312 pages of reports: type|written "
        "letters, printed forms, ledgers and, at the end, files from an office computer. This report de|scribes how "
        "the pages were scanned, con|verted into marked-up text and checked. In a sample of 1,200 pages the last "
        "step lowered the number of wrong char|ac|ters from 11.4 to 4.4 in a thousand, and raised the share of "
        "tables that could be used as they came from 82 to 93 in a hundred.",
        Style("italic", 10.6, 14.7, align="justify"),
    )
    sheet.shade(Area(LEFT, top - 1, LEFT + 2.4, column.y - 8), BLUE)
    column.x, column.width = LEFT, TEXT_WIDTH
    column.heading(1, "1 Why the paper matters")
    column.text(
        "A river gauge is a staff with numbers painted on it. Twice a day, for ninety-two years, some|body at "
        "Aldmoor walked down to the water, read the staff and wrote the figure into a book. When a book was full it "
        "was typed up, sent to the county and for|got|ten. The series is the longest un|bro|ken record of the "
        "valley, and until last year not one value of it could be plotted."
    )
    column.text(
        "Paper keeps its meaning in its layout. A figure in the third column is a level in cen|ti|me|tres only "
        "because a heading above it says so; a remark in the margin may with|draw a whole week of read|ings. A "
        "con|ver|sion that re|turns the right char|ac|ters in the wrong order has lost the mea|sure|ment, even "
        "though no spell|ing checker would find fault with it."
    )
    column.heading(2, "1.1 What was kept")
    column.text("The archive holds five kinds of pages, and each kind fails in its own way.")
    column.items(
        [
            (
                "Pages from a computer, 1994 to 2003, which carry their own text:",
                [
                    "bulletins, set in two columns with running heads;",
                    "print|outs of spread|sheets, whose tables run on over several pages.",
                ],
            ),
            (
                "Scanned pages, 1911 to 1993, which are pictures of text:",
                [
                    "typed letters, many of them carbon copies on thin paper;",
                    "printed forms, filled in by hand or by type|writer;",
                    "ledger pages, with merged headings, ditto marks and cor|rec|tions in red that a grey scan can "
                    "no longer tell from the entries they correct.",
                ],
            ),
        ]
    )
    column.heading(3, "1.1.1 The sample")
    column.text(
        "From the archive 1,200 pages were drawn by lot, so many of each kind as its share de|mands. Two readers "
        "tran|scribed every page, and neither saw the work of the other. Where they dif|fered, a third went back to "
        "the paper and de|cided. The scans, both tran|scripts and the rules that the readers fol|lowed can be "
        "fetched from [archive.example.org/aldmoor](https://archive.example.org/aldmoor).¹ What the readers could "
        "not read either was left out of the count: a machine that is asked to do better than two pa|tient people "
        "cannot be marked."
    )
    column.y = 752
    column.footnote(
        "¹ The river, the trust, the authors and every figure in this report are in|vented, so that it can be copied "
        "and changed freely. The ways in which pages go wrong are not invented."
    )
    return column.marks


def second(sheet: Sheet) -> list[Mark]:
    """Two columns: ordered list, formula, listing."""
    width = (TEXT_WIDTH - GUTTER) / 2
    left = Column(sheet, LEFT, TOP, width)
    left.heading(1, "2 How the pages were read")
    left.text(
        "Each page, whether it came from a scanner or from a file, goes through the same four steps. No step may lose "
        "a char|ac|ter with|out say|ing so."
    )
    left.items(
        [
            "Draw the page as an image of 144 dots to the inch. Small print stays leg|i|ble, and a page from a file "
            "now looks like a page from the scan|ner.",
            (
                "Collect the words:",
                [
                    "from the file, where it has a text layer;",
                    "from the image, where it has none.",
                ],
            ),
            "Mark every block with its kind and its place on a grid of 500 by 500.",
            "Check the result against the gram|mar of the markup, and its words against the page.",
        ],
        ordered=True,
    )
    left.heading(2, "2.1 Where blocks go wrong")
    left.text(
        "Most errors are not errors of read|ing. In the first pass, two char|ac|ters out of three that counted as "
        "wrong had been read cor|rectly and then put in the wrong place: a foot|note in the mid|dle of a sen|tence, "
        "the left half of a line joined to the right half of its neigh|bour, a page num|ber taken for a water level."
    )
    left.text(
        "The remedy is to keep the place of every block. A level of 31 that stands at the foot of the page, "
        "cen|tred, after a level of 30 on the page be|fore, is no level. The rule is sim|ple, and it found all but "
        "two of the page num|bers in the ledger."
    )
    left.text(
        "Tables fail in a way of their own. Where one head|ing spans two col|umns, the first pass gave it to the "
        "left one and moved all that fol|lowed by one place. Every num|ber was right, and every row was wrong."
    )
    left.heading(3, "2.1.1 Lines that end within a word")
    left.text(
        "Print|ers break words to keep the mar|gins straight. A con|ver|sion has to join what the printer took "
        "apart, but must leave a hyphen alone that be|longs to the word. When a book of 1938 speaks of a *high-water "
        "mark*, the hyphen stays, wher|ever the line may end."
    )
    left.text(
        "So each such word is looked up in both shapes in the pages that are al|ready checked. The shape seen more "
        "often wins. If nei|ther was ever seen, the word is joined and put on a list for a reader; at the end the "
        "list held 61 words, most of them names of farms."
    )
    right = Column(sheet, LEFT + width + GUTTER, TOP, width)
    right.heading(2, "2.2 Counting errors")
    right.text(
        "A page is scored by the num|ber of single char|ac|ters that have to be in|serted, deleted or re|placed to "
        "turn what was found into what is true. Long pages would drown the short ones, so each count is di|vided by "
        "the length of its page before the mean is taken:"
    )
    right.skip(4)
    right.marks.append(formula(sheet, right.x + width / 2, right.y))
    right.skip(46)
    right.text(
        "Here *P* is the number of pages, *t* the true text of a page, *c* the text that the con|ver|sion found, and "
        "*d* the edit dis|tance between the two. A page that was read per|fectly adds noth|ing; an empty result adds "
        "1,000."
    )
    right.text("The same in Python, as it was run:", after=7)
    right.code("Python", CODE, 7.9)
    right.heading(2, "2.3 What was not counted")
    right.text(
        "Spaces were folded into one, and the sev|eral kinds of dashes were treated as equal, be|cause the readers "
        "could not tell them apart either. Every|thing else counts: a comma for a point in a level is one error in "
        "the score and a fac|tor of a thou|sand in the river."
    )
    right.text(
        "Tables have a count of their own. A table is kept when every value stands in its row and under its "
        "head|ing, and no value is miss|ing. One shifted cell spoils the table, since who|ever plots it will not "
        "look at the scan again."
    )
    right.text(
        "Run|ning heads, page num|bers and the printer’s marks are read like all other text but left out of the "
        "score. They help to put the pages of a fallen stack in order, and noth|ing else."
    )
    right.text(
        "Stamps, stains and punched holes are pic|tures to us: they have a place but no text. A stamp that "
        "cov|ers a value is the one ex|cep|tion. The value is then marked as *un|cer|tain*, and the image is shown "
        "to a reader, who may see more through the ink."
    )
    return left.marks + right.marks


def third(sheet: Sheet) -> list[Mark]:
    """Table with merged cells, figure, closing section."""
    column = Column(sheet, LEFT, TOP, TEXT_WIDTH)
    column.heading(1, "3 Results")
    column.text(
        "Table 1 gives the errors for each kind of page, before and after the checks. Pages that came from a "
        "computer were nearly perfect from the start; what the checks found there were columns joined across the "
        "gutter. On scanned pages they took away more than half of the errors."
    )
    column.skip(6)
    place(results(), column, "Table 1. The 1,200 pages of the sample. Means are weighted by the number of pages.", 17)
    column.marks.append(chart(column))
    column.heading(1, "4 What we would do again")
    column.text(
        "Three habits paid for them|selves. We kept the image beside every result, so that a doubt could be settled "
        "in sec|onds. We let the con|ver|sion say *un|cer|tain* and counted that as neither right nor wrong. And we "
        "cor|rected causes, never pages: a page re|paired by hand is right once, a rule re|paired is right for the "
        "re|main|ing three thou|sand pages as well."
    )
    column.text(
        "The levels can now be plotted. The flood of Novem|ber 1938, long thought to be the high|est, comes second; "
        "the high|est was in March 1947, on a page that had been filed up|side down. Nobody had looked for it there, "
        "and nobody would have found it by search|ing for words."
    )
    return column.marks
