"""Slots have one owner at a time, and come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoldocling.engine.slots import Slots

# True: take one if there is one; a number: the owner of that rank gives its slot back.
MOVES = st.lists(st.one_of(st.just(True), st.integers(0, 20)), max_size=60)


@given(count=st.integers(1, 9), moves=MOVES)
def test_a_slot_is_owned_by_one_or_free(count: int, moves: list[bool | int]) -> None:
    """Two owners would write into each other's pages; a lost slot makes every later page wait longer."""
    slots = Slots(count)
    owned: list[int] = []
    for move in moves:
        if move is True and slots.free:
            slot = slots.take()
            assert slot not in owned
            assert slot == min(set(range(count)) - set(owned)), "memory that was touched is used again first"
            owned.append(slot)
        elif move is not True and owned:
            slots.give(owned.pop(move % len(owned)))
        assert len(owned) + slots.free == count


def test_misuse_is_a_mistake_of_ours_and_said_so() -> None:
    """Silence would be two pages in one slot."""
    slots = Slots(1)
    with pytest.raises(AssertionError, match="has no owner"):
        slots.give(0)
    slots.give(slots.take())
    slots.take()
    with pytest.raises(AssertionError, match="all slots are owned"):
        slots.take()
    with pytest.raises(AssertionError, match="without a slot"):
        Slots(0)
