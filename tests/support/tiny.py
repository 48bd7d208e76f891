"""Values to feed, and gradients of small formulas against differences. For tests of operators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from samples import Sample
from support.evaluate import run

from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.passes.training.backward import vjp


def leaf(name: str, shape: tuple[Any, ...], dtype: str = "float64") -> Value:
    """A value to feed."""
    return Input(name, TensorType(shape, DType.of(dtype)))(name=name)


def leaves(sample: Sample) -> list[Value]:
    return [Input(f"x{i}", t)() for i, t in enumerate(sample.types())]


def check_gradients(outputs: Sequence[Value], feeds: dict[Value, Any], n: int = 1) -> None:
    """Gradients of a random projection of `outputs`, against central differences in float64."""
    rng = np.random.default_rng(0)
    arrays = run(outputs, feeds, n)
    projections = [rng.normal(size=a.shape) for a in arrays]
    cotangents = [leaf(f"c{i}", v.shape) for i, v in enumerate(outputs)]
    wrt = [v for v in feeds if v.dtype.is_float]
    gradients = vjp(outputs, cotangents, wrt)
    all_feeds = {**feeds, **dict(zip(cotangents, projections, strict=True))}

    def projected(moved: dict[Value, Any]) -> float:
        ys = run(outputs, moved, n)
        return sum(float((y * p).sum()) for y, p in zip(ys, projections, strict=True))

    for value, gradient in zip(wrt, gradients, strict=True):
        x = np.asarray(feeds[value], np.float64)
        direction = rng.normal(size=x.shape)
        step = 1e-6
        rise = projected({**feeds, value: x + step * direction})
        fall = projected({**feeds, value: x - step * direction})
        expected = (rise - fall) / (2 * step)
        found = 0.0
        if gradient is not None:
            assert gradient.shape == value.shape
            found = float((run([gradient], all_feeds, n)[0] * direction).sum())
        assert abs(found - expected) <= 1e-6 * max(1.0, abs(expected)), (value, found, expected)
