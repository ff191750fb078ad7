"""Each score against somebody else's, or against a slow one that anybody can check; and what must hold of all."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from apted import APTED, Config
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from sacrebleu import sentence_bleu

from doctags.tree import Box, Cell
from smoldocling.evaluate import headings, layout, order, snippets, strings, tables
from smoldocling.evaluate.content import Block, Spot, item, tidy
from smoldocling.evaluate.matching import best_pairs
from smoldocling.evaluate.meteor import meteor, missing
from smoldocling.evaluate.wordnet import folder, wordnet

TEXTS = st.text(alphabet="ab c.\n", max_size=30)
SENTENCES = st.lists(st.sampled_from("the a cat cats sat running runs big large 12.5 , . 猫 é".split()), max_size=12)


def edits(a, b):
    """Levenshtein as it is taught."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, before = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
    return row[-1]


# text


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_similarity_is_one_minus_edits_over_the_longer(a, b):
    longest = max(len(a), len(b))
    assert strings.similarity(a, b) == pytest.approx(1 - edits(a, b) / longest if longest else 1)


@given(SENTENCES, SENTENCES)
@settings(deadline=None)
def test_a_word_said_twice_has_to_be_found_twice(a, b):
    """Multisets, counted one by one; with sets, a text that repeats itself would be perfect."""
    left, hits = list(b), 0
    for word in a:
        if word in left:
            left.remove(word)
            hits += 1
    found = strings.overlap(a, b)
    if a and b:
        assert found.precision == pytest.approx(hits / len(a))
        assert found.recall == pytest.approx(hits / len(b))
        both = found.precision + found.recall
        assert found.f1 == pytest.approx(2 * found.precision * found.recall / both if both else 0)
    assert strings.overlap(["a"] * 9, ["a"]).precision == pytest.approx(1 / 9)


@given(SENTENCES, st.randoms())
@settings(deadline=None)
def test_overlap_does_not_know_order_and_words_does(sentence, chance):
    """What a permutation changes, and what it does not."""
    mixed = list(sentence)
    chance.shuffle(mixed)
    assert strings.overlap(mixed, sentence).f1 == 1
    assert (strings.similarity(mixed, sentence) == 1) == (mixed == sentence)


@given(SENTENCES, SENTENCES)
@settings(deadline=None)
def test_bleu_is_sacrebleus(a, b):
    said, true = " ".join(a), " ".join(b)
    if said and true and "猫" not in true:
        assert strings.bleu(said, true) == pytest.approx(min(1, sentence_bleu(said, [true]).score / 100))


@pytest.mark.parametrize("score", [strings.similarity, strings.bleu, lambda a, b: strings.overlap(a, b).f1])
@given(text=st.text(alphabet="ab猫é 1", min_size=1, max_size=20).filter(str.strip), other=TEXTS)
@settings(deadline=None)
def test_text_scores_obey_the_laws(score, text, other):
    """Itself: 1. Nothing: 0. Anything: between. Nothing at all on both sides is right."""
    assert score(text, text) == pytest.approx(1)
    assert score("", text) == 0
    assert score(text, "") == 0
    assert score("", "") == 1
    assert 0 <= score(other, text) <= 1


@given(TEXTS, TEXTS)
@settings(deadline=None)
def test_what_is_symmetric(a, b):
    """Precision of one is recall of the other."""
    assert strings.similarity(a, b) == pytest.approx(strings.similarity(b, a))
    there, back = strings.overlap(a, b), strings.overlap(b, a)
    assert (there.precision, there.f1) == pytest.approx((back.recall, back.f1))


def test_words_are_numbers_words_signs_and_single_ideographs():
    assert strings.words("It's 1,234.5 km² – 日本語 x_y") == [
        *["It", "'", "s", "1,234.5", "km²", "–", "日", "本", "語", "x_y"],
    ]


def test_white_space_and_composition_are_no_difference():
    assert tidy("  a\u0301\n\n b\tc ") == "á b c"


