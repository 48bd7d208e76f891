"""LAMB."""

from dataclasses import KW_ONLY, dataclass

from graphcnn.ir.node import Value
from graphcnn.language.elementwise import where
from graphcnn.learning.optimizers.adam import Adam
from graphcnn.learning.optimizers.base import Slots, is_weight
from graphcnn.learning.optimizers.norms import norm
from graphcnn.learning.schedules import Schedule
from graphcnn.ops.elementwise import Sqrt, as_type


@dataclass(frozen=True, repr=False)
class LAMB(Adam):
    """Adam whose step is as long, in each tensor, as the weights there, for very large batches
    (Y. You et al., arXiv:1904.00962).

    r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon) + wd·p     m, v as in `Adam`
    p -= lr · ‖p‖ / ‖r‖ · r   with 1 in place of the quotient where one of the norms is 0

    Weight decay is decoupled: the statistics do not see it. As in the authors' program,
    parameters of one axis and of norms (biases, gamma, beta) have neither decay nor the quotient.

    Slots: those of `Adam`.
    """

    suggested_rate = 0.005
    stays_at_zero = True

    learning_rate: float | Schedule = 2e-3
    epsilon: float = 1e-6
    _: KW_ONLY
    weight_decay: float = 0.01

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slots: Slots,
        learning_rate: Value,
        step: Value,
    ) -> tuple[Value, Slots]:
        dtype = parameter.dtype
        mean, square, moved = self._moments(gradient, slots)
        first, root = (as_type(each, dtype) for each in self._corrections(slots, step))
        direction = mean / first / (Sqrt()(square) / root + self.epsilon)
        if self.decays(parameter):
            direction = direction + parameter * self.weight_decay
        rate = as_type(learning_rate, dtype)
        if is_weight(parameter):
            weights, length = norm(parameter), norm(direction)
            usable = (weights > 0.0) & (length > 0.0)
            rate = rate * where(usable, weights / length, 1.0)
        return parameter - rate * direction, moved
