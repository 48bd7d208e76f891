"""Differentiate several losses and update the parameters of each, in one graph.

A loss is differentiated by the parameters that it trains, and by no others. Where a goal comes
after another, its loss is that of the parameters which that one has just updated: what depends on
them is computed again with the new values, all else is shared.

    g = d loss / d trained          before any update
    g = d loss(new) / d trained     where new are the values that the goals before have made
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from graphcnn.errors import GradientError, GraphError
from graphcnn.ir.graph import Graph, rebuilt, state_of, topological_order, with_inputs
from graphcnn.ir.node import Node, Value
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Role, State
from graphcnn.learning.goals import Goals
from graphcnn.learning.optimizers import Optimizer
from graphcnn.ops.norm import BatchNorm, BatchNormTrain
from graphcnn.ops.random import Dropout
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.apply_optimizer import Pair, Updates, rested
from graphcnn.passes.training.backward import Rules, gradients
from graphcnn.passes.training.shares import Shares

LOSS = "loss"


def loss_key(goal: str) -> str:
    """The output that holds the loss of a goal."""
    return f"{goal}_{LOSS}" if goal else LOSS


@dataclass(frozen=True)
class TrainGoals(Pass):
    """Gradients and updates of all goals whose losses the graph has.

    Attributes:
        trained: the parameters of each goal.
        optimizer: None leaves the gradients as outputs, and the parameters as they are.
        keep: leave the gradients as outputs beside the updates.
        resting: parameters that stay as they are.
        shards: into how many parts the batch is cut.
        rules: as in `gradients`.

    The output `loss` is the sum of the losses. Without goals the graph stays as it is.
    """

    goals: Goals = field(default_factory=lambda: Goals(()))
    trained: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optimizer: Optimizer | None = None
    keep: bool = False
    resting: frozenset[str] = frozenset()
    shards: int = 1
    rules: Rules = "plain"

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "training"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        if not self.goals:
            return graph
        parameters = {state_of(p).key: p for p in graph.parameters}
        shares = Shares.of(graph, self.shards) if self.shards > 1 else None
        optimizer = self.optimizer
        updates = None if optimizer is None else Updates.of(graph, optimizer, self.name)
        outputs, seen = dict(graph.outputs), _Seen()
        moved: dict[str, dict[Value, Value]] = {}
        total: Value | None = None
        for name in self.goals.in_order:
            if loss_key(name) not in graph.outputs:
                continue
            new = {p: v for each in self.goals.before(name) for p, v in moved.get(each, {}).items()}
            keys = [key for key in graph.outputs if self.goals.owner(key) == name]
            # Differentiated before the new values come in: no gradient goes
            # through an update.
            pairs = self._gradients(name, graph.outputs[loss_key(name)], parameters, log)
            values = [*(outputs[key] for key in keys), *(g for _, g in pairs)]
            found = seen.with_new(values, new)
            outputs.update(zip(keys, found[: len(keys)], strict=True))
            pairs = [(p, g) for (p, _), g in zip(pairs, found[len(keys) :], strict=True)]
            if shares is not None:
                pairs = [(p, shares.total(g, GRADIENT + state_of(p).key)) for p, g in pairs]
                loss = shares.total(outputs[loss_key(name)], loss_key(name))
                outputs[loss_key(name)] = loss
            one = outputs[loss_key(name)]
            total = one if total is None else total + one
            kept = [(p, g) for p, g in pairs if state_of(p).key not in self.resting]
            if self.keep or updates is None:
                outputs.update({GRADIENT + state_of(p).key: g for p, g in kept})
            if updates is not None and pairs:
                every = self.goals[name].every
                before = f"{name}_" if name else ""
                updates.add(pairs, outputs, before, f"{name}." if every > 1 else "")
                moved[name] = {p: updates.made[p] for p, _ in kept}
        assert total is not None
        outputs = {LOSS: total, **{key: v for key, v in outputs.items() if key != LOSS}}
        made = graph.updates if updates is None else updates.made
        whole = graph.with_outputs(outputs, {**made, **seen.by_owners(graph.updates)})
        if updates is None or not self.resting:
            return whole
        still = [parameters[key] for key in self.resting if key in parameters]
        return rested(whole, {key for p in still for key in updates.slots_of(p)})

    def _gradients(
        self, name: str, loss: Value, parameters: Mapping[str, Value], log: PassLog
    ) -> list[Pair]:
        """The parameters that a goal trains, with the derivatives of its loss."""
        missing = [key for key in self.trained[name] if key not in parameters]
        if missing:
            raise GradientError(
                f"the loss{f' of goal {name!r}' if name else ''} does not depend on {missing[0]}, "
                f"which it is to train (trains={', '.join(self.goals[name].patterns)})"
            )
        wrt = [parameters[key] for key in self.trained[name]]
        try:
            found = gradients(loss, wrt, self.rules)
        except GradientError as error:
            what = f"goal {name!r}: " if name else ""
            raise GradientError(f"{what}{error}") from None
        log.fired[name or "loss"] += len(wrt)
        return [*zip(wrt, found, strict=True)]


class _Seen:
    """Which value of a node each goal sees."""

    def __init__(self) -> None:
        self._owned: set[Node] = set()
        self._again: dict[Value, Value] = {}

    def with_new(self, values: list[Value], new: Mapping[Value, Value]) -> list[Value]:
        """Values of one goal with new ones of some parameters."""
        known = dict(new)
        order = topological_order([v.node for v in values])
        for node in order:
            inputs = tuple(known.get(v, v) for v in node.inputs)
            if inputs != node.inputs:
                with inherit(node.origin):
                    again = with_inputs(node, inputs).outputs
                known.update(zip(node.outputs, again, strict=True))
                if node not in self._owned:
                    self._again.update(zip(node.outputs, again, strict=True))
        self._owned.update(order)
        return [known.get(v, v) for v in values]

    def by_owners(self, updates: Mapping[Value, Value]) -> dict[Value, Value]:
        """Updates, averages of norms among them, of what the first goal that computes a value sees:
        a norm moves its averages once, wherever it stands."""
        if not self._again:
            return dict(updates)
        return dict(zip(updates, rebuilt(updates.values(), self._again), strict=True))


def refuse_derived_norms(graph: Graph, names: Iterable[str]) -> None:
    """Raise `GraphError` where a loss holds a derivative through a node that training computes in
    another form than it was differentiated in: a batch normalisation by statistics of the batch, a
    dropout."""
    nodes = topological_order([graph.outputs[name].node for name in names])
    derived = {n.origin.forward for n in nodes if "backward" in n.origin.passes}
    # A derivative may be all that is left of a normalisation in a loss: it reads its statistics.
    read = {state for n in nodes if "backward" in n.origin.passes for state in _statistics(n)}
    for node in nodes:
        moved = isinstance(node.op, BatchNorm | BatchNormTrain) and any(
            isinstance(v.node.op, State) and state_of(v).trainable for v in node.inputs
        )
        if "backward" in node.origin.passes:
            continue
        if node.name not in derived and not read.intersection(_statistics(node)):
            continue
        if moved or (isinstance(node.op, Dropout) and node.op.rate > 0):
            where = f" ({node.origin.location})" if node.origin.location else ""
            raise GraphError(
                f'a loss holds a derivative through {node.op.name} "{node.name}"{where}, which '
                "training computes in another form (of the batch, at random) than it was "
                "differentiated in: take layer_norm or group_norm there, or freeze it"
            )


def _statistics(node: Node) -> set[Value]:
    """The running means and variances that a node reads."""
    states = [v for v in node.inputs if isinstance(v.node.op, State)]
    return {v for v in states if state_of(v).role is Role.STATISTIC}
