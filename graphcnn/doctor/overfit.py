"""Whether a network can learn one batch by heart: the first thing that a training must be able to.

A. Karpathy, "A recipe for training neural networks", 2019 (karpathy.github.io): "overfit a single
batch of only a few examples": where the loss does not fall to about zero, something is wrong that
more data will not mend.
"""

import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from graphcnn.data.batch_parts import items_of
from graphcnn.doctor.constants import Constants, constants_of, without_penalties
from graphcnn.errors import DataError, GraphError, TrainingError
from graphcnn.learning.aim import Losses, aim_of
from graphcnn.learning.objective import with_loss
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules import Schedule
from graphcnn.learning.schedules.base import is_number
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import Data, as_dataset, at_least_one, own_labels
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.ops.random import Dropout
from graphcnn.training.fit import chosen_batch_size
from graphcnn.training.history import History
from graphcnn.training.session import Session, checked_seed

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture

#: The part of the loss of the best constant prediction that is left when a batch is learned.
_LEFT: Final = 0.05


@dataclass(frozen=True, eq=False)
class Overfit:
    """What `overfit_one_batch` saw.

    Attributes:
        history: a row for every step: loss and metrics, taken before its update.
        to: the loss that is called learned.
        constants: the losses of predictions that are the same for every item of the batch.
        items: of the batch.
        ended: why it ended.
        dropout: nodes that drop numbers in training, which keep the loss from 0.
    """

    history: History
    to: float
    constants: Constants
    items: int
    ended: str
    dropout: tuple[str, ...] = ()

    @property
    def losses(self) -> list[float]:
        return self.history["loss"] if len(self.history) else []

    @property
    def success(self) -> bool:
        """Whether the loss reached `to`."""
        return any(loss <= self.to for loss in self.losses)

    def __str__(self) -> str:
        if not self.losses:
            return f"one batch of {self.items} items: {self.ended}"
        how = "learned" if self.success else "not learned"
        return (
            f"one batch of {self.items} items: {how} in {len(self.losses)} steps, loss "
            f"{self.losses[0]:.3g} to {min(self.losses):.3g} (learned is {self.to:.3g}; the best "
            f"constant prediction has {self.constants.best:.3g}; {self.ended})"
        )

    def picture(self, title: str = "") -> "Picture":
        """The loss of every step, and the two losses it is compared with, as
        `graphcnn.pictures.one_batch_picture` draws them."""
        from graphcnn.pictures.results.one_batch import one_batch_picture

        return one_batch_picture(self.losses, self.to, self.constants.best, title=title)

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path:
        """Write `picture(title)` in the format of the file's suffix."""
        return self.picture(title).save(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows."""
        if not self.losses:
            return {"text/plain": str(self)}
        return {"image/svg+xml": self.picture().svg(), "text/plain": str(self)}


def overfit_one_batch(
    model: Network,
    data: Data,
    targets: Any = None,
    *,
    loss: Losses | None = None,
    optimizer: str | Optimizer = "adam",
    learning_rate: float | Schedule | None = None,
    batch_size: int | None = None,
    steps: int = 200,
    to: float | None = None,
    seed: int = 0,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
) -> Overfit:
    """Train a copy of the model on the first batch of `fit`, again and again, until it is learned.

        found = model.overfit_one_batch(train)
        assert found.success, found
        found.draw("batch.svg")

    A network and a training that are right learn a batch by heart in few steps. Where the loss does
    not fall, the fault is not in the amount of data: wrong labels of equal images, a rate too small
    or too large, layers that get no gradient, an output that cannot reach its targets.

    The model is left as it is, to the bit, as by `lr_find`. The same seed gives the same losses for
    any number of threads.

    Args:
        data, targets, loss, optimizer, learning_rate, batch_size, runtime, threads, precision,
            tune: as in `fit`.
        steps: at most; fewer where it is learned before.
        to: the loss that is called learned. By default l + 0.05 · (c - l), where c is the loss of
            the best prediction that is the same for all items of the batch, and l that of a perfect
            one: 0, but of shares of classes their entropy.
        seed: of the weights of a model without any, of the batch and of the dropout.

    Raises:
        DataError: data that do not fit the model.
    """
    model.refuse_in_training("overfit_one_batch cannot begin")
    steps, seed = at_least_one(steps, "steps"), checked_seed(seed)
    loss = aim_of(usual_loss(model, loss))
    if to is not None and not is_number(to):
        raise DataError(f"to must be a number, the loss that is called learned, found {to!r}")
    trained = copy.deepcopy(model)
    dataset = as_dataset(data, trained, model.classes, loss=loss, targets=targets)
    size = chosen_batch_size(batch_size, dataset)
    rule = make_optimizer(optimizer)
    rule = (rule if learning_rate is None else rule.at_rate(learning_rate)).over(1, steps)
    session = Session(
        trained,
        loss,
        rule,
        seed=seed,
        data=dataset,
        runtime=runtime,
        threads=threads,
        precision=precision,
        tune=tune,
    )
    batch = next(iter(dataset.epoch(seed, 0, size)), None)
    if batch is None:
        raise DataError(f"{dataset.name!r} gives no batch")
    count = items_of(batch)
    constants = _constants(trained, session, batch, count)
    if to is None:
        least, best = constants.least, constants.best
        known = np.isfinite(best)
        to = least + _LEFT * (best - least) if known and best > least else least + _LEFT * abs(best)
        if not known:
            raise GraphError(
                "say to=, the loss that is called learned: no constant has a finite one"
            )
    history, ended = History(), f"{steps} steps were taken"
    for _ in range(steps):
        try:
            row = session.step(*batch)
        except TrainingError as error:
            ended = f"the loss was not finite: {error}"
            break
        history.rows.append(row)
        history.rates.append(session.last_rate or 0.0)
        if row["loss"] <= to:
            ended = "it was learned"
            break
    session.sync()
    history.ended = ended
    dropping = tuple(
        n.name for n in model.graph.nodes if isinstance(n.op, Dropout) and n.op.rate > 0
    )
    return Overfit(history, float(to), constants, count, ended, dropping)


def _constants(model: Network, session: Session, batch: tuple[Any, ...], count: int) -> Constants:
    """Those of the targets of one batch."""
    labels, loss = own_labels(batch[1], model), without_penalties(session.loss)
    types = fed_types(loss, model.graph, labels)
    rules = Targets.of(with_loss(model.graph, loss, {}, types), model.graph.outputs)
    return constants_of(model.graph, loss, rules.check(labels), types, count, session.execution)
