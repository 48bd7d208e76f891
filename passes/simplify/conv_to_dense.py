"""A convolution is a dense layer with most weights removed and the others shared. This shows it.

    conv2d(x, w, b)  ->  reshape(dense(flatten(x), M, repeat(b)))

Column f of the matrix M is what the convolution answers to the image that is 1 at place f and 0
elsewhere, so M is the convolution of all unit images at once:

    M = transpose(flatten(conv2d(I, w)))        I = identity matrix of C·H·W, as images

Made of graph nodes, M shares the kernel's weights and has its gradient. It is for study and for
tests: M holds (O·OH·OW)·(C·H·W) numbers. NaN and infinity spread further than in the convolution,
since a removed weight is a 0 that multiplies them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Window
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value, constant_of
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.parts.checks import image_sizes
from graphcnn.ops.shape import Flatten, Reshape, Transpose
from graphcnn.passes.driver.base import Pass, PassLog, Refusal, no
from graphcnn.passes.driver.patterns import is_fixed


@dataclass(frozen=True)
class DenseEquivalent:
    """The two sides of the equivalence, counted. Biases are not counted."""

    #: Numbers that the convolution learns, O · C/groups · KH · KW.
    parameters: int
    #: Numbers in the dense weight, (O·OH·OW) · (C·H·W).
    weights: int
    #: Those of them that hold a weight of the kernel; the others are always 0.
    nonzero: int

    def __str__(self) -> str:
        removed = 1 - self.nonzero / self.weights
        return (
            f"{self.parameters:,} parameters = a dense layer of {self.weights:,} weights, "
            f"{removed:.2%} of them removed, the other {self.nonzero:,} shared"
        )


def dense_equivalent(node: Node) -> DenseEquivalent:
    """Sizes of the dense layer that equals a `conv2d` node. Raises `GraphError` for others."""
    op = node.op
    if not isinstance(op, Conv2d):
        raise GraphError(f"{op.name} has no dense equivalent here, only conv2d has")
    x, weight = node.inputs[:2]
    o, per_group, kh, kw = (int(d) for d in weight.shape)  # type: ignore[arg-type]
    met = [
        _met(window, size)
        for window, size in zip(op.windows((kh, kw)), image_sizes(x.type), strict=True)
    ]
    kept = op.masked(np.ones((o, per_group, kh, kw)))
    uses = np.outer(met[0].sum(0), met[1].sum(0))  # how often each tap reads a pixel
    return DenseEquivalent(
        parameters=int(kept.sum()),
        weights=prod(_item(node.output)) * prod(_item(x)),
        nonzero=int((kept.sum((0, 1)) * uses).sum()),
    )


def _met(window: Window, size: int) -> "np.ndarray[tuple[int, int], np.dtype[np.bool_]]":
    """Along one axis: whether output i, with tap u, reads a pixel and not padding."""
    i, u = np.ogrid[: window.output(size), : window.kernel]
    place = window.stride * i + window.dilation * u - window.before
    inside: np.ndarray[tuple[int, int], np.dtype[np.bool_]] = (place >= 0) & (place < size)
    return inside


def _item(value: Value) -> tuple[int, ...]:
    """The sizes of one item of the batch."""
    return tuple(int(d) for d in value.shape[1:])  # type: ignore[arg-type]


@dataclass(frozen=True)
class ConvToDense(Pass):
    """Replace convolutions of inputs whose dense weight has at most `max_elements` elements."""

    max_elements: int = 1 << 22

    #: The sums are the same, but run over zeros too and in another order.
    tolerance: ClassVar[float | None] = 1e-5

    def run(self, graph: Graph, log: PassLog) -> Graph:
        def as_dense(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if not isinstance(node.op, Conv2d) or is_fixed(inputs[0]):
                return None
            result = self._dense(node, node.op, inputs)
            if isinstance(result, Refusal):
                log.refuse(Refusal(result.reason, result.node, self.name))
                return None
            log.fired[self.name] += 1
            return [result]

        return graph.transform(as_dense, by=self.name)

    def _dense(self, node: Node, op: Conv2d, inputs: tuple[Value, ...]) -> Value | Refusal:
        x, weight, *bias = inputs
        features, units = prod(_item(x)), prod(_item(node.output))
        largest = max(features * units, features * features)
        if largest > self.max_elements:
            return no(
                f"the dense form needs {features} inputs × {max(units, features)} = {largest} "
                f"elements, more than max_elements = {self.max_elements}",
                node,
            )
        unit_images = constant_of(np.eye(features).reshape(features, *_item(x)), x.dtype)
        answers = Flatten()(op(unit_images, weight))  # one row per unit image
        matrix = Transpose((1, 0))(answers)
        y = Dense()(
            Flatten()(x), matrix, *(_repeated(b, node.output) for b in bias), name=node.name
        )
        return Reshape(node.output.shape)(y)


def _repeated(bias: Value, y: Value) -> Value:
    """One number per channel, repeated for every pixel of y: (O) to (O·OH·OW)."""
    o, h, w = _item(y)
    return Reshape((o * h * w,))(BroadcastTo((o, h * w))(Reshape((o, 1))(bias)))
