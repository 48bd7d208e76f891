"""Several operators as one step: a graph inside an operator.

Fusion keeps a body instead of growing a list of operators such as conv_bias_relu: types, values
and checks follow from the body, the native runtime reads anchor and epilogue from it, and
unfusing is putting the body in the operator's place.
"""

from dataclasses import dataclass, field

from graphcnn.errors import GraphError
from graphcnn.ir.batch import Batches, Rule, Types
from graphcnn.ir.batch_walk import follow
from graphcnn.ir.evaluate import Evaluator, between
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Op
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import BroadcastTo
from graphcnn.ops.parts.body import WithBody


@dataclass(frozen=True, eq=False, repr=False)
class Fused(WithBody):
    """The outputs of `body`, computed from its inputs in order.

    `anchor` is the place among `body.nodes` of the one heavy operator (a convolution or a matrix
    product) whose epilogue the other nodes are; None where all are elementwise, of one shape.
    It has no derivative: a graph is differentiated before it is fused.
    """

    anchor: int | None = field(default=None, kw_only=True)  # type: ignore[misc,assignment]

    @property
    def anchor_node(self) -> Node | None:
        """The heavy operator of the body."""
        return None if self.anchor is None else self.body.nodes[self.anchor]

    @property
    def epilogue(self) -> tuple[Node, ...]:
        """The elementwise operators of the body, in order; constants and inputs left out."""
        return tuple(n for n in self.body.operations if n is not self.anchor_node)

    def infer(self, *inputs: TensorType) -> TensorType | tuple[TensorType, ...]:
        expected = tuple(v.type for v in self.body.inputs)
        if inputs != expected:
            found = ", ".join(map(str, inputs))
            raise GraphError(f"the body reads ({', '.join(map(str, expected))}), found ({found})")
        anchors = [i for i, n in enumerate(self.body.nodes) if n.op.anchor]
        if anchors != ([] if self.anchor is None else [self.anchor]):
            raise GraphError(f"anchor is {self.anchor}, but the body has its anchors at {anchors}")
        if self.anchor_node and not set(self.anchor_node.inputs) <= set(self.body.inputs):
            raise GraphError(f"{self.anchor_node.op.name} must read inputs of the body only")
        types = tuple(v.type for v in self.body.outputs.values())
        return types if len(types) != 1 else types[0]

    def evaluate(self, *inputs: Array) -> Array | tuple[Array, ...]:
        body, known = self.body, dict(zip(self.body.inputs, inputs, strict=True))
        found = Evaluator(between(known, body.results), body.results).run(known)
        results = tuple(found[v] for v in body.outputs.values())
        return results if len(results) != 1 else results[0]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        found = follow(self.body.nodes, dict(zip(self.body.inputs, inputs, strict=True)))
        return tuple(found[v] for v in self.body.outputs.values())

    def bind(self, n: int) -> "Fused":
        body = self.body.bind(n)
        return self if body is self.body else fused(body)


def is_fusible(op: Op) -> bool:
    """Whether an operator may stand in a body: heavy, elementwise, a broadcast."""
    inner = op.anchor or op.elementwise or isinstance(op, BroadcastTo)
    return inner and not isinstance(op, Fused)


def fused(body: Graph) -> Fused:
    """The operator of a body; its anchor is found. Raises `GraphError` where there are several."""
    anchors = [i for i, n in enumerate(body.nodes) if n.op.anchor]
    if len(anchors) > 1:
        names = ", ".join(body.nodes[i].op.name for i in anchors)
        raise GraphError(f"a body has at most one heavy operator, found {names}")
    return Fused(body, anchor=anchors[0] if anchors else None)
