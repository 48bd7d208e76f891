"""Padding and resampling of ONNX in our operators.

Resampling is linear along each axis: y = A_h · x · A_wᵀ with constant matrices, whatever the mode.
Where these are the ones of our own upsampling, that is taken instead.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir import Array, Value, constant_of
from graphcnn.onnx.importing.context import Call, UnsupportedError, cast_to, imports, reshaped
from graphcnn.onnx.importing.image import as_before, as_image
from graphcnn.onnx.importing.tensor import cut, take
from graphcnn.ops.comparison import Where
from graphcnn.ops.dense import MatMul
from graphcnn.ops.elementwise import Sign
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.resample import Upsample2d
from graphcnn.ops.shape import Embed
from graphcnn.tensor_type import DType, N, known_size


@imports("Pad")
def pad(call: Call) -> Value:
    """Cells around x: constant, or copies of x (reflect, edge, wrap). Negative numbers cut off."""
    x, mode = call.value(0), call.attribute("mode", "constant")
    before, after = _amounts(call, x)
    value: Any = call.attribute("value", 0.0)
    if call.has(2):
        value = call.scalar(2, "the constant value")
    for axis in range(x.type.rank):
        cuts = max(0, -before[axis]), max(0, -after[axis])
        if any(cuts):
            size = _number(x, axis)
            if sum(cuts) >= size:
                raise ImportModelError(f"pads cut off all {size} elements of axis {axis}")
            x = cut(x, axis, cuts[0], size - sum(cuts))
    before, after = [max(0, b) for b in before], [max(0, a) for a in after]
    if not any((*before, *after)):
        return x
    image = x.type.rank == 4 and not any((*before[:2], *after[:2])) and x.dtype.is_float
    if image and mode in ("constant", "reflect", "edge"):
        sides = before[2], after[2], before[3], after[3]
        if mode != "reflect" or all(max(before[a], after[a]) < _number(x, a) for a in (2, 3)):
            return Pad2d(sides, mode, float(value) if mode == "constant" else 0.0)(x)
    if mode == "constant":
        return _constant_border(call, x, before, after, value)
    for axis in range(x.type.rank):
        if before[axis] or after[axis]:
            x = take(call, x, axis, _copied(_number(x, axis), before[axis], after[axis], mode))
    return x


def _amounts(call: Call, x: Value) -> tuple[list[int], list[int]]:
    pads = call.listed("pads", 1)
    rank = x.type.rank
    axes = call.numbers(3, "axes") if call.has(3) else tuple(range(rank))
    axes = tuple(call.axis(a, rank) for a in axes)
    if pads is None or len(pads) != 2 * len(axes):
        raise ImportModelError(f"pads {pads} must have two numbers for each of {len(axes)} axes")
    before, after = [0] * rank, [0] * rank
    for axis, b, a in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        for number in (a, b):
            if abs(number) > call.limits.window:
                raise ImportModelError(
                    f"pads {pads} must be from -{call.limits.window} to {call.limits.window}"
                )
        before[axis], after[axis] = b, a
    return before, after


def _number(x: Value, axis: int) -> int:
    d = x.shape[axis]
    if not isinstance(d, int):
        raise UnsupportedError(f"the batch axis of {x.type} cannot be padded")
    return d


def _constant_border(call: Call, x: Value, before: Any, after: Any, value: Any) -> Value:
    """Zeros around x, to which the value is added there."""
    shape = tuple(
        d if d is N and not b + a else _number(x, axis) + b + a
        for axis, (d, b, a) in enumerate(zip(x.shape, before, after, strict=True))
    )
    call.limits.check_shape(shape, "the result")
    y = Embed(shape, tuple(before), (1,) * x.type.rank)(x)
    if not value:
        return y
    plain = [d if isinstance(d, int) else 1 for d in shape]
    call.store.fold(plain, x.dtype.numpy)
    border = np.full(plain, value, x.dtype.numpy)
    inside = tuple(slice(b, size - a) for b, a, size in zip(before, after, plain, strict=True))
    border[inside] = 0
    return y + constant_of(border, x.dtype)


def _copied(size: int, before: int, after: int, mode: str) -> Array:
    """Which element of the axis each cell of the padded axis copies."""
    places = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(places, 0, size - 1)
    if mode == "wrap":
        return places % size
    if mode != "reflect":
        raise ImportModelError(f"attribute 'mode' = {mode!r} is unknown")
    if size == 1:
        return places * 0
    period = 2 * (size - 1)
    folded: Array = np.abs((places + size - 1) % period - (size - 1))
    return folded


# Resampling

#: The coordinates of a box: its corners are given, as parts of the axes.
CROP = "tf_crop_and_resize"


@imports("Upsample")
def upsample(call: Call) -> Value:
    """The form before Resize: pixel j lies at j / scale, and linear mode mixes from there."""
    x = call.value(0)
    scales = _scales(call, 1)
    if scales is None:
        raise ImportModelError("scales are missing")
    sizes = [_scaled(d, s) for d, s in zip(x.shape, scales, strict=True)]
    how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    how["mode"] = call.attribute("mode", "nearest").replace("bilinear", "linear")
    return resample(call, x, sizes, list(scales), how)


def _known(d: Any) -> int:
    if not isinstance(d, int):
        raise UnsupportedError("the batch axis cannot be resampled")
    return d


def _scaled(d: Any, scale: float) -> Any:
    """The floor of a float32 product, as in ONNX: 9 pixels times 17/9 are 17."""
    return d if scale == 1 else math.floor(np.float32(_known(d)) * np.float32(scale))


def _scales(call: Call, index: int) -> tuple[float, ...] | None:
    if not call.has(index):
        given = call.attribute("scales")
        return None if given is None else tuple(given)
    array = call.known(index, "scales")
    if not array.size:
        return None
    scales = tuple(float(s) for s in array.reshape(-1))
    if not all(0 < s < float("inf") for s in scales):
        raise ImportModelError(f"scales must be positive, found {scales}")
    return scales


@imports("Resize")
def resize(call: Call) -> Value:
    """Opset 10 has (x, scales) and pixel j at j / scale; later ones (x, roi, scales, sizes)."""
    x = call.value(0)
    rank = x.type.rank
    how = dict(call.attributes)
    if call.opset < 11:
        how |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    scales = _scales(call, 1 if call.opset < 11 else 2)
    axes = [call.axis(a, rank) for a in call.ints("axes", tuple(range(rank)))]
    if how.get("coordinate_transformation_mode") == CROP:
        roi = [float(r) for r in call.known(1, "roi").reshape(2, -1).T.reshape(-1)]
        if len(roi) != 2 * len(axes):
            raise ImportModelError(f"roi must have two numbers for each of {len(axes)} axes")
        how["roi"] = {a: (roi[2 * i], roi[2 * i + 1]) for i, a in enumerate(axes)}
    whole: list[float] = [1.0] * rank
    sizes = list(x.shape)
    if scales is not None:
        if len(scales) != len(axes):
            raise ImportModelError(f"scales {scales} must have one number per axis {axes}")
        for axis, s in zip(axes, scales, strict=True):
            whole[axis] = s
            sizes[axis] = _scaled(x.shape[axis], s)
        return resample(call, x, sizes, whole, how)
    if not call.has(3):
        raise ImportModelError("scales or sizes are missing")
    wanted = call.sizes(3, "sizes")
    if len(wanted) != len(axes):
        raise ImportModelError(f"sizes {wanted} must have one number per axis {axes}")
    policy = call.attribute("keep_aspect_ratio_policy", "stretch")
    ratios = [1.0 if d is N else int(d) / _known(x.shape[a])  # type: ignore[arg-type]
              for a, d in zip(axes, wanted, strict=True)]  # fmt: skip
    if policy != "stretch":
        scale = min(ratios) if policy == "not_larger" else max(ratios)
        ratios = [scale] * len(ratios)
    for axis, d, ratio in zip(axes, wanted, ratios, strict=True):
        whole[axis] = ratio
        sizes[axis] = d if policy == "stretch" else math.floor(_known(x.shape[axis]) * ratio + 0.5)
    return resample(call, x, sizes, whole, how)


def resample(
    call: Call, x: Value, sizes: list[Any], scales: list[float], how: dict[str, Any]
) -> Value:
    """Axis by axis; the last two by our own upsampling where it does the same."""
    spans = how.get("roi", {})
    changed = [
        a for a in range(x.type.rank)
        if sizes[a] != x.shape[a] or scales[a] != 1 or spans.get(a, (0, 1)) != (0, 1)
    ]  # fmt: skip
    if not changed:
        return x
    if not x.dtype.is_float:
        return _of_integers(call, x, sizes, scales, how)
    call.limits.check_shape(sizes, "the result")
    if min(_known(sizes[a]) for a in changed) < 1:
        raise ImportModelError(f"the result has the sizes {sizes}, expected at least 1")
    matrices, beyond = {}, np.zeros([1] * x.type.rank, bool)
    for a in changed:
        size = _known(x.shape[a])
        call.store.fold((sizes[a], size), np.float64)
        how["span"] = spans.get(a)
        matrices[a] = matrix(call, size, sizes[a], scales[a], how)
        if a in spans:
            at = _coordinates(size, sizes[a], scales[a], how)
            outside = (at < 0) | (at > size - 1)
            beyond = beyond | outside.reshape([-1 if b == a else 1 for b in range(x.type.rank)])
    ours = _upsampled(x, matrices, sizes)
    if ours is not None:
        return ours
    for a, m in matrices.items():
        x = _along(x, a, m.astype(x.dtype.numpy))
    if beyond.any():
        value = constant_of(how.get("extrapolation_value", 0.0), x.dtype)
        x = Where()(constant_of(beyond), value, x)
    return x


def _of_integers(
    call: Call, x: Value, sizes: list[Any], scales: list[float], how: dict[str, Any]
) -> Value:
    """By way of floats that hold the integers exactly; what lies between two is cut off."""
    mode = how.get("mode", "nearest")
    if mode not in ("nearest", "linear") or x.dtype.bytes > 4:
        raise UnsupportedError(f"attribute 'mode' = {mode!r} of {x.type}")
    work = DType.FLOAT32 if x.dtype.bytes < 4 else DType.FLOAT64
    y = resample(call, cast_to(x, work), sizes, scales, how)
    if mode == "linear":  # what is a whole number may have been rounded to just below
        y = y + Sign()(y) * 1e-4
    return cast_to(y, x.dtype)


def _upsampled(x: Value, matrices: dict[int, Array], sizes: list[Any]) -> Value | None:
    """Our upsampling, where scales are whole numbers and its matrices are these."""
    rank = x.type.rank
    if rank not in (3, 4) or min(matrices) < 2 or not x.dtype.is_float:
        return None
    image = as_image(x)
    h, w = (_known(d) for d in image.shape[2:])
    oh, ow = (1, sizes[2]) if rank == 3 else sizes[2:]
    if oh % h or ow % w:
        return None
    wanted = [matrices.get(rank - 2, np.eye(h)) if rank == 4 else np.eye(1)]
    wanted.append(matrices.get(rank - 1, np.eye(w)))
    scale = oh // h, ow // w
    nearest = all(
        np.array_equal(m, np.repeat(np.eye(n), s, 0))
        for m, n, s in zip(wanted, (h, w), scale, strict=True)
    )
    if nearest:
        return as_before(Upsample2d(scale)(image), x)
    for corners in (False, True):
        op = Upsample2d(scale, "bilinear", corners)
        if all(
            np.allclose(m, op.matrix(n, s, np.float64), 0, 1e-12)
            for m, n, s in zip(wanted, (h, w), scale, strict=True)
        ):
            return as_before(op(image), x)
    return None


def _along(x: Value, axis: int, m: Array) -> Value:
    """m applied to one axis of x."""
    rank = x.type.rank
    c = constant_of(m, x.dtype)
    if axis == rank - 1 and rank > 1:
        return MatMul(transpose_b=True)(x, c)
    if axis == rank - 2:
        return MatMul()(c, x)
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    if N in after:
        raise UnsupportedError(f"resampling of axis {axis} of {x.type}")
    width = known_size(after)
    flat = MatMul()(c, reshaped(x, (*before, x.shape[axis], width)))
    return reshaped(flat, (*before, len(m), *after))


def matrix(call: Call, size: int, new: int, scale: float, how: dict[str, Any]) -> Array:
    """(new, size): row j holds the weights of the pixels that output pixel j mixes."""
    at = _coordinates(size, new, scale, how)
    mode = how.get("mode", "nearest")
    m: Array = np.zeros((new, size))
    rows = np.arange(new)
    if mode == "nearest":
        m[
            rows, np.clip(_nearest(at, how.get("nearest_mode", "round_prefer_floor")), 0, size - 1)
        ] = 1
        return m
    if mode not in ("linear", "cubic"):
        raise ImportModelError(f"attribute 'mode' = {mode!r} is unknown")
    stretch = 1 / scale if how.get("antialias", 0) and scale < 1 else 1.0
    reach = math.ceil((1 if mode == "linear" else 2) * stretch)
    cubic = how.get("cubic_coeff_a", -0.75)
    low = np.floor(at).astype(np.int64)
    exclude = bool(how.get("exclude_outside", 0))
    for offset in range(1 - reach, reach + 1):
        place = low + offset
        weight = _kernel((at - place) / stretch, mode, cubic)
        if exclude:
            weight = np.where((place >= 0) & (place < size), weight, 0.0)
        np.add.at(m, (rows, np.clip(place, 0, size - 1)), weight)
    total = m.sum(axis=1, keepdims=True)
    return m / np.where(total == 0, 1.0, total) if exclude or stretch > 1 else m


def _coordinates(size: int, new: int, scale: float, how: dict[str, Any]) -> Array:
    """Where the output pixels lie in the input."""
    mode = how.get("coordinate_transformation_mode", "half_pixel")
    j = np.arange(new, dtype=np.float64)
    at: Array
    if mode == "asymmetric":
        at = j / scale
    elif mode == "align_corners":
        length = size * scale  # not rounded: new is its floor
        at = j * ((size - 1) / (length - 1)) if length > 1 and new > 1 else j * 0
    elif mode == "pytorch_half_pixel" and new == 1:
        at = j * 0
    elif mode in ("half_pixel", "pytorch_half_pixel"):
        at = (j + 0.5) / scale - 0.5
    elif mode == CROP:
        start, end = how["span"] or (0.0, 1.0)
        middle = (start + end) / 2 * (size - 1)
        step = (end - start) * (size - 1) / (new - 1) if new > 1 else 0.0
        at = start * (size - 1) + j * step if new > 1 else j + middle
    elif mode == "half_pixel_symmetric":
        length = size * scale
        at = size / 2 * (1 - new / length) + (j + 0.5) / scale - 0.5
    else:
        raise UnsupportedError(f"attribute 'coordinate_transformation_mode' = {mode!r}")
    return at


def _nearest(at: Array, mode: str) -> Array:
    rounding: dict[str, Callable[[Array], Array]] = {
        "floor": np.floor, "ceil": np.ceil,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    }  # fmt: skip
    if mode not in rounding:
        raise ImportModelError(f"attribute 'nearest_mode' = {mode!r} is unknown")
    found: Array = rounding[mode](at).astype(np.int64)
    return found


def _kernel(distance: Array, mode: str, a: float) -> Array:
    """The weight of a pixel at some distance: a triangle, or the cubic of R. Keys (1981)."""
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(0.0, 1.0 - d)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    weight: Array = np.where(d <= 1, near, np.where(d < 2, far, 0.0))
    return weight
