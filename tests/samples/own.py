"""Samples of what calls the backward of an operator of one's own."""

from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.ops.activation import Relu
from graphcnn.ops.own.operator import OwnGradient
from samples import ErrorSample, Sample


@cnn.operator(name="scaled_square")
class ScaledSquare(cnn.Operator):
    """y = k · w · x², w for each feature."""

    k: float = 0.5
    acts_on = "items"
    weights = ("w",)

    def forward(self, x: Any, w: Any) -> Any:
        return self.k * w * x * x

    def backward(self, dy: Any, x: Any, w: Any, y: Any) -> Any:
        return 2 * self.k * dy * w * x, np.sum(self.k * dy * x * x, axis=0)


SAMPLES = [
    Sample(OwnGradient(ScaledSquare(), 2), (4, 3), (4, 3), (3,), (4, 3)),
    Sample(OwnGradient(ScaledSquare(2.0), 2), (1, 5), (1, 5), (5,), (1, 5)),
]
ERRORS = [
    ErrorSample(OwnGradient(ScaledSquare(), 2), (3, 4), (3, 4), (4,), match="takes 2 operands"),
    ErrorSample(OwnGradient(ScaledSquare(), 2), (3, 5), (3, 4), (4,), (3, 4), match="gradients of"),
    ErrorSample(OwnGradient(ScaledSquare(), 2), (3, 4), (3, 4), (4,), (3, 5), match="results must"),
    ErrorSample(OwnGradient(Relu(), 1), (3,), (3,), (3,), match="operator of one's own"),
]
