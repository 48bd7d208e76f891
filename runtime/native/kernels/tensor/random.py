"""Uniform random numbers by `graphcnn.ir.philox`: as many counters at a time as there are lanes."""

from collections.abc import Sequence
from math import prod

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.random import RandomUniform
from graphcnn.runtime.native.code.emit import I32, I64, STORED, Emitter
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import refuse_half
from graphcnn.runtime.native.kernels.parts.loops import (
    ALONE,
    iota,
    lane_mask,
    shared_loop,
    sizes_of,
    store,
)
from graphcnn.runtime.native.kernels.parts.math import constant

# The constants of Philox 4x32: J. Salmon et al., SC 2011.
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85

#: Words of one counter.
_WORDS = 4


@lowers("random_uniform")
def lower_random_uniform(node: Node, target: Target) -> Kernel:
    """A unit is `lanes` counters: four vectors of words, next to each other in the result.

    Rows from `first` on begin in the middle of a counter: the result is then shifted by its words
    before, and both ends are masked.
    """
    refuse_half(node)
    assert isinstance(node.op, RandomUniform)
    sizes = sizes_of(node.types[0])
    count, dtype, stream = prod(sizes), node.types[0].dtype, node.op.stream
    lanes, shifted = target.lanes(DType.INT32), len(node.inputs) == 3
    units = -(-(count + (_WORDS - 1) * shifted) // (_WORDS * lanes))

    def emit(e: Emitter) -> None:
        seed, step, *row, y = e.operands
        key = _halves(e, e.load(seed, DType.INT64))
        low, high = (e.broadcast(word, lanes) for word in _halves(e, e.load(step, DType.INT64)))
        third = constant(low.type, stream)
        counters, before = I64(0), e.int(0)
        if row:
            start = e.b.mul(e.load(row[0], DType.INT64), I64(prod(sizes[1:])))
            counters = e.b.udiv(start, I64(_WORDS))
            before = e.place(e.b.urem(start, I64(_WORDS)))

        def unit(u: ir.Value) -> None:
            own = e.b.mul(u, e.int(lanes))
            first = e.b.trunc(e.b.add(e.stored(own), counters), I32) if shifted else e.i32(own)
            counter = e.b.add(e.broadcast(first, lanes), iota(lanes))
            words = philox(e, [counter, low, third, high], key, lanes)
            for i, vector in enumerate(_interleaved(e, words, lanes)):
                start = e.b.add(e.b.mul(u, e.int(_WORDS * lanes)), e.int(i * lanes))
                mask = None
                if shifted:
                    start = e.b.sub(start, before)
                    early = lane_mask(e, e.b.neg(start), lanes)
                    mask = e.b.and_(
                        lane_mask(e, e.b.sub(e.int(count), start), lanes), e.b.not_(early)
                    )
                elif count % (_WORDS * lanes):
                    mask = lane_mask(e, e.b.sub(e.int(count), start), lanes)
                # 24 bits fit into any float exactly, and make no negative number.
                bits = e.b.lshr(vector, constant(vector.type, 8))
                number = e.b.sitofp(bits, ir.VectorType(STORED[dtype], lanes))
                number = e.mul(number, constant(number.type, 2.0**-24))
                store(e, number, e.at(y, dtype, (start, 1)), mask)

        shared_loop(e, kernel_units == 1, units, unit)

    kernel_units = 1 if count < ALONE else units
    return Kernel(node_key(node), emit, 3 + shifted, kernel_units)


def _halves(e: Emitter, number: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The low and the high 32 bits of an i64."""
    return e.b.trunc(number, I32), e.b.trunc(e.b.lshr(number, I64(32)), I32)


def philox(
    e: Emitter, counter: Sequence[ir.Value], key: Sequence[ir.Value], lanes: int
) -> list[ir.Value]:
    """Ten rounds: four vectors of counters and a key of two words to four vectors of words."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = _product(e, c0, _MULTIPLIERS[0])
        high1, low1 = _product(e, c2, _MULTIPLIERS[1])
        first, second = e.broadcast(k0, lanes), e.broadcast(k1, lanes)
        c0, c1, c2, c3 = (
            e.b.xor(e.b.xor(high1, c1), first),
            low1,
            e.b.xor(e.b.xor(high0, c3), second),
            low0,
        )
        k0, k1 = e.b.add(k0, I32(_WEYL[0])), e.b.add(k1, I32(_WEYL[1]))
    return [c0, c1, c2, c3]


def _product(e: Emitter, a: ir.Value, b: int) -> tuple[ir.Value, ir.Value]:
    """High and low 32 bits of a product of unsigned numbers.

    Processors multiply every other lane to 64 bits: first the even lanes, then the odd ones.
    """
    wide = ir.VectorType(I64, a.type.count // 2)
    low, half = constant(wide, 0xFFFFFFFF), constant(wide, 32)
    pairs = e.b.bitcast(a, wide)
    even = e.b.mul(e.b.and_(pairs, low), constant(wide, b))
    odd = e.b.mul(e.b.lshr(pairs, half), constant(wide, b))
    upper = e.b.or_(e.b.lshr(even, half), e.b.and_(odd, e.b.not_(low)))
    lower = e.b.or_(e.b.and_(even, low), e.b.shl(odd, half))
    return e.b.bitcast(upper, a.type), e.b.bitcast(lower, a.type)


def _interleaved(e: Emitter, words: Sequence[ir.Value], lanes: int) -> list[ir.Value]:
    """Element i of the result is word i mod 4 of counter i div 4."""
    # Element i of `even` is word 0 or 1 (of `odd` 2 or 3) of counter i div 2.
    zipped = [i // 2 + (i % 2) * lanes for i in range(2 * lanes)]
    even, odd = (e.shuffle(words[i], words[i + 1], zipped) for i in (0, 2))
    result = []
    for quarter in range(_WORDS):
        order = []
        for i in range(quarter * lanes, (quarter + 1) * lanes):
            counter, word = divmod(i, _WORDS)
            order.append(2 * counter + word % 2 + (word // 2) * 2 * lanes)
        result.append(e.shuffle(even, odd, order))
    return result
