"""Which pixels a gradient gives only because max pooling takes the first of equal numbers."""

import numpy as np

from graphcnn.errors import GradientError
from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core, Parts
from graphcnn.lens.target import selected
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.pool import MaxPool2d, MaxPool2dGrad
from graphcnn.passes.training.backward import gradients

#: Larger than how far two algorithms for a convolution round apart.
_TILT = 2.0**-20
#: A pixel whose gradient moves by less than this share of the largest one does not move.
_MOVED = 1e-3


def tied_pixels(lens: Core, about: Subject) -> float | None:
    """The share of the pixels whose gradient is another where ties, to about 2e-5, are broken
    another way; None for a network without max pooling on the way, or without a gradient."""

    def parts() -> Parts:
        weights, score = selected(about.value)
        total = Sum((0,))(score)
        (first,) = gradients(total, [lens.image])
        (last,) = gradients(total, [lens.image], {"max_pool2d": _tilted})
        return (lens.image, weights), {"first": first, "last": last}

    try:
        found = lens.probe(("ties", about.targets[0].layer), parts)(about.fed, about.weights())
    except GradientError:  # nothing to differentiate, or no max pooling that the rule is for
        return None
    off = np.abs(found["last"] - found["first"]).max(1)
    return float((off > _MOVED * np.abs(found["first"]).max()).mean())


def _tilted(node: Node, dy: Value | None, _: Value | None = None) -> list[Value | None]:
    """The gradient of max pooling of x · (1 + t), t growing along rows and columns: of equal
    numbers the last one is the largest now."""
    assert isinstance(node.op, MaxPool2d)
    (x,) = node.inputs
    if dy is None:
        return [None]
    rows, columns = (np.arange(int(size)) % 8 for size in x.shape[2:])  # type: ignore[arg-type]
    tilt: Array = 1 + _TILT * (rows[:, None] * 2 + columns).astype(np.float32)
    factors = constant_of(tilt[None, None], x.dtype)
    return [MaxPool2dGrad(**node.op.window)(x * factors, dy)]
