"""What is looked at: the score of a class, the mean of a channel, one unit of a map.

The score of a class is the number before softmax or sigmoid: after it the classes compete, and a
map of the one would show the others, too.
"""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.arguments import is_int
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import is_probability, source_of
from graphcnn.network.network import Network
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import as_type

#: How words of a channel end where its score is the mean over its map.
MEAN = ", mean of its map"
#: The losses whose activation is taken off the end of a network.
_READ_BY = ("cross_entropy", "binary_cross_entropy")
_SIGMOIDS = LOSSES["binary_cross_entropy"].readable


def class_scores(model: Network) -> Value:
    """The scores of the classes: (N, K), or (N, K, H, W) with one for every pixel.

    Raises `LensError` where the first output is neither.
    """
    prediction = next(iter(model.graph.outputs.values()))
    for name in _READ_BY:
        found = source_of(prediction, LOSSES[name].readable)
        if found is not prediction:
            return found
    if prediction.type.rank not in (2, 4) or not prediction.dtype.is_float:
        raise LensError(
            f"the prediction of {model.name} is {prediction.type}, expected scores of classes "
            "(N, K), or (N, K, H, W); look at a layer instead, as in layer='...', channel=0"
        )
    return prediction


def has_sigmoids(model: Network) -> bool:
    """Whether each score has a sigmoid of its own, so that the classes do not exclude each other:
    by the end of the graph, or by the loss that the model was trained with."""
    trained_with = LOSSES.get(model.loss or "")
    by_loss = trained_with is not None and trained_with.readable == _SIGMOIDS
    return by_loss or is_probability(next(iter(model.graph.outputs.values())), _SIGMOIDS)


@dataclass(frozen=True)
class Target:
    """One number for each image: a class or channel `index` of a tensor, and where in its maps.

    Attributes:
        layer: name of the tensor.
        index: of the class, unit or channel.
        at: row and column in its map; None is the mean over the map.
        words: for captions.
    """

    layer: str
    index: int
    at: tuple[int, int] | None
    words: str

    def selector(self, value: Value) -> Array:
        """Weights (1, K) or (1, K, H, W): the score is their product with the tensor, summed."""
        weights = np.zeros((1, *cast(tuple[int, ...], value.shape[1:])), np.float32)
        if value.type.rank == 2:
            weights[0, self.index] = 1
        elif self.at is None:
            weights[0, self.index] = 1 / weights[0, self.index].size
        else:
            weights[0, self.index][self.at] = 1
        return weights


def selected(value: Value, name: str = "lens.select") -> tuple[Value, Value]:
    """An input of weights for `value` and the scores f32[N] = Σ weights · value of each item.

    So one compilation serves all classes, channels and places.
    """
    weights = Input(name, TensorType(value.shape, DType.FLOAT32))(name=name)
    product = as_type(value, DType.FLOAT32) * weights
    return weights, Sum(tuple(range(1, value.type.rank)))(product)


def class_target(model: Network, target: Any, scores: Value, found: Array | None = None) -> Target:
    """A class by number or name; None is the one with the largest of the scores `found` (K,)."""
    count = scores.shape[1]
    assert isinstance(count, int)
    how = ""
    if target is None:
        if found is None:
            raise LensError("name the class that is looked at: a number or a name")
        flat = found.reshape(count, -1).mean(1)
        target = int(np.argmax(flat))
        how = ", the predicted class" if count > 1 else ", the only score"
    if isinstance(target, str):
        target = _number_of(target, model)
    layer = scores.node.name or scores.node.op.name
    among = (
        f"the {count} classes of {model.name}" if count > 1 else f"the one score of {model.name}"
    )
    index = checked_index(target, count, among)
    words = f"{layer}[{index}]"
    if model.classes and index < len(model.classes):
        words += f" = {model.classes[index]!r}"
    mean = ", mean over the image" if scores.type.rank == 4 else ""
    return Target(layer, index, None, words + how + mean)


def unit_target(layer: str, value: Value, index: Any, at: Any = None) -> Target:
    """A channel of a layer with maps, or a unit of a dense one.

    Raises `LensError` for a tensor without such, an index or a place outside.
    """
    rank = value.type.rank
    if rank not in (2, 4) or not value.dtype.is_float or not is_int(value.shape[1]):
        raise LensError(
            f"{layer!r} is {value.type}; looked at are maps (N, C, H, W) and units (N, K)"
        )
    count = value.shape[1]
    assert isinstance(count, int)
    what = "units" if rank == 2 else "channels"
    index = checked_index(index, count, f"the {count} {what} of {layer!r}")
    place = None
    if at is not None:
        if rank == 2:
            raise LensError(f"{layer!r} is {value.type}: it has units, no maps with places")
        place = checked_place(at, value, layer)
    words = f"{layer}[{index}]" + (f" at {place}" if place else MEAN * (rank == 4))
    return Target(layer, index, place, words)


def checked_index(index: Any, count: int, among: str) -> int:
    """`index` as an int in [0, count). Raises `LensError`."""
    if not is_int(index) or not 0 <= index < count:
        expected = f"a number from 0 to {count - 1}" if count > 1 else "0"
        raise LensError(f"expected {expected} among {among}, found {index!r}")
    return int(index)


def _number_of(name: str, model: Network) -> int:
    if name not in model.classes:
        known = ", ".join(model.classes) or "no names, only numbers"
        layer, _, index = name.rpartition(":")
        unit = f"; a unit is target={index}, layer={layer!r}" if layer and index.isdigit() else ""
        raise LensError(f"{model.name} has no class {name!r}; it knows {known}{unit}")
    return list(model.classes).index(name)


def checked_place(at: Any, value: Value, layer: str) -> tuple[int, int]:
    """`at` as row and column in the maps of a layer. Raises `LensError`."""
    _, _, height, width = cast(tuple[int, ...], value.shape)
    ok = isinstance(at, tuple | list) and len(at) == 2 and all(map(is_int, at))
    if not ok or not (0 <= at[0] < height and 0 <= at[1] < width):
        raise LensError(
            f"at is (row, column) in the {height}×{width} maps of {layer!r}, found {at!r}"
        )
    return int(at[0]), int(at[1])
