"""Finding a learning rate: a short training under a rate that rises, on a copy of the model.

L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017 (arXiv:1506.01186), as
fastai made it known. The loss is noted at every step. It hardly moves as long as the rate is too
small, falls where it is right, and rises again, or is no number any more, where it is too large.
"""

import copy
import itertools
import math
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError, GraphError, TrainingError
from graphcnn.learning.aim import Losses, aim_of
from graphcnn.learning.optimizers import Optimizer
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.learning.schedules.base import is_number
from graphcnn.network.feeding import Data, as_dataset, at_least_one
from graphcnn.network.network import Network
from graphcnn.network.usual_loss import usual_loss
from graphcnn.training.fit import chosen_batch_size
from graphcnn.training.session import Session, checked_seed

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture

#: The mean of so many last losses tells whether they have diverged.
_LAST = 5


@dataclass(frozen=True)
class RateSweep:
    """What `lr_find` saw.

    Attributes:
        rates, losses: of every step, the losses before its update.
        smooth: so many losses around each make those that are `smoothed`.
        ended: why the sweep ended.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: int
    ended: str

    @property
    def smoothed(self) -> tuple[float, ...]:
        """The mean of `smooth` losses around each; of fewer at the ends."""
        half = self.smooth // 2
        near = (self.losses[max(0, i - half) : i + half + 1] for i in range(len(self.losses)))
        return tuple(math.fsum(each) / len(each) for each in near)

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls fastest by the logarithm of the rate, before
        its minimum; None where it falls nowhere. A slope is that from half of `smooth` steps before
        to as many behind: what is nearer to an end is noise."""
        smoothed, half = self.smoothed, max(1, self.smooth // 2)
        least = smoothed.index(min(smoothed))
        inner = range(half, min(least + 1, len(smoothed) - half))
        falls = [smoothed[i + half] - smoothed[i - half] for i in inner]
        return self.rates[inner[falls.index(min(falls))]] if falls and min(falls) < 0 else None

    @property
    def tenth(self) -> float | None:
        """A tenth of the rate of the least smoothed loss; None where it falls nowhere."""
        smoothed = self.smoothed
        least = smoothed.index(min(smoothed))
        return self.rates[least] / 10 if least else None

    @property
    def suggestion(self) -> float:
        """`steepest`. Raises `DataError` where the loss falls nowhere."""
        if self.steepest is None:
            raise DataError(
                f"no rate from {self.rates[0]:g} to {self.rates[-1]:g} made the loss smaller: try "
                "a smaller low, more steps, or larger batches"
            )
        return self.steepest

    def __str__(self) -> str:
        if self.steepest is None or self.tenth is None:
            return f"the loss fell at no rate; {self.ended}"
        return (
            f"suggested learning rate {self.steepest:.2g}, where the loss falls fastest\n"
            f"(a tenth of where it is least: {self.tenth:.2g}; {self.ended})"
        )

    def picture(self, title: str = "") -> "Picture":
        """Losses over rates, with the suggestions marked, as `graphcnn.pictures.sweep_picture`
        draws them."""
        from graphcnn.pictures.results.sweep import sweep_picture

        return sweep_picture(
            self.rates,
            self.losses,
            self.smoothed,
            {"steepest": self.steepest, "a tenth of the least": self.tenth},
            title=title,
            ended=self.ended,
        )

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path:
        """Write `picture(title)` in the format of the file's suffix."""
        return self.picture(title).save(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows."""
        return {"image/svg+xml": self.picture().svg(), "text/plain": str(self)}


def lr_find(
    model: Network,
    data: Data,
    targets: Any = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    loss: Losses | None = None,
    optimizer: str | Optimizer = "sgd",
    batch_size: int | None = None,
    smooth: int | None = None,
    stop_at: float = 4.0,
    seed: int = 0,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
    tune: bool | None = None,
) -> RateSweep:
    """Suggest a learning rate: train a copy of the model for a few steps under a rate that rises.

        found = cnn.lr_find(model, train, optimizer=cnn.SGD(momentum=0.9))
        found.draw("rates.svg")
        model.fit(train, optimizer=cnn.SGD(found.suggestion, momentum=0.9))

    rate(i) = low · (high / low)^(i / (steps - 1))        i = 0, 1, ..., steps - 1

    The batches are those of `fit` with that seed, whole ones only, epoch after epoch. The model is
    left as it is, to the bit, its running statistics, normalisation and classes as well; one
    without weights stays so, and the sweep begins with those that `fit` would draw. The same seed
    gives the same sweep for any number of threads.

    Args:
        data, targets, loss, batch_size, runtime, threads, precision, tune: as in `fit`.
        steps: from the first rate to the last; fewer where the loss diverges before.
        seed: of the weights of a model without any, of the order, the augmentation and the dropout.
        low, high: the first rate, and the last one unless the loss diverges before.
        optimizer: as in `fit`; its own learning rate is not looked at.
        smooth: losses around each step whose mean is looked at; by default a tenth of the steps.
        stop_at: the sweep ends when the mean of the last five losses is so many times the least
            such mean, and more than the first one; and where a loss is not finite.

    Raises:
        DataError: data that do not fit the model, or rates that do not rise.
        TrainingError: the loss is not finite in the first step.
    """
    if not (is_number(low) and is_number(high) and 0 < low < high):
        raise DataError(f"low and high must be numbers, 0 < low < high, found {low!r}, {high!r}")
    if not is_number(stop_at) or stop_at <= 1:
        raise GraphError(f"stop_at must be greater than 1, found {stop_at!r}")
    steps, seed = at_least_one(steps, "steps"), checked_seed(seed)
    if steps < 3:
        raise DataError(f"a sweep has at least 3 steps, found {steps}")
    window = max(3, steps // 10 | 1) if smooth is None else at_least_one(smooth, "smooth")
    model.refuse_in_training("lr_find cannot begin")
    loss = aim_of(usual_loss(model, loss))
    trained = copy.deepcopy(model)
    dataset = as_dataset(data, trained, model.classes, loss=loss, targets=targets)
    size = chosen_batch_size(batch_size, dataset)
    session = Session(
        trained,
        loss,
        make_optimizer(optimizer).at_rate(low),
        (),
        seed=seed,
        data=dataset,
        runtime=runtime,
        threads=threads,
        precision=precision,
        tune=tune,
    )
    rates = [low * (high / low) ** (i / (steps - 1)) for i in range(steps)]
    losses: list[float] = []
    ended, least, first = f"the rate reached {high:g}", math.inf, math.inf
    batches = _batches(dataset, seed, size)
    for rate, batch in zip(rates, batches, strict=False):
        session.learning_rate = rate
        try:
            losses.append(session.step(*batch)["loss"])
        except TrainingError:
            if not losses:
                raise
            ended = f"the loss was not finite at rate {rate:.2g}"
            break
        last = math.fsum(losses[-_LAST:]) / len(losses[-_LAST:])
        if len(losses) >= _LAST:
            first = last if len(losses) == _LAST else first
            least = min(least, last)
            if least > 0 and last > max(stop_at * least, first):
                ended = f"the loss was {stop_at:g} times its least at rate {rate:.2g}"
                break
    batches.close()
    return RateSweep(tuple(rates[: len(losses)]), tuple(losses), window, ended)


def _batches(data: Dataset, seed: int, size: int) -> Generator[Any, None, None]:
    """Whole batches, epoch after epoch."""
    for epoch in itertools.count():
        yield from data.epoch(seed, epoch, size, drop_last=True)
