"""Images read between their pixels: GridSample and its AffineGrid, RoiAlign, DeformConv.

Each computes where to read, for every axis on its own. A point then is a weighted sum over the
pixels around it, each of which is one `gather` of rows (a row holds the channels of a pixel).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import Dim, DType, N, format_shape
from graphcnn.onnx.importing.context import Call, UnsupportedError, cast_to, imports, reshaped
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import size_of
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import And, Equal, Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Add, Floor, Maximum, Minimum, Mul, Round
from graphcnn.ops.gather import Gather
from graphcnn.ops.reduce import Max
from graphcnn.ops.shape import Transpose


def known_place(at: Value, otherwise: float) -> Value:
    """Coordinates, with a number in place of what is none: an index has to be one."""
    return Where()(Equal()(at, at), at, constant_of(otherwise, at.dtype))


def clipped(x: Value, low: float, high: float) -> Value:
    return Minimum()(Maximum()(x, constant_of(low, x.dtype)), constant_of(high, x.dtype))


@dataclass(frozen=True)
class SampleTap:
    """One of the pixels around a point, along one axis: where, how much, whether it exists."""

    place: Value
    weight: Value
    inside: Value | None = None


Taps = Sequence[SampleTap]


def weighted(
    rows: Value, batch: int, axes: Sequence[Taps], sizes: Sequence[int], first: Value | None = None
) -> list[Value]:
    """The rows of the pixels around points, times their weights: one for every choice of taps.

    `rows` (B..., pixels, C) holds images of `sizes`, row-major; places and weights of each axis
    broadcast to (B..., points). `first` is the number of the first row of a point's image.
    """
    found = []
    for taps in product(*axes):
        strides = [prod(sizes[a + 1 :]) for a in range(len(sizes))]
        terms = [t.place * s if s > 1 else t.place for t, s in zip(taps, strides, strict=True)]
        place = reduce(Add(), terms if first is None else [first, *terms])
        weight = reduce(Mul(), [t.weight for t in taps])
        inside = [t.inside for t in taps if t.inside is not None]
        if inside:
            weight = Where()(reduce(And(), inside), weight, constant_of(0.0, weight.dtype))
        found.append(Gather(batch)(rows, place) * reshaped(weight, (*weight.shape, 1)))
    return found


def linear_taps(at: Value, size: int) -> Taps:
    """The two neighbours of a point; those outside of the axis, and NaN, count as 0."""
    at = clipped(known_place(at, -2.0), -2.0, size + 1.0)
    low = Floor()(at)
    share = at - low
    return [_zero_outside(low, 1.0 - share, size), _zero_outside(low + 1.0, share, size)]


def _zero_outside(place: Value, weight: Value, size: int) -> SampleTap:
    inside = And()(place >= 0.0, place <= size - 1.0)
    return SampleTap(cast_to(clipped(place, 0.0, size - 1.0), DType.INT64), weight, inside)


# GridSample

#: Farther away than this, a float32 does not tell a pixel from the next one.
FAR = 2.0**24


def _middles(count: int, aligned: bool) -> Array:
    """Where the pixels of one axis lie in -1 … 1: their middles or, aligned, from end to end (a
    single one at the first end)."""
    end = 1.0 if aligned else (count - 1) / count
    return np.linspace(-end, end, count)


@imports("AffineGrid")
def affine_grid(call: Call) -> Value:
    """theta · (x, y, 1) of every pixel, or (x, y, z, 1) of a volume."""
    theta, sizes = call.value(0), call.sizes(1, "size")
    rank = len(sizes) - 2
    if rank not in (2, 3) or theta.shape != (sizes[0], rank, rank + 1) or N in sizes[2:]:
        raise ImportModelError(
            f"theta {theta.type} and the size {format_shape(sizes)} must be (N, 2, 3) and "
            "(N, C, H, W), or (N, 3, 4) and (N, C, D, H, W)"
        )
    call.limits.check_shape((*sizes[:1], *sizes[2:], rank), "the result")
    aligned = bool(call.attribute("align_corners", 0))
    axes = [_middles(int(d), aligned) for d in sizes[2:]]  # type: ignore[arg-type]
    places = [*reversed(np.meshgrid(*axes, indexing="ij")), np.ones([len(a) for a in axes])]
    points = constant_of(np.stack(places, -1).reshape(-1, rank + 1), theta.dtype)
    grid = MatMul()(points, Transpose((0, 2, 1))(theta))
    return reshaped(grid, (sizes[0], *sizes[2:], rank))


@imports("GridSample")
def grid_sample(call: Call) -> Value:
    """y at the points of a grid with coordinates from -1 to 1, those of the last axis first.

    A coordinate that is NaN is -1, as in ONNX Runtime. Infinite and very large ones are far
    outside: nothing, or the pixel at the border; a reflection counts no farther than FAR pixels.
    """
    x, grid = call.value(0), call.value(1)
    rank = x.type.rank - 2
    if grid.type.rank != rank + 2 or grid.shape[-1] != rank or rank < 1:
        raise ImportModelError(f"grid {grid.type} must be (N, ..., {rank}) for x {x.type}")
    if rank > 3:
        raise UnsupportedError(f"samples of {x.type}, expected images or volumes")
    sizes = tuple(size_of(x, 2 + a) for a in range(rank))
    points = grid.shape[1:-1]
    count = prod(size_of(grid, 1 + a) for a in range(rank))
    channels = size_of(x, 1)
    call.limits.check_shape((x.shape[0], count, channels), "the points of the grid")
    flat = reshaped(grid, (grid.shape[0], count, rank))
    axes = []
    for a, size in enumerate(sizes):
        at = reshaped(cut(flat, 2, rank - 1 - a, 1), (grid.shape[0], count))
        axes.append(_taps(call, at, size))
    rows = Transpose((0, 2, 1))(reshaped(x, (x.shape[0], channels, prod(sizes))))
    y = reduce(Add(), weighted(rows, 1, axes, sizes))
    return reshaped(Transpose((0, 2, 1))(y), (x.shape[0], channels, *points))


def _taps(call: Call, at: Value, size: int) -> Taps:
    """The pixels around points along one axis."""
    at = known_place(at, -1.0)
    corners, how = bool(call.attribute("align_corners", 0)), call.attribute("padding_mode", "zeros")
    mode = call.attribute("mode", "linear" if call.opset >= 20 else "bilinear").removeprefix("bi")
    if how not in ("zeros", "border", "reflection") or mode not in ("nearest", "linear", "cubic"):
        raise ImportModelError(f"attributes mode = {mode!r}, padding_mode = {how!r} are unknown")
    at = (at + 1.0) * ((size - 1) / 2) if corners else (at + 1.0) * (size / 2) - 0.5
    low, high = (0.0, size - 1.0) if corners else (-0.5, size - 0.5)
    if mode == "nearest":
        at = Round()(at)
    if how == "reflection":
        at = _reflected(at, low, high)
    elif how == "border":
        at = Where()(And()(at >= low, at <= high), at, clipped(at, 0.0, size - 1.0))
    else:
        at = clipped(at, -4.0, size + 3.0)

    def tap(place: Value, weight: Value) -> SampleTap:
        if how == "zeros":
            return _zero_outside(place, weight, size)
        if how == "reflection":
            for _ in range(1 if size > 3 else 2):
                place = Where()(place < low, 2 * low - place, place)
                place = Where()(place > high, 2 * high - place, place)
        return SampleTap(cast_to(clipped(place, 0.0, size - 1.0), DType.INT64), weight)

    if mode == "nearest":
        return [tap(at, constant_of(np.ones((1, 1)), at.dtype))]
    base = Floor()(at)
    share = at - base
    if mode == "linear":
        return [tap(base, 1.0 - share), tap(base + 1.0, share)]
    return [tap(base + float(k), _cubic(share, k)) for k in (-1, 0, 1, 2)]


def _reflected(at: Value, low: float, high: float) -> Value:
    """Points beyond low and high, as often as it takes, at the same distance inside."""
    span = high - low
    far = FAR if at.dtype.bits > 16 else 2.0**12
    off = clipped(at, -far, far) - low
    if not span:
        return off * 0.0
    rest = off - 2 * span * Floor()(off * (1 / (2 * span)))
    return low + Where()(rest > span, 2 * span - rest, rest)


def _cubic(share: Value, k: int) -> Value:
    """The weight of the pixel k places from a point's own, by R. Keys with a = -0.75."""
    a = -0.75
    d = share - float(k) if k <= 0 else float(k) - share
    if k in (0, 1):
        return ((a + 2) * d - (a + 3)) * d * d + 1.0
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


