"""A small network for the tests of ONNX export, and a plain evaluator of graphs."""

from functools import cache

import numpy as np
from graphcnn.graph import Graph
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.pool import MaxPool2d
from graphcnn.ops.shape import Flatten
from graphcnn.ops.softmax import Softmax
from graphcnn.sources import Input, State
from graphcnn.tensor_type import N, TensorType


def _state(key, *shape):
    return State(key, TensorType(shape))()


@cache
def network():
    """Convolution, batch norm, ReLU, pool, dense: x (N, 2, 8, 10) to the classes of (N, 3)."""
    x = Input("x", TensorType((N, 2, 8, 10)))()
    y = Conv2d(padding=(1, 1, 0, 0))(x, _state("C1.weight", 4, 2, 3, 3), name="C1")
    statistics = [_state(f"bn.{k}", 4) for k in ("gamma", "beta", "mean", "variance")]
    y = Relu()(BatchNorm()(y, *statistics, name="bn"))
    y = Flatten()(MaxPool2d(ceil_mode=True)(y, name="P1"))
    logits = Dense()(y, _state("fc.weight", 3, 64), _state("fc.bias", 3), name="fc")
    probabilities = Softmax()(logits, name="probabilities")
    return Graph.of([x], {"logits": logits, "probabilities": probabilities}, name="tiny")


def network_states():
    rng = np.random.default_rng(7)
    return {
        v.node.op.key: rng.uniform(0.1, 1.0, v.shape).astype(np.float32)
        for v in network().states
    }


def evaluate(graph, states, inputs):
    """The outputs of a graph at the batch size of its inputs, node by node."""
    batch = next(len(inputs[v.node.op.key]) for v in graph.inputs)
    graph = graph.bind(batch)
    values = {}
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Input | State):
            results = (inputs if isinstance(op, Input) else states)[op.key]
        else:
            results = op.evaluate(*(values[v] for v in node.inputs))
        results = results if isinstance(results, tuple) else (results,)
        values.update(zip(node.outputs, results, strict=True))
    return {key: np.asarray(values[v]) for key, v in graph.outputs.items()}