# METEOR

needs_wordnet = pytest.mark.skipif(missing() is not None, reason=f"needs {missing()}")


def slow_meteor(said, true, net):
    """Stage by stage, every word with every word, the last first."""
    from nltk.stem.porter import PorterStemmer

    stem = PorterStemmer().stem
    pairs = []
    for same in (str.__eq__, lambda a, b: stem(a) == stem(b), lambda a, b: b in net.synonyms(a)):
        for i, j in itertools.product(range(len(said) - 1, -1, -1), range(len(true) - 1, -1, -1)):
            if same(said[i], true[j]) and all(i != x and j != y for x, y in pairs):
                pairs.append((i, j))
    if not pairs:
        return 0.0
    pairs.sort()
    pieces = 1 + sum((x + 1, y + 1) != pair for (x, y), pair in itertools.pairwise(pairs))
    precision, recall = len(pairs) / len(said), len(pairs) / len(true)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (pieces / len(pairs)) ** 3)


@needs_wordnet
@given(SENTENCES.filter(bool), SENTENCES.filter(bool))
@settings(max_examples=200, deadline=None)
@example(["the", "the", "cats"], ["cat", "the", "the"])
@example(["big", "running"], ["run", "large"])
def test_meteor_is_what_comparing_every_word_gives(a, b):
    net = wordnet(folder())
    assert meteor(a, b, net) == pytest.approx(slow_meteor(a, b, net), abs=1e-12)


@needs_wordnet
def test_without_synonyms_meteor_is_nltks():
    """Words and stems; of synonyms NLTK looks up stems."""
    from nltk.translate.meteor_score import single_meteor_score

    class Nothing:
        def synsets(self, word):
            return []

    said = "the keeper of the gauges was filing pages each day".split()
    true = "keepers of the river gauge filed a page for each day".split()
    assert single_meteor_score(true, said, wordnet=Nothing()) == pytest.approx(meteor(said, true, wordnet(folder())))


@needs_wordnet
def test_wordnet_knows_forms_and_synonyms():
    """Exceptions, endings, several parts of speech."""
    net = wordnet(folder())
    assert "car" in net.synonyms("automobiles")
    assert "goose" in net.synonyms("geese")
    assert "large" in net.synonyms("bigger")
    assert "run" in net.synonyms("running")
    assert net.synonyms("qwzx") == frozenset()


# tables

CELLS = st.text(alphabet="abc ", max_size=4)


