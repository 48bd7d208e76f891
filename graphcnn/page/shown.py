"""The maps of a network that are shown: of every layer one, after the normalisation and the
activation that follow it alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Node, Value
from graphcnn.ir.origin import inherit
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, Shape
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.probabilities import source_of
from graphcnn.network.network import Network
from graphcnn.ops.activation import PRelu
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.shape import Reshape, StopGradient

IMAGE = "image"
#: Names that every object of JavaScript knows already, in which the page looks for those of maps.
_OBJECT = (
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString",
    "toString", "valueOf", "__proto__", "__defineGetter__", "__defineSetter__",
    "__lookupGetter__", "__lookupSetter__",
)  # fmt: skip


@dataclass
class Shown:
    """A map that is shown.

    Attributes:
        name: unique; of the layer's first node, and "image" of the image.
        node: what makes it.
        value: what is shown: the result of the last of `then`.
        sources: the maps that it is made of.
        then: normalisation and activation behind it, in order.
    """

    name: str
    node: Node
    value: Value
    sources: list["Shown"] = field(default_factory=list)
    then: list[Node] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) or (F,), without the batch; other axes are made one of these."""
        sizes = tuple(int(d) for d in self.value.shape if isinstance(d, int))
        inner = sizes[1:] if len(sizes) > 1 and sizes[0] == 1 else sizes
        if len(inner) in (1, 3):
            return inner
        if len(inner) < 3:
            return (1, *inner) if inner else (1,)
        rest = 1
        for size in inner[2:]:
            rest *= size
        return (*inner[:2], rest)

    @property
    def channel_axis(self) -> int | None:
        """The axis of the value that `shape` begins with; None where it begins with a 1 of its
        own."""
        sizes = self.value.shape
        first = 1 if len(sizes) > 1 and sizes[0] == 1 else 0
        inner = len(sizes) - first
        return first if inner == 1 or inner >= 3 else None


def page_graph(model: Network) -> Graph:
    """The network of one image, up to the scores of the classes where it ends in them.

    Raises `GraphCnnError` where it takes anything else, or cannot run one image alone.
    """
    inputs = model.graph.inputs
    if len(inputs) != 1 or inputs[0].type.rank != 4 or inputs[0].dtype is not DType.FLOAT32:
        found = ", ".join(f"{v.node.name} {v.type}" for v in inputs) or "none"
        raise GraphCnnError(
            f"a page shows a network of one image, f32[N,C,H,W]; the inputs of {model.name} are: "
            f"{found}. Of several, make a model of the image in which the others are constants"
        )
    scores = _scores_of(answer_of(model))
    if not scores.dtype.is_float:
        raise GraphCnnError(
            f"a page shows maps of floats; the output of {model.name} is {scores.type}"
        )
    graph = Graph.of(inputs, {"scores": scores}, name=model.graph.name)
    bound = graph if graph.is_bound else graph.bind(N=1)
    if not bound.is_bound:
        raise GraphCnnError(
            f"{model.name} has sizes that are not known; import it with shapes of its inputs"
        )
    (image,) = bound.inputs
    if image.shape[0] != 1:
        raise GraphCnnError(
            f"a page runs one image at a time, and {model.name} takes {image.shape[0]} at once; "
            "import it with one, or with an open batch"
        )
    # Under a name of its own, since inputs of the programs are named after maps.
    with inherit(image.node.origin, "page"):
        own = Input(IMAGE, image.type)(name=image.node.name)
    (made,) = rebuilt(tuple(bound.outputs.values()), {image: own})
    return Graph.of((own,), {"scores": made}, name=bound.name)


def answer_of(model: Network) -> Value:
    """What the network predicts: where its numbers lie along one axis, all others being 1, that is
    the one of channels, as in (N, K) and (N, K, 1, 1)."""
    return _along_channels(next(iter(model.graph.outputs.values())))


def _along_channels(value: Value) -> Value:
    """(N, 1, 1, K), (N, K, 1) and (K,), which is of one image, as (N, K); others as they are."""
    first, inner = value.shape[:1], value.shape[1:]
    several = [d for d in inner if d != 1]
    if not inner and isinstance(first[0] if first else None, int) and first != (1,):
        shape: Shape = (1, *first)
    elif len(several) == 1 and (inner[0] == 1 or len(inner) == 2):
        shape = (*first, *several)
    else:
        return value
    with inherit(value.node.origin, "page"):
        return Reshape(shape)(value)


def _scores_of(answer: Value) -> Value:
    """What stands before the softmax or sigmoids that an answer proves to be; else the answer."""
    for loss in ("cross_entropy", "binary_cross_entropy"):
        found = source_of(answer, LOSSES[loss].readable)
        if found is not answer:
            return _along_channels(found)
    return answer


def shown_maps(graph: Graph) -> list[Shown]:
    """All maps of a bound graph of one image, in order; the first is the image, the last one the
    output."""
    (image,) = graph.inputs
    (scores,) = graph.outputs.values()
    found = [Shown(IMAGE, image.node, image)]
    names = {IMAGE, *_OBJECT}
    #: What values that depend on the image are made of: the map that ends in them, or, of what is
    #: not shown, several.
    made: dict[Value, list[Shown]] = {image: [found[0]]}
    for node in graph.nodes:
        live = [v for v in node.inputs if v in made]
        if not live:
            continue
        before = made[live[0]]
        if (
            len(live) == 1 and len(before) == 1 and before[0].value is live[0]
            and before[0].name != IMAGE and graph.users[live[0]] == (node,)
            and live[0] is not scores and _joins(node, live[0])
        ):  # fmt: skip
            before[0].value = node.output
            before[0].then.append(node)
            made[node.output] = before
            continue
        sources = list(_once(s for v in live for s in made[v]))
        for index, value in enumerate(node.outputs):
            if value.dtype is not DType.FLOAT32:
                made[value] = sources
                continue
            name = _name(node.name or node.op.name, index, names)
            found.append(Shown(name, node, value, sources))
            made[value] = [found[-1]]
    last = next((s for s in found if s.value is scores), None)
    if last is None:
        raise GraphCnnError(f"the output of {graph.name}, {scores.type}, is not made of the image")
    found.remove(last)
    return [*found, last]


def _joins(node: Node, value: Value) -> bool:
    """Whether it is drawn into the map before it: it changes each number by itself."""
    each = node.op.elementwise or isinstance(node.op, BatchNorm | PRelu | StopGradient)
    return each and node.output.type == value.type and len(node.outputs) == 1


def _once(maps: Iterator[Shown]) -> Iterator[Shown]:
    seen: set[str] = set()
    for each in maps:
        if each.name not in seen:
            seen.add(each.name)
            yield each


def _name(name: str, index: int, taken: set[str]) -> str:
    base = found = f"{name}:{index}" if index else name
    number = 2
    while found in taken:
        found, number = f"{base} {number}", number + 1
    taken.add(found)
    return found
