"""Losses with a name, and what is known of a loss that somebody gives."""

import math
from collections.abc import Collection
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import BatchSize, DType, N, TensorType, known_size, times_n
from graphcnn.language.arguments import check_function, choose
from graphcnn.learning.losses.base import Loss, Own
from graphcnn.learning.losses.of_classes import CrossEntropy, Focal, Hinge
from graphcnn.learning.losses.of_codes import Elbo
from graphcnn.learning.losses.of_each import BinaryCrossEntropy, BinaryFocal, BinaryHinge
from graphcnn.learning.losses.of_numbers import (
    L1,
    MSE,
    CosineSimilarity,
    Huber,
    KLDivergence,
    Poisson,
    SmoothL1,
)
from graphcnn.learning.losses.of_pairs import Contrastive, Triplet
from graphcnn.learning.losses.of_pixels import PixelNLL
from graphcnn.learning.losses.of_regions import BinaryDice, BinaryJaccard, Dice, Jaccard
from graphcnn.learning.losses.of_sequences import CTC

#: What `loss=` accepts as a name, each with the settings that it has by default.
LOSSES: dict[str, Loss] = {
    kind.name: kind()
    for kind in (
        CrossEntropy, BinaryCrossEntropy, MSE, L1, Huber, SmoothL1, Focal, BinaryFocal, Hinge,
        BinaryHinge, Dice, BinaryDice, Jaccard, BinaryJaccard, KLDivergence, CosineSimilarity,
        Poisson, Contrastive, Triplet, Elbo, PixelNLL, CTC,
    )
}  # fmt: skip
#: Names that other libraries have for them.
_ELSEWHERE = {
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "crossentropy": "cross_entropy",
    "nll": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "mean_squared_error": "mse",
    "squared_error": "mse",
    "mae": "l1",
    "mean_absolute_error": "l1",
}


def known_loss(loss: Any, predictions: int = 1, others: Collection[str] = ()) -> Loss:
    """The loss of a name, of a function, whose name need not be said, or the loss itself.

    Args:
        predictions: how many a function is to take, before the target.
        others: names that would do, too, where somebody else knows them.

    Raises:
        GraphError: the name is unknown, or it is none of these.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss in _ELSEWHERE:
            raise GraphError(f"unknown loss {loss!r}; here it is {_ELSEWHERE[loss]!r}")
        choose(dict.fromkeys((*LOSSES, *others)), loss, "loss")
        return LOSSES[loss]
    if isinstance(loss, type) and issubclass(loss, Loss):
        raise GraphError(f"loss must be an object, not its class: write {loss.__name__}()")
    known = next((own for own in LOSSES.values() if type(own).function is loss), None)
    if known is not None:
        return known
    names = ", ".join((*LOSSES, *others))
    takes = "prediction" if predictions == 1 else f"{predictions} predictions"
    expected = f"loss must be a name ({names}) or a function of ({takes}, target)"
    check_function(loss, expected, count=predictions + 1)
    return Own(loss)


def target_type(loss: Loss, prediction: TensorType, targets: Array | None = None) -> TensorType:
    """Type of the targets of a loss, for a (first) prediction.

    A loss with a name says what it takes. A function takes what the data hold: whole numbers are
    i64, and floats have the prediction's element type. Without `targets` it is
    `Loss.stand_in`, which for a function is like the prediction.
    """
    if any(times_n(d) > 1 for d in prediction.shape if isinstance(d, BatchSize)):
        raise GraphError(
            f"the prediction {prediction} must have one batch axis N: targets are compared item by "
            "item, so reshape it to (N, ...)"
        )
    own = loss.target(prediction, targets)
    if own is not None:
        return own
    if targets is None:
        return loss.stand_in(prediction)
    item = targets.shape[1:]
    if targets.dtype.kind in "iu":
        return TensorType((N, *item), DType.INT64)
    if math.prod(item) == known_size(prediction.shape[1:]):
        return prediction  # the same numbers in another shape would broadcast to something else
    return TensorType((N, *item), prediction.dtype)
