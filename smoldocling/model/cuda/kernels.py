"""The decoder's step in seven kernels, in Triton. `plain` says what each must find.

Knows: pointers, blocks. Does not know: torch modules, whose rows these are. fused.py calls it.

Law: what a row becomes does not depend on the rows beside it, nor on how many there are, to the last bit. Every sum
runs over its vector in blocks of fixed size in one order; a row's block is multiplied by the same instruction whoever
lies in it (16 or 32 rows at a time, never the 64 at which Hopper takes another one); and attention is cut into pieces
of SPAN positions wherever a sequence ends, joined in order. So a step with guesses finds what steps without find, and
a recording for 64 what one for a single page finds. Numbers are rounded where `plain` rounds them.

What the compiler needs: blocks are powers of two, so sides of matrices are walked in blocks that divide them (576 is
9 * 64), and heads of three are padded to 16 queries with rows that are there already; nothing but `rows` and the end of
the vocabulary needs a mask. Offsets into the cache are 64 bits: 256 slots of one layer have 4e8 numbers.
"""

# Triton reads annotations as its own types, so there are none but its own.
# mypy: ignore-errors
# ruff: noqa: N803 - what is known when a kernel is compiled is in capitals
from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _inverse_root(x, row, here, eps, WIDTH: tl.constexpr, BK: tl.constexpr, BM: tl.constexpr):
    """One over the root mean square of each row."""
    total = tl.zeros([BM], tl.float32)
    for k in range(0, WIDTH, BK):
        column = k + tl.arange(0, BK)
        numbers = tl.load(x + row[:, None] * WIDTH + column[None, :], mask=here[:, None], other=0.0).to(tl.float32)
        total += tl.sum(numbers * numbers, 1)
    return 1.0 / tl.sqrt(total / WIDTH + eps)


@triton.jit
def _normed(x, norm, row, here, column, inverse, WIDTH: tl.constexpr, DOT: tl.constexpr):
    """A block of rows, normalised."""
    numbers = tl.load(x + row[:, None] * WIDTH + column[None, :], mask=here[:, None], other=0.0).to(tl.float32)
    weight = tl.load(norm + column)
    return (numbers * inverse[:, None] * weight[None, :]).to(x.dtype.element_ty).to(DOT)


@triton.jit
def qkv(
    x,
    norm,
    weight,
    cosines,
    sines,
    slots,
    positions,
    q,
    keys,
    values,
    key_scales,
    value_scales,
    rows,
    length,
    eps,
    scale,
    WIDTH: tl.constexpr,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HALF: tl.constexpr,
    NARROW: tl.constexpr,
    BM: tl.constexpr,
    BK: tl.constexpr,
    DOT: tl.constexpr,
):
    """Norm, one head's queries, keys or values, rotation, and where they go.

    Grid: (blocks of rows, heads + 2 kv_heads).

    A head's halves are two blocks of columns, since rotation joins number n with number n + HALF.
    """
    head = tl.program_id(1)
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    here = row < rows
    kind = x.dtype.element_ty
    inverse = _inverse_root(x, row, here, eps, WIDTH, BK, BM)
    half = tl.arange(0, HALF)
    first = tl.zeros([BM, HALF], tl.float32)
    second = tl.zeros([BM, HALF], tl.float32)
    for k in range(0, WIDTH, BK):
        column = k + tl.arange(0, BK)
        block = _normed(x, norm, row, here, column, inverse, WIDTH, DOT)
        place = weight + (head * 2 * HALF + half)[None, :] * WIDTH + column[:, None]
        first = tl.dot(block, tl.load(place).to(DOT), first, input_precision="ieee")
        second = tl.dot(block, tl.load(place + HALF * WIDTH).to(DOT), second, input_precision="ieee")
    first = first.to(kind).to(tl.float32)
    second = second.to(kind).to(tl.float32)
    position = tl.load(positions + row, mask=here, other=0)
    turns = head < HEADS + KV_HEADS
    angle = position[:, None] * HALF + half[None, :]
    cosine = tl.where(turns, tl.load(cosines + angle), 1.0)
    sine = tl.where(turns, tl.load(sines + angle), 0.0)
    one = first * cosine - second * sine
    two = second * cosine + first * sine
    if head < HEADS:
        place = q + (row[:, None] * HEADS + head) * (2 * HALF) + half[None, :]
        tl.store(place, (one * scale).to(kind), mask=here[:, None])
        tl.store(place + HALF, (two * scale).to(kind), mask=here[:, None])
    else:
        slot = tl.load(slots + row, mask=here, other=0).to(tl.int64)
        to_values = head >= HEADS + KV_HEADS
        kv_head = tl.where(to_values, head - HEADS - KV_HEADS, head - HEADS)
        offset = ((slot * KV_HEADS + kv_head) * length + position)[:, None] * (2 * HALF) + half[None, :]
        if NARROW:
            held = slot * KV_HEADS + kv_head
            key_scale = tl.load(key_scales + held, mask=here, other=1.0)
            value_scale = tl.load(value_scales + held, mask=here, other=1.0)
            factor = 1.0 / tl.where(to_values, value_scale, key_scale)
            one = tl.clamp(one.to(kind).to(tl.float32) * factor[:, None], -448.0, 448.0)
            two = tl.clamp(two.to(kind).to(tl.float32) * factor[:, None], -448.0, 448.0)
        if to_values:
            tl.store(values + offset, one.to(values.dtype.element_ty), mask=here[:, None])
            tl.store(values + offset + HALF, two.to(values.dtype.element_ty), mask=here[:, None])
        else:
            tl.store(keys + offset, one.to(keys.dtype.element_ty), mask=here[:, None])
            tl.store(keys + offset + HALF, two.to(keys.dtype.element_ty), mask=here[:, None])


