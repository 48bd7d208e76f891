"""Loops that are recurrent layers, as ONNX's RNN, GRU and LSTM.

That a loop is one is proven by its structure: its body equals that of the layer of ours, built for
the same sizes, and what it scans over is a dense layer of rows (T, N, F). Two such loops over the
same rows, one each way, are one bidirectional node. All others are Scan nodes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.language.loops.cells import (
    Cell,
    counted,
    gru_cell,
    lstm_cell,
    over_steps,
    rnn_cell,
    with_state,
)
from graphcnn.onnx.exporting.writer import NodeWriter
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.dense import Dense
from graphcnn.ops.loops import Scan
from graphcnn.ops.shape import Reshape


class Kind(NamedTuple):
    """A recurrent node of ONNX: its operator, the cell of ours that it means, its carries, the
    places of our gates in ONNX's order, whether the state has a bias of its own, its attributes."""

    onnx_type: str
    cell: Cell
    states: int
    gates: tuple[int, ...]
    inner_bias: bool
    attributes: Mapping[str, Any]


KINDS: Final = (
    Kind("LSTM", lstm_cell, 2, (0, 3, 1, 2), False, {}),
    Kind("GRU", gru_cell, 1, (1, 0, 2), True, {"linear_before_reset": 1}),
    Kind("GRU", gru_cell, 1, (1, 0, 2), False, {"linear_before_reset": 1}),
    *(
        Kind("RNN", rnn_cell(word), 1, (0,), False, {"activations": [name]})
        for word, name in (("tanh", "Tanh"), ("relu", "Relu"), ("sigmoid", "Sigmoid"))
    ),
)


@dataclass(frozen=True)
class Layer:
    """A loop that is a recurrent layer, and what it is made of."""

    node: Node
    kind: Kind
    rows: Value
    weight: Value
    bias: Value | None
    recurrent: Value
    inner_bias: Value | None
    start: tuple[Value, ...]
    lengths: Value | None

    @property
    def reverse(self) -> bool:
        op: Any = self.node.op
        return bool(op.reverse)

    @property
    def reads(self) -> tuple[Value, ...]:
        """The values that the node of ONNX reads."""
        found = [self.rows, self.weight, self.bias, self.recurrent, self.inner_bias, self.lengths]
        found += [] if self.from_zeros else self.start
        return tuple(v for v in found if v is not None)

    @property
    def from_zeros(self) -> bool:
        return all(_is_zero(v) for v in self.start)

    def joins(self, other: "Layer") -> bool:
        """Whether the two are the directions of one node."""
        same = (self.kind, self.rows, self.lengths, self.recurrent.type, self.from_zeros)
        theirs = (other.kind, other.rows, other.lengths, other.recurrent.type, other.from_zeros)
        biases = (self.bias is None) == (other.bias is None)
        return same == theirs and biases and self.reverse != other.reverse


def layer_of(node: Node) -> Layer | None:
    """The layer that a loop is, None where it is not proven to be one."""
    op = node.op
    if not isinstance(op, Scan) or op.scanned not in (1, 2) or not op.carries:
        return None
    start, xs, _ = op.parts(node.inputs)
    if xs[0].dtype is not DType.FLOAT32 or start[0].type.rank != 2:
        return None  # ONNX Runtime has these nodes for no other type
    source = _contribution(xs[0])
    lengths = _lengths(xs[1], op.length) if op.scanned == 2 else None
    if source is None or (op.scanned == 2 and lengths is None):
        return None
    zeros = all(_is_zero(v) for v in start)
    if lengths is not None and not zeros:
        return None  # of a sequence without steps ONNX Runtime gives zeros, not its first state
    for kind in KINDS:
        found = _matched(node, op, kind)
        if found is not None:
            recurrent, inner = found
            return Layer(node, kind, *source, recurrent, inner, start, lengths)
    return None


def _contribution(x: Value) -> tuple[Value, Value, Value | None] | None:
    """Rows (T, N, F), weight and bias of what is scanned: a dense layer of all rows at once."""
    dense = x.node.inputs[0].node if isinstance(x.node.op, Reshape) else None
    if dense is None or not isinstance(dense.op, Dense):
        return None
    flat = dense.inputs[0].node
    if not isinstance(flat.op, Reshape):
        return None
    rows = flat.inputs[0]
    if rows.type.rank != 3 or rows.shape[:2] != x.shape[:2]:
        return None
    if dense.inputs[0].shape[1:] != rows.shape[2:]:
        return None
    return rows, dense.inputs[1], dense.inputs[2] if len(dense.inputs) > 2 else None


