"""What a model takes over from its training, the same in `fit` and in a loop of one's own.

From the data: the normalisation, which then belongs to the weights, and the names of the classes.
From the run: first weights, if it has none, and the loss and the seed that it tells later.
"""

from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import LOOKS, reach_of
from graphcnn.learning.aim import Losses, terms_of
from graphcnn.learning.aim_text import is_known
from graphcnn.learning.target_rule import TargetRule
from graphcnn.network.network import Network


def adopt_data(model: Network, data: Dataset, rule: TargetRule | None) -> None:
    """Take over what the model does not have yet; the names only of classes that it tells apart."""
    if model.normalisation is None:
        model.normalisation = data.normalisation
    first = data.first_items
    if model.reach is None and first.dtype.kind in "fu" and len(first):
        model.reach, model.looks = reach_of(first), LOOKS
    if data.classes and not model.classes and rule is not None and _tells_apart(rule, data):
        model.classes = data.classes


def _tells_apart(rule: TargetRule, data: Dataset) -> bool:
    """Whether targets are class numbers, or one score says which of two classes it is."""
    two = len(data.classes) == 2 and data.first_labels.dtype.kind in "iu"
    return not rule.kind.dtype.is_float or (two and rule.kind.shape[1:2] in ((), (1,)))


def adopt_run(model: Network, loss: Losses, seed: int) -> None:
    """Remember what the weights were trained with."""
    prediction = next(iter(model.graph.outputs))
    terms = terms_of(loss, model.graph)
    of_prediction = (t for t in terms if not t.name or t.outputs == (prediction,))
    named = (term.loss.name for term in of_prediction if is_known(term.loss))
    model.loss = next(named, None)
    model.objective = loss
    model.seed = seed
