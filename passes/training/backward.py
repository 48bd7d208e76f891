"""Generate the backward nodes: reverse-mode differentiation of a graph, as a graph.

One joint graph holds the forward nodes and, for each of them on the way from a wanted value to the
loss, the nodes of its gradient. Forward values that a gradient needs are ordinary edges. The
result is a graph like any other, so gradients of gradients are had by doing it again.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from graphcnn.errors import GradientError
from graphcnn.ir.graph import Graph, state_of, topological_order, with_inputs
from graphcnn.ir.node import OPS, Node, Value, constant_of
from graphcnn.ir.origin import inherit
from graphcnn.ir.plan import GRADIENT
from graphcnn.ir.sources import Input
from graphcnn.ops.elementwise import Add
from graphcnn.ops.loops import Scan
from graphcnn.ops.shape import Reshape
from graphcnn.passes.driver.base import Pass, PassLog
from graphcnn.passes.training.backward_rules import NAMED, BackwardRules, Cotangents, Rule
from graphcnn.passes.training.loop_gradient import loop_gradient

#: What `rules=` accepts: a name of `backward_rules.NAMED`, a set, or a table of one's own.
Rules = str | BackwardRules | Mapping[str, Rule]


def gradients(
    loss: Value, wrt: Sequence[Value], rules: Rules = "plain", fired: Counter[str] | None = None
) -> list[Value]:
    """Derivatives of a scalar with respect to values, each of the shape of its value.

    Args:
        loss: a float scalar.
        wrt: the values, of whatever node.
        rules: other ways back through operators than their derivatives. A named set, "guided",
            "deconv", "lrp", "redirected" or one of `graphcnn.backward_rules`, applies to what
            occurs of its operators. A table, `{"relu": rule}`, applies to every operator in it: a
            rule is called `rule(node, *cotangents of the outputs)` and gives the cotangents of the
            inputs as nodes, None for one without influence, like `Op.gradient`; None in place of
            them all leaves a node to its derivative.
        fired: counts, by operator, the nodes that a rule was applied to.

    Raises:
        GradientError: the loss is not a float scalar, a value does not influence it, or an operator
            on the way has no derivative; the message names the path. A named set changes no node, a
            table names an operator that is unknown or not on the way, or a rule gives values of
            other shapes than those of the inputs.
    """
    if loss.shape != () or not loss.dtype.is_float:
        raise GradientError(
            f"only a float scalar can be differentiated, found {loss!r}; take its mean or sum"
        )
    chosen, counted = _chosen(rules), Counter[str]()
    found = vjp([loss], [constant_of(1.0, loss.dtype)], wrt, chosen, counted)
    for value, gradient in zip(wrt, found, strict=True):
        if gradient is None:
            raise GradientError(_no_influence(loss, value))
    _check_fired(chosen, isinstance(rules, Mapping), counted, loss, wrt)
    if fired is not None:
        fired.update(counted)
    return [g for g in found if g is not None]


def vjp(
    outputs: Sequence[Value],
    cotangents: Cotangents,
    wrt: Sequence[Value],
    rules: BackwardRules = NAMED["plain"],
    fired: Counter[str] | None = None,
) -> list[Value | None]:
    """For y = outputs and c = cotangents: the gradient of <c, y> for each value of `wrt`.

    The vector-Jacobian product. None stands for a gradient that is zero everywhere. `rules` and
    `fired` are those of `gradients`; what the rules do not apply to is no error here.
    """
    fired = Counter() if fired is None else fired
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
            found = _by_rule(node, arriving, rules, fired)
            if found is None:
                found = _node_gradients(node, arriving, outputs, rules, fired)
            for value, gradient in zip(node.inputs, found, strict=True):
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


def _by_rule(
    node: Node, cotangents: Cotangents, rules: BackwardRules, fired: Counter[str]
) -> Cotangents | None:
    """The cotangents of the inputs by the rule for the operator; None where none applies."""
    rule = rules.table.get(node.op.name)
    if rule is None:
        return None
    if not callable(rule):
        raise GradientError(f"the rule for {node.op.name} must be a function, found {rule!r}")
    with inherit(_origin(node).by(rules.name)):
        found = rule(node, *cotangents)
    if found is None:
        return None
    expected = ", ".join(str(v.type) for v in node.inputs)
    if not isinstance(found, Sequence) or len(found) != len(node.inputs):
        raise GradientError(
            f"the rule for {_label(node)} must give one value or None for each of the inputs "
            f"({expected}), found {found!r}"
        )
    for value, gradient in zip(node.inputs, found, strict=True):
        if gradient is not None and (
            not isinstance(gradient, Value) or gradient.type != value.type
        ):
            raise GradientError(
                f"the rule for {_label(node)} must give values of the types ({expected}), "
                f"found {gradient!r}"
            )
    fired[node.op.name] += 1
    return found


def _chosen(rules: Rules) -> BackwardRules:
    """The set that is meant. Raises `GradientError` where there is no such, or no such operator."""
    if isinstance(rules, BackwardRules):
        return rules
    if isinstance(rules, str):
        if rules in NAMED:
            return NAMED[rules]
        hint = _near(rules, NAMED) or f"known are {', '.join(NAMED)}"
        if rules == "deeplift":
            hint = "it compares with a baseline: rules=backward_rules.deeplift({image: 0.0})"
        raise GradientError(f"no backward rules are called {rules!r}: {hint}")
    if not isinstance(rules, Mapping):
        raise GradientError(
            f"rules are a name or a table from names of operators to functions, found {rules!r}"
        )
    for name in rules:
        if name not in OPS:
            hint = _near(str(name), OPS) or "graphcnn ops lists all"
            raise GradientError(f"a rule is for {name!r}, which is no operator: {hint}")
    return BackwardRules("rule", rules)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _check_fired(
    rules: BackwardRules, every: bool, fired: Counter[str], loss: Value, wrt: Sequence[Value]
) -> None:
    """Raise `GradientError` where no rule applied, or, of a table, not `every` one."""
    unused = [name for name in rules.table if not fired[name]]
    if not unused or (fired and not every):
        return
    order = topological_order([loss.node])
    influenced = _influenced(order, wrt)
    passed = dict.fromkeys(n.op.name for n in order if any(v in influenced for v in n.inputs))
    what = f"rules for {', '.join(unused)}" if every else f"the rules {rules.name!r}"
    more = "" if every else f"they are for {', '.join(unused)}; "
    raise GradientError(
        f"{what} change nothing: {more}between the loss and the values there are "
        f"{', '.join(passed) or 'no operators'}"
    )


def _node_gradients(
    node: Node,
    cotangents: Cotangents,
    outputs: Sequence[Value],
    rules: BackwardRules,
    fired: Counter[str],
) -> Cotangents:
    """The cotangents of the inputs of one node."""
    op = node.op
    if op.piecewise_constant:
        return [None] * len(node.inputs)
    if isinstance(op, Scan):
        return loop_gradient(node, cotangents, lambda ys, cs, xs: vjp(ys, cs, xs, rules, fired))
    if op.has("gradient"):
        return op.gradient(node, *cotangents)
    if op.has("expand"):
        return _through_expansion(node, cotangents, rules, fired)
    raise GradientError(
        f"{op.name} has no derivative, but lies on the way to the loss: "
        f"{_path(outputs, node)}; freeze what is before it, or take it out of the loss"
    )


def _through_expansion(
    node: Node,
    cotangents: Cotangents,
    rules: BackwardRules,
    fired: Counter[str],
) -> Cotangents:
    """Differentiate the operator's definition in smaller operators, by the same rules.

    Stand-ins keep the operands apart, also where one depends on another or appears twice. A rule
    may look at what an operand depends on: views of the operands show it, inputs of a graph do not.
    """
    stand_ins = [
        Reshape(v.shape)(v) if rules.table else Input(f"operand{i}", v.type)()
        for i, v in enumerate(node.inputs)
    ]
    found = vjp(node.op.expand(*stand_ins), cotangents, stand_ins, rules, fired)
    return substitute(found, dict(zip(stand_ins, node.inputs, strict=True)))


def substitute(values: Cotangents, mapping: Mapping[Value, Value]) -> list[Value | None]:
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
    ways = [n for n in reversed(order) if any(v in influenced for v in n.inputs)]
    blocking = next((n for n in ways if n.op.piecewise_constant), None)
    if blocking is None:
        return f"{label} has no gradient: a rule lets nothing through on any way to the loss"
    return (
        f"{label} has no gradient: {blocking.op.name} has the derivative zero everywhere, and "
        f"every way to the loss goes through such an operator: {_path([loss], value.node)}"
    )


@dataclass(frozen=True)
class Backward(Pass):
    """Add the gradient of output `loss` for every trainable parameter, as outputs.

    Attributes:
        rules: as in `gradients`.
    """

    loss: str = "loss"
    rules: Rules = "plain"

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
        found = gradients(graph.outputs[self.loss], wrt, self.rules)
        named = {GRADIENT + state_of(p).key: g for p, g in zip(wrt, found, strict=True)}
        log.notes.append(f"{len(named)} gradients")
        return graph.with_outputs({**graph.outputs, **named})
