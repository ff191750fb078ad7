"""Guesses: where the next ids come from, what a chance is, and how many rows are worth their price."""

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoldocling.engine.speculate import MEMORY, Cursor, Echo, Guess, Guesser, Odds, Price, agreed, worth

IDS = st.integers(0, 9)
TEXTS = st.lists(IDS, max_size=60)


def steps(answer: Sequence[int], draft: Sequence[int], most: int = 16) -> int:
    """Steps that an answer takes if all that can be guessed is checked."""
    guesser, written, count = Guesser(draft, Odds()), [], 0
    while len(written) < len(answer):
        guess = guesser.guess(most)
        for token in agreed(guess.ids, answer[len(written) :]):
            written.append(token)
            guesser.see(written)
        count += 1
    assert written == list(answer)
    return count


@given(TEXTS, TEXTS)
def test_an_answer_is_the_same_with_any_draft(answer: list[int], draft: list[int]) -> None:
    """Lossless: a wrong draft costs steps, never an id; and no step finds nothing."""
    assert steps(answer, draft) <= len(answer)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=200))
def test_a_right_draft_is_taken_whole(answer: list[int]) -> None:
    assert steps(answer, answer) == -(-len(answer) // 17)


@given(st.lists(st.integers(0, 10**6), min_size=40, max_size=80, unique=True), st.integers(0, 79), IDS)
def test_one_wrong_id_costs_one_step_more(answer: list[int], spot: int, wrong: int) -> None:
    """A location that is off by one must not end the use of the draft."""
    draft = list(answer)
    draft[spot % len(draft)] = -1 - wrong
    assert steps(answer, draft) <= -(-len(answer) // 17) + 1


@given(
    st.lists(st.integers(0, 10**6), min_size=60, max_size=90, unique=True),
    st.integers(10, 50),
    st.lists(st.integers(-20, -1), max_size=6),
    st.integers(0, 6),
)
def test_a_draft_is_found_again_after_words_too_many_and_too_few(
    answer: list[int], spot: int, inserted: list[int], left_out: int
) -> None:
    """Behind the disagreement three right ids in a row are enough; all after them are guessed again."""
    draft = [*answer[:spot], *inserted, *answer[spot + left_out :]]
    assert steps(answer, draft) <= -(-len(answer) // 17) + 1 + left_out + 3 + 1


def test_swapped_columns_are_followed() -> None:
    """The model may read another column first than the text layer: both are in the draft."""
    left, right = list(range(100, 200)), list(range(200, 300))
    assert steps([*right, *left], [*left, *right]) <= 13 + 6 + 6


def test_what_was_written_before_is_expected_again() -> None:
    """The rows of a table and the syntax of boxes repeat, without any draft."""
    row = list(range(20))
    assert steps(row * 5, ()) <= 20 + 4 + 80 / 17 + 1


@given(TEXTS)
def test_an_echo_expects_only_what_followed_the_same_ids(answer: list[int]) -> None:
    echo = Echo()
    for end in range(1, len(answer) + 1):
        echo.see(answer[:end])
        expected = list(echo.ahead(3))
        assert not expected or any(
            answer[at : at + len(expected)] == expected and answer[at - 1] == answer[end - 1] for at in range(1, end)
        )


@given(TEXTS, TEXTS)
def test_a_cursor_stays_within_its_text(draft: list[int], answer: list[int]) -> None:
    cursor = Cursor(draft)
    for end in range(1, len(answer) + 1):
        cursor.see(answer[:end])
        assert 0 <= cursor.place <= len(draft)
        assert cursor.run == 0 or draft[cursor.place - 1] == answer[end - 1]


def test_a_source_that_is_always_wrong_is_believed_no_more_and_noticed_when_it_is_right() -> None:
    """Chances are learnt without spending a row: from what a guess would have been."""
    odds = Odds()
    wrong = Guesser([1] * 400, odds)
    for end in range(1, 400):
        wrong.see([2 + end % 7] * end)
    assert max(wrong.guess(8).chances, default=0.0) < 0.05
    right, answer = Guesser(list(range(400)), odds), list(range(400))
    for end in range(1, 100):
        right.see(answer[:end])
    assert right.guess(8).ids == tuple(range(99, 107))
    assert min(right.guess(8).chances) > 0.5


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 8))
def test_what_is_forced_comes_first_and_is_certain(
    draft: list[int], written: list[int], forced: list[int], most: int
) -> None:
    """A draft that disagrees with the law is wrong; one that agrees goes on behind what is forced."""
    guesser = Guesser(draft, Odds())
    for end in range(1, len(written) + 1):
        guesser.see(written[:end])
    guess = guesser.guess(most, forced)
    assert len(guess.ids) == len(guess.chances) <= most
    assert list(guess.ids[: len(forced)]) == forced[:most][: len(guess.ids)]
    assert len(guess.ids) >= min(len(forced), most)
    assert guess.chances[: len(forced)] == (1.0,) * min(len(forced), len(guess.ids))
    assert list(guess.chances) == sorted(guess.chances, reverse=True)


GUESSES = st.lists(
    st.lists(st.floats(0, 1), max_size=6).map(
        lambda chances: Guess(tuple(range(len(chances))), tuple(sorted(chances, reverse=True)))
    ),
    min_size=1,
    max_size=3,
)


@given(GUESSES, st.floats(0.1, 10), st.floats(0.01, 3), st.integers(1, 12))
def test_the_rows_that_are_taken_find_the_most_ids_in_their_time(
    guesses: list[Guess], fixed: float, row: float, most: int
) -> None:
    """Against all ways to choose."""

    def rate(taken: Sequence[int]) -> float:
        found = sum(1 + sum(guess.chances[:count]) for guess, count in zip(guesses, taken, strict=True))
        return found / (fixed + row * (len(guesses) + sum(taken)))

    taken = worth(guesses, Price(fixed, row), most)
    room = max(most - len(guesses), 0)
    ways = product(*(range(len(guess.ids) + 1) for guess in guesses))
    assert sum(taken) <= room
    assert rate(taken) == pytest.approx(max(rate(way) for way in ways if sum(way) <= room))


@given(st.floats(0.5, 20), st.floats(0.02, 1), st.lists(st.integers(1, 40), min_size=20, max_size=60))
def test_a_price_is_learnt_from_steps(fixed: float, ratio: float, rows: list[int]) -> None:
    price, row = Price(), fixed * ratio
    for count in [1, 40, *rows, 1, 40]:
        price.learn(count, fixed + row * count)
    assert price.fixed + price.row * 10 == pytest.approx(fixed + row * 10, rel=0.05)


def test_steps_that_are_all_alike_leave_the_ratio_as_it_was() -> None:
    """Only their sum is known then."""
    price = Price(8.0, 1.0)
    for _ in range(int(MEMORY)):
        price.learn(2, 5.0)
    assert price.fixed + 2 * price.row == pytest.approx(5.0)
    assert price.row / price.fixed == pytest.approx(1 / 8)
