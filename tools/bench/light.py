"""The nine networks that come with the `onnx` package, with weights that mean something.

As shipped all their weights are 0.02 and their outputs constant: nothing would be noticed. Here
weights are seeded, and the output is the value before the last softmax.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from graphcnn.ir.node import Array

FOLDER = Path(str(onnx.__file__)).parent / "backend" / "test" / "data" / "light"

NAMES = (
    "squeezenet", "shufflenet", "inception_v1", "densenet121", "inception_v2", "resnet50",
    "bvlc_alexnet", "zfnet512", "vgg19",
)  # fmt: skip

#: What each value is used for first: the node and the place among its inputs.
Uses = Mapping[str, tuple[Any, int]]


def light_model(name: str, seed: int = 0) -> tuple[Any, str]:
    """The network (a `ModelProto`) with seeded weights as initializers, the name of its input."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    graph = model.graph
    rng = np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    uses: dict[str, tuple[Any, int]] = {}
    for node in graph.node:
        for position, value in enumerate(node.input):
            uses.setdefault(value, (node, position))
    kept, made = [], {}
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        shape = tuple(int(d) for d in shapes[node.input[0]])
        made[node.output[0]] = seeded(rng, shape, *uses[node.output[0]], uses)
    gone = {n.input[0] for n in graph.node if n.op_type == "ConstantOfShape"}
    if kept[-1].op_type == "Softmax":
        kept.pop()
    graph.output[0].name = kept[-1].output[0]
    graph.output[0].type.tensor_type.ClearField("shape")
    del graph.node[:]
    graph.node.extend(kept)
    stored = [t for t in graph.initializer if t.name not in gone]
    stored += [numpy_helper.from_array(a, k) for k, a in made.items()]
    inputs = [v for v in graph.input if v.name not in gone and v.name not in made]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(stored)
    graph.input.extend(inputs)
    names = {t.name for t in stored}
    return model, next(v.name for v in inputs if v.name not in names)


def seeded(
    rng: np.random.Generator, shape: tuple[int, ...], node: Any, position: int, uses: Uses
) -> Array:
    """Weights of variance 2 / fan-in, statistics and factors near 1, small shifts."""
    if node.op_type == "Unsqueeze":
        node, position = uses[node.output[0]]
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        return rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
    if (node.op_type, position) in (("BatchNormalization", 1), ("BatchNormalization", 4)):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if node.op_type == "Mul":
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)
