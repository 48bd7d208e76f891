"""Stochastic gradient descent."""

from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value
from graphcnn.learning.optimizers.base import Optimizer, Slots
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import as_type


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum m (I. Sutskever et al., ICML 2013).

    g += wd·p       v = m·v + g       p -= lr·v       nesterov: p -= lr·(g + m·v)

    Slot: velocity, if there is momentum. The momentum may follow a schedule.
    """

    suggested_rate = 0.05
    suggested_momentum = 0.9
    stays_at_zero = True

    learning_rate: float | Schedule = 0.01
    momentum: float | Schedule = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        self._check_scheduled("momentum")
        if self.nesterov and not self.momentum:
            raise GraphError("SGD: nesterov needs a momentum greater than 0, found 0")
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, g = as_type(learning_rate, parameter.dtype), self._decayed(parameter, gradient)
        if not self.momentum:
            return parameter - lr * g, {}
        m = self._setting("momentum", slots, parameter.dtype)
        v = slots["velocity"] * m + g
        direction = g + v * m if self.nesterov else v
        return parameter - lr * direction, {"velocity": v}
