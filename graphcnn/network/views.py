"""Test-time augmentation: the mean of what a model gives for an image and for views of it.

The views are made in the graph, and the network stands there once for each, with the same weights:
predicting and measuring stay what they are, to the bit for any number of threads. What is averaged
are the scores before a softmax or sigmoid at the end (K. Jordan, "94% on CIFAR-10 in 3.29 Seconds
on a Single GPU", arXiv:2404.00498, whose weights of the views these are):

    flip         1/2 · image + 1/2 · mirrored
    shift        1/2 · image + 1/4 · moved up and left + 1/4 · moved down and right, by a pixel, the
                 edge filled by reflection
    flip+shift   the same, each of the three with its mirror image
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.naming import named
from graphcnn.ir.node import Array, Op, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import source_of
from graphcnn.network.network import Network
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.dense import MatMul
from graphcnn.ops.softmax import Softmax

#: What `tta` may be.
TTA = ("flip", "shift", "flip+shift")


@dataclass(frozen=True)
class View:
    """An image moved by `shift` pixels down and to the right, and then mirrored.

    Attributes:
        weight: its share of the mean.
    """

    weight: float
    shift: int = 0
    mirrored: bool = False

    def of(self, x: Value) -> Value:
        """The view of images (N, C, H, W): rows and columns picked by matrices of 0 and 1, so that
        every number stays what it is."""
        if self.shift:
            x = MatMul()(_constant(_moved(int(x.shape[2]), self.shift), x), x)  # type: ignore[arg-type]
        columns = _moved(int(x.shape[3]), self.shift).T  # type: ignore[arg-type]
        columns = columns[:, ::-1] if self.mirrored else columns
        return x if self.is_image else MatMul()(x, _constant(columns, x))

    @property
    def is_image(self) -> bool:
        return not self.shift and not self.mirrored


def _moved(size: int, by: int) -> Array:
    """The matrix whose row i has its 1 where i - by is, reflected at the ends."""
    places = np.abs(np.arange(size) - by)
    places = np.where(places < size, places, 2 * (size - 1) - places)
    return np.eye(size)[places]


def _constant(array: Array, like: Value) -> Value:
    return constant_of(np.ascontiguousarray(array), like.dtype)


def views(tta: str) -> Sequence[View]:
    """The views of a word. Raises `DataError` for one that is unknown."""
    word = "flip+shift" if tta == "shift+flip" else tta
    if word not in TTA:
        raise DataError(f"tta must be one of {', '.join(TTA)}, found {tta!r}")
    shifts = [(0.5, 0), (0.25, -1), (0.25, 1)] if "shift" in word else [(1.0, 0)]
    sides = [(0.5, False), (0.5, True)] if "flip" in word else [(1.0, False)]
    return [View(a * b, shift, mirrored) for a, shift in shifts for b, mirrored in sides]


def viewed(graph: Graph, tta: str, loss: str | None) -> Graph:
    """The graph whose outputs are the means over the views of its image.

    Scores of an item (N, K) are averaged; an output of the size of the image, a score for each
    pixel, is mirrored back before.

    Args:
        loss: of the training, where it is known: it tells scores of classes from other numbers.

    Raises:
        DataError: the model takes other things than one image, or an output is no such scores.
    """
    chosen = views(tta)
    if len(graph.inputs) != 1 or not _is_image(graph.inputs[0].type):
        taken = ", ".join(f"{v.node.name} {v.type}" for v in graph.inputs) or "nothing"
        raise DataError(f"tta is for models of one image (N, C, H, W); {graph.name} takes {taken}")
    (image,) = graph.inputs
    if min(map(int, image.shape[2:])) < 2 and "shift" in tta:  # type: ignore[arg-type]
        raise DataError(f"tta={tta!r} reflects pixels at the edge, and the images are {image.type}")
    found: dict[str, Value] = {}
    for name, output in graph.outputs.items():
        back = _mirrors(graph, name, output, image, tta, loss)
        scores = _scores(output)
        total: Value | None = None
        for view in chosen:
            (y,) = rebuilt([scores], {} if view.is_image else {image: view.of(image)})
            if back and view.mirrored:
                y = View(1.0, mirrored=True).of(y)
            part = y * view.weight
            total = part if total is None else total + part
        assert total is not None
        (found[name],) = rebuilt([output], {scores: total})
    return named(Graph.of(graph.inputs, found, name=graph.name))


def viewed_model(model: Network, tta: str) -> Network:
    """The model of that graph, sharing its states."""
    made = copy.copy(model)
    made.graph = viewed(model.graph, tta, model.loss)
    return made


def _is_image(t: TensorType) -> bool:
    return t.rank == 4 and t.dtype.is_float and all(isinstance(d, int) for d in t.shape[1:])


def _scores(output: Value) -> Value:
    """What stands before a softmax or sigmoid at the end, else the output."""
    ops: tuple[Op, ...] = (Softmax(1), Sigmoid())
    found = (source_of(output, op) for op in ops)
    return next((scores for scores in found if scores is not output), output)


def _mirrors(
    graph: Graph, name: str, output: Value, image: Value, tta: str, loss: str | None
) -> bool:
    """Whether an output is mirrored where its image is. Raises `DataError` where neither a mean of
    it nor that has a meaning."""
    t, what = output.type, f"output {name!r} of {graph.name} is {output.type}"
    if t.rank == 4 and t.shape[2:] == image.shape[2:]:
        if "shift" in tta:
            raise DataError(f"tta={tta!r} moves images, and {what}, for each pixel: take 'flip'")
        return True
    if t.rank != 2 or not t.dtype.is_float:
        raise DataError(
            f"tta averages scores of classes (N, K), or such of pixels (N, K, H, W); {what}"
        )
    if loss in LOSSES and LOSSES[loss].readable is None:
        raise DataError(
            f"tta averages scores of classes; {what}, and was trained with {loss}: its numbers may "
            "change where the image does"
        )
    return False
