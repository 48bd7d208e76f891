"""Resize and Upsample of ONNX in our operators.

Nearest pixels are chosen, axis by axis. Mixtures of pixels are linear along each axis:
y = A_h · x · A_wᵀ with constant matrices, whatever the mode. Where these are the ones of our own
upsampling, that is taken instead. `interpolation` says which pixels and which weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.casting import range_of
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.tensor_type import Dim, DType, format_shape, is_open, known_size, times_n
from graphcnn.onnx.importing.context import Call, UnsupportedError, cast_to, imports, reshaped
from graphcnn.onnx.importing.rules.image.conv_and_pool import as_before, as_image
from graphcnn.onnx.importing.rules.image.interpolation import (
    CROP,
    MODES,
    Axis,
    matrix,
    nearest,
    outside,
)
from graphcnn.onnx.importing.rules.parts import take
from graphcnn.ops.comparison import Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Floor, Maximum, Minimum, Sign
from graphcnn.ops.resample import Upsample2d

How = Mapping[str, Any]


@imports("Upsample")
def upsample(call: Call) -> Value:
    """The form before Resize: pixel j lies at j / scale, and linear mode mixes from there."""
    x = call.value(0)
    scales = _scales(call, 1)
    if scales is None:
        raise ImportModelError("scales are missing")
    if len(scales) != x.type.rank:
        raise ImportModelError(f"scales {scales} must have one number per axis of {x.type}")
    sizes = [_scaled(d, s) for d, s in zip(x.shape, scales, strict=True)]
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
    how["mode"] = call.attribute("mode", "nearest").replace("bilinear", "linear")
    return resample(call, x, sizes, scales, how)


@imports("Resize")
def resize(call: Call) -> Value:
    """Opset 10 has (x, scales) and pixel j at j / scale; later ones (x, roi, scales, sizes)."""
    x = call.value(0)
    rank = x.type.rank
    how = {"mode": "nearest", **call.attributes}
    if call.opset < 11:
        how |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}
    scales = _scales(call, 1 if call.opset < 11 else 2)
    axes = [call.axis(a, rank) for a in call.ints("axes", tuple(range(rank)))]
    if how.get("coordinate_transformation_mode") == CROP:
        corners = call.known(1, "roi")
        roi = (
            [float(r) for r in corners.reshape(2, -1).T.reshape(-1)]
            if corners.size % 2 == 0
            else []
        )
        if len(roi) != 2 * len(axes):
            raise ImportModelError(f"roi must have two numbers for each of {len(axes)} axes")
        if not np.isfinite(roi).all():
            raise ImportModelError(f"roi must be finite, found {roi}")
        how["roi"] = {a: (roi[2 * i], roi[2 * i + 1]) for i, a in enumerate(axes)}
    if scales is not None:
        if len(scales) != len(axes):
            raise ImportModelError(f"scales {scales} must have one number per axis {axes}")
        return _by_scales(call, x, axes, scales, how)
    if not call.has(3):
        raise ImportModelError("scales or sizes are missing")
    wanted = call.sizes(3, "sizes")
    if len(wanted) != len(axes):
        raise ImportModelError(f"sizes {wanted} must have one number per axis {axes}")
    for a, d in zip(axes, wanted, strict=True):
        if isinstance(d, int) != isinstance(x.shape[a], int):
            raise UnsupportedError(
                f"sizes {format_shape(wanted)} of {x.type}: axis {a} is the batch, which cannot be "
                f"resampled: its size is {d if isinstance(x.shape[a], int) else x.shape[a]}"
                f"{_fixed(x.shape[a], d)}"
            )
    policy = call.attribute("keep_aspect_ratio_policy", "stretch")
    scales = [
        np.float32(1) if d == x.shape[a] else np.float32(_known(d)) / np.float32(_known(x.shape[a]))
        for a, d in zip(axes, wanted, strict=True)
    ]
    if policy == "stretch":
        return _by_scales(call, x, axes, scales, how, wanted)
    if policy not in ("not_larger", "not_smaller"):
        raise ImportModelError(f"attribute 'keep_aspect_ratio_policy' = {policy!r} is unknown")
    scale = min(scales) if policy == "not_larger" else max(scales)
    wanted = tuple(int(np.floor(float(np.float32(_known(x.shape[a])) * scale) + 0.5)) for a in axes)
    return _by_scales(call, x, axes, [scale] * len(axes), how, wanted)


def _fixed(d: Dim, wanted: Dim) -> str:
    """How an axis k·N has the size that is wanted of it, where a batch gives it that."""
    if not isinstance(wanted, int) or isinstance(d, int) or wanted < 1 or wanted % times_n(d):
        return ""
    return f'; it is {wanted} with inputs={{"name": ({wanted // times_n(d)}, ...)}}'


def _scales(call: Call, index: int) -> list[np.float32] | None:
    """The scales, float32 as in the file, or None where sizes are given instead."""
    if not call.has(index):
        given = call.attribute("scales")
        if given is None:
            return None
        array = np.asarray(given)
    else:
        array = call.known(index, "scales")
    if not array.size:
        return None
    scales = [np.float32(s) for s in array.reshape(-1)]
    if not all(0 < s < np.inf for s in scales):
        raise ImportModelError(f"scales must be positive, found {[float(s) for s in scales]}")
    return scales


def _known(d: Any) -> int:
    if not isinstance(d, int):
        raise UnsupportedError("the batch axis cannot be resampled")
    return d


def _scaled(d: Any, scale: np.float32) -> Any:
    """The floor of a float32 product, as in ONNX: 9 pixels times 17/9 are 17."""
    return d if scale == 1 else int(np.floor(np.float32(_known(d)) * scale))


def _by_scales(
    call: Call, x: Value, axes: list[int], scales: Sequence[Any], how: How, sizes: Any = None
) -> Value:
    """Some axes by their scales; the others stay. The sizes follow from the scales or are given."""
    whole, new = [np.float32(1)] * x.type.rank, list(x.shape)
    for i, (axis, scale) in enumerate(zip(axes, scales, strict=True)):
        whole[axis] = scale
        new[axis] = _scaled(x.shape[axis], scale) if sizes is None else sizes[i]
    return resample(call, x, new, whole, how)


def resample(call: Call, x: Value, sizes: list[Any], scales: Sequence[Any], how: How) -> Value:
    """Axis by axis, the last one first; two by our own upsampling where it does the same.

    An image that keeps its size is kept, whatever the scales, with `antialias` also an axis that
    keeps it: so do the runtimes.
    """
    mode = how["mode"]
    if mode not in MODES:
        raise ImportModelError(f"attribute 'mode' = {mode!r} is unknown")
    spans = {a: s for a, s in how.get("roi", {}).items() if s != (0.0, 1.0)}
    if tuple(sizes) == x.shape and not spans:
        return x
    call.limits.check_shape(sizes, "the result")
    axes: dict[int, Axis] = {}
    for a in reversed(range(x.type.rank)):
        moved = scales[a] != 1 and not how.get("antialias", 0)
        if sizes[a] != x.shape[a] or moved or a in spans:
            if _known(sizes[a]) < 1:
                raise ImportModelError(f"the result has the sizes {sizes}, expected at least 1")
            axes[a] = Axis(_known(x.shape[a]), sizes[a], scales[a], spans.get(a, (0.0, 1.0)))
    y = _chosen(call, x, axes, how) if mode == "nearest" else _mixed(call, x, axes, how)
    return _extrapolated(y, axes, how)


def _extrapolated(y: Value, axes: Mapping[int, Axis], how: How) -> Value:
    """What a box holds outside of the image is a number."""
    beyond = np.zeros([1] * y.type.rank, bool)
    if how.get("coordinate_transformation_mode") == CROP:
        for a, axis in axes.items():
            beyond = beyond | outside(axis).reshape(
                [-1 if b == a else 1 for b in range(y.type.rank)]
            )
    if not beyond.any():
        return y
    value = constant_of(np.asarray(how.get("extrapolation_value", 0.0)), y.dtype)
    return Where()(constant_of(beyond), value, y)


def _chosen(call: Call, x: Value, axes: Mapping[int, Axis], how: How) -> Value:
    """Pixels copied: by our upsampling where each is repeated equally often, else by index."""
    places: dict[int, Array] = {}
    for a, axis in axes.items():
        call.store.fold((axis.new,), np.int64)
        places[a] = nearest(axis, how)
    repeats = {a: axis.new // axis.size for a, axis in axes.items()}
    if _is_image(x, axes) and all(
        np.array_equal(places[a], np.repeat(np.arange(axis.size), repeats[a]))
        for a, axis in axes.items()
    ):
        return as_before(Upsample2d(_last_two(x, repeats))(as_image(x)), x)
    for a in axes:
        x = take(call, x, a, places[a])
    return x


def _is_image(x: Value, axes: Mapping[int, Axis]) -> bool:
    return x.dtype.is_float and x.type.rank in (3, 4) and min(axes) >= 2


def _last_two(x: Value, repeats: Mapping[int, int]) -> tuple[int, int]:
    """The whole scales of height and width; a signal has the height 1."""
    rank = x.type.rank
    return repeats.get(rank - 2, 1) if rank == 4 else 1, repeats.get(rank - 1, 1)


def _mixed(call: Call, x: Value, axes: Mapping[int, Axis], how: How) -> Value:
    """Pixels mixed by their distance: constant matrices along each axis."""
    matrices: dict[int, Array] = {}
    for a, axis in axes.items():
        call.store.fold((axis.new, axis.size), np.float64)
        matrices[a] = matrix(axis, how)
    if not x.dtype.is_float:
        return _of_integers(x, matrices, how)
    ours = _upsampled(x, axes, matrices)
    if ours is not None:
        return ours
    y = cast_to(x, DType.FLOAT32) if x.dtype.is_small else x
    for a, m in matrices.items():
        y = _along(y, a, m)
    return cast_to(y, x.dtype)


def _of_integers(x: Value, matrices: Mapping[int, Array], how: How) -> Value:
    """By way of floats that hold the integers exactly. What lies between two integers is cut off,
    with `antialias` rounded after each axis and brought into the range of the type."""
    if x.dtype.bytes > 4 or (how["mode"] == "cubic" and not how.get("antialias", 0)):
        raise UnsupportedError(f"attribute 'mode' = {how['mode']!r} of {x.type}")
    y = cast_to(x, DType.FLOAT32 if x.dtype.bytes < 4 else DType.FLOAT64)
    low, high = (constant_of(np.asarray(n), y.dtype) for n in range_of(x.dtype))
    for a, m in matrices.items():
        y = _along(y, a, m)
        if how.get("antialias", 0):
            y = Minimum()(Maximum()(Floor()(y + 0.5), low), high)
    if not how.get("antialias", 0):  # what is whole may have been rounded to just below
        y = y + Sign()(y) * 1e-4
    return cast_to(y, x.dtype)


#: By how much weights may differ that come from float32 coordinates, per pixel of the axis.
ROUNDING = 4 * 2.0**-24


def _upsampled(x: Value, axes: Mapping[int, Axis], matrices: Mapping[int, Array]) -> Value | None:
    """Our bilinear upsampling, where scales are whole and its matrices are these."""
    if not _is_image(x, axes) or any(a.new % a.size for a in axes.values()):
        return None
    scale = _last_two(x, {i: a.new // a.size for i, a in axes.items()})
    for corners in (False, True):
        op = Upsample2d(scale, "bilinear", corners)
        if all(
            np.allclose(matrices[i], op.matrix(a.size, a.new // a.size, np.float64),
                        0, ROUNDING * a.size)
            for i, a in axes.items()
        ):  # fmt: skip
            return as_before(op(as_image(x)), x)
    return None


def _along(x: Value, axis: int, m: Array) -> Value:
    """m applied to one axis of x."""
    rank = x.type.rank
    c = constant_of(m.astype(x.dtype.numpy), x.dtype)
    if axis == rank - 1 and rank > 1:
        return MatMul(transpose_b=True)(x, c)
    if axis == rank - 2:
        return MatMul()(c, x)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if is_open(after):
        raise UnsupportedError(f"resampling of axis {axis} of {x.type}")
    width = known_size(after)
    flat = MatMul()(c, reshaped(x, (*before, x.shape[axis], width)))
    return reshaped(flat, (*before, len(m), *after))
