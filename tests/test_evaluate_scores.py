"""The published scores of docling-eval on DP-Bench, reproduced row by row."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from smoldocling.evaluate.content import Content, Sheet
from smoldocling.evaluate.markup import markdown_blocks
from smoldocling.evaluate.measure import document_score
from smoldocling.evaluate.meteor import missing
from smoldocling.evaluate.variants import Published, lacking, published, words

NAMES = {
    "bleu": "bleu",
    "edit_distance": "edit_distance",
    "f1": "f1_score",
    "precision": "precision",
    "recall": "recall",
    "meteor": "meteor",
}
needs_punkt = pytest.mark.skipif(lacking() is not None, reason=f"needs {lacking()}")


@pytest.fixture(scope="module")
def rows(shared_data):
    return json.loads((shared_data / "scores" / "dpbench_markdown_text.json").read_text("utf-8"))["evaluations"]


@pytest.fixture(scope="module")
def found(rows):
    return list(published([(row["pred_md"], row["true_md"]) for row in rows]))


@needs_punkt
@pytest.mark.parametrize("name", NAMES)
def test_every_published_score_is_reproduced(rows, found, name):
    """All 200 rows, to three decimals and far beyond: the definitions are the same, not similar."""
    if name == "meteor" and missing():
        pytest.skip(f"METEOR needs {missing()}")
    differences = [abs(getattr(mine, name) - row[NAMES[name]]) for mine, row in zip(found, rows, strict=True)]
    assert len(differences) == 200
    assert max(differences) < 5e-4
    assert max(differences) < 1e-9


@needs_punkt
def test_a_page_that_was_not_read_has_its_neighbours_scores(rows, found):
    """The published file has one empty prediction, with the scores of the page before it; so has the variant."""
    empty = [place for place, row in enumerate(rows) if not row["pred_md"].strip()]
    assert [rows[place]["doc_id"] for place in empty] == ["01030000000141.pdf"]
    before, after = found[empty[0] - 1], found[empty[0]]
    assert (after.f1, after.edit_distance, after.meteor) == (before.f1, before.edit_distance, before.meteor)
    assert after.bleu == 0 < before.bleu
    assert after.f1 > 0.9


def test_our_own_scores_do_not_flatter_it(rows):
    """What was not read is all wrong by our definitions."""
    row = next(row for row in rows if not row["pred_md"].strip())
    said, true = (Content((Sheet(0, markdown_blocks(row[side])),)) for side in ("pred_md", "true_md"))
    score = document_score("x", said, true, "unreadable")
    assert score.pages[0].status == "empty"
    assert {tally.value for tally in score.total.values()} == {0.0}


@needs_punkt
def test_sets_flatter_what_repeats_itself():
    """A page that was read twice over has a perfect precision by docling-eval's definition, and half of it by ours."""
    true = "The keepers of the river gauges filed one page for each day. Nobody read them."
    (theirs,) = published([(f"{true} {true}", true)])
    assert (theirs.precision, theirs.recall, theirs.f1) == (1, 1, 1)
    said, wanted = (Content((Sheet(0, markdown_blocks(text)),)) for text in (f"{true} {true}", true))
    ours = document_score("x", said, wanted, "unreadable").total
    assert ours["precision"].value == pytest.approx(0.5)
    assert ours["recall"].value == 1


@needs_punkt
def test_words_are_those_of_nltk_3_9():
    """Later releases split quotes and dashes differently, and the published figures with them."""
    assert words("He said 'no' – twice. It's Dr. Who's \"own\" (e.g., cannot).") == [
        *["He", "said", "'no", "'", "–", "twice", ".", "It", "'s", "Dr.", "Who", "'s", "``", "own", "''", "("],
        *["e.g.", ",", "can", "not", ")", "."],
    ]


@needs_punkt
def test_nothing_before_an_empty_page_is_no_crash():
    """docling-eval itself raises there."""
    assert list(published([("", "text")])) == [Published(0.0, 1.0, 0.0, 0.0, 0.0, 0.0)]


def test_the_file_has_what_the_tests_think(rows):
    assert len(rows) == 200
    assert all(one["doc_id"] < two["doc_id"] for one, two in pairwise(rows))
