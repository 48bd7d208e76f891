"""Convolutions."""

from typing import Any

from graphcnn.ir.initializers import Masked, initializer
from graphcnn.ir.node import Value
from graphcnn.language.activations import activate
from graphcnn.language.arguments import (
    Activation,
    IntOrPair,
    Padding,
    cut_off,
    pair,
    positive,
    scoped,
    sides,
)
from graphcnn.language.errors import located
from graphcnn.language.sources import learned
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.parts.checks import channels, image_sizes


@located
def conv2d(
    x: Value,
    filters: int,
    kernel: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    bias: bool = True,
    activation: Activation = None,
    flip_kernel: bool = False,
    mask: str = "",
    mask_groups: int = 1,
    init: Any = "xavier",
    weight: Value | None = None,
    name: str = "",
) -> Value:
    """Slide `filters` kernels over an image and sum the products.

    y[n,o,i,j] = b[o] + sum over c,u,v of x[n, c, s·i + d·u - p, s·j + d·v - p] · w[o,c,u,v]

    Args:
        x: image (N, C, H, W), any number of channels.
        filters: output channels O.
        kernel: size of the window, an int or (height, width).
        stride: pixels from one window to the next.
        padding: zeros around the image: an int, (height, width), (top, bottom, left, right),
            "same" (output ceil(size / stride)) or "valid" (none).
        dilation: pixels from one tap of the kernel to the next.
        groups: filters see only their own C / groups channels; groups = C is depthwise.
        bias: add one learned number per filter.
        activation: a name such as "relu", or a function of a tensor.
        flip_kernel: rotate the kernel by 180° first: the convolution of mathematics. The default
            is cross-correlation, which deep learning calls convolution.
        mask: "A" or "B": no result depends on a pixel behind its own, where pixels come row by row
            (PixelCNN, arXiv:1601.06759). The kernel has no taps below its centre, nor in its row
            to the right: they are not computed, learn nothing and stay 0. At the centre "A", for
            the first layer, sees only colours before its own, "B" its own, too. The sizes of the
            kernel are odd, the stride is 1.
        mask_groups: the colours of a pixel, such as 3 for R, G, B: equal parts of the channels in
            this order, of x and of the result.
        init: initial weight; see `parameter`.
        weight: a parameter (O, C/groups, KH, KW) to share instead of making one.

    Returns:
        (N, O, OH, OW) with OH = floor((H + top + bottom - d·(KH - 1) - 1) / s) + 1.

    Raises:
        GraphError: the kernel does not fit, channels are not divisible by groups (or by
            mask_groups); the message shows the formula with its numbers.
    """
    k, s, d = pair(kernel, "kernel"), pair(stride, "stride"), pair(dilation, "dilation")
    o, g, c = positive(filters, "filters"), positive(groups, "groups"), channels(x.type, "x")
    p = sides(padding, image_sizes(x.type), k, s, d)
    colors = positive(mask_groups, "mask_groups")
    op = Conv2d(s, p, d, g, flip_kernel, mask=mask, mask_groups=colors)
    op.check(k, c, o)
    init = Masked(initializer(init), mask, colors, g) if mask else init
    w = weight if weight is not None else learned((o, c // g, *k), init, x.dtype)
    b = [learned((o,), "zeros", x.dtype)] if bias else []
    return activate(op(x, w, *b, name=scoped(name, op.name)), activation)


@located
def conv_transpose2d(
    x: Value,
    filters: int,
    kernel: IntOrPair,
    *,
    stride: IntOrPair = 1,
    padding: int | tuple[int, int] | tuple[int, int, int, int] = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    bias: bool = True,
    activation: Activation = None,
    flip_kernel: bool = False,
    init: Any = "xavier",
    weight: Value | None = None,
    name: str = "",
) -> Value:
    """The transposed convolution, also called deconvolution: each input pixel paints a kernel.

    It is the gradient of `conv2d` with respect to its input, used forwards, and the full
    convolution of the zero-spread image with the rotated kernel.

    Args:
        x: image (N, C, H, W).
        filters: output channels O.
        padding: rows and columns cut off the result, in the spellings of `conv2d` except "same".
        output_padding: extra rows below and columns to the right, smaller than the stride: picks
            one of the sizes that the forward convolution maps to the same output size.
        weight: a parameter (C, O/groups, KH, KW) to share.

    Returns:
        (N, O, OH, OW) with OH = s·(H - 1) + d·(KH - 1) + 1 - top - bottom + output_padding.

    Raises:
        GraphError: the padding cuts everything off, channels are not divisible by groups, or
            output_padding is not smaller than the stride.
    """
    k, s, d = pair(kernel, "kernel"), pair(stride, "stride"), pair(dilation, "dilation")
    o, g, c = positive(filters, "filters"), positive(groups, "groups"), channels(x.type, "x")
    p = cut_off(padding)
    op = ConvTranspose2d(s, p, d, g, flip_kernel, pair(output_padding, "output_padding"))
    op.check(k, c, o)
    w = weight if weight is not None else learned((c, o // g, *k), init, x.dtype)
    b = [learned((o,), "zeros", x.dtype)] if bias else []
    return activate(op(x, w, *b, name=scoped(name, op.name)), activation)
