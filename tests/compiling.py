"""Compiles the fused kernels at the sizes of the 256M network for a GPU that need not be here, and names them.

    python tests/compiling.py 90

Needs Triton, whose compiler brings its own assembler. Fails if a kernel does not compile, spills, or takes wgmma.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parent.parent)

import triton  # noqa: E402 - only now is the path right
import triton.language as tl  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from smoldocling.model.cuda import kernels  # noqa: E402

SIZES: dict[str, Any] = {"WIDTH": 576, "HEADS": 9, "KV_HEADS": 3, "HALF": 32, "HEAD_DIM": 64, "INNER": 1536}
SIZES |= {"VOCAB": 49280, "BK": 64, "SPAN": 256, "GROUP": 3, "DOT": tl.bfloat16}
POINTERS = {"slots": "*i64", "positions": "*i64", "which": "*i32"}
FLOATS = "norm cosines sines key_scales value_scales parts sums best".split()
NUMBERS = {"rows": "i32", "length": "i32", "pieces": "i32", "blocks": "i32", "eps": "fp32", "scale": "fp32"}
# Each kernel in the shapes in which it is used: blocks of few and of many rows, one row a sequence and ten.
USES: list[tuple[str, dict[str, Any]]] = [
    *[("qkv", {"BM": rows, "NARROW": False}) for rows in (16, 32)],
    *[("add_product", {"BM": rows, "BN": 16, "INPUTS": 1536}) for rows in (16, 32)],
    *[("gate", {"BM": rows, "BN": 16}) for rows in (16, 32)],
    *[("head", {"BM": rows, "BN": 64}) for rows in (16, 32)],
    *[("look", {"EACH": each, "QUERIES": rows, "BN": 64, "NARROW": False}) for each, rows in ((1, 16), (10, 32))],
    ("join", {}),
    ("likeliest", {"BLOCKS": 1024}),
    *[("add_norm", {"WIDTH": 768, "ADDED": added, "MEAN": added, "BLOCK": 1024}) for added in (True, False)],
    ("gated", {"BLOCK": 1024}),
]
# Ampere has no 8 bits.
NARROW_USES = [("qkv", {"BM": 16, "NARROW": True}), ("look", {"EACH": 5, "QUERIES": 16, "BN": 64, "NARROW": True})]


def main() -> None:
    """Compiles, complains, names what was compiled."""
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    for name, use in [*USES, *(NARROW_USES if target.arch >= 89 else [])]:
        code = _compiled(name, {**SIZES, **use}, target)
        assert "wgmma" not in code, f"{name} {use} multiplies 64 rows at a time"
        assert ".local" not in code, f"{name} {use} has more numbers than registers"
    print(*sorted({name for name, _ in USES}))


def _compiled(name: str, constants: dict[str, Any], target: GPUTarget) -> str:
    kernel = getattr(kernels, name)
    signature, values, aligned = {}, {}, {}
    for place, argument in enumerate(kernel.arg_names):
        if argument in constants and argument.isupper():
            signature[argument], values[place,] = "constexpr", constants[argument]
            continue
        signature[argument] = _type(name, argument, narrow=bool(constants.get("NARROW")))
        if signature[argument].startswith("*"):
            aligned[place,] = [["tt.divisibility", 16]]
    made = triton.compile(ASTSource(kernel, signature, values, aligned), target=target)
    assert made.asm["cubin"]
    text: str = made.asm["ptx"]
    return text


def _type(name: str, argument: str, *, narrow: bool) -> str:
    if argument in ("keys", "values") and narrow:
        return "*fp8e4nv"
    if argument in FLOATS or (name == "add_norm" and argument in ("weight", "bias")):
        return "*fp32"
    if name == "likeliest" and argument == "out":
        return "*i64"
    return NUMBERS.get(argument) or POINTERS.get(argument) or "*bf16"


if __name__ == "__main__":
    main()
