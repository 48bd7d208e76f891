"""Losses with a name: one object each, which holds all that is known of it.

Another loss is a function in the language and one object in `LOSSES`: by its name it is then
trained, measured, saved with a model, made readable and offered by the command line.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import BatchSize, DType, N, TensorType, known_size, times_n
from graphcnn.language.arguments import check_function, choose
from graphcnn.language.loss import binary_cross_entropy, cross_entropy, l1, mse
from graphcnn.learning.metrics.accuracy import Accuracy
from graphcnn.learning.metrics.base import Measure, Objective
from graphcnn.ops.activation import Sigmoid
from graphcnn.ops.softmax import Softmax


def class_numbers(prediction: TensorType) -> TensorType:
    """One class index per item, or for a prediction (N, K, H, W) one per pixel."""
    return TensorType((*prediction.shape[:1], *prediction.shape[2:]), DType.INT64)


def like_prediction(prediction: TensorType) -> TensorType:
    """A number for each that is predicted."""
    return prediction


@dataclass(frozen=True, eq=False)
class Loss:
    """A loss. One of a user has its function alone.

    Attributes:
        function: of (prediction, target), a float scalar.
        name: what users call it, and what is saved with a model that was trained with it.
        target: the type of the targets for a prediction of some type; None is what the data hold.
        metrics: what is reported besides the loss, where nobody says otherwise.
        readable: the operator that makes of what the function takes what people read:
            probabilities of logits. The function applies it itself, so a model that is proven to
            end in it has its loss computed of what stands before, and `predict` applies it to the
            outputs of others. None where the prediction itself is read.
    """

    function: Objective
    name: str = ""
    target: Callable[[TensorType], TensorType] | None = None
    metrics: Mapping[str, Measure] = field(default_factory=dict)
    readable: Op | None = None

    @property
    def spec(self) -> str | Objective:
        """How a user would say it: its name, or the function of one without a name."""
        return self.name or self.function

    def scores(self, prediction: TensorType) -> int | None:
        """How many classes are told apart by a model trained so, None where it does not say: one
        for every channel that is read as a probability; two by a single sigmoid."""
        channels = prediction.shape[1] if prediction.rank > 1 else None
        if self.readable is None or not isinstance(channels, int):
            return None
        if channels == 1:
            return 2 if isinstance(self.readable, Sigmoid) else None
        return channels


#: What `loss=` accepts as a name.
LOSSES: dict[str, Loss] = {
    loss.name: loss
    for loss in (
        Loss(
            cross_entropy,
            "cross_entropy",
            target=class_numbers,
            metrics={"accuracy": Accuracy()},
            readable=Softmax(1),
        ),
        Loss(
            binary_cross_entropy,
            "binary_cross_entropy",
            target=like_prediction,
            metrics={"accuracy": Accuracy()},
            readable=Sigmoid(),
        ),
        Loss(mse, "mse", target=like_prediction),
        Loss(l1, "l1", target=like_prediction),
    )
}


def known_loss(loss: str | Objective) -> Loss:
    """The loss of a name, or of a function, whose name need not be said.

    Raises:
        GraphError: the name is unknown, or it is neither a name nor a function.
    """
    if isinstance(loss, str):
        return choose(LOSSES, loss, "loss")
    names = ", ".join(LOSSES)
    check_function(loss, f"loss must be a name ({names}) or a function of (prediction, target)")
    return next((known for known in LOSSES.values() if known.function is loss), Loss(loss))


def target_type(
    loss: str | Objective, prediction: TensorType, targets: Array | None = None
) -> TensorType:
    """Type of the targets of a loss.

    A loss with a name says what it takes. A function takes what the data hold: whole numbers are
    i64, and floats have the prediction's element type. Without `targets` a function's are like the
    prediction.
    """
    if any(times_n(d) > 1 for d in prediction.shape if isinstance(d, BatchSize)):
        raise GraphError(
            f"the prediction {prediction} must have one batch axis N: targets are compared item by "
            "item, so reshape it to (N, ...)"
        )
    target = known_loss(loss).target
    if target is not None:
        return target(prediction)
    if targets is None:
        return prediction
    item = targets.shape[1:]
    if targets.dtype.kind in "iu":
        return TensorType((N, *item), DType.INT64)
    if math.prod(item) == known_size(prediction.shape[1:]):
        return prediction  # the same numbers in another shape would broadcast to something else
    return TensorType((N, *item), prediction.dtype)
