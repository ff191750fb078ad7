"""What people read where a file is broken: no word of MuPDF's, and no mistake of ours dressed up as damage."""

from __future__ import annotations

import re

import pymupdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoldocling.pages.damage import told


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("code=7: cycle in page tree", "its list of pages leads back to itself"),
        ("code=7: Invalid number of pages", "its list of pages is broken"),
        ("code=7: malformed page tree", "its list of pages is broken"),
        ("code=2: zlib error: incorrect header check", "packed data in it are broken"),
        ("code=4: malloc (41943040 bytes) failed", "it asks for more memory than there is"),
        ("code=8: unknown encryption handler: 'Foo'", "its encryption is broken, or of a kind that is not known"),
        ("code=7: image dimensions exceed limits", "sizes in it are impossible"),
        ("page 3 not in document", "the file does not hold it"),
        ("code=5: something that nobody has heard of", "it cannot be read (something that nobody has heard of)"),
    ],
)
def test_what_mupdf_says_is_said_in_words(message, words):
    """Who has a broken file wants to know whether another copy, a password or another program would help."""
    assert told(RuntimeError(message)) == words


def test_a_file_that_fails_without_a_word_is_judged_by_what_was_noticed_before():
    """PyMuPDF says `Failed to open stream` of everything that cannot be opened."""
    error = pymupdf.FileDataError("Failed to open stream")
    assert told(error, "format error: cannot find startxref\ntrying to repair broken xref").startswith("nothing can be")
    assert told(error, "zlib error: incorrect data check") == "packed data in it are broken"
    assert told(error).startswith("nothing can be made out")


@given(st.text(min_size=1))
def test_mistakes_of_ours_keep_their_words(text):
    """`'NoneType' object has no attribute` is no broken PDF."""
    if text.strip() and not re.search(r"page \d+ not in document|^code=", text.strip()):
        assert told(AttributeError(text)) == text.strip().splitlines()[0]
