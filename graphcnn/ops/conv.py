"""Convolution, its transpose and its weight gradient: three operators closed under differentiation.

All three are bilinear in their two tensors and share one sum over the same triples
(output pixel, tap, input pixel); each solves it for another corner:

    conv2d                y  = sum over taps of    x · w
    conv_transpose2d      dx = sum over taps of    dy · w      (the gradient of conv2d's input)
    conv2d_weight_grad    dw = sum over pixels of  x · dy      (the gradient of conv2d's weight)

so that the gradients of each are the other two. "Convolution" is cross-correlation, as everywhere
in deep learning; with `flip_kernel` the kernel is rotated by 180° first, which is the convolution
of mathematics. Source of the geometry: V. Dumoulin, F. Visin, arXiv:1603.07285.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.batch import SUM, Batches, Rule, Types, per_item
from graphcnn.ir.geometry import (
    Pair,
    Sides,
    Window,
    check_mask,
    check_window,
    kernel_mask,
    output_sizes,
    read_taps,
    transposed_sizes,
    windows,
)
from graphcnn.ir.node import Array, Node, Op, Value, constant_of
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.parts.checks import channels, check_bias, check_same_dtype, image_sizes
from graphcnn.ops.parts.unfold import fold, unfold
from graphcnn.ops.shape import Slice

#: Numbers of patches that a convolution holds at a time.
_PATCHES = 1 << 22


@dataclass(frozen=True)
class _Convolution(Op):
    """The attributes that the three operators share.

    With a `mask` the kernel has some of its weights only (`graphcnn.ir.geometry`); what stands
    in the places of the others is not read, and their gradient is 0. `mask_groups` are the colours.
    """

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    flip_kernel: bool = False
    mask: str = field(default="", kw_only=True)
    mask_groups: int = field(default=1, kw_only=True)

    anchor: ClassVar[bool] = True
    family: ClassVar = "conv"
    integral: ClassVar[bool] = True

    def windows(self, kernel: Pair) -> tuple[Window, Window]:
        return windows(kernel, self.stride, self.padding, self.dilation)

    def check(self, kernel: Pair, x: int, out: int) -> None:
        check_window(kernel, self.stride, self.padding, self.dilation)
        if self.groups < 1 or x % self.groups or out % self.groups:
            raise GraphError(
                f"groups = {self.groups} must divide the {x} input channels and the "
                f"{out} output channels"
            )
        check_mask(self.mask, self.mask_groups, kernel, self.stride, self.flip_kernel)
        if self.mask:
            self.weights_of(out, x, kernel)

    def weights_of(self, o: int, c: int, kernel: Pair) -> Array:
        """True for the weights (O, C/groups, KH, KW) that a mask leaves, of convolutions from c
        channels to o."""
        return kernel_mask(self.mask, self.mask_groups, self.groups, (o, c // self.groups, *kernel))

    def read_taps(self, kernel: Pair) -> int:
        """How many taps, counted row by row, are read; a mask leaves the rest out."""
        return read_taps(self.mask, self.mask_groups, kernel)

    @property
    def whole_taps(self) -> bool:
        """Whether all that a mask leaves out are whole taps, and no single weights of others."""
        return self.mask_groups == 1

    def masked(self, weight: Array) -> Array:
        """The weight with exact zeros where the mask has none."""
        if not self.mask:
            return weight
        o, per_group, kh, kw = weight.shape
        zero = np.zeros((), weight.dtype)
        return np.where(self.weights_of(o, per_group * self.groups, (kh, kw)), weight, zero)

    def masked_value(self, weight: Value) -> Value:
        """The same of a value."""
        o, per_group, kh, kw = (int(d) for d in weight.shape)  # type: ignore[arg-type]
        mask = self.weights_of(o, per_group * self.groups, (kh, kw))
        return Where()(constant_of(mask), weight, constant_of(0.0, weight.dtype))

    def in_whole_taps(self, inputs: Sequence[Value]) -> Value | None:
        """The same, with the weights that the centre of a masked kernel lacks written as zeros, so
        that what is left to skip are whole taps. None where that is so already."""
        if self.whole_taps:
            return None
        x, weight, *bias = inputs
        plain = replace(self, mask="B", mask_groups=1)
        return plain(x, self.masked_value(weight), *bias)

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        return per_item(inputs, (0,))


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """y[n,o,i,j] = b[o] + sum over c,u,v of x[n, c, s·i + d·u - p, s·j + d·v - p] · w[o,c,u,v].

    Shapes: x (N, C, H, W), weight (O, C/groups, KH, KW), bias (O); y (N, O, OH, OW) with
    OH = floor((H + top + bottom - d·(KH - 1) - 1) / s) + 1. Any one float dtype. Whole numbers
    stay whole if it is `exact`: then it is computed as this sum and by no algorithm that rounds
    more.
    """

    exact: bool = False

    operands: ClassVar = ("x", "weight", "bias?")

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        n, c, (o, per_group, kernel) = x.shape[0], channels(x, "x"), _kernel(weight)
        self.check(kernel, c, o)
        check_same_dtype(x=x, weight=weight)
        check_bias(bias, o, x.dtype)
        if per_group * self.groups != c:
            raise GraphError(
                f"weight {weight} reads {per_group} channels × {self.groups} groups = "
                f"{per_group * self.groups}, but x {x} has {c}"
            )
        return x.with_shape((n, o, *output_sizes(image_sizes(x), self.windows(kernel))))

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        patches = unfold(x, self.windows(weight.shape[2:]))
        n, c, height, width = patches.shape[:4]
        g, o = self.groups, len(weight)
        area, taps = weight[0, 0].size, self.read_taps(weight.shape[2:])
        kernels = _oriented(self.masked(weight), self.flip_kernel)
        kernels = kernels.reshape(g, o // g, c // g, area)[..., :taps].reshape(g, o // g, -1)
        y = np.empty((n, g, o // g, height, width), x.dtype)
        rows = max(1, _PATCHES // (max(1, kernels.shape[-1]) * g * width))
        # Rows of patches are copied, a few at a time: KH · KW times the image may fill the memory.
        for image, made in zip(patches.reshape(n, g, c // g, *patches.shape[2:]), y, strict=True):
            for top in range(0, height, rows):
                some = np.moveaxis(image[:, :, top : top + rows], (4, 5), (2, 3))
                if taps < area:
                    some = some.reshape(g, c // g, area, -1)[:, :, :taps]
                sums = np.matmul(kernels, some.reshape(g, kernels.shape[-1], -1))
                made[:, :, top : top + rows] = sums.reshape(g, o // g, -1, width)
        y = y.reshape(n, o, height, width)
        return y if bias is None else y + bias[:, None, None]

    def sliding(self, *types: TensorType) -> tuple[Window, Window]:
        return self.windows(_kernel(types[1])[2])

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, weight, *bias = node.inputs
        both = self.windows(weight.shape[2:])  # type: ignore[arg-type]
        sizes = image_sizes(x.type)
        unread = (
            (sizes[0] + both[0].before + both[0].after - both[0].span) % self.stride[0],
            (sizes[1] + both[1].before + both[1].after - both[1].span) % self.stride[1],
        )
        shared = {k: v for k, v in self.attributes.items() if k != "exact"}
        dx = ConvTranspose2d(**shared, output_padding=unread)(dy, weight)
        dw = Conv2dWeightGrad(**shared, kernel=_kernel(weight.type)[2])(x, dy)
        return [dx, dw, *(Sum(axes=(0, 2, 3))(dy) for _ in bias)]


@dataclass(frozen=True)
class ConvTranspose2d(_Convolution):
    """y[n, c, s·i + d·u - p, s·j + d·v - p] += x[n,o,i,j] · w[o,c,u,v]: conv2d read backwards.

    Shapes: x (N, O, H, W), weight (O, C/groups, KH, KW), bias (C); y (N, C, OH, OW) with
    OH = s·(H - 1) + d·(KH - 1) + 1 - top - bottom + output_padding. The weight is the one of the
    convolution that maps y to x. `output_padding` adds rows below and columns to the right that
    the convolution leaves unread.
    """

    output_padding: Pair = (0, 0)

    operands: ClassVar = ("x", "weight", "bias?")

    def infer(
        self, x: TensorType, weight: TensorType, bias: TensorType | None = None
    ) -> TensorType:
        n, o, (rows, per_group, kernel) = x.shape[0], channels(x, "x"), _kernel(weight)
        c = per_group * self.groups
        self.check(kernel, o, c)
        check_same_dtype(x=x, weight=weight)
        check_bias(bias, c, x.dtype)
        if rows != o:
            raise GraphError(f"weight {weight} must have as many rows as x {x} has channels, {o}")
        if min(self.output_padding) < 0 or any(
            r >= max(s, d)
            for r, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)
        ):
            raise GraphError(
                f"output_padding {self.output_padding} must be at least 0 and smaller than stride "
                f"{self.stride} or dilation {self.dilation}"
            )
        sizes = transposed_sizes(image_sizes(x), self.windows(kernel), self.output_padding)
        return x.with_shape((n, c, *sizes))

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        both = self.windows(weight.shape[2:])
        sizes = transposed_sizes(x.shape[2:], both, self.output_padding)
        kernels = np.split(_oriented(self.masked(weight), self.flip_kernel), self.groups, axis=0)
        taps = self.read_taps(weight.shape[2:])
        parts = [
            fold(_read(np.tensordot(part, kernel, axes=(1, 0)), taps), sizes, both)
            for part, kernel in zip(np.split(x, self.groups, axis=1), kernels, strict=True)
        ]
        y = np.concatenate(parts, axis=1)
        return y if bias is None else y + bias[:, None, None]

    def gradient(self, node: Node, dy: Value) -> Sequence[Value | None]:
        x, weight, *bias = node.inputs
        shared = {k: v for k, v in self.attributes.items() if k != "output_padding"}
        read, shared["padding"] = self._read_back(dy)
        dx = Conv2d(**shared)(read, weight)
        dw = Conv2dWeightGrad(**shared, kernel=_kernel(weight.type)[2])(read, x)
        return [dx, dw, *(Sum(axes=(0, 2, 3))(dy) for _ in bias)]

    def _read_back(self, dy: Value) -> tuple[Value, Sides]:
        """dy and the padding with which the convolution gives as many pixels as x has.

        An output_padding of a stride or more would give it further pixels to make: so much less
        padding it gets at the end, and where there is less, the last rows of dy, which no pixel of
        x reaches, are left out.
        """
        padding, sizes = list(self.padding), list(image_sizes(dy.type))
        for axis, (extra, stride) in enumerate(zip(self.output_padding, self.stride, strict=True)):
            surplus = extra - extra % stride
            sizes[axis] -= max(0, surplus - padding[2 * axis + 1])
            padding[2 * axis + 1] = max(0, padding[2 * axis + 1] - surplus)
        if tuple(sizes) != image_sizes(dy.type):
            dy = Slice((0, 0, 0, 0), (*dy.shape[:2], *sizes), (1, 1, 1, 1))(dy)
        return dy, (padding[0], padding[1], padding[2], padding[3])


@dataclass(frozen=True)
class Conv2dWeightGrad(_Convolution):
    """dw[o,c,u,v] = sum over n,i,j of x[n, c, s·i + d·u - p, s·j + d·v - p] · dy[n,o,i,j].

    Shapes: x (N, C, H, W), dy (N, O, OH, OW), `kernel` (KH, KW); dw (O, C/groups, KH, KW): each
    tap sums, over all pixels, the input that it met times the sensitivity of the output it fed.
    """

    kernel: Pair = (1, 1)

    operands: ClassVar = ("x", "dy")
    results: ClassVar = ("dw",)

    def infer(self, x: TensorType, dy: TensorType) -> TensorType:
        c, o = channels(x, "x"), channels(dy, "dy")
        self.check(self.kernel, c, o)
        check_same_dtype(x=x, dy=dy)
        expected = (x.shape[0], o, *output_sizes(image_sizes(x), self.windows(self.kernel)))
        if dy.shape != expected:
            raise GraphError(f"dy must have the output's shape {expected}, found {dy}")
        return x.with_shape((o, c // self.groups, *self.kernel))

    def evaluate(self, x: Array, dy: Array) -> Array:
        patches = np.split(unfold(x, self.windows(self.kernel)), self.groups, axis=1)
        parts = [
            np.moveaxis(np.tensordot(patch, part, axes=((0, 2, 3), (0, 2, 3))), -1, 0)
            for patch, part in zip(patches, np.split(dy, self.groups, axis=1), strict=True)
        ]
        return self.masked(_oriented(np.concatenate(parts, axis=0), self.flip_kernel))

    @property
    def whole_taps(self) -> bool:
        """Whether no weight is left out: whatever is, is written as 0."""
        return not self.mask

    def in_whole_taps(self, inputs: Sequence[Value]) -> Value | None:
        """That of all weights, with zeros where the mask has none."""
        if self.whole_taps:
            return None
        return self.masked_value(replace(self, mask="", mask_groups=1)(*inputs))

    def gradient(self, node: Node, dw: Value) -> Sequence[Value | None]:
        x, dy = node.inputs
        shared = {k: v for k, v in self.attributes.items() if k != "kernel"}
        like = Conv2d(**shared)(x, dw)  # the convolution whose weight gradient this is
        (dx, _) = Conv2d(**shared).gradient(like.node, dy)
        return [dx, like]

    def follow_batch(self, inputs: Batches, types: Types, results: Types) -> Rule:
        found = per_item(inputs, (0, 1))
        return SUM if found.is_items else found


def _kernel(weight: TensorType) -> tuple[int, int, Pair]:
    """(rows, channels per group, (KH, KW)) of a weight type."""
    if weight.rank != 4 or not weight.is_bound:
        raise GraphError(f"weight must be (O, C/groups, KH, KW), found {weight}")
    o, c, kh, kw = (int(d) for d in weight.shape)  # type: ignore[arg-type]
    return o, c, (kh, kw)


def _read(patches: Array, taps: int) -> Array:
    """Patches (N, OH, OW, C, KH, KW) with zeros behind so many taps."""
    flat = patches.reshape(*patches.shape[:4], -1)
    flat[..., taps:] = 0
    return flat.reshape(patches.shape)


def _oriented(weight: Array, flip: bool) -> Array:
    """The weight, rotated by 180° in its two spatial axes when `flip` is set."""
    return weight[:, :, ::-1, ::-1] if flip else weight
