"""What the page may take for granted of the image and of the answer: only what is known of them."""

from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.ir.node import Value
from graphcnn.ir.tensor_type import Dim
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import behind_views, is_probability
from graphcnn.network.network import Network
from graphcnn.ops.softmax import LogSoftmax, Softmax
from graphcnn.page.shown import Shown, answer_of

#: Known sets of grey digits by their side: the box that these fill, and whether their centre of
#: mass is in the middle. MNIST, the same on the field of LeNet, and the digits of scikit-learn.
_DIGITS = {28: (20, True), 32: (20, True), 8: (8, False)}
_TEN = tuple("0123456789")
DRAWINGS = ("digits", "plain")


def readable(model: Network, scores: Shown) -> str | None:
    """What makes probabilities of the scores that are shown, "softmax" or "sigmoid": what the
    network ends in, or what its loss applies; None where the numbers are read as they are, which
    is what `predict` does too."""
    prediction = answer_of(model)
    if not _is_vector(scores):
        return None
    by_loss = LOSSES[model.loss].readable if model.loss in LOSSES else None
    if isinstance(by_loss, Softmax) and _along(model, by_loss.axis) != scores.shape[0]:
        by_loss = None  # of another axis than that of the scores
    for name, loss in (("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy")):
        op = LOSSES[loss].readable
        if by_loss == op or is_probability(prediction, op):
            return name
    # The softmax of logarithms of probabilities is these.
    return "softmax" if _is_log_softmax(prediction) else None


def _along(model: Network, axis: int) -> Dim | None:
    """The size of an axis of what the network gives."""
    shape = next(iter(model.graph.outputs.values())).shape
    return shape[axis] if axis < len(shape) else None


def _is_vector(of: Shown) -> bool:
    """Whether there is one number for each channel, in maps of one pixel too."""
    return all(size == 1 for size in of.shape[1:])


def _is_log_softmax(prediction: Value) -> bool:
    found = behind_views(prediction)[1]
    op = found.node.op
    return isinstance(op, LogSoftmax) and (
        op.axis == 1 or all(d == 1 for a, d in enumerate(found.shape) if a not in (0, op.axis))
    )


def class_names(model: Network, scores: Shown) -> list[str]:
    """Names of the scores, or their numbers; none of an output that is a map, and none of the
    numbers that a network was trained to give by a loss that knows no classes."""
    if not _is_vector(scores):
        return list(model.classes)
    if len(model.classes) == scores.shape[0]:
        return [name if name.strip() else str(i) for i, name in enumerate(model.classes)]
    loss = LOSSES.get(model.loss or "")
    if loss is not None and loss.readable is None and "accuracy" not in loss.metrics:
        return []
    return [str(i) for i in range(scores.shape[0])]


def drawing_of(model: Network, image: Shown, drawing: str | None) -> dict[str, Any] | None:
    """How strokes are fitted; None is as they are drawn.

    That a network reads digits is known where its ten classes have their names and its image has
    the size of a set of digits; else it has to be said.

    Raises `GraphCnnError` for another word than "digits" and "plain", and for digits of an image
    that is not grey.
    """
    channels, height, width = image.shape
    if drawing not in (None, *DRAWINGS):
        raise GraphCnnError(f"drawing is 'digits' or 'plain', found {drawing!r}")
    if drawing is None:
        known = channels == 1 and height == width and height in _DIGITS
        drawing = "digits" if known and tuple(model.classes) == _TEN else "plain"
    if drawing == "plain":
        return None
    if channels != 1:
        raise GraphCnnError(
            f"drawing='digits' fits strokes of grey images, and {model.name} takes {channels} "
            "channels; drawing='plain' leaves them as they are drawn"
        )
    box, centred = _DIGITS.get(min(height, width), (round(min(height, width) * 20 / 28), True))
    return {"centred": centred, "box": max(1, box)}
