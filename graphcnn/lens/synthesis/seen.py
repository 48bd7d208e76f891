"""Pixels as a network sees them, as graphs: its tensors for other images than its input."""

from collections.abc import Sequence
from typing import cast

import numpy as np

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import LensError
from graphcnn.ir.graph import Graph, rebuilt
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, N, Shape, TensorType
from graphcnn.lens.core import Core
from graphcnn.ops.elementwise import as_type


def shape_of(core: Core) -> tuple[int, int, int]:
    """Channels, height and width of the images. Raises `LensError` where they are left open."""
    shape = core.image.shape[1:]
    if not all(isinstance(d, int) for d in shape):
        raise LensError(f"{core.model.name} takes images {core.image.type} of any size; fix one")
    return cast(tuple[int, int, int], shape)


def normalised(core: Core, pixels: Value) -> Value:
    """Pixels in [0, 1] as the network takes them."""
    known = core.network.normalisation or Normalisation()
    x, channels = pixels, (1, -1, 1, 1)
    full = 255 * known.scale  # of a white pixel
    if not np.isclose(full, 1):
        x = x * float(full)
    if any(known.mean):
        x = x - constant_of(np.reshape(np.array(known.mean, np.float32), channels))
    if any(std != 1 for std in known.std):
        x = x / constant_of(np.reshape(np.array(known.std, np.float32), channels))
    return as_type(x, core.image.dtype)


def seen(core: Core, pixels: Value, values: Sequence[Value]) -> list[Value]:
    """Tensors of the network in float32, for pixels in [0, 1] in place of its images."""
    image, count = core.image, pixels.shape[0]
    if isinstance(count, int) and not isinstance(image.shape[0], int):
        tensors = {str(i): value for i, value in enumerate(values)}
        bound = Graph.of([image], tensors).bind(N=count)  # shapes that are written out have N, too
        (image,), values = bound.inputs, [*bound.outputs.values()]
    found = rebuilt(values, {image: normalised(core, pixels)})
    return [as_type(v, DType.FLOAT32) for v in found]


def given(name: str, shape: Shape, dtype: DType = DType.FLOAT32) -> Value:
    """An input of ours, called lens.NAME: no tensor of the network is in its way."""
    key = f"lens.{name}"
    return Input(key, TensorType(shape, dtype))(name=key)


def pixel_input(core: Core, name: str = "pixels") -> Value:
    """An input of images (N, C, H, W) in [0, 1]."""
    return given(name, (N, *core.image.shape[1:]))


def normalisation_words(core: Core) -> str:
    known = core.network.normalisation
    return "in [0, 1], normalised" if known else "in [0, 1], no normalisation known"


def pieces(count: int, size: tuple[int, ...]) -> list[slice]:
    """The items of batches of equal size: at most 64, fewer of large images. The last batch begins
    earlier where they do not come out even, so that all are of one size."""
    most = max(1, min(64, (1 << 20) // int(np.prod(size))))
    each = -(-count // -(-count // most))
    starts = [min(i, count - each) for i in range(0, count, each)]
    return [slice(i, i + each) for i in starts]


def code_of(core: Core, layer: str, pixels: Array) -> Array:
    """What the layer makes of pixels in [0, 1]."""

    def parts() -> tuple[Sequence[Value], dict[str, Value]]:
        x = pixel_input(core)
        return (x,), {"code": seen(core, x, [core.value(layer)])[0]}

    key = ("code", layer, core.network.normalisation)
    return core.probe(key, parts)(pixels)["code"]
