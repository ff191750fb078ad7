"""Forms that can be filled in: what is ticked is what they say."""

from __future__ import annotations

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smoldocling.pages.textlayer import Reader

LABELS = ("The steps were wet", "The gauge was frozen", "The book was full", "Nobody was there")


def form(ticks: list[bool], rotation: int = 0) -> list[tuple[str, str]]:
    """The boxes of a form with these ticks as they are read: kind and text."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 80), "Report of the keeper", fontsize=16, fontname="hebo")
        for place, (label, ticked) in enumerate(zip(LABELS, ticks, strict=False)):
            widget = pymupdf.Widget()
            widget.field_type = pymupdf.PDF_WIDGET_TYPE_CHECKBOX
            widget.field_name = f"box{place}"
            widget.rect = pymupdf.Rect(72, 120 + 20 * place, 84, 132 + 20 * place)
            widget.field_value = ticked
            page.add_widget(widget)
            page.insert_text((92, 130 + 20 * place), label, fontsize=11)
        page.set_rotation(rotation)
        data = document.tobytes()
    with pymupdf.open(stream=data) as document:
        return [(e.kind, e.text) for e in Reader(document).read(0).page.elements if e.kind.startswith("checkbox")]


@settings(deadline=None, max_examples=16)
@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_the_boxes_of_a_form_say_whether_they_are_ticked(ticks: list[bool]) -> None:
    """They are no characters of the page, and their labels alone say the same whatever was ticked."""
    wanted = [
        ("checkbox_selected" if ticked else "checkbox_unselected", label)
        for label, ticked in zip(LABELS, ticks, strict=False)
    ]
    assert form(ticks) == wanted


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_form_says_the_same(rotation: int) -> None:
    """Boxes are turned with their page."""
    assert form([True, False, True, False], rotation) == form([True, False, True, False])
