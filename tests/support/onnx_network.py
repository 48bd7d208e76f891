"""A small network for the tests of ONNX export and its parameters."""

from functools import cache

import numpy as np

from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Flatten
from graphcnn.ops.softmax import Softmax


def _state(key, *shape):
    return State(key, TensorType(shape))()


@cache
def network():
    """Convolution, batch norm, ReLU, pool, dense: x (N, 2, 8, 10) to the classes of (N, 3)."""
    x = Input("x", TensorType((N, 2, 8, 10)))()
    y = Conv2d(padding=(1, 1, 0, 0))(x, _state("C1.weight", 4, 2, 3, 3), name="C1")
    statistics = [_state(f"bn.{k}", 4) for k in ("gamma", "beta", "mean", "variance")]
    y = Relu()(BatchNorm()(y, *statistics, name="bn"))
    y = Flatten()(MaxPool2d((2, 2), (2, 2), ceil_mode=True)(y, name="P1"))
    logits = Dense()(y, _state("fc.weight", 3, 64), _state("fc.bias", 3), name="fc")
    probabilities = Softmax()(logits, name="probabilities")
    return Graph.of([x], {"logits": logits, "probabilities": probabilities}, name="tiny")


def network_states():
    """Parameters for which all layers stay near 1, as in a trained network."""
    rng = np.random.default_rng(7)
    states = {}
    for value in network().states:
        key, shape = value.node.op.key, value.shape
        low, high = (0.5, 1.5) if key in ("bn.gamma", "bn.variance", "fc.bias") else (-0.25, 0.25)
        states[key] = rng.uniform(low, high, shape).astype(np.float32)
    return states