@triton.jit
def look(
    q,
    keys,
    values,
    key_scales,
    value_scales,
    slots,
    positions,
    parts,
    sums,
    length,
    pieces,
    EACH: tl.constexpr,
    GROUP: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    NARROW: tl.constexpr,
    QUERIES: tl.constexpr,
    SPAN: tl.constexpr,
    BN: tl.constexpr,
    DOT: tl.constexpr,
):
    """Attention of all queries of one sequence and key head over one piece. Grid: (sequences, kv_heads, pieces).

    QUERIES >= EACH * GROUP; those behind are the last one again, and are not stored.
    parts  float32 (rows, heads, pieces, head_dim): values times shares, not yet divided by their sum
    sums   float32 (rows, heads, pieces, 2): the largest score, and the sum of the shares against it
    """
    sequence = tl.program_id(0)
    kv_head = tl.program_id(1)
    piece = tl.program_id(2)
    last = tl.load(positions + sequence * EACH + EACH - 1)
    if piece * SPAN > last:
        return
    query = tl.arange(0, QUERIES)
    counts = query < EACH * GROUP
    query = tl.where(counts, query, EACH * GROUP - 1)
    row = sequence * EACH + query // GROUP
    head = kv_head * GROUP + query % GROUP
    position = tl.load(positions + row)
    number = tl.arange(0, HEAD_DIM)
    place = row * (KV_HEADS * GROUP) + head
    queries = tl.load(q + place[:, None] * HEAD_DIM + number[None, :]).to(DOT)
    slot = tl.load(slots + sequence * EACH).to(tl.int64)
    held = slot * KV_HEADS + kv_head
    if NARROW:
        key_scale = tl.load(key_scales + held)
        value_scale = tl.load(value_scales + held)
    keys += held * length * HEAD_DIM
    values += held * length * HEAD_DIM
    kind = q.dtype.element_ty
    highest = tl.full([QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([QUERIES], tl.float32)
    found = tl.zeros([QUERIES, HEAD_DIM], tl.float32)
    for begin in range(0, SPAN, BN):
        at = piece * SPAN + begin + tl.arange(0, BN)
        written = at <= last
        key = tl.load(keys + at[None, :] * HEAD_DIM + number[:, None], mask=written[None, :], other=0.0)
        value = tl.load(values + at[:, None] * HEAD_DIM + number[None, :], mask=written[:, None], other=0.0)
        if NARROW:
            key = (key.to(tl.float32) * key_scale).to(kind)
            value = (value.to(tl.float32) * value_scale).to(kind)
        scores = tl.dot(queries, key.to(DOT), input_precision="ieee")
        scores = tl.where(at[None, :] <= position[:, None], scores, float("-inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        against = tl.where(higher == float("-inf"), 0.0, higher)  # a row may see nothing of this piece
        shares = tl.exp(scores - against[:, None])
        less = tl.exp(highest - against)
        total = total * less + tl.sum(shares, 1)
        found = found * less[:, None]
        found = tl.dot(shares.to(kind).to(DOT), value.to(DOT), found, input_precision="ieee")
        highest = higher
    place = place * pieces + piece
    tl.store(parts + place[:, None] * HEAD_DIM + number[None, :], found, mask=counts[:, None])
    tl.store(sums + place * 2, highest, mask=counts)
    tl.store(sums + place * 2 + 1, total, mask=counts)


@triton.jit
def join(
    parts,
    sums,
    positions,
    out,
    pieces,
    HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    SPAN: tl.constexpr,
):
    """The pieces of one row and head, in order, up to the row's own position. Grid: (rows, heads)."""
    row = tl.program_id(0)
    place = row * HEADS + tl.program_id(1)
    number = tl.arange(0, HEAD_DIM)
    count = tl.load(positions + row) // SPAN + 1
    highest = float("-inf")
    total = 0.0
    found = tl.zeros([HEAD_DIM], tl.float32)
    for piece in range(0, count):
        one = tl.load(sums + (place * pieces + piece) * 2)
        share = tl.load(sums + (place * pieces + piece) * 2 + 1)
        numbers = tl.load(parts + (place * pieces + piece) * HEAD_DIM + number)
        higher = tl.maximum(highest, one)
        less = tl.exp(highest - higher)
        more = tl.exp(one - higher)
        total = total * less + share * more
        found = found * less + numbers * more
        highest = higher
    tl.store(out + place * HEAD_DIM + number, (found / total).to(out.dtype.element_ty))


@triton.jit
def add_product(
    a,
    weight,
    x,
    rows,
    INPUTS: tl.constexpr,
    WIDTH: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    DOT: tl.constexpr,
):
    """x += a weight^T, in place. Grid: (blocks of rows, WIDTH / BN)."""
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    column = tl.program_id(1) * BN + tl.arange(0, BN)
    here = row < rows
    kind = x.dtype.element_ty
    total = tl.zeros([BM, BN], tl.float32)
    for k in range(0, INPUTS, BK):
        inner = k + tl.arange(0, BK)
        block = tl.load(a + row[:, None] * INPUTS + inner[None, :], mask=here[:, None], other=0.0).to(DOT)
        part = tl.load(weight + column[None, :] * INPUTS + inner[:, None]).to(DOT)
        total = tl.dot(block, part, total, input_precision="ieee")
    place = x + row[:, None] * WIDTH + column[None, :]
    before = tl.load(place, mask=here[:, None], other=0.0).to(tl.float32)
    tl.store(place, (before + total.to(kind).to(tl.float32)).to(kind), mask=here[:, None])


@triton.jit
def gate(
    x,
    norm,
    weight,
    out,
    rows,
    eps,
    WIDTH: tl.constexpr,
    INNER: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    DOT: tl.constexpr,
):
    """Norm, gate and up, silu(gate) * up. Grid: (blocks of rows, INNER / BN). Gates lie above ups in the weight."""
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    column = tl.program_id(1) * BN + tl.arange(0, BN)
    here = row < rows
    kind = x.dtype.element_ty
    inverse = _inverse_root(x, row, here, eps, WIDTH, BK, BM)
    gates = tl.zeros([BM, BN], tl.float32)
    ups = tl.zeros([BM, BN], tl.float32)
    for k in range(0, WIDTH, BK):
        inner = k + tl.arange(0, BK)
        block = _normed(x, norm, row, here, inner, inverse, WIDTH, DOT)
        place = weight + column[None, :] * WIDTH + inner[:, None]
        gates = tl.dot(block, tl.load(place).to(DOT), gates, input_precision="ieee")
        ups = tl.dot(block, tl.load(place + INNER * WIDTH).to(DOT), ups, input_precision="ieee")
    gates = gates.to(kind).to(tl.float32)
    opened = (gates / (1.0 + tl.exp(-gates))).to(kind).to(tl.float32)
    place = out + row[:, None] * INNER + column[None, :]
    tl.store(place, (opened * ups.to(kind).to(tl.float32)).to(kind), mask=here[:, None])


@triton.jit
def head(
    x,
    norm,
    weight,
    best,
    which,
    rows,
    blocks,
    eps,
    WIDTH: tl.constexpr,
    VOCAB: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    DOT: tl.constexpr,
):
    """Norm, logits of BN ids, the likeliest of them. Grid: (blocks of rows, blocks of ids). Logits are never stored."""
    row = tl.program_id(0) * BM + tl.arange(0, BM)
    column = tl.program_id(1) * BN + tl.arange(0, BN)
    here = row < rows
    known = column < VOCAB
    inverse = _inverse_root(x, row, here, eps, WIDTH, BK, BM)
    total = tl.zeros([BM, BN], tl.float32)
    for k in range(0, WIDTH, BK):
        inner = k + tl.arange(0, BK)
        block = _normed(x, norm, row, here, inner, inverse, WIDTH, DOT)
        part = tl.load(weight + column[None, :].to(tl.int64) * WIDTH + inner[:, None], mask=known[None, :], other=0.0)
        total = tl.dot(block, part.to(DOT), total, input_precision="ieee")
    logits = tl.where(known[None, :], total.to(x.dtype.element_ty).to(tl.float32), float("-inf"))
    place = row * blocks + tl.program_id(1)
    highest = tl.max(logits, 1)
    ids = tl.min(tl.where(logits == highest[:, None], column[None, :], VOCAB - 1), 1)
    tl.store(best + place, highest, mask=here)
    tl.store(which + place, ids, mask=here)


@triton.jit
def likeliest(
    best,
    which,
    out,
    blocks,
    VOCAB: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Of each block's best the best, the lowest id where they are equal; an id of the vocabulary in any case, even if
    nothing is a number. Grid: (rows)."""
    row = tl.program_id(0)
    block = tl.arange(0, BLOCKS)
    there = block < blocks
    logits = tl.load(best + row * blocks + block, mask=there, other=float("-inf"))
    ids = tl.load(which + row * blocks + block, mask=there, other=VOCAB - 1)
    highest = tl.max(logits, 0)
    tl.store(out + row, tl.min(tl.where(logits == highest, ids, VOCAB - 1), 0).to(tl.int64))


@triton.jit
def add_norm(
    x,
    delta,
    weight,
    bias,
    out,
    eps,
    WIDTH: tl.constexpr,
    ADDED: tl.constexpr,
    MEAN: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """x += delta, in place, then its norm: of the tower with mean and bias, or of a prompt. Grid: (rows)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    there = column < WIDTH
    kind = x.dtype.element_ty
    numbers = tl.load(x + row * WIDTH + column, mask=there, other=0.0).to(tl.float32)
    if ADDED:
        numbers += tl.load(delta + row * WIDTH + column, mask=there, other=0.0).to(tl.float32)
        numbers = numbers.to(kind).to(tl.float32)
        tl.store(x + row * WIDTH + column, numbers.to(kind), mask=there)
    if MEAN:
        numbers = tl.where(there, numbers - tl.sum(numbers, 0) / WIDTH, 0.0)
    normed = numbers / tl.sqrt(tl.sum(numbers * numbers, 0) / WIDTH + eps)
    normed = normed * tl.load(weight + column, mask=there, other=0.0)
    if MEAN:
        normed += tl.load(bias + column, mask=there, other=0.0)
    tl.store(out + row * WIDTH + column, normed.to(kind), mask=there)


@triton.jit
def gated(x, out, INNER: tl.constexpr, BLOCK: tl.constexpr):
    """silu(gate) * up, of rows that have both. Grid: (rows, blocks)."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    there = column < INNER
    kind = x.dtype.element_ty
    gates = tl.load(x + row * 2 * INNER + column, mask=there, other=0.0).to(tl.float32)
    ups = tl.load(x + row * 2 * INNER + INNER + column, mask=there, other=0.0).to(tl.float32)
    opened = (gates / (1.0 + tl.exp(-gates))).to(kind).to(tl.float32)
    tl.store(out + row * INNER + column, (opened * ups).to(kind), mask=there)
