"""Adagrad, and Adadelta, which came of it."""

from dataclasses import dataclass

from graphcnn.ir.node import Value
from graphcnn.learning.optimizers.base import Optimizer, Slots
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import Sqrt, as_type


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of all squares so far (J. Duchi et al., JMLR 2011).

    g += wd·p       s = s + g²       p -= lr · g / (sqrt(s) + epsilon)

    Slot: square (s).
    """

    stays_at_zero = True

    learning_rate: float | Schedule = 0.01
    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        self._check("epsilon", 0, open_below=True)
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        lr, g = as_type(learning_rate, parameter.dtype), self._decayed(parameter, gradient)
        square = slots["square"] + g * g
        return parameter - lr * (g / (Sqrt()(square) + self.epsilon)), {"square": square}


@dataclass(frozen=True, repr=False)
class Adadelta(Optimizer):
    """Steps in the unit of the parameters, by the steps before (M. Zeiler, arXiv:1212.5701).

    g += wd·p       s = decay·s + (1 - decay)·g²       d = sqrt(a + epsilon) / sqrt(s + epsilon) · g
    p -= lr·d       a = decay·a + (1 - decay)·d²

    Slots: square (s), moved (a).
    """

    stays_at_zero = True

    learning_rate: float | Schedule = 1.0
    decay: float = 0.9
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        self._check("decay", 0, 1)
        self._check("epsilon", 0, open_below=True)
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "moved")

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
        delta = Sqrt()(slots["moved"] + self.epsilon) / Sqrt()(square + self.epsilon) * g
        moved = slots["moved"] * self.decay + delta * delta * (1 - self.decay)
        return parameter - lr * delta, {"square": square, "moved": moved}
