"""RMSProp."""

from dataclasses import dataclass

from graphcnn.ir.node import Value
from graphcnn.learning.optimizers.base import Optimizer, Slots
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import Sqrt, as_type


@dataclass(frozen=True, repr=False)
class RMSProp(Optimizer):
    """Gradients divided by their running root mean square (T. Hinton, lecture 6e, 2012).

    g += wd·p       s = decay·s + (1 - decay)·g²       d = g / (sqrt(s) + epsilon)
    p -= lr·d       with momentum m: b = m·b + d, p -= lr·b

    Slots: square (s), and velocity (b) if there is momentum, which may follow a schedule.
    """

    suggested_rate = 0.001
    stays_at_zero = True

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.99
    epsilon: float = 1e-8
    momentum: float | Schedule = 0.0

    def __post_init__(self) -> None:
        self._check("decay", 0, 1)
        self._check("epsilon", 0, open_below=True)
        self._check_scheduled("momentum")
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "velocity") if self.momentum else ("square",)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, g = as_type(learning_rate, parameter.dtype), self._decayed(parameter, gradient)
        square = slots["square"] * self.decay + g * g * (1 - self.decay)
        direction = g / (Sqrt()(square) + self.epsilon)
        if not self.momentum:
            return parameter - lr * direction, {"square": square}
        m = self._setting("momentum", slots, parameter.dtype)
        velocity = slots["velocity"] * m + direction
        return parameter - lr * velocity, {"square": square, "velocity": velocity}
