"""Batch normalisation, in inference, in training and backwards.

Each kernel is written once, over `Channels`: a channel, or a vector of them. The work is cut by
channels, so every sum is taken by one thread, in one order: images one after the other, the sums
of an image as `sums` says. Channels go in groups that are read together, image by image, so that
memory is read in long runs; sums wait in scratch between images.

Training reads x twice. The first eighth of the batch gives a mean m that is only a shift, and with
d = x - m over the whole batch

    mean = m + sum of d / M        variance = sum of d² / M - (sum of d / M)²

The mean of an eighth is at most sqrt(7) deviations away from the mean, so the difference loses no
more than three bits, however large the mean is.
"""

from collections.abc import Callable
from typing import Any, cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ir.tensor_type import DType
from graphcnn.ops.layout import inner
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import lowers, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.parts.channel_units import (
    At,
    Blocks,
    Channels,
    Terms,
    channels_of,
)
from graphcnn.runtime.native.kernels.parts.math import sqrt
from graphcnn.runtime.native.kernels.parts.pixel_rows import least
from graphcnn.runtime.native.kernels.parts.pixel_sums import Values

#: The part of the batch that the shift comes from: 1 / _SAMPLE.
_SAMPLE = 8
#: Vectors in scratch for each unit, and bytes of one.
_SLOTS, _SLOT = 5, 128


def root(e: Emitter, variance: ir.Value, epsilon: ir.Value) -> ir.Value:
    """sqrt(variance + epsilon)."""
    return sqrt(e, e.add(variance, epsilon))


class ChannelGroup:
    """One group of channels at work: loops over it, and vectors in scratch for each unit."""

    def __init__(self, e: Emitter, channels: Channels, room: ir.Value, first: Int) -> None:
        self.e, self.c, self.room, self.first = e, channels, room, first
        self.last = least(e, e.iadd(first, channels.group), e.share(channels.units)[1])

    def slot(self, k: int, unit: Int) -> ir.Value:
        """The address of vector k of a unit."""
        place = self.e.b.sub(self.e.int(unit), self.e.int(self.first))
        return self.e.at(self.room, DType.UINT8, (place, _SLOT), (k * self.c.group, _SLOT))

    def put(self, k: int, unit: Int, value: ir.Value) -> None:
        self.e.store(value, self.slot(k, unit))

    def get(self, k: int, unit: Int) -> ir.Value:
        return self.e.load(self.slot(k, unit), self.c.dtype, self.c.lanes)

    def units(self, body: Callable[[Int], None]) -> None:
        self.e.loop(self.first, self.last, body)

    def images(self, images: int, body: Callable[[Int, Int], None]) -> None:
        """body(n, unit), image by image."""
        self.e.loop(0, images, lambda n: self.units(lambda u: body(n, u)))

    def sums(self, images: int, kinds: int, terms: Callable[[Int], Terms]) -> None:
        """Slots 0, 1, … of each unit: the sums of terms(unit)(at, lanes) over the images."""
        e, c = self.e, self.c

        def clear(u: Int) -> None:
            for k in range(kinds):
                self.put(k, u, e.splat(0.0, c.dtype, c.width))

        def add(n: Int, u: Int) -> None:
            for k, found in enumerate(c.sums(e, n, u, kinds, terms(u))):
                total = e.load(self.slot(k, u), c.dtype, c.width)
                self.put(k, u, e.add(total, found))

        self.units(clear)
        self.images(images, add)

    def total(self, k: int, unit: Int) -> ir.Value:
        """The sum in slot k: one number per channel."""
        return self.c.fold(self.e, self.e.load(self.slot(k, unit), self.c.dtype, self.c.width))


def groups(e: Emitter, c: Channels, body: Callable[[ChannelGroup], None]) -> None:
    """The groups of this part."""
    first, last = e.share(c.units)
    room = e.at(e.operands[-1], DType.UINT8, (e.part, scratch_bytes(c)))
    e.loop(first, last, lambda u: body(ChannelGroup(e, c, room, u)), step=c.group)


def scratch_bytes(c: Channels) -> int:
    return _SLOTS * c.group * _SLOT


@places("batch_norm")
@lowers("batch_norm")
def batch_norm(node: Node, target: Target) -> Kernel:
    """y = (x - mean) · scale + beta with scale = gamma / sqrt(variance + epsilon)."""
    c, epsilon = channels_of(node, target), cast(Any, inner(node.op)).epsilon

    def emit(e: Emitter) -> None:
        _, gamma, beta, mean, variance, _ = e.operands

        def plane(p: Int) -> None:
            n, u = e.divmod(p, c.units)
            deviation = root(e, c.load(e, variance, u), c.number(e, epsilon))
            scale = e.b.fdiv(c.load(e, gamma, u), deviation)
            scaled(e, c, n, u, 5, (c.load(e, mean, u), scale, c.load(e, beta, u)))

        first, last = e.share(c.n * c.units)
        e.loop(first, last, plane)

    return Kernel(node_key(node), emit, 6, c.n * c.units)


def scaled(
    e: Emitter,
    c: Channels,
    n: Int,
    unit: Int,
    y: int,
    numbers: tuple[ir.Value, ir.Value, ir.Value],
) -> None:
    """y = (x - shift) · scale + bias for one image and numbers = (shift, scale, bias); x is operand
    0, y that of number `y`."""

    def body(at: At, lanes: int) -> None:
        shift, scale, bias = (c.spread(e, v, lanes) for v in numbers)
        v = e.sub(e.load(at(0), c.dtype, lanes), shift)
        e.store(e.fma(v, scale, bias), at(y))

    c.each(e, n, unit, body)
    c.finish(e, y, n, unit)