# RoiAlign


@imports("RoiAlign")
def roi_align(call: Call) -> Value:
    """Boxes of images as images of one size: means (or maxima) over points in each cell."""
    x, rois = call.value(0), call.value(1)
    if x.type.rank != 4 or rois.type.rank != 2 or rois.shape[1] != 4:
        raise ImportModelError(f"expected images and boxes (R, 4), found {x.type}, {rois.type}")
    images, channels, h, w = (size_of(x, a) for a in range(4))
    half = call.opset >= 16 and call.attribute("coordinate_transformation_mode",
                                               "half_pixel") == "half_pixel"  # fmt: skip
    boxes = rois * call.attribute("spatial_scale", 1.0) - (0.5 if half else 0.0)
    cells = call.attribute("output_height", 1), call.attribute("output_width", 1)
    ratio = call.attribute("sampling_ratio", 0)
    if ratio > call.limits.pieces:
        raise ImportModelError(
            f"attribute 'sampling_ratio' = {ratio}, expected at most {call.limits.pieces} "
            "(limits.pieces)"
        )
    axes, grids = [], []
    for axis, size in enumerate((h, w)):
        start, end = cut(boxes, 1, 1 - axis, 1), cut(boxes, 1, 3 - axis, 1)
        length = end - start if half else Maximum()(end - start, constant_of(1.0, x.dtype))
        if ratio > 0:
            grid = np.full((1, 1), float(ratio))
        else:
            lengths = call._evaluated(length, "the sizes of boxes (sampling_ratio = 0)")
            if not np.isfinite(lengths).all():
                raise ImportModelError("the sizes of boxes must be finite (sampling_ratio = 0)")
            grid = np.maximum(np.ceil(lengths.astype(np.float64) / cells[axis]), 0.0)
        most = max(1, int(grid.max()))
        call.limits.check_shape((rois.shape[0], cells[axis], most), "the points of the boxes")
        cell, step = (c.reshape(1, -1) for c in np.mgrid[: cells[axis], :most])
        inside = step < np.maximum(grid, 1)
        offset = cell + (step + 0.5) / np.maximum(grid, 1)
        at = start + length * (1 / cells[axis]) * constant_of(offset, x.dtype)
        shape = (*at.shape, 1) if axis == 0 else (at.shape[0], 1, at.shape[1])
        axes.append([_reshaped_tap(t, shape) for t in _box_taps(at, size, inside)])
        grids.append((most, grid))
    rows = reshaped(Transpose((0, 2, 3, 1))(x), (images * h * w, channels))
    first = cast_to(call.value(2), DType.INT64) * (h * w)
    first = reshaped(first, (*first.shape, 1, 1))
    (high, rows_of), (wide, columns_of) = grids
    points = (rois.shape[0], cells[0], high, cells[1], wide, channels)
    call.limits.check_shape(points, "the points of the boxes")
    terms = weighted(rows, 0, axes, (h, w), first)
    if call.attribute("mode", "avg") == "avg":
        count = np.maximum(rows_of * columns_of, 1.0).reshape(-1, 1, 1, 1)
        total = Sum((2, 4))(reshaped(reduce(Add(), terms), points))
        y = total * constant_of(1 / count, x.dtype)
    else:
        if ratio <= 0 and (np.any(rows_of != high) or np.any(columns_of != wide)):
            raise UnsupportedError("maxima over boxes of different sizes (sampling_ratio = 0)")
        y = Max((2, 4))(reshaped(reduce(Maximum(), terms), points))
    return Transpose((0, 3, 1, 2))(y)


