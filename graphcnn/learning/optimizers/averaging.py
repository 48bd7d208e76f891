"""Running means of the parameters, beside any optimiser, often better than the last ones."""

from dataclasses import dataclass

from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.language.elementwise import equal, remainder, where
from graphcnn.learning.optimizers.base import AVERAGE, AVERAGED, Slots
from graphcnn.learning.optimizers.wrapper import Wrapper
from graphcnn.learning.schedules import Epochs
from graphcnn.ops.elementwise import Cast, Minimum, as_type

_EPOCH = Epochs(1)


@dataclass(frozen=True, repr=False)
class _Averaging(Wrapper):
    """average += weight · (p - average), after each update of the other optimiser."""

    @property
    def own_slots(self) -> tuple[str, ...]:
        return (AVERAGE,)

    @property
    def counters(self) -> tuple[str, ...]:
        return (*self.optimizer.counters, AVERAGED)

    @property
    def averages(self) -> bool:
        return True

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        new, moved = self.optimizer.update(parameter, gradient, slots, learning_rate, step)
        weight, count = self._weight(slots[AVERAGED], step)
        average = slots[AVERAGE]
        average = average + as_type(weight, new.dtype) * (new - average)
        return new, {**moved, AVERAGE: average, AVERAGED: count}

    def _weight(self, averaged: Value, step: Value) -> tuple[Value, Value]:
        """The weight of this step's parameters, f64[], and how many were averaged with them."""
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class EMA(_Averaging):
    """An exponential moving average of the parameters: `EMA(SGD(0.1), decay=0.999)`.

    average = d·average + (1 - d)·p    after each step, where d = decay

    It begins with the parameters after the first step, as PyTorch's `AveragedModel` does; after t
    more steps these still have a share of d^t, 0.37 of 0.999 after a thousand. With `warmup`,
    d = min(decay, (1 + t) / (10 + t)) after t earlier steps, as in TensorFlow: the first, bad
    parameters are forgotten sooner, which short runs need.

    Slots: those of the other optimiser, and average.
    """

    decay: float = 0.999
    warmup: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("decay", 0, 1, open_below=True)

    def _weight(self, averaged: Value, step: Value) -> tuple[Value, Value]:
        weight = constant_of(1.0 - self.decay, DType.FLOAT64)
        if self.warmup:
            t = Cast(DType.FLOAT64)(averaged)
            weight = 1.0 - Minimum()((t + 1.0) / (t + 10.0), constant_of(self.decay, t.dtype))
        first = equal(averaged, 0)
        return where(first, constant_of(1.0, DType.FLOAT64), weight), averaged + 1


@dataclass(frozen=True, repr=False)
class SWA(_Averaging):
    """The mean of the parameters at several moments late in a run (P. Izmailov et al.,
    arXiv:1803.05407): `SWA(SGD(0.05, momentum=0.9), start=epochs(15))`.

    average = (average · n + p) / (n + 1)    after steps start, start + every, start + 2·every, ...

    Before that the average is the parameters of each step. The paper takes a learning rate that
    stays high, or rises and falls with the same period.

    Slots: those of the other optimiser, and average.
    """

    start: int | Epochs
    every: int | Epochs = _EPOCH

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_length("start")
        self._check_length("every")

    @property
    def counts_steps(self) -> bool:
        return True

    def _weight(self, averaged: Value, step: Value) -> tuple[Value, Value]:
        start, every = self._count("start"), self._count("every")
        since = step - start
        due = (since >= 0) & equal(remainder(since, every), 0)
        count = averaged + Cast(DType.INT64)(due)
        one, none = (constant_of(x, DType.FLOAT64) for x in (1.0, 0.0))
        share = where(due, one / Cast(DType.FLOAT64)(count), none)
        return where(equal(count, 0), one, share), count
