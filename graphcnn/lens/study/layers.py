"""Which tensors of a network are its layers, and what is looked at in one."""

from typing import Any

import numpy as np

from graphcnn.analysis.finding import value_named
from graphcnn.analysis.receptive_field import receptive_fields
from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.lens.core import Core
from graphcnn.lens.target import class_target

#: Families of operators that belong to the layer before them.
FOLLOWING = ("activation", "norm")


def layers(core: Core) -> dict[str, Value]:
    """The maps (N, C, H, W) and units (N, K) of a network by name, in its order.

    A convolution, the normalisation behind it and its activation are one layer, of which the last
    is looked at. Views, such as flatten, are none.
    """
    graph = core.network.graph
    seen = receptive_fields(graph, core.image)
    found: dict[str, Value] = {}
    for node in graph.operations:
        value = node.outputs[0]
        followers = {u.op.family for u in graph.users.get(value, ())}
        goes_on = len(followers) == 1 and followers <= {*FOLLOWING}
        if value in seen and not node.op.view and not goes_on and is_looked_at(value):
            found[name_of(core, value)] = value
    return found


def name_of(core: Core, value: Value) -> str:
    """The shortest name by which `core.value` finds it."""
    graph, name = core.network.graph, value.node.name
    stem = name.rpartition(".")[0]
    known = {node.name for node in graph.nodes if node.name}  # constants have none
    return stem if stem in known and value_named(graph, stem) is value else name


def is_looked_at(value: Value) -> bool:
    """Whether it has maps (N, C, H, W) or units (N, K), of known size."""
    sizes = value.shape[1:]
    return (
        value.type.rank in (2, 4)
        and value.dtype.is_float
        and all(isinstance(size, int) for size in sizes)
        and not isinstance(value.node.op, Input | State | Constant)
    )


def looked_at(core: Core, layer: str) -> Value:
    """The tensor of a layer. Raises `LensError` where it has neither maps nor units."""
    value = core.value(layer)
    if not is_looked_at(value):
        raise LensError(
            f"{layer!r} is {value.type}; looked at are maps (N, C, H, W) and units (N, K)"
        )
    return value


def numbered(core: Core, value: Value, unit: Any) -> Any:
    """The number of a unit; the scores of classes are found by the names of these too.

    Raises `LensError` for other names.
    """
    if not isinstance(unit, str):
        return unit
    scores = core.scores
    if value is not scores and value is not next(iter(core.network.graph.outputs.values())):
        raise LensError(f"only classes have names, found {unit!r} of {value.node.name!r}")
    return class_target(core.network, unit, scores).index


def finite(array: Array, what: str) -> Array:
    """The array. Raises `LensError` where a number of it is NaN or infinite."""
    if not np.isfinite(array).all():
        bad = int(np.size(array) - np.isfinite(array).sum())
        raise LensError(f"{bad:,} of the {np.size(array):,} numbers of {what} are NaN or infinite")
    return array
