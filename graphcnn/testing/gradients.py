"""Gradients of operators against central differences, in float64.

With outputs y(x), cotangents c and directions u, v drawn once:

    first derivative     <gradient of <c, y>, v>                   and its single elements
    second derivative    <gradient of <u, gradient of <c, y>>, v>

Each is compared with (f(x + h·v) - f(x - h·v)) / 2h. Nothing of the runtime takes part: graphs are
evaluated by their definition, node by node.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.passes.training.backward import vjp
from graphcnn.testing.definition import run
from graphcnn.testing.samples import Sample, node_of, require

STEP = 1e-5
TOLERANCE = 1e-6
#: Inputs of at most so many elements are checked element by element, too.
SMALL = 200


def is_differentiable(sample: Sample) -> bool:
    """Whether the operator has a derivative, and float inputs to differentiate by: all float64, as
    others are too coarse for differences."""
    op = sample.op
    floats = [a.dtype for a in sample.arrays() if a.dtype.kind == "f"]
    return (
        (op.has("gradient") or op.has("expand"))
        and not op.piecewise_constant
        and bool(floats)
        and all(dtype == np.float64 for dtype in floats)
    )


def check_gradient(sample: Sample) -> None:
    """Every float input's gradient, for all float outputs together and for each alone."""
    node, feed = node_of(sample)
    rng = np.random.default_rng(1)
    floats = [y for y in node.outputs if y.dtype.is_float]
    for outputs in [floats] if len(floats) == 1 else [floats, *([y] for y in floats)]:
        cotangents = [random_like(y, rng) for y in outputs]

        def projected(
            point: Mapping[Value, Array],
            outputs: list[Value] = outputs,
            cotangents: list[Value] = cotangents,
        ) -> float:
            return _dot([c.node.op.evaluate() for c in cotangents], run(outputs, point))

        _compare(projected, vjp(outputs, cotangents, _wanted(node)), node, feed, rng)


def check_second_derivative(sample: Sample) -> None:
    """The gradient of a projection of the gradient."""
    node, feed = node_of(sample)
    rng = np.random.default_rng(2)
    outputs = [y for y in node.outputs if y.dtype.is_float][:1]
    cotangents = [random_like(y, rng) for y in outputs]
    first = [g for g in vjp(outputs, cotangents, _wanted(node)) if g is not None]
    directions = [random_like(g, rng) for g in first]

    def projected(point: Mapping[Value, Array]) -> float:
        return _dot([d.node.op.evaluate() for d in directions], run(first, point))

    _compare(projected, vjp(first, directions, _wanted(node)), node, feed, rng)


def _wanted(node: Node) -> list[Value]:
    return [x for x in node.inputs if x.dtype.is_float]


def random_like(like: Value, rng: np.random.Generator) -> Value:
    """A constant of the type of a value, between -1 and 1."""
    return constant_of(rng.uniform(-1.0, 1.0, like.shape), like.dtype)  # type: ignore[arg-type]


def _dot(left: Sequence[Array], right: Sequence[Array]) -> float:
    return float(sum(np.sum(a * b) for a, b in zip(left, right, strict=True)))


def _compare(
    function: Callable[[Mapping[Value, Array]], float],
    gradients: Sequence[Value | None],
    node: Node,
    feed: Mapping[Value, Array],
    rng: np.random.Generator,
) -> None:
    """`gradients` (None is zero) against central differences of `function`, per input."""
    known = [g for g in gradients if g is not None]
    arrays = iter(run(known, feed))
    for x, gradient in zip(_wanted(node), gradients, strict=True):
        found = np.zeros_like(feed[x]) if gradient is None else next(arrays)
        operand = node.op.operand_name(node.inputs.index(x))
        require(
            np.shape(found) == x.shape and found.dtype == np.float64,
            f"gradient of {operand}: {found.dtype}{list(np.shape(found))}, expected {x.type}",
        )
        scale = max(1.0, float(np.max(np.abs(found))))
        directions = [(rng.uniform(-1.0, 1.0, x.shape), "a random direction")]  # type: ignore[arg-type]
        if feed[x].size <= SMALL:
            directions += [(_unit(feed[x], i), f"element {i}") for i in np.ndindex(feed[x].shape)]
        for direction, what in directions:
            expected = (
                function({**feed, x: feed[x] + STEP * direction})
                - function({**feed, x: feed[x] - STEP * direction})
            ) / (2.0 * STEP)
            bound = TOLERANCE * scale * max(1.0, float(np.abs(direction).sum()))
            got = float(np.sum(found * direction))
            require(
                abs(got - expected) <= bound,
                f"gradient of {operand} along {what}: {got}, by differences {expected}",
            )


def _unit(x: Array, index: tuple[int, ...]) -> Array:
    e = np.zeros_like(x)
    e[index] = 1.0
    return e
