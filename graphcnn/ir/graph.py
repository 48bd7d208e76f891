"""A graph: named inputs and outputs, states and their updates, and the nodes in order.

Immutable. A pass builds another graph with `transform`, or returns the same object when nothing
changed; `new is not old` is how a change is seen.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from graphcnn.errors import GraphError
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Constant, Input, Role, State

Rewrite = Callable[[Node, tuple[Value, ...]], Sequence[Value] | None]


@dataclass(frozen=True, eq=False)
class Graph:
    """`outputs` and `updates` are read-only mappings; `nodes` is topologically ordered.

    `inputs` holds every declared input, used or not. `updates` maps a state's value to the value
    it takes after a run.
    """

    inputs: tuple[Value, ...]
    outputs: Mapping[str, Value]
    updates: Mapping[Value, Value]
    nodes: tuple[Node, ...]
    name: str = "graph"

    @classmethod
    def of(
        cls,
        inputs: Iterable[Value],
        outputs: Mapping[str, Value],
        updates: Mapping[Value, Value] | None = None,
        name: str = "graph",
    ) -> "Graph":
        """The graph of everything that the outputs and updates depend on.

        Raises `GraphError` where an input is used but not declared, or keys are not unique.
        """
        inputs = tuple(inputs)
        updates = dict(updates or {})
        if not outputs and not updates:
            raise GraphError(f"graph {name!r} has no outputs")
        roots = [v.node for v in (*inputs, *outputs.values(), *updates, *updates.values())]
        graph = cls(
            inputs,
            MappingProxyType(dict(outputs)),
            MappingProxyType(updates),
            topological_order(roots),
            name,
        )
        graph._check_sources()
        return graph

    def __reduce__(self) -> tuple[Callable[..., "Graph"], tuple[object, ...]]:
        """A copy is apart, with the values of its states. The nodes come first, in order: each is
        written when its operands are, and however deep a network is, `pickle` is not."""
        return _copied, (self.nodes, self.inputs, {**self.outputs}, {**self.updates}, self.name)

    def _check_sources(self) -> None:
        declared = set(self.inputs)
        keys: set[str] = set()
        for node in self.nodes:
            if isinstance(node.op, Input) and node.output not in declared:
                raise GraphError(
                    f"graph {self.name!r} uses the input {node.op.key!r} "
                    f"({node.origin.location}), which is not among its declared inputs"
                )
            if isinstance(node.op, Input | State) and node.op.key:
                if node.op.key in keys:
                    raise GraphError(
                        f"graph {self.name!r} has two inputs or states named {node.op.key!r}"
                    )
                keys.add(node.op.key)
        for state, value in self.updates.items():
            if not isinstance(state.node.op, State) or state.type != value.type:
                raise GraphError(f"update of {state!r} with {value!r}: state and type must agree")

    @cached_property
    def states(self) -> tuple[Value, ...]:
        """Every state, in the order of the nodes."""
        return tuple(n.output for n in self.nodes if isinstance(n.op, State))

    @cached_property
    def parameters(self) -> tuple[Value, ...]:
        """The states that are learned by gradient."""
        return tuple(v for v in self.states if state_of(v).role is Role.PARAMETER)

    @cached_property
    def users(self) -> Mapping[Value, tuple[Node, ...]]:
        """The nodes that read each value, once per reading operand."""
        users: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                users.setdefault(value, []).append(node)
        return {value: tuple(nodes) for value, nodes in users.items()}

    @cached_property
    def results(self) -> frozenset[Value]:
        """The values that leave the graph, as outputs or as updates."""
        return frozenset((*self.outputs.values(), *self.updates.values()))

    @property
    def operations(self) -> tuple[Node, ...]:
        """The nodes that compute something: no inputs, states or constants."""
        return tuple(n for n in self.nodes if not isinstance(n.op, Input | State | Constant))

    @property
    def is_bound(self) -> bool:
        """Whether every shape is made of numbers."""
        return all(t.is_bound for node in self.nodes for t in node.types)

    def bind(self, N: int) -> "Graph":
        """This graph for batches of `N` items: every `N` in types and attributes a number."""
        if N < 1:
            raise GraphError(f"the batch size must be at least 1, found N = {N}")
        if self.is_bound:
            return self

        def bound(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
            op = node.op.bind(N)
            if op is node.op and inputs == node.inputs:
                return None
            return build(op, inputs, node.name, node.origin).outputs

        return self.transform(bound)

    def transform(self, rewrite: Rewrite, by: str = "") -> "Graph":
        """A new graph in which `rewrite(node, new_inputs)` gives each node's results.

        None keeps the node (with its new inputs). Nodes built by `rewrite` inherit the origin of
        the node they stand for, and `by` names the pass that made them.
        """
        new: dict[Value, Value] = {}  # of what changes
        for node in self.nodes:
            inputs = tuple([new.get(v, v) for v in node.inputs]) if new else node.inputs
            with inherit(node.origin, by):
                results = rewrite(node, inputs)
            if results is None and inputs != node.inputs:
                results = with_inputs(node, inputs).outputs
            if results is not None and results is not node.outputs:
                pairs = zip(node.outputs, results, strict=True)
                new.update((old, result) for old, result in pairs if result is not old)
        if not new:
            return self
        return Graph.of(
            (new.get(v, v) for v in self.inputs),
            {key: new.get(v, v) for key, v in self.outputs.items()},
            {new.get(s, s): new.get(v, v) for s, v in self.updates.items()},
            self.name,
        )

    def with_outputs(
        self, outputs: Mapping[str, Value], updates: Mapping[Value, Value] | None = None
    ) -> "Graph":
        """The same inputs with other results."""
        return Graph.of(
            self.inputs, outputs, self.updates if updates is None else updates, self.name
        )

    def renamed(self, name: str) -> "Graph":
        return replace(self, name=name)

    def __str__(self) -> str:
        from graphcnn.text.write import format_graph

        return format_graph(self)

    def __repr__(self) -> str:
        return f"<graph {self.name!r}: {len(self.operations)} operations>"


def _copied(
    nodes: tuple[Node, ...],
    inputs: tuple[Value, ...],
    outputs: Mapping[str, Value],
    updates: Mapping[Value, Value],
    name: str,
) -> Graph:
    return Graph(inputs, MappingProxyType(outputs), MappingProxyType(updates), nodes, name)


def state_of(value: Value) -> State:
    """The `State` operator behind a value."""
    op = value.node.op
    if not isinstance(op, State):
        raise GraphError(f"{value!r} is not a state")
    return op


def with_inputs(node: Node, inputs: tuple[Value, ...]) -> Node:
    """`node` reading other values. Its types are inferred anew where theirs are others."""
    if [v.type for v in inputs] == [v.type for v in node.inputs]:
        return Node(node.op, inputs, node.types, node.name, node.origin)
    return build(node.op, inputs, node.name, node.origin)


def with_op(node: Node, op: Op, inputs: tuple[Value, ...]) -> Node:
    """`node` with another operator, keeping name and origin."""
    return build(op, inputs, node.name, node.origin)


def rebuilt(values: Iterable[Value], new: Mapping[Value, Value]) -> list[Value]:
    """`values` as they are with others in place of some of those that they are computed from."""
    values, known = [*values], dict(new)
    for node in topological_order(v.node for v in values):
        inputs = tuple(known.get(v, v) for v in node.inputs)
        if inputs != node.inputs and node.outputs[0] not in known:
            known.update(zip(node.outputs, with_inputs(node, inputs).outputs, strict=True))
    return [known.get(v, v) for v in values]


def topological_order(roots: Iterable[Node]) -> tuple[Node, ...]:
    """The roots and all they depend on, each node after its inputs. Deterministic, no recursion."""
    order: list[Node] = []
    seen: set[Node] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(root.inputs))]
        while stack:
            node, inputs = stack[-1]
            for value in inputs:
                if value.node not in seen:
                    seen.add(value.node)
                    stack.append((value.node, iter(value.node.inputs)))
                    break
            else:
                order.append(node)
                stack.pop()
    return tuple(order)


def unique_names(graph: Graph) -> dict[Node, str]:
    """A unique name for every node: its hint, else its operator, numbered where needed.

    Inputs and states keep their keys. Numbering follows the order of the nodes.
    """
    names: dict[Node, str] = {}
    taken: set[str] = set()
    for node in graph.nodes:
        if isinstance(node.op, Input | State) and node.op.key:
            names[node] = node.op.key
            taken.add(node.op.key)
    counts: dict[str, int] = {}
    for node in graph.nodes:
        if node in names:
            continue
        hint = node.name or node.op.name
        name = node.name
        while not name or name in taken:
            counts[hint] = counts.get(hint, 0) + 1
            name = f"{hint}_{counts[hint]}" if not node.name else f"{hint}_{counts[hint] + 1}"
        names[node] = name
        taken.add(name)
    return names