def _lengths(mask: Value, steps: int) -> Value | None:
    """The lengths of sequences whose mask this is."""
    less = mask.node.inputs[0].node if isinstance(mask.node.op, Reshape) else None
    if less is None or len(less.inputs) != 2 or less.inputs[1].dtype is not DType.INT64:
        return None
    lengths = less.inputs[1]
    if lengths.type.rank != 1:
        return None
    known = counted(lengths, steps)
    other = known.node.inputs[0].node
    if (mask.node.op, less.op) != (known.node.op, other.op):
        return None
    places, expected = less.inputs[0].node.op, other.inputs[0].node.op
    if not isinstance(places, Constant) or not isinstance(expected, Constant):
        return None
    return lengths if np.array_equal(places.array, expected.array) else None


def _matched(node: Node, op: Scan, kind: Kind) -> tuple[Value, Value | None] | None:
    """The weight and the bias of the state, where the loop is that of the kind."""
    start, xs, given = op.parts(node.inputs)
    size = start[0].shape[-1]
    if (len(start), len(given)) != (kind.states, 1 + kind.inner_bias) or not isinstance(size, int):
        return None
    if xs[0].shape[-1] != len(kind.gates) * size:
        return None

    def stand_in(name: str, t: TensorType) -> Value:
        return Input(name, t)()

    rows = stand_in("given", xs[0].type)
    count = len(kind.gates) * size
    weight = stand_in("weight", rows.type.with_shape((count, size)))
    more = [stand_in("bias", rows.type.with_shape((count,)))] if kind.inner_bias else []
    states = [stand_in(f"start{i}", v.type) for i, v in enumerate(start)]
    mask = stand_in("mask", xs[1].type) if len(xs) > 1 else None
    try:
        step = with_state(kind.cell, weight, *more)
        _, last = over_steps(step, rows, states, mask, op.reverse)
    except GraphError:
        return None
    known = last[0].node
    if known.op != op:
        return None
    place = dict(zip(known.inputs, node.inputs, strict=True))
    return place[weight], place[more[0]] if more else None


def _is_zero(x: Value) -> bool:
    """Whether a value is a constant zero, repeated."""
    while isinstance(x.node.op, Reshape | BroadcastTo):
        x = x.node.inputs[0]
    return isinstance(x.node.op, Constant) and not x.node.op.array.any()