def _reshaped_tap(tap: SampleTap, shape: tuple[Dim, ...]) -> SampleTap:
    assert tap.inside is not None
    return SampleTap(*(reshaped(v, shape) for v in (tap.place, tap.weight, tap.inside)))


def _box_taps(at: Value, size: int, counted: Any) -> Taps:
    """Points up to one pixel outside read the pixel at the border, those further out nothing."""
    inside = And()(And()(at >= -1.0, at <= float(size)), constant_of(counted, DType.BOOL))
    at = clipped(known_place(at, 0.0), 0.0, size - 1.0)
    low = Floor()(at)
    share = at - low
    return [
        SampleTap(cast_to(low, DType.INT64), 1.0 - share, inside),
        SampleTap(cast_to(clipped(low + 1.0, 0.0, size - 1.0), DType.INT64), share, inside),
    ]


# DeformConv


@imports("DeformConv")
def deform_conv(call: Call) -> Value:
    """A convolution whose taps read where offsets move them: gathered columns times the kernel."""
    x, weight, offset = (call.value(i) for i in range(3))
    if x.type.rank != 4 or weight.type.rank != 4:
        raise UnsupportedError(f"expected images (N, C, H, W), found {x.type}")
    n = x.shape[0]
    c, h, w = (size_of(x, a) for a in (1, 2, 3))
    m, kernel = size_of(weight, 0), (size_of(weight, 2), size_of(weight, 3))
    if call.ints("kernel_shape", kernel, 2) != kernel:
        raise ImportModelError(f"attribute 'kernel_shape' must be that of the weight {weight.type}")
    stride, dilation = call.ints("strides", (1, 1), 2), call.ints("dilations", (1, 1), 2)
    pads = call.ints("pads", (0, 0, 0, 0), 4)
    groups, moved = call.attribute("group", 1), call.attribute("offset_group", 1)
    out = size_of(offset, 2), size_of(offset, 3)
    taps, count = prod(kernel), prod(out)
    if c % (groups * moved) or offset.shape[1] != 2 * moved * taps:
        raise ImportModelError(f"offsets {offset.type} do not fit x {x.type}, {weight.type}")
    call.limits.check_shape((n, c * taps, count), "the columns of the convolution")
    shifts = reshaped(offset, (n, moved, taps, 2, count))
    axes = []
    for axis, size in enumerate((h, w)):
        tap = np.indices(kernel)[axis].reshape(-1, 1) * dilation[axis]
        start = np.indices(out)[axis].reshape(1, -1) * stride[axis] - pads[axis]
        shift = reshaped(cut(shifts, 3, axis, 1), (n, moved, taps, count))
        axes.append(linear_taps(shift + constant_of(tap + start, x.dtype), size))
    rows = reshaped(x, (n, moved, c // moved, h * w))
    read = reduce(Add(), weighted(Transpose((0, 1, 3, 2))(rows), 2, axes, (h, w)))
    if call.has(4):
        read = read * reshaped(call.value(4), (n, moved, taps, count, 1))
    columns = Transpose((0, 1, 4, 2, 3))(read)
    columns = reshaped(columns, (n, groups, c // groups * taps, count))
    y = MatMul()(reshaped(weight, (groups, m // groups, c // groups * taps)), columns)
    y = reshaped(y, (n, m, *out))
    return y + reshaped(call.value(3), (m, 1, 1)) if call.has(3) else y
