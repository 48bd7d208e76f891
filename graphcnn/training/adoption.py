"""What a model takes over from its training, the same in `fit` and in a loop of one's own.

From the data: the normalisation, which then belongs to the weights, and the names of the classes.
From the run: first weights, if it has none, and the loss and the seed that it tells later.
"""

from typing import TYPE_CHECKING

from graphcnn.objective import Objective, known_loss
from graphcnn.runtime.data.dataset import Dataset
from graphcnn.target_rule import TargetRule

if TYPE_CHECKING:
    from graphcnn.model import Model


def adopt_data(model: "Model", data: Dataset, rule: TargetRule) -> None:
    """Take over what the model does not have yet; the names only of classes that it tells apart."""
    if model.normalisation is None:
        model.normalisation = data.normalisation
    if data.classes and not model.classes and not rule.kind.dtype.is_float:
        model.classes = data.classes


def adopt_run(model: "Model", loss: str | Objective, seed: int) -> None:
    """Remember what the weights were trained with."""
    loss = known_loss(loss)
    model.loss = loss if isinstance(loss, str) else None
    model.objective = loss
    model.seed = seed
