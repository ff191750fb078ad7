"""What may be written next: the law that an engine obeys when it chooses ids.

Knows: ids, masks. Does not know: what ids spell, why a law says what it says, tensors.

A law is pure: it has no memory of sequences. Whoever writes a sequence keeps its state, beginning with `start`, and
gives it back with the number of ids that may still be written (`left`). The id to write is the argmax of the row of
logits where the mask is true, so a row whose own argmax is legal is not touched by it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

S = TypeVar("S", bound=Hashable)


class Law(Protocol[S]):
    """A state is immutable and hashable, and equal to another only if the same may follow.

    start  the state of a sequence without ids
    """

    @property
    def start(self) -> S: ...

    def advance(self, state: S, token: int) -> S:
        """The state behind one more id. ValueError for an id that no mask allows; an id that ends the answer may be
        given, and changes nothing."""
        ...

    def mask(self, state: S, left: int) -> Mask:
        """Which ids may come next, (vocabulary,), read-only, at least one. Equal masks that are in use are one object.

        left  ids that may still be written, this one included; the sequence can always be completed within them, if
              `left` was at least `closing(start)` at the start
        """
        ...

    def forced(self, state: S, left: int) -> tuple[int, ...]:
        """The ids that follow whatever the network says: at each of them the mask allows no other. Never an end."""
        ...

    def allows(self, state: S, ids: Sequence[int], left: int) -> int:
        """How many of these ids, from the first on, the masks allow one after the other."""
        ...

    def closing(self, state: S) -> int:
        """The fewest ids that complete the sequence from here; 0 where it is complete."""
        ...
