"""Lion."""

from dataclasses import dataclass

from graphcnn.ir.node import Value
from graphcnn.learning.optimizers.base import Optimizer, Slots
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import Sign, as_type


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """The sign of a mean of momentum and gradient (X. Chen et al., arXiv:2302.06675).

    p -= lr·wd·p                                      decoupled, as in AdamW
    p -= lr · sign(beta1·m + (1 - beta1)·g)
    m = beta2·m + (1 - beta2)·g

    Every step has the size of the learning rate, which is 3 to 10 times less than Adam's; the
    weight decay is as many times more.

    Slot: mean (m).
    """

    suggested_rate = 0.0003
    stays_at_zero = True

    learning_rate: float | Schedule = 1e-4
    beta1: float | Schedule = 0.9
    beta2: float = 0.99

    def __post_init__(self) -> None:
        self._check_scheduled("beta1")
        self._check("beta2", 0, 1)
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean",)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, m, g = as_type(learning_rate, parameter.dtype), slots["mean"], gradient
        beta1 = self._setting("beta1", slots, parameter.dtype)
        # Both means as m + part · (g - m): what they share makes one kernel of the two.
        to_gradient = g - m
        direction = Sign()(m + to_gradient * (1 - beta1))
        new = self._shrunk(parameter, learning_rate) - lr * direction
        return new, {"mean": m + to_gradient * (1 - self.beta2)}
