"""Turn the definition of a network, which is its inference form, into its training form.

    batch_norm(x, γ, β, μ, σ²)  ->  batch_norm_train(x, γ, β), and running averages of μ and σ²,
                                    where these are states that keep statistics
    dropout(x; rate)            ->  x · (u >= rate) / (1 - rate), with u uniform in [0, 1)
    in_training(p, t)           ->  t
    random_uniform(s, t)        ->  random_uniform of the step, where s and t are constants: a
                                    model that draws numbers draws others at every step

Random numbers come from the counter-based generator, keyed by the states `training.seed` and
`training.step`, so that a step draws the same numbers however often and wherever it is run.

Where the batch is cut into shards (`graphcnn.passes.training.distribute`), each draws the numbers
of its own items, and the averages take the mean of what the shards found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant as Fill
from graphcnn.ir.node import Node, Value, build, constant_of
from graphcnn.ir.sources import Constant, Role, State
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.elementwise import Add, Cast, Maximum, Mul
from graphcnn.ops.norm import BatchNorm, BatchNormTrain
from graphcnn.ops.random import Dropout, InTraining, RandomUniform
from graphcnn.ops.shape import ElementCount
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.shares import Shares

SEED, STEP = "training.seed", "training.step"


def counter(key: str, role: Role) -> Value:
    """A whole number that lives from step to step, 0 at first."""
    return State(key, TensorType((), DType.INT64), role, False, Fill(0))(name=key)


def find_or_make(graph: Graph, key: str, role: Role) -> Value:
    """The graph's state `key`, or a new counter."""
    known = [s for s in graph.states if state_of(s).key == key]
    return known[0] if known else counter(key, role)


@dataclass(frozen=True)
class TrainingMode(Pass):
    """Batch statistics, active dropout, a step counter. Frozen batch norms keep their averages.

    Attributes:
        shards: into how many parts the batch is cut.
    """

    shards: int = 1

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "training"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        seed = find_or_make(graph, SEED, Role.SETTING)
        step = find_or_make(graph, STEP, Role.COUNTER)
        if step in graph.updates:
            return graph
        now = step + 1
        updates: dict[Value, Value] = {step: now}
        streams = iter(range(1, len(graph.nodes) + 1))
        shares = Shares.of(graph, self.shards) if self.shards > 1 else None

        def draw(node: Node, op: RandomUniform, first: Value, name: str = "") -> Value:
            """The numbers of a whole batch, or of the items that a shard has of it."""
            row = () if shares is None else shares.first_of(op.shape, node)
            return op(first, now, *row, name=name)

        def training_form(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            if isinstance(node.op, BatchNorm) and _keeps_statistics(inputs) and _trainable(inputs):
                log.fired["batch_norm_train"] += 1
                return [_batch_statistics(node, node.op, inputs, updates, shares)]
            if isinstance(node.op, InTraining):
                log.fired["in_training"] += 1
                return [inputs[1]]
            if isinstance(node.op, Dropout) and node.op.rate == 0:
                return [inputs[0]]
            if isinstance(node.op, Dropout):
                log.fired["dropout"] += 1
                drawn = RandomUniform(inputs[0].shape, next(streams), inputs[0].dtype)
                return [_drop(node, node.op.rate, inputs[0], draw(node, drawn, seed))]
            if isinstance(node.op, RandomUniform) and _of_model(node):
                log.fired["random_uniform"] += 1
                first = Add()(seed, inputs[0])
                return [draw(node, node.op, first, node.name)]
            return None

        new = graph.transform(training_form, by=self.name)
        return new.with_outputs(new.outputs, {**new.updates, **updates})


def _of_model(node: Node) -> bool:
    """Whether a model draws numbers by its definition, always the same ones."""
    return all(isinstance(v.node.op, Constant) for v in node.inputs)


def _keeps_statistics(inputs: Sequence[Value]) -> bool:
    """Whether mean and variance are kept from batch to batch.

    Others are part of the definition, in training as in inference: numbers that the graph computes
    (their gradient runs through what they are made of), constants, parameters.
    """
    kept = (isinstance(v.node.op, State) and v.node.op.role is Role.STATISTIC for v in inputs[3:])
    return all(kept) and inputs[3] is not inputs[4]


def _trainable(inputs: Sequence[Value]) -> bool:
    """Whether a parameter is trained, or a statistic is to be moved all the same."""
    return any(state_of(v).trainable for v in inputs[1:] if isinstance(v.node.op, State))


def _batch_statistics(
    node: Node,
    op: BatchNorm,
    inputs: Sequence[Value],
    updates: dict[Value, Value],
    shares: Shares | None,
) -> Value:
    """The training form of one batch norm; the averages it moves are added to `updates`.

    running += momentum · (batch - running), where the variance is the unbiased one of the batch,
    n / (n - 1) times the one that normalises.
    """
    x, gamma, beta, *running = inputs
    y, mean, variance = build(BatchNormTrain(op.epsilon), (x, gamma, beta), node.name).outputs
    count = ElementCount((x.shape[0], *x.shape[2:]), x.dtype)()
    others = Maximum()(count - 1.0, constant_of(1.0, x.dtype))
    unbiased = variance * (count / others)
    for state, batch in zip(running, (mean, unbiased), strict=True):
        if shares is not None:
            batch = shares.mean(batch, state_of(state).key)
        average = updates.get(state, state)
        updates[state] = average + (batch - average) * op.momentum
    return y


def _drop(node: Node, rate: float, x: Value, u: Value) -> Value:
    """x where a uniform number is at least the rate, scaled so that the mean stays the same."""
    kept = Cast(x.dtype)(u >= rate)
    return Mul()(x, kept * (1.0 / (1.0 - rate)), name=node.name)
