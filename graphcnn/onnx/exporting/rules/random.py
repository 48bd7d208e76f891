"""Random numbers in ONNX: the counter-based generator of `graphcnn.ir.philox`, bit for bit.

ONNX's own RandomUniform takes its seed from the file and draws other numbers in every runtime.
Written out, the numbers depend on seed and step alone, and are those of our own runtimes.

A counter has four words of 32 bits, c0 to c3. The two that are multiplied are the rows of
a = [c0, c2], the others those of b = [c1, c3], all as 64-bit integers; the multipliers are taken
apart into halves of 16 bits, so that no product overflows.
"""

from typing import Any

import numpy as np

from graphcnn.ir.node import Node
from graphcnn.ir.philox import MULTIPLIERS, ROUNDS, WEYL
from graphcnn.ir.tensor_type import DType, known_size
from graphcnn.onnx.exporting.registry import exports
from graphcnn.onnx.exporting.writer import ELEMENT_TYPES, NodeWriter
from graphcnn.ops.random import kept_bits

_LOW_16, _LOW_32 = 2**16 - 1, 2**32 - 1


@exports("random_uniform")
def random_uniform(emit: NodeWriter, node: Node, inputs: list[str]) -> list[str]:
    """The top 24 bits of each word times 2^-24; of float16, the top 11, of bfloat16 8."""
    op: Any = node.op
    count = emit.elements(op.shape)
    seed, step, *first = inputs
    zero = emit.integers((0,))
    if first:  # from the middle of a counter on
        row = emit.add("Reshape", first[0], emit.integers((1,)), allowzero=0)
        start = emit.add("Mul", row, emit.elements(op.shape[1:]))
        skipped, before = _masked(emit, start, 3), _divided(emit, start, 4)
        # As many blocks as the latest start needs: a size must not depend on what is fed.
        blocks = _divided(emit, emit.add("Add", count, emit.integers((6,))), 4)
        words = _words(emit, seed, step, op.stream, blocks, before)
        limits = emit.scalar(0, DType.INT64), emit.add("Squeeze", count, emit.integers((0,)))
        index = emit.add("Range", *limits, emit.scalar(1, DType.INT64))
        words = emit.add("Gather", words, emit.add("Add", index, skipped), axis=0)
    else:
        blocks = _divided(emit, emit.add("Add", count, emit.integers((3,))), 4)
        words = _words(emit, seed, step, op.stream, blocks)
        if known_size(op.shape) % 4:
            words = emit.add("Slice", words, zero, count, zero)
    bits = kept_bits(op.dtype)
    top = emit.add("Cast", _divided(emit, words, 2 ** (32 - bits)), to=int(ELEMENT_TYPES[op.dtype]))
    u = emit.add("Mul", top, emit.scalar(2.0**-bits, op.dtype))
    return [emit.add("Reshape", u, emit.shape(op.shape))]


def _words(
    emit: NodeWriter, seed: str, step: str, stream: int, blocks: str, before: str = ""
) -> str:
    """Four words for each of the counters (0, step, stream), (1, step, stream), ... in a row; from
    the one after `before` others on."""
    keys = _round_keys(emit, seed)
    zero, one = emit.scalar(0, DType.INT64), emit.scalar(1, DType.INT64)
    index = emit.add("Range", zero, emit.add("Squeeze", blocks, emit.integers((0,))), one)
    if before:
        index = emit.add("Add", index, before)
    a = emit.add("Mul", index, _column(emit, (1, 0)))
    a = emit.add("Add", a, _column(emit, (0, stream)))
    b = _halves(emit, step)
    swap = emit.integers((1, 0))
    low, high = ([m >> shift & _LOW_16 for m in MULTIPLIERS] for shift in (0, 16))
    for key in keys:
        # a · multiplier = u·2^16 + (t mod 2^16)
        t = emit.add("Mul", a, _column(emit, low))
        u = emit.add("Mul", a, _column(emit, high))
        u = emit.add("Add", u, _divided(emit, t, 2**16))
        upper = emit.add("Gather", _divided(emit, u, 2**16), swap, axis=0)
        lower = emit.add("Mul", _masked(emit, u, _LOW_16), emit.scalar(2**16, DType.INT64))
        lower = emit.add("Add", lower, _masked(emit, t, _LOW_16))
        a = emit.add("BitwiseXor", emit.add("BitwiseXor", upper, b), key)
        b = emit.add("Gather", lower, swap, axis=0)
    both = emit.add("Concat", a, b, axis=0)
    both = emit.add("Reshape", both, emit.integers((2, 2, -1)), allowzero=0)
    return emit.add("Reshape", emit.transpose(both, 2, 1, 0), emit.integers((-1,)), allowzero=0)


def _round_keys(emit: NodeWriter, seed: str) -> list[str]:
    """seed + round · Weyl for both words, one column i64[2, 1] for each round."""
    steps = np.outer(WEYL, np.arange(ROUNDS))
    keys = emit.add("Add", _halves(emit, seed), emit.constant(steps.astype(np.int64)))
    sizes = emit.integers([1] * ROUNDS)
    return emit.add_many("Split", ROUNDS, _masked(emit, keys, _LOW_32), sizes, axis=1)


def _halves(emit: NodeWriter, x: str) -> str:
    """The low and the high 32 bits of x i64[] as a column i64[2, 1]."""
    x = emit.add("Reshape", x, emit.integers((1, 1)), allowzero=0)
    low = _masked(emit, x, _LOW_32)
    high = _divided(emit, emit.add("Sub", x, low), 2**32)
    return emit.add("Concat", low, _masked(emit, high, _LOW_32), axis=0)


def _column(emit: NodeWriter, pair: Any) -> str:
    return emit.constant(np.array(pair, np.int64)[:, None])


def _masked(emit: NodeWriter, x: str, mask: int) -> str:
    return emit.add("BitwiseAnd", x, emit.scalar(mask, DType.INT64))


def _divided(emit: NodeWriter, x: str, by: int) -> str:
    """x / by, where x is not negative or a multiple: a shift."""
    return emit.add("Div", x, emit.scalar(by, DType.INT64))
