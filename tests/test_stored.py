"""DocTags that somebody has already become a Result like any other."""

from smoldocling.stored import revive

BAD = "<text><loc_400><loc_1><loc_3><loc_40>x</text>"
GOOD = "<text><loc_1><loc_2><loc_30><loc_40>x</text>"


def test_problems_belong_to_the_page_they_stand_on():
    """A list of problems is of no use when it names the wrong page."""
    text = f"<doctag>{GOOD}\n<page_break>\n{BAD}\n<page_break>\n<page_break>\n{GOOD}{BAD}</doctag>"
    pages = revive("x.dt", text, None).pages
    assert [len(page.problems) for page in pages] == [0, 1, 0, 1]
    assert [problem.line for page in pages for problem in page.problems] == [3, 6]


def test_no_text_is_one_empty_page():
    """And not an error."""
    assert [page.tree.elements for page in revive("x.dt", "", None).pages] == [()]
