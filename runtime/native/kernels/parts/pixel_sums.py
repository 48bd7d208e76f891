"""Sums over the pixels of images, in an order that no number of threads changes.

Four running sums hide the latency of the addition; they are added up by pairs. The sums of one
image are added to the total of all images, so that rounding errors stay small.
"""

from collections.abc import Callable

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import I1, Emitter, Int
from graphcnn.runtime.native.kernels.parts.pixel_rows import lanes_for

Values = list[ir.Value]
#: The vectors to be summed, from the offset of their first element and their lanes.
Terms = Callable[[Int, int], Values]

_RUNNING = 4


def vector_sums(e: Emitter, count: int, zeros: Values, term: Callable[[Int], Values]) -> Values:
    """For each kind of term its sum over k of term(k), k from 0 to `count`."""
    kinds = len(zeros)
    running = _RUNNING if count >= 2 * _RUNNING else 1

    def step(k: Int, *sums: ir.Value) -> Values:
        added: Values = []
        for r in range(running):
            old = sums[r * kinds : (r + 1) * kinds]
            added += map(e.add, old, term(e.iadd(k, r)))
        return added

    whole = count - count % running
    sums = e.loop(0, whole, step, step=running, carry=zeros * running)
    last = e.loop(whole, count, lambda k, *s: list(map(e.add, s, term(k))), carry=sums[:kinds])
    groups = [last, *(sums[r * kinds : (r + 1) * kinds] for r in range(1, running))]
    while len(groups) > 1:
        pairs = zip(groups[::2], groups[1::2], strict=True)
        groups = [list(map(e.add, a, b)) for a, b in pairs]
    return groups[0]


def plane_sums(
    e: Emitter, count: int, dtype: DType, terms: Terms, kinds: int = 1
) -> tuple[Values, int]:
    """Sums of terms over `count` neighbouring elements, lane by lane, and the number of lanes.

    The rest after the last whole vector is one vector that ends with the row; its lanes that were
    there before are left out.
    """
    lanes = lanes_for(count, e.target, dtype)
    zeros = [e.splat(0.0, dtype, lanes)] * kinds
    whole, rest = divmod(count, lanes)
    sums = vector_sums(e, whole, zeros, lambda k: terms(e.imul(k, lanes), lanes))
    if rest:
        fresh = ir.VectorType(I1, lanes)([I1(i >= lanes - rest) for i in range(lanes)])
        tail = terms(e.int(count - lanes), lanes)
        sums = [
            e.add(s, e.b.select(fresh, t, zero))
            for s, t, zero in zip(sums, tail, zeros, strict=True)
        ]
    return sums, lanes
