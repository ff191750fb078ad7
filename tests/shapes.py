"""Networks of every shape of the family at their real widths, with random weights: transformers' and ours, from the
same numbers.

Every number can be held by bfloat16, so a precision changes what is computed and never the weights. Norms, biases and
positions are random too: what is initialised as one or zero would hide a mistake.
"""

from __future__ import annotations

import copy
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Idefics3Config, Idefics3ForConditionalGeneration
from transformers.initialization import no_init_weights

from smoldocling.model.network import Network
from smoldocling.model.vision import Pixels

CPU = torch.device("cpu")
# Weights are drawn so many at a time: fewer would be slow, more would wake torch's other threads for nothing.
BLOCK = 2**14


@dataclass(frozen=True, slots=True)
class Shape:
    """One member of the family, as its config.json describes it, with fewer layers."""

    name: str
    tile_px: int = 512
    patch_px: int = 16
    joined: int = 4
    vision_width: int = 768
    vision_inner: int = 3072
    vision_heads: int = 12
    vision_layers: int = 1
    width: int = 576
    inner: int = 1536
    heads: int = 9
    kv_heads: int = 3
    head_dim: int | None = None
    layers: int = 2
    vocab: int = 49280
    image_token_id: int = 49190
    theta: float = 100000.0
    eps: float = 1e-5
    vision_eps: float = 1e-6
    context: int = 8192
    tied: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def tile_positions(self) -> int:
        return (self.tile_px // self.patch_px // self.joined) ** 2

    def config(self) -> dict[str, Any]:
        """The contents of config.json."""
        return {
            "model_type": "idefics3",
            "scale_factor": self.joined,
            "image_token_id": self.image_token_id,
            "tie_word_embeddings": self.tied,
            "vision_config": {
                "hidden_size": self.vision_width,
                "intermediate_size": self.vision_inner,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "image_size": self.tile_px,
                "patch_size": self.patch_px,
                "layer_norm_eps": self.vision_eps,
            },
            "text_config": {
                "model_type": "llama",
                "hidden_size": self.width,
                "intermediate_size": self.inner,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "num_key_value_heads": self.kv_heads,
                "head_dim": self.head_dim,
                "vocab_size": self.vocab,
                "max_position_embeddings": self.context,
                "rms_norm_eps": self.eps,
                "rope_theta": self.theta,
                "pad_token_id": 2,
            },
        }


SMOLDOCLING = Shape("smoldocling-256M", vision_layers=2)
GRANITE = Shape("granite-docling-258M", vocab=100352, image_token_id=100270, tied=True)
SMOLVLM_500M = Shape("smolvlm-500M", width=960, inner=2560, heads=15, kv_heads=5)
SMOLVLM_2B = Shape(
    "smolvlm-2B",
    tile_px=384,
    patch_px=14,
    joined=3,
    vision_width=1152,
    vision_inner=4304,
    vision_heads=16,
    width=2048,
    inner=8192,
    heads=32,
    kv_heads=32,
    layers=1,
    vocab=49155,
    image_token_id=49153,
    theta=273768.0,
    context=16384,
)
FAMILY = (SMOLDOCLING, GRANITE, SMOLVLM_500M, SMOLVLM_2B)

# Networks for what is repeated often: few words, towers that cost nothing. Their vocabularies are no multiple of four,
# so the last block of the head is cut, as in the 2B.
_SMALL = {
    "tile_px": 64,
    "vision_width": 32,
    "vision_inner": 48,
    "vision_heads": 2,
    "vision_layers": 1,
    "vocab": 2051,
    "image_token_id": 2049,
    "context": 2048,
}
FEW_WORDS = Shape("few-words", **_SMALL | {"tile_px": 128}, layers=2)
TINY = Shape("tiny", **_SMALL | {"vocab": 131, "image_token_id": 130}, width=64, inner=96, heads=4, kv_heads=2)
# Queries for each key and numbers of a head: those with code of their own in the compiled step, and its limits.
ONE_QUERY_A_KEY = Shape("one-query-a-key", **_SMALL, width=256, inner=512, heads=4, kv_heads=4)
WIDEST_HEADS = Shape("widest-heads", **_SMALL, width=192, inner=256, heads=8, kv_heads=1, head_dim=128)
# What no compiled step takes: widths that are no multiple of a vector, or more queries for each key.
ODD_WIDTHS = Shape("odd-widths", **_SMALL, width=72, inner=100, heads=4, kv_heads=2)
MANY_QUERIES_A_KEY = Shape("many-queries-a-key", **_SMALL, width=256, inner=512, heads=16, kv_heads=1)
WITHOUT_KERNELS = (ODD_WIDTHS, MANY_QUERIES_A_KEY)
# The eps of real files is too small to be seen in rows of ordinary size.
LARGE_EPS = replace(TINY, name="large-eps", eps=0.3, vision_eps=0.2)
EDGES = (FEW_WORDS, TINY, ONE_QUERY_A_KEY, WIDEST_HEADS, ODD_WIDTHS, MANY_QUERIES_A_KEY, LARGE_EPS)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """On a busy machine threads wait for each other longer than networks of this size compute: most tests use one."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def oracle(shape: Shape, seed: int = 0) -> Idefics3ForConditionalGeneration:
    """transformers' network in float32, with weights that make every part of it matter."""
    with no_init_weights():
        model = Idefics3ForConditionalGeneration(Idefics3Config.from_dict(shape.config())).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            middle, deviation = _spread(name, parameter, tied=shape.tied)
            for block in parameter.view(-1).split(BLOCK):
                drawn = torch.empty(len(block), dtype=torch.bfloat16)
                block.copy_(drawn.normal_(middle, deviation, generator=generator))
    model.tie_weights()
    return model


def _spread(name: str, parameter: torch.Tensor, *, tied: bool) -> tuple[float, float]:
    """Mean and deviation as in a trained network: rows keep their size on the way through, logits are about 1."""
    if "norm" in name:
        return float(name.endswith("weight")), 0.2
    if name.endswith("bias"):
        return 0.0, 0.1
    root = parameter[0].numel() ** -0.5
    if "embed_tokens" in name:
        return 0.0, root if tied else 1.0
    if "position_embedding" in name:
        return 0.0, 1.0
    # Queries and keys larger than the rest: attention that is nearly even everywhere would hide a wrong position.
    return 0.0, root * (1.5 if "q_proj" in name or "k_proj" in name else 1.0)


def half(model: Idefics3ForConditionalGeneration, dtype: torch.dtype) -> Idefics3ForConditionalGeneration:
    """The same in another precision, as `from_pretrained` loads it: rotary positions stay in float32."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with no_init_weights():
        other = Idefics3ForConditionalGeneration(model.config).eval()
    torch.set_default_dtype(before)
    other.load_state_dict(model.state_dict())
    other.tie_weights()
    other.model.text_model.rotary_emb = model.model.text_model.rotary_emb
    return other


def rounded(model: Idefics3ForConditionalGeneration) -> Idefics3ForConditionalGeneration:
    """A copy that computes with what int8 can hold: every row of a weight has 127 steps up to its largest number, and
    in the tower every row of activations too. Sums stay in float32."""
    copied = copy.deepcopy(model)
    for name, module in copied.named_modules():
        if isinstance(module, nn.Linear) and "connector" not in name:
            module.weight = nn.Parameter(_in_steps(module.weight.detach()), requires_grad=False)
            if "vision_model" in name:
                module.register_forward_pre_hook(lambda _, given: (_in_steps(given[0]),))
    return copied


def _in_steps(rows: torch.Tensor) -> torch.Tensor:
    step = rows.abs().amax(-1, keepdim=True) / 127
    return (rows / step).round() * step


def tensors(model: Idefics3ForConditionalGeneration) -> dict[str, torch.Tensor]:
    """What a file would hold: a tied head only once."""
    held = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        del held["lm_head.weight"]
    return held


def network(
    shape: Shape,
    weights: Idefics3ForConditionalGeneration | Mapping[str, torch.Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    eights: bool = False,
    compiled: bool = True,
    pixels: Pixels | None = None,
    tile_px: int | None = None,
) -> Network:
    """Ours, from transformers' weights or the tensors of a file."""
    return Network(
        shape.config(),
        weights if isinstance(weights, Mapping) else tensors(weights),
        tile_px or shape.tile_px,
        pixels or Pixels(1 / 255, (0.5,) * 3, (0.5,) * 3),
        device=CPU,
        dtype=dtype,
        eights=eights,
        compiled=compiled,
    )


def tiles(shape: Shape, count: int, seed: int = 0) -> torch.Tensor:
    """uint8 (count, T, T, 3): noise on bands of different brightness, so that patches differ from each other."""
    generator = torch.Generator().manual_seed(seed)
    side = shape.tile_px
    noise = torch.randint(0, 128, (count, side, side, 3), dtype=torch.uint8, generator=generator)
    bands = torch.randint(0, 128, (count, side // 8 + 1, 1, 3), dtype=torch.uint8, generator=generator)
    return noise + bands.repeat_interleave(8, 1)[:, :side]


def normalised(pixels: torch.Tensor, settings: Pixels | None = None) -> torch.Tensor:
    """What transformers' processor makes of tiles: float32 (1, count, 3, T, T)."""
    settings = settings or Pixels(1 / 255, (0.5,) * 3, (0.5,) * 3)
    mean, std = (torch.tensor(values)[:, None, None] for values in (settings.mean, settings.std))
    return ((pixels.permute(0, 3, 1, 2).float() * settings.rescale - mean) / std)[None]


def words(shape: Shape, count: int, seed: int = 0) -> list[int]:
    """Random ids of ordinary text."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, min(shape.image_token_id, shape.vocab - 1), (count,), generator=generator).tolist()


def needs_kernels(net: Network) -> None:
    """Skips a test of the compiled step where nothing can compile it; where something can, it must."""
    if not net.native:
        assert not (sys.platform == "linux" and shutil.which("gcc")), "gcc is here, and there are no kernels"
        pytest.skip("needs a C compiler with OpenMP")