@st.composite
def grids(draw):
    """Rectangular tables, some cells merged with the one to their right or below."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    taken, cells = set(), []
    for row, column in itertools.product(range(rows), range(columns)):
        if (row, column) in taken:
            continue
        tall, wide = draw(st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 1), (1, 2)]))
        area = {(row + y, column + x) for y in range(tall) for x in range(wide)}
        if row + tall > rows or column + wide > columns or area & taken:
            tall = wide = 1
            area = {(row, column)}
        taken |= area
        cells.append(Cell(row, column, draw(CELLS), tall, wide))
    return cells


class PubTabNet(Config):
    """The costs of Zhong et al. 2020."""

    def __init__(self, texts):
        self.texts = texts

    def rename(self, node1, node2):
        a, b = node1.label, node2.label
        if (a.tag, a.row_span, a.column_span) != (b.tag, b.row_span, b.column_span):
            return 1.0
        longest = max(len(a.text), len(b.text))
        return edits(a.text, b.text) / longest if self.texts and longest else 0.0

    def children(self, node):
        return list(node.children)


@given(grids(), grids())
@settings(max_examples=60, deadline=None)
def test_teds_is_apteds(a, b):
    """With the published costs, on tables with merged cells."""
    one, two = tables.tree(a), tables.tree(b)
    nodes = max(sum(1 + len(row.children) for row in tree.children) for tree in (one, two))
    score = tables.teds(a, b)
    for texts, value in ((True, score.teds), (False, score.structure)):
        far = APTED(one, two, PubTabNet(texts)).compute_edit_distance()
        assert value == pytest.approx(max(0, 1 - far / nodes))


@given(grids(), grids())
@settings(max_examples=60, deadline=None)
def test_tables_obey_the_laws(a, b):
    score = tables.teds(a, b)
    assert tables.teds(a, a) == tables.TableScore(1, 1)
    assert tables.teds(b, a).teds == pytest.approx(score.teds)
    assert 0 <= score.teds <= score.structure <= 1
    assert tables.teds([], a).teds == 0
    assert tables.teds([], []).teds == 1


@given(grids(), grids())
@settings(max_examples=60, deadline=None)
def test_a_table_that_is_too_large_is_never_flattered(a, b):
    """The way out for enormous tables may only be stricter, and equal tables stay perfect."""
    exact = tables.teds(a, b)
    most = max(sum(1 + len(row.children) for row in tables.tree(x).children) for x in (a, b))
    assert tables._by_rows(a, b, most, texts=True) <= exact.teds + 1e-9
    assert tables._by_rows(a, b, most, texts=False) <= exact.structure + 1e-9
    assert tables._by_rows(a, a, sum(1 + len(r.children) for r in tables.tree(a).children), texts=True) == 1


def test_an_enormous_table_is_still_scored(monkeypatch):
    """Beyond the limit rows are compared as a whole."""
    table = [Cell(row, column, f"{row} {column}") for row in range(4) for column in range(3)]
    other = [*table[:-1], Cell(3, 2, "else")]
    monkeypatch.setattr(tables, "MOST_PAIRS", 10)
    assert tables.teds(table, table).teds == 1
    assert tables.teds(table, other).teds == pytest.approx(1 - 8 / 16)
    assert tables.teds(table, other).structure == 1


def test_every_table_that_has_no_partner_counts():
    """A table too many and a table too few are both wrong, whichever is whichever."""
    a, b = [Cell(0, 0, "apples"), Cell(0, 1, "pears")], [Cell(0, 0, "iron"), Cell(0, 1, "zinc")]
    found = tables.compare([b], [a, b])
    assert (found.scores, found.unpaired) == ((tables.TableScore(1, 1),), 1)
    assert tables.compare([a, b], [b]).unpaired == 1
    assert tables.compare([], [a]).unpaired == 1


def slow_neighbours(cells):
    """From every cell along every row and column that it covers, to the next that is not empty."""
    grid = {
        (cell.row + y, cell.column + x): cell
        for cell in cells
        if cell.text.strip()
        for y in range(cell.row_span)
        for x in range(cell.column_span)
    }
    pairs = set()
    for (row, column), cell in grid.items():
        for name, (down, right) in {"right": (0, 1), "below": (1, 0)}.items():
            for step in range(1, 10):
                other = grid.get((row + down * step, column + right * step))
                if other is not None:
                    if other is not cell:
                        pairs.add((id(cell), id(other), name))
                    break
    texts = {id(cell): "".join(filter(str.isalnum, cell.text)) for cell in cells}
    return Counter((texts[a], texts[b], name) for a, b, name in pairs)


@given(grids())
@settings(deadline=None)
def test_neighbours_are_found_as_one_would_look_for_them(cells):
    assert tables.neighbours(cells) == slow_neighbours(cells)


# order


def paragraphs(count):
    return [Block("text", f"Paragraph {'abcdefghijklmnop'[n] * 9} number {n * n * 7919}") for n in range(count)]


@given(st.permutations(range(7)))
@settings(deadline=None)
def test_order_is_the_edit_distance_and_kendalls_tau_of_the_permutation(places):
    """Blocks all found, so that the order alone is left."""
    true = paragraphs(7)
    score = order.compare([true[place] for place in places], true)
    discordant = sum(a > b for a, b in itertools.combinations(places, 2))
    assert score.found == 1
    assert score.tau == pytest.approx(1 - discordant / 21)
    assert score.edits == pytest.approx(1 - edits(places, sorted(places)) / 7)


def test_order_has_its_ends():
    """All in order: 1. Backwards: no pair is right. Nothing found: no order. One block: no question."""
    true = paragraphs(6)
    assert order.compare(true, true) == order.OrderScore(1, 1, 1)
    assert order.compare(true[::-1], true).tau == 0
    assert order.compare([], true) == order.OrderScore(0, 0, 0)
    assert order.compare([Block("text", "else")], true) == order.OrderScore(0, 0, 0)
    half = order.compare(true[:3], true)
    assert (half.found, half.edits, half.tau) == (0.5, 0.5, pytest.approx(3 / 15)), "what is missing is out of order"
    assert order.compare(true, true[:1]) is None


def test_blocks_are_recognised_in_spite_of_mistakes():
    """Order is not about characters."""
    true = paragraphs(5)
    blurred = [Block("text", block.text.replace("a", "o").replace("1", "l")) for block in true]
    assert order.compare(blurred, true) == order.OrderScore(1, 1, 1)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5))
@settings(deadline=None)
def test_pairs_are_the_likest_first_and_each_at_most_once(rows):
    """What is left of a row and a column is never liker than what was taken."""
    likeness = np.array(rows)
    pairs = best_pairs(likeness, 0.3)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(likeness[pair] >= 0.3 for pair in pairs)
    taken_rows, taken_columns = {row for row, _ in pairs}, {column for _, column in pairs}
    for row, column in itertools.product(range(len(rows)), range(3)):
        if likeness[row, column] >= 0.3 and row not in taken_rows:
            assert column in taken_columns


# headings


def heads(*levels):
    return [Block("heading", f"Heading {'xyzuvwpqr'[n] * 5}", level) for n, level in enumerate(levels)]


def test_flat_headings_are_not_the_tree():
    """The most frequent complaint about converters: every heading on one level."""
    true = heads(0, 1, 2, 2, 1, 2)
    assert headings.compare(true, true) == 1
    assert headings.compare(heads(1, 2, 3, 3, 2, 3), true) == 1, "all one deeper is the same tree"
    assert headings.compare(heads(1, 1, 1, 1, 1, 1), true) < 0.7
    assert headings.compare([], true) == 0
    assert headings.compare(true, []) == 0
    assert headings.compare([], []) is None


@given(st.lists(st.integers(0, 4), max_size=8))
@settings(deadline=None)
def test_every_heading_is_in_the_tree(levels):
    """Below the nearest one before it that has a lower level, levels left out or not."""

    def walk(node, above):
        for child in node.children:
            yield child.label, above
            yield from walk(child, child.label)

    blocks = heads(*levels)
    found = dict(walk(headings.tree(blocks), ""))
    for place, block in enumerate(blocks):
        parent = next((b.text for b in blocks[:place][::-1] if b.level < block.level), "")
        assert found[block.text] == parent


# formulas and code


def test_formulas_are_compared_without_blanks_that_mean_nothing():
    assert snippets.bare_formula(r"$$ \frac { a } { b } \alpha x $$") == r"\frac{a}{b}\alpha x"
    assert snippets.bare_formula(r"\alpha x") != snippets.bare_formula(r"\alphax")


def test_code_keeps_its_indentation():
    """In Python it is the program."""
    true = [Block("code", "if x:\n    y()\n")]
    assert snippets.compare([Block("code", "if x:   \n    y()")], true, "code") == snippets.Snippets(1, 1)
    assert snippets.compare([Block("code", "if x:\ny()")], true, "code").total < 1


@given(st.lists(st.sampled_from(["a+b", "c=d", r"\sum x"]), max_size=4), st.lists(st.just("a+b"), max_size=4))
@settings(deadline=None)
def test_each_formula_too_many_or_too_few_counts(said, true):
    found = snippets.compare([Block("formula", x) for x in said], [Block("formula", x) for x in true], "formula")
    assert found.count == max(len(said), len(true))
    assert 0 <= found.total <= min(len(said), len(true))


def test_a_formula_that_the_truth_has_not_read_judges_nobody():
    """Docling's text-layer truth knows where formulas stand, not what they say."""
    said = [Block("formula", "a"), Block("formula", "b")]
    assert snippets.compare(said, [Block("formula", "")], "formula") == snippets.Snippets(0, 1)
    assert snippets.compare(said[:1], [Block("formula", "")], "formula").count == 0
    assert snippets.compare([], [Block("formula", "")], "formula").count == 0


