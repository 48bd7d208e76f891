"""Generate the backward nodes: reverse-mode differentiation of a graph, as a graph.

One joint graph holds the forward nodes and, for each of them on the way from a wanted value to the
loss, the nodes of its gradient. Forward values that a gradient needs are ordinary edges. The
result is a graph like any other, so gradients of gradients are had by doing it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from graphcnn.errors import GradientError
from graphcnn.ir.graph import Graph, state_of, topological_order, with_inputs
from graphcnn.ir.node import Node, Value, constant_of
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Input
from graphcnn.ops.elementwise import Add
from graphcnn.passes.driver.base import Pass, PassLog


def gradients(loss: Value, wrt: Sequence[Value]) -> list[Value]:
    """Derivatives of a scalar with respect to values, each of the shape of its value.

    Raises `GradientError` where the loss is not a float scalar, where a value does not influence
    it, or where an operator on the way has no derivative; the message names the path.
    """
    if loss.shape != () or not loss.dtype.is_float:
        raise GradientError(
            f"only a float scalar can be differentiated, found {loss!r}; take its mean or sum"
        )
    found = vjp([loss], [constant_of(1.0, loss.dtype)], wrt)
    for value, gradient in zip(wrt, found, strict=True):
        if gradient is None:
            raise GradientError(_no_influence(loss, value))
    return [g for g in found if g is not None]


def vjp(
    outputs: Sequence[Value], cotangents: Sequence[Value | None], wrt: Sequence[Value]
) -> list[Value | None]:
    """For y = outputs and c = cotangents: the gradient of <c, y> for each value of `wrt`.

    The vector-Jacobian product. None stands for a gradient that is zero everywhere.
    """
    order = topological_order([v.node for v in outputs])
    wanted = _influenced(order, wrt)
    adjoint: dict[Value, Value] = {}
    for value, cotangent in zip(outputs, cotangents, strict=True):
        if cotangent is not None:
            _accumulate(adjoint, value, cotangent)
    for node in reversed(order):
        arriving = [adjoint.get(v) for v in node.outputs]
        reached = any(cotangent is not None for cotangent in arriving)
        if not reached or not any(v in wanted for v in node.inputs):
            continue
        with inherit(_origin(node)):
            for value, gradient in zip(
                node.inputs, _node_gradients(node, arriving, outputs), strict=True
            ):
                if gradient is not None and value in wanted:
                    _accumulate(adjoint, value, gradient)
    return [adjoint.get(v) for v in wrt]


def _accumulate(adjoint: dict[Value, Value], value: Value, gradient: Value) -> None:
    """A value used several times has the sum of the gradients of its uses."""
    known = adjoint.get(value)
    adjoint[value] = gradient if known is None else Add()(known, gradient)


def _influenced(order: Iterable[Node], wrt: Sequence[Value]) -> set[Value]:
    """The values of `wrt` and all that depend on them."""
    influenced = set(wrt)
    for node in order:
        if any(v in influenced for v in node.inputs):
            influenced.update(node.outputs)
    return influenced


def _origin(node: Node) -> Any:
    origin = node.origin.by("backward")
    return replace(origin, forward=origin.forward or node.name or node.op.name)


def _node_gradients(
    node: Node, cotangents: Sequence[Value | None], outputs: Sequence[Value]
) -> Sequence[Value | None]:
    """The cotangents of the inputs of one node."""
    op = node.op
    if op.piecewise_constant:
        return [None] * len(node.inputs)
    if op.has("gradient"):
        return op.gradient(node, *cotangents)
    if op.has("expand"):
        return _through_expansion(node, cotangents)
    raise GradientError(
        f"{op.name} has no derivative, but lies on the way to the loss: "
        f"{_path(outputs, node)}; freeze what is before it, or take it out of the loss"
    )


def _through_expansion(node: Node, cotangents: Sequence[Value | None]) -> Sequence[Value | None]:
    """Differentiate the operator's definition in smaller operators.

    Stand-ins keep the operands apart, also where one depends on another or appears twice.
    """
    stand_ins = [Input(f"operand{i}", v.type)() for i, v in enumerate(node.inputs)]
    found = vjp(node.op.expand(*stand_ins), cotangents, stand_ins)
    return substitute(found, dict(zip(stand_ins, node.inputs, strict=True)))


def substitute(
    values: Sequence[Value | None], mapping: Mapping[Value, Value]
) -> list[Value | None]:
    """The values with every use of a key of `mapping` replaced."""
    new = dict(mapping)
    for node in topological_order([v.node for v in values if v is not None]):
        if any(v in new for v in node.inputs):
            with inherit(node.origin):
                rebuilt = with_inputs(node, tuple(new.get(v, v) for v in node.inputs))
            new.update(zip(node.outputs, rebuilt.outputs, strict=True))
    return [None if v is None else new.get(v, v) for v in values]


def _path(outputs: Sequence[Value], start: Node) -> str:
    """Names of the nodes from `start` to the first output that it reaches."""
    before: dict[Node, Node] = {}
    queue = [v.node for v in outputs]
    for node in queue:
        for value in node.inputs:
            if value.node not in before:
                before[value.node] = node
                queue.append(value.node)
    path, ends = [start], {v.node for v in outputs}
    while path[-1] not in ends and path[-1] in before:
        path.append(before[path[-1]])
    return " → ".join(_label(node) for node in path)


def _label(node: Node) -> str:
    return f'{node.op.name} "{node.name}"' if node.name else node.op.name


def _no_influence(loss: Value, value: Value) -> str:
    order = topological_order([loss.node])
    influenced = _influenced(order, [value])
    label = _label(value.node)
    if loss not in influenced:
        return f"the loss does not depend on {label} ({value.type})"
    blocking = next(
        n
        for n in reversed(order)
        if n.op.piecewise_constant and any(v in influenced for v in n.inputs)
    )
    return (
        f"{label} has no gradient: {blocking.op.name} has the derivative zero everywhere, and "
        f"every way to the loss goes through such an operator: {_path([loss], value.node)}"
    )


@dataclass(frozen=True)
class Backward(Pass):
    """Add the gradient of output `loss` for every trainable parameter, as outputs."""

    loss: str = "loss"

    tolerance: ClassVar[float | None] = None
    stage: ClassVar[str] = "training"

    def run(self, graph: Graph, log: PassLog) -> Graph:
        if self.loss not in graph.outputs:
            raise GradientError(
                f"graph {graph.name!r} has no output {self.loss!r}; it has {list(graph.outputs)}"
            )
        wrt = [p for p in graph.parameters if state_of(p).trainable]
        if not wrt:
            frozen = "is frozen; unfreeze some" if graph.parameters else "is used by the loss"
            which = "every" if graph.parameters else "no"
            raise GradientError(f"graph {graph.name!r}: {which} parameter {frozen}")
        found = gradients(graph.outputs[self.loss], wrt)
        named = {GRADIENT + state_of(p).key: g for p, g in zip(wrt, found, strict=True)}
        log.notes.append(f"{len(named)} gradients")
        return graph.with_outputs({**graph.outputs, **named})
