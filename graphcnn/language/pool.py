"""Pooling and max unpooling."""

from typing import Literal, overload

from graphcnn.ir.geometry import Pair, Sides
from graphcnn.ir.node import Value, build
from graphcnn.language.arguments import IntOrPair, Padding, pair, scoped, sides
from graphcnn.language.errors import located
from graphcnn.ops.parts.checks import image_sizes
from graphcnn.ops.pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from graphcnn.ops.unpool import MaxUnpool2d


def _window(
    x: Value, kernel: IntOrPair, stride: IntOrPair | None, padding: Padding, dilation: IntOrPair
) -> tuple[Pair, Pair, Sides, Pair]:
    """Kernel, stride, padding and dilation as the operators hold them."""
    k, d = pair(kernel, "kernel"), pair(dilation, "dilation")
    s = k if stride is None else pair(stride, "stride")
    return k, s, sides(padding, image_sizes(x.type), k, s, d), d


@overload
def max_pool2d(
    x: Value,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    name: str = "",
) -> Value: ...


@overload
def max_pool2d(
    x: Value,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[True],
    name: str = "",
) -> tuple[Value, Value]: ...


@located
def max_pool2d(
    x: Value,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    name: str = "",
) -> Value | tuple[Value, Value]:
    """The largest value of each window.

    y[n,c,i,j] = max over u,v of x[n, c, s·i + d·u - p, s·j + d·v - p]

    Args:
        x: image (N, C, H, W).
        kernel: size of the window, an int or (height, width).
        stride: pixels from one window to the next; the kernel by default, so that windows touch.
        padding: an int, (height, width), (top, bottom, left, right), "same" or "valid". Padding is
            never the maximum, whatever the sign of the image.
        dilation: pixels from one tap of the window to the next.
        ceil_mode: round the output size up: the last window may hang over the end of the image.
        return_indices: also return the place row·W + column of each maximum (int64), which
            `max_unpool2d` takes.

    Returns:
        (N, C, OH, OW) with OH = floor((H + top + bottom - d·(KH - 1) - 1) / s) + 1, or a pair with
        the indices. Equal maxima count as the first of them, row by row; NaN is kept.

    Raises:
        GraphError: the window does not fit, or padding is so wide that a window sees nothing else.
    """
    op = MaxPool2d(*_window(x, kernel, stride, padding, dilation), ceil_mode, return_indices)
    node = build(op, (x,), scoped(name, op.name))
    return (node.outputs[0], node.outputs[1]) if return_indices else node.output


@located
def max_unpool2d(x: Value, indices: Value, size: IntOrPair, *, name: str = "") -> Value:
    """Put each value where max pooling found it, in an image of zeros.

    y[n, c, indices[n,c,i,j]] += x[n,c,i,j], with places counted row·W + column

    Args:
        x: (N, C, h, w), for example a pooled image.
        indices: places of the same shape, from `max_pool2d(..., return_indices=True)`.
        size: height and width of the result: those of the image that was pooled.

    Returns:
        (N, C, H, W). Values that share a place, as overlapping windows may, are summed.

    Raises:
        GraphError: shapes differ, or the indices are not int64.
        DataError: when run, an index lies outside the image.
    """
    op = MaxUnpool2d(pair(size, "size"))
    return op(x, indices, name=scoped(name, op.name))


@located
def avg_pool2d(
    x: Value,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = False,
    name: str = "",
) -> Value:
    """The mean of each window.

    y[n,c,i,j] = sum over u,v of x[n, c, s·i + d·u - p, s·j + d·v - p] / count

    Args:
        x: image (N, C, H, W).
        kernel, stride, padding, dilation, ceil_mode: as for `max_pool2d`.
        count_include_pad: divide by the pixels of the window inside the padded image, so that
            padding counts as zeros. By default only pixels of the image count. What hangs over
            the end in ceil_mode never counts.

    Returns:
        (N, C, OH, OW) with OH = floor((H + top + bottom - d·(KH - 1) - 1) / s) + 1.

    Raises:
        GraphError: the window does not fit, or padding is so wide that a window sees nothing else.
    """
    op = AvgPool2d(*_window(x, kernel, stride, padding, dilation), ceil_mode, count_include_pad)
    return op(x, name=scoped(name, op.name))


@located
def global_avg_pool2d(x: Value, *, name: str = "") -> Value:
    """The mean of each channel over all pixels: (N, C, H, W) to (N, C, 1, 1).

    y[n,c,0,0] = sum over h,w of x[n,c,h,w] / (H·W)

    Raises:
        GraphError: x is not an image of a float type.
    """
    op = GlobalAvgPool2d()
    return op(x, name=scoped(name, op.name))
