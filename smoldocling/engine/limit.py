"""How many ids a request may get, and whether it can be answered at all.

Knows: a checkpoint's sizes. Does not know: the network, memory.
"""

from __future__ import annotations

from smoldocling.checkpoint import Checkpoint
from smoldocling.engine.sequence import Request


def most_ids(request: Request, checkpoint: Checkpoint) -> int:
    """The answer is cut after so many ids. Raises ValueError for a request that cannot be answered."""
    places = request.ids.count(checkpoint.image_token_id)
    needed = len(request.tiles) * checkpoint.image_seq_len
    if places != needed:
        raise ValueError(
            f"the prompt has places for {places} image features, the {len(request.tiles)} tiles make {needed}"
        )
    room = checkpoint.context_length - len(request.ids)
    if room <= 0:
        raise ValueError(f"a prompt of {len(request.ids)} ids fills the context of {checkpoint.context_length}")
    if request.max_new_tokens < 1:
        raise ValueError(f"an answer of max_new_tokens={request.max_new_tokens} is none")
    return min(request.max_new_tokens, room)
