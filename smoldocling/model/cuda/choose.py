"""Fused kernels where they work, plain torch where they do not, and one line that says why not.

Knows: that kernels may be missing or wrong here. Does not know: what they compute.
A GPU that nobody has tried, a compiler that is missing, a version of Triton that rounds otherwise: the kernels are
compiled and compared with plain torch when the weights are loaded, which takes some seconds once (Triton keeps what it
has compiled). Whatever goes wrong then costs speed and nothing else.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext

import torch

from smoldocling.model.config import Config
from smoldocling.model.cuda.plain import Plain
from smoldocling.model.cuda.steps import Body
from smoldocling.model.decoder import Text
from smoldocling.model.parts import Parts

# Of the largest number: the parts round where plain torch rounds, so they differ by single roundings.
TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1.6e-2}


def parts(config: Config, device: torch.device, dtype: torch.dtype) -> Parts:
    """Norms and gates."""
    try:
        from smoldocling.model.cuda.fused import FusedParts

        found = FusedParts()
        with torch.inference_mode(), _on(device):
            for width in (config.vision_width, config.width):
                _compare(found, width, device, dtype)
    except Exception as error:
        _tell("norms and gates", error)
        return Parts()
    return found


def body(config: Config, text: Text, plain: Parts) -> Body:
    """The decoder's step."""
    try:
        from smoldocling.model.cuda import fused

        if not fused.fits(config, text):
            return Plain(config, text, plain)
        found = fused.Fused(config, text)
        with torch.inference_mode(), _on(text.embedding.device):
            wrong = fused.agrees(config, text, Parts(), found)
        if wrong:
            raise ArithmeticError(wrong)
    except Exception as error:
        _tell("the decoder's step", error)
        return Plain(config, text, plain)
    return found


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton starts kernels on the current device, wherever their numbers lie."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _compare(found: Parts, width: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raises ArithmeticError for parts that are not the plain ones."""
    random = torch.Generator(device).manual_seed(0)
    x, delta = (torch.randn(5, 2 * width, generator=random, device=device).to(dtype) for _ in range(2))
    weight, bias = (torch.randn(2 * width, generator=random, device=device) for _ in range(2))
    for one, two in ((None, None), (delta, None), (delta, bias)):
        mine, theirs = (part.normed(x.clone(), one, weight, two, 1e-6) for part in (found, Parts()))
        _same(mine, theirs)
    _same(found.gated(x), Parts().gated(x))


def _same(mine: torch.Tensor, theirs: torch.Tensor) -> None:
    far = float((mine.float() - theirs.float()).abs().max() / theirs.float().abs().max())
    if not far <= TOLERANCE[theirs.dtype]:
        raise ArithmeticError(f"numbers differ by {far:.1e}")


def _tell(what: str, error: Exception) -> None:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    warnings.warn(f"no fused kernels for {what} on this device ({reason}); plain torch is slower", stacklevel=2)
