"""The invariants of a graph, checked by recomputing: types are inferred anew and compared.

    verify(graph)                          what every graph keeps
    verify(graph, stage="training+bound")  and what these stages of compilation add

A stage is a vocabulary: operators that must be gone, and further conditions. New stages are
entries of `STAGES`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from graphcnn.errors import GraphError, VerifyError
from graphcnn.ir.graph import Graph, state_of, topological_order
from graphcnn.ir.node import OPS, Node, Op, Value, build
from graphcnn.ir.sources import Input, State
from graphcnn.ops.fused import Fused, is_fusible
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.ops.loops import Scan
from graphcnn.ops.norm import BatchNormGrad, BatchNormTrain
from graphcnn.ops.own.operator import is_own
from graphcnn.ops.parts.body import WithBody
from graphcnn.ops.random import Dropout, InTraining
from graphcnn.text.literals import format_type

#: Yields one sentence for each way in which a graph fails a condition.
Condition = Callable[[Graph], Iterator[str]]


@dataclass(frozen=True)
class Stage:
    """What holds for a graph at one point of compilation.

    `forbidden` maps operators that must not occur to what should stand there instead.
    """

    forbidden: Mapping[type[Op], str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()


def every_size_known(graph: Graph) -> Iterator[str]:
    """No `N` in any type or attribute."""
    for node in graph.nodes:
        for t in node.types:
            if not t.is_bound:
                yield f"{describe(node)} has the type {format_type(t)}, expected no N after bind"
        if node.op.bind(1) is not node.op:
            yield f"{describe(node)} has N among its attributes, expected none after bind"


def every_state_named(graph: Graph) -> Iterator[str]:
    """Every state has a key, under which it is stored."""
    for value in graph.states:
        if not state_of(value).key:
            yield f"{describe(value.node)} has no key, expected one under which it is stored"


def every_body_fusible(graph: Graph) -> Iterator[str]:
    """Bodies hold at most one heavy operator, else elementwise ones, broadcasts and constants."""
    for node in graph.nodes:
        for inner in bodies(node):
            if not is_fusible(inner.op):
                yield f"{describe(node)} holds {describe(inner)}, expected elementwise operators"


def every_layout_placed(graph: Graph) -> Iterator[str]:
    """Only states, relayouts and placed operators have other layouts than plain ones, and loops,
    which hand on what they are given."""
    for node in graph.nodes:
        if isinstance(node.op, State | Relayout | Placed | Scan):
            continue
        for t in (*(v.type for v in node.inputs), *node.types):
            if t.layout != "plain":
                yield f"{describe(node)} touches {format_type(t)}, expected it to be placed"
                break
    for key, value in graph.outputs.items():
        if value.type.layout != "plain":
            yield f"the output {key!r} is {format_type(value.type)}, expected a plain layout"


def bodies(node: Node) -> Iterator[Node]:
    """The operations inside a fused node, placed or not."""
    op = node.op.op if isinstance(node.op, Placed) else node.op
    if isinstance(op, Fused):
        yield from op.body.operations


STAGES: dict[str, Stage] = {
    "definition": Stage(),
    "model": Stage(conditions=(every_state_named,)),
    "inference": Stage(
        {
            BatchNormTrain: "batch_norm, with running statistics",
            BatchNormGrad: "no gradients",
            Dropout: "nothing, dropout is the identity (eliminate removes it)",
            InTraining: "what it is in a prediction (eliminate takes it)",
        }
    ),
    "training": Stage(
        {
            Dropout: "a random mask (training_mode makes it)",
            InTraining: "what it is in training (training_mode takes it)",
        }
    ),
    "fused": Stage(
        {Dropout: "nothing, or a random mask", Relayout: "no layouts", Placed: "no layouts"},
        (every_body_fusible,),
    ),
    "placed": Stage(
        {Dropout: "nothing, or a random mask"}, (every_body_fusible, every_layout_placed)
    ),
    "bound": Stage(conditions=(every_size_known, every_state_named)),
}


def verify(graph: Graph, stage: str = "definition", known: set[Node] | None = None) -> None:
    """Raise `VerifyError` naming the first node that breaks an invariant.

    Args:
        stage: a key of `STAGES`, or several joined by "+".
        known: nodes whose types were found right before; those of this graph are added.
    """
    stages = []
    for name in stage.split("+"):
        if name not in STAGES:
            raise VerifyError(f"unknown stage {name!r}; known are {', '.join(STAGES)}")
        stages.append(STAGES[name])
    for problem in _problems(graph, stages, set() if known is None else known):
        raise VerifyError(f"graph {graph.name!r}, stage {stage!r}: {problem}")


def _problems(graph: Graph, stages: list[Stage], known: set[Node]) -> Iterator[str]:
    yield from _ordered(graph)
    for node in graph.nodes:
        if node not in known:
            yield from _typed(node)
            known.add(node)
    yield from _sources(graph)
    yield from _reachable(graph)
    for stage in stages:
        for node in graph.nodes:
            if type(node.op) in stage.forbidden:
                yield f"{describe(node)} is not allowed, expected {stage.forbidden[type(node.op)]}"
        for condition in stage.conditions:
            yield from condition(graph)


def _ordered(graph: Graph) -> Iterator[str]:
    """Every node stands once, after all nodes that it reads."""
    place = {node: i for i, node in enumerate(graph.nodes)}
    if len(place) != len(graph.nodes):
        yield f"{len(graph.nodes)} nodes are listed, expected {len(place)}: one stands twice"
    for i, node in enumerate(graph.nodes):
        for position, value in enumerate(node.inputs):
            before = place.get(value.node)
            if before is not None and before < i and _is_result(value):
                continue
            operand = f"{describe(node)} reads {describe(value.node)} as {_operand(node, position)}"
            if before is None:
                yield f"{operand}, which is not among the nodes of the graph"
            elif before >= i:
                yield f"{operand}, which stands at {before}, expected before {i}"
            else:
                yield f"{operand}, result {value.index} of {len(value.node.types)}"
    for key, value in graph.outputs.items():
        if value.node not in place or not _is_result(value):
            yield f"the output {key!r} is {describe(value.node)}, which is not in the graph"
    for pair in graph.updates.items():
        for value in pair:
            if value.node not in place or not _is_result(value):
                yield f"an update uses {describe(value.node)}, which is not in the graph"


def _typed(node: Node) -> Iterator[str]:
    """The operator is registered, and infers the types that the node has."""
    op = node.op
    if OPS.get(op.name) is not type(op) and not is_own(op):  # which may be defined anew
        yield f"{describe(node)} has the operator {type(op).__qualname__}, which is not registered"
    try:
        hash(op)
    except TypeError as error:
        yield f"{describe(node)} has an attribute that cannot be compared by value: {error}"
    try:
        expected = build(op, node.inputs, node.name, node.origin).types
    except GraphError as error:
        yield f"{describe(node)} has no types: {error}"
        return
    if isinstance(op, WithBody):
        for problem in _problems(op.body, [], set()):
            yield f"{describe(node)}, body: {problem}"
    if expected != node.types:
        found, inferred = (", ".join(map(format_type, ts)) for ts in (node.types, expected))
        yield f"{describe(node)} has the type {found}, expected {inferred}"


def _sources(graph: Graph) -> Iterator[str]:
    """Inputs are declared, keys are unique, updates fit their states."""
    declared = set(graph.inputs)
    seen: set[str] = set()
    for value in graph.inputs:
        if not isinstance(value.node.op, Input) or value.node not in graph.nodes:
            yield f"{describe(value.node)} is declared as an input, expected an input of the graph"
    for node in graph.nodes:
        op = node.op
        if isinstance(op, Input) and node.output not in declared:
            yield f"{describe(node)} is not among the declared inputs"
        if isinstance(op, Input | State) and op.key:
            if op.key in seen:
                yield f"{describe(node)} has the key {op.key!r}, which another node has too"
            seen.add(op.key)
    for state, value in graph.updates.items():
        if not isinstance(state.node.op, State):
            yield f"{describe(state.node)} is updated, expected a state"
        elif state.type != value.type:
            found, expected = format_type(value.type), format_type(state.type)
            yield f"{describe(state.node)} is updated with {found}, expected {expected}"


def _reachable(graph: Graph) -> Iterator[str]:
    """Every node serves an output or an update, except declared inputs."""
    roots = [*graph.inputs, *graph.outputs.values(), *graph.updates, *graph.updates.values()]
    used = set(topological_order(value.node for value in roots))
    for node in graph.nodes:
        if node not in used:
            yield f"{describe(node)} serves no output and no update, expected no such node"


def describe(node: Node) -> str:
    """A node in a message: `conv2d "C3" (lenet.py:12)`."""
    name = node.name or getattr(node.op, "key", "")
    label = f' "{name}"' if name else ""
    where = f" ({node.origin.location})" if node.origin.location else ""
    return f"{node.op.name}{label}{where}"


def _operand(node: Node, position: int) -> str:
    return node.op.operand_name(position)


def _is_result(value: Value) -> bool:
    return 0 <= value.index < len(value.node.types)
