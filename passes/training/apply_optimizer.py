"""Make the update of every parameter part of the graph, so that a training step is one graph.

The optimiser's slots (velocities, moments) and the learning rate become states; outputs that hold
gradients are consumed. With `clip_norm` all gradients are first scaled by
min(1, clip_norm / (norm + 1e-6)), where norm is the Euclidean norm of all of them together
(R. Pascanu, T. Mikolov, Y. Bengio, arXiv:1211.5063); with `clip_norm_each` each by its own norm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from graphcnn.errors import GradientError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.optimizers import SGD, Optimizer
from graphcnn.learning.optimizers.base import AVERAGE, AVERAGED
from graphcnn.learning.schedules import schedule
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Clip
from graphcnn.ops.elementwise import Cast, Minimum, Mul, Sqrt
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.training_mode import STEP, counter, find_or_make

LEARNING_RATE = "training.learning_rate"

#: A parameter and its gradient.
Pair = tuple[Value, Value]


def total_norm(gradients: Sequence[Value]) -> Value:
    """sqrt(sum of squares) over all elements of all gradients."""
    squares = [Sum(tuple(range(g.type.rank)))(g * g) for g in gradients]
    total = squares[0]
    for square in squares[1:]:
        total = total + square
    return Sqrt()(total)


def setting_key(name: str) -> str:
    """The state of a setting that follows a schedule, or of a counter of an optimiser."""
    return f"training.{name}"


def slot_key(key: str, slot: str) -> str:
    """The state of a slot of a parameter."""
    return f"{key}.{slot}"


def settings_at(optimizer: Optimizer, step: int, rate: float) -> dict[str, Array]:
    """The values of the settings before a step, where the learning rate is this one."""
    others = {setting_key(name): follows.at(step) for name, follows in optimizer.settings.items()}
    return {key: np.array(x, np.float32) for key, x in {LEARNING_RATE: rate, **others}.items()}


def averages_among(states: Mapping[str, Array], keys: Sequence[str]) -> dict[str, Array]:
    """The running means of these parameters, which are they themselves before anything is
    averaged."""
    begun = bool(states[setting_key(AVERAGED)])
    kept = [key for key in keys if slot_key(key, AVERAGE) in states]
    return {key: states[slot_key(key, AVERAGE) if begun else key] for key in kept}


@dataclass(frozen=True)
class ApplyOptimizer(Pass):
    """Replace the outputs that hold gradients by updates of the parameters.

    With a clip norm, the norm before clipping becomes the output `gradient_norm`.

    Attributes:
        keep: leave the outputs, too, so that gradients can be looked at and changed between.
        resting: parameters that stay as they are, and so do their slots: their gradients are
            neither kept nor wanted.
    """

    optimizer: Optimizer = field(default_factory=lambda: SGD(0.01))
    keep: bool = False
    resting: frozenset[str] = frozenset()

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
            k: v
            for k, v in graph.outputs.items()
            if not k.startswith(GRADIENT)
            or (self.keep and k.removeprefix(GRADIENT) not in self.resting)
        }
        pairs = self._clipped(pairs, outputs)
        updates = dict(graph.updates)
        step = find_or_make(graph, STEP, Role.COUNTER)
        rate = _setting(LEARNING_RATE, schedule(self.optimizer.learning_rate).at(1))
        common = {
            name: _setting(setting_key(name), follows.at(1))
            for name, follows in self.optimizer.settings.items()
        }
        for name in self.optimizer.counters:
            common[name] = counter(setting_key(name), Role.COUNTER)
        # A group may be of frozen parameters, which a later run trains.
        states = map(state_of, graph.states)
        rules = self.optimizer.grouped(tuple(s.key for s in states if s.role is Role.PARAMETER))
        for parameter, gradient in pairs:
            rule, factor = rules[state_of(parameter).key]
            # The update belongs to the line that made the parameter.
            origin = replace(parameter.node.origin.by(self.name), forward="")
            with inherit(origin):
                times = common[factor] if isinstance(factor, str) else factor
                own = rate if factor == 1 else rate * times
                _update(rule, parameter, gradient, own, updates.get(step, step), common, updates)
        log.fired[type(self.optimizer).__name__] += len(pairs)
        whole = graph.with_outputs(outputs, updates)
        still = {
            key
            for name in self.resting
            for key in (name, *(slot_key(name, s) for s in rules[name][0].slots_of(wanted[name])))
        }
        return _rested(whole, still) if still else whole

    def _clipped(self, pairs: list[Pair], outputs: dict[str, Value]) -> list[Pair]:
        """The gradients as the optimiser is to see them."""
        by = self.optimizer
        if by.clip_norm is not None:
            norm = outputs["gradient_norm"] = total_norm([g for _, g in pairs])
            scale = _at_most(by.clip_norm, norm)
            return [(p, Mul()(g, Cast(g.dtype)(scale))) for p, g in pairs]
        if by.clip_norm_each is not None:
            scales = [_at_most(by.clip_norm_each, total_norm([g])) for _, g in pairs]
            return [(p, Mul()(g, scale)) for (p, g), scale in zip(pairs, scales, strict=True)]
        if by.clip_value is not None:
            return [(p, Clip(-by.clip_value, by.clip_value)(g)) for p, g in pairs]
        return pairs


def _rested(whole: Graph, still: set[str]) -> Graph:
    """A step that leaves some states as they are: on the states of the whole one, so that the two
    can follow each other."""
    updates = {s: s if state_of(s).key in still else new for s, new in whole.updates.items()}
    rested = whole.with_outputs(whole.outputs, updates)
    read = {state_of(s).key for s in rested.states}
    unread = {s: s for s in whole.states if state_of(s).key not in read}
    return rested.with_outputs(rested.outputs, {**updates, **unread})


def _at_most(limit: float, norm: Value) -> Value:
    """What makes a norm at most the limit."""
    return Minimum()(limit / (norm + 1e-6), constant_of(1.0, norm.dtype))


def _update(
    rule: Optimizer,
    parameter: Value,
    gradient: Value,
    rate: Value,
    step: Value,
    common: Mapping[str, Value],
    updates: dict[Value, Value],
) -> None:
    """Add the update of one parameter, of its slots, and of what all of them share."""
    keys = {name: slot_key(state_of(parameter).key, name) for name in rule.slots_of(parameter)}
    slots = {
        name: State(key, parameter.type, Role.SLOT, False)(name=key) for name, key in keys.items()
    }
    known = {**common, **slots}
    new, moved = rule.update(parameter, gradient, known, rate, step)
    updates[parameter] = new
    updates.update({known[name]: value for name, value in moved.items()})


def _setting(key: str, initial: float) -> Value:
    """A number that is set from outside before each step."""
    kind = TensorType((), DType.FLOAT32)
    return State(key, kind, Role.SETTING, False, Constant(initial))(name=key)
