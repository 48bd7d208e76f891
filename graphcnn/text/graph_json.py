"""Graphs as JSON: quicker to read than the text form, for programs to remember what they made.

What occurs often (types, origins, operators) is written once and pointed at by its number. Nodes
are taken as they are written, nothing is inferred or checked again: a reader must know that the
text is what a `Writer` wrote. States, constants and origins of a graph that both sides know
(`given`) are pointed at, too: where its nodes come from now is where what was made of them does.
"""

import base64
import json
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import Constant as ConstantInitializer
from graphcnn.ir.node import OPS, Array, Node, Op, Value
from graphcnn.ir.origin import Origin
from graphcnn.ir.sources import Constant, Role, State
from graphcnn.ir.tensor_type import DType, TensorType

Json = Any

#: Enumerations whose members occur as attributes.
_ENUMS: dict[str, Any] = {"dtype": DType, "role": Role}


class Given:
    """What a reader need not be told: states, constants and origins of a graph that it has."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.states: dict[str, State] = {}
        self.constants: dict[str, Array] = {}
        for node in graph.nodes:
            if isinstance(node.op, State):
                self.states[node.op.key] = node.op
            elif isinstance(node.op, Constant):
                self.constants[node.op.digest] = node.op.array


class Writer:
    """Writes graphs, and values of them as [number of the node, number of the result]."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.types: dict[TensorType, int] = {}
        self.origins: dict[tuple[Json, ...], int] = {}
        self.ops: dict[str, int] = {}
        self.places: dict[tuple[Origin, str], int] = {}
        for i, node in enumerate(given.nodes):
            plain = replace(node.origin, passes=())
            self.places.setdefault((plain, node.name), i)
            self.places.setdefault((plain, ""), i)

    def tables(self) -> Json:
        """To be written after all graphs."""
        types = [[str(t.dtype), list(t.shape), t.layout] for t in self.types]
        return [list(self.origins), types, [json.loads(text) for text in self.ops]]

    def graph(self, graph: Graph) -> Json:
        place = {node: i for i, node in enumerate(graph.nodes)}

        def ref(value: Value) -> list[int]:
            return [place[value.node], value.index]

        nodes = [
            [
                self.op(node.op),
                [x for v in node.inputs for x in ref(v)],
                [self.type(t) for t in node.types],
                node.name,
                self.origin(node),
            ]
            for node in graph.nodes
        ]
        outputs = [[key, *ref(v)] for key, v in graph.outputs.items()]
        updates = [[*ref(s), *ref(v)] for s, v in graph.updates.items()]
        return [graph.name, [place[v.node] for v in graph.inputs], outputs, updates, nodes]

    def origin(self, node: Node) -> int:
        """That of a given node with the same one, of the same name if there is one, else itself."""
        origin = node.origin
        plain = replace(origin, passes=())
        place = self.places.get((plain, node.name), self.places.get((plain, "")))
        where = (origin.file, origin.line, origin.forward) if place is None else (place,)
        return self.origins.setdefault((origin.passes, *where), len(self.origins))

    def type(self, t: TensorType) -> int:
        return self.types.setdefault(t, len(self.types))

    def op(self, op: Op) -> int:
        text = json.dumps(self._op(op))
        return self.ops.setdefault(text, len(self.ops))

    def _op(self, op: Op) -> Json:
        if isinstance(op, Constant):
            if op.digest in self.given.constants:
                return [op.name, op.digest]
            data = base64.b64encode(op.array.tobytes()).decode()
            return [op.name, self.type(TensorType(op.array.shape, DType.of(op.array.dtype))), data]
        if isinstance(op, State):
            known = self.given.states.get(op.key)
            plain = (op.role, op.trainable, op.initial, op.decays)
            expected = (
                (known.role, known.trainable, known.initial, known.decays) if known else _PREPARED
            )
            if plain != expected:
                raise GraphError(f"state {op.key!r} is not that of the graph")
            return [op.name, op.key, self.type(op.type)]
        return [op.name, {f.name: self._value(getattr(op, f.name)) for f in fields(op)}]

    def _value(self, value: Any) -> Json:
        for word, kind in _ENUMS.items():
            if type(value) is kind:
                return {word: str(value)}
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) is tuple:
            return [self._value(v) for v in value]
        if type(value) is TensorType:
            return {"type": self.type(value)}
        if isinstance(value, Graph):
            return {"graph": self.graph(value)}
        if isinstance(value, Op):
            return {"op": self.op(value)}
        raise GraphError(f"an attribute of type {type(value).__name__} cannot be written")


#: Role, trainable, initial value and decay of a state that a compiler adds.
_PREPARED = (Role.SETTING, False, ConstantInitializer(), True)


class Reader:
    """Reads what a `Writer` wrote, given the same."""

    def __init__(self, tables: Json, given: Given) -> None:
        self.given = given
        origins, types, ops = tables
        self.origins = [self._origin(tuple(passes), *where) for passes, *where in origins]
        self.types = [TensorType(tuple(shape), DType(d), layout) for d, shape, layout in types]
        self.ops: list[Op] = []
        for op in ops:  # what is inside another stands before it
            self.ops.append(self._op(op))

    def graph(self, found: Json) -> Graph:
        name, inputs, outputs, updates, rows = found
        nodes: list[Node] = []
        for op, reads, types, label, origin in rows:
            pairs = zip(reads[::2], reads[1::2], strict=True)
            operands = tuple([nodes[i].outputs[r] for i, r in pairs])
            kinds = tuple([self.types[t] for t in types])
            nodes.append(Node(self.ops[op], operands, kinds, label, self.origins[origin]))
        return Graph(
            tuple(nodes[i].outputs[0] for i in inputs),
            MappingProxyType({key: nodes[i].outputs[r] for key, i, r in outputs}),
            MappingProxyType({nodes[a].outputs[b]: nodes[c].outputs[d] for a, b, c, d in updates}),
            tuple(nodes),
            name,
        )

    def _origin(self, passes: tuple[str, ...], *where: Json) -> Origin:
        if len(where) == 1:
            return replace(self.given.nodes[where[0]].origin, passes=passes)
        file, line, forward = where
        return Origin(file, line, passes, forward)

    def _op(self, found: Json) -> Op:
        name, *rest = found
        if name == Constant.name:
            return Constant(self._array(*rest))
        if name == State.name:
            key, kind = rest
            known = self.given.states.get(key)
            if known is not None:
                return replace(known, type=self.types[kind])
            return State(key, self.types[kind], *_PREPARED)
        made: Op = OPS[name](**{key: self._value(value) for key, value in rest[0].items()})
        return made

    def _array(self, what: Json, data: str = "") -> Array:
        if isinstance(what, str):
            return self.given.constants[what]
        kind = self.types[what]
        array = np.frombuffer(base64.b64decode(data), kind.dtype.numpy)
        return array.reshape(tuple(int(d) for d in kind.shape if isinstance(d, int)))

    def _value(self, found: Json) -> Any:
        if isinstance(found, list):
            return tuple([self._value(v) for v in found])
        if not isinstance(found, dict):
            return found
        ((word, value),) = found.items()
        if word in _ENUMS:
            return _ENUMS[word](value)
        if word == "type":
            return self.types[value]
        return self.graph(value) if word == "graph" else self.ops[value]