@dataclass(frozen=True)
class Recurrence:
    """The loops of one node of ONNX: one, or one forward and one back."""

    layers: tuple[Layer, ...]

    @property
    def results(self) -> tuple[Value, ...]:
        return tuple(v for layer in self.layers for v in layer.node.outputs)

    @property
    def reads(self) -> tuple[Value, ...]:
        return tuple(v for layer in self.layers for v in layer.reads)

    def emit(self, emit: NodeWriter, node: Node, values: Mapping[Value, str]) -> list[str]:
        """The states after the last step, then all of them, of each loop."""
        first, kind = self.layers[0], self.layers[0].kind
        two = len(self.layers) > 1
        inputs = [values[first.rows], self._weights(emit, values, lambda v: v.weight)]
        inputs += [self._weights(emit, values, lambda v: v.recurrent), self._biases(emit, values)]
        inputs += [self._counted(emit, values)]
        if not first.from_zeros:
            for i in range(kind.states):
                inputs.append(self._joined(emit, [values[v.start[i]] for v in self.layers]))
        while not inputs[-1]:
            inputs.pop()
        attributes = dict(kind.attributes)
        if "activations" in attributes:
            attributes["activations"] = attributes["activations"] * len(self.layers)
        way = "reverse" if first.reverse else "forward"
        y, *states = emit.add_many(
            kind.onnx_type, 1 + kind.states, *inputs, hidden_size=_units(first),
            direction="bidirectional" if two else way, **attributes,
        )  # fmt: skip
        found: list[str] = []
        for i in range(len(self.layers)):
            place = emit.constant(np.array(i, np.int64), "direction")
            found += [emit.add("Gather", s, place, axis=0) for s in states]
            found.append(emit.add("Gather", y, place, axis=1))
        return found

    def _weights(
        self, emit: NodeWriter, values: Mapping[Value, str], of: Callable[[Layer], Value]
    ) -> str:
        parts = [self._in_order(emit, values[of(v)], of(v).shape) for v in self.layers]
        return self._joined(emit, parts)

    def _in_order(self, emit: NodeWriter, x: str, shape: Sequence[Any]) -> str:
        """Rows of our gates in ONNX's order."""
        gates = self.layers[0].kind.gates
        if gates == tuple(range(len(gates))):
            return x
        size = _units(self.layers[0])
        by_gate = emit.add("Reshape", x, emit.integers((len(gates), size, *shape[1:]), "shape"))
        moved = emit.add("Gather", by_gate, emit.integers(gates, "gates"), axis=0)
        return emit.add("Reshape", moved, emit.integers(shape, "shape"))

    def _biases(self, emit: NodeWriter, values: Mapping[Value, str]) -> str:
        """B: both halves of each direction; "" where there is none."""
        rows = []
        for layer in self.layers:
            if layer.bias is None and layer.inner_bias is None:
                return ""
            size = len(layer.kind.gates) * _units(layer)
            halves = [
                emit.constant(np.zeros(size, np.float32), "zeros")
                if v is None
                else self._in_order(emit, values[v], (size,))
                for v in (layer.bias, layer.inner_bias)
            ]
            rows.append(emit.add("Concat", *halves, axis=0))
        return self._joined(emit, rows)

    def _counted(self, emit: NodeWriter, values: Mapping[Value, str]) -> str:
        """sequence_lens, from 0 to the number of steps; "" where all steps count."""
        first = self.layers[0]
        if first.lengths is None:
            return ""
        op: Any = first.node.op
        least, most = emit.scalar(0, DType.INT64), emit.scalar(op.length, DType.INT64)
        return emit.add("Cast", emit.add("Clip", values[first.lengths], least, most), to=6)

    def _joined(self, emit: NodeWriter, parts: Sequence[str]) -> str:
        """Tensors of the directions along a new axis 0."""
        axes = emit.integers((0,), "axes")
        rows = [emit.add("Unsqueeze", part, axes) for part in parts]
        return rows[0] if len(rows) == 1 else emit.add("Concat", *rows, axis=0)


def _units(layer: Layer) -> int:
    return int(layer.recurrent.shape[1])  # type: ignore[arg-type]


def recurrences(graph: Graph) -> list[Recurrence]:
    """The recurrent layers of a graph. Two are joined that go both ways over the same rows and need
    the same of the other layers: so none waits for another that waits for it."""
    layers = [found for node in graph.nodes if (found := layer_of(node)) is not None]
    behind = _behind(graph, [v.node for v in layers])
    made: list[Recurrence] = []
    while layers:
        first = layers.pop(0)
        other = next(
            (v for v in layers if first.joins(v) and behind[first.node] == behind[v.node]),
            None,
        )
        if other is None:
            made.append(Recurrence((first,)))
            continue
        layers.remove(other)
        made.append(Recurrence(tuple(sorted((first, other), key=lambda v: v.reverse))))
    return made


def _behind(graph: Graph, marked: Sequence[Node]) -> dict[Node, set[Node]]:
    """For each of these nodes those of them that it needs."""
    needs: dict[Node, set[Node]] = {}
    wanted = set(marked)
    for node in graph.nodes:
        found: set[Node] = set()
        for v in node.inputs:
            found |= needs[v.node]
            if v.node in wanted:
                found.add(v.node)
        needs[node] = found
    return {node: needs[node] for node in marked}


def in_order(graph: Graph) -> list[tuple[Node, Recurrence | None]]:
    """The nodes of a graph in an order in which they can be written: a recurrence stands where all
    that it reads has been made, in place of its loops; what serves these alone is left out."""
    found = recurrences(graph)
    if not found:
        return [(node, None) for node in graph.nodes]
    unit = {layer.node: r for r in found for layer in r.layers}
    done: set[Node] = set()
    order: list[tuple[Node, Recurrence | None]] = []
    stack = [v.node for v in reversed(list(graph.outputs.values()))]
    while stack:
        node = stack[-1]
        whole = unit.get(node)
        reads = node.inputs if whole is None else whole.reads
        waiting = [v.node for v in reads if v.node not in done]
        if node in done or not waiting:
            stack.pop()
            if node not in done:
                order.append((node, whole))
                done.update([node] if whole is None else [v.node for v in whole.layers])
        else:
            stack.extend(reversed(waiting))
    return order
