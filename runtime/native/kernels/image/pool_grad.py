"""The gradient of max pooling, of plain and of blocked images, and what follows it.

Windows that do not overlap and lie side by side are done in one go: their pixels are loaded, the
first maximum found, and its share or zero stored for each. Others have two steps per plane: the
number of the winning tap of each window is written to scratch, next to dy with a margin of zeros;
then each pixel gathers (see `gather`) from the windows that it won. Windows of many taps or wide
steps are too much code for that; they are scattered one by one.
"""

from typing import cast

import llvmlite.ir as ir

from graphcnn.ir.node import Node
from graphcnn.ops.pool import MaxPool2dGrad
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.code.kernel import Kernel, node_key
from graphcnn.runtime.native.code.registry import anchored, lowers, places
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.image.pool import beats, winner
from graphcnn.runtime.native.kernels.parts.blocked import Place
from graphcnn.runtime.native.kernels.parts.epilogue import FusedGroup, group_of
from graphcnn.runtime.native.kernels.parts.image_places import ImagePlaces, field_of
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    each_plane,
    every,
    fill,
    flat,
    float_type,
    interleave,
    join_scalars,
    lanes_for,
    number,
    tiles,
)
from graphcnn.runtime.native.kernels.parts.pool_reach import PoolReach, can_gather
from graphcnn.runtime.native.kernels.parts.pool_windows import Pooling, Span, Values

#: Taps of the largest window that is done in one go.
MAX_DISJOINT = 16


@anchored("max_pool2d_grad")
@places("max_pool2d_grad")
@lowers("max_pool2d_grad")
def max_pool_grad(node: Node, target: Target) -> Kernel:
    """The kernel of the gradient, alone or with what follows it."""
    float_type(node)
    group = group_of(node)
    x_field, dy_field = (field_of(t) for t in group.types)
    follow = Follow(group, field_of(node.types[0]))
    p = Pooling(*cast(MaxPool2dGrad, group.op).windows, x_field)
    planes = follow.to.planes
    if is_disjoint(p):
        disjoint = Disjoint(p, dy_field, follow)
        return Kernel(node_key(node), disjoint.emit, group.count, planes, algorithm="windows")
    if x_field.cell == 1 and not can_gather(p):
        return Kernel(node_key(node), lambda e: _scatter(e, p, follow), group.count, planes)
    gather = PoolReach(p, follow.to)
    return Kernel(
        node_key(node), lambda e: _gather(e, p, gather, dy_field, follow), group.count + 1,
        planes, 2 * gather.bytes, algorithm="gather",
    )  # fmt: skip


class Follow:
    """What happens to a vector of dx before it is stored, and where it is stored."""

    def __init__(self, group: FusedGroup, to: ImagePlaces) -> None:
        self.group, self.to = group, to

    def __call__(self, e: Emitter, value: ir.Value, n: Int, row: Int, column: Int) -> ir.Value:
        """`value` starts at a pixel of plane n; of plain images it may have many pixels."""
        image, block = e.divmod(n, self.to.blocks)
        if self.to.cell > 1:
            epilogue = self.group.blocked_epilogue()
            place = Place(image, block, row, column, self.to.cell)
            return value if epilogue is None else epilogue(e, value, place)
        pixel = e.iadd(e.imul(row, self.to.w), column)
        return self.group.apply_plain(e, value, (image, block, pixel), 2)


def is_disjoint(p: Pooling) -> bool:
    """Whether the windows lie side by side inside the image."""
    pairs = ((p.rows, p.images.h, p.oh), (p.columns, p.images.w, p.ow))
    few = p.rows.kernel * p.columns.kernel <= MAX_DISJOINT
    return few and p.columns.kernel <= 4 and all(
        w.kernel == w.stride and w.dilation == 1 and w.before == 0 and count * w.stride <= size
        for w, size, count in pairs
    )  # fmt: skip


