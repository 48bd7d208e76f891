"""Loops over elements: broadcasting and strides sorted out when the code is made.

A `Nest` is a space of indices with operands in it, each at an offset and with one stride per axis.
Axes along which all operands go on regularly are merged, so that most tensors become one long row.
The innermost axis is vectorised; rows × chunks of a row are the units that go to threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import llvmlite.ir as ir

from graphcnn.errors import GraphError
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.code.emit import I1, I32, POINTER, VOID, Emitter, Int
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.expressions import to_memory, to_register
from graphcnn.runtime.native.kernels.parts.math import constant, element_of, lanes_of

#: Elements of a row that one unit of work has.
CHUNK = 4096
#: Work below this many elements stays on one thread: a barrier costs more.
ALONE = 4 * CHUNK


@dataclass(frozen=True)
class Access:
    """Where an operand's elements lie: one stride per axis, and the first, in elements."""

    dtype: DType
    strides: tuple[int, ...]
    offset: int = 0


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a contiguous array."""
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def broadcast_access(t: TensorType, shape: Sequence[int]) -> Access:
    """An operand repeated to `shape` by the rule of NumPy: stride 0 along repeated axes."""
    own = sizes_of(t)
    strides = [0 if d == 1 else s for d, s in zip(own, row_major(own), strict=True)]
    return Access(t.dtype, (0,) * (len(shape) - len(own)) + tuple(strides))


def sizes_of(t: TensorType) -> tuple[int, ...]:
    """The shape of a bound type in plain layout."""
    if t.layout != "plain":
        raise GraphError(f"this kernel wants the plain layout, found {t}")
    sizes = tuple(d for d in t.shape if isinstance(d, int))
    if len(sizes) != len(t.shape):
        raise GraphError(f"{t} has an unknown batch size; bind(N=...)")
    return sizes


def lanes_for(target: Target, *dtypes: DType) -> int:
    """Lanes that vectors of the widest of these types have."""
    return target.vector_bytes // max(4, *(d.bytes for d in dtypes))


def merge_axes(
    sizes: Sequence[int], strides: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Fewer axes: those of size 1 dropped, and neighbours merged where every operand goes on."""
    merged: list[int] = []
    columns: list[list[int]] = []
    for axis, size in enumerate(sizes):
        column = [s[axis] for s in strides]
        if size == 1:
            continue
        if merged and all(a == b * size for a, b in zip(columns[-1], column, strict=True)):
            merged[-1] *= size
            columns[-1] = column
        else:
            merged.append(size)
            columns.append(column)
    return tuple(merged), tuple(tuple(c[i] for c in columns) for i in range(len(strides)))