# layout

BOXES = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20)).map(
    lambda b: Box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
SPOTS = st.lists(st.builds(Spot, st.sampled_from(["text", "table", "picture"]), BOXES), max_size=8)


def cells_of(box):
    return set(itertools.product(range(box.x0, box.x1), range(box.y0, box.y1)))


def slow_precision(said, true, kind):
    """COCO's definition with one threshold, pixel by pixel."""
    ours, theirs = ([cells_of(s.box) for s in spots if s.kind == kind] for spots in (said, true))
    found = []
    for least in layout.IOUS:
        shares = sorted(
            ((len(a & b) / len(a | b), i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs)),
            key=lambda share: (-share[0], share[1], share[2]),
        )
        used = (set(), set())
        for share, i, j in shares:
            if share >= least and i not in used[0] and j not in used[1]:
                used[0].add(i)
                used[1].add(j)
        hits = len(used[0])
        precision, recall = (hits / len(side) if side else 0 for side in (ours, theirs))
        reached = sum(step / 100 <= recall + 1e-12 for step in range(101)) if ours and theirs else 0
        found.append(precision * reached / 101)
    return sum(found) / len(found)


@given(SPOTS, SPOTS)
@settings(deadline=None)
def test_average_precision_is_what_counting_pixels_gives(said, true):
    counts = layout.compare(said, true)
    assert counts.keys() == {spot.kind for spot in (*said, *true)}
    for kind, hits in counts.items():
        assert hits.precision == pytest.approx(slow_precision(said, true, kind))


@given(SPOTS.filter(bool), SPOTS, st.randoms())
@settings(deadline=None)
def test_layout_obeys_the_laws(true, other, chance):
    """Itself: 1. Nothing: 0. The order of boxes is nothing. A class that is not there counts against its finder."""
    mixed = list(other)
    chance.shuffle(mixed)
    assert layout.mean_precision(layout.compare(true, true)) == pytest.approx(1)
    assert layout.mean_precision(layout.compare([], true)) == 0
    assert layout.compare(mixed, true) == layout.compare(other, true)
    assert layout.mean_precision(layout.compare([], [])) is None
    invented = [*true, Spot("formula", Box(0, 0, 9, 9))]
    assert layout.mean_precision(layout.compare(invented, true)) < 1


@given(st.lists(st.tuples(SPOTS, SPOTS), min_size=1, max_size=4))
@settings(deadline=None)
def test_pages_add_up(pages):
    """Counts of a document are the sums of its pages."""
    whole = layout.total(layout.compare(said, true) for said, true in pages)
    assert sum(hits.true for hits in whole.values()) == sum(len(true) for _, true in pages)
    assert sum(hits.said for hits in whole.values()) == sum(len(said) for said, _ in pages)


def test_levenshtein_of_rapidfuzz_is_the_one_that_is_meant():
    """Once on long texts too, where it works in blocks of 64."""
    chance = random.Random(7)
    a, b = ("".join(chance.choices("abcd", k=300)) for _ in range(2))
    assert Levenshtein.distance(a, b) == edits(a, b)


def test_a_list_items_own_sign_is_no_text():
    assert item("• 3) three").text == "three"
    assert item("☐ box").text == "box"
    assert item("(a) label").text == "(a) label"
