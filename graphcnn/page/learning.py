"""A small network with its training step, which a page trains before the reader's eyes.

A training step is a graph as any other: with its states as inputs and their new values as outputs
it is a function, and the page keeps the states.
"""

from functools import cache
from typing import Any

import numpy as np

from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.compile.together import together, with_states_as_inputs
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.conv import conv2d
from graphcnn.language.dense import dense
from graphcnn.language.pool import max_pool2d
from graphcnn.language.shape import flatten
from graphcnn.language.sources import input
from graphcnn.learning.optimizers import SGD
from graphcnn.network.network import Network
from graphcnn.page.memory import deflated, programs_of, text_of
from graphcnn.runtime.native.ahead.targets import MACHINES

#: Height and width of the pictures, and how many a step sees.
_SIZE, _BATCH = 16, 16
_RATE, _MOMENTUM, _SEED = 0.05, 0.9, 0
_CLASSES = ("O", "X")


def small_network() -> Network:
    """Four filters of 3×3, pooling, and a dense layer for two classes of grey 16×16 pictures."""
    image = input("image", (1, _SIZE, _SIZE))
    conv = conv2d(image, 4, 3, padding=1, activation="relu", name="conv")
    pool = max_pool2d(conv, 2, name="pool")
    scores = dense(flatten(pool), len(_CLASSES), name="scores")
    model = Network(image, {"conv": conv, "pool": pool, "scores": scores}, name="small")
    return model.initialize(_SEED)


@cache
def learning() -> dict[str, Any]:
    """What a page is told of it; page.d.ts has the form."""
    model = small_network()
    graph = model.graph
    prediction = graph.with_outputs({"scores": graph.outputs["scores"]})
    step = training_graph(prediction, "cross_entropy", SGD(_RATE, momentum=_MOMENTUM))
    step = step.bind(N=_BATCH)
    kept = {s: v for s, v in step.updates.items() if s.dtype is DType.FLOAT32}
    step = with_states_as_inputs(step.with_outputs({"loss": step.outputs["loss"]}, kept))
    forward = with_states_as_inputs(inference_graph(graph.bind(N=1)))
    made = together({"step": step, "run": forward}, MACHINES["wasm"])
    programs = programs_of(made, {}, _named, "the network that learns")
    values = {state_of(s).key: np.asarray(model.states[state_of(s).key]) for s in graph.states}
    first = {key: values.get(key, _first(value.type)) for key, value in _states(step).items()}
    return {
        "code": deflated(programs.code),
        "programs": programs.told,
        "constants": programs.constants,
        "states": {key: text_of(np.float32(array).tobytes()) for key, array in first.items()},
        "input": [1, _SIZE, _SIZE],
        "classes": list(_CLASSES),
        "batch": _BATCH,
    }


def _states(step: Graph) -> dict[str, Any]:
    """Inputs that are states."""
    keys = {v.node.op.attributes["key"]: v for v in step.inputs}
    return {key: value for key, value in keys.items() if key not in ("image", "target")}


def _first(type: TensorType) -> Any:
    """Of what the optimiser keeps: zeros, and the learning rate."""
    return np.full(type.shape, 0 if type.shape else _RATE, np.float32)


def _named(function: str, key: str, is_input: bool) -> str:
    """States lie where they lay: a function reads all inputs before it writes an output."""
    if key in ("image", "target"):
        return f"{function} {key}"
    if key in ("conv", "pool", "scores") and not is_input:
        return f"map {key}"
    return key
