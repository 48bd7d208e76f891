"""Runs of an operator: the same bits each time, in both runtimes, with any number of threads."""

import numpy as np

from graphcnn.compile.native import Prepared
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ops.own.operator import is_own
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.reference import Reference
from graphcnn.testing.gradients import is_differentiable, random_like
from graphcnn.testing.samples import Sample, node_of, require


def same_bits(one: Array, two: Array) -> bool:
    """Whether types, sizes and all bytes are equal."""
    alike = one.dtype == two.dtype and one.shape == two.shape
    return alike and one.tobytes() == two.tobytes()


def check_determinism(sample: Sample) -> None:
    """What it gives follows from what it reads: the same again, with other numbers in between."""
    arrays = sample.arrays(np.float32)
    first = _results(sample, arrays)
    _results(sample, tuple(a[::-1].copy() if a.ndim else a for a in arrays))
    for i, (one, two) in enumerate(zip(first, _results(sample, arrays), strict=True)):
        require(same_bits(one, two), f"result {i} differs when the same numbers are read again")


def _results(sample: Sample, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        found = as_tuple(sample.op.evaluate(*(a.copy() for a in arrays)))
    return tuple(map(np.asarray, found))


def check_runtimes(sample: Sample, dtype: type) -> None:
    """Results and gradients in both runtimes, natively on one thread and on two.

    What Python is called for has the bits of the reference; gradients by functions of the language,
    which are compiled, are near to it, and the same on any number of threads.
    """
    graph, feeds = _with_gradients(sample, dtype)
    expected, _ = Reference(graph).run(feeds)
    runs = [Prepared(graph, Execution(threads=n)).run(feeds)[0] for n in (1, 2)]
    for name, wanted in expected.items():
        one, two = (found[name] for found in runs)
        what = f"{name} in {wanted.dtype}"
        require(same_bits(one, two), f"{what} differs on one thread and on two")
        called = is_own(graph.outputs[name].node.op)
        near = np.allclose(one, wanted, 1e-4, 1e-5, equal_nan=True)
        require(
            same_bits(one, wanted) if called else near,
            f"{what} is {one!r} in the native runtime, by the reference {wanted!r}",
        )


def _with_gradients(sample: Sample, dtype: type) -> tuple[Graph, dict[str, Array]]:
    """The sample's results, and the gradients of their random projection, if there are some."""
    node, feed = node_of(sample, dtype)
    outputs = {f"result {i}": y for i, y in enumerate(node.outputs)}
    if is_differentiable(sample):
        rng = np.random.default_rng(3)
        floats = [y for y in node.outputs if y.dtype.is_float]
        read = {x: node.op.operand_name(i) for i, x in enumerate(node.inputs) if x.dtype.is_float}
        found = vjp(floats, [random_like(y, rng) for y in floats], list(read))
        named = zip(read.values(), found, strict=True)
        outputs |= {f"gradient of {name}": g for name, g in named if g is not None}
    graph = Graph.of(node.inputs, outputs)
    return graph, {x.node.name: array for x, array in feed.items()}
