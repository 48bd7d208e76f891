"""Windows of images as arrays: what the operators that slide a kernel are made of."""

from collections.abc import Iterator
from types import EllipsisType

import numpy as np

from graphcnn.ir.geometry import Pair, Window
from graphcnn.ir.node import Array

#: Rows and columns of the last two axes of an array.
Region = tuple[EllipsisType, slice, slice]


def pad_image(x: Array, both: tuple[Window, Window], value: float = 0.0) -> Array:
    """x with the padding of both windows around its last two axes, overhang included."""
    (h, w), (a, b) = x.shape[-2:], both
    rows = (a.before, a.after + a.overhang(h))
    columns = (b.before, b.after + b.overhang(w))
    if not any((*rows, *columns)):
        return x
    return np.pad(x, ((0, 0), (0, 0), rows, columns), constant_values=value)


def unfold(x: Array, both: tuple[Window, Window], value: float = 0.0) -> Array:
    """All windows of an image as a view of the padded image: (N, C, OH, OW, KH, KW)."""
    a, b = both
    padded = pad_image(x, both, value)
    view = np.lib.stride_tricks.sliding_window_view(padded, (a.span, b.span), axis=(2, 3))
    return view[:, :, :: a.stride, :: b.stride, :: a.dilation, :: b.dilation]


def fold(patches: Array, sizes: Pair, both: tuple[Window, Window]) -> Array:
    """The transpose of `unfold`: (N, OH, OW, C, KH, KW) added up into images (N, C, *sizes)."""
    a, b = both
    n, oh, ow, c, kh, kw = patches.shape
    height = max(sizes[0] + a.before + a.after, (oh - 1) * a.stride + a.span)
    width = max(sizes[1] + b.before + b.after, (ow - 1) * b.stride + b.span)
    padded = np.zeros((n, height, width, c), patches.dtype)
    for u in range(kh):
        for v in range(kw):
            rows = slice(u * a.dilation, u * a.dilation + (oh - 1) * a.stride + 1, a.stride)
            columns = slice(v * b.dilation, v * b.dilation + (ow - 1) * b.stride + 1, b.stride)
            padded[:, rows, columns] += patches[:, :, :, :, u, v]
    inside = padded[:, a.before : a.before + sizes[0], b.before : b.before + sizes[1]]
    return np.moveaxis(inside, -1, 1)


def taps(sizes: Pair, both: tuple[Window, Window]) -> Iterator[tuple[Region, Region]]:
    """For each tap of the kernel, row-major: the pixels it reads and the outputs it feeds.

    A sum over windows is `y[outputs] += x[pixels]` for all taps, its transpose is
    `x[pixels] += y[outputs]`. Padding is left out, so neither side needs a padded copy.
    """
    a, b = both
    for u in range(a.kernel):
        for v in range(b.kernel):
            (rows, i), (columns, j) = _reach(sizes[0], a, u), _reach(sizes[1], b, v)
            yield (..., rows, columns), (..., i, j)


def _reach(size: int, window: Window, tap: int) -> tuple[slice, slice]:
    """Pixels that a tap reads along one axis, and the window positions where it reads them."""
    start, step = tap * window.dilation - window.before, window.stride
    first = max(0, -(start // step))  # the first position where the tap is not before the image
    last = max(first, min(window.output(size), (size - 1 - start) // step + 1))
    stop = max(0, start + (last - 1) * step + 1)
    return slice(start + first * step, stop, step), slice(first, last)


def covered(size: int, window: Window, before: int = 0, after: int = 0) -> Array:
    """Taps of each window position inside the image, widened by `before` and `after` pixels."""
    starts = np.arange(window.output(size)) * window.stride - window.before
    read = starts[:, None] + np.arange(window.kernel) * window.dilation
    counts: Array = np.sum((read >= -before) & (read < size + after), axis=1)
    return counts