@places("batch_norm_train")
@lowers("batch_norm_train")
def batch_norm_train(node: Node, target: Target) -> Kernel:
    """y, and the mean and variance of each channel."""
    c, epsilon = channels_of(node, target), cast(Any, inner(node.op)).epsilon

    def emit(e: Emitter) -> None:
        _, gamma, beta, _, mean, variance, _ = e.operands

        def read(at: At, lanes: int) -> ir.Value:
            return e.load(at(0), c.dtype, lanes)

        def group(g: ChannelGroup) -> None:
            sample = -(-c.n // _SAMPLE)
            g.sums(sample, 1, lambda u: lambda at, lanes: [read(at, lanes)])
            part = c.number(e, sample * c.pixels)

            def centre(u: Int) -> None:
                shift, zero = e.b.fdiv(g.total(0, u), part), c.number(e, 0.0)
                finite = e.b.fcmp_ordered("==", e.sub(shift, shift), zero)
                g.put(2, u, e.b.select(finite, shift, zero))

            g.units(centre)

            def terms(u: Int) -> Terms:
                shift = g.get(2, u)

                def differences(at: At, lanes: int) -> Values:
                    d = e.sub(read(at, lanes), c.spread(e, shift, lanes))
                    return [d, e.mul(d, d)]

                return differences

            def statistics(u: Int) -> None:
                items = c.number(e, c.n * c.pixels)
                first, second = (e.b.fdiv(g.total(k, u), items) for k in (0, 1))
                zero, shift = c.number(e, 0.0), g.get(2, u)
                rest = e.sub(second, e.mul(first, first))
                square = e.b.select(e.b.fcmp_ordered("<", rest, zero), zero, rest)
                c.store(e, e.add(shift, first), mean, u)
                c.store(e, square, variance, u)
                scale = e.b.fdiv(c.load(e, gamma, u), root(e, square, c.number(e, epsilon)))
                g.put(3, u, scale)
                g.put(4, u, e.sub(c.load(e, beta, u), e.mul(first, scale)))

            def write(n: Int, u: Int) -> None:
                scaled(e, c, n, u, 3, (g.get(2, u), g.get(3, u), g.get(4, u)))

            g.sums(c.n, 2, terms)
            g.units(statistics)
            g.images(c.n, write)

        groups(e, c, group)

    return Kernel(node_key(node), emit, 7, c.units, scratch_bytes(c), algorithm="two passes")


@places("batch_norm_grad")
@lowers("batch_norm_grad")
def batch_norm_grad(node: Node, target: Target) -> Kernel:
    """dx = gamma · r · (dy - dbeta / M - (x - mean) · r · dgamma / M), and dgamma and dbeta."""
    c, epsilon = channels_of(node, target), cast(Any, inner(node.op)).epsilon

    def emit(e: Emitter) -> None:
        _, gamma, mean, variance, _, _, dgamma, dbeta, _ = e.operands

        def read(at: At, lanes: int, shift: ir.Value) -> tuple[ir.Value, ir.Value]:
            g = e.load(at(4), c.dtype, lanes)
            v = e.load(at(0), c.dtype, lanes)
            return g, e.sub(v, c.spread(e, shift, lanes))

        def terms(u: Int) -> Terms:
            shift = c.load(e, mean, u)

            def products(at: At, lanes: int) -> Values:
                g, d = read(at, lanes, shift)
                return [g, e.mul(g, d)]

            return products

        def group(g: ChannelGroup) -> None:
            def slopes(u: Int) -> None:
                total, product = g.total(0, u), g.total(1, u)
                deviation = root(e, c.load(e, variance, u), c.number(e, epsilon))
                r = e.b.fdiv(c.number(e, 1.0), deviation)
                slope, items = e.mul(product, r), c.number(e, c.n * c.pixels)
                c.store(e, slope, dgamma, u)
                c.store(e, total, dbeta, u)
                g.put(2, u, e.b.fdiv(total, items))
                g.put(3, u, e.mul(e.b.fdiv(slope, items), r))
                g.put(4, u, e.mul(c.load(e, gamma, u), r))

            def write(n: Int, u: Int) -> None:
                shift, numbers = c.load(e, mean, u), [g.get(k, u) for k in (2, 3, 4)]

                def body(at: At, lanes: int) -> None:
                    up, d = read(at, lanes, shift)
                    mean_part, normal_part, scale = (c.spread(e, v, lanes) for v in numbers)
                    rest = e.sub(e.sub(up, mean_part), e.mul(d, normal_part))
                    e.store(e.mul(rest, scale), at(5))

                c.each(e, n, u, body)
                c.finish(e, 5, n, u)

            g.sums(c.n, 2, terms)
            g.units(slopes)
            g.images(c.n, write)

        groups(e, c, group)

    pairs = tuple(
        (i, 0) for i in (0, 4) if isinstance(c, Blocks) and node.inputs[i].type == node.types[0]
    )  # each place is read for the last time just before it is written
    return Kernel(node_key(node), emit, 9, c.units, scratch_bytes(c), pairs, "two passes")