class Disjoint:
    """Windows that lie side by side. Pixels after the last window get zero."""

    def __init__(self, p: Pooling, dy: ImagePlaces, follow: Follow) -> None:
        self.p, self.dy, self.follow, self.to = p, dy, follow, follow.to

    def emit(self, e: Emitter) -> None:
        """The loops over this part's share of the planes."""
        p, to = self.p, self.to
        x, dy, dx = self.follow.group.operands(e)
        s, width = p.rows.stride, p.columns.stride
        lanes = 1 if to.cell > 1 else lanes_for(p.ow, e.target, p.dtype)

        def plane(n: Int) -> None:
            image, up, result = p.images.plane(e, x, n), self.dy.plane(e, dy, n), to.plane(e, dx, n)

            def nothing(row: Int, first: int) -> None:
                def pixel(j: Int, count: int) -> None:
                    value = e.splat(0.0, p.dtype, count * to.cell)
                    value = self.follow(e, value, n, row, e.iadd(j, first))
                    e.store(value, to.pixel(e, result, row, e.iadd(j, first)))

                if to.cell > 1:
                    e.loop(0, to.w - first, lambda j: pixel(j, 1))
                else:
                    flat(e, to.w - first, p.dtype, pixel)

            def rows(i: Int) -> None:
                def windows(j: Int) -> None:
                    self._windows(e, (image, up, result), n, i, j, lanes)

                tiles(e, 0, p.ow, lanes, windows)
                if p.ow * width < to.w:
                    for u in range(s):
                        nothing(e.iadd(e.imul(i, s), u), p.ow * width)

            e.loop(0, p.oh, rows)
            if p.oh * s < to.h:
                e.loop(p.oh * s, to.h, lambda row: nothing(row, 0))
            to.clear_halo(e, dx, n)

        each_plane(e, to.planes, plane)

    def _windows(
        self, e: Emitter, planes: tuple[ir.Value, ...], n: Int, i: Int, j: Int, lanes: int
    ) -> None:
        """`lanes` neighbouring windows of plain images, or one of a vector of channels."""
        (image, up, result), p, to = planes, self.p, self.to
        s, width, cell, dtype = p.rows.stride, p.columns.stride, self.to.cell, p.dtype
        top, left = e.imul(i, s), e.imul(j, width)
        taps: Values = []
        for u in range(s):
            start = p.images.pixel(e, image, e.iadd(top, u), left)
            if cell > 1:
                at = [e.at(start, dtype, (v, cell)) for v in range(width)]
                taps += [e.load(a, dtype, cell) for a in at]
            elif lanes == 1:
                taps += [e.load(e.at(start, dtype, (v, 1)), dtype) for v in range(width)]
            else:
                wide = e.load(start, dtype, lanes * width)
                taps += [every(e, wide, v, width, lanes) for v in range(width)]
        best, better = taps[0], []
        for x in taps[1:]:
            better.append(beats(e, x, best))
            best = e.b.select(better[-1], x, best)
        share = e.load(self.dy.pixel(e, up, i, j), dtype, lanes * cell)
        zero, later = e.splat(0.0, dtype, lanes * cell), None
        shares: Values = []
        for won in reversed(better):  # the last one to beat those before it
            mine = won if later is None else e.b.and_(won, e.b.not_(later))
            later = won if later is None else e.b.or_(won, later)
            shares.append(e.b.select(mine, share, zero))
        shares.append(share if later is None else e.b.select(later, zero, share))
        shares.reverse()
        for u in range(s):
            line, row = shares[u * width : (u + 1) * width], e.iadd(top, u)
            if cell == 1:
                line = [interleave(e, line, lanes) if lanes > 1 else join_scalars(e, line)]
            for v, value in enumerate(line):
                column = e.iadd(left, v)
                value = self.follow(e, value, n, row, column)
                e.store(value, to.pixel(e, result, row, column))


def _gather(
    e: Emitter, p: Pooling, gather: PoolReach, dy_field: ImagePlaces, follow: Follow
) -> None:
    x, dy, dx = follow.group.operands(e)
    to, room = follow.to, e.operands[-1]
    winners, shares = gather.scratch(e, room, 2)
    fill(e, shares, gather.count, 0.0, p.dtype)

    def term(i: Int, j: Int, tap: int, lanes: int) -> ir.Value:
        width = lanes * to.cell
        code = e.load(gather.at(e, winners, i, j), p.dtype, width)
        won = e.b.fcmp_ordered("==", code, e.splat(tap, p.dtype, width))
        share = e.load(gather.at(e, shares, i, j), p.dtype, width)
        return e.b.select(won, share, e.splat(0.0, p.dtype, width))

    def plane(n: Int) -> None:
        image, up = p.images.plane(e, x, n), dy_field.plane(e, dy, n)

        def find(i: Int) -> None:
            def windows(j: Int, span: Span) -> None:
                code = _winning_taps(e, p, image, i, j, span)
                e.store(code, gather.at(e, winners, i, j))
                share = e.load(dy_field.pixel(e, up, i, j), p.dtype, span.width)
                e.store(share, gather.at(e, shares, i, j))

            p.across(e, windows)

        e.loop(0, p.oh, find)
        gather.pixels(e, to.plane(e, dx, n), term)
        _follow_plane(e, dx, n, follow)
        to.clear_halo(e, dx, n)

    each_plane(e, to.planes, plane)


def _follow_plane(e: Emitter, dx: ir.Value, n: Int, follow: Follow) -> None:
    """What follows, on a plane that is still in the cache."""
    if follow.group.body is None:
        return
    to = follow.to
    start = to.plane(e, dx, n)

    def row(i: Int) -> None:
        def pixel(j: Int, count: int) -> None:
            at = to.pixel(e, start, i, j)
            value = e.load(at, to.dtype, count * to.cell)
            e.store(follow(e, value, n, i, j), at)

        if to.cell > 1:
            e.loop(0, to.w, lambda j: pixel(j, 1))
        else:
            flat(e, to.w, to.dtype, pixel)

    e.loop(0, to.h, row)


def _winning_taps(e: Emitter, p: Pooling, image: ir.Value, i: Int, j: Int, span: Span) -> ir.Value:
    """The number of the tap of the first maximum of each window, as a float."""

    def body(x: ir.Value, place: Int, tap: Int, best: ir.Value, code: ir.Value) -> Values:
        better = beats(e, x, best)
        new = number(e, tap, p.dtype, span.width)
        return [e.b.select(better, x, best), e.b.select(better, new, code)]

    def first(x: ir.Value, place: Int, tap: Int) -> Values:
        return [x, number(e, tap, p.dtype, span.width)]

    return p.window(e, image, i, j, span, body, first)[1]


def _scatter(e: Emitter, p: Pooling, follow: Follow) -> None:
    x, dy, dx = follow.group.operands(e)
    images, windows = p.images, ImagePlaces(p.images.n, p.images.blocks, 0, p.oh, p.ow, p.dtype)

    def plane(n: Int) -> None:
        image, result, up = images.plane(e, x, n), images.plane(e, dx, n), windows.plane(e, dy, n)
        fill(e, result, images.size, 0.0, p.dtype)

        def window(i: Int, j: Int) -> None:
            _, at = winner(e, p, image, i, j)
            share = e.load(windows.pixel(e, up, i, j), p.dtype)
            pixel = e.at(result, p.dtype, (at, 1))
            e.store(e.add(e.load(pixel, p.dtype), share), pixel)

        e.loop(0, p.oh, lambda i: e.loop(0, p.ow, lambda j: window(i, j)))
        _follow_plane(e, dx, n, follow)

    each_plane(e, images.planes, plane)
