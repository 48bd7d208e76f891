"""Constants of floats become weights of the page: stored once with the others, deflated or as
float16, and known by a key where a number is taken apart.

What an importer leaves to be computed from constants, such as weights by ConstantOfShape, is
computed here: the page holds the results, and the module no copy of them.
"""

from collections.abc import Sequence

import numpy as np

from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Constant, State
from graphcnn.ir.tensor_type import DType
from graphcnn.passes.simplify.fold_constants import FoldConstants

#: Bytes of a result that is computed here; larger ones fill half of a page's memory.
_MOST = 1 << 30


def with_constants_as_weights(graph: Graph) -> tuple[Graph, dict[str, Array]]:
    """The graph with its constants of float32 as states, and their values by key.

    A key is the first user's name and that of the operand, "conv_1.weight". Single numbers that are
    no weights stay, since operators are simplified by them.
    """
    folded = FoldConstants(max_bytes=_MOST)(graph)
    taken = {state_of(s).key for s in folded.states}
    found: dict[str, Array] = {}

    def thaw(node: Node, inputs: tuple[Value, ...]) -> Sequence[Value] | None:
        if not isinstance(node.op, Constant) or node.output.dtype is not DType.FLOAT32:
            return None
        user, operand = _user(folded, node.output)
        if node.op.array.size < 2 and operand not in ("weight", "bias"):
            return None
        key = base = f"{user.name or user.op.name}.{operand}"
        number = 2
        while key in taken:
            key, number = f"{base} {number}", number + 1
        taken.add(key)
        found[key] = np.asarray(node.op.array)
        return [State(key, node.output.type)(name=key)]

    return folded.transform(thaw, by="page"), found


def _user(graph: Graph, value: Value) -> tuple[Node, str]:
    """The first node that reads a value, and as which operand; of an output the node itself."""
    users = graph.users[value]
    if not users:
        return value.node, "value"
    first = users[0]
    return first, first.op.operand_name(first.inputs.index(value))
