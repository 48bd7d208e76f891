"""Make the update of every parameter part of the graph, so that a training step is one graph.

The optimiser's slots (velocities, moments) and the learning rate become states; outputs that hold
gradients are consumed. With `clip_norm` all gradients are first scaled by
min(1, clip_norm / (norm + 1e-6)), where norm is the Euclidean norm of all of them together
(R. Pascanu, T. Mikolov, Y. Bengio, arXiv:1211.5063).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from graphcnn.errors import GradientError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.optimizers import SGD, Optimizer
from graphcnn.learning.schedules import schedule
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Cast, Minimum, Mul, Sqrt
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.training_mode import STEP, find_or_make

LEARNING_RATE = "training.learning_rate"


def total_norm(gradients: Sequence[Value]) -> Value:
    """sqrt(sum of squares) over all elements of all gradients."""
    squares = [Sum(tuple(range(g.type.rank)))(g * g) for g in gradients]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return Sqrt()(total)


@dataclass(frozen=True)
class ApplyOptimizer(Pass):
    """Replace the outputs that hold gradients by updates of the parameters.

    With a clip norm, the norm before clipping becomes the output `gradient_norm`.

    Attributes:
        keep: leave the outputs, too, so that gradients can be looked at and changed between.
    """

    optimizer: Optimizer = field(default_factory=lambda: SGD(0.01))
    keep: bool = False

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "training"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        wanted = {state_of(p).key: p for p in graph.parameters}
        pairs = [
            (wanted[key.removeprefix(GRADIENT)], value)
            for key, value in graph.outputs.items()
            if key.startswith(GRADIENT)
        ]
        if not pairs:
            raise GradientError(f"graph {graph.name!r} has no gradients; run backward first")
        outputs = {
            k: v for k, v in graph.outputs.items() if self.keep or not k.startswith(GRADIENT)
        }
        if self.optimizer.clip_norm is not None:
            norm = total_norm([g for _, g in pairs])
            outputs["gradient_norm"] = norm
            one = constant_of(1.0, norm.dtype)
            scale = Minimum()(self.optimizer.clip_norm / (norm + 1e-6), one)
            pairs = [(p, Mul()(g, Cast(g.dtype)(scale))) for p, g in pairs]
        updates = dict(graph.updates)
        step = find_or_make(graph, STEP, Role.COUNTER)
        rate = _learning_rate(schedule(self.optimizer.learning_rate).at(1))
        for parameter, gradient in pairs:
            # The update belongs to the line that made the parameter.
            origin = replace(parameter.node.origin.by(self.name), forward="")
            with inherit(origin):
                self._update(parameter, gradient, rate, updates.get(step, step), updates)
        log.fired[type(self.optimizer).__name__] += len(pairs)
        return graph.with_outputs(outputs, updates)

    def _update(
        self,
        parameter: Value,
        gradient: Value,
        rate: Value,
        step: Value,
        updates: dict[Value, Value],
    ) -> None:
        key = state_of(parameter).key
        slots = {
            name: State(f"{key}.{name}", parameter.type, Role.SLOT, False)(name=f"{key}.{name}")
            for name in self.optimizer.slots
        }
        new, moved = self.optimizer.update(parameter, gradient, slots, rate, step)
        updates[parameter] = new
        updates.update({slots[name]: value for name, value in moved.items()})


def _learning_rate(initial: float) -> Value:
    kind = TensorType((), DType.FLOAT32)
    state = State(LEARNING_RATE, kind, Role.SETTING, False, Constant(initial))
    return state(name=LEARNING_RATE)
