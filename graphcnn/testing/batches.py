"""What operators say about the items of a batch, against what they compute.

An operator is tried with N at every place of its inputs that its types allow. What its rule says
of results (see `graphcnn.ir.batch`) must follow from the results for each item alone.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import COUNT, FIXED, MEAN, SUM, Batch, Kind, items
from graphcnn.ir.batch_walk import follow_op
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Op, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import Dim, DType, N, TensorType
from graphcnn.ops.fused import Fused, fused
from graphcnn.ops.layout import Placed
from graphcnn.ops.loops import Scan
from graphcnn.testing.samples import Sample, require


@dataclass(frozen=True)
class Case:
    """An operator with N in the types of its inputs or in its attributes, and its arrays.

    `places` says of each input where the items are in it, if it has any.
    """

    op: Op
    types: tuple[TensorType, ...]
    arrays: tuple[Array, ...]
    places: tuple[Batch, ...]
    count: int

    def run(self, picked: list[int]) -> tuple[Array, ...]:
        """The results for a batch of these items."""
        fed = [
            x if place.is_fixed else batch(place, [item(place, x, i, self.count) for i in picked])
            for x, place in zip(self.arrays, self.places, strict=True)
        ]
        return tuple(map(np.asarray, as_tuple(self.op.bind(len(picked)).evaluate(*fed))))

    def kinds(self) -> tuple[tuple[Batch, ...], tuple[TensorType, ...]]:
        results = self.op.infer(*self.types)
        results = results if isinstance(results, tuple) else (results,)
        return follow_op(self.op, self.places, self.types, results), results


def item(place: Batch, whole: Array, i: int, count: int) -> Array:
    """The elements of item i alone: those at the places (o·n + i)·inner + j."""
    own = [
        (o * count + i) * place.inner + j for o in range(place.outer) for j in range(place.inner)
    ]
    return np.take(whole, own, place.axis)


def batch(place: Batch, alone: list[Array]) -> Array:
    """The same elements of several items, each where it belongs."""
    n, own = len(alone), place.outer * place.inner
    whole = np.concatenate(alone, place.axis)
    order = [
        (p // place.inner % n) * own + p // (n * place.inner) * place.inner + p % place.inner
        for p in range(n * own)
    ]
    return np.take(whole, order, place.axis)


#: Numbers of elements (outer, inner) that an item has in an axis.
PATTERNS = ((1, 1), (1, 2), (2, 1))


def cases(sample: Sample, merged: bool = True) -> Iterator[Case]:
    """The sample with N at every place that its operator takes, one in each input at most; and
    where `merged`, with two elements of each item, beside each other or in two blocks."""
    arrays = sample.arrays()
    types = tuple(TensorType(a.shape, DType.of(a.dtype)) for a in arrays)
    patterns = PATTERNS if merged else PATTERNS[:1]
    offered = [
        (FIXED, *(items(axis, *p) for axis in range(a.ndim) for p in patterns)) for a in arrays
    ]
    for places in itertools.product(*offered):
        sizes = {
            divmod(a.shape[p.axis], p.outer * p.inner)
            for a, p in zip(arrays, places, strict=True)
            if p.is_items
        }
        if len(sizes) > 1 or any(n < 1 or rest for n, rest in sizes):
            continue
        opened = tuple(map(with_n, types, places))
        for n in {n for n, _ in sizes} or {2, 3, 4, 5}:
            for op in variants(sample.op, n, opened):
                if sizes or op.bind(1) is not op:
                    yield Case(op, opened, arrays, places, n)


def with_n(t: TensorType, place: Batch) -> TensorType:
    shape = [place.outer * place.inner * N if a == place.axis else d for a, d in enumerate(t.shape)]
    return replace(t, shape=tuple(shape))


def variants(op: Op, n: int, types: tuple[TensorType, ...]) -> Iterator[Op]:
    """The operator, and with N for a size n in its attributes, that take these types."""
    for candidate in written(op, n, types):
        try:
            candidate.infer(*types)
        except GraphError:
            continue
        yield candidate


def written(op: Op, n: int, types: tuple[TensorType, ...]) -> Iterator[Op]:
    if isinstance(op, Placed):
        yield from (replace(op, op=each) for each in variants(op.op, n, types))
        return
    if isinstance(op, Fused):
        yield from (fused(body) for body in bodies(op.body, n, types))
        return
    if isinstance(op, Scan):
        carries, xs, given = op.parts(types)
        slices = tuple(x.with_shape(x.shape[1:]) for x in xs)
        for body in bodies(op.body, n, (*carries, *slices, *given)):
            yield replace(op, body=body)
        return
    yield op
    named = [f.name for f in fields(op) if f.name in ("shape", "sizes", "starts")]
    choices = [c for r in range(1, len(named) + 1) for c in itertools.combinations(named, r)]
    for at in range(max([len(getattr(op, name)) for name in named], default=0)):
        for chosen in choices:
            sizes = {name: getattr(op, name) for name in chosen}
            if all(at < len(s) and s[at] and s[at] % n == 0 for s in sizes.values()):
                yield replace(op, **{k: opened(s, at, n) for k, s in sizes.items()})


def opened(sizes: tuple[int, ...], at: int, n: int) -> tuple[Dim, ...]:
    """The sizes with a multiple of N at one place."""
    return *sizes[:at], sizes[at] // n * N, *sizes[at + 1 :]


def bodies(body: Graph, n: int, types: tuple[TensorType, ...]) -> Iterator[Graph]:
    """The body for inputs of these types, if there is one."""
    given = iter(types)
    made: dict[Value, Value] = {}
    for node in body.nodes:
        inputs = tuple(made[v] for v in node.inputs)
        if isinstance(node.op, Input):
            found: Op | None = replace(node.op, type=next(given))
        else:
            found = next(variants(node.op, n, tuple(v.type for v in inputs)), None)
        if found is None:
            return
        made.update(zip(node.outputs, found(*inputs).node.outputs, strict=True))
    order = [made[v] for v in body.inputs]
    yield Graph.of(order, {k: made[v] for k, v in body.outputs.items()}, name=body.name)


def expected(kind: Batch, alone: list[Array]) -> Array:
    """The result for a batch, from those for each of its items alone."""
    if kind.is_items:
        return batch(kind, alone)
    if kind.kind in (Kind.SUM, Kind.COUNT):
        return np.sum(alone, axis=0, dtype=alone[0].dtype)
    return alone[0] if kind.is_fixed else np.mean(alone, axis=0)


def check_items(given: Iterable[Case]) -> None:
    """Items apart, repeated, in another order, fewer or more of them give the same numbers."""
    rng = np.random.default_rng(0)
    for case in given:
        kinds, types = case.kinds()
        if all(k.is_mixed for k in kinds):
            continue
        alone = [case.run([i]) for i in range(case.count)]
        for size in (1, 2, case.count, case.count + 1):
            picked = rng.integers(0, case.count, size).tolist()
            for at, (y, kind) in enumerate(zip(case.run(picked), kinds, strict=True)):
                shape = types[at].bind(size).shape
                require(y.shape == shape, f"{kind} of {case}: {y.shape}, expected {shape}")
                if not kind.is_mixed:
                    wanted = expected(kind, [alone[i][at] for i in picked])
                    tolerance = 1e-9 if y.dtype == np.float64 else 1e-4
                    np.testing.assert_allclose(
                        y, wanted, tolerance, tolerance, err_msg=f"{kind} of {case}"
                    )


@dataclass(frozen=True)
class Totals:
    """An operator that reads sums, means and counts over the items of a batch."""

    op: Op
    arrays: tuple[Array, ...]
    kinds: tuple[Batch, ...]

    def follow(self) -> tuple[Batch, ...]:
        types = tuple(TensorType(a.shape, DType.of(a.dtype)) for a in self.arrays)
        results = self.op.infer(*types)
        return follow_op(
            self.op, self.kinds, types, results if isinstance(results, tuple) else (results,)
        )

    def run(self, picked: list[int]) -> tuple[Array, ...]:
        fed = []
        for x, kind in zip(self.arrays, self.kinds, strict=True):
            of_items = [x * (i + 1) + (i % 2) for i in picked]
            if kind.kind is Kind.COUNT:
                fed.append(x * len(picked))
            else:
                fed.append(x if kind.is_fixed else expected(kind, of_items).astype(x.dtype))
        with np.errstate(all="ignore"):
            return tuple(map(np.asarray, as_tuple(self.op.evaluate(*fed))))


def totals(sample: Sample) -> Iterator[Totals]:
    """The sample with every input a total of every kind, or fixed; labels and such are fixed."""
    arrays = sample.arrays()
    offered = [(FIXED, SUM, MEAN, COUNT) if a.dtype.kind == "f" else (FIXED,) for a in arrays]
    for kinds in itertools.product(*offered):
        if any(not k.is_fixed for k in kinds):
            yield Totals(sample.op, arrays, kinds)


def check_totals(sample: Sample) -> None:
    """What is said of results where inputs are sums, means and counts over the items."""
    for case in totals(sample):
        kinds = case.follow()
        if all(k.is_mixed for k in kinds):
            continue
        for picked in ([0], [1, 1], [0, 1, 2]):
            alone = [case.run([i]) for i in picked]
            for at, (y, kind) in enumerate(zip(case.run(picked), kinds, strict=True)):
                require(not kind.is_items, f"{kind} of {case}, whose inputs have no items")
                if not kind.is_mixed:
                    tolerance = 1e-9 if y.dtype == np.float64 else 1e-3
                    wanted = expected(kind, [each[at] for each in alone])
                    np.testing.assert_allclose(
                        y, wanted, tolerance, tolerance, err_msg=f"{kind} of {case}"
                    )
