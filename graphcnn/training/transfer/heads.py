"""New heads: the last layer of a network is found on its graph and replaced, or a new one put on
the tensor of any layer. The weights below are shared with the network that they come from.

The head is the dense layer or convolution that makes the scores of the classes: behind it stand
only operators without weights that keep its channels apart, such as a softmax, a flatten, a global
average. That is proven by walking back from the prediction; where it is not so, the layer is asked
for.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import initializer
from graphcnn.ir.node import Node, Op, Value, build
from graphcnn.ir.sources import Constant, Role, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.language.arguments import is_int, positive
from graphcnn.language.dense import dense
from graphcnn.language.pool import global_avg_pool2d
from graphcnn.language.shape import flatten
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense, MatMul
from graphcnn.ops.elementwise import Add, Cast
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from graphcnn.ops.random import Dropout
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Flatten, Reshape, Transpose
from graphcnn.ops.softmax import LogSoftmax, Softmax

#: What may stand behind a head: no weights, and every score of the scores at its place alone, or
#: of all of them together.
_BEHIND = (
    AvgPool2d, Cast, Dropout, Flatten, GlobalAvgPool2d, LogSoftmax, MaxPool2d, Mean, Reshape,
    Softmax, Transpose,
)  # fmt: skip


def found_head(graph: Graph) -> tuple[Node, list[Node]]:
    """The head, and what stands between it and the prediction, the last one first.

    Raises:
        GraphError: it is not proven; names the node where.
    """
    prediction = next(iter(graph.outputs.values()))
    value, behind = prediction, list[Node]()
    while True:
        node = value.node
        if isinstance(node.op, Dense | Conv2d | MatMul):
            break
        computed = [v for v in node.inputs if not isinstance(v.node.op, State | Constant)]
        plain = isinstance(node.op, (*_BEHIND, Add)) or node.op.family == "activation"
        if not plain or len(computed) != 1:
            raise _refused(graph, f"{_word(node)} stands between the last layer and it")
        behind.append(node)
        (value,) = computed
    if not all(isinstance(_kept(v).node.op, State) for v in node.inputs[1:]):
        raise _refused(graph, f"the weights of {_word(node)} are no parameters")
    if isinstance(node.op, Conv2d) and node.op.groups > 1:
        raise _refused(graph, f"{_word(node)} has groups of channels")
    if prediction.type.rank < 2 or prediction.shape[1] != _units(node):
        raise _refused(
            graph, f"{_word(node)} makes {_units(node)} scores, and the prediction is "
            f"{prediction.type}"
        )  # fmt: skip
    return node, behind


def head_states(graph: Graph) -> list[str]:
    """The keys of the states of the head, its bias among them."""
    node, behind = found_head(graph)
    used = {_kept(v) for each in (node, *behind) for v in each.inputs}
    return [state_of(s).key for s in graph.states if s in used]


def replaced(graph: Graph, classes: int) -> Value:
    """The prediction with another number of classes: the head anew, what stands behind it as it
    is. Raises `GraphError` as `found_head`."""
    node, behind = found_head(graph)
    old = _units(node)
    x, weight, *bias = node.inputs
    states = (
        _resized(weight, _axis_of_units(node.op), classes),
        *(_resized(b, 0, classes) for b in bias),
    )
    new, before = build(node.op, (x, *states), node.name, node.origin).output, node.output
    for each in reversed(behind):
        inputs = [new if v is before else v for v in each.inputs]
        new, before = _behind_with(each, inputs, old, classes), each.output
    wanted = [*before.shape]
    wanted[1] = classes
    if [*new.shape] != wanted:
        raise _refused(graph, f"with {classes} classes it would be {new.type}")
    return new


def on_layer(features: Value, classes: int) -> Value:
    """Scores of classes from the tensor of a layer: a dense layer, called "logits", of the means of
    the maps."""
    x = features
    if x.type.rank == 4:
        x = flatten(global_avg_pool2d(x))
    if x.type.rank != 2 or not isinstance(x.shape[1], int):
        raise GraphError(
            f"a head reads images (N, C, H, W) or rows (N, F), and {features.node.name!r} is "
            f"{features.type}; head=... makes one of your own"
        )
    return dense(x, classes, name="logits")


def built(features: Value, head: Callable[[Value], Any]) -> Value:
    """What a function makes of the tensor of a layer."""
    found = head(features)
    if not isinstance(found, Value):
        raise GraphError(f"head must return a tensor, found {type(found).__name__}")
    return found


def counted(classes: Any) -> tuple[int, tuple[str, ...]]:
    """How many classes there are, and their names, where these are given."""
    if isinstance(classes, Sequence) and not isinstance(classes, str):
        return positive(len(classes), "classes"), tuple(map(str, classes))
    if not is_int(classes):
        raise GraphError(f"classes must be their number, or a list of names, found {classes!r}")
    return positive(classes, "classes"), ()


def _units(node: Node) -> Any:
    return node.output.shape[1 if isinstance(node.op, Conv2d) else -1]


def _axis_of_units(op: Op) -> int:
    """The axis of the weights along which the scores stand."""
    if isinstance(op, MatMul):
        return 0 if op.transpose_b else 1
    return 0


def _kept(value: Value) -> Value:
    """The state that is read, in another shape perhaps."""
    while value.node.op.view or isinstance(value.node.op, Transpose):
        value = value.node.inputs[0]
    return value


def _resized(value: Value, axis: int, classes: int) -> Value:
    """A state for another number of classes, to be drawn anew as it is read: matrices and kernels
    at random, biases as zeros."""
    key, sizes = state_of(_kept(value)).key, [*value.shape]
    sizes[axis] = classes
    initial = initializer("xavier" if value.type.rank > 1 else "zeros")
    t = TensorType(tuple(sizes), value.type.dtype)
    return State(key, t, Role.PARAMETER, True, initial)(name=key)


def _behind_with(node: Node, inputs: Sequence[Value], old: Any, classes: int) -> Value:
    """A node behind the head, of other inputs, for another number of classes."""
    op, found = node.op, [*inputs]
    if isinstance(op, Reshape):
        op = Reshape(tuple(classes if d == old else d for d in op.shape))
    for i, v in enumerate(inputs):
        if isinstance(v.node.op, State) and [*v.shape].count(old) == 1:
            resized = _resized(v, [*v.shape].index(old), classes)
            zeros = replace(state_of(resized), initial=initializer("zeros"))
            found[i] = zeros(name=zeros.key)
    return build(op, found, node.name, node.origin).output


def _word(node: Node) -> str:
    place = f" ({node.origin.location})" if node.origin.location else ""
    return f"{node.op.name} {node.name!r}{place}"


def _refused(graph: Graph, why: str) -> GraphError:
    name = next(iter(graph.outputs))
    return GraphError(
        f"the head of {graph.name!r} is not found behind its prediction {name!r}: {why}; "
        "with_head(layer=NAME, ...) puts one on the tensor of a layer"
    )
