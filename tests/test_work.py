"""Memory that work needs grows with it, and is of the size that was seen."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smoldocling.model import work
from smoldocling.model.config import Config

MB = 1 << 20
# The 256M network.
CONFIG = Config(
    **{"vision_width": 768, "vision_inner": 3072, "vision_layers": 12, "vision_heads": 12, "vision_eps": 1e-6},
    **{"tile_px": 512, "patch_px": 16, "positions": 32, "joined": 4, "width": 576, "inner": 1536, "layers": 30},
    **{"heads": 9, "kv_heads": 3, "head_dim": 64, "vocab_size": 49280, "context_length": 8192, "rope_theta": 1e5},
    **{"eps": 1e-5, "image_token_id": 49190, "tied_head": False},
)


def test_eight_tiles_take_what_they_were_seen_to_take() -> None:
    """130 MB in bfloat16 in the tower's widest place, and something to round up to."""
    assert 130 * MB < work.tower(CONFIG, 8, torch.bfloat16) < 260 * MB


@pytest.mark.parametrize(
    ("function", "fixed"),
    [(work.tower, ()), (work.prompt, ()), (work.step, (4096, 256))],
)
@given(st.integers(1, 500), st.integers(1, 500))
def test_more_work_takes_more_memory(function: Any, fixed: tuple[int, ...], count: int, more: int) -> None:
    """In proportion, so that slots can be counted by dividing."""
    few, many = (function(CONFIG, amount, *fixed, torch.bfloat16) for amount in (count, count + more))
    assert abs(many / few - (count + more) / count) < 0.01 * (count + more)
    assert function(CONFIG, count, *fixed, torch.float32) > few


def test_a_page_in_flight_needs_far_less_for_its_steps_than_for_its_slot() -> None:
    """Else slots would be the wrong thing to count."""
    slot = CONFIG.kv_numbers * 3072 * 2
    assert work.step(CONFIG, 10, 3072, 256, torch.bfloat16) < slot / 10
