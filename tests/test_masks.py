"""Under a mask only valid DocTags can be written, and whatever is valid can be."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from doctags_cases import NAMES, source
from fickle import networks, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from truth import Truth
from vocabs import PUBLISHED, SHAPES, Shape, vocab_of

import doctags
from smoldocling.course import UNHEEDED
from smoldocling.engine.constrain import Law
from smoldocling.masks import Masks
from smoldocling.spelling import Where, read
from smoldocling.vocab import Vocab

PLENTY = 100_000


class Case(NamedTuple):
    """A tokenizer and a law."""

    shape: Shape
    strict: bool

    def __str__(self) -> str:
        return f"{self.shape}-{'strict' if self.strict else 'loose'}"


CASES = [Case(shape, strict) for shape in SHAPES for strict in (True, False)]
_made: dict[Case, Masks] = {}


def masks_of(case: Case) -> Masks:
    if case not in _made:
        _made[case] = Masks(vocab_of(case.shape), strict=case.strict)
    return _made[case]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def problems(text: str, *, strict: bool) -> list[doctags.Problem]:
    """What is wrong with a finished text in the eyes of that law."""
    if strict:
        return [problem for problem in doctags.validate(text) if problem.kind not in UNHEEDED]
    parsed = doctags.parse(text).problems
    return [*parsed, *(problem for problem in doctags.validate(text) if problem.severity == "error")]


def reach(masks: Masks, seed: int, length: int) -> tuple[Where, str]:
    """Some state that a network that knows nothing comes to, and the text before it."""
    kinds = networks(masks.pieces, seed)
    network = kinds[sorted(kinds)[seed % len(kinds)]]
    state, text = masks.start, ""
    for _ in range(length):
        mask = masks.mask(state, PLENTY)
        token = int(np.where(mask, network.row(masks.pieces, mask), -np.inf).argmax())
        if state.complete or not masks.pieces.texts[token]:
            break
        state, text = masks.advance(state, token), text + masks.pieces.texts[token]
    return state, text


seeds = st.integers(0, 10**9)
lengths = st.integers(0, 40)


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, length=lengths, data=st.data())
def test_an_id_is_allowed_if_something_valid_begins_so(case: Case, seed: int, length: int, data: st.DataObject) -> None:
    """Neither too much nor too little. The slow truth searches for an end with parser and validator."""
    masks, truth = masks_of(case), Truth(case.strict)
    state, text = reach(masks, seed, length)
    mask = masks.mask(state, PLENTY)
    forced = masks.forced(state, PLENTY)
    spelling = [token for token, piece in enumerate(masks.pieces.texts) if piece]
    tags = [token for token in spelling if not masks.pieces.plain[token]]
    ids = data.draw(st.lists(st.sampled_from(spelling) | st.sampled_from(tags), max_size=8))
    for token in {*ids, *([] if forced else np.flatnonzero(mask)[:3].tolist())} - ({*spelling} if forced else set()):
        if masks.pieces.texts[token]:
            assert mask[token] == truth.finishable(text + masks.pieces.texts[token]), (text, masks.pieces.texts[token])


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, length=lengths)
def test_a_mask_is_what_reading_each_id_by_itself_would_say(case: Case, seed: int, length: int) -> None:
    """Masks are made of thousands of ids at once; one by one is slow, and simple."""
    masks = masks_of(case)
    state, _ = reach(masks, seed, length)
    mask, forced = masks.mask(state, PLENTY), masks.forced(state, PLENTY)
    one_by_one = np.array([bool(piece) and read(state, piece) is not None for piece in masks.pieces.texts])
    if forced:
        assert np.flatnonzero(mask).tolist() == [forced[0]]
        assert one_by_one[forced[0]]
    else:
        stops = sorted(vocab_of(case.shape).stop_ids)
        one_by_one[stops] = mask[stops]
        assert np.array_equal(mask, one_by_one)


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, length=lengths, spare=st.integers(0, 12))
def test_near_the_limit_only_what_can_still_be_closed_is_allowed(
    case: Case, seed: int, length: int, spare: int
) -> None:
    """A page that is cut off is valid, too; and no id is refused too early."""
    masks = masks_of(case)
    state, _ = reach(masks, seed, length)
    left = masks.closing(state) + spare
    if not left:
        return
    mask, plenty = masks.mask(state, left), masks.mask(state, PLENTY)
    stops = vocab_of(case.shape).stop_ids
    assert mask.any()
    for token in np.flatnonzero(mask).tolist():
        if token not in stops:
            assert masks.closing(masks.advance(state, token)) < left
    for token in [] if masks.forced(state, PLENTY) else np.flatnonzero(plenty & ~mask).tolist()[:200]:
        assert masks.closing(masks.advance(state, token)) >= left


@settings(max_examples=25, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, extra=st.integers(0, 200))
def test_whatever_a_network_prefers_the_answer_is_valid(case: Case, seed: int, extra: int) -> None:
    """The promise of --constrain."""
    masks, vocab = masks_of(case), vocab_of(case.shape)
    limit = masks.closing(masks.start) + extra
    for network in networks(masks.pieces, seed).values():
        ids = walk(masks, network, limit)
        text = vocab.decode(ids)
        assert len(ids) <= limit
        assert problems(text, strict=case.strict) == [], text
        assert text.endswith("</doctag>") or (not case.strict and not text.strip())


def test_hundreds_of_answers_are_valid(case: Case) -> None:
    """The same with longer answers and fixed seeds, so that a failure stays a failure."""
    masks, vocab = masks_of(case), vocab_of(case.shape)
    for seed in range(5):
        for network in networks(masks.pieces, seed).values():
            text = vocab.decode(walk(masks, network, 150))
            assert problems(text, strict=case.strict) == [], text


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, length=lengths, left=st.integers(1, 60) | st.just(PLENTY))
def test_forced_ids_are_the_only_ones_allowed(case: Case, seed: int, length: int, left: int) -> None:
    """An engine writes them without asking the network; that must be the same as asking."""
    masks = masks_of(case)
    state, _ = reach(masks, seed, length)
    forced = masks.forced(state, left)
    for count, token in enumerate(forced):
        assert np.flatnonzero(masks.mask(state, left - count)).tolist() == [token]
        state = masks.advance(state, token)


@pytest.mark.parametrize("shape", PUBLISHED, ids=str)
def test_the_syntax_of_locations_is_forced(shape: Shape) -> None:
    """Half of the steps that a box takes can be saved."""
    vocab, masks = vocab_of(shape), masks_of(Case(shape, strict=False))
    state = masks.start
    for token in vocab.encode("<doctag><text><loc_120><loc_"):
        state = masks.advance(state, token)
    for token in vocab.encode("345"):
        assert masks.forced(state, PLENTY) == ()
        state = masks.advance(state, token)
    forced = masks.forced(state, PLENTY)
    assert vocab.decode(forced) == "><loc_"
    assert [*vocab.encode("<loc_345><loc_")][-len(forced) :] == [*forced]


def valid_texts(shared: Path) -> Iterator[str]:
    for text in [source(name) for name in NAMES] + [
        path.read_text(encoding="utf-8")
        for path in sorted([*shared.glob("doctags/*.dt"), *shared.glob("docling/*.dt")])
    ]:
        start, end = text.find("<doctag>"), text.find("</doctag>")
        if start >= 0 and end >= 0:
            yield text[start : end + len("</doctag>")]


@pytest.mark.parametrize("case", [case for case in CASES if not case.shape.odd], ids=str)
def test_every_valid_answer_can_be_written(case: Case, shared_data: Path) -> None:
    """The law may be the default because it never changes a valid answer, not even one that just keeps the limit.

    Where ids are odd, nobody can say how a tag is spelt before all of it is known.
    """
    masks, vocab = masks_of(case), vocab_of(case.shape)
    written = 0
    for text in valid_texts(shared_data):
        ids = vocab.encode(text)
        if Truth(case.strict).valid(text):
            allowed = masks.allows(masks.start, ids, len(ids))
            assert allowed == len(ids), (
                vocab.decode(ids[max(0, allowed - 20) : allowed]),
                vocab.decode(ids[allowed:][:5]),
            )
            written += 1
    assert written > 20


def test_the_row_is_not_touched_where_its_best_id_is_allowed(case: Case) -> None:
    """So an answer that is valid is the answer that would have been written without a mask."""
    masks, vocab = masks_of(case), vocab_of(case.shape)
    ids = vocab.encode("<doctag><text><loc_1><loc_2><loc_30><loc_40>Some < words</text>\n</doctag>")
    state = masks.start
    for count, token in enumerate(ids):
        row = np.random.default_rng(count).normal(size=len(masks.pieces.texts))
        row[token] = row.max() + 1
        assert np.where(masks.mask(state, len(ids) - count), row, -np.inf).argmax() == token
        state = masks.advance(state, token)
    assert state.complete


@settings(max_examples=60, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, length=lengths)
def test_equal_states_are_equal_keys(case: Case, seed: int, length: int) -> None:
    """Engines may keep masks on a device, found by the mask: what is equal is one object, and cannot be written to."""
    masks = masks_of(case)
    one, other = (reach(masks, seed, length)[0] for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert masks.mask(one, PLENTY) is masks.mask(other, PLENTY)
    assert not masks.mask(one, PLENTY).flags.writeable


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), seed=seeds, other=seeds, length=lengths)
def test_text_leaves_no_trace(case: Case, seed: int, other: int, length: int) -> None:
    """Words do not matter to the law, so a page has few states, and most ids lead to the state they come from."""
    masks = masks_of(case)
    state, _ = reach(masks, seed, length)
    words = np.flatnonzero(masks.mask(state, PLENTY) & masks.pieces.plain).tolist()
    if state.idle:
        assert words
        assert all(masks.advance(state, words[pick % len(words)]) is state for pick in (seed, other))


def test_tags_spelt_in_pieces_count_as_tags() -> None:
    """`<`, `text`, `>` opens a text; `<`, `b`, `>` is text."""
    vocab = vocab_of(SHAPES[0])
    masks = masks_of(Case(SHAPES[0], strict=True))
    letters = [vocab.encode(letter)[0] for letter in "<text>a <b> c</text></doctag>"]
    assert masks.allows(masks.advance(masks.start, vocab.encode("<doctag>")[0]), letters, PLENTY) == len(letters)


def after(masks: Masks, vocab: Vocab, text: str) -> Where:
    state = masks.start
    for token in vocab.encode(text):
        state = masks.advance(state, token)
    return state


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("<doctag>", "<text>", "</text>"),
        ("<doctag><text>", "<", "</title>"),
        ("<doctag><otsl><fcel>a<fcel>b<nl><fcel>c", "<fcel>", "<nl>"),
        ("<doctag><otsl><fcel>a<nl><fcel>c", "<nl>", "<fcel>"),
        ("<doctag><code>", "<table>", "</text><nl>"),
        ("<doctag><text>word", "<line>", "<loc_5>"),
        ("<doctag><unordered_list>", "<list_item>", "</unordered_list>"),
        ("<doctag><caption>a</caption>", "<picture>", "</doctag>"),
        ("<doctag><text><loc_1><loc_1><loc_2><loc_2>a</text><title>", "<loc_", "word"),
        ("<doctag><text>a</text><title>", "word", "<loc_5>"),
        ("<doctag><key_value_region><key_1>a</key_1>", "<value_2>", "<value_1>"),
        ("<doctag><key_value_region><key_1>a<link_2></key_1>", "<value_2>", "</key_value_region>"),
        ("<doctag><code><_Python_>", "x", "<_Python_>"),
    ],
)
def test_what_may_come_and_what_may_not(text: str, yes: str, no: str) -> None:
    """Examples of what the strict law heeds, spelt in many ids."""
    vocab, masks = vocab_of(SHAPES[2]), masks_of(Case(SHAPES[2], strict=True))
    state = after(masks, vocab, text)
    assert masks.allows(state, vocab.encode(yes), PLENTY) == len(vocab.encode(yes))
    assert masks.allows(state, vocab.encode(no), PLENTY) < len(vocab.encode(no))


def test_an_end_may_come_only_at_the_end(case: Case) -> None:
    """And there nothing else. Without --constrain an empty answer stays an empty answer."""
    masks, vocab = masks_of(case), vocab_of(case.shape)
    stops = sorted(vocab.stop_ids)
    assert masks.mask(masks.start, PLENTY)[stops].all() != case.strict
    assert not masks.mask(after(masks, vocab, "<doctag>"), PLENTY)[stops].any()
    end = after(masks, vocab, "<doctag></doctag>")
    assert np.flatnonzero(masks.mask(end, PLENTY)).tolist() == stops
    assert masks.advance(end, stops[0]) == end
    assert (masks.closing(end), masks.forced(end, PLENTY)) == (0, ())


def test_ids_that_mean_nothing_are_never_allowed(case: Case) -> None:
    """Padding, rows of the network that no token has."""
    masks, vocab = masks_of(case), vocab_of(case.shape)
    for text in ("", "<doctag>", "<doctag><text>", "<doctag><text>a <"):
        mask = masks.mask(after(masks, vocab, text), PLENTY)
        assert not any(
            mask[token] for token, piece in enumerate(masks.pieces.texts) if not piece and token not in vocab.stop_ids
        )
        with pytest.raises(ValueError, match="may not come"):
            masks.advance(after(masks, vocab, f"{text}" or "<doctag>"), len(mask) + 5)


def test_a_limit_that_is_too_short_for_anything_is_not_kept_to() -> None:
    """There is no valid answer then; the engine's own limit will end it."""
    masks = masks_of(Case(SHAPES[0], strict=True))
    assert masks.mask(masks.start, masks.closing(masks.start) - 1).any()


def test_allows_counts_up_to_the_first_refusal_and_the_limit() -> None:
    """Drafts are cut there."""
    vocab, masks = vocab_of(SHAPES[0]), masks_of(Case(SHAPES[0], strict=True))
    law: Law[Where] = masks
    ids = vocab.encode("<doctag><text>ab</text><nl></doctag>")
    assert law.allows(law.start, ids, PLENTY) == ids.index(vocab.encode("<nl>")[0])
    assert law.allows(law.start, [], 5) == 0
    assert law.allows(law.start, [-1], 5) == 0
    assert law.allows(law.start, vocab.encode("<doctag><text>a</text></doctag>"), 3) == 1
