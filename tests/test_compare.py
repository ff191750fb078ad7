"""Two texts word by word: what is a difference, what is only another spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoldocling import diff
from smoldocling.compare import align, alike, bare, closest, folded, has_latex, is_suspicious, pieces, without_latex

WORDS = st.lists(st.sampled_from(["a", "b", "c", "tide", "gauge", ","]), max_size=14)


def credit(written: str, page: str) -> list[float]:
    return list(align(pieces(written), pieces(page)).credit)


def longest_common(a: list[str], b: list[str]) -> int:
    """By the book: a table of all prefixes."""
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


# --- diff ---


@given(a=WORDS, b=WORDS)
def test_the_alignment_is_the_longest_there_is(a: list[str], b: list[str]) -> None:
    """A shorter one takes words of repeated text for changed ones."""
    pairs, _ = diff.gaps(a, b)
    assert all(a[i] == b[j] for i, j in pairs)
    assert pairs == sorted(set(pairs))
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs) == longest_common(a, b)


@given(a=WORDS, b=WORDS)
def test_every_word_is_paired_or_in_a_stretch(a: list[str], b: list[str]) -> None:
    """A word in neither would be lost without a score."""
    pairs, stretches = diff.gaps(a, b)
    ours = [i for i, _ in pairs] + [i for start, end, _, _ in stretches for i in range(start, end)]
    theirs = [j for _, j in pairs] + [j for _, _, start, end in stretches for j in range(start, end)]
    assert sorted(ours) == list(range(len(a)))
    assert sorted(theirs) == list(range(len(b)))


def test_long_texts_without_anything_in_common_take_no_time() -> None:
    """A model in a loop writes thousands of words that are on no page."""
    pairs, stretches = diff.gaps(["loop"] * 8000, [str(number) for number in range(8000)])
    assert pairs == []
    assert stretches == [(0, 8000, 0, 8000)]


# --- the same in another spelling ---


@pytest.mark.parametrize(
    ("written", "page"),
    [
        ("the efficient office", "the eﬃcient oﬃce"),
        ("a hyphenated word", "a hyphen- ated word"),
        ("a well-known word", "a well- known word"),
        ('"it\'s" - so', "“it’s” — so"),
        ("Hello , world ( 1 )", "Hello, world (1)"),
        ("10 6 K and 10^6 K", "10⁶ K and 10⁶ K"),
        ("· item", "• item"),
        ("Abstract", "ABSTRACT"),
        ("감염병의 예방", "감염 병의 예방"),
        ("ＡＢＣ", "ABC"),
        ("東京都の人口", "東京 都の 人口"),
        ("soft\u00adly", "softly"),
    ],
)
def test_spellings_of_one_text_agree(written: str, page: str) -> None:
    """None of these is a mistake of the model's."""
    assert set(credit(written, page)) == {1.0}


@pytest.mark.parametrize(
    ("written", "page"), [("12.50", "1250"), ("1.5", "15"), ("tide", "time"), ("2047", "2041"), ("B", "8")]
)
def test_other_texts_do_not(written: str, page: str) -> None:
    """A wrong digit or decimal point is what a check is for."""
    assert min(credit(f"it is {written} here", f"it is {page} here")) < 1


def test_words_in_another_order_are_there() -> None:
    """A box over two columns is read row by row."""
    assert set(credit("one two three four", "three four one two")) == {1.0}


def test_commas_alone_confirm_nothing() -> None:
    """Every text has some."""
    assert set(credit("foo, bar, baz.", "qux, quux, corge.")) == {0.0}


def test_around_the_element_the_page_goes_on() -> None:
    """Its first and last word are compared with what stands there, not with the neighbours' words."""
    alignment = align(pieces("Thev stood here onca"), pieces("before it all They stood here once and then"))
    assert {alignment.twins[place] for place in (0, 3)} == {3, 6}


@given(text=st.text())
def test_a_text_agrees_with_itself(text: str) -> None:
    """Whatever the script: control characters, halves of pairs, marks without letters."""
    assert set(credit(text, text)) <= {1.0}


@given(text=st.text())
def test_pieces_stand_where_they_say(text: str) -> None:
    """A correction is put there."""
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces(text))
    assert all(a.end <= b.start for a, b in zip(pieces(text), pieces(text)[1:], strict=False))


@given(text=st.text())
def test_folding_twice_changes_nothing_more(text: str) -> None:
    """What is equal once stays equal."""
    assert folded(folded(text)) == folded(text)
    assert bare(folded(text)) == bare(text)


@given(a=st.text("abc", max_size=9), b=st.text("abc", max_size=9))
def test_distances_are_levenshteins(a: str, b: str) -> None:
    """Compared with rapidfuzz: one character in short words, two from eight letters on."""
    from rapidfuzz.distance import Levenshtein

    most = 1 if max(len(a), len(b)) < 8 else 2
    true = Levenshtein.distance(a, b)
    assert closest(a, b) == (true if true <= most else None)


# --- formulas, suspicion ---


def test_latex_is_read_as_it_looks() -> None:
    """`\\alpha` is on the page as a letter, `\\frac` as a line."""
    assert without_latex(r"\frac { \alpha } { 2 } \leq 5 \%").split() == ["α", "2", "≤", "5", "%"]
    assert has_latex(r"a 5 \% rise")
    assert has_latex("where $x_i = 2$ holds")
    assert not has_latex(r"C:\temp costs $5, not $6")


def test_the_order_of_a_formulas_signs_does_not_matter() -> None:
    """A text layer has fractions from top to bottom or from left to right, as its maker liked."""
    assert alike(r"E = \frac { m c ^ { 2 } } { k }", "k E 𝑚𝑐 2 =") == 1.0
    assert alike(r"a + b + c + d", "x y z w") < 0.3


@pytest.mark.parametrize("word", ["\ufffdab", "\ue001", "раypal"])
def test_words_with_strange_characters_are_suspicious(word: str) -> None:
    """Unknown codes, letters of two alphabets in one word."""
    assert is_suspicious(word)


@pytest.mark.parametrize("word", ["naïve", "Москва", "東京", "10⁶", "B2B"])
def test_words_of_any_language_are_not(word: str) -> None:
    """Most of them have letters beyond ASCII."""
    assert not is_suspicious(word)
