"""Integers that count places, some of them of the batch: `Range(0, N, 1)` and what is made of it.

Exporters write an assignment to a slice, `y[:, 0] = part`, as indices of all its places, which they
compute of the sizes. Such numbers grow evenly along every axis: base + Σ step·i. While the batch
size is open they have no array, so a stand-in takes their place in the graph; the indices that are
made of it are read off the operators, and the stand-in vanishes with them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Node, Value, constant_of
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import Dim, DType, N, Shape, TensorType
from graphcnn.onnx.importing.context import (
    Call,
    NeedsValueError,
    Results,
    UnsupportedError,
    imports,
)
from graphcnn.onnx.importing.known.affine import Affine
from graphcnn.onnx.importing.known.boxes import IndexBox
from graphcnn.onnx.importing.known.fold import FOLDS
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.elementwise import Add, Mul, Sub
from graphcnn.ops.shape import Concat, Reshape, Transpose


@dataclass(frozen=True)
class Ramp:
    """The integers base + Σ steps[a]·i[a], of a shape; along an axis of size 1 the step is 0."""

    shape: Shape
    base: int
    steps: tuple[int, ...]

    @classmethod
    def of(cls, shape: Shape, base: int, steps: Sequence[int]) -> "Ramp":
        return cls(
            shape, base, tuple(0 if d == 1 else s for d, s in zip(shape, steps, strict=True))
        )

    @property
    def is_constant(self) -> bool:
        return not any(self.steps)


@imports("Range")
def range_(call: Call) -> Results:
    """Known numbers, or a stand-in for as many as there are items, times a number."""
    arrays = [
        call.known(i, f"{what} of Range") for i, what in enumerate(("start", "limit", "delta"))
    ]
    if all(a.dtype != object for a in arrays):
        return np.asarray(FOLDS["Range"](call, list(arrays)))
    start, limit, delta = (a.reshape(()).item() for a in arrays)
    span = limit - start
    known = isinstance(span, Affine) and isinstance(start, int) and isinstance(delta, int)
    if not known or delta < 1 or span.b or span.a < 1 or span.a % delta:
        raise NeedsValueError(
            f"how many numbers there are from {start} to {limit} in steps of {delta} must be k·N, "
            'or known by a fixed batch size: inputs={"name": (1, ...)}',
            frozenset(),
        )
    count = span // delta
    value = Input(f"places {call.name}", TensorType((count.a * N,), DType.INT64))()
    call.store.counted[value] = call.name
    scaled = value if delta == 1 else value * constant_of(int(delta), DType.INT64)
    return scaled + constant_of(start, DType.INT64) if start else scaled


def refuse_stand_ins(values: Iterable[Value], counted: Mapping[Value, str]) -> None:
    """Raise where a stand-in is part of what these values are computed from."""
    if not counted:
        return
    for node in topological_order(v.node for v in values):
        name = counted.get(node.outputs[0])
        if name is not None:
            raise UnsupportedError(
                f'node "{name}" (Range): numbers that count the items of a batch can only be '
                "indices of a ScatterND that fill it; give a fixed batch size by "
                'inputs={"name": (1, ...)}'
            )


def ramp_of(value: Value, counted: Mapping[Value, str]) -> Ramp | None:
    """What a value holds, if it is made evenly of stand-ins and constants; else None."""
    known: dict[Value, Ramp] = {v: Ramp.of(v.shape, 0, (1,)) for v in counted}
    stack = [value]
    while stack:
        node = stack[-1].node
        rule = _RULES.get(type(node.op))
        missing = [v for v in node.inputs if v not in known]
        if stack[-1] in known:
            stack.pop()
        elif rule is None:
            return None
        elif missing:
            stack += missing
        else:
            found = rule(node, [known[v] for v in node.inputs])
            if found is None:
                return None
            known[stack.pop()] = found
    return known[value]


def columns_of(indices: Value, counted: Mapping[Value, str]) -> list[Ramp] | None:
    """Tuples of indices (..., k) as k ramps; None where they are anything else."""
    op, last = indices.node.op, indices.type.rank - 1
    joined = isinstance(op, Concat) and op.axis == last
    columns: list[Ramp] = []
    for part in indices.node.inputs if joined else (indices,):
        ramp, count = ramp_of(part, counted), part.shape[last]
        if ramp is None or not isinstance(count, int):
            return None
        columns += [
            Ramp(ramp.shape[:last], ramp.base + j * ramp.steps[last], ramp.steps[:last])
            for j in range(count)
        ]
    return columns


def ramp_box(columns: Sequence[Ramp], shape: Shape) -> IndexBox | None:
    """The box of a tensor of that shape that indices name in row-major order, if they name one."""
    lines: list[tuple[int, Dim, int]] = []  # start, size and step
    used: list[int] = []
    for ramp, whole in zip(columns, shape, strict=False):
        varying = [a for a, step in enumerate(ramp.steps) if step]
        if len(varying) > 1 or (varying and varying[0] <= max(used, default=-1)):
            return None
        used += varying
        size: Dim = ramp.shape[varying[0]] if varying else 1
        step = ramp.steps[varying[0]] if varying else 1
        start = ramp.base + whole if ramp.base < 0 and isinstance(whole, int) else ramp.base
        if step < 1 or not _lies_inside(start, size, step, whole):
            return None
        lines.append((start, size, step))
    if any(d != 1 for ramp in columns for a, d in enumerate(ramp.shape) if a not in used):
        return None  # some are named twice
    starts, sizes, steps = zip(*lines, strict=True)
    return IndexBox(starts, sizes, steps)


def _lies_inside(start: int, size: Dim, step: int, whole: Dim) -> bool:
    if isinstance(size, int) and isinstance(whole, int):
        return 0 <= start and start + step * (size - 1) < whole
    return size == whole and (start, step) == (0, 1)


# What operators make of ramps

Rule = Callable[[Node, list[Ramp]], Ramp | None]


def _constant(node: Node, ramps: list[Ramp]) -> Ramp | None:
    array = np.asarray(node.op.evaluate())
    if array.dtype.kind not in "iu" or not array.size:
        return None
    base = int(array.flat[0])
    lines = [np.moveaxis(array, a, 0).reshape(d, -1)[:, 0] for a, d in enumerate(array.shape)]
    steps = [int(line[1]) - base if len(line) > 1 else 0 for line in lines]
    even = np.full(array.shape, base)
    for axis, step in enumerate(steps):
        sizes = [-1 if a == axis else 1 for a in range(array.ndim)]
        even = even + (step * np.arange(array.shape[axis])).reshape(sizes)
    return Ramp.of(array.shape, base, steps) if np.array_equal(even, array) else None


def _reshape(node: Node, ramps: list[Ramp]) -> Ramp | None:
    (x,), shape = ramps, node.types[0].shape
    kept = [step for step, d in zip(x.steps, x.shape, strict=True) if d != 1]
    if x.is_constant:
        return Ramp.of(shape, x.base, [0] * len(shape))
    if [d for d in x.shape if d != 1] != [d for d in shape if d != 1]:
        return None
    return Ramp.of(shape, x.base, [0 if d == 1 else kept.pop(0) for d in shape])


def _broadcast(node: Node, ramps: list[Ramp]) -> Ramp:
    (x,), shape = ramps, node.types[0].shape
    return Ramp.of(shape, x.base, [0] * (len(shape) - len(x.shape)) + list(x.steps))


def _add(node: Node, ramps: list[Ramp]) -> Ramp:
    shape, sign = node.types[0].shape, -1 if isinstance(node.op, Sub) else 1
    a, b = ([0] * (len(shape) - len(x.shape)) + list(x.steps) for x in ramps)
    steps = [p + sign * q for p, q in zip(a, b, strict=True)]
    return Ramp.of(shape, ramps[0].base + sign * ramps[1].base, steps)


def _mul(node: Node, ramps: list[Ramp]) -> Ramp | None:
    shape = node.types[0].shape
    factor, x = sorted(ramps, key=lambda ramp: not ramp.is_constant)
    if not factor.is_constant:
        return None
    steps = [0] * (len(shape) - len(x.shape)) + [factor.base * step for step in x.steps]
    return Ramp.of(shape, factor.base * x.base, steps)


def _transpose(node: Node, ramps: list[Ramp]) -> Ramp:
    (x,), perm = ramps, node.op.attributes["perm"]
    return Ramp.of(node.types[0].shape, x.base, [x.steps[axis] for axis in perm])


_RULES: dict[type, Rule] = {
    Constant: _constant,
    Reshape: _reshape,
    BroadcastTo: _broadcast,
    Add: _add,
    Sub: _add,
    Mul: _mul,
    Transpose: _transpose,
}