@dataclass(frozen=True)
class Nest:
    """Merged loops. `accesses` are those of the inputs, then those of the outputs."""

    sizes: tuple[int, ...]
    accesses: tuple[Access, ...]
    outputs: int
    lanes: int

    @classmethod
    def of(
        cls,
        sizes: Sequence[int],
        accesses: Sequence[Access],
        target: Target,
        outputs: int = 1,
        computes: Sequence[DType] = (),
    ) -> "Nest":
        """`computes` are element types of intermediate results, which narrow the vectors too."""
        merged, strides = merge_axes(sizes, [a.strides for a in accesses])
        if not merged:
            merged, strides = (1,), ((0,),) * len(accesses)
        lanes = lanes_for(target, *computes, *(a.dtype for a in accesses))
        if any(s[-1] > 1 for s in strides[len(accesses) - outputs :]):
            lanes = 1
        if merged == (1,):
            lanes = 1
        found = tuple(Access(a.dtype, s, a.offset) for a, s in zip(accesses, strides, strict=True))
        return cls(merged, found, outputs, lanes)

    @property
    def row(self) -> int:
        return self.sizes[-1]

    @property
    def chunks(self) -> int:
        return -(-self.row // CHUNK)

    @property
    def pieces(self) -> int:
        """Rows × chunks."""
        return prod(self.sizes[:-1]) * self.chunks

    @property
    def units(self) -> int:
        """For `Kernel.units`: the pieces, unless they are not worth a second thread."""
        return 1 if prod(self.sizes) < ALONE else self.pieces

    def emit(
        self,
        e: Emitter,
        pointers: Sequence[ir.Value],
        compute: Callable[[list[ir.Value]], Sequence[ir.Value]],
        alone: bool | None = None,
    ) -> None:
        """`compute` maps the registers of the inputs to those of the outputs.

        `alone` says whether one thread does all the work, by default where `units` is 1.
        """
        count = len(self.accesses) - self.outputs
        outer = self.sizes[:-1]

        def unit(u: ir.Value) -> None:
            row, chunk = e.divmod(u, self.chunks) if self.chunks > 1 else (u, 0)
            at = e.unravel(row, outer) if outer else []
            places = [
                e.at(p, a.dtype, (a.offset, 1), *zip(at, a.strides[:-1], strict=True))
                for p, a in zip(pointers, self.accesses, strict=True)
            ]
            # An operand that is constant along the row is loaded once.
            fixed = {
                i: e.broadcast(load(e, places[i], a.dtype, 1), self.lanes)
                for i, a in enumerate(self.accesses[:count])
                if a.strides[-1] == 0
            }

            def step(j: Int, mask: ir.Value | None) -> None:
                inputs = [
                    fixed[i] if i in fixed else self._load(e, places[i], self.accesses[i], j)
                    for i in range(count)
                ]
                for place, access, value in zip(
                    places[count:], self.accesses[count:], compute(inputs), strict=True
                ):
                    self._store(e, value, place, access, j, mask)

            start: Int = 0
            stop: Int = self.row
            if self.chunks > 1:
                start = e.imul(chunk, CHUNK)
                stop = smaller(e, e.iadd(start, CHUNK), self.row)
            vector_loop(e, start, stop, self.lanes, step, self.row % self.lanes != 0)

        alone = self.units == 1 if alone is None else alone
        shared_loop(e, alone, self.pieces, unit)

    def _load(self, e: Emitter, place: ir.Value, access: Access, j: Int) -> ir.Value:
        stride = access.strides[-1]
        if stride == 1 or self.lanes == 1:
            return load(e, e.at(place, access.dtype, (j, stride)), access.dtype, self.lanes)
        return _gather(e, place, access.dtype, j, stride, self.row, self.lanes)

    def _store(
        self,
        e: Emitter,
        value: ir.Value,
        place: ir.Value,
        access: Access,
        j: Int,
        mask: ir.Value | None,
    ) -> None:
        stored = to_memory(e, value)
        if access.strides[-1] == 0:  # all lanes hold the one value
            if self.lanes > 1:
                stored = e.b.extract_element(stored, I32(0))
            e.store(stored, place)
            return
        store(e, stored, e.at(place, access.dtype, (j, access.strides[-1])), mask)


def shared_loop(e: Emitter, alone: bool, units: int, body: Callable[[ir.Value], None]) -> None:
    """body(u) for this part's share of `units`; for all of them where one thread does the work."""
    first, last = (0, units) if alone else e.share(units)
    e.loop(first, last, body)


def vector_loop(
    e: Emitter,
    start: Int,
    stop: Int,
    lanes: int,
    body: Callable[[Int, ir.Value | None], None],
    tail: bool = True,
) -> None:
    """body(j, None) for whole vectors of start..stop, then body(j, mask) for the rest, if any.

    `tail=False` promises that there is none.
    """
    if lanes == 1:
        e.loop(start, stop, lambda j: body(j, None))
        return
    if isinstance(start, int) and isinstance(stop, int):
        full: Int = start + (stop - start) // lanes * lanes
        tail = full != stop
    else:
        length = e.b.sub(e.int(stop), e.int(start))
        full = e.b.add(e.int(start), e.b.and_(length, e.int(-lanes)))
    if not (isinstance(full, int) and full == start):
        e.loop(start, full, lambda j: body(j, None), lanes)
    if not tail:
        return
    if isinstance(full, int) and isinstance(stop, int):
        body(full, ir.VectorType(I1, lanes)([i < stop - full for i in range(lanes)]))
        return
    rest = e.b.sub(e.int(stop), e.int(full))
    e.when(e.b.icmp_signed(">", rest, e.int(0)), lambda: body(full, lane_mask(e, rest, lanes)))


def lane_mask(e: Emitter, count: ir.Value, lanes: int) -> ir.Value:
    """The first `count` of the lanes."""
    wanted = e.broadcast(e.i32(count), lanes)
    return e.b.icmp_signed("<", iota(lanes), wanted)


def iota(lanes: int) -> ir.Value:
    """0, 1, 2, ... as i32."""
    return ir.VectorType(I32, lanes)(list(range(lanes)))


def smaller(e: Emitter, a: Int, b: Int) -> Int:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    a, b = e.int(a), e.int(b)
    return e.b.select(e.b.icmp_signed("<", a, b), a, b)


def load(e: Emitter, pointer: ir.Value, dtype: DType, lanes: int) -> ir.Value:
    """A register of consecutive elements; truth values as i1."""
    return to_register(e, e.load(pointer, dtype, lanes), dtype)


def _gather(
    e: Emitter, place: ir.Value, dtype: DType, j: Int, stride: int, row: int, lanes: int
) -> ir.Value:
    """Elements `stride` apart, lane by lane; places after the row give its last element again."""
    vector: ir.Value | None = None
    for lane in range(lanes):
        index = smaller(e, e.iadd(j, lane), row - 1) if row % lanes else e.iadd(j, lane)
        scalar = load(e, e.at(place, dtype, (index, stride)), dtype, 1)
        if vector is None:
            vector = ir.VectorType(scalar.type, lanes)(ir.Undefined)
        vector = e.b.insert_element(vector, scalar, I32(lane))
    assert vector is not None
    return vector


def store(e: Emitter, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None) -> None:
    """Consecutive elements; only those of the mask, where there is one."""
    if mask is None:
        e.store(value, pointer)
        return
    kind = value.type
    element = element_of(kind)
    short = {ir.FloatType: "f32", ir.DoubleType: "f64"}.get(type(element)) or f"i{element.width}"
    name = f"llvm.masked.store.v{kind.count}{short}.p0"
    function = e.module.globals.get(name)
    if function is None:
        arguments = (kind, POINTER, I32, ir.VectorType(I1, kind.count))
        function = ir.Function(e.module, ir.FunctionType(VOID, arguments), name)
    bits = {"f32": 32, "f64": 64}.get(short) or element.width
    e.b.call(function, [value, pointer, I32(bits // 8), mask])


def fold_lanes(
    e: Emitter, vector: ir.Value, combine: Callable[[ir.Value, ir.Value], ir.Value]
) -> ir.Value:
    """All lanes combined into a scalar: the upper half with the lower half, again and again."""
    lanes = lanes_of(vector.type)
    while lanes > 1:
        lanes //= 2
        low, high = (e.shuffle(vector, None, range(s, s + lanes)) for s in (0, lanes))
        vector = combine(low, high)
    if isinstance(vector.type, ir.VectorType):
        return e.b.extract_element(vector, I32(0))
    return vector


def masked(e: Emitter, vector: ir.Value, mask: ir.Value | None, other: float) -> ir.Value:
    """The vector where the mask holds, else `other`."""
    if mask is None:
        return vector
    return e.b.select(mask, vector, constant(vector.type, other))
