"""Adam, and Adam with decoupled weight decay."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType
from graphcnn.learning.optimizers.base import QUIET, Optimizer, Slots
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import Cast, Maximum, Sqrt, as_type


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Running mean over running root mean square (D. Kingma, J. Ba, arXiv:1412.6980).

    g += wd·p
    m = beta1·m + (1 - beta1)·g         v = beta2·v + (1 - beta2)·g²
    p -= lr · (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    amsgrad: v̂ = max(v̂, v) stands in the place of v in the last line (S. Reddi et al., ICLR 2018).

    Slots: mean (m), square (v), and largest (v̂) with `amsgrad`. The two corrections are computed in
    float64: in float32 1 - 0.999 is wrong from its fifth digit on. beta1 may follow a schedule.
    """

    suggested_rate = 0.002
    stays_at_zero = True

    learning_rate: float | Schedule = 1e-3
    beta1: float | Schedule = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    amsgrad: bool = field(default=False, metadata=QUIET)

    def __post_init__(self) -> None:
        self._check_scheduled("beta1")
        self._check("beta2", 0, 1)
        self._check("epsilon", 0, open_below=True)
        super().__post_init__()

    @property
    def slots(self) -> tuple[str, ...]:
        return ("mean", "square", "largest") if self.amsgrad else ("mean", "square")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        return self._adam(parameter, self._decayed(parameter, gradient), slots, learning_rate, step)

    def _adam(
        self, parameter: Value, g: Value, slots: Slots, learning_rate: Value, step: Value
    ) -> tuple[Value, Slots]:
        mean, square, moved = self._moments(g, slots)
        first, root = self._corrections(slots, step)
        rate = as_type(as_type(learning_rate, DType.FLOAT64) / first, g.dtype)
        root = as_type(root, g.dtype)
        return parameter - rate * mean / (Sqrt()(square) / root + self.epsilon), moved

    def _moments(self, g: Value, slots: Slots) -> tuple[Value, Value, dict[str, Value]]:
        """m, v or v̂, and the new slots."""
        beta1 = self._setting("beta1", slots, g.dtype)
        mean = slots["mean"] * beta1 + g * (1 - beta1)
        square = slots["square"] * self.beta2 + g * g * (1 - self.beta2)
        moved = {"mean": mean, "square": square}
        if self.amsgrad:
            moved["largest"] = square = Maximum()(slots["largest"], square)
        return mean, square, moved

    def _corrections(self, slots: Slots, step: Value) -> tuple[Value, Value]:
        """1 - beta1^t and sqrt(1 - beta2^t), f64[]."""
        t = Cast(DType.FLOAT64)(step)
        first = correction(self._setting("beta1", slots, DType.FLOAT64), t)
        return first, Sqrt()(correction(self.beta2, t))


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with weight decay outside of it (I. Loshchilov, F. Hutter, arXiv:1711.05101).

    p -= lr·wd·p, then the step of `Adam` with the gradient as it is.
    """

    _: KW_ONLY
    weight_decay: float = 0.01
    stays_at_zero = True

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        p = self._shrunk(parameter, learning_rate)
        return self._adam(p, gradient, slots, learning_rate, step)


def correction(beta: Any, t: Value) -> Value:
    """1 - beta^t: what the running mean of a constant 1 has reached after t steps."""
    return 1.0 - (beta if isinstance(beta, Value) else constant_of(beta, t.dtype)) ** t
