"""Whether anything of a score reaches the image, and where the way back ends if not.

At a rectifier that is shut for a whole image the gradient is exactly 0, and so it is before it:
an image that begins there stays as it is.
"""

from collections.abc import Mapping, Sequence

from graphcnn.ir.graph import topological_order
from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.language.elementwise import abs
from graphcnn.language.reduce import max as largest
from graphcnn.lens.core import Core
from graphcnn.lens.synthesis.seen import pixel_input, seen
from graphcnn.lens.target import selected
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import vjp


def looked_at(core: Core, value: Value, pixels: Array, weights: Array) -> dict[str, Array]:
    """The `score` of each image, and its `reach`, the largest size of the score's gradient at its
    pixels: (n,).

    Args:
        value: the tensor that the scores are made of.
        pixels: images (n, C, H, W) in [0, 1].
        weights: of the elements of `value` for each image.
    """

    def parts() -> tuple[Sequence[Value], Mapping[str, Value]]:
        x, weight, scores = _scores(core, value)
        (gradient,) = _gradients(Sum((0,))(scores), [x])
        return (x, weight), {"score": scores, "reach": largest(abs(gradient), (1, 2, 3))}

    key = ("looked at", value, core.network.normalisation)
    return core.probe(key, parts)(pixels, weights)


def dead_end(core: Core, value: Value, pixels: Array, weights: Array) -> str:
    """The operator where the gradient of one image's score ends, on its way back.

    Args:
        as in `looked_at`, of one image.
    """
    x, weight, scores = _scores(core, value)
    total = Sum((0,))(scores)
    way = _way(total, x)
    values = [v for node in way for v in (*node.inputs, *node.outputs)]
    sizes = {str(i): largest(abs(g)) for i, g in enumerate(_gradients(total, values))}
    key = ("dead end", value, core.network.normalisation)
    found = core.probe(key, lambda: ((x, weight), sizes))(pixels, weights)
    alive = {v for i, v in enumerate(values) if found[str(i)].any()}
    for node in reversed(way):
        if any(v in alive for v in node.outputs) and not any(v in alive for v in node.inputs):
            return f"{node.op.name} {node.name!r}"
    return "the score"


def _scores(core: Core, value: Value) -> tuple[Value, Value, Value]:
    """Images, weights, and the score of each image."""
    x = pixel_input(core)
    return (x, *selected(seen(core, x, [value])[0]))


def _gradients(total: Value, values: Sequence[Value]) -> list[Value]:
    """Of the total for each of the values; zeros where there is none."""
    found = vjp([total], [constant_of(1.0, total.dtype)], values)
    return [v * 0.0 if g is None else g for v, g in zip(values, found, strict=True)]


def _way(total: Value, x: Value) -> list[Node]:
    """The nodes between the images and the total, by what of them depends on the images."""
    depending, way = {x}, []
    for node in topological_order([total.node]):
        if any(v in depending for v in node.inputs):
            depending.update(node.outputs)
            way.append(node)
    return way
