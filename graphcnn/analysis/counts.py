"""Numbers about a graph: parameters, memory of activations, pixels that no window reads."""

from collections.abc import Iterable
from dataclasses import dataclass

from graphcnn.ir.geometry import Pair, Window
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Role, State
from graphcnn.ir.tensor_type import known_size


@dataclass(frozen=True)
class ParameterCount:
    """Numbers that are learned, and numbers that are kept as they are."""

    trainable: int = 0
    frozen: int = 0

    @property
    def total(self) -> int:
        return self.trainable + self.frozen


def count_parameters(values: Iterable[Value]) -> ParameterCount:
    """The parameters among values, each counted once however often it is used."""
    trainable = frozen = 0
    for value in dict.fromkeys(values):
        op = value.node.op
        if isinstance(op, State) and op.role is Role.PARAMETER:
            if op.trainable:
                trainable += value.type.size
            else:
                frozen += value.type.size
    return ParameterCount(trainable, frozen)


def node_parameters(node: Node) -> ParameterCount:
    """The parameters that a node reads."""
    return count_parameters(node.inputs)


def graph_parameters(graph: Graph) -> ParameterCount:
    """All parameters of a graph; a shared one counts once."""
    return count_parameters(graph.states)


def activation_bytes(graph: Graph) -> int:
    """Bytes of all results of operators, `N` counted as 1; views cost nothing.

    This is what training keeps at most; a memory plan that reuses buffers needs less.
    """
    return sum(
        known_size(t.shape) * t.dtype.bytes
        for node in graph.operations
        if not node.op.view
        for t in node.types
    )


def node_windows(node: Node) -> tuple[Window, Window] | None:
    """The windows (height, width) that a node slides over its first input, if it does."""
    return node.op.sliding(*(v.type for v in node.inputs))


def unread_pixels(node: Node) -> Pair:
    """Rows at the bottom and columns at the right of the input that no window reads.

    A stride that does not divide the free space leaves them: i = 7, k = 3, s = 3 reads pixels 0
    to 5 and leaves one. (0, 0) for operators without windows.
    """
    both = node_windows(node)
    if both is None:
        return 0, 0
    h, w = node.inputs[0].shape[2:]
    return both[0].unread(known_size((h,))), both[1].unread(known_size((w,)))
