"""Maps that show nothing are refused, with the reason and the layer where it lies."""

from collections.abc import Sequence

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Node, Value
from graphcnn.ir.sources import Input
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core, Parts
from graphcnn.passes.training.backward import vjp


def is_telling(maps: Array) -> Array:
    """For each of the maps (n, ...): whether it is finite and not the same number everywhere."""
    flat = maps.reshape(len(maps), -1)
    low, high = flat.min(1), flat.max(1)
    told: Array = (low < high) & (low > -np.inf) & (high < np.inf)
    return told


def check_maps(lens: Core, subject: Subject, maps: Array, method: str) -> None:
    """Raise `LensError` where one of the maps (n, ...) shows nothing; it says why, and where."""
    if len(maps) == 1 and -np.inf < maps.min() < maps.max() < np.inf:
        return  # the same, in half the time
    telling = is_telling(maps)
    if not telling.all():
        first = int(np.argmin(telling))
        whose = f" for image {first}" if len(maps) > 1 else ""
        one = subject.alone(first)
        raise LensError(f"{method} of {one.words}{whose}: {_reason(lens, one, maps[first])}")


def _reason(lens: Core, subject: Subject, values: Array) -> str:
    way = [v for v in way_to(lens.image, subject.value) if v.dtype.is_float]
    forward, backward = _both_ways(lens, subject, way)
    for value, array in zip(way, forward, strict=True):
        if not np.isfinite(array).all():
            return f"the first tensor that is not finite is {_label(value.node)}; train it anew"
    for value, array in zip(reversed(way), reversed(backward), strict=True):
        if not np.isfinite(array).all():
            return f"the gradient is not finite at {_label(value.node)}"
    alive = [bool(array.any()) for array in backward]
    if not alive[0] and any(alive):
        first = alive.index(True)
        node = way[first].node
        closed = _blocked(node, forward[first], way[first] is subject.value)
        return f"the gradient is 0: it dies at {_label(node)}{closed}"
    if not np.isfinite(values).all():
        return "it is not finite, though all tensors and gradients are"
    constant = f"{values.flat[0]:.3g}"
    if not any(alive):
        return (
            f"it is {constant} everywhere, and no tensor before the score has any influence on it"
        )
    return f"it is {constant} everywhere, so it tells no pixel from another"


def _blocked(node: Node, result: Array, seen: bool) -> str:
    """What of a rectifier is closed."""
    if node.op.family != "activation":
        return ""
    if seen and result.any():
        return ", which is closed (0) where it is looked at"
    if result.any():
        return f", where the {np.count_nonzero(result)} open units of {result.size} do not matter"
    return f", all {result.size} units of which are closed (0)"


def _both_ways(
    lens: Core, subject: Subject, way: Sequence[Value]
) -> tuple[list[Array], list[Array]]:
    """Of one image: the tensors on the way, and the gradient of the score for each."""

    def parts() -> Parts:
        chosen = Input("lens.select", subject.value.type)(name="lens.select")
        found = vjp([subject.value], [chosen], way)
        outputs = {f"forward{i}": v for i, v in enumerate(way[1:], 1)}
        outputs |= {f"backward{i}": g for i, g in enumerate(found) if g is not None}
        return (lens.image, chosen), outputs

    probe = lens.probe(("way", subject.targets[0].layer), parts)
    found = probe(subject.fed, subject.weights())
    forward = [subject.fed, *(found[f"forward{i}"] for i in range(1, len(way)))]
    return forward, [found.get(f"backward{i}", np.zeros(1)) for i in range(len(way))]


def way_to(image: Value, score: Value) -> list[Value]:
    """The tensors from the image to the score, both with them, in the order of the network."""
    reached, found = {image}, [image]
    for node in topological_order([score.node]):
        if any(v in reached for v in node.inputs):
            reached.update(node.outputs)
            found += node.outputs
    return found


def _label(node: Node) -> str:
    return f'{node.op.name} "{node.name}"' if node.name else node.op.name
