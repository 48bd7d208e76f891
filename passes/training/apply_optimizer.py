"""Make the update of every parameter part of the graph, so that a training step is one graph.

The optimiser's slots (velocities, moments) and the learning rate become states; outputs that hold
gradients are consumed. With `clip_norm` all gradients are first scaled by
min(1, clip_norm / (norm + 1e-6)), where norm is the Euclidean norm of all of them together
(R. Pascanu, T. Mikolov, Y. Bengio, arXiv:1211.5063); with `clip_norm_each` each by its own norm.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from graphcnn.errors import GradientError, GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.learning.optimizers import SGD, Optimizer
from graphcnn.learning.optimizers.base import AVERAGE
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


def averages_among(
    states: Mapping[str, Array],
    keys: Sequence[str],
    optimizer: Optimizer,
    apart: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """The running means of these parameters, as far as the optimiser keeps some, which are they
    themselves before anything is averaged. `apart` are the names under which updates of some are
    counted; see `Updates.add`."""
    found = {}
    for key in keys:
        if slot_key(key, AVERAGE) in states:
            name = f"{(apart or {}).get(key, '')}{optimizer.averaged_counter(key)}"
            begun = bool(states[setting_key(name)])
            found[key] = states[slot_key(key, AVERAGE) if begun else key]
    return found


@dataclass(frozen=True, eq=False)
class Updates:
    """The updates of one step: of parameters, and of the states that all of them share.

    Attributes:
        made: the new values so far.
        step: the number of the step, counted from 1.
        common: settings and counters by name.
        rules: the rule of each parameter and its factor on the rate.
    """

    optimizer: Optimizer
    made: dict[Value, Value]
    step: Value
    rate: Value
    common: Mapping[str, Value]
    rules: Mapping[str, tuple[Optimizer, float | str]]
    by: str

    @classmethod
    def of(cls, graph: Graph, optimizer: Optimizer, by: str) -> Self:
        """Those of a graph whose own updates (averages of norms, the number of the step) stand."""
        updates = dict(graph.updates)
        step = find_or_make(graph, STEP, Role.COUNTER)
        rate = _setting(LEARNING_RATE, schedule(optimizer.learning_rate).at(1))
        common = {
            name: _setting(setting_key(name), follows.at(1))
            for name, follows in optimizer.settings.items()
        }
        for name in optimizer.counters:
            common[name] = counter(setting_key(name), Role.COUNTER)
        # A group may be of frozen parameters, which a later run trains.
        states = map(state_of, graph.states)
        rules = optimizer.grouped(tuple(s.key for s in states if s.role is Role.PARAMETER))
        return cls(optimizer, updates, updates.get(step, step), rate, common, rules, by)

    def add(
        self,
        pairs: Sequence[Pair],
        outputs: dict[str, Value],
        name: str = "",
        apart: str = "",
    ) -> None:
        """Add the updates of some parameters, and as an output the norm of their gradients, where
        they are clipped by it.

        Args:
            name: before the name of the norm.
            apart: before the names of counters of their own, their number of updates among them:
                for those that are not updated at every step.

        Raises `GraphError` for a parameter that has no optimiser.
        """
        keys = {state_of(p).key: (p, g) for p, g in pairs}
        left = [key for key in keys if key not in self.rules]
        if left:
            raise GraphError(
                f"no optimiser changes {', '.join(left[:6])}{', ...' * (len(left) > 6)}: name "
                f"{'them' if len(left) > 1 else 'it'} in a pattern of optimizer=, or "
                f"model.freeze({left[0]!r})"
            )
        step, common = self.step, self.common
        if apart:
            for key in keys:
                if self.rules[key][0].counts_steps:
                    raise GraphError(
                        f"{self.rules[key][0]!r} begins at a step of the run, and {key} is not "
                        "updated at every step: average it by EMA, or train it in every step"
                    )
            before = counter(setting_key(f"{apart}step"), Role.COUNTER)
            step = self.made[before] = before + 1
            own_counters = self.optimizer.counters
            keyed = {each: setting_key(f"{apart}{each}") for each in own_counters}
            common = {**common, **{n: counter(key, Role.COUNTER) for n, key in keyed.items()}}
        parts = self.optimizer.parts(tuple(self.rules))
        for suffix, (optimizer, names) in parts.items():
            own = {*names}
            chosen = [pair for key, pair in keys.items() if key in own]
            norm = f"{name}gradient_norm{suffix}"
            for parameter, gradient in _clipped(optimizer, chosen, outputs, norm):
                self._add(parameter, gradient, step, common)

    def _add(
        self, parameter: Value, gradient: Value, step: Value, common: Mapping[str, Value]
    ) -> None:
        rule, factor = self.rules[state_of(parameter).key]
        # The update belongs to the line that made the parameter.
        origin = replace(parameter.node.origin.by(self.by), forward="")
        with inherit(origin):
            times = common[factor] if isinstance(factor, str) else factor
            own = self.rate if factor == 1 else self.rate * times
            _update(rule, parameter, gradient, own, step, common, self.made)

    def slots_of(self, parameter: Value) -> list[str]:
        """The keys of a parameter and its slots."""
        key = state_of(parameter).key
        return [key, *(slot_key(key, s) for s in self.rules[key][0].slots_of(parameter))]


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
        updates = Updates.of(graph, self.optimizer, self.name)
        updates.add(pairs, outputs)
        log.fired[type(self.optimizer).__name__] += len(pairs)
        whole = graph.with_outputs(outputs, updates.made)
        still = {key for name in self.resting for key in updates.slots_of(wanted[name])}
        return rested(whole, still) if still else whole


def _clipped(
    by: Optimizer, pairs: Sequence[Pair], outputs: dict[str, Value], name: str
) -> Sequence[Pair]:
    """The gradients as the optimiser is to see them."""
    if not pairs:
        return pairs
    if by.clip_norm is not None:
        norm = outputs[name] = total_norm([g for _, g in pairs])
        scale = _at_most(by.clip_norm, norm)
        return [(p, Mul()(g, Cast(g.dtype)(scale))) for p, g in pairs]
    if by.clip_norm_each is not None:
        scales = [_at_most(by.clip_norm_each, total_norm([g])) for _, g in pairs]
        return [(p, Mul()(g, scale)) for (p, g), scale in zip(pairs, scales, strict=True)]
    if by.clip_value is not None:
        return [(p, Clip(-by.clip_value, by.clip_value)(g)) for p, g in pairs]
    return pairs


def rested(whole: Graph, still: Collection[str]) -> Graph:
    """A step that leaves some states as they are: on the states of the whole one, so that the two
    can follow each other."""
    updates = {s: s if state_of(s).key in still else new for s, new in whole.updates.items()}
    return with_states_of(whole, whole.with_outputs(whole.outputs, updates))


def with_states_of(whole: Graph, part: Graph) -> Graph:
    """A part of a step with all states of the whole one, where it leaves some out: these stay."""
    known = {state_of(s).key: s for s in part.states}
    updated = {state_of(s).key for s in part.updates}
    wanted = {state_of(s).key for s in whole.updates}
    unread = {
        known.get(key, s): known.get(key, s)
        for s in whole.states
        if (key := state_of(s).key) not in updated and (key in wanted or key not in known)
    }
    return part.with_outputs(part.outputs, {**part.updates, **unread})


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
