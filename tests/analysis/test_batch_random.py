"""Random graphs with N at random places: what is proven of their values, against their numbers."""

import random

import numpy as np
import pytest

from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.analysis.batch_split import Collected, split_batch
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Op, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import (
    DType,
    N,
    Shape,
    TensorType,
    is_open,
    merged_size,
    open_axes,
    times_n,
)
from graphcnn.ops.activation import Tanh
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Add, Div, Mul, Neg, Sub
from graphcnn.ops.gather import TopK
from graphcnn.ops.loss import MeanSquaredError
from graphcnn.ops.reduce import Max, Mean
from graphcnn.ops.shape import Concat, ElementCount, Flatten, Reshape, Slice, Transpose
from graphcnn.ops.softmax import Softmax
from graphcnn.runtime.reference import Reference
from graphcnn.testing.batches import expected

F64 = DType.FLOAT64


def operator(rng: random.Random, shape: Shape) -> Op:
    """An operator for a tensor of that shape, though it may refuse it."""
    rank = len(shape)
    axes = tuple(a for a in range(rank) if rng.random() < 0.4)
    order = rng.sample(range(rank), rank)
    sizes = tuple(d for d in shape if rng.random() < 0.8 or is_open((d,)))
    return rng.choice(
        [
            Tanh(), Neg(), Add(), Sub(), Mul(), Div(), Add(), Mul(), Flatten(), MeanSquaredError(),
            Sum(axes, rng.random() < 0.5), Mean(axes, rng.random() < 0.5), Max(axes),
            Softmax(rng.randrange(max(rank, 1))), Concat(rng.randrange(max(rank, 1))),
            MatMul(rng.random() < 0.5, rng.random() < 0.5), Transpose(tuple(order)), TopK(),
            Reshape(tuple(rng.sample([*shape, 1], rank + 1))), Reshape((*sizes, 6)),
            BroadcastTo((rng.choice([N, 2 * N, 2, 3]), *shape)), ElementCount(shape, F64),
            Reshape(merged(rng, shape)), Reshape(divided(rng, shape)), part(rng, shape),
            Concat(next(iter(open_axes(shape)), 0)), Reshape(merged(rng, shape)),
        ]
    )  # fmt: skip


def merged(rng: random.Random, shape: Shape) -> Shape:
    """The shape with two neighbouring axes as one."""
    at = rng.randrange(max(len(shape) - 1, 1))
    pair = shape[at : at + 2]
    return shape if len(open_axes(pair)) > 1 else (*shape[:at], merged_size(pair), *shape[at + 2 :])


def divided(rng: random.Random, shape: Shape) -> Shape:
    """The shape with an axis as two."""
    if not shape:
        return shape
    at = rng.randrange(len(shape))
    k = rng.choice([k for k in (1, 2, 3, 4) if times_n(shape[at]) % k == 0])
    return *shape[:at], *rng.sample([k, shape[at] // k], 2), *shape[at + 1 :]


def part(rng: random.Random, shape: Shape) -> Op:
    """A part of each axis; of one that depends on N, blocks of n elements or every other one."""
    starts, sizes, steps = [], [], []
    for d in shape:
        k, step = times_n(d), rng.choice([1, 1, 2])
        start = rng.randrange(k) if step == 1 else rng.randrange(2)
        size = max(1, rng.choice([k - start, rng.randint(1, k)]) // step)
        unit = N if is_open((d,)) else 1
        starts.append(start * unit if start and step == 1 else start)
        sizes.append(size * unit)
        steps.append(step)
    return Slice(tuple(starts), tuple(sizes), tuple(steps))


def graph(seed: int) -> Graph:
    """A graph of two inputs and every value of up to twelve operators."""
    rng = random.Random(seed)
    inputs = []
    for key in ("a", "b"):
        shape: list[object] = [rng.choice([1, 2, 3]) for _ in range(rng.randrange(3))]
        shape.insert(rng.randrange(len(shape) + 1), N)
        inputs.append(Input(key, TensorType(tuple(shape), F64))(name=key))  # type: ignore[arg-type]
    values: list[Value] = [*inputs, constant_of(rng.uniform(0.5, 2), F64)]
    while len(values) < 15:
        first = rng.choice(values)
        op = operator(rng, first.shape)
        count = len(op.operands) if op.operands[:1] != ("*xs",) else 2
        try:
            made = op(*[first, *(rng.choice(values) for _ in range(count - 1))][:count])
        except GraphError:
            continue
        values.append(made)
    return Graph.of(inputs, {f"v{i}": v for i, v in enumerate(values)})


def run(graph: Graph, feeds: dict[str, Array], count: int) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        found = Reference(graph.bind(N=count)).run(feeds)[0]
    return {key: np.asarray(array) for key, array in found.items()}


@pytest.mark.parametrize("seed", range(200))
def test_values_of_random_graphs(seed: int) -> None:
    whole = graph(seed)
    axes = batch_axes(whole)
    rng = np.random.default_rng(seed)
    places = {v.node.name: v.shape.index(N) for v in whole.inputs}
    fed = {v.node.name: rng.normal(size=v.type.bind(4).shape) for v in whole.inputs}

    def piece(start: int, stop: int) -> dict[str, Array]:
        return {k: np.take(a, range(start, stop), places[k]) for k, a in fed.items()}

    together = run(whole, fed, 4)
    alone = [run(whole, piece(i, i + 1), 1) for i in range(4)]
    for name, kind in axes.outputs.items():
        if not kind.is_mixed:
            wanted = expected(kind, [each[name] for each in alone])
            np.testing.assert_allclose(together[name], wanted, 1e-6, 1e-9, err_msg=f"{name} {kind}")

    split = split_batch(axes)
    collected = Collected(split.kinds)
    for start, stop in ((0, 1), (1, 4)):
        collected.add(run(split.head, piece(start, stop), stop - start), stop - start)
    found = collected.results()
    if split.tail is not None:
        fed_on = {v.node.name: found[v.node.name] for v in split.tail.inputs}
        found |= run(split.tail, fed_on, 4)
    for name, array in together.items():
        np.testing.assert_allclose(found[name], array, 1e-6, 1e-9, err_msg=name)


def test_random_graphs_hold_every_kind() -> None:
    found = [str(k.kind) for seed in range(200) for k in batch_axes(graph(seed)).outputs.values()]
    counts = {kind: found.count(kind) for kind in sorted(set(found))}
    assert len(counts) == 6 and min(counts.values()) > 20, counts
