"""Graphs by their definition: walk the nodes in order, call `evaluate`, free what nobody reads.

The one evaluator of graphs. The reference runtime is it, with arrays fed; the importer computes by
it what decides shapes, passes what is known before a run, comparisons what rounding makes of a
graph. They differ in how the results of a node come about (`Compute`), and in what they look at
(`Watch`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from graphcnn.errors import OperatorError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Node, Value

Results = tuple[Array, ...]
#: The results of a node, given its operands.
Compute = Callable[[Node, Sequence[Array]], Results]
#: What sees every node with its results, in order.
Watch = Callable[[Node, Results], None]


def results_of(node: Node, operands: Sequence[Array]) -> Results:
    """What the definition of the operator makes of the operands, in the types of the node.

    Raises `OperatorError` with the node where an operator of the user's own fails.
    """
    try:
        results = as_tuple(node.op.evaluate(*operands))
    except OperatorError as error:
        name, where = node.name or node.origin.forward, node.origin.location
        label = f' "{name}"' * bool(name) + f" ({where})" * bool(where)
        raise OperatorError(f"{node.op.name}{label}: {error}") from error.__cause__
    if any(t.dtype.is_small for t in node.types):  # NumPy gives some of their results in f32
        typed = zip(results, node.types, strict=True)
        return tuple(np.asarray(y).astype(t.dtype.numpy, copy=False) for y, t in typed)
    return results


def as_tuple(found: Array | Results) -> Results:
    """What `Op.evaluate` gave: one array for one result, a tuple for several."""
    return found if isinstance(found, tuple) else (found,)


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates nodes, each after those that it reads, any number of times.

    Attributes:
        keep: the values that are wanted; all others are let go once nothing reads them any more.
    """

    nodes: Sequence[Node]
    keep: Collection[Value] = field(default=frozenset())

    @cached_property
    def dying(self) -> Mapping[Node, tuple[Value, ...]]:
        """The values that no node after this one reads."""
        last = {value: node for node in self.nodes for value in node.outputs}
        last.update((value, node) for node in self.nodes for value in node.inputs)
        kept, dying = set(self.keep), dict[Node, list[Value]]()
        for value, node in last.items():
            if value not in kept:
                dying.setdefault(node, []).append(value)
        return {node: tuple(values) for node, values in dying.items()}

    def run(
        self,
        known: Mapping[Value, Array] | None = None,
        compute: Compute = results_of,
        watch: Watch | None = None,
    ) -> dict[Value, Array]:
        """The arrays of the values that are kept. `known` are those that no node here makes."""
        arrays = dict(known or {})
        dying = self.dying
        for node in self.nodes:
            results = compute(node, [arrays[v] for v in node.inputs])
            if watch is not None:
                watch(node, results)
            arrays.update(zip(node.outputs, results, strict=True))
            for value in dying.get(node, ()):
                del arrays[value]
            del results  # no result that nothing reads lives while the next node is computed
        return arrays


def between(border: Collection[Value], results: Iterable[Value]) -> list[Node]:
    """The nodes that the results depend on without passing the border, in order."""
    last = [v.node for v in results if v not in border]
    wanted, stack = set(last), [*last]
    while stack:
        for value in stack.pop().inputs:
            if value not in border and value.node not in wanted:
                wanted.add(value.node)
                stack.append(value.node)
    return [node for node in topological_order(last) if node in wanted]
