"""A part of the dense layer that a convolution is: some rows and columns of its matrix.

The whole matrix M of `conv_to_dense` is large: 3.7 million numbers for the first layer of LeNet-5.
A part of it comes about as the whole does, column by column: column f is what the convolution
answers to the image that is 1 at place f and 0 elsewhere. Where the kernel holds 1, 2, 3, ... in
place of its weights, the answers tell which weight stands where.
"""

from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Window
from graphcnn.ir.node import Array, Node
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.parts.checks import image_sizes

Place = tuple[int, int, int]  # map, row, column
#: A matrix of at most so many rows and columns is taken whole.
_WHOLE: Final = (50, 75)
#: The outputs of one map that a part takes, the largest that fits.
_CORNERS: Final = ((3, 3), (2, 3), (2, 2), (1, 2), (1, 1))


@dataclass(frozen=True, eq=False)
class DensePart:
    """Rows and columns of the dense weight of a convolution.

    Attributes:
        outputs: (map, row, column) of the output that each row of the matrix makes.
        inputs: (map, row, column) of the pixel that each column reads.
        weights: float64 (rows, columns), 0 where a weight is removed.
        taps: int64 (rows, columns): the place in the flattened kernel (O, C/groups, KH, KW) of the
            weight that stands there, -1 where it is removed.
    """

    outputs: tuple[Place, ...]
    inputs: tuple[Place, ...]
    weights: Array
    taps: Array


def dense_part(node: Node, kernel: Array) -> DensePart:
    """The whole matrix of a small `conv2d`, or of a large one the part at its first corner.

    The part has the outputs at the top left of one or two maps, and all the pixels that they read
    of one or two channels: what it leaves out of these channels is removed in these rows.

    Args:
        kernel: values of the weight, (O, C/groups, KH, KW).

    Raises:
        GraphError: the node is no conv2d, or its kernel has another shape.
    """
    op = node.op
    if not isinstance(op, Conv2d):
        raise GraphError(f"{op.name} has no dense equivalent here, only conv2d has")
    if tuple(kernel.shape) != node.inputs[1].shape:
        raise GraphError(
            f"the kernel of {node.name!r} is {node.inputs[1].type}, found an array of shape "
            f"{tuple(kernel.shape)}"
        )
    sizes = image_sizes(node.inputs[0].type)
    both = op.windows((kernel.shape[2], kernel.shape[3]))
    made, read, corner, patch = _chosen(op, kernel, sizes, both)
    outputs = tuple(product(made, range(corner[0]), range(corner[1])))
    inputs = tuple(product(read, range(patch[0]), range(patch[1])))
    numbers = np.arange(1, kernel.size + 1, dtype=np.float64).reshape(kernel.shape)
    taps = _block(op, numbers, made, outputs, inputs)
    weights = _block(op, kernel.astype(np.float64), made, outputs, inputs)
    return DensePart(outputs, inputs, weights, np.rint(taps).astype(np.int64) - 1)


def _chosen(
    op: Conv2d, kernel: Array, sizes: tuple[int, int], both: tuple[Window, Window]
) -> tuple[list[int], list[int], tuple[int, int], tuple[int, int]]:
    """Output maps, input maps, the corner of outputs and the patch of pixels that it reads."""
    maps, per_group = kernel.shape[:2]
    channels = per_group * op.groups
    out = (both[0].output(sizes[0]), both[1].output(sizes[1]))
    rows, columns = maps * out[0] * out[1], channels * sizes[0] * sizes[1]
    if rows <= _WHOLE[0] and columns <= _WHOLE[1]:
        return list(range(maps)), list(range(channels)), out, sizes
    # Of two groups one map each, so that the empty blocks between them are seen.
    made = [0, maps // op.groups] if op.groups > 1 else [0, 1][:maps]
    read = [0, per_group] if op.groups > 1 else [0, 1][:channels]
    for one_only in (False, True):
        if one_only:
            made, read = made[:1], read[:1]
        for wanted in _CORNERS:
            corner = (min(wanted[0], out[0]), min(wanted[1], out[1]))
            patch = (_read(both[0], corner[0], sizes[0]), _read(both[1], corner[1], sizes[1]))
            fits = len(read) * patch[0] * patch[1] <= _WHOLE[1]
            if fits and len(made) * corner[0] * corner[1] <= _WHOLE[0]:
                return made, read, corner, patch
    return made, read, corner, patch


def _read(window: Window, count: int, size: int) -> int:
    """How many pixels, from the first on, the first `count` windows reach."""
    return max(1, min(size, (count - 1) * window.stride + window.span - window.before))


def _block(
    op: Conv2d,
    kernel: Array,
    made: list[int],
    outputs: tuple[Place, ...],
    inputs: tuple[Place, ...],
) -> Array:
    """The rows and columns of the matrix for a kernel (O, C/groups, KH, KW)."""
    channels = list(range(kernel.shape[1] * op.groups))
    if op.groups == 1:  # only the maps and channels that are asked for
        channels = sorted({c for c, _, _ in inputs})
        kernel = kernel[made][:, channels]
        outputs = tuple((made.index(o), y, x) for o, y, x in outputs)
    # The outputs at the top left read no other pixels than these: the rest of the image is cut.
    patch = inputs[-1][1] + 1, inputs[-1][2] + 1
    images = np.zeros((len(inputs), len(channels), *patch))
    for i, (c, y, x) in enumerate(inputs):
        images[i, channels.index(c), y, x] = 1
    answers = op.evaluate(images, kernel)
    maps, rows, columns = np.array(outputs).T
    block: Array = np.ascontiguousarray(answers[:, maps, rows, columns].T)
    return block
