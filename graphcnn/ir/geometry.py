"""Where windows lie: the output-size formula and its relatives. The only place they are written.

Along one axis, with input size i, kernel k, stride s, dilation d and padding p before and q after:

    span    e = d (k - 1) + 1                          pixels from the first to the last tap
    output  o = floor((i + p + q - e) / s) + 1         (V. Dumoulin, F. Visin, arXiv:1603.07285)
    unread  r = (i + p + q - e) mod s                  pixels at the end that no window reaches
    input of the transposed form  i = s (o - 1) + e - p - q + r
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from graphcnn.errors import GraphError

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]  # top, bottom, left, right

AXES = ("height", "width")


@dataclass(frozen=True)
class Window:
    """A window that slides along one axis."""

    kernel: int
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1
    ceil: bool = False

    @property
    def span(self) -> int:
        return self.dilation * (self.kernel - 1) + 1

    def output(self, size: int) -> int:
        """Number of window positions; less than 1 when the kernel does not fit.

        With `ceil` the last, partial window counts too if it starts inside the input or the
        padding before it (the rule of PyTorch and of ONNX from opset 22).
        """
        free = size + self.before + self.after - self.span
        if not self.ceil:
            return free // self.stride + 1
        count = -(-free // self.stride) + 1
        return count - ((count - 1) * self.stride >= size + self.before)

    def unread(self, size: int) -> int:
        """Pixels of the input at its end that no window position reads."""
        read = (self.output(size) - 1) * self.stride + self.span
        return max(0, min(size, size + self.before - read))

    def overhang(self, size: int) -> int:
        """Positions past the padded input that the last window of `ceil` touches."""
        read = (self.output(size) - 1) * self.stride + self.span
        return max(0, read - (size + self.before + self.after))

    def formula(self, size: int) -> str:
        """The output-size formula with the numbers put in."""
        o, d, k = self.output(size), self.dilation, self.kernel
        padding = f" + {self.before} + {self.after}"
        rounding = f"ceil(/{self.stride})" if self.ceil else f"// {self.stride}"
        return f"({size}{padding} - {d}·({k} - 1) - 1) {rounding} + 1 = {o}"


def windows(
    kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, ceil: bool = False
) -> tuple[Window, Window]:
    """The two windows (height, width) of an image operator."""
    top, bottom, left, right = padding
    return (
        Window(kernel[0], stride[0], top, bottom, dilation[0], ceil),
        Window(kernel[1], stride[1], left, right, dilation[1], ceil),
    )


def check_window(kernel: Pair, stride: Pair, padding: Sides, dilation: Pair) -> None:
    """Raise `GraphError` unless kernel, stride and dilation are >= 1 and padding is >= 0."""
    for name, pair in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if min(pair) < 1:
            raise GraphError(f"{name} must be at least 1, found {pair}")
    if min(padding) < 0:
        raise GraphError(
            f"padding must not be negative, found {padding} (top, bottom, left, right); "
            "use slice to cut pixels off"
        )


def output_sizes(sizes: tuple[int, int], both: tuple[Window, Window]) -> Pair:
    """Output height and width. Raises `GraphError` with the formula where the kernel is too big."""
    for axis, size, window in zip(AXES, sizes, both, strict=True):
        if window.output(size) < 1:
            dilated = f" (spanning {window.span} with dilation)" if window.dilation > 1 else ""
            raise GraphError(
                f"{axis} {window.formula(size)} < 1: a kernel of {window.kernel}{dilated} does not "
                f"fit an input of {size} with padding {window.before} + {window.after}"
            )
    return both[0].output(sizes[0]), both[1].output(sizes[1])


def transposed_sizes(sizes: Pair, both: tuple[Window, Window], extra: Pair) -> Pair:
    """Output height and width of a transposed convolution: s (i - 1) + e - p - q + extra."""
    result = []
    for axis, size, w, r in zip(AXES, sizes, both, extra, strict=True):
        out = w.stride * (size - 1) + w.span - w.before - w.after + r
        if out < 1:
            raise GraphError(
                f"{axis} {w.stride}·({size} - 1) + {w.span} - {w.before} - {w.after} + {r} = {out} "
                "< 1: the padding cuts off the whole output"
            )
        result.append(out)
    return result[0], result[1]


def same_padding(sizes: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Padding for an output of ceil(i / s): split evenly, the odd pixel at the bottom and right.

    This is "same" of TensorFlow and `SAME_UPPER` of ONNX.
    """
    sides: list[int] = []
    for i, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max(0, (-(-i // s) - 1) * s + d * (k - 1) + 1 - i)
        sides += [total // 2, total - total // 2]
    return sides[0], sides[1], sides[2], sides[3]


# Masks of kernels: which weights a convolution has so that no pixel sees what comes after it.
#
# Pixels come row by row, from left to right, and the colours of one pixel one after the other. The
# kernel of a masked convolution has the taps above its centre and those to the left of it. At the
# centre itself colours see those before them: mask "A" only these, mask "B" their own as well.
# A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel recurrent neural networks",
# arXiv:1601.06759, section 3.4.

#: What a mask may be; "" is none.
MASKS = ("", "A", "B")


def check_mask(mask: str, colors: int, kernel: Pair, stride: Pair, flip: bool) -> None:
    """Raise `GraphError` where a convolution cannot be masked so."""
    if mask not in MASKS:
        raise GraphError(f'mask must be "A" or "B" (or "" for none), found {mask!r}')
    if colors < 1 or (colors > 1 and not mask):
        raise GraphError(f"mask_groups is at least 1, and 1 without a mask, found {colors}")
    if not mask:
        return
    if kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
        raise GraphError(
            f"a masked kernel has a centre: its sizes are odd, found {kernel[0]}×{kernel[1]}"
        )
    if stride != (1, 1):
        raise GraphError(
            "a masked convolution has stride 1, as each result belongs to the pixel under the "
            f"centre of the kernel; found stride {stride[0]}×{stride[1]}"
        )
    if flip:
        raise GraphError("a masked kernel is not rotated: set flip_kernel=False")
    if kernel == (1, 1) and mask == "A" and colors == 1:
        raise GraphError('mask "A" leaves nothing of a kernel 1×1 with mask_groups=1')


def read_taps(mask: str, colors: int, kernel: Pair) -> int:
    """How many taps, counted row by row, are read at all."""
    if not mask:
        return kernel[0] * kernel[1]
    centre = kernel[0] // 2 * kernel[1] + kernel[1] // 2
    return centre + (mask == "B" or colors > 1)


@lru_cache(maxsize=64)
def kernel_mask(
    mask: str, colors: int, groups: int, shape: tuple[int, int, int, int]
) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """True for the weights (O, C/groups, KH, KW) that a masked convolution has.

    `colors` equal parts of the channels, in and out, are the colours in their order. Raises
    `GraphError` where the channels do not divide.
    """
    o, per_group, kh, kw = shape
    c = per_group * groups
    if c % colors or o % colors:
        raise GraphError(
            f"mask_groups = {colors} must divide the {c} input channels and the {o} output channels"
        )
    found = np.zeros((o, per_group, kh * kw), bool)
    centre = kh // 2 * kw + kw // 2
    found[:, :, :centre] = True
    written = np.arange(o)[:, None]
    read = written // (o // groups) * per_group + np.arange(per_group)
    mine, other = written // (o // colors), read // (c // colors)
    found[:, :, centre] = other <= mine if mask == "B" else other < mine
    found.flags.writeable = False
    return found.reshape(shape)
