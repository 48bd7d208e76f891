"""Register tiles: the inner loop that every matrix product and convolution here is made of.

A tile holds `rows` × `vectors` sums in registers. One step of its reduction loads `vectors` vectors
of the right operand and, for every row, one number of the left operand that is broadcast:

    acc[r][v] += a[k, r] · b[k, v]            rows · vectors multiply-adds, rows + vectors loads

The sums of one output are always taken in the order of the reduction, whatever the tile: results
do not depend on how the work is cut.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import STORED, Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.numbers import Numbers

Values = list[ir.Value]

#: Steps of latency of a multiply-add: fewer independent sums than this leave the unit idle.
LATENCY = 8


@dataclass(frozen=True)
class Tile:
    """Rows × vectors of accumulators."""

    rows: int
    vectors: int

    def __str__(self) -> str:
        return f"{self.rows}×{self.vectors}"


def step_cost(target: Target, rows: int, vectors: int) -> float:
    """What one step of a tile costs: its multiply-adds, at least as many as hide their latency, and
    in the same unit the numbers that are broadcast and the vectors that are loaded."""
    return max(rows * vectors, LATENCY) + target.broadcast * rows + 0.5 * vectors


def choose_tile(target: Target, rows: int, vectors: int) -> Tile:
    """The tile that covers rows × vectors with the least work: multiply-adds, loads and tails."""
    limit = target.sums

    def cost(tile: Tile) -> float:
        total = 0.0
        for r, n in cover(rows, tile.rows):
            for v, m in cover(vectors, tile.vectors):
                total += n * m * (step_cost(target, r, v) + 0.3)
        kinds = len(cover(rows, tile.rows)) * len(cover(vectors, tile.vectors))
        return total * (1 + 0.03 * kinds)

    candidates = [
        Tile(r, v)
        for v in range(1, min(vectors, limit // 2) + 1)
        for r in range(1, min(rows, (limit - v) // v) + 1)
    ]
    return min(candidates, key=lambda t: (cost(t), t.vectors))


def tile_rule(target: Target, tile: Tile) -> str:
    """What `choose_tile` went by, in words."""
    fit = (target.sums - tile.vectors) // tile.vectors * tile.vectors
    rule = "widest tile without spills" if tile.rows * tile.vectors == fit else "least work"
    return f"{rule}: {tile.rows * tile.vectors} sums, {fit} fit"


def cover(total: int, size: int) -> list[tuple[int, int]]:
    """(size, count) of the blocks that cover `total`: full ones, and the rest."""
    return [(s, n) for s, n in ((size, total // size), (total % size, 1)) if s and n]


def blocks(
    e: Emitter,
    total: int,
    size: int,
    body: Callable[[Int, int], None],
    span: tuple[Int, Int] | None = None,
) -> None:
    """body(start, size) for blocks of `size` out of `total`; the last one may be smaller.

    `span` limits it to the blocks [first, last), which may be known only at run time.
    """
    full, rest = divmod(total, size)
    first, last = span or (0, full + (rest > 0))
    if span is None:
        if full:
            e.loop(0, full * size, lambda start: body(start, size), step=size)
        if rest:
            body(full * size, rest)
        return
    stop = last if rest == 0 else minimum(e, last, full)
    if full:
        e.loop(first, stop, lambda block: body(e.imul(block, size), size))
    if rest:
        e.when(e.b.icmp_signed(">", e.int(last), e.int(full)), lambda: body(full * size, rest))


def minimum(e: Emitter, a: Int, b: Int) -> Int:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    a, b = e.int(a), e.int(b)
    return e.b.select(e.b.icmp_signed("<", a, b), a, b)


def maximum(e: Emitter, a: Int, b: Int) -> Int:
    if isinstance(a, int) and isinstance(b, int):
        return max(a, b)
    a, b = e.int(a), e.int(b)
    return e.b.select(e.b.icmp_signed(">", a, b), a, b)


def multiply(
    e: Emitter,
    numbers: Numbers,
    start: Sequence[ir.Value],
    sizes: Sequence[int],
    left: Callable[[list[Int]], Values],
    right: Callable[[list[Int]], Values],
) -> Values:
    """The sums of a tile, row-major, after the nested loops of `sizes`.

    `left(k)` gives the address of each row's number at the indices k, `right(k)` the address of
    each vector. `start` holds the sums to begin with, rows · vectors of them.
    """

    def nest(k: list[Int], sums: Sequence[ir.Value]) -> Values:
        if len(k) < len(sizes):
            return e.loop(0, sizes[len(k)], lambda i, *s: nest([*k, i], s), carry=sums)
        return multiply_step(e, numbers, sums, left(k), right(k))

    return nest([], start)


def multiply_step(
    e: Emitter,
    numbers: Numbers,
    sums: Sequence[ir.Value],
    left: Sequence[ir.Value],
    right: Sequence[ir.Value],
) -> Values:
    """One step of a tile: every vector of `right` times every number of `left`, both addresses."""
    lanes = sums[0].type.count if isinstance(sums[0].type, ir.VectorType) else 1
    vectors = [numbers.vector(e, p, lanes) for p in right]
    results = list(sums)
    for r, pointer in enumerate(left):
        number = numbers.number(e, pointer, lanes)
        for v, vector in enumerate(vectors):
            i = r * len(vectors) + v
            results[i] = numbers.multiply_add(e, number, vector, results[i])
    return results


def add_to(e: Emitter, dtype: DType, places: Sequence[ir.Value], sums: Sequence[ir.Value]) -> None:
    """Add sums to what stands in memory. A long sum in pieces loses fewer digits."""
    for place, value in zip(places, sums, strict=True):
        lanes = value.type.count if isinstance(value.type, ir.VectorType) else 1
        e.store(e.add(e.load(place, dtype, lanes), value), place)


def pieces(count: int, lanes: int) -> Iterator[tuple[int, int]]:
    """(offset, size) of power-of-two pieces, at most `lanes` wide, that cover `count` elements."""
    offset, size = 0, lanes
    while offset < count:
        while size > count - offset:
            size //= 2
        yield offset, size
        offset += size


def store_part(e: Emitter, value: ir.Value, pointer: ir.Value, dtype: DType, count: int) -> None:
    """Store the first `count` lanes of a vector."""
    lanes = value.type.count if isinstance(value.type, ir.VectorType) else 1
    if count >= lanes:
        e.store(value, pointer)
        return
    for offset, size in pieces(count, lanes):
        if size == 1:
            part = e.b.extract_element(value, ir.IntType(32)(offset))
        else:
            picked = ir.VectorType(ir.IntType(32), size)([offset + i for i in range(size)])
            part = e.b.shuffle_vector(value, value.type(ir.Undefined), picked)
        e.store(part, e.at(pointer, dtype, (offset, 1)))


def zero(dtype: DType, lanes: int) -> ir.Value:
    kind = STORED[dtype]
    none = 0 if isinstance(kind, ir.IntType) else 0.0
    return kind(none) if lanes == 1 else ir.VectorType(kind, lanes)([none] * lanes)


def table(e: Emitter, name: str, numbers: Sequence[int]) -> Callable[[Int], Int]:
    """A constant table of integers: index to value; a plain number where all are known."""
    if len(numbers) == 1:
        return lambda i: numbers[0]
    kind = ir.ArrayType(e.index, len(numbers))
    unique = e.module.get_unique_name(name)
    data = ir.GlobalVariable(e.module, kind, unique)
    data.linkage, data.global_constant = "internal", True
    data.initializer = kind([e.int(n) for n in numbers])

    def get(i: Int) -> Int:
        if isinstance(i, int):
            return numbers[i]
        return e.b.load(e.b.gep(data, [i], source_etype=e.index), typ=e.index)

    return get
