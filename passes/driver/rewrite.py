"""Rewrite rules: small pure functions from a node to what replaces it, and their driver.

A rule's docstring is its equation, `before -> after`. It sees a node whose inputs are rewritten
already, and returns the new value (or all new results), `no(reason, node)` where it almost
matched, or None where it does not apply.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, with_inputs
from graphcnn.ir.node import Node, Op, Value
from graphcnn.passes.driver.base import PassLog, Refusal


class Match:
    """What a rule may ask about the graph around its node."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._old: dict[Value, list[Value]] = {}

    def record(self, new: Sequence[Value], old: Sequence[Value]) -> None:
        for n, o in zip(new, old, strict=True):
            stands_for = self._old.setdefault(n, [n])
            if o not in stands_for:
                stands_for.append(o)

    def uses(self, value: Value) -> int:
        """How many operands read this value, plus one if it leaves the graph.

        Where rules have just put it in the place of others, their uses count too.
        """
        users, results = self._graph.users, self._graph.results
        return sum(len(users.get(v, ())) + (v in results) for v in self._old.get(value, [value]))


Result = Value | Sequence[Value] | Refusal | None
RuleFunction = Callable[[Node, Match], Result]


@dataclass(frozen=True)
class Rule:
    """A rule for nodes of some operators."""

    name: str
    equation: str
    concerns: Callable[[type[Op]], bool]
    function: RuleFunction


def rule(
    *ops: str, where: Callable[[type[Op]], bool] | None = None
) -> Callable[[RuleFunction], Rule]:
    """Declare a rule; its docstring is its equation.

    It is for the operators of these names, or for those `where` something holds, or else for all.
    """

    def declare(function: RuleFunction) -> Rule:
        equation = " ".join((function.__doc__ or "").split())
        concerns = where or (lambda op: op.name in ops or not ops)
        return Rule(function.__name__, equation, concerns, function)

    return declare


def rewrite(graph: Graph, rules: Sequence[Rule], log: PassLog, by: str, sweeps: int = 16) -> Graph:
    """Apply rules until none fires. Raises `GraphError` if they do not come to rest."""
    for _ in range(sweeps):
        fired: list[str] = []
        log.refused.clear()
        sweep = _Sweep(graph, rules, log, fired)
        new = graph.transform(sweep, by)
        if new is graph or not fired:
            return new
        log.fired.update(fired)
        log.replace(sweep.became)
        graph = new
    raise GraphError(
        f"the rules of {by} do not come to rest after {sweeps} sweeps; the last to fire were "
        f"{', '.join(sorted(set(fired)))}"
    )


class _Sweep:
    """One walk over the graph, trying the rules on every node."""

    def __init__(self, graph: Graph, rules: Sequence[Rule], log: PassLog, fired: list[str]) -> None:
        self.match = Match(graph)
        self.log, self.fired = log, fired
        self.became: dict[Value, Value] = {}
        self.rules = {
            op: [each for each in rules if each.concerns(op)]
            for op in {type(node.op) for node in graph.nodes}
        }

    def __call__(self, old: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        node = old
        if inputs != old.inputs:
            node = with_inputs(old, inputs)
            self.match.record(node.outputs, old.outputs)
            self.became.update(zip(old.outputs, node.outputs, strict=True))
        for each in self.rules[type(node.op)]:
            result = each.function(node, self.match)
            if isinstance(result, Refusal):
                self.log.refuse(Refusal(result.reason, result.node, each.name))
            elif result is not None:
                self.fired.append(each.name)
                results = (result,) if isinstance(result, Value) else tuple(result)
                self.match.record(results, old.outputs)
                self.became.update(zip(old.outputs, results, strict=True))
                return results
        return node.outputs
