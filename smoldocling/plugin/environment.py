"""What can be said to the engines where Docling's command line has no option for it: variables of the environment.

Knows: names and defaults. Does not know: Docling, engines.
"""

from __future__ import annotations

import os

MODEL = "SMOLDOCLING_MODEL"
"""The checkpoint: a folder, a hub id or a short name; for the preset, the name that the server has for it."""
ENGINE = "SMOLDOCLING_ENGINE"
"""auto, native, transformers or textlayer."""
PICTURE_MODEL = "SMOLDOCLING_PICTURE_MODEL"
"""The checkpoint that describes pictures."""

DEFAULT_MODEL, DEFAULT_ENGINE = "smoldocling", "auto"
# The smallest checkpoint of the family that was taught to describe what it sees.
DEFAULT_PICTURE_MODEL = "HuggingFaceTB/SmolVLM-256M-Instruct"


def model() -> str:
    """The checkpoint that reads pages."""
    return os.environ.get(MODEL) or DEFAULT_MODEL


def engine() -> str:
    """The engine that reads pages."""
    return os.environ.get(ENGINE) or DEFAULT_ENGINE


def picture_model() -> str:
    """The checkpoint that describes pictures."""
    return os.environ.get(PICTURE_MODEL) or DEFAULT_PICTURE_MODEL
