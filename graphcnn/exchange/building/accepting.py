"""Levels of 0 to 255 as the first input: the normalisation becomes part of the network."""

from dataclasses import replace

import numpy as np

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.elementwise import Cast


def taking_levels(graph: Graph, normalisation: Normalisation | None) -> Graph:
    """The graph with its first input of uint8, normalised as `Model.predict` does it, to the bit:
    (scale · x - mean) / std in float32.

    Raises `GraphCnnError` where the first input takes no floats of images.
    """
    if not graph.inputs:
        raise GraphCnnError(f"{graph.name} has no input that could take levels")
    first = graph.inputs[0]
    if first.dtype is not DType.FLOAT32 or first.type.rank != 4:
        raise GraphCnnError(
            f"levels of 0 to 255 are for images f32[N,C,H,W]; the input {first.node.name!r} of "
            f"{graph.name} is {first.type}"
        )
    key = first.node.op.attributes["key"]
    levels = Input(key, replace(first.type, dtype=DType.UINT8))(name=key)
    found = rebuilt(
        graph.outputs.values(), {first: _normalised(levels, normalisation or Normalisation())}
    )
    outputs = dict(zip(graph.outputs, found, strict=True))
    return Graph.of((levels, *graph.inputs[1:]), outputs, graph.updates, graph.name)


def _normalised(levels: Value, by: Normalisation) -> Value:
    def each(numbers: tuple[float, ...]) -> Array:
        return np.asarray(numbers, np.float32)[None, :, None, None]

    y = Cast(DType.FLOAT32)(levels) * constant_of(np.float32(by.scale))
    if any(by.mean):
        y = y - constant_of(each(by.mean))
    if any(x != 1 for x in by.std):
        y = y / constant_of(each(by.std))
    return y
